#include "coder/index_math.hpp"

#include <catch2/catch.hpp>
#include <random>

using mtmc::Expr;
using mtmc::Symbols;
using mtmc::coder::IndexMath;

namespace {

Expr parse(const std::string& text) {
  auto e = Expr::parse(text);
  REQUIRE(e);
  return *e;
}

IndexMath axes() {
  IndexMath math;
  math.add_variable("_i", parse("M"));
  math.add_variable("_j", parse("N"));
  math.add_variable("_k", parse("4"));
  math.add_variable("_one", parse("1"));
  return math;
}

}  // namespace

TEST_CASE("views are taken apart where the ranges prove it") {
  const IndexMath math = axes();
  const auto text = [&](const char* e) { return math.simplify(parse(e)).text(); };
  CHECK(text("(_i * N + _j) / N") == "_i");
  CHECK(text("(_i * N + _j) % N") == "_j");
  CHECK(text("(_i * N + _j) / N * N + (_i * N + _j) % N") == "_i * N + _j");
  CHECK(text("(_j * 4 + _k) / 4") == "_j");
  CHECK(text("(_j * 4 + _k) % 4") == "_k");
  CHECK(text("_one + _j * 1") == "_j");
  CHECK(text("(_i * N + _j) / N % M") == "_i");
  CHECK(text("_j - _j") == "0");
}

TEST_CASE("what is not proven stays") {
  const IndexMath math = axes();
  const auto text = [&](const char* e) { return math.simplify(parse(e)).text(); };
  CHECK(text("(_i + _j) / N") == "(_i + _j) / N");
  CHECK(text("_i / M2") == "_i / M2");
  CHECK_FALSE(math.nonnegative(parse("_i - _j")));
  CHECK(math.nonnegative(parse("N - 1 - _one")));
  CHECK_FALSE(math.nonnegative(parse("N - 2")));
}

TEST_CASE("coefficients and what alignment depends on") {
  const IndexMath math = axes();
  CHECK(math.coefficient(parse("_i * N + _j + 3"), "_j")->text() == "1");
  CHECK(math.coefficient(parse("_i * N + _j"), "_i")->text() == "N");
  CHECK_FALSE(math.coefficient(parse("_j / 3"), "_j"));
  CHECK_FALSE(math.coefficient(parse("_j * _j"), "_j"));
  const auto terms = math.terms_without(parse("_i * N + _j + 8"), "_j");
  REQUIRE(terms.size() == 2);
}

// Random expressions keep their value at random points, whatever was proven about them.
TEST_CASE("simplification never changes a value") {
  std::mt19937 random(5);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const IndexMath math = axes();
  const char* names[] = {"_i", "_j", "_k", "M", "N"};
  for (int round = 0; round < 600; ++round) {
    std::vector<Expr> stack;
    for (int i = 0; i < 10; ++i) {
      const int what = pick(8);
      if (stack.size() < 2 || what < 3) {
        stack.push_back(what == 0 ? Expr(pick(6) + 1) : Expr::symbol(names[pick(5)]));
        continue;
      }
      Expr b = stack.back();
      stack.pop_back();
      Expr a = stack.back();
      stack.pop_back();
      switch (what) {
        case 3:
          stack.push_back(a + b);
          break;
        case 4:
          stack.push_back(a - b);
          break;
        case 5:
          stack.push_back(a * b);
          break;
        case 6:
          stack.push_back(mtmc::floor_div(a, pick(2) ? Expr::symbol("N") : Expr(pick(5) + 1)));
          break;
        default:
          stack.push_back(mtmc::mod(a, pick(2) ? Expr::symbol("N") : Expr(pick(5) + 1)));
          break;
      }
    }
    const Expr e = stack.back(), simple = math.simplify(e);
    for (int point = 0; point < 12; ++point) {
      Symbols s;
      s["M"] = 1 + pick(7), s["N"] = 1 + pick(7);
      s["_i"] = pick(static_cast<int>(s["M"])), s["_j"] = pick(static_cast<int>(s["N"])),
      s["_k"] = pick(4);
      const auto want = e.evaluate(s), got = simple.evaluate(s);
      REQUIRE(want);
      INFO(e.text() << "  ->  " << simple.text());
      REQUIRE(got);
      REQUIRE(*got == *want);
      if (math.nonnegative(e)) REQUIRE(*want >= 0);
    }
  }
}
