// Medians, intervals and ratios against small cases done by hand, and against simulation.
#include "harness/statistics.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "base/rng.hpp"

using namespace mtmc;
using namespace mtmc::harness;

namespace {

// Kernel times as they are: a floor and a tail.
std::vector<double> times(std::uint64_t seed, double scale, int count) {
  std::vector<double> v;
  for (int i = 0; i < count; ++i) {
    const double u = random_uniform(random_bits(seed, 1, static_cast<std::uint64_t>(i)));
    v.push_back(scale * (1 - 0.02 * std::log(1 - u)));
  }
  return v;
}

}  // namespace

TEST_CASE("median and quantiles") {
  CHECK(median(std::vector<double>{3, 1, 2}) == 2);
  CHECK(median(std::vector<double>{4, 1, 2, 3}) == 2.5);
  CHECK(median(std::vector<double>{7}) == 7);
  CHECK(quantile(std::vector<double>{10, 20, 30}, 0.25) == 15);
  CHECK(quantile(std::vector<double>{10, 20, 30}, 1) == 30);
  CHECK(quantile(std::vector<double>{10, 20, 30}, 0) == 10);
}

TEST_CASE("the median's interval takes the binomial ranks") {
  std::vector<double> ten;
  for (int i = 1; i <= 10; ++i) ten.push_back(i);
  // P(X <= 1) = 11/1024 < 0.025 < P(X <= 2) = 56/1024: the second smallest and largest.
  const auto i = median_interval(ten, 0.95);
  CHECK(i.low == 2);
  CHECK(i.high == 9);
  const auto few = median_interval(std::vector<double>{5, 4, 6}, 0.95);
  CHECK(few.low == 4);
  CHECK(few.high == 6);
}

TEST_CASE("the median's interval holds the true median as often as it says") {
  const double truth = 1 + 0.02 * std::log(2.0);
  int held = 0;
  constexpr int kTrials = 400;
  for (int t = 0; t < kTrials; ++t)
    held += median_interval(times(static_cast<std::uint64_t>(t), 1, 41), 0.95).holds(truth);
  CHECK(held >= 0.93 * kTrials);
}

TEST_CASE("equal distributions tie, far ones do not, and the ratio says which is faster") {
  const auto a = times(1, 100, 60), same = times(2, 100, 60), slow = times(3, 120, 60);
  CHECK(compare(a, same, false, 7).comparison == Comparison::tie);
  const auto faster = compare(a, slow, false, 7);
  CHECK(faster.comparison == Comparison::faster);
  CHECK(faster.value == Approx(1.2).epsilon(0.01));
  CHECK(faster.interval.holds(faster.value));
  CHECK(compare(slow, a, false, 7).comparison == Comparison::slower);
  // The same samples and seed: the same answer.
  CHECK(compare(a, slow, false, 7).interval.low == faster.interval.low);
  CHECK(name_of(faster.comparison) == "faster");
}

TEST_CASE("ties are called ties as often as they should be") {
  int tied = 0;
  constexpr int kTrials = 60;
  for (int t = 0; t < kTrials; ++t)
    tied += compare(times(static_cast<std::uint64_t>(2 * t), 1, 30),
                    times(static_cast<std::uint64_t>(2 * t + 1), 1, 30), false, 1)
                .comparison == Comparison::tie;
  CHECK(tied >= 0.9 * kTrials);
}

TEST_CASE("a difference below what matters is a tie although it is certain") {
  const std::vector<double> a(30, 1000), b(30, 1002);
  CHECK(compare(a, b, false, 1).comparison == Comparison::tie);
  CHECK(compare(a, b, false, 1, 0.95, 0.001).comparison == Comparison::faster);
}

TEST_CASE("pairing takes out drift that both share") {
  std::vector<double> a, b;
  for (int i = 0; i < 40; ++i) {
    const double drift = 1 + 0.02 * i;
    a.push_back(100 * drift);
    b.push_back(102 * drift);
  }
  CHECK(compare(a, b, false, 5).comparison == Comparison::tie);
  CHECK(compare(a, b, true, 5).comparison == Comparison::faster);
}

TEST_CASE("rank correlation") {
  CHECK(spearman(std::vector<double>{1, 2, 3, 4}, std::vector<double>{10, 100, 1000, 1001}) ==
        Approx(1));
  CHECK(spearman(std::vector<double>{1, 2, 3}, std::vector<double>{3, 2, 1}) == Approx(-1));
  CHECK(spearman(std::vector<double>{1, 1, 1}, std::vector<double>{3, 2, 1}) == 0);
  CHECK(spearman(std::vector<double>{1, 2, 2, 3}, std::vector<double>{1, 2, 2, 3}) == Approx(1));
}
