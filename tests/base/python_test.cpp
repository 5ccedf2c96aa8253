// Values as CPython 3.11 computes them.
#include "base/python.hpp"

#include <catch2/catch.hpp>

using namespace mtmc;

namespace {

std::string text_of(const std::string& text, const PythonNames& names = {}) {
  const auto expr = Expr::parse(text, Syntax::python);
  if (!expr) return "syntax: " + expr.error().message;
  const auto value = python_evaluate(*expr, names);
  if (!value)
    return value.error().kind == PythonFailure::Kind::zero_division ? "zero division"
           : value.error().kind == PythonFailure::Kind::overflow    ? "overflow"
                                                                    : "unusable";
  return value->text();
}

}  // namespace

TEST_CASE("Python's arithmetic") {
  const std::pair<const char*, const char*> rows[] = {
      {"7 / 2", "3.5"},
      {"6 / 2", "3.0"},
      {"7 // 2", "3"},
      {"-7 // 2", "-4"},
      {"7 // -2", "-4"},
      {"7.5 // 2", "3.0"},
      {"-7 % 3", "2"},
      {"7 % -3", "-2"},
      {"5.5 % 2", "1.5"},
      {"-5.5 % 2", "0.5"},
      {"5.5 % -2", "-0.5"},
      {"2 ** 10", "1024"},
      {"2 ** -1", "0.5"},
      {"-2 ** 2", "-4"},
      {"(-2) ** 3", "-8"},
      {"2 ** 3 ** 2", "512"},
      {"2 ** -1 ** 2", "0.5"},
      {"1 ** 9000000000000000000", "1"},
      {"(-1) ** 9000000000000000001", "-1"},
      {"0.1 + 0.2", "0.30000000000000004"},
      {"1e3", "1000.0"},
      {".5 * 4", "2.0"},
      {"True + True", "2"},
      {"- -3", "3"},
      {"+3", "3"},
      {"32 % ((8 * 8) / 16)", "0.0"},
      {"16 % ((16 * 8) / 32)", "0.0"},
      {"abs(-3)", "3"},
      {"abs(-2.5)", "2.5"},
      {"int(3.9)", "3"},
      {"int(-3.9)", "-3"},
      {"float(3)", "3.0"},
      {"min(3, 1, 2)", "1"},
      {"max([4, 9, 2])", "9"},
      {"max(15)", "15"},
      {"sum([1, 2, 3.5])", "6.5"},
      {"len([1, 2])", "2"},
      {"4611686018427387904 * 2", "overflow"},
      {"2 ** 64", "overflow"},
      {"9223372036854775807 + 1", "overflow"},
      {"1 / 0", "zero division"},
      {"1 % 0", "zero division"},
      {"1.5 // 0", "zero division"},
      {"0 ** -1", "zero division"},
  };
  for (const auto& [text, expected] : rows) {
    INFO(text);
    CHECK(text_of(text) == expected);
  }
}

TEST_CASE("Python's comparisons and logic") {
  const PythonNames names{{"x", 5}, {"s", "half"}, {"f", 2.0}};
  const std::pair<const char*, const char*> rows[] = {
      {"1 < x < 10", "True"},
      {"1 < x < 3", "False"},
      {"10 > x >= 5 == 5", "True"},
      {"1 < 2 < 3 < 4", "True"},
      {"not x == 5", "False"},
      {"x or 7", "5"},
      {"0 or 7", "7"},
      {"x and 7", "7"},
      {"0 and 1 / 0", "0"},
      {"(0 or 3) * 2", "6"},
      {"'a' if x > 4 else 'b'", "a"},
      {"1 if 0 else 2 if 0 else 3", "3"},
      {"f == 2", "True"},
      {"True == 1", "True"},
      {"s == 'half'", "True"},
      {"s in ['float', \"half\"]", "True"},
      {"x not in (1, 2)", "True"},
      {"x in range(0, 10, 5)", "True"},
      {"'al' in s", "True"},
      {"9007199254740993 == 9007199254740992.0", "False"},
      {"9007199254740993 > 9007199254740992.0", "True"},
      {"s < 3", "unusable"},
      {"y > 1", "unusable"},
      {"1 in 5", "unusable"},
  };
  for (const auto& [text, expected] : rows) {
    INFO(text);
    CHECK(text_of(text, names) == expected);
  }
}

TEST_CASE("Python's lists, ranges and comprehensions") {
  const std::pair<const char*, const char*> rows[] = {
      {"[1, 2] + list(range(32, 129, 32))", "[1, 2, 32, 64, 96, 128]"},
      {"[2**i for i in range(0, 6)]", "[1, 2, 4, 8, 16, 32]"},
      {"[i for i in range(1, 10+1) if i % 3 == 0]", "[3, 6, 9]"},
      {"[a * b for a in [1, 2] for b in (3, 4)]", "[3, 4, 6, 8]"},
      {"list(range(5, 0, -2))", "[5, 3, 1]"},
      {"[]", "[]"},
      {"(1,)", "[1]"},
      {"(1)", "1"},
      {"[1, 2,]", "[1, 2]"},
      {"sum(i for i in range(4))", "6"},
      {"['a', 'b']", "[a, b]"},
      {"[True, False]", "[True, False]"},
      {"[i for i in [i + 1 for i in range(2)]]", "[1, 2]"},
      {"range(10**12)", "unusable"},
      {"[j for i in range(9999) for j in range(9999)]", "unusable"},
      {"list(range(3, 1))", "[]"},
      {"range(1, 5, 0)", "unusable"},
  };
  for (const auto& [text, expected] : rows) {
    INFO(text);
    CHECK(text_of(text) == expected);
  }
}

TEST_CASE("hostile Python is refused while it is read, or costs little") {
  for (const char* text :
       {"__import__('os')", "x.y(1)", "[1][0]", "lambda: 1", "f'{x}'", "1 +", "(1", "[1", "a b",
        "x = 3", "1 if 2", "[i for 3 in x]", "1 not 2", "99999999999999999999", "1e999", "'open"})
    CHECK(text_of(text).find("syntax: ") == 0);
  // Each chain names its middle operand twice; nested, that doubles at every level.
  std::string chain = "1";
  for (int i = 0; i < 60; ++i) chain = "(0 < " + chain + " < 2)";
  CHECK(text_of(chain).find("syntax: ") == 0);
  CHECK(text_of(std::string(5000, '(')).find("syntax: ") == 0);
}

TEST_CASE("Python expressions print as text that parses back") {
  for (const char* text :
       {"1 <= x * y <= 4", "x // 2 + y / 3 % 2", "-x ** -y", "(-x) ** 2", "not (a and b) or c",
        "a if b else c if d else e", "(a if b else c) + 1", "x in [1, 2.5, 'a\\'b']",
        "x not in (1, 2)", "[i * j for i in range(3) if i for j in [1, 2]]",
        "max(a, b) - min([1, 2])", "True == x", "(1 < x) == y", "x - (y - z)", "list(range(4))"}) {
    const auto expr = Expr::parse(text, Syntax::python).value();
    const auto again = Expr::parse(expr.text(Syntax::python), Syntax::python);
    INFO(text << " -> " << expr.text(Syntax::python));
    REQUIRE(again.has_value());
    CHECK(*again == expr);
  }
}
