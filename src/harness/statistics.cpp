// Medians and order statistics throughout: kernel times have a hard floor and a tail, so means and
// standard deviations say little. The interval of the median is exact (binomial); that of a ratio
// is a percentile bootstrap with the counter RNG, so that equal samples give equal answers.
#include "harness/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/check.hpp"
#include "base/rng.hpp"

namespace mtmc::harness {

namespace {

constexpr int kResamples = 2000;

double median_in_place(std::vector<double>& v) {
  const std::size_t half = v.size() / 2;
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(half), v.end());
  const double upper = v[half];
  if (v.size() % 2 == 1) return upper;
  return (*std::max_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(half)) + upper) / 2;
}

std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && values[order[j]] == values[order[i]]) ++j;
    for (std::size_t k = i; k < j; ++k)
      rank[order[k]] = (static_cast<double>(i) + static_cast<double>(j) - 1) / 2;
    i = j;
  }
  return rank;
}

}  // namespace

double median(std::span<const double> samples) {
  MTMC_CHECK(!samples.empty(), "no samples");
  std::vector<double> v(samples.begin(), samples.end());
  return median_in_place(v);
}

double quantile(std::span<const double> samples, double fraction) {
  MTMC_CHECK(!samples.empty(), "no samples");
  std::vector<double> v(samples.begin(), samples.end());
  std::sort(v.begin(), v.end());
  const double at = std::clamp(fraction, 0.0, 1.0) * static_cast<double>(v.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, v.size() - 1);
  return v[low] + (at - static_cast<double>(low)) * (v[high] - v[low]);
}

Interval median_interval(std::span<const double> samples, double confidence) {
  MTMC_CHECK(!samples.empty(), "no samples");
  MTMC_CHECK(0 < confidence && confidence < 1, "confidence");
  std::vector<double> v(samples.begin(), samples.end());
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  // The largest k with P(fewer than k of n lie below the median) <= (1 - confidence) / 2; then the
  // interval from the k-th smallest to the k-th largest holds the median with that confidence.
  const double tail = (1 - confidence) / 2;
  double log_term = -static_cast<double>(n) * std::log(2.0), below = 0;
  std::size_t k = 0;
  for (std::size_t i = 0; i < n / 2; ++i) {
    below += std::exp(log_term);
    if (below > tail) break;
    k = i + 1;
    log_term += std::log(static_cast<double>(n - i)) - std::log(static_cast<double>(i + 1));
  }
  if (k == 0) return {v.front(), v.back()};
  return {v[k - 1], v[n - k]};
}

std::string_view name_of(Comparison comparison) {
  switch (comparison) {
    case Comparison::faster:
      return "faster";
    case Comparison::slower:
      return "slower";
    case Comparison::tie:
      break;
  }
  return "tie";
}

Ratio compare(std::span<const double> a, std::span<const double> b, bool paired, std::uint64_t seed,
              double confidence, double indifference) {
  MTMC_CHECK(!a.empty() && !b.empty(), "no samples");
  MTMC_CHECK(!paired || a.size() == b.size(), "pairs of unequal number");
  Ratio ratio;
  ratio.value = median(b) / median(a);
  std::vector<double> ratios, ra(a.size()), rb(b.size());
  ratios.reserve(kResamples);
  std::uint64_t counter = 0;
  const auto draw = [&](std::size_t n) {
    return random_bits(seed, stream_of("bootstrap"), counter++) % n;
  };
  for (int r = 0; r < kResamples; ++r) {
    for (std::size_t i = 0; i < ra.size(); ++i) {
      const std::size_t at = draw(a.size());
      ra[i] = a[at];
      if (paired) rb[i] = b[at];
    }
    if (!paired)
      for (double& v : rb) v = b[draw(b.size())];
    ratios.push_back(median_in_place(rb) / median_in_place(ra));
  }
  ratio.interval = {quantile(ratios, (1 - confidence) / 2), quantile(ratios, (1 + confidence) / 2)};
  const bool within =
      ratio.interval.low >= 1 - indifference && ratio.interval.high <= 1 + indifference;
  if (!within && !ratio.interval.holds(1))
    ratio.comparison = ratio.interval.low > 1 ? Comparison::faster : Comparison::slower;
  return ratio;
}

double spearman(std::span<const double> x, std::span<const double> y) {
  MTMC_CHECK(x.size() == y.size(), "unequal numbers");
  if (x.size() < 2) return 0;
  const auto rx = ranks(x), ry = ranks(y);
  const double mean = (static_cast<double>(x.size()) - 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (rx[i] - mean) * (ry[i] - mean);
    xx += (rx[i] - mean) * (rx[i] - mean);
    yy += (ry[i] - mean) * (ry[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

}  // namespace mtmc::harness
