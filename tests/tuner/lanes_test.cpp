#include "tuner/lanes.hpp"

#include <catch2/catch.hpp>

#include "base/python.hpp"
#include "tuner/random_space.hpp"

using namespace mtmc;
using namespace mtmc::tuner;

namespace {

constexpr std::uint8_t kFalse = 0, kTrue = 1, kNone = 2;

// What the compiled form answers for a running from `low` to `high` while the others stand; empty
// where it does not compile.
std::vector<std::uint8_t> run(const std::string& text, Syntax syntax, const Symbols& standing,
                              std::int64_t low, std::int64_t high) {
  Slots slots{{"a", 0}};
  std::vector<SlotRange> ranges{{double(low), double(high), true, true}};
  std::vector<double> numbers{0}, running, scratch;
  for (const auto& [name, value] : standing) {
    slots.emplace(name, numbers.size());
    numbers.push_back(double(value));
    ranges.push_back({double(value), double(value), true, true});
  }
  for (std::int64_t v = low; v <= high; ++v) running.push_back(double(v));
  const auto lanes = Lanes::compile(Expr::parse(text, syntax).value(), syntax, slots, ranges, 0);
  std::vector<std::uint8_t> truth;
  if (!lanes) return truth;
  truth.resize(running.size());
  lanes->run(numbers.data(), running.data(), running.size(), &scratch, truth.data());
  return truth;
}

}  // namespace

TEST_CASE("lanes answer for every value of the running parameter") {
  CHECK(run("12 % a == 0", Syntax::checked, {}, 1, 6) ==
        std::vector<std::uint8_t>{1, 1, 1, 1, 0, 1});
  CHECK(run("12 % a == 0", Syntax::checked, {}, -1, 1) ==
        std::vector<std::uint8_t>{kTrue, kNone, kTrue});
  CHECK(run("a != 0 and 12 % a == 0", Syntax::checked, {}, -1, 1) ==
        std::vector<std::uint8_t>{kTrue, kFalse, kTrue});
  CHECK(run("a == 0 or 12 % a == 0", Syntax::python, {}, -1, 1) ==
        std::vector<std::uint8_t>{kTrue, kTrue, kTrue});
  CHECK(run("select(a, b / a, b)", Syntax::checked, {{"b", 3}}, 0, 1) ==
        std::vector<std::uint8_t>{kTrue, kTrue});
  CHECK(run("b / a if a else b", Syntax::python, {{"b", 3}}, 0, 1) ==
        std::vector<std::uint8_t>{kTrue, kTrue});
  CHECK(run("2 <= a * b <= 4", Syntax::python, {{"b", 2}}, 0, 3) ==
        std::vector<std::uint8_t>{0, 1, 1, 0});
  CHECK(run("a in [1, b]", Syntax::python, {{"b", 3}}, 0, 3) ==
        std::vector<std::uint8_t>{0, 1, 0, 1});
  // 32 % (a / 3): a real modulo. Only a = 3, 6, 12 give 32 % 1, 2, 4.
  CHECK(run("32 % (a / 3) == 0", Syntax::python, {}, 3, 7) ==
        std::vector<std::uint8_t>{1, 0, 0, 1, 0});
}

TEST_CASE("what could leave the exact range, and texts, are left to the trees") {
  CHECK(run("a * 9007199254740993 > 0", Syntax::python, {}, 1, 4).empty());
  CHECK(run("a ** b > 0", Syntax::python, {{"b", 3}}, 1, 4).empty());
  CHECK(run("a == 'x'", Syntax::python, {}, 1, 4).empty());
  CHECK_FALSE(run("a * 1000000 > 0", Syntax::python, {}, 1, 4).empty());
}

TEST_CASE("lanes agree with the tree evaluator on 20,000 random expressions") {
  int with_value = 0, without = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    testing::Dice dice(seed);
    const std::string text = testing::random_expression(dice, {"a", "b", "c"}, 4);
    Symbols s{{"b", dice.below(40)}, {"c", dice.below(3)}};
    const auto truth = run(text, Syntax::checked, s, -4, 4);
    INFO(text << " b=" << s["b"] << " c=" << s["c"]);
    const auto expr = Expr::parse(text).value();
    for (std::size_t k = 0; k < truth.size(); ++k) {
      s["a"] = std::int64_t(k) - 4;
      const auto expected = expr.evaluate(s);
      REQUIRE(truth[k] == (expected ? *expected != 0 : kNone));
      ++(expected ? with_value : without);
    }
  }
  CHECK(with_value > 50000);
  CHECK(without > 5000);
}
