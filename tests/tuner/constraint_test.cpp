#include "tuner/constraint.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "tuner/random_space.hpp"

using namespace mtmc;
using namespace mtmc::tuner;

namespace {
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

// What the compiled form answers, with nullopt for "no value".
std::optional<std::int64_t> run(const std::string& text, const Symbols& symbols) {
  Program::Slots slots;
  std::vector<std::int64_t> values;
  for (const auto& [name, value] : symbols) {
    slots.emplace(name, values.size());
    values.push_back(value);
  }
  const auto program = Program::compile(Expr::parse(text).value(), slots).value();
  std::int64_t value = 0;
  if (!program.run(values.data(), &value)) return std::nullopt;
  return value;
}
}  // namespace

TEST_CASE("a compiled expression rounds and compares as the language says") {
  const Symbols s{{"a", -7}, {"b", 2}, {"z", 0}};
  CHECK(run("a / b", s) == -4);
  CHECK(run("a % b", s) == 1);
  CHECK(run("b % a", s) == -5);
  CHECK(run("ceil_div(a, b)", s) == -3);
  CHECK(run("align_up(a, b)", s) == -6);
  CHECK(run("min(b, a, 5)", s) == -7);
  CHECK(run("b <= 2 and not a == 1", s) == 1);
}

TEST_CASE("a compiled expression evaluates only what it needs") {
  const Symbols s{{"a", 6}, {"z", 0}};
  CHECK(run("z != 0 and a % z == 0", s) == 0);
  CHECK(run("z == 0 or a % z == 0", s) == 1);
  CHECK(run("select(z, a / z, a)", s) == 6);
  CHECK_FALSE(run("select(a, a / z, a)", s).has_value());
  CHECK(run("3 + (a and 4)", s) == 4);
}

TEST_CASE("a compiled expression has no value on overflow and division by zero") {
  const Symbols s{{"low", kMin}, {"high", kMax}, {"m", -1}, {"z", 0}, {"t", 3}};
  for (const char* text : {"high + 1", "low - 1", "low * m", "low / m", "-low", "high / z",
                           "high % z", "align_up(high, t - 5 + 4)", "ceil_div(t, z)"})
    CHECK_FALSE(run(text, s).has_value());
  CHECK(run("low % t", s) == 1);  // -2^63 = 3 * (-3074457345618258603) + 1
}

TEST_CASE("compiled expressions agree with the evaluator on 20,000 random ones") {
  const std::vector<std::string> names{"a", "b", "c"};
  int with_value = 0, without = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    testing::Dice dice(seed);
    const std::string text = testing::random_expression(dice, names, 4);
    const Symbols s{{"a", dice.below(9) - 4}, {"b", dice.below(40)}, {"c", dice.below(3)}};
    const auto expected = Expr::parse(text).value().evaluate(s);
    const auto actual = run(text, s);
    INFO(text);
    REQUIRE(expected.has_value() == actual.has_value());
    if (actual) REQUIRE(*expected == *actual);
    ++(actual ? with_value : without);
  }
  CHECK(with_value > 5000);
  CHECK(without > 1000);
}

TEST_CASE("compiling refuses names without a slot and hopeless nesting") {
  CHECK(Program::compile(Expr::parse("a + b").value(), {{"a", 0}}).error().message ==
        "unknown name 'b'");
  Expr deep = Expr::symbol("a");
  for (int i = 0; i < 400; ++i) deep = Expr::make(Expr::Kind::add, {Expr::symbol("a"), deep});
  CHECK_FALSE(Program::compile(deep, {{"a", 0}}).has_value());
}

TEST_CASE("a constraint that does not parse is quoted") {
  const auto error = parse_constraints({"a < 4", "b <"}).error();
  CHECK(error.code == ErrorCode::bad_input);
  CHECK(error.message.find("constraint: expression 'b <'") == 0);
}
