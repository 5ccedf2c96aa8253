// Style "row": the policy of templates/row.cuh for a matched group, and its launches.
//
// Options: vector (neighbours per access), stage (1: rows that fit stay in registers), columns (1:
// neighbouring threads take neighbouring rows), split (1: two launches over parts of each row,
// through a workspace; one pass, no stored points).
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "coder/group_code.hpp"
#include "coder/lanes.hpp"
#include "coder/row_match.hpp"

namespace mtmc::coder {

namespace {

struct RowWriter {
  const GroupTask& task;
  Scope& scope;
  RowShape& shape;
  std::set<std::string> used;
  std::vector<Expr> divisors;
  std::map<std::string, CValue> staged;               // by key, as "item.x[v]"
  std::vector<std::pair<Access, std::string>> items;  // staged loads and their fields
  std::optional<std::string> error;

  std::string field(int t) const {
    return c_name(task.lowering.tensors[static_cast<std::size_t>(t)].name);
  }
  const op::Primitive& producer(int t) const { return scope.producer(t); }

  std::optional<CValue> statistic(int t) const {
    if (!shape.is_statistic(t)) return std::nullopt;
    const bool real = op::is_float(task.lowering.tensors[static_cast<std::size_t>(t)].dtype);
    return CValue{"row." + field(t), real ? CType::real : CType::integer, 9, std::nullopt};
  }
  AxisMap axes_of(int t) const {
    AxisMap axes;
    const auto& p = producer(t);
    for (std::size_t k = 0; k < p.parallel.size(); ++k)
      axes[p.parallel[k].name] = shape.at.at(t)[k];
    std::size_t next = 0;
    for (const auto& a : p.reduced)
      axes[a.name] = a.extent.is_constant(1) ? Expr(0) : reduced_at[next++];
    return axes;
  }
  std::vector<Expr> reduced_at;  // the original cols over the joined ones
  Expr position;                 // row-major position in the row

  CType acc_type(int t) const {
    const auto& p = producer(t);
    CType type = op::is_float(task.lowering.tensors[static_cast<std::size_t>(t)].dtype)
                     ? CType::real
                     : CType::integer;
    if (is_arg(p.combiner))
      p.body.visit_loads([&](const op::Scalar& s) {
        type = op::is_float(task.lowering.tensors[static_cast<std::size_t>(s.tensor())].dtype)
                   ? CType::real
                   : CType::integer;
      });
    return type;
  }

  LaneWriter lanes(int depth) {
    LaneWriter writer(scope, shape.cols.back(), depth);
    writer.staged = staged;
    writer.known_tensor = [this](int t, const std::vector<Expr>&) { return statistic(t); };
    writer.reserved = {"row", "item", "acc", "c", "v"};
    writer.scalar_only = task.option("columns") != 0;
    return writer;
  }

  void pass_body(int pass, LaneWriter& lanes, Emitter& emitter, bool writing, Block& out) {
    for (int t : shape.passes[static_cast<std::size_t>(pass)]) {
      const auto& p = producer(t);
      const CValue value = emitter.body(p.body, axes_of(t), std::nullopt);
      const CType type = acc_type(t);
      if (!writing) continue;
      if (is_arg(p.combiner)) {
        // The lane is the last of the row's variables: positions rise by one with it.
        lanes.collect(emitter, emitter.type_name(type), field(t), emitter.as(value, type, 0),
                      [&](const std::string& values, Emitter& plain) {
                        return fmt::format("acc.{}.see({}, {});", field(t), values,
                                           plain.index(position, 0));
                      });
      } else {
        out.line(
            combine_statement(p.combiner, "acc." + field(t),
                              emitter.as(value, type, p.combiner == op::Combiner::prod ? 7 : 0)));
      }
    }
  }

  // Statements that give the row's and the point's variables, as far as `names` uses them.
  void indices(Block& block, const std::set<std::string>& names, bool points) {
    for (const auto& r : shape.rows)
      if (names.count(r)) block.line(fmt::format("const index_t {0} = row.{0};", c_name(r)));
    if (points) decode(block, "c", shape.cols, scope, names, used);
  }

  void collect(const LaneWriter& writer) {
    used.insert(writer.used().begin(), writer.used().end());
    if (writer.error()) error = writer.error();
    for (const auto& d : writer.divisors())
      if (std::find(divisors.begin(), divisors.end(), d) == divisors.end()) divisors.push_back(d);
  }

  std::string points_function(const std::string& head, LaneWriter& writer) {
    collect(writer);
    Block block(2);
    indices(block, writer.used(), true);
    writer.write(block);
    return fmt::format("  template <int V>\n  MTMC_DEVICE void {} const {{\n{}  }}\n", head,
                       block.text());
  }

  void store_body(LaneWriter& writer, Emitter& emitter, bool writing) {
    for (int t : shape.stored_points) {
      const CValue value = emitter.tensor(t, shape.at.at(t));
      writer.store(emitter, writing, t, scope.offset(t, shape.at.at(t)), value);
    }
  }

  void join();
  void find_staged();
  std::string accumulators();
  std::string finish(int pass);
  std::string store_row();
  std::string policy();
  std::int64_t acc_bytes() const;
};

void RowWriter::join() {
  // Cols that every access walks as one become one variable, and so do rows.
  std::vector<Expr> forms;
  {
    Block scratch;
    Emitter dry(scope, scratch);
    dry.known_tensor = [this](int t, const std::vector<Expr>&) { return statistic(t); };
    dry.on_access = [&](const Access& a) {
      forms.push_back(a.offset);
      if (a.guard) forms.push_back(*a.guard);
    };
    for (const auto& c : shape.cols) reduced_at.push_back(Expr::symbol(c));
    for (const auto& pass : shape.passes)
      for (int t : pass) dry.body(producer(t).body, axes_of(t), std::nullopt);
    for (const auto& list : shape.after)
      for (int t : list) dry.body(producer(t).body, axes_of(t), std::nullopt);
    for (int t : shape.stored_points) {
      dry.tensor(t, shape.at.at(t));
      forms.push_back(scope.offset(t, shape.at.at(t)));
    }
    for (int t : shape.stored_rows)
      if (shape.at.count(t)) forms.push_back(scope.offset(t, shape.at.at(t)));
  }
  position = Expr(0);
  for (const auto& c : shape.cols) position = position * scope.math.extent(c) + Expr::symbol(c);
  AxisMap map = join_axes(scope, shape.cols, forms);
  for (auto& f : forms) f = scope.math.simplify(f.substitute(map));
  const AxisMap row_map = join_axes(scope, shape.rows, forms);
  map.insert(row_map.begin(), row_map.end());
  position = scope.math.simplify(position.substitute(map));
  for (auto& e : reduced_at) e = scope.math.simplify(e.substitute(map));
  for (auto& [t, list] : shape.at)
    for (auto& e : list) e = scope.math.simplify(e.substitute(map));
  if (shape.cols.empty()) {
    shape.cols.push_back("_c0");
    scope.math.add_variable("_c0", Expr(1));
  }
}

void RowWriter::find_staged() {
  std::map<std::string, std::pair<Access, int>> seen;
  std::vector<std::string> order;
  const auto phase = [&](const std::function<void(Emitter&)>& body) {
    Block scratch;
    Emitter dry(scope, scratch);
    dry.known_tensor = [this](int t, const std::vector<Expr>&) { return statistic(t); };
    std::set<std::string> here;
    dry.on_access = [&](const Access& a) {
      bool of_points = false;
      for (const auto& e : {a.offset, a.guard.value_or(Expr(0))})
        for (const auto& s : e.symbols()) of_points |= s.rfind("_c", 0) == 0;
      if (!of_points || !here.insert(a.key()).second) return;
      auto [it, fresh] = seen.emplace(a.key(), std::pair{a, 0});
      if (fresh) order.push_back(a.key());
      ++it->second.second;
    };
    body(dry);
  };
  for (const auto& pass : shape.passes)
    phase([&](Emitter& e) {
      for (int t : pass) e.body(producer(t).body, axes_of(t), std::nullopt);
    });
  if (!shape.stored_points.empty())
    phase([&](Emitter& e) {
      for (int t : shape.stored_points) e.tensor(t, shape.at.at(t));
    });
  std::set<std::string> names;
  for (const auto& key : order) {
    const auto& [access, count] = seen.at(key);
    if (count < 2) continue;
    std::string name = scope.pointers.at(access.tensor) + "_s";
    while (!names.insert(name).second) name += "_";
    items.emplace_back(access, name);
  }
}

std::string RowWriter::accumulators() {
  std::string text, list;
  for (std::size_t k = 0; k < shape.passes.size(); ++k) {
    std::string fields, combine;
    for (int t : shape.passes[k]) {
      const auto& p = producer(t);
      const CType type = acc_type(t);
      const std::string c = type == CType::real ? scope.real() : "long long";
      const std::string identity = identity_literal(p.combiner, type, scope.wide_real);
      if (is_arg(p.combiner)) {
        fields +=
            fmt::format("    ArgOf<{}, {}> {}{{{}}};\n", c,
                        p.combiner == op::Combiner::argmax ? "true" : "false", field(t), identity);
        combine += fmt::format("      {0}.combine(other.{0});\n", field(t));
      } else {
        fields += fmt::format("    {} {} = {};\n", c, field(t), identity);
        combine += "      " + combine_statement(p.combiner, field(t), "other." + field(t)) + "\n";
      }
    }
    text += fmt::format(
        "  struct Acc{0} {{\n{1}    MTMC_DEVICE void combine(const Acc{0}& other) {{\n{2}    }}\n  "
        "}};\n",
        k, fields, combine);
    list += fmt::format("{}Acc{}", k ? ", " : "", k);
  }
  return text + fmt::format("  using Passes = PassList<{}>;\n", list);
}

std::string RowWriter::finish(int pass) {
  Block body(2);
  Emitter emitter(scope, body);
  for (const char* name : {"row", "acc"}) emitter.reserve(name);
  emitter.known_tensor = [this](int t, const std::vector<Expr>&) { return statistic(t); };
  for (int t : shape.passes[static_cast<std::size_t>(pass)]) {
    const CType type = acc_type(t);
    const bool arg = is_arg(producer(t).combiner);
    const CValue value{fmt::format("acc.{}{}", field(t), arg ? ".position()" : ""),
                       arg ? CType::integer : type, 9, std::nullopt};
    body.line(fmt::format("row.{} = {};", field(t), emitter.as(value, emitter.type_of(t))));
  }
  for (int t : shape.after[static_cast<std::size_t>(pass)]) {
    const CValue value = emitter.body(producer(t).body, axes_of(t), std::nullopt);
    body.line(fmt::format("row.{} = {};", field(t), emitter.as(value, emitter.type_of(t))));
  }
  if (emitter.error()) error = emitter.error();
  used.insert(emitter.used().begin(), emitter.used().end());
  Block head(2);
  indices(head, emitter.used(), false);
  return fmt::format("  MTMC_DEVICE void finish(Row& row, const Acc{}& acc) const {{\n{}{}  }}\n",
                     pass, head.text(), body.text());
}

std::string RowWriter::store_row() {
  Block body(2);
  Emitter emitter(scope, body);
  emitter.reserve("row");
  emitter.known_tensor = [this](int t, const std::vector<Expr>&) { return statistic(t); };
  for (int t : shape.stored_rows) {
    const CValue value = emitter.tensor(t, shape.at.at(t));
    const std::string place = emitter.address(t, scope.offset(t, shape.at.at(t)));
    const bool boolean =
        task.lowering.tensors[static_cast<std::size_t>(t)].dtype == op::DType::boolean;
    const CType type = emitter.type_of(t);
    const std::string text =
        boolean
            ? emitter.as({emitter.as(value, CType::boolean), CType::boolean, 0, std::nullopt}, type)
            : emitter.as(value, type);
    body.line(fmt::format("put({}, {});", place, text));
  }
  if (emitter.error()) error = emitter.error();
  used.insert(emitter.used().begin(), emitter.used().end());
  Block head(2);
  indices(head, emitter.used(), false);
  return fmt::format("  MTMC_DEVICE void store_row(const Row& row) const {{\n{}{}  }}\n",
                     head.text(), body.text());
}

std::string RowWriter::policy() {
  // The fragment of staged loads.
  std::string item_fields, row_fields;
  LaneWriter loader = lanes(2);
  Block scratch;
  Emitter types(scope, scratch);
  for (const auto& [access, name] : items)
    item_fields +=
        fmt::format("    {} {}[V];\n", types.type_name(types.type_of(access.tensor)), name);
  loader.run([&](Emitter& emitter, bool writing) {
    for (const auto& [access, name] : items) {
      const CValue value = emitter.access(access);
      if (writing) emitter.statement(fmt::format("item.{}[v] = {};", name, value.text));
    }
  });
  const std::string load =
      points_function("load(const Row& row, index_t c, Item<V>& item)", loader);
  for (const auto& [access, name] : items)
    staged[access.key()] = {fmt::format("item.{}[v]", name), types.type_of(access.tensor), 9,
                            std::nullopt};
  std::string visits, finishes;
  for (int k = 0; k < static_cast<int>(shape.passes.size()); ++k) {
    LaneWriter visitor = lanes(2);
    visitor.run([&](Emitter& emitter, bool writing) {
      Block out;
      pass_body(k, visitor, emitter, writing, out);
      if (writing) emitter.statements(out.text());
    });
    visits += points_function(
        fmt::format("visit(const Row& row, index_t c, const Item<V>& item, Acc{}& acc)", k),
        visitor);
    finishes += finish(k);
  }
  std::string store;
  if (!shape.stored_points.empty()) {
    LaneWriter storer = lanes(2);
    storer.run([&](Emitter& emitter, bool writing) { store_body(storer, emitter, writing); });
    store = points_function("store(const Row& row, index_t c, const Item<V>& item)", storer);
  }
  const std::string last = store_row();
  for (const auto& r : shape.rows) row_fields += fmt::format("    index_t {};\n", c_name(r));
  for (const auto* list : {&shape.passes, &shape.after})
    for (const auto& pass : *list)
      for (int t : pass)
        row_fields += fmt::format("    {} {};\n", types.type_name(types.type_of(t)), field(t));
  Block begin(2);
  std::set<std::string> all(shape.rows.begin(), shape.rows.end());
  decode(begin, "r", shape.rows, scope, all, used);
  for (const auto& r : shape.rows)
    begin.line(fmt::format("row.{0} = {1};", c_name(r),
                           scope.math.extent(r).is_constant(1) ? "0" : c_name(r)));
  if (shape.cols.size() > 1)
    divisors.insert(divisors.begin(), scope.math.extent(shape.cols.back()));
  std::string aligned;
  std::set<std::string> seen;
  for (const auto& d : divisors) {
    const std::string text =
        fmt::format("divides({}, {})", task.macro("VECTOR"), c_expr(d, scope.math, &used));
    if (seen.insert(text).second) aligned += (aligned.empty() ? "" : " && ") + text;
  }
  Signature signature(scope, used);
  return fmt::format(
      "struct G{0} {{\n{1}\n  struct Row {{\n{2}  }};\n  template <int V>\n  struct Item {{\n{3}  "
      "}};\n{4}"
      "  static constexpr bool kStores = {5};\n\n"
      "  MTMC_DEVICE bool aligned() const {{ return {6}; }}\n"
      "  MTMC_DEVICE void begin(Row& row, index_t r) const {{\n{7}  }}\n{8}{9}{10}{11}{12}}};\n\n",
      task.index, signature.fields(), row_fields, item_fields, accumulators(),
      shape.stored_points.empty() ? "false" : "true", aligned.empty() ? "true" : aligned,
      begin.text(), load, visits, finishes, store, last);
}

std::int64_t RowWriter::acc_bytes() const {
  std::int64_t size = 0, align = 4;
  const auto add = [&](std::int64_t bytes) {
    align = std::max(align, bytes);
    size = (size + bytes - 1) / bytes * bytes + bytes;
  };
  for (int t : shape.passes[0]) {
    const std::int64_t value = acc_type(t) == CType::integer || scope.wide_real ? 8 : 4;
    if (is_arg(producer(t).combiner)) {
      const std::int64_t at = scope.wide_index ? 8 : 4, inner = std::max(value, at);
      align = std::max(align, inner);
      size = (size + inner - 1) / inner * inner + 2 * inner;
    } else {
      add(value);
    }
  }
  return (size + align - 1) / align * align;
}

// Starting points: the lanes that share a row, and the vectors of it that each keeps.
void rank(GroupCode& code, const GroupTask& task, std::int64_t rows, std::int64_t length,
          std::int64_t vector, bool staged, bool columns) {
  const std::string lanes = task.macro("LANES"), items = task.macro("ITEMS"),
                    width = task.macro("VECTOR");
  struct Start {
    double cost;
    kernel::Configuration configuration;
  };
  std::vector<Start> starts;
  const std::vector<std::int64_t> choices =
      columns ? std::vector<std::int64_t>{1, 2, 4, 8, 16, 32}
              : std::vector<std::int64_t>{8, 16, 32, 128, 256, 512, 1024};
  for (std::int64_t l : choices) {
    std::int64_t need = std::max<std::int64_t>(1, (length + l * vector - 1) / (l * vector)), n = 0;
    if (staged) {
      for (std::int64_t v : {1, 2, 3, 4, 6, 8, 12, 16})
        if (v >= need && !n) n = v;
      if (!n || n * vector > 32) continue;
    }
    // Instructions of all threads: their points, and the exchange between lanes (costlier between
    // warps). Fewer threads than half the machine's leave it idle.
    const double threads = static_cast<double>(rows * l);
    const double exchange = columns ? 20 + 4 * static_cast<double>(l) : l > 32 ? 150 : 60;
    double cost = threads * (10 * static_cast<double>(need * vector) + exchange);
    cost *= std::max(1.0, 135168 / threads);
    kernel::Configuration c = {{lanes, l}, {width, vector}, {items, n}};
    starts.push_back({cost, c});
  }
  if (starts.empty())
    starts.push_back({1, {{lanes, columns ? 8 : 1024}, {width, vector}, {items, staged ? 16 : 0}}});
  std::stable_sort(starts.begin(), starts.end(),
                   [](const Start& a, const Start& b) { return a.cost < b.cost; });
  for (std::size_t i = 0; i < starts.size() && i < 4; ++i)
    code.ranked.push_back(starts[i].configuration);
  code.tunables.push_back({lanes, choices});
  code.tunables.push_back(
      {width, vector > 1 ? std::vector<std::int64_t>{2, 4, 8} : std::vector<std::int64_t>{1}});
  code.tunables.push_back({items, staged ? std::vector<std::int64_t>{1, 2, 3, 4, 6, 8, 12, 16}
                                         : std::vector<std::int64_t>{0}});
}

}  // namespace

Result<GroupCode> write_row(const GroupTask& task) {
  Scope scope = make_scope(task.lowering, task.group.primitives);
  auto shape = match_row(scope, task.group.primitives);
  if (!shape) return tl::unexpected<Error>(shape.error());
  const bool columns = task.option("columns") != 0, split = task.option("split") != 0;
  const bool staged = task.option("stage") != 0 && !split;
  if (split && (shape->passes.size() != 1 || !shape->stored_points.empty()))
    return bad_input("split needs one pass and no stored points");
  std::vector<Expr> row_extents, col_extents;
  for (const auto& v : shape->rows) row_extents.push_back(scope.math.extent(v));
  for (const auto& v : shape->cols) col_extents.push_back(scope.math.extent(v));
  const Expr rows = scope.math.simplify(product_of(row_extents)),
             length = scope.math.simplify(product_of(col_extents));
  RowWriter writer{task, scope, *shape, {}, {}, {}, {}, {}, {}, {}};
  writer.join();
  writer.find_staged();
  const std::string rows_text = c_expr(rows, scope.math, &writer.used),
                    length_text = c_expr(length, scope.math, &writer.used);
  std::string policy = writer.policy();
  if (writer.error) return bad_input(*writer.error);
  Signature signature(scope, writer.used);
  GroupCode code;
  code.headers = {"row.cuh"};
  const std::int64_t vector = columns ? 1 : std::max<std::int64_t>(1, task.option("vector", 1));
  rank(code, task, stated(task.lowering, rows, 1), stated(task.lowering, length, 1), vector, staged,
       columns);
  if (staged)
    code.constraints.push_back(fmt::format("{} * {} * {} >= {}", task.macro("LANES"),
                                           task.macro("VECTOR"), task.macro("ITEMS"),
                                           length.text()));
  const auto symbol = [&](const char* n) { return Expr::symbol(task.macro(n)); };
  const std::string lanes = task.macro("LANES"), vec = task.macro("VECTOR"),
                    items = task.macro("ITEMS");
  const std::string threads =
      columns ? fmt::format("(32 * {})", lanes) : fmt::format("({0} > 32 ? {0} : 128)", lanes);
  const Expr block = columns
                         ? Expr(32) * symbol("LANES")
                         : Expr::make(Expr::Kind::select,
                                      {Expr::make(Expr::Kind::greater, {symbol("LANES"), Expr(32)}),
                                       symbol("LANES"), Expr(128)});
  const Expr grid = ceil_div(rows, columns ? Expr(32) : floor_div(block, symbol("LANES")));
  const auto launch = [&](const std::string& name, std::vector<Expr> blocks, const Expr& size,
                          const Signature& s) {
    kernel::Launch l;
    l.kernel = name;
    l.grid = std::move(blocks);
    l.block = {size};
    l.args = s.arguments();
    code.steps.push_back({l, std::nullopt, std::nullopt});
  };
  const std::string g = fmt::format("G{}", task.index);
  if (!split) {
    const std::string name = task.kernel_name();
    code.text =
        policy + fmt::format(
                     "extern \"C\" __global__ void __launch_bounds__({0})\n{1}({2}) {{\n"
                     "  row_kernel<{0}, {3}, {4}, {5}, {6}>({7}{{{8}}}, {9}, {10});\n}}\n",
                     threads, name, signature.parameters(), lanes, vec, items,
                     columns ? "true" : "false", g, signature.names(), rows_text, length_text);
    launch(name, {grid}, block, signature);
    return code;
  }
  const std::string parts = task.macro("PARTS"), buffer = task.prefix() + "_partial";
  Signature with_partial = signature;
  with_partial.add_pointer(g + "::Acc0", "partial", buffer, false);
  const std::string first = task.kernel_name("partial"), second = task.kernel_name("combine");
  code.text = policy + fmt::format(
                           "extern \"C\" __global__ void __launch_bounds__({0})\n{1}({2}) {{\n"
                           "  row_partial<{0}, {3}, {4}>({5}{{{6}}}, {7}, {8}, partial);\n}}\n\n"
                           "extern \"C\" __global__ void __launch_bounds__(128)\n{9}({2}) {{\n"
                           "  row_combine<128>({5}{{{6}}}, {7}, {10}, partial);\n}}\n",
                           threads, first, with_partial.parameters(), lanes, vec, g,
                           signature.names(), rows_text, length_text, second, parts);
  kernel::Buffer workspace;
  workspace.name = buffer;
  workspace.dtype = op::DType::u8;
  workspace.shape = {rows * symbol("PARTS") * Expr(writer.acc_bytes())};
  code.workspace.push_back(workspace);
  std::int64_t ways = std::max<std::int64_t>(2, task.option("split"));
  code.tunables.push_back({parts, {4, 8, 16, 32, 64, 128, 256, 512, 1024}});
  for (auto& c : code.ranked) c[parts] = ways;
  launch(first, {grid, symbol("PARTS")}, block, with_partial);
  launch(second, {ceil_div(rows, Expr(4))}, Expr(128), with_partial);
  return code;
}

}  // namespace mtmc::coder
