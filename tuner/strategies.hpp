// Inside tuner/: one maker per strategy, and what strategies share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tuner/dice.hpp"
#include "tuner/permutation.hpp"
#include "tuner/strategy.hpp"

namespace mtmc::tuner {

std::unique_ptr<Strategy> make_exhaustive(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_random(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_annealing(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_local(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_genetic(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_mcts(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_forest(const Space& space, StrategyOptions options);
std::unique_ptr<Strategy> make_portfolio(const Space& space, StrategyOptions options);

// The bookkeeping of a strategy: what was proposed or told, what came of it, and the
// configurations to try first.
class RememberingStrategy : public Strategy {
 public:
  // `stream` names the strategy's chance, so that strategies of one seed draw differently.
  RememberingStrategy(const Space& space, StrategyOptions options, std::string_view stream);
  std::optional<std::uint64_t> next() final;
  void tell(std::uint64_t index, const Measurement& measurement) final;

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
  std::size_t told() const { return told_; }
  // The next number of a random order that is not taken; nullopt where all are.
  std::optional<std::uint64_t> fresh() { return first_free(order_, &position_); }
  // The first number of the sequence from *position on that is not taken; *position moves past it.
  template <class Sequence>
  std::optional<std::uint64_t> first_free(const Sequence& sequence, std::uint64_t* position) const {
    while (*position < space_.size()) {
      const std::uint64_t index = sequence((*position)++);
      if (!taken(index)) return index;
    }
    return std::nullopt;
  }

  // Moves one parameter that has several values: to any other of them, or with `near` by one place.
  void mutate(ValueIndex* digits, bool near);
  // A random valid neighbour; nullopt where a few throws found none.
  std::optional<std::uint64_t> random_neighbour(std::uint64_t index, bool near);

  const Space& space_;
  const std::uint64_t seed_;
  const std::size_t budget_;         // at least 1, at most the size of the space
  std::vector<std::size_t> free_;    // parameters with several values
  std::vector<std::size_t> counts_;  // values of every parameter
  Dice dice_;

 private:
  std::vector<std::uint64_t> first_;
  std::size_t next_first_ = 0, told_ = 0;
  std::unordered_map<std::uint64_t, Record> records_;
  Permutation order_;
  std::uint64_t position_ = 0;
  std::vector<ValueIndex> scratch_;
};

}  // namespace mtmc::tuner
