#include "base/expr.hpp"

#include <catch2/catch.hpp>

using mtmc::Expr;
using mtmc::Symbols;

namespace {
std::int64_t value(const char* text, const Symbols& symbols = {}) {
  auto e = Expr::parse(text);
  REQUIRE(e);
  auto v = e->evaluate(symbols);
  REQUIRE(v);
  return *v;
}
std::string error(const char* text, const Symbols& symbols = {}) {
  auto e = Expr::parse(text);
  if (!e) return e.error().message;
  auto v = e->evaluate(symbols);
  REQUIRE_FALSE(v);
  return v.error().message;
}
}  // namespace

TEST_CASE("expressions follow precedence and round towards negative infinity") {
  CHECK(value("2 + 3 * 4") == 14);
  CHECK(value("(2 + 3) * 4") == 20);
  CHECK(value("10 - 4 - 3") == 3);
  CHECK(value("-7 / 2") == -4);
  CHECK(value("-7 % 2") == 1);
  CHECK(value("7 / -2") == -4);
  CHECK(value("ceil_div(7, 2)") == 4);
  CHECK(value("align_up(13, 8)") == 16);
  CHECK(value("min(3, 1, 2) + max(3, 1)") == 4);
  CHECK(value("1 < 2 and 2 < 1 or not 0") == 1);
  CHECK(value("select(M > 4, M, 4)", {{"M", 9}}) == 9);
  CHECK(value("dev.sms * occupancy(k)", {{"dev.sms", 132}, {"occupancy(k)", 2}}) == 264);
}

TEST_CASE("modulo by a number near the smallest does not overflow") {
  CHECK(value("(0 - 9223372036854775807 - 1) % 3") == 1);
  CHECK(value("9223372036854775807 % -2") == -1);
}

TEST_CASE("chained comparisons are refused, because they do not mean what they seem to") {
  CHECK(error("32 <= x <= 1024", {{"x", 64}}).find("'and' between") != std::string::npos);
  CHECK(value("(1 < 2) == 1") == 1);
}

TEST_CASE("only what is needed is evaluated") {
  CHECK(value("select(1, 5, 1 / 0)") == 5);
  CHECK(value("0 and 1 / 0") == 0);
  CHECK(value("1 or 1 / 0") == 1);
}

TEST_CASE("overflow, division by zero and unknown names are errors") {
  CHECK(error("9223372036854775807 + 1").find("overflow") != std::string::npos);
  CHECK(error("M * M", {{"M", 1LL << 40}}).find("overflow") != std::string::npos);
  CHECK(error("(0 - 9223372036854775807 - 1) / -1").find("overflow") != std::string::npos);
  CHECK(error("-(0 - 9223372036854775807 - 1)").find("overflow") != std::string::npos);
  CHECK(error("5 % M", {{"M", 0}}).find("by zero") != std::string::npos);
  CHECK(error("align_up(5, 0)").find("by zero") != std::string::npos);
  CHECK(error("K").find("unknown name 'K'") != std::string::npos);
}

TEST_CASE("a syntax error points at the character") {
  CHECK(error("2 + ").find("character 5") != std::string::npos);
  CHECK(error("2 $ 3").find("character 3") != std::string::npos);
  CHECK(error("system(1)").find("expected a function of") != std::string::npos);
  CHECK(error("ceil_div(1)").find("argument") != std::string::npos);
  CHECK(error("99999999999999999999").find("below 2^63") != std::string::npos);
  CHECK(error(std::string(5000, '(').c_str()).find("nested") != std::string::npos);
  CHECK(error(std::string(5000, '-').c_str()).find("nested") != std::string::npos);
}

TEST_CASE("text is canonical and parses back to an equal expression") {
  for (const char* text : {"a + b * c", "(a + b) * c", "a - (b - c)", "a - b - c", "-(a + b)", "- -a",
                           "not (a and b) or c", "ceil_div(M * N, 256)", "select(a < b, a, b % 3)",
                           "a * (b / c)", "(a < b) + 1", "a - -3", "not a == b", "(a < b) == c", "a == (b < c)"}) {
    auto e = Expr::parse(text);
    REQUIRE(e);
    auto again = Expr::parse(e->text());
    INFO(text << " printed as " << e->text());
    REQUIRE(again);
    CHECK(*again == *e);
  }
}

TEST_CASE("building folds constants and neutral elements") {
  Expr m = Expr::symbol("M");
  CHECK((m * 1 + 0).text() == "M");
  CHECK((m * 0).is_constant(0));
  CHECK((Expr(6) * 7).is_constant(42));
  CHECK((m + 1).substitute({{"M", Expr(4)}}).is_constant(5));
}
