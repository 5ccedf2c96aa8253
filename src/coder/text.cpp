// Spelling CUDA. Division and modulo of index expressions are C's own where both operands are
// proven not negative, and index_div / index_mod (templates/tile/math.cuh) elsewhere, because C
// rounds towards zero.
#include "coder/text.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace mtmc::coder {

void Block::line(const std::string& text) {
  if (!text.empty()) text_.append(2 * static_cast<std::size_t>(depth_), ' ');
  text_ += text + "\n";
}
void Block::open(const std::string& text) {
  line(text);
  ++depth_;
}
void Block::close(const std::string& end) {
  --depth_;
  line(end);
}
void Block::append(const Block& other) { text_ += other.text_; }

std::string c_name(const std::string& name) {
  static const std::set<std::string> reserved = {
      "auto",    "bool",    "break",  "case",     "char",   "class",    "const",    "continue",
      "default", "do",      "double", "else",     "enum",   "extern",   "float",    "for",
      "goto",    "if",      "int",    "long",     "new",    "operator", "private",  "register",
      "return",  "short",   "signed", "sizeof",   "static", "struct",   "switch",   "template",
      "this",    "typedef", "union",  "unsigned", "using",  "void",     "volatile", "while",
      "f16",     "bf16",    "fetch",  "put",      "exp",    "log",      "sin",      "cos",
      "floor",   "ceil",    "V",      "e",        "v",      "row",      "item",     "acc",
      "lane",    "main",    "and",    "or",       "not",    "xor",      "true",     "false"};
  std::string out;
  for (char c : name)
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
      out += c;
    else
      out += '_';
  while (!out.empty() && out[0] == '_') out.erase(0, 1);
  if (out.empty() || (out[0] >= '0' && out[0] <= '9')) out = "n" + out;
  if (reserved.count(out)) out += "_";
  return out;
}

std::string c_type(op::DType dtype) {
  switch (dtype) {
    case op::DType::f64:
      return "double";
    case op::DType::f32:
      return "float";
    case op::DType::f16:
      return "f16";
    case op::DType::bf16:
      return "bf16";
    case op::DType::i64:
      return "long long";
    case op::DType::i32:
      return "int";
    case op::DType::i8:
      return "signed char";
    case op::DType::u8:
    case op::DType::boolean:
      return "unsigned char";
    default:
      return "";
  }
}

std::string real_literal(double value, bool wide) {
  if (std::isnan(value)) return "NAN";
  if (std::isinf(value)) return value > 0 ? "INFINITY" : "-INFINITY";
  std::string s = wide ? fmt::format("{}", value) : fmt::format("{}", static_cast<float>(value));
  if (!wide && std::isinf(static_cast<float>(value))) return value > 0 ? "INFINITY" : "-INFINITY";
  if (s.find_first_of(".e") == std::string::npos) s += ".0";
  return wide ? s : s + "f";
}

std::string integer_literal(std::int64_t value) {
  if (value == std::numeric_limits<std::int64_t>::min()) return "(-9223372036854775807ll - 1)";
  if (value > 2147483647 || value < -2147483647) return fmt::format("{}ll", value);
  return fmt::format("{}", value);
}

namespace {
// x >= 0 && x < d, as index_inside(x, d).
bool is_range(const Expr& e) {
  using Kind = Expr::Kind;
  if (e.kind() != Kind::logical_and) return false;
  const Expr &low = e.args()[0], &high = e.args()[1];
  return low.kind() == Kind::greater_equal && high.kind() == Kind::less &&
         low.args()[1].is_constant(0) && low.args()[0].text() == high.args()[0].text();
}
}  // namespace

std::vector<Expr> conditions(const Expr& guard) {
  if (guard.kind() != Expr::Kind::logical_and || is_range(guard)) return {guard};
  std::vector<Expr> all = conditions(guard.args()[0]);
  const auto more = conditions(guard.args()[1]);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string c_expr(const Expr& e, const IndexMath& math, std::set<std::string>* used,
                   const std::string& lane, int level) {
  using Kind = Expr::Kind;
  const auto& a = e.args();
  const auto sub = [&](int i, int l) { return c_expr(a[i], math, used, lane, l); };
  const auto binary = [&](const char* spelling, int mine) {
    std::string s = fmt::format("{} {} {}", sub(0, mine), spelling, sub(1, mine + 1));
    return level > mine ? fmt::format("({})", s) : s;
  };
  const auto call = [&](const char* name) {
    std::string s = sub(0, 0);
    for (std::size_t i = 1; i < a.size(); ++i)
      s = fmt::format("{}({}, {})", name, s, sub(static_cast<int>(i), 0));
    return s;
  };
  const auto plain = [&] { return math.nonnegative(a[0]) && math.nonnegative(a[1]); };
  switch (e.kind()) {
    case Kind::constant: {
      std::string s = integer_literal(e.value());
      return e.value() < 0 && level > 5 ? fmt::format("({})", s) : s;
    }
    case Kind::symbol:
      if (used) used->insert(e.name());
      if (e.name() == lane)
        return fmt::format(fmt::runtime(level > 5 ? "({} + v)" : "{} + v"), c_name(lane));
      return c_name(e.name());
    case Kind::add:
      return binary("+", 5);
    case Kind::sub: {
      if (!a[0].is_constant(0)) return binary("-", 5);
      return fmt::format(fmt::runtime(level > 5 ? "(-{})" : "-{}"), sub(1, 7));
    }
    case Kind::mul:
      return binary("*", 6);
    case Kind::div:
      return plain() ? binary("/", 6) : call("index_div");
    case Kind::mod:
      return plain() ? binary("%", 6) : call("index_mod");
    case Kind::negate: {
      return fmt::format(fmt::runtime(level > 5 ? "(-{})" : "-{}"), sub(0, 7));
    }
    case Kind::equal:
      return binary("==", 3);
    case Kind::not_equal:
      return binary("!=", 3);
    case Kind::less:
      return binary("<", 4);
    case Kind::less_equal:
      return binary("<=", 4);
    case Kind::greater:
      return binary(">", 4);
    case Kind::greater_equal:
      return binary(">=", 4);
    case Kind::logical_and: {
      if (!is_range(e) || !math.nonnegative(a[1].args()[1])) return binary("&&", 2);
      const auto part = [&](const Expr& x) { return c_expr(x, math, used, lane, 0); };
      return fmt::format("index_inside({}, {})", part(a[1].args()[0]), part(a[1].args()[1]));
    }
    case Kind::logical_or:
      return binary("||", 1);
    case Kind::logical_not:
      return fmt::format("!({})", sub(0, 0));
    case Kind::min:
      return call("index_min");
    case Kind::max:
      return call("index_max");
    case Kind::ceil_div:
      return c_expr(floor_div(a[0] + a[1] - Expr(1), a[1]), math, used, lane, level);
    case Kind::align_up:
      return c_expr(ceil_div(a[0], a[1]) * a[1], math, used, lane, level);
    case Kind::select:
      return fmt::format("({} ? {} : {})", sub(0, 1), sub(1, 1), sub(2, 1));
    default:
      break;  // Python's kinds, which no index has
  }
  return "0";
}

}  // namespace mtmc::coder
