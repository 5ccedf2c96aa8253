// Inside tuner/: one maker per strategy, and what strategies share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tuner/permutation.hpp"
#include "tuner/strategy.hpp"

namespace mtmc::tuner {

std::unique_ptr<Strategy> make_exhaustive(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_random(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_local(const Space& space, StrategyOptions options);

// The bookkeeping of a strategy that thinks in numbers of configurations: what was proposed or
// told, what came of it, and the configurations to try first.
class IndexedStrategy : public Strategy {
 public:
  IndexedStrategy(const Space& space, StrategyOptions options);
  std::optional<Configuration> next() final;
  void tell(const Configuration& configuration, const Measurement& measurement) final;

 protected:
  enum class State { pending, ok, failed };
  struct Record {
    State state = State::pending;
    double value = 0;  // where state is ok
  };

  // A number that is not taken(), or nullopt for good.
  virtual std::optional<std::uint64_t> choose() = 0;
  virtual void learned(std::uint64_t index, const Record& record) = 0;

  bool taken(std::uint64_t index) const { return records_.contains(index); }
  const Record* record(std::uint64_t index) const;
  // The first number of the sequence from *position on that is not taken; *position moves past it.
  template <class Sequence>
  std::optional<std::uint64_t> first_free(const Sequence& sequence, std::uint64_t* position) const {
    while (*position < space_.size()) {
      const std::uint64_t index = sequence((*position)++);
      if (!taken(index)) return index;
    }
    return std::nullopt;
  }

  const Space& space_;
  const std::uint64_t seed_;

 private:
  std::vector<std::uint64_t> first_;
  std::size_t next_first_ = 0;
  std::unordered_map<std::uint64_t, Record> records_;
};

}  // namespace mtmc::tuner
