// A value of Python's kinds: what tuning parameters take and what Python-flavoured expressions
// compute. Booleans are numbers, as there: true equals 1, and 1 equals 1.0.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace mtmc {

class Value {
 public:
  using List = std::vector<Value>;

  Value() : held_(std::int64_t{0}) {}
  Value(std::int64_t v) : held_(v) {}              // NOLINT: a number is a value
  Value(int v) : held_(std::int64_t{v}) {}         // NOLINT
  Value(bool v) : held_(v) {}                      // NOLINT
  Value(double v) : held_(v) {}                    // NOLINT
  Value(std::string v) : held_(std::move(v)) {}    // NOLINT
  Value(const char* v) : held_(std::string(v)) {}  // NOLINT
  Value(List v) : held_(std::make_shared<const List>(std::move(v))) {}  // NOLINT

  bool is_bool() const { return std::holds_alternative<bool>(held_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(held_) || is_bool(); }
  bool is_real() const { return std::holds_alternative<double>(held_); }
  bool is_number() const { return is_integer() || is_real(); }
  bool is_string() const { return std::holds_alternative<std::string>(held_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const List>>(held_); }

  std::int64_t integer() const;  // REQUIRES: is_integer()
  double real() const;           // REQUIRES: is_number(); integers above 2^53 are rounded
  explicit operator double() const { return real(); }
  const std::string& string() const;  // REQUIRES: is_string()
  const List& list() const;           // REQUIRES: is_list()

  // Python's truth: numbers but 0, texts and lists but empty ones.
  bool truth() const;
  // Python's ==; exact also between integers and reals.
  bool operator==(const Value& other) const;
  // A total order that agrees with ==: numbers by value, then texts, then lists.
  bool operator<(const Value& other) const;
  // As Python's str(): 64, 0.5, True, text without quotes, [1, 2].
  std::string text() const;

 private:
  std::variant<std::int64_t, bool, double, std::string, std::shared_ptr<const List>> held_;
};

// <0, 0 or >0, exact; nothing is lost to rounding. NaN compares as larger than every number.
int compare_numbers(const Value& a, const Value& b);  // REQUIRES: both are numbers
// The shortest decimal text that reads back as the same double, in Python's spelling.
std::string real_text(double value);

}  // namespace mtmc
