// The table itself, the reading of signatures, and what inference shares: promotion and
// broadcasting by PyTorch's rules.
#include "op/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>

#include "base/check.hpp"
#include "op/algebra.hpp"

namespace mtmc::op {
namespace {

using Kind = Parameter::Kind;
constexpr std::array<std::string_view, 9> kKindNames = {
    "tensor", "tensors", "integer", "number", "flag", "word", "shape", "padding", "dtype"};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

Attribute default_value(Kind kind, std::string_view text) {
  if (kind == Kind::flag) return text == "True";
  if (kind == Kind::word) return std::string(text);
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  MTMC_CHECK(read.ptr == text.data() + text.size(), "a signature's default is no number");
  if (kind == Kind::number) return number;
  const Expr whole(static_cast<std::int64_t>(number));
  if (kind == Kind::integer) return whole;
  return std::vector<Expr>{whole};
}

Parameter read_parameter(std::string_view text) {
  Parameter p;
  if (const auto equals = text.find('='); equals != text.npos) {
    p.required = false;
    const std::string_view value = trimmed(text.substr(equals + 1));
    text = trimmed(text.substr(0, equals));
    if (const auto colon = text.find(':'); colon != text.npos) {
      const auto kind = trimmed(text.substr(colon + 1));
      p.kind = static_cast<Kind>(std::find(kKindNames.begin(), kKindNames.end(), kind) -
                                 kKindNames.begin());
    }
    if (value != "None") p.fallback = default_value(p.kind, value);
  }
  if (const auto colon = text.find(':'); colon != text.npos) {
    const auto kind = trimmed(text.substr(colon + 1));
    const auto found = std::find(kKindNames.begin(), kKindNames.end(), kind);
    MTMC_CHECK(found != kKindNames.end(), "a signature names an unknown kind");
    p.kind = static_cast<Kind>(found - kKindNames.begin());
    text = text.substr(0, colon);
  }
  p.name = std::string(trimmed(text));
  return p;
}

std::vector<Parameter> read_signature(std::string_view text) {
  std::vector<Parameter> parameters;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    parameters.push_back(read_parameter(trimmed(text.substr(0, comma))));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parameters;
}

std::vector<Row> make_table() {
  std::vector<Row> rows;
  for (auto family : {pointwise_rows, activation_rows, reduce_rows, normalise_rows, product_rows,
                      convolve_rows, move_rows})
    for (auto& row : family()) rows.push_back(std::move(row));
  for (auto& row : rows) row.parameters = read_signature(row.signature);
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.name < b.name; });
  return rows;
}

std::map<std::string, const Row*, std::less<>> make_index() {
  std::map<std::string, const Row*, std::less<>> index;
  for (const auto& row : table()) {
    MTMC_CHECK(index.emplace(row.name, &row).second, "two rows of one name");
    for (const auto& alias : row.aliases)
      MTMC_CHECK(index.emplace(alias, &row).second, "two rows of one name");
  }
  return index;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

int category(DType dtype) { return dtype == DType::boolean ? 0 : is_float(dtype) ? 2 : 1; }

}  // namespace

std::string_view name_of(Parameter::Kind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

const std::vector<Row>& table() {
  static const std::vector<Row> rows = make_table();
  return rows;
}

const Row* find_row(std::string_view name) {
  static const auto index = make_index();
  const auto it = index.find(name);
  return it == index.end() ? nullptr : it->second;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() < 2 || name.size() > 64) return {};  // anything is near a single letter
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

const Operand& Call::operand(std::string_view name) const {
  static const Operand kAbsent = Absent{};
  std::size_t k = 0;
  for (const auto& p : row_.parameters) {
    if (p.kind != Kind::tensor) continue;
    if (p.name == name) return k < node_.operands.size() ? node_.operands[k] : kAbsent;
    ++k;
  }
  MTMC_CHECK(false, "a row asks for an operand that its signature has not");
}

bool Call::has(std::string_view name) const {
  return !std::holds_alternative<Absent>(operand(name));
}
bool Call::is_tensor(std::string_view name) const {
  return std::holds_alternative<int>(operand(name));
}
int Call::value_index(std::string_view name) const { return std::get<int>(operand(name)); }
const Value& Call::value(std::string_view name) const {
  return values_[static_cast<std::size_t>(value_index(name))];
}
double Call::literal(std::string_view name) const { return std::get<double>(operand(name)); }

std::vector<int> Call::list_of_tensors() const {
  std::vector<int> out;
  for (const auto& operand : node_.operands)
    if (const int* v = std::get_if<int>(&operand)) out.push_back(*v);
  return out;
}

std::optional<Attribute> Call::attribute(std::string_view name) const {
  const auto it = node_.attributes.find(std::string(name));
  if (it != node_.attributes.end()) return it->second;
  for (const auto& p : row_.parameters)
    if (p.name == name) return p.fallback;
  MTMC_CHECK(false, "a row asks for an attribute that its signature has not");
}

std::optional<Expr> Call::expression(std::string_view name) const {
  const auto a = attribute(name);
  return a ? std::optional(std::get<Expr>(*a)) : std::nullopt;
}
std::optional<std::int64_t> Call::integer(std::string_view name) const {
  const auto e = expression(name);
  return e ? std::optional(at_binding(*e)) : std::nullopt;
}
std::optional<double> Call::number(std::string_view name) const {
  const auto a = attribute(name);
  return a ? std::optional(std::get<double>(*a)) : std::nullopt;
}
bool Call::flag(std::string_view name) const {
  const auto a = attribute(name);
  return a && std::get<bool>(*a);
}
std::optional<std::string> Call::word(std::string_view name) const {
  const auto a = attribute(name);
  if (!a || !std::holds_alternative<std::string>(*a)) return std::nullopt;
  return std::get<std::string>(*a);
}
std::optional<std::vector<Expr>> Call::shape(std::string_view name) const {
  const auto a = attribute(name);
  if (!a || !std::holds_alternative<std::vector<Expr>>(*a)) return std::nullopt;
  return std::get<std::vector<Expr>>(*a);
}
std::optional<DType> Call::dtype(std::string_view name) const {
  const auto a = attribute(name);
  return a ? std::optional(std::get<DType>(*a)) : std::nullopt;
}

std::int64_t Call::at_binding(const Expr& e) const {
  const auto v = e.evaluate(binding_);
  MTMC_CHECK(v.has_value(), "an expression of a checked node has no value");
  return *v;
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (category(a) != category(b)) return category(a) > category(b) ? a : b;
  if (category(a) == 2) return a == DType::f64 || b == DType::f64 ? DType::f64 : DType::f32;
  if (a == DType::i64 || b == DType::i64) return DType::i64;
  if (a == DType::i32 || b == DType::i32) return DType::i32;
  return DType::i32;  // i8 with u8; PyTorch says i16, which the language has not
}

DType promoted(const Call& call, const std::vector<std::string_view>& names) {
  std::optional<DType> classes[3];  // with dims, without dims, literals
  const auto take = [&](int which, DType dtype) {
    classes[which] = classes[which] ? promote(*classes[which], dtype) : dtype;
  };
  for (const auto name : names) {
    if (!call.has(name)) continue;
    if (call.is_tensor(name)) {
      const Value& v = call.value(name);
      take(v.shape.empty() ? 1 : 0, v.dtype);
    } else {
      const double literal = call.literal(name);
      take(2, std::isfinite(literal) && std::trunc(literal) == literal ? DType::i64 : DType::f32);
    }
  }
  std::optional<DType> result;
  for (const auto& next : classes) {
    if (!next) continue;
    if (!result)
      result = *next;
    else if (category(*next) > category(*result))
      result = *next;
  }
  return result.value_or(DType::f32);
}

DType float_of(DType dtype) { return is_float(dtype) ? dtype : DType::f32; }

std::string shape_text(const Call& call, const std::vector<Expr>& shape) {
  std::string out;
  for (const auto& e : shape) {
    if (!out.empty()) out += ", ";
    out += e.is_constant() ? e.text() : fmt::format("{}={}", e.text(), call.at_binding(e));
  }
  return "[" + out + "]";
}

Result<std::vector<Expr>> broadcast(const Call& call,
                                    const std::vector<std::vector<Expr>>& shapes) {
  std::vector<Expr> out;
  for (const auto& shape : shapes) {
    const std::vector<Expr> before = out;
    if (shape.size() > out.size()) out.insert(out.begin(), shape.size() - out.size(), Expr(1));
    const std::size_t shift = out.size() - shape.size();
    for (std::size_t d = 0; d < shape.size(); ++d) {
      Expr& mine = out[shift + d];
      const Expr& other = shape[d];
      const std::int64_t a = call.at_binding(mine), b = call.at_binding(other);
      if (a == b) {  // prefer the symbol: it says what the extent is
        if (mine.is_constant()) mine = other;
      } else if (a == 1) {
        mine = other;
      } else if (b != 1) {
        return bad_input(fmt::format("shapes {} and {} do not broadcast: {} against {}",
                                     shape_text(call, before), shape_text(call, shape), a, b));
      }
    }
  }
  return out;
}

Result<int> axis_in(std::int64_t dim, int rank) {
  const int range = std::max(rank, 1);
  if (dim < -range || dim >= range)
    return bad_input(fmt::format("dim {} is not in [{}, {}]", dim, -range, range - 1));
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

}  // namespace mtmc::op
