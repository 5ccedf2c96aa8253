// Style "matmul": loaders and visitor of templates/matmul.cuh for a matched group, and its
// launches.
//
// Options: vector (1: 16-byte accesses where operands and results allow), stages (2: double
// buffering), group (1: blocks in groups of tile rows), split (ways: partial products over parts of
// k in a workspace, then a kernel that adds them in a fixed order and finishes), mma (1: tensor
// cores, templates/matmul_mma.cuh, for plain f16 or bf16 operands), swizzle (1, with mma: tiles
// permuted instead of padded), pipeline (1, with mma: permuted tiles in a ring that asynchronous
// copies fill).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "coder/group_code.hpp"
#include "coder/lanes.hpp"
#include "coder/matmul_match.hpp"

namespace mtmc::coder {

namespace {

struct MatmulWriter {
  const GroupTask& task;
  Scope& scope;
  MatmulShape& shape;
  std::set<std::string> used;
  std::optional<std::string> error;

  std::string aligned(const LaneWriter& lanes, const std::vector<std::string>& vars,
                      const std::string& width) {
    std::vector<Expr> divisors = lanes.divisors();
    if (vars.size() > 1) divisors.insert(divisors.begin(), scope.math.extent(vars.back()));
    std::string text;
    std::set<std::string> seen;
    for (const auto& d : divisors) {
      const std::string one = fmt::format("divides({}, {})", width, c_expr(d, scope.math, &used));
      if (seen.insert(one).second) text += (text.empty() ? "" : " && ") + one;
    }
    return text.empty() ? "true" : text;
  }
  void collect(const LaneWriter& lanes) {
    used.insert(lanes.used().begin(), lanes.used().end());
    if (lanes.error()) error = lanes.error();
  }
  bool mma() const { return task.option("mma") != 0; }
  bool pipeline() const { return task.option("pipeline") != 0; }
  op::DType plain_type(const OperandShape& o) const {
    return task.lowering.tensors[static_cast<std::size_t>(o.plain->tensor)].dtype;
  }
  std::int64_t width() const { return mma() ? 8 : task.option("vector", 1) > 1 ? 4 : 1; }

  std::string loader(const std::string& name, const std::string& base, const OperandShape& o) {
    LaneWriter lanes(scope, o.lane, 2);
    lanes.reserved = {"row", "k", "out", "v"};
    lanes.run([&](Emitter& emitter, bool writing) {
      const CValue value = emitter.body(o.body, o.axes, std::nullopt);
      if (writing) emitter.statement(fmt::format("out[v] = {};", emitter.as(value, CType::real)));
    });
    collect(lanes);
    const bool vectors = lanes.has_vectors() && width() > 1;
    std::string fields;
    Block row(2), head(2);
    std::set<std::string> wanted;
    for (const auto* vars : {&o.batch, &o.rows})
      for (const auto& v : *vars)
        if (lanes.used().count(v)) {
          wanted.insert(v);
          fields += fmt::format("    index_t {};\n", c_name(v));
          head.line(fmt::format("const index_t {0} = row.{0};", c_name(v)));
        }
    decode(row, "z", o.batch, scope, wanted, used);
    decode(row, "m", o.rows, scope, wanted, used);
    std::string list;
    for (const auto* vars : {&o.batch, &o.rows})
      for (const auto& v : *vars)
        if (wanted.count(v)) list += (list.empty() ? "" : ", ") + c_name(v);
    row.line(fmt::format("return Row{{{}}};", list));
    decode(head, "k", o.depth, scope, lanes.used(), used);
    lanes.write(head);
    // Eight elements as they lie in memory, for tensor cores: at once, or one by one where a guard
    // or a step between neighbours forbids that. Either way their indices are worked out once.
    std::string words;
    std::optional<Expr> step;
    if (mma()) {
      step = scope.math.coefficient(o.plain->offset, o.lane);
      words = fmt::format("  using Element = {};\n", c_type(plain_type(o)));
    }
    const bool gathers = step && !vectors && o.plain->otherwise == 0;
    if (mma() && (vectors || gathers)) {
      Block body(2), access(2);
      Emitter emitter(scope, access);
      for (const char* n : {"row", "k", "out", "v"}) emitter.reserve(n);
      const std::string at = emitter.address(o.plain->tensor, o.plain->offset);
      if (vectors) {
        access.line(pipeline() ? fmt::format("return {};", at)
                               : fmt::format("fetch_words<V>({}, out);", at));
      } else {
        // What a guard asks of all eight alike is asked once.
        std::string some = "true", inside = "true";
        emitter.lane = o.lane;
        if (o.plain->guard)
          for (const auto& condition : conditions(*o.plain->guard)) {
            std::string& text = condition.symbols().count(o.lane) ? inside : some;
            text = (text == "true" ? "" : text + " && ") + emitter.index(condition, 3);
          }
        access.line(fmt::format("{}({}, {}, {}, [&](index_t v) {{ return {}; }}, out);",
                                pipeline() ? "gather_parts" : "gather_words<V>", at,
                                emitter.index(*step, 0), some, inside));
      }
      for (const auto* vars : {&o.batch, &o.rows})
        for (const auto& v : *vars)
          if (emitter.used().count(v))
            body.line(fmt::format("const index_t {0} = row.{0};", c_name(v)));
      decode(body, "k", o.depth, scope, emitter.used(), used);
      used.insert(emitter.used().begin(), emitter.used().end());
      body.append(access);
      const char* head_text =
          !pipeline() ? "  template <int V>\n  MTMC_DEVICE void words(const Row& row, index_t k, "
                        "unsigned (&out)[V / 2]) const"
          : vectors   ? "  MTMC_DEVICE const Element* at(const Row& row, index_t k) const"
                      : "  MTMC_DEVICE void parts(const Row& row, index_t k, unsigned short "
                        "(&out)[8]) const";
      words += fmt::format("{} {{\n{}  }}\n", head_text, body.text());
    }
    if (mma()) words += fmt::format("  static constexpr bool kCopies = {};\n", vectors);
    return fmt::format(
        "struct {0} : {1} {{\n  using Real = {2};\n  static constexpr bool kAlongK = {3};\n"
        "  static constexpr int kVector = {4};\n  struct Row {{\n{5}  }};\n"
        "  MTMC_DEVICE bool aligned() const {{ return {6}; }}\n"
        "  MTMC_DEVICE Row row(index_t z, index_t m) const {{\n{7}  }}\n"
        "  template <int V>\n  MTMC_DEVICE void load(const Row& row, index_t k, Real (&out)[V]) "
        "const {{\n{8}  }}\n{9}}};\n\n",
        name, base, scope.real(), o.along_k ? "true" : "false", vectors || gathers ? width() : 1,
        fields,
        aligned(lanes, o.along_k ? o.depth : o.rows,
                std::to_string(std::max<std::int64_t>(4, width()))),
        row.text(), head.text(), words);
  }

  // The epilogue on V neighbours of the result, or, for a split product, the partial result as it
  // is.
  std::string visitor(const std::string& name, const std::string& base, bool partial) {
    const std::string lane = shape.n.back();
    LaneWriter lanes(scope, lane, 2);
    lanes.reserved = {"z", "m", "n", "split", "acc", "v"};
    lanes.known_tensor = [&](int t, const std::vector<Expr>&) -> std::optional<CValue> {
      if (t != shape.result) return std::nullopt;
      return CValue{"acc[v]", CType::real, 9, std::nullopt};
    };
    Block body(2);
    std::set<std::string> wanted;
    bool vectors = false;
    std::string ready = "true";
    if (partial) {
      const Expr offset = scope.offset(shape.result, shape.result_at);
      Emitter plain(scope, body);
      const auto step = scope.math.coefficient(offset, lane);
      const Expr total = product_of(extents());
      const std::string at =
          fmt::format("partial + split * ({}) + {}", plain.index(scope.math.simplify(total), 0),
                      plain.index(offset, 5));
      wanted = plain.used();
      used.insert(plain.used().begin(), plain.used().end());
      decode(body, "z", shape.batch, scope, wanted, used);
      decode(body, "m", shape.m, scope, wanted, used);
      decode(body, "n", shape.n, scope, wanted, used);
      if (step && step->is_constant(1)) {
        body.line(fmt::format("put<V>({}, acc);", at));
        for (const auto& d : scope.math.terms_without(offset, lane))
          ready += fmt::format(" && divides(4, {})", c_expr(d, scope.math, &used));
        ready += fmt::format(" && divides(4, {})",
                             c_expr(scope.math.simplify(total), scope.math, &used, {}, 0));
        if (shape.n.size() > 1)
          ready +=
              fmt::format(" && divides(4, {})", c_expr(scope.math.extent(lane), scope.math, &used));
        vectors = width() > 1;
      } else {
        body.line("#pragma unroll");
        body.open("for (int v = 0; v < V; ++v) {");
        // Neighbours along n are `step` apart.
        body.line(fmt::format("put({} + v * ({}), acc[v]);", at,
                              step ? c_expr(*step, scope.math, &used) : "1"));
        body.close();
      }
    } else {
      lanes.run([&](Emitter& emitter, bool writing) {
        for (const auto& [t, at] : shape.stored) {
          const CValue value = t == shape.result ? CValue{"acc[v]", CType::real, 9, std::nullopt}
                                                 : emitter.tensor(t, at);
          lanes.store(emitter, writing, t, scope.offset(t, at), value);
        }
      });
      collect(lanes);
      decode(body, "z", shape.batch, scope, lanes.used(), used);
      decode(body, "m", shape.m, scope, lanes.used(), used);
      decode(body, "n", shape.n, scope, lanes.used(), used);
      lanes.write(body);
      vectors = lanes.has_vectors() && width() > 1;
      ready = aligned(lanes, shape.n, "4");
    }
    return fmt::format(
        "struct {0} : {1} {{\n{2}  static constexpr int kVector = {3};\n"
        "  MTMC_DEVICE bool aligned() const {{ return {4}; }}\n"
        "  template <int V>\n  MTMC_DEVICE void store(index_t z, index_t split, index_t m, index_t "
        "n, const {5} (&acc)[V]) const {{\n{6}  }}\n}};\n\n",
        name, base, partial ? fmt::format("  {}* __restrict__ partial;\n", scope.real()) : "",
        vectors ? 4 : 1, ready, scope.real(), body.text());
  }

  std::vector<Expr> extents() const {
    std::vector<Expr> list;
    for (const auto& a :
         task.lowering.primitives[static_cast<std::size_t>(shape.contraction)].parallel)
      list.push_back(a.extent);
    return list;
  }

  // Second launch of a split product: adds the parts of an element in order, then the epilogue.
  std::string combine(const std::string& parts, const std::string& lanes, const std::string& name,
                      Expr& total_out, Signature*& signature, std::vector<Signature>& keep,
                      const std::string& buffer) {
    std::vector<std::string> vars;
    for (std::size_t k = 0; k < shape.result_at.size(); ++k)
      if (!scope.math.extent(shape.result_at[k].name()).is_constant(1))
        vars.push_back(shape.result_at[k].name());
    const Expr total = scope.math.simplify(product_of(extents()));
    total_out = total;
    Block body(2);
    std::set<std::string> mine;
    const std::string total_text = c_expr(total, scope.math, &mine, {}, 0);
    Emitter emitter(scope, body);
    for (const char* n : {"e", "acc", "partial"}) emitter.reserve(n);
    emitter.known_tensor = [&](int t, const std::vector<Expr>&) -> std::optional<CValue> {
      if (t != shape.result) return std::nullopt;
      return CValue{"acc", CType::real, 9, std::nullopt};
    };
    for (const auto& [t, at] : shape.stored) {
      const CValue value =
          t == shape.result ? CValue{"acc", CType::real, 9, std::nullopt} : emitter.tensor(t, at);
      const std::string text = emitter.as(value, emitter.type_of(t));
      body.line(fmt::format("put({}, {});", emitter.address(t, scope.offset(t, at)), text));
    }
    if (emitter.error()) error = emitter.error();
    mine.insert(emitter.used().begin(), emitter.used().end());
    Block head(2);
    decode(head, "e", vars, scope, emitter.used(), mine);
    keep.emplace_back(scope, mine);
    signature = &keep.back();
    signature->add_pointer(scope.real(), "partial", buffer, true);
    return fmt::format(
        "extern \"C\" __global__ void __launch_bounds__(256)\n{}({}) {{\n"
        "  combine_parts<{}, {}>(partial, {}, [&](index_t e, {} acc) {{\n{}{}  }});\n}}\n",
        name, signature->parameters(), parts, lanes, total_text, scope.real(), head.text(),
        body.text());
  }
};

// A tile of a block and what each thread (FMA) or warp (tensor cores) has of it.
struct Tile {
  std::int64_t bm, bn, bk;
  std::int64_t x, y;  // THREAD_M, THREAD_N; or WARPS_M, WARPS_N
};
constexpr Tile kTiles[] = {{128, 128, 8, 8, 8}, {64, 64, 16, 4, 4},  {128, 64, 8, 8, 4},
                           {64, 128, 8, 4, 8},  {32, 64, 16, 4, 4},  {32, 32, 16, 2, 4},
                           {16, 128, 16, 4, 4}, {128, 16, 16, 4, 4}, {16, 16, 16, 1, 1},
                           {64, 64, 8, 8, 8}};
constexpr Tile kMmaTiles[] = {{128, 128, 32, 2, 4}, {128, 128, 32, 2, 2}, {64, 64, 32, 2, 2},
                              {128, 64, 32, 2, 2},  {64, 128, 32, 2, 2},  {128, 64, 32, 4, 2},
                              {64, 128, 32, 2, 4},  {32, 64, 32, 1, 4},   {64, 32, 32, 2, 1},
                              {32, 32, 32, 2, 1},   {16, 64, 32, 1, 4}};

struct Extents {
  double m, n, k, batch;
};

// What a ring of tensor-core tiles asks of an SM.
struct Ring {
  Tile tile;
  std::int64_t stages, residents;  // residents: blocks that the compiler must leave room for

  std::int64_t stage_bytes() const { return 2 * tile.bk * (tile.bm + tile.bn); }
  // A thread's sums, two steps' operands and about 56 for addresses.
  std::int64_t registers() const {
    const std::int64_t wm = tile.bm / tile.x / 16, wn = tile.bn / tile.y / 16;
    return 8 * wm * wn + 8 * (wm + wn) + 56;
  }
  std::int64_t threads() const { return 32 * tile.x * tile.y; }
};

// Cycles that it takes: of the busiest unit of an SM, or of a block alone, whose warps overlap a
// step's reads and multiply-adds in part. Round figures: L2 gives an SM 24 bytes a cycle when all
// ask; a result's epilogue takes a thread 30 cycles.
double cycles(const Ring& ring, const Extents& e, double ways, const kernel::DeviceFacts* device) {
  const Tile& t = ring.tile;
  const double sms = device && device->sms > 0 ? device->sms : 132;
  const double flops = device && device->f16_flops > 0 && device->clock_hz > 0
                           ? device->f16_flops / (sms * device->clock_hz)
                           : 4096;
  const auto bm = static_cast<double>(t.bm), bn = static_cast<double>(t.bn);
  const auto warps = static_cast<double>(t.x * t.y);
  const double steps = std::ceil(e.k / ways / double(t.bk)) * double(t.bk) / 16;
  const double per_sm = std::ceil(e.m / bm) * std::ceil(e.n / bn) * e.batch * ways / sms;
  const double tensor = bm * bn * 32 / flops;
  const double l1 = bm / 4 * double(t.y) + bn / 4 * double(t.x) + (bm + bn) / 2;
  const double l2 = (bm + bn) * 32 / 24;
  const double alone = steps * (tensor + l1 / 2 + 320 / warps) + 30 * bm * bn / (32 * warps) + 1000;
  const double rounds = std::ceil(std::ceil(per_sm) / static_cast<double>(ring.residents));
  return std::max(std::max(1.0, per_sm) * steps * std::max({tensor, l1, l2}), rounds * alone) +
         std::ceil(per_sm) * steps * (tensor + l1 + l2) / 16;
}

// A ring's starting points. As many stages as keep 32 KiB of an SM's loads under way, and as many
// blocks on an SM as it gets or has room for.
void rank_rings(GroupCode& code, const GroupTask& task, const Extents& e) {
  const auto* device = task.device;
  const double sms = device && device->sms > 0 ? device->sms : 132;
  const auto ways = static_cast<double>(std::max<std::int64_t>(1, task.option("split")));
  const auto known = [](std::int64_t fact, std::int64_t otherwise) {
    return fact > 0 ? fact : otherwise;
  };
  const std::int64_t block_bytes = known(device ? device->shared_optin_bytes : 0, 49152),
                     sm_bytes = known(device ? device->shared_per_sm_bytes : 0, 65536),
                     sm_registers = known(device ? device->registers_per_sm : 0, 65536);
  std::vector<std::pair<double, kernel::Configuration>> list;
  for (Tile t : kMmaTiles)
    for (const std::int64_t depth : {32, 64}) {
      t.bk = depth;
      Ring ring{t, 0, 1};
      const double blocks =
          std::ceil(e.m / double(t.bm)) * std::ceil(e.n / double(t.bn)) * e.batch * ways;
      const auto most =
          std::min<std::int64_t>({static_cast<std::int64_t>(std::ceil(blocks / sms)), 4,
                                  sm_registers / (ring.threads() * ring.registers())});
      ring.residents = std::max<std::int64_t>(1, most);
      const double wanted =
          1 + std::ceil(32768.0 / static_cast<double>(ring.residents * ring.stage_bytes()));
      ring.stages = std::clamp<std::int64_t>(static_cast<std::int64_t>(wanted), 3, 6);
      while (ring.stages > 2 && ring.stages * ring.stage_bytes() > block_bytes) --ring.stages;
      if (ring.stages * ring.stage_bytes() > block_bytes) continue;
      while (ring.residents > 1 &&
             ring.residents * (ring.stages * ring.stage_bytes() + 1024) > sm_bytes)
        --ring.residents;
      list.emplace_back(cycles(ring, e, ways, device),
                        kernel::Configuration{{task.macro("BLOCK_M"), t.bm},
                                              {task.macro("BLOCK_N"), t.bn},
                                              {task.macro("BLOCK_K"), t.bk},
                                              {task.macro("WARPS_M"), t.x},
                                              {task.macro("WARPS_N"), t.y},
                                              {task.macro("STAGES"), ring.stages},
                                              {task.macro("RESIDENT"), ring.residents}});
    }
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& p, const auto& q) { return p.first < q.first; });
  for (std::size_t i = 0; i < list.size() && i < 5; ++i) code.ranked.push_back(list[i].second);
  code.tunables.push_back({task.macro("STAGES"), {2, 3, 4, 5, 6}});
  code.tunables.push_back({task.macro("RESIDENT"), {1, 2, 3, 4}});
  // What Ring::registers says: a compiler held to fewer would spill.
  const std::string wm =
                        fmt::format("({} / {} / 16)", task.macro("BLOCK_M"), task.macro("WARPS_M")),
                    wn =
                        fmt::format("({} / {} / 16)", task.macro("BLOCK_N"), task.macro("WARPS_N"));
  code.constraints.push_back(fmt::format(
      "{0} == 1 or {0} * 32 * {1} * {2} * (8 * {3} * {4} + 8 * ({3} + {4}) + 56) <= {5}",
      task.macro("RESIDENT"), task.macro("WARPS_M"), task.macro("WARPS_N"), wm, wn, sm_registers));
}

// Starting points by the shape: big tiles where they fill the machine, smaller and skinny ones
// where they would not.
void rank(GroupCode& code, const GroupTask& task, const Extents& e, int real_bytes) {
  const bool mma = task.option("mma") != 0;
  const double sms = task.device && task.device->sms > 0 ? task.device->sms : 132;
  const double ways = static_cast<double>(std::max<std::int64_t>(1, task.option("split")));
  const std::string bm = task.macro("BLOCK_M"), bn = task.macro("BLOCK_N"),
                    bk = task.macro("BLOCK_K");
  const std::string x = task.macro(mma ? "WARPS_M" : "THREAD_M"),
                    y = task.macro(mma ? "WARPS_N" : "THREAD_N");
  std::vector<std::pair<double, kernel::Configuration>> list;
  for (const auto& t : mma ? std::span<const Tile>(kMmaTiles) : std::span<const Tile>(kTiles)) {
    if (real_bytes == 8 && t.bm * t.bn > 64 * 64) continue;
    const double blocks =
        std::ceil(e.m / double(t.bm)) * std::ceil(e.n / double(t.bn)) * e.batch * ways;
    const double waves = std::ceil(blocks / sms);
    // Shared reads and address work per multiply-add shrink with the micro tile; padding is work
    // too.
    const double micro_m = mma ? double(t.bm / t.x) / 8 : double(t.x),
                 micro_n = mma ? double(t.bn / t.y) / 8 : double(t.y);
    const double threads = mma ? double(32 * t.x * t.y) : double(t.bm / t.x * (t.bn / t.y));
    // Fewer than two warps a scheduler leave issue slots empty.
    const double warps = std::min(64.0, std::max(1.0, blocks / sms) * threads / 32);
    const double cost = waves * double(t.bm * t.bn) * (1 + 1 / micro_m + 1 / micro_n) *
                        (e.k / ways) * std::max(1.0, 8 / warps);
    list.emplace_back(
        cost, kernel::Configuration{{bm, t.bm}, {bn, t.bn}, {bk, t.bk}, {x, t.x}, {y, t.y}});
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& p, const auto& q) { return p.first < q.first; });
  const bool ring = task.option("pipeline") != 0;
  for (std::size_t i = 0; i < list.size() && i < 5 && !ring; ++i)
    code.ranked.push_back(list[i].second);
  const std::vector<std::int64_t> micro = {1, 2, 4, 8};
  code.tunables = {{bm, {16, 32, 64, 128}},
                   {bn, {16, 32, 64, 128}},
                   {bk, ring  ? std::vector<std::int64_t>{32, 64}
                        : mma ? std::vector<std::int64_t>{16, 32, 64}
                              : std::vector<std::int64_t>{8, 16, 32}},
                   {x, micro},
                   {y, micro}};
  const std::int64_t stages = task.option("stages", 1);
  if (mma) {
    code.constraints.push_back(fmt::format(
        "{} % (16 * {}) == 0 and {} % (16 * {}) == 0 and {} * {} <= 16", bm, x, bn, y, x, y));
    if (ring)
      rank_rings(code, task, e);
    else
      code.constraints.push_back(
          task.option("swizzle") != 0
              ? fmt::format("{} * 2 * {} * ({} + {}) <= 49152", stages, bk, bm, bn)
              : fmt::format("{} * 2 * ({} + 8) * ({} + {} + 16) <= 49152", stages, bk, bm, bn));
    return;
  }
  const std::string threads = fmt::format("({} / {}) * ({} / {})", bm, x, bn, y);
  code.constraints.push_back(fmt::format("{} % {} == 0 and {} % {} == 0", bm, x, bn, y));
  code.constraints.push_back(
      fmt::format("{} >= 32 and {} <= 1024 and {} % 32 == 0", threads, threads, threads));
  code.constraints.push_back(
      fmt::format("{} * {} * ({} + {} + 8) * {} <= 49152", stages, bk, bm, bn, real_bytes));
}

}  // namespace

Result<GroupCode> write_matmul(const GroupTask& task) {
  Scope scope = make_scope(task.lowering, task.group.primitives);
  auto shape = match_matmul(scope, task.group.primitives);
  if (!shape) return tl::unexpected<Error>(shape.error());
  MatmulWriter writer{task, scope, *shape, {}, {}};
  const bool mma = writer.mma();
  if (mma && (!shape->a.plain || !shape->b.plain))
    return bad_input("tensor cores take operands that are f16 or bf16 in memory");
  if (mma && task.lowering.tensors[static_cast<std::size_t>(shape->a.plain->tensor)].dtype !=
                 task.lowering.tensors[static_cast<std::size_t>(shape->b.plain->tensor)].dtype)
    return bad_input("tensor cores take operands of one type");
  const bool split = task.option("split") > 1, ring = writer.pipeline();
  if (ring && !mma) return bad_input("the ring is of tiles for tensor cores");
  const std::string g = fmt::format("G{}", task.index), base = g + "_Args", a = g + "_A",
                    b = g + "_B", store = g + "_Store";
  const Expr m = shape->extent(scope, shape->m), n = shape->extent(scope, shape->n),
             k = shape->extent(scope, shape->k), batch = shape->extent(scope, shape->batch);
  const std::string a_text = writer.loader(a, base, shape->a),
                    b_text = writer.loader(b, base, shape->b);
  const std::string store_text = writer.visitor(store, base, split);
  std::set<std::string> used = writer.used;
  const std::string m_text = c_expr(m, scope.math, &used), n_text = c_expr(n, scope.math, &used),
                    k_text = c_expr(k, scope.math, &used);
  Signature signature(scope, used);
  if (split) signature.drop_outputs();
  const std::string fields = signature.fields(), names = signature.names();
  const std::string buffer = task.prefix() + "_partial";
  if (split) signature.add_pointer(scope.real(), "partial", buffer, false);
  GroupCode code;
  code.headers = {mma ? "matmul_mma.cuh" : "matmul.cuh"};
  const int real_bytes = scope.wide_real ? 8 : 4;
  const auto number = [&](const Expr& e) {
    return static_cast<double>(stated(task.lowering, e, 1));
  };
  rank(code, task, {number(m), number(n), number(k), number(batch)}, real_bytes);
  const auto symbol = [&](const char* s) { return Expr::symbol(task.macro(s)); };
  const char *x = mma ? "WARPS_M" : "THREAD_M", *y = mma ? "WARPS_N" : "THREAD_N";
  const std::string threads =
      mma ? fmt::format("32 * {} * {}", task.macro(x), task.macro(y))
          : fmt::format("({} / {}) * ({} / {})", task.macro("BLOCK_M"), task.macro(x),
                        task.macro("BLOCK_N"), task.macro(y));
  const std::string name = task.kernel_name(split ? "partial" : "");
  std::string group = "1", parts = "1";
  Expr splits(1);
  if (task.option("group")) {
    group = task.macro("GROUP");
    code.tunables.push_back({group, {2, 4, 8, 16}});
    for (auto& c : code.ranked) c[group] = 8;
  }
  if (split) {
    parts = task.macro("PARTS");
    splits = symbol("PARTS");
    code.tunables.push_back({parts, {2, 4, 8, 16, 32, 64, 128}});
    // As many lanes as give every SM a thousand threads of the sum, and each at least one part.
    const double vectors = number(product_of(writer.extents())) / 4;
    const double sms = task.device && task.device->sms > 0 ? task.device->sms : 132;
    std::int64_t lanes = 1;
    while (lanes < 32 && 2 * lanes <= task.option("split") &&
           vectors * static_cast<double>(lanes) < 1024 * sms)
      lanes *= 2;
    code.tunables.push_back({task.macro("LANES"), {1, 2, 4, 8, 16, 32}});
    for (auto& c : code.ranked) {
      c[parts] = task.option("split");
      c[task.macro("LANES")] = lanes;
    }
  }
  code.text =
      fmt::format("struct {0} {{\n{1}}};\n\n{2}{3}{4}", base, fields, a_text, b_text, store_text);
  const std::string args = fmt::format("{{{}}}", names);
  const auto made = [&](const std::string& type, const std::string& more) {
    return fmt::format("{}{{{}{}}}", type, args, more);
  };
  code.text += fmt::format(
      "extern \"C\" __global__ void __launch_bounds__({0}{19})\n{1}({2}) {{\n"
      "  {17}<{3}, {4}, {5}, {6}, {7}, {8}, {9}, {10}{18}>(\n      {11}, {12}, {13}, {14}, {15}, "
      "{16});\n}}\n",
      threads, name, signature.parameters(), task.macro("BLOCK_M"), task.macro("BLOCK_N"),
      task.macro("BLOCK_K"), task.macro(x), task.macro(y),
      ring                           ? task.macro("STAGES")
      : task.option("stages", 1) > 1 ? "2"
                                     : "1",
      group, parts, made(a, ""), made(b, ""), made(store, split ? ", partial" : ""), m_text, n_text,
      k_text, mma ? "matmul_mma" : "matmul",
      !mma                          ? ""
      : ring                        ? ", true, true"
      : task.option("swizzle") != 0 ? ", true, false"
                                    : ", false, false",
      ring ? ", " + task.macro("RESIDENT") : "");
  kernel::Launch launch;
  launch.kernel = name;
  launch.grid = {ceil_div(m, symbol("BLOCK_M")) * ceil_div(n, symbol("BLOCK_N")) * batch * splits};
  launch.block = {mma ? Expr(32) * symbol(x) * symbol(y)
                      : floor_div(symbol("BLOCK_M"), symbol(x)) *
                            floor_div(symbol("BLOCK_N"), symbol(y))};
  launch.args = signature.arguments();
  if (ring)
    launch.shared_bytes =
        Expr(2) * symbol("STAGES") * symbol("BLOCK_K") * (symbol("BLOCK_M") + symbol("BLOCK_N"));
  code.steps.push_back({launch, std::nullopt, std::nullopt});
  if (split) {
    Expr total;
    Signature* second = nullptr;
    std::vector<Signature> keep;
    const std::string combine = task.kernel_name("combine");
    code.text +=
        "\n" + writer.combine(parts, task.macro("LANES"), combine, total, second, keep, buffer);
    kernel::Buffer workspace;
    workspace.name = buffer;
    workspace.dtype = scope.wide_real ? op::DType::f64 : op::DType::f32;
    workspace.shape = {splits, total};
    code.workspace.push_back(workspace);
    kernel::Launch finish;
    finish.kernel = combine;
    finish.grid = {ceil_div(total * symbol("LANES"), Expr(1024))};
    finish.block = {Expr(256)};
    finish.args = second->arguments();
    code.steps.push_back({finish, std::nullopt, std::nullopt});
  }
  if (writer.error) return bad_input(*writer.error);
  return code;
}

}  // namespace mtmc::coder
