#include "base/value.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/check.hpp"

namespace mtmc {

namespace {

int sign(bool less, bool greater) { return less ? -1 : greater ? 1 : 0; }

// An integer against a real: by the real's floor, which is an exact integer where it fits.
int compare_mixed(std::int64_t a, double b) {
  if (std::isnan(b) || b >= 0x1p63) return -1;
  if (b < -0x1p63) return 1;
  const double floor = std::floor(b);
  const auto whole = static_cast<std::int64_t>(floor);
  if (a != whole) return a < whole ? -1 : 1;
  return floor < b ? -1 : 0;
}

int rank(const Value& v) { return v.is_number() ? 0 : v.is_string() ? 1 : 2; }

}  // namespace

std::int64_t Value::integer() const {
  if (const bool* b = std::get_if<bool>(&held_)) return *b;
  MTMC_CHECK(std::holds_alternative<std::int64_t>(held_), "the integer of a value that is none");
  return std::get<std::int64_t>(held_);
}

double Value::real() const {
  if (const double* d = std::get_if<double>(&held_)) return *d;
  return static_cast<double>(integer());
}

const std::string& Value::string() const {
  MTMC_CHECK(is_string(), "the text of a value that is none");
  return std::get<std::string>(held_);
}

const Value::List& Value::list() const {
  MTMC_CHECK(is_list(), "the list of a value that is none");
  return *std::get<std::shared_ptr<const List>>(held_);
}

bool Value::truth() const {
  if (is_integer()) return integer() != 0;
  if (is_real()) return real() != 0;
  return is_string() ? !string().empty() : !list().empty();
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer())
    return sign(a.integer() < b.integer(), a.integer() > b.integer());
  if (a.is_integer()) return compare_mixed(a.integer(), b.real());
  if (b.is_integer()) return -compare_mixed(b.integer(), a.real());
  const bool a_nan = std::isnan(a.real()), b_nan = std::isnan(b.real());
  if (a_nan || b_nan) return sign(!a_nan, !b_nan);
  return sign(a.real() < b.real(), a.real() > b.real());
}

bool Value::operator==(const Value& other) const {
  if (is_number() && other.is_number()) return compare_numbers(*this, other) == 0;
  if (is_string() && other.is_string()) return string() == other.string();
  return is_list() && other.is_list() && list() == other.list();
}

bool Value::operator<(const Value& other) const {
  if (rank(*this) != rank(other)) return rank(*this) < rank(other);
  if (is_number()) return compare_numbers(*this, other) < 0;
  if (is_string()) return string() < other.string();
  return std::lexicographical_compare(list().begin(), list().end(), other.list().begin(),
                                      other.list().end());
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == std::trunc(value) && std::abs(value) < 1e16) return fmt::format("{:.1f}", value);
  return fmt::format("{}", value);
}

std::string Value::text() const {
  if (is_bool()) return integer() ? "True" : "False";
  if (is_integer()) return std::to_string(integer());
  if (is_real()) return real_text(real());
  if (is_string()) return string();
  std::string out = "[";
  for (const Value& v : list()) out += (out.size() > 1 ? ", " : "") + v.text();
  return out + "]";
}

}  // namespace mtmc
