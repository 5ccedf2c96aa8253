// The table of strategies, the bookkeeping they share, and the two that need nothing else.
#include "tuner/strategy.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

using Maker = std::unique_ptr<Strategy> (*)(const Space&, StrategyOptions);
struct Row {
  StrategyInfo info;
  Maker make;
};
constexpr Row kRows[] = {
    {{"portfolio", "the default: hands the budget to whichever of the others pays"},
     make_portfolio},
    {{"exhaustive", "every configuration, in the order of the space"}, make_exhaustive},
    {{"random", "every configuration, in a seeded random order"}, make_random},
    {{"annealing", "simulated annealing over neighbours, cooled to the budget"}, make_annealing},
    {{"local", "iterated local search from the best of some random samples"}, make_local},
    {{"genetic", "crossover and mutation of the best configurations"}, make_genetic},
    {{"mcts", "upper confidence bounds on a tree over the parameters"}, make_mcts},
    {{"forest", "a forest of regression trees that learns from every trial"}, make_forest},
};

class Exhaustive final : public RememberingStrategy {
 public:
  Exhaustive(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, std::move(options), "exhaustive") {}
  std::string_view name() const override { return "exhaustive"; }

 private:
  std::optional<std::uint64_t> choose() override {
    return first_free([](std::uint64_t i) { return i; }, &position_);
  }
  void learned(std::uint64_t, const Record&) override {}

  std::uint64_t position_ = 0;
};

class Random final : public RememberingStrategy {
 public:
  Random(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, std::move(options), "random") {}
  std::string_view name() const override { return "random"; }

 private:
  std::optional<std::uint64_t> choose() override { return fresh(); }
  void learned(std::uint64_t, const Record&) override {}
};

}  // namespace

RememberingStrategy::RememberingStrategy(const Space& space, StrategyOptions options,
                                         std::string_view stream)
    : space_(space),
      seed_(options.seed),
      budget_(static_cast<std::size_t>(
          std::min<std::uint64_t>(std::max<std::size_t>(options.budget, 1), space.size()))),
      dice_(options.seed, stream),
      first_(std::move(options.first)),
      order_(space.size(), options.seed),
      scratch_(space.parameters().size()) {
  for (std::size_t p = 0; p < space.parameters().size(); ++p) {
    counts_.push_back(space.parameters()[p].values.size());
    if (counts_.back() > 1) free_.push_back(p);
  }
  records_.reserve(std::min<std::size_t>(2 * budget_, 4096));
}

std::optional<std::uint64_t> RememberingStrategy::next() {
  std::optional<std::uint64_t> index;
  while (!index && next_first_ < first_.size()) {
    const std::uint64_t candidate = first_[next_first_++];
    if (candidate < space_.size() && !taken(candidate)) index = candidate;
  }
  if (!index) index = choose();
  if (index) records_.emplace(*index, Record{});
  return index;
}

void RememberingStrategy::tell(std::uint64_t index, const Measurement& measurement) {
  Record& record = records_[index];
  if (record.state != State::pending) return;
  const bool ok = measurement.ok && std::isfinite(measurement.value);
  record = {ok ? State::ok : State::failed, ok ? measurement.value : 0};
  ++told_;
  learned(index, record);
}

const RememberingStrategy::Record* RememberingStrategy::record(std::uint64_t index) const {
  const auto it = records_.find(index);
  return it == records_.end() ? nullptr : &it->second;
}

void RememberingStrategy::mutate(ValueIndex* digits, bool near) {
  if (free_.empty()) return;
  const std::size_t p = free_[dice_.below(free_.size())];
  const std::uint64_t own = digits[p], count = counts_[p];
  if (near) {
    const bool up = own == 0 || (own + 1 < count && dice_.coin());
    digits[p] = static_cast<ValueIndex>(up ? own + 1 : own - 1);
  } else {
    const std::uint64_t other = dice_.below(count - 1);
    digits[p] = static_cast<ValueIndex>(other < own ? other : other + 1);
  }
}

std::optional<std::uint64_t> RememberingStrategy::random_neighbour(std::uint64_t index, bool near) {
  for (int throws = 0; throws < 16; ++throws) {
    space_.digits(index, scratch_.data());
    mutate(scratch_.data(), near);
    const auto found = space_.index_of_digits(scratch_.data());
    if (found && *found != index) return found;
  }
  return std::nullopt;
}

std::unique_ptr<Strategy> make_exhaustive(const Space& space, StrategyOptions options) {
  return std::make_unique<Exhaustive>(space, std::move(options));
}
std::unique_ptr<Strategy> make_random(const Space& space, StrategyOptions options) {
  return std::make_unique<Random>(space, std::move(options));
}

const std::vector<StrategyInfo>& strategies() {
  static const std::vector<StrategyInfo> all = [] {
    std::vector<StrategyInfo> rows;
    for (const auto& row : kRows) rows.push_back(row.info);
    return rows;
  }();
  return all;
}

Result<std::unique_ptr<Strategy>> make_strategy(std::string_view name, const Space& space,
                                                StrategyOptions options) {
  std::string names;
  for (const auto& row : kRows) {
    if (name == row.info.name) return row.make(space, std::move(options));
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.info.name);
  }
  return bad_input(fmt::format("no tuning strategy '{}'; there are: {}", name, names));
}

}  // namespace mtmc::tuner
