// Bodies are trees; what occurs twice in one body is named once (compared by text, in bodies of up
// to 64 operations), and every tensor of the group at one index is named once, so chains of maps
// stay linear in size.
#include "coder/scalar_cuda.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace mtmc::coder {

using op::Combiner;
using op::DType;
using op::Function;
using op::Scalar;

bool is_arg(Combiner combiner) {
  return combiner == Combiner::argmax || combiner == Combiner::argmin;
}

const op::Primitive& Scope::producer(int tensor) const {
  return lowering->primitives[static_cast<std::size_t>(lowering->producer(tensor))];
}

Expr Scope::offset(int tensor, const std::vector<Expr>& at) const {
  const auto& t = lowering->tensors[static_cast<std::size_t>(tensor)];
  Expr total(0), stride(1);
  for (std::size_t k = at.size(); k-- > 0;) {
    total = at[k] * (t.strides.empty() ? stride : t.strides[k]) + total;
    stride = stride * t.shape[k];
  }
  return math.simplify(total);
}

Scope make_scope(const op::Lowering& lowering, const std::vector<int>& primitives) {
  Scope scope;
  scope.lowering = &lowering;
  for (int p : primitives)
    scope.inside.insert(lowering.primitives[static_cast<std::size_t>(p)].output);
  std::set<int> reads;
  for (int p : primitives)
    lowering.primitives[static_cast<std::size_t>(p)].body.visit_loads(
        [&](const Scalar& s) { reads.insert(s.tensor()); });
  std::set<std::string> taken;
  for (const auto& [name, value] : lowering.dims) taken.insert(c_name(name));
  const auto point = [&](int t) {
    std::string name = c_name(lowering.tensors[static_cast<std::size_t>(t)].name);
    while (!taken.insert(name).second) name += "_p";
    scope.pointers[t] = name;
    scope.wide_real |= lowering.tensors[static_cast<std::size_t>(t)].dtype == DType::f64;
  };
  for (int t : reads)
    if (!scope.inside.count(t)) point(t);
  for (int p : primitives) {
    const int t = lowering.primitives[static_cast<std::size_t>(p)].output;
    scope.wide_real |= lowering.tensors[static_cast<std::size_t>(t)].dtype == DType::f64;
    bool escapes = lowering.tensors[static_cast<std::size_t>(t)].kind == op::Tensor::Kind::output;
    for (int c : lowering.consumers(t))
      escapes |= std::find(primitives.begin(), primitives.end(), c) == primitives.end();
    if (escapes) {
      scope.stored.push_back(t);
      point(t);
    }
  }
  scope.narrow_results = !scope.stored.empty() && !scope.wide_real &&
                         std::all_of(scope.stored.begin(), scope.stored.end(), [&](int t) {
                           const DType d = lowering.tensors[static_cast<std::size_t>(t)].dtype;
                           return d == DType::f16 || d == DType::bf16;
                         });
  // Room for what an index may overshoot: a tile, or the step of a grid-stride loop.
  constexpr double kNarrow = double(1 << 30);
  for (const auto& t : lowering.tensors) {
    double elements = 1;
    for (const auto& e : t.shape)
      elements *= static_cast<double>(e.evaluate(lowering.dims).value_or(0));
    scope.wide_index |= elements > kNarrow;
  }
  return scope;
}

std::string Access::key() const {
  std::string k = fmt::format("{}[{}]", tensor, offset.text());
  if (guard) k += fmt::format(" if {} else {}", guard->text(), otherwise);
  return k;
}

std::string Emitter::type_name(CType type) const {
  switch (type) {
    case CType::boolean:
      return "bool";
    case CType::integer:
      return "long long";
    case CType::real:
      return scope_.real();
  }
  return {};
}

CType Emitter::type_of(int tensor) const {
  return op::is_float(scope_.lowering->tensors[static_cast<std::size_t>(tensor)].dtype)
             ? CType::real
             : CType::integer;
}

void Emitter::statements(const std::string& lines) {
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at);
    block_->line(lines.substr(at, end - at));
    at = end == std::string::npos ? lines.size() : end + 1;
  }
}

std::string Emitter::fresh(const std::string& hint) {
  std::string name = hint;
  for (int i = 2; !names_.insert(name).second; ++i) name = fmt::format("{}_{}", hint, i);
  return name;
}

std::string Emitter::loop_variable(const Expr& extent) {
  std::string name = fmt::format("_r{}", loops_++);
  while (scope_.math.is_variable(name)) name = fmt::format("_r{}", loops_++);
  scope_.math.add_variable(name, extent);
  return name;
}

std::string Emitter::address(int tensor, const Expr& offset) {
  const std::string at = index(offset, 6);
  return scope_.pointers.at(tensor) + (at == "0" ? "" : " + " + at);
}

std::string Emitter::as(const CValue& value, CType type, int level) {
  std::string text = value.text;
  int mine = value.level;
  if (value.constant && (type != CType::boolean)) {
    text = type == CType::real ? real_literal(*value.constant, scope_.wide_real)
                               : integer_literal(static_cast<std::int64_t>(*value.constant));
    mine = *value.constant < 0 ? 7 : 9;
  } else if (value.type != type) {
    if (type == CType::boolean) {
      text = fmt::format(fmt::runtime(value.level > 3 ? "{} != 0" : "({}) != 0"), text);
      mine = 3;
    } else {
      text = fmt::format("({}){}", type_name(type),
                         value.level >= 8 ? text : fmt::format("({})", text));
      mine = 8;
    }
  }
  return mine < level ? fmt::format("({})", text) : text;
}

CValue Emitter::named(const CValue& value, const std::string& hint) {
  const bool simple =
      value.constant || std::all_of(value.text.begin(), value.text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '[' ||
               c == ']';
      });
  if (simple) return value;
  const std::string name = fresh(hint);
  block_->line(fmt::format("const {} {} = {};", type_name(value.type), name, value.text));
  return {name, value.type, 9, std::nullopt};
}

CValue Emitter::access(const Access& access) {
  if (known_access)
    if (auto known = known_access(access)) return *known;
  const std::string key = "load " + access.key();
  if (auto it = memo_.find(key); it != memo_.end()) return it->second;
  if (on_access) on_access(access);
  const auto& t = scope_.lowering->tensors[static_cast<std::size_t>(access.tensor)];
  if (c_type(t.dtype).empty())
    error_ = fmt::format("templates do not read {}", op::name_of(t.dtype));
  CValue value{fmt::format("fetch({})", address(access.tensor, access.offset)),
               type_of(access.tensor), 9, std::nullopt};
  if (access.guard) {
    CValue other{"", CType::integer, 9, access.otherwise};
    const std::string condition = index(*access.guard, 1);
    value.text = fmt::format("({}) ? {} : {}", condition, value.text, as(other, value.type, 1));
    value.level = 0;
  }
  return memo_[key] = named(value, scope_.pointers.at(access.tensor) + "_v");
}

CValue Emitter::tensor(int t, const std::vector<Expr>& raw, const std::optional<Expr>& guard,
                       double otherwise) {
  std::vector<Expr> at;
  for (const auto& e : raw) at.push_back(scope_.math.simplify(e));
  std::optional<Expr> when;
  if (guard) {
    when = scope_.math.simplify(*guard);
    if (when->is_constant()) {
      if (!when->value()) return {"", CType::integer, 9, otherwise};
      when.reset();
    }
  }
  if (!scope_.inside.count(t)) return access({t, scope_.offset(t, at), when, otherwise});
  std::string key = fmt::format("tensor {}", t);
  for (const auto& e : at) key += fmt::format(",{}", e.text());
  if (when) key += fmt::format(" if {} else {}", when->text(), otherwise);
  if (auto it = memo_.find(key); it != memo_.end()) return it->second;
  std::optional<CValue> value;
  if (known_tensor) value = known_tensor(t, at);
  if (!value) {
    const auto& p = scope_.producer(t);
    if (p.reduced.empty()) {
      AxisMap axes;
      for (std::size_t k = 0; k < p.parallel.size(); ++k) axes[p.parallel[k].name] = at[k];
      value = body(p.body, axes, when);
    } else {
      value = reduction(p, at, when);
    }
    // A tensor of another class converts as storing it would.
    const CType want = type_of(t);
    if (!value->constant && (value->type == CType::real) != (want == CType::real))
      value = CValue{as(*value, want, 0), want, 0, std::nullopt};
    if (value->constant && want == CType::integer) value->constant = std::trunc(*value->constant);
  }
  const std::string hint = c_name(scope_.lowering->tensors[static_cast<std::size_t>(t)].name);
  if (when) {
    CValue other{"", CType::integer, 9, otherwise};
    const CType type = value->constant                 ? CType::real
                       : value->type == CType::boolean ? CType::integer
                                                       : value->type;
    value = CValue{
        fmt::format("({}) ? {} : {}", index(*when, 1), as(*value, type, 1), as(other, type, 1)),
        type, 0, std::nullopt};
  }
  return memo_[key] = named(*value, hint + (scope_.pointers.count(t) ? "_v" : ""));
}

CValue Emitter::load(const Scalar& s, const AxisMap& axes, const std::optional<Expr>& guard) {
  std::vector<Expr> at;
  for (const auto& e : s.at()) at.push_back(e.substitute(axes));
  std::optional<Expr> when = guard;
  if (s.guard()) {
    Expr own = scope_.math.simplify(s.guard()->substitute(axes));
    when = guard ? Expr::make(Expr::Kind::logical_and, {*guard, own}) : own;
  }
  return tensor(s.tensor(), at, when, s.guard() ? s.value() : 0);
}

namespace {
void count(const Scalar& s, std::map<std::string, int>& repeats) {
  if (s.kind() == Scalar::Kind::constant || s.kind() == Scalar::Kind::index ||
      s.kind() == Scalar::Kind::load)
    return;
  if (repeats[s.text()]++ > 0) return;
  for (const auto& a : s.args()) count(a, repeats);
}
}  // namespace

CValue Emitter::body(const Scalar& scalar, const AxisMap& axes, const std::optional<Expr>& guard) {
  std::map<std::string, int> repeats;
  std::map<std::string, CValue> shared;
  if (scalar.operations() <= 64) count(scalar, repeats);
  return walk(scalar, axes, guard, repeats, shared);
}

CValue Emitter::walk(const Scalar& s, const AxisMap& axes, const std::optional<Expr>& guard,
                     const std::map<std::string, int>& repeats,
                     std::map<std::string, CValue>& shared) {
  switch (s.kind()) {
    case Scalar::Kind::constant: {
      const bool whole = std::trunc(s.value()) == s.value() && std::fabs(s.value()) < 1e15;
      return {real_literal(s.value(), scope_.wide_real), whole ? CType::integer : CType::real, 9,
              s.value()};
    }
    case Scalar::Kind::index: {
      Expr e = scope_.math.simplify(s.at()[0].substitute(axes));
      if (e.is_constant()) return {"", CType::integer, 9, static_cast<double>(e.value())};
      return {fmt::format("(long long){}", index(e, 8)), CType::integer, 8, std::nullopt};
    }
    case Scalar::Kind::load:
      return load(s, axes, guard);
    default:
      break;
  }
  std::string key;
  if (!repeats.empty()) {
    key = s.text();
    if (auto it = shared.find(key); it != shared.end()) return it->second;
  }
  std::vector<CValue> args;
  for (const auto& a : s.args()) args.push_back(walk(a, axes, guard, repeats, shared));
  CValue value = call(s, args);
  if (auto it = repeats.find(key); !key.empty() && it != repeats.end() && it->second > 1)
    shared[key] = value = named(value, "u");
  return value;
}

namespace {
CType joined(const CValue& a, const CValue& b) {
  return a.type == CType::real || b.type == CType::real ? CType::real : CType::integer;
}
bool both_whole(const std::vector<CValue>& args) {
  return std::all_of(args.begin(), args.end(),
                     [](const CValue& a) { return a.type != CType::real; });
}
}  // namespace

CValue Emitter::call(const Scalar& s, const std::vector<CValue>& args) {
  const bool wide = scope_.wide_real;
  const auto real = [&](int i, int level = 0) {
    return as(args[static_cast<std::size_t>(i)], CType::real, level);
  };
  const auto function = [&](const std::string& name) {
    std::string text = name + "(";
    for (std::size_t i = 0; i < args.size(); ++i)
      text += (i ? ", " : "") + real(static_cast<int>(i));
    return CValue{text + ")", CType::real, 9, std::nullopt};
  };
  const auto library = [&](const char* name) {
    return function(std::string(name) + (wide ? "" : "f"));
  };
  // Overloaded on float, double and long long.
  const auto overloaded = [&](const char* name) {
    const CType type = both_whole(args) ? CType::integer : CType::real;
    std::string text = std::string(name) + "(";
    for (std::size_t i = 0; i < args.size(); ++i) {
      std::string a = as(args[i], type);
      if (type == CType::integer && args[i].constant) a = fmt::format("(long long)({})", a);
      text += (i ? ", " : "") + a;
    }
    return CValue{text + ")", type, 9, std::nullopt};
  };
  const auto binary = [&](const char* spelling, int level, CType type, CType result) {
    return CValue{
        fmt::format("{} {} {}", as(args[0], type, level), spelling, as(args[1], type, level + 1)),
        result, level, std::nullopt};
  };
  const auto arithmetic = [&](const char* spelling, int level) {
    const CType type = joined(args[0], args[1]);
    CValue value = binary(spelling, level, type, type);
    if (type == CType::integer && args[0].constant && args[1].constant)
      value = binary(spelling, level, CType::real, CType::real);
    return value;
  };
  const auto compare = [&](const char* spelling, int level) {
    return binary(spelling, level, joined(args[0], args[1]), CType::boolean);
  };
  if (s.kind() == Scalar::Kind::select) {
    CType type = joined(args[1], args[2]);
    return {fmt::format("{} ? {} : {}", as(args[0], CType::boolean, 1), as(args[1], type, 1),
                        as(args[2], type, 1)),
            type, 0, std::nullopt};
  }
  if (s.kind() == Scalar::Kind::cast) {
    switch (s.dtype()) {
      case DType::f64:
        return {real(0), CType::real, 0, std::nullopt};
      case DType::f32:
        return {wide ? fmt::format("(double)(float){}", real(0, 9)) : real(0), CType::real, 0,
                std::nullopt};
      case DType::f16:
      case DType::bf16:
        return {fmt::format("({})(float){}((float){})", scope_.real(), op::name_of(s.dtype()),
                            real(0, 9)),
                CType::real, 8, std::nullopt};
      case DType::i64:
        return {as(args[0], CType::integer, 0), CType::integer, 0, std::nullopt};
      case DType::i32:
        return {fmt::format("(long long)(int){}", as(args[0], CType::integer, 9)), CType::integer,
                8, std::nullopt};
      case DType::i8:
        return {fmt::format("(long long)(signed char){}", as(args[0], CType::integer, 9)),
                CType::integer, 8, std::nullopt};
      case DType::u8:
        return {fmt::format("(long long)(unsigned char){}", as(args[0], CType::integer, 9)),
                CType::integer, 8, std::nullopt};
      case DType::boolean:
        return {as(args[0], CType::boolean, 0), CType::boolean, 0, std::nullopt};
      default:
        error_ = fmt::format("templates do not round to {}", op::name_of(s.dtype()));
        return args[0];
    }
  }
  switch (s.function()) {
    case Function::neg: {
      const CType type = args[0].type == CType::real ? CType::real : CType::integer;
      return {fmt::format("-{}", as(args[0], type, 8)), type, 7, std::nullopt};
    }
    case Function::abs:
      return overloaded("abs_of");
    case Function::sign:
      return overloaded("sign_of");
    case Function::exp:
      // The hardware's ex2, off by 2 + 1.2 |x| ulp of f32 (CUDA programming guide, intrinsic
      // functions): far below what storing 16 bits loses.
      return scope_.narrow_results ? function("__expf") : library("exp");
    case Function::log:
      return library("log");
    case Function::log1p:
      return library("log1p");
    case Function::expm1:
      return library("expm1");
    case Function::sqrt:
      return library("sqrt");
    case Function::rsqrt:
      return library("rsqrt");
    case Function::reciprocal:
      return {fmt::format("{} / {}", real_literal(1, wide), real(0, 7)), CType::real, 6,
              std::nullopt};
    case Function::sin:
      return library("sin");
    case Function::cos:
      return library("cos");
    case Function::tanh:
      return library("tanh");
    case Function::erf:
      return library("erf");
    case Function::floor:
    case Function::ceil:
    case Function::round:
    case Function::trunc:
      if (args[0].type != CType::real) return args[0];
      return library(s.function() == Function::floor   ? "floor"
                     : s.function() == Function::ceil  ? "ceil"
                     : s.function() == Function::round ? "rint"
                                                       : "trunc");
    case Function::logical_not:
      return {fmt::format("!{}", as(args[0], CType::boolean, 8)), CType::boolean, 7, std::nullopt};
    case Function::is_nan: {
      if (args[0].type != CType::real) return {"false", CType::boolean, 9, std::nullopt};
      const CValue x = named(args[0], "u");
      return {fmt::format("{0} != {0}", as(x, CType::real, 4)), CType::boolean, 3, std::nullopt};
    }
    case Function::add:
      return arithmetic("+", 5);
    case Function::sub:
      return arithmetic("-", 5);
    case Function::mul:
      return arithmetic("*", 6);
    case Function::div:
      return binary("/", 6, CType::real, CType::real);
    case Function::floor_div:
      return overloaded("floor_div_of");
    case Function::mod:
      return overloaded("mod_of");
    case Function::pow: {
      const auto c = args[1].constant;
      if (c && *c == 1) return {real(0), CType::real, 0, std::nullopt};
      if (c && (*c == 2 || *c == 3)) {
        const CValue x = named({real(0), CType::real, 0, std::nullopt}, "u");
        const std::string t = as(x, CType::real, 7);
        return {t + " * " + t + (*c == 3 ? " * " + t : ""), CType::real, 6, std::nullopt};
      }
      return library("pow");
    }
    case Function::max:
      return overloaded("max_of");
    case Function::min:
      return overloaded("min_of");
    case Function::equal:
      return compare("==", 3);
    case Function::not_equal:
      return compare("!=", 3);
    case Function::less:
      return compare("<", 4);
    case Function::less_equal:
      return compare("<=", 4);
    case Function::greater:
      return compare(">", 4);
    case Function::greater_equal:
      return compare(">=", 4);
    case Function::logical_and:
      return binary("&&", 2, CType::boolean, CType::boolean);
    case Function::logical_or:
      return binary("||", 1, CType::boolean, CType::boolean);
  }
  return args[0];
}

void use_symbols(const Expr& e, std::set<std::string>& into) {
  for (const auto& name : e.symbols()) into.insert(name);
}

AxisMap join_axes(Scope& scope, std::vector<std::string>& vars, std::vector<Expr> forms) {
  AxisMap total;
  for (const auto& v : vars) total[v] = Expr::symbol(v);
  for (std::size_t k = vars.size(); k-- > 1;) {
    const std::string outer = vars[k - 1], inner = vars[k];
    const Expr extent = scope.math.extent(inner);
    const std::string joined = outer + inner;
    scope.math.add_variable(joined, scope.math.simplify(scope.math.extent(outer) * extent));
    const AxisMap map = {{outer, floor_div(Expr::symbol(joined), extent)},
                         {inner, mod(Expr::symbol(joined), extent)}};
    std::vector<Expr> next;
    bool linear = true;
    for (const auto& f : forms) {
      next.push_back(scope.math.simplify(f.substitute(map)));
      linear = linear && scope.math.coefficient(next.back(), joined).has_value();
    }
    if (!linear) continue;
    forms = std::move(next);
    for (auto& [name, e] : total) e = scope.math.simplify(e.substitute(map));
    vars[k - 1] = joined;
    vars.erase(vars.begin() + static_cast<std::ptrdiff_t>(k));
  }
  return total;
}

std::string identity_literal(Combiner combiner, CType type, bool wide) {
  const bool low = combiner == Combiner::max || combiner == Combiner::argmax;
  switch (combiner) {
    case Combiner::prod:
      return type == CType::real ? real_literal(1, wide) : "1";
    case Combiner::max:
    case Combiner::min:
    case Combiner::argmax:
    case Combiner::argmin:
      if (type == CType::real) return low ? "-INFINITY" : "INFINITY";
      return low ? "(-9223372036854775807ll - 1)" : "9223372036854775807ll";
    default:
      return type == CType::real ? real_literal(0, wide) : "0";
  }
}

std::string combine_statement(Combiner combiner, const std::string& acc, const std::string& value) {
  switch (combiner) {
    case Combiner::prod:
      return fmt::format("{} *= {};", acc, value);
    case Combiner::max:
      return fmt::format("{0} = max_of({0}, {1});", acc, value);
    case Combiner::min:
      return fmt::format("{0} = min_of({0}, {1});", acc, value);
    default:
      return fmt::format("{} += {};", acc, value);
  }
}

CValue Emitter::reduction(const op::Primitive& p, const std::vector<Expr>& at,
                          const std::optional<Expr>& guard) {
  AxisMap axes;
  for (std::size_t k = 0; k < p.parallel.size(); ++k) axes[p.parallel[k].name] = at[k];
  ++reductions_;
  const bool arg = is_arg(p.combiner);
  CType type = arg ? CType::real : type_of(p.output);
  if (arg) p.body.visit_loads([&](const Scalar& s) { type = type_of(s.tensor()); });
  const std::string acc = fresh("acc"), best = arg ? fresh("best") : "";
  block_->line(fmt::format("{} {} = {};", type_name(type), arg ? best : acc,
                           identity_literal(p.combiner, type, scope_.wide_real)));
  if (arg) block_->line(fmt::format("long long {} = 0;", acc));
  // What is named inside the loops is not there after them.
  const auto outer = memo_;
  Expr position(0);
  for (const auto& axis : p.reduced) {
    const Expr extent = scope_.math.simplify(axis.extent.substitute(axes));
    const std::string name = loop_variable(extent);
    const std::string c = c_name(name);
    axes[axis.name] = Expr::symbol(name);
    position = position * extent + Expr::symbol(name);
    block_->open(fmt::format("for (index_t {0} = 0; {0} < {1}; ++{0}) {{", c, index(extent, 5)));
  }
  CValue value = body(p.body, axes, guard);
  if (arg) {
    const CValue x = named({as(value, type), type, 0, std::nullopt}, "x");
    const char* better = p.combiner == Combiner::argmax ? ">" : "<";
    std::string condition = fmt::format("{} {} {}", x.text, better, best);
    if (type == CType::real)
      condition += fmt::format(" || ({0} != {0} && {1} == {1})", x.text, best);
    block_->line(fmt::format("if ({}) {} = {}, {} = {};", condition, best, x.text, acc,
                             index(scope_.math.simplify(position), 1)));
  } else {
    block_->line(
        combine_statement(p.combiner, acc, as(value, type, p.combiner == Combiner::prod ? 7 : 0)));
  }
  for (std::size_t k = 0; k < p.reduced.size(); ++k) block_->close();
  memo_ = outer;
  return {acc, arg ? CType::integer : type, 9, std::nullopt};
}

}  // namespace mtmc::coder
