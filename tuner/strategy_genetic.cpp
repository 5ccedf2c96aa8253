// A steady-state genetic algorithm: a population of the best so far, parents by tournament, uniform
// crossover, mutation of a tenth of the parameters. A child that the space does not hold, or that
// is known, is thrown again; a child that is better than the worst of the population takes its
// place.
#include <algorithm>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::size_t kPopulation = 20;
constexpr double kMutation = 0.1;
constexpr int kThrows = 60;

class Genetic final : public RememberingStrategy {
 public:
  Genetic(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, std::move(options), "genetic"),
        size_(std::clamp<std::size_t>(budget_ / 4, 6, kPopulation)),
        child_(counts_.size()),
        other_(counts_.size()) {}
  std::string_view name() const override { return "genetic"; }

 private:
  struct Member {
    double value;
    std::uint64_t index;
    bool operator<(const Member& o) const {
      return value != o.value ? value < o.value : index < o.index;
    }
  };

  std::optional<std::uint64_t> choose() override {
    if (population_.size() < size_) return fresh();
    for (int i = 0; i < kThrows; ++i) {
      space_.digits(parent(), child_.data());
      space_.digits(parent(), other_.data());
      for (const std::size_t p : free_) {
        if (dice_.coin()) child_[p] = other_[p];
        if (dice_.unit() < kMutation) child_[p] = static_cast<ValueIndex>(dice_.below(counts_[p]));
      }
      const auto index = space_.index_of_digits(child_.data());
      if (index && !taken(*index)) return index;
    }
    return fresh();
  }

  std::uint64_t parent() {  // the population is sorted: the smaller place wins the tournament
    const auto n = population_.size();
    return population_[std::min(dice_.below(n), dice_.below(n))].index;
  }

  void learned(std::uint64_t index, const Record& record) override {
    if (record.state != State::ok) return;
    const Member member{record.value, index};
    population_.insert(std::lower_bound(population_.begin(), population_.end(), member), member);
    if (population_.size() > size_) population_.pop_back();
  }

  std::size_t size_;
  std::vector<Member> population_;  // best first
  std::vector<ValueIndex> child_, other_;
};

}  // namespace

std::unique_ptr<Strategy> make_genetic(const Space& space, StrategyOptions options) {
  return std::make_unique<Genetic>(space, std::move(options));
}

}  // namespace mtmc::tuner
