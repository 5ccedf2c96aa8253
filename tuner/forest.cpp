#include "tuner/forest.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mtmc::tuner {

namespace {

constexpr std::size_t kTrees = 8;
constexpr std::size_t kPairs = 10;  // drawn anew for each forest
constexpr double kPairShare = 0.3;  // of the splits that are tried
constexpr int kTries = 5;           // splits tried at a node; the best is taken
constexpr std::size_t kLeafRows = 2;
constexpr int kMaxDepth = 24;

}  // namespace

Forest::Forest(const Space& space)
    : parameters_(space.parameters().size()), logarithms_(space.parameters().size()) {
  for (std::size_t p = 0; p < parameters_; ++p) {
    const auto& values = space.parameters()[p].values;
    if (values.size() < 2) continue;
    free_.push_back(p);
    const bool positive = std::all_of(values.begin(), values.end(), [](const Value& v) {
      return v.is_number() && !v.is_bool() && v.real() > 0;
    });
    if (!positive) continue;
    positive_.push_back(p);
    for (const Value& v : values) logarithms_[p].push_back(static_cast<float>(std::log2(v.real())));
  }
}

void Forest::features(const ValueIndex* digits, float* out) const {
  for (const std::size_t p : free_) *out++ = digits[p];
  for (const Pair& pair : pairs_) {
    const float a = logarithms_[pair.first][digits[pair.first]];
    const float b = logarithms_[pair.second][digits[pair.second]];
    *out++ = pair.ratio ? a - b : a + b;
  }
}

void Forest::grow(const std::vector<ValueIndex>& digits, const std::vector<float>& targets,
                  Dice* dice) {
  rows_ = targets.size();
  targets_ = targets;
  pairs_.clear();
  for (std::size_t k = 0; k < kPairs && positive_.size() > 1; ++k) {
    const std::uint64_t a = dice->below(positive_.size());
    const std::uint64_t b = dice->below(positive_.size() - 1);
    pairs_.push_back({positive_[a], positive_[b < a ? b : b + 1], dice->coin()});
  }
  const std::size_t width = free_.size() + pairs_.size();
  row_.resize(width);
  columns_.resize(rows_ * width);
  for (std::size_t i = 0; i < rows_; ++i) {
    features(&digits[i * parameters_], row_.data());
    for (std::size_t f = 0; f < width; ++f) columns_[f * rows_ + i] = row_[f];
  }
  nodes_.clear();
  roots_.clear();
  ids_.resize(rows_);
  ys_.resize(rows_);
  for (std::size_t t = 0; t < kTrees; ++t) {
    for (std::size_t i = 0; i < rows_; ++i) ids_[i] = static_cast<std::uint32_t>(i);
    roots_.push_back(nodes_.size());
    nodes_.emplace_back();
    split(roots_.back(), ids_.data(), rows_, 0, dice);
  }
}

void Forest::split(std::size_t node, std::uint32_t* ids, std::size_t n, int depth, Dice* dice) {
  float sum = 0, squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float y = ys_[i] = targets_[ids[i]];
    sum += y;
    squares += y * y;
  }
  const auto count = static_cast<float>(n);
  nodes_[node].mean = sum / count;
  if (n <= kLeafRows || depth > kMaxDepth || free_.empty() || squares - sum * sum / count < 1e-7f)
    return;
  float best_gain = -1, best_threshold = 0;
  int best = -1;
  for (int tried = 0; tried < 3 * kTries && (tried < kTries || best < 0); ++tried) {
    const bool pair = !pairs_.empty() && dice->unit() < kPairShare;
    const std::size_t f =
        pair ? free_.size() + dice->below(pairs_.size()) : dice->below(free_.size());
    const float* const column = &columns_[f * rows_];
    // Between the values of two random rows: no pass for the extremes, and both sides hold a row.
    const float a = column[ids[dice->below(n)]], b = column[ids[dice->below(n)]];
    if (a == b) continue;
    const float low = std::min(a, b), high = std::max(a, b);
    float threshold = low + (high - low) * static_cast<float>(dice->unit());
    if (threshold >= high) threshold = low;
    float left = 0, left_sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float in = column[ids[i]] <= threshold ? 1.0f : 0.0f;
      left += in;
      left_sum += in * ys_[i];
    }
    const float right_sum = sum - left_sum;
    const float gain = left_sum * left_sum / left + right_sum * right_sum / (count - left);
    if (gain <= best_gain) continue;
    best_gain = gain;
    best = static_cast<int>(f);
    best_threshold = threshold;
  }
  if (best < 0) return;
  const float* const column = &columns_[static_cast<std::size_t>(best) * rows_];
  std::uint32_t* const middle =
      std::partition(ids, ids + n, [&](std::uint32_t i) { return column[i] <= best_threshold; });
  const std::size_t left = nodes_.size();
  nodes_.resize(left + 2);
  nodes_[node].feature = static_cast<std::int16_t>(best);
  nodes_[node].threshold = best_threshold;
  nodes_[node].left = static_cast<std::int32_t>(left);
  const auto in_left = static_cast<std::size_t>(middle - ids);
  split(left, ids, in_left, depth + 1, dice);
  split(left + 1, middle, n - in_left, depth + 1, dice);
}

Forest::Belief Forest::believe(const ValueIndex* digits) {
  features(digits, row_.data());
  float sum = 0, squares = 0;
  for (const std::size_t root : roots_) {
    const Node* n = &nodes_[root];
    while (n->feature >= 0)
      n = &nodes_[static_cast<std::size_t>(n->left) +
                  (row_[static_cast<std::size_t>(n->feature)] > n->threshold)];
    sum += n->mean;
    squares += n->mean * n->mean;
  }
  const double mean = sum / static_cast<double>(kTrees);
  return {mean, std::sqrt(std::max(0.0, squares / static_cast<double>(kTrees) - mean * mean))};
}

}  // namespace mtmc::tuner
