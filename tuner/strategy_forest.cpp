// Search by a learned model (after SMAC, Hutter, Hoos, Leyton-Brown 2011): a forest is grown from
// all outcomes, candidates are thrown near the best, between the best and anywhere, and the one
// with the lowest optimistic belief is tried. What failed is believed to be as slow as the slowest:
// hidden limits (shared memory, registers) are learned and left alone.
//
// Cost: forest and candidates are renewed when the outcomes have grown by a fifth, and one list
// of candidates serves a sixtieth of them, so the cost of a trial stays a few microseconds.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tuner/forest.hpp"
#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::size_t kLeastStart = 5, kMostStart = 20;  // random trials before the model speaks
constexpr std::size_t kBest = 12;  // configurations to throw candidates around
constexpr std::size_t kCandidates = 30;
constexpr double kNear = 0.35, kBetween = 0.3;  // shares of the candidates; the rest lies anywhere
constexpr double kSecondMove = 0.6;
constexpr double kOptimism = 1.5;  // spreads below the mean
constexpr double kWorst = 0.6;     // logarithms of the ratio to the best are cut here
constexpr double kRegrow = 1.2;
constexpr std::size_t kServes = 60;
constexpr std::size_t kMemory = 4096;  // outcomes that the forest sees: the latest

class ForestSearch final : public RememberingStrategy {
 public:
  ForestSearch(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, std::move(options), "forest"),
        start_(std::clamp(budget_ / 4, kLeastStart, kMostStart)),
        forest_(space),
        throw_(counts_.size()),
        other_(counts_.size()) {}
  std::string_view name() const override { return "forest"; }

 private:
  struct Scored {
    double value;
    std::uint64_t index;
    bool operator<(const Scored& o) const {
      return value != o.value ? value < o.value : index < o.index;
    }
  };

  std::optional<std::uint64_t> choose() override {
    if (values_.size() < start_ || best_.empty()) return fresh();
    while (!queue_.empty()) {
      const std::uint64_t index = queue_.back();
      queue_.pop_back();
      if (!taken(index)) return index;
    }
    if (static_cast<double>(values_.size()) >= kRegrow * static_cast<double>(grown_)) grow();
    score();
    if (queue_.empty()) return fresh();
    const std::uint64_t index = queue_.back();
    queue_.pop_back();
    return index;
  }

  void learned(std::uint64_t index, const Record& record) override {
    if (values_.size() == kMemory) {
      const auto half = static_cast<std::ptrdiff_t>(kMemory / 2);
      values_.erase(values_.begin(), values_.begin() + half);
      digits_.erase(digits_.begin(),
                    digits_.begin() + half * static_cast<std::ptrdiff_t>(counts_.size()));
      grown_ = 0;
    }
    const bool ok = record.state == State::ok;
    values_.push_back(ok ? record.value : std::numeric_limits<double>::infinity());
    digits_.resize(digits_.size() + counts_.size());
    space_.digits(index, &digits_[digits_.size() - counts_.size()]);
    if (!ok) return;
    const Scored mine{record.value, index};
    if (best_.size() == kBest && !(mine < best_.back())) return;
    const bool first = best_.empty() || mine < best_.front();
    best_.insert(std::lower_bound(best_.begin(), best_.end(), mine), mine);
    if (best_.size() > kBest) best_.pop_back();
    if (first) queue_.clear();  // new ground: the rest of the list is stale
  }

  void grow() {
    const double best = best_.front().value;
    const double scale = std::max(std::abs(best), std::numeric_limits<double>::min());
    double worst = 0;
    targets_.assign(values_.size(), 0);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (std::isinf(values_[i])) continue;
      const double y = std::min(kWorst, std::log1p(std::max(0.0, values_[i] - best) / scale));
      worst = std::max(worst, y);
      targets_[i] = static_cast<float>(y);
    }
    for (std::size_t i = 0; i < values_.size(); ++i)
      if (std::isinf(values_[i])) targets_[i] = static_cast<float>(worst);
    forest_.grow(digits_, targets_, &dice_);
    grown_ = values_.size();
  }

  // Its digits are left in throw_.
  std::optional<std::uint64_t> throw_candidate() {
    const double kind = dice_.unit();
    if (kind >= kNear + kBetween) {
      const std::uint64_t index = dice_.below(space_.size());
      space_.digits(index, throw_.data());
      return index;
    }
    const std::size_t n = best_.size();
    space_.digits(best_[std::min(dice_.below(n), dice_.below(n))].index, throw_.data());
    if (kind < kNear) {
      mutate(throw_.data(), false);
      if (dice_.unit() < kSecondMove) mutate(throw_.data(), false);
    } else {
      space_.digits(best_[dice_.below(n)].index, other_.data());
      for (const std::size_t p : free_)
        if (dice_.coin()) throw_[p] = other_[p];
    }
    return space_.index_of_digits(throw_.data());
  }

  // Fills the queue, best belief at its back.
  void score() {
    scored_.clear();
    for (std::size_t i = 0; i < 2 * kCandidates && scored_.size() < kCandidates; ++i) {
      const auto index = throw_candidate();
      if (!index || taken(*index)) continue;
      const auto belief = forest_.believe(throw_.data());
      scored_.push_back({belief.mean - kOptimism * belief.spread, *index});
    }
    const std::size_t serves = std::clamp<std::size_t>(values_.size() / kServes, 1, kCandidates);
    const std::size_t keep = std::min(serves, scored_.size());
    std::partial_sort(scored_.begin(), scored_.begin() + static_cast<std::ptrdiff_t>(keep),
                      scored_.end());
    queue_.clear();
    for (std::size_t i = keep; i-- > 0;)
      if (queue_.empty() || queue_.back() != scored_[i].index) queue_.push_back(scored_[i].index);
  }

  std::size_t start_;
  Forest forest_;
  std::vector<double> values_;      // of all outcomes; infinite where failed
  std::vector<ValueIndex> digits_;  // of the same, row after row
  std::vector<float> targets_;
  std::vector<Scored> best_, scored_;
  std::vector<std::uint64_t> queue_;
  std::size_t grown_ = 0;  // outcomes that the forest has seen; 0: none grown
  std::vector<ValueIndex> throw_, other_;
};

}  // namespace

std::unique_ptr<Strategy> make_forest(const Space& space, StrategyOptions options) {
  return std::make_unique<ForestSearch>(space, std::move(options));
}

}  // namespace mtmc::tuner
