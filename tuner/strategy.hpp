// Which configuration to try next. Strategies are asked and told; they never evaluate, so the
// caller may measure elsewhere, ask ahead while earlier answers are pending, or replay a recording.
//
// Strategies think in numbers of configurations (Space::at). Every one is deterministic by seed and
// by what it was told, proposes valid configurations only, proposes none twice, and in the end all
// of them. Not thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "tuner/space.hpp"

namespace mtmc::tuner {

// What a trial gave. `value` is what is minimised (a time in ns, unless the caller minimises
// something else); it has no meaning where ok is false (did not build, launch or verify).
struct Measurement {
  bool ok = false;
  double value = 0;

  static Measurement success(double value) { return {true, value}; }
  static Measurement failure() { return {}; }
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  Strategy(const Strategy&) = delete;
  Strategy& operator=(const Strategy&) = delete;

  virtual std::string_view name() const = 0;
  // The number of a configuration; nullopt: the strategy has nothing left to try, now or later.
  virtual std::optional<std::uint64_t> next() = 0;
  // The outcome of a configuration, whether next() proposed it or it was known before (a resumed
  // run, another device): either way it is not proposed again. An ok measurement that is not a
  // finite number counts as a failure; of several outcomes of one configuration the first counts.
  // REQUIRES: index is below the size of the space.
  virtual void tell(std::uint64_t index, const Measurement& measurement) = 0;

 protected:
  Strategy() = default;
};

struct StrategyOptions {
  std::uint64_t seed = 1;
  // Tried before anything else, in this order: defaults, winners from elsewhere.
  std::vector<std::uint64_t> first;
  // How many evaluations there will be, where that is known: schedules and shares follow it.
  std::size_t budget = 200;
};

inline constexpr std::string_view kDefaultStrategy = "portfolio";

// One row per strategy, in the order that help texts show.
struct StrategyInfo {
  std::string_view name;
  std::string_view summary;
};
const std::vector<StrategyInfo>& strategies();

// The space must outlive the strategy. bad_input: no strategy of that name; the message lists them.
Result<std::unique_ptr<Strategy>> make_strategy(std::string_view name, const Space& space,
                                                StrategyOptions options = {});

}  // namespace mtmc::tuner
