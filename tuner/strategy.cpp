// The table of strategies, the bookkeeping they share, and the two that need nothing else.
#include "tuner/strategy.hpp"

#include <fmt/format.h>
#include <cmath>
#include <utility>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

using Maker = std::unique_ptr<Strategy> (*)(const Space&, StrategyOptions);
struct Row {
  StrategyInfo info;
  Maker make;
};
constexpr Row kRows[] = {
    {{"exhaustive", "every configuration, in the order of the space"}, make_exhaustive},
    {{"random", "every configuration, in a seeded random order"}, make_random},
    {{"local", "iterated local search from the best of some random samples"}, make_local},
};

class Exhaustive final : public IndexedStrategy {
 public:
  using IndexedStrategy::IndexedStrategy;
  std::string_view name() const override { return "exhaustive"; }

 private:
  std::optional<std::uint64_t> choose() override {
    return first_free([](std::uint64_t i) { return i; }, &position_);
  }
  void learned(std::uint64_t, const Record&) override {}

  std::uint64_t position_ = 0;
};

class Random final : public IndexedStrategy {
 public:
  Random(const Space& space, StrategyOptions options)
      : IndexedStrategy(space, std::move(options)), order_(space.size(), seed_) {}
  std::string_view name() const override { return "random"; }

 private:
  std::optional<std::uint64_t> choose() override { return first_free(order_, &position_); }
  void learned(std::uint64_t, const Record&) override {}

  Permutation order_;
  std::uint64_t position_ = 0;
};

}  // namespace

IndexedStrategy::IndexedStrategy(const Space& space, StrategyOptions options)
    : space_(space), seed_(options.seed) {
  for (const auto& configuration : options.first)
    if (const auto index = space.index_of(configuration)) first_.push_back(*index);
}

std::optional<Configuration> IndexedStrategy::next() {
  std::optional<std::uint64_t> index;
  while (!index && next_first_ < first_.size()) {
    const std::uint64_t candidate = first_[next_first_++];
    if (!taken(candidate)) index = candidate;
  }
  if (!index) index = choose();
  if (!index) return std::nullopt;
  records_.emplace(*index, Record{});
  return space_.at(*index);
}

void IndexedStrategy::tell(const Configuration& configuration, const Measurement& measurement) {
  const auto index = space_.index_of(configuration);
  if (!index) return;
  Record& record = records_[*index];
  if (record.state != State::pending) return;
  const bool ok = measurement.ok && std::isfinite(measurement.value);
  record = {ok ? State::ok : State::failed, ok ? measurement.value : 0};
  learned(*index, record);
}

const IndexedStrategy::Record* IndexedStrategy::record(std::uint64_t index) const {
  const auto it = records_.find(index);
  return it == records_.end() ? nullptr : &it->second;
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
