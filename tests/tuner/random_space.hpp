// Small random tuning problems and their brute-force answers, which every test of spaces and
// strategies is held against.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/expr.hpp"
#include "base/rng.hpp"
#include "tuner/space.hpp"
#include "tuner/strategy.hpp"

namespace mtmc::tuner::testing {

// Draws in order from one stream of the counter RNG.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : seed_(seed) {}
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(random_bits(seed_, stream_of("dice"), draw_++) %
                                     static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t seed_, draw_ = 0;
};

// A strategy asked and told in configurations; what the space does not hold is not told.
class Asked {
 public:
  Asked(const Space& space, std::unique_ptr<Strategy> strategy)
      : space_(space), strategy_(std::move(strategy)) {}
  std::optional<Configuration> next() {
    const auto index = strategy_->next();
    if (!index) return std::nullopt;
    return space_.at(*index);
  }
  void tell(const Configuration& configuration, const Measurement& measurement) {
    if (const auto index = space_.index_of(configuration)) strategy_->tell(*index, measurement);
  }
  std::string_view name() const { return strategy_->name(); }

 private:
  const Space& space_;
  std::unique_ptr<Strategy> strategy_;
};

struct Problem {
  std::vector<Parameter> parameters;
  std::vector<Constraint> constraints;
  Symbols facts;
};

// One to six parameters of one to five values, up to four constraints over them and two facts.
Problem random_problem(std::uint64_t seed);
// The same in Python: reals and texts among the values, chained comparisons, `in`, powers.
Problem random_python_problem(std::uint64_t seed);

// All valid configurations by trying every combination with the tree evaluators, using the first
// `count` constraints; a constraint without a value makes a configuration invalid.
std::vector<Configuration> brute_force(const Problem& problem, std::size_t count);

// An expression of any kind over the given names, `depth` levels deep.
std::string random_expression(Dice& dice, const std::vector<std::string>& names, int depth);

inline Space make_space(std::vector<Parameter> parameters, const std::vector<std::string>& texts,
                        const Symbols& facts = {}) {
  return Space::build(std::move(parameters), parse_constraints(texts).value(), facts).value();
}

}  // namespace mtmc::tuner::testing
