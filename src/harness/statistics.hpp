// The statistics of timings: small, exact where that is possible, seeded where not. No distribution
// is assumed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace mtmc::harness {

// The middle value, or the mean of the two middle ones. REQUIRES: not empty.
double median(std::span<const double> samples);
// Linear between order statistics, fraction in [0, 1]. REQUIRES: not empty.
double quantile(std::span<const double> samples, double fraction);

struct Interval {
  double low = 0, high = 0;
  bool holds(double v) const { return low <= v && v <= high; }
};

// Distribution-free confidence interval of the median: order statistics at binomial ranks. Under 6
// samples (at 95 %) none reaches the confidence: then the range of the samples. REQUIRES: not
// empty, 0 < confidence < 1.
Interval median_interval(std::span<const double> samples, double confidence = 0.95);

enum class Comparison { tie, faster, slower };
std::string_view name_of(Comparison comparison);

// How many times faster `a` is than `b`: median(b) / median(a), with a percentile bootstrap
// interval (2000 resamples).
struct Ratio {
  double value = 1;
  Interval interval;
  // tie where the interval holds 1, or the whole interval lies within `indifference` of 1.
  Comparison comparison = Comparison::tie;
};
// Where samples were interleaved (a0 b0 a1 b1 ...), say so: pairs are then resampled together,
// which takes slow drift out. REQUIRES: not empty; equal sizes when paired.
Ratio compare(std::span<const double> a, std::span<const double> b, bool paired, std::uint64_t seed,
              double confidence = 0.95, double indifference = 0.005);

// Rank correlation, ties at their mean rank; 0 where one side is constant. REQUIRES: equal sizes.
double spearman(std::span<const double> x, std::span<const double> y);

}  // namespace mtmc::harness
