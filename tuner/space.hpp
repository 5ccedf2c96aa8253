// A tuning space: parameters with finite lists of values, and constraints that tie them.
//
// Valid configurations are numbered 0 .. size()-1 without writing out the whole space: parameters
// that no constraint ties together form independent components, the components are enumerated, and
// a number is a mixed-radix pair of component rows (the last component varies fastest).
// Sources: components and index arithmetic after Rasch, Schulze, Steuwer, Gorlatch, "Efficient
// Auto-Tuning of Parallel Programs with Interdependent Tuning Parameters" (TACO 2021); pruning at
// the last parameter used, as any constraint solver does.
//
// A Space is immutable once built and thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/expr.hpp"
#include "base/value.hpp"
#include "tuner/component.hpp"
#include "tuner/constraint.hpp"

namespace mtmc::tuner {

// Values are distinct, at least one and at most 65,535; their order is what "adjacent" means.
struct Parameter {
  std::string name;
  std::vector<Value> values;
  Value default_value;  // one of values
};
std::vector<Value> values_of(const std::vector<std::int64_t>& integers);

// One value per parameter, in the order of Space::parameters().
using Configuration = std::vector<Value>;

// Which configurations are near.
enum class Neighbourhood {
  adjacent,  // one parameter moved to the nearest valid value before or after it in its list
  hamming,   // one parameter moved to any other valid value
  strictly_adjacent,  // every parameter at most one place away in its list, any number of them
                      // moved
};

class Space {
 public:
  // `facts` are fixed symbols that constraints may use (device limits, dims). A configuration for
  // which a constraint has no value (division by zero; with Syntax::checked overflow too) is not
  // valid; notes() says so. With Syntax::python a number beyond 64 bits is an error instead,
  // because Python would have gone on. bad_input: no parameters, a bad or repeated parameter, a
  // fact named like a parameter, a constraint with an unknown symbol, an empty space (the message
  // names the first constraint that together with those before it leaves nothing), more than 2^63-1
  // configurations, or a component beyond the limits of Component::build.
  static Result<Space> build(std::vector<Parameter> parameters,
                             const std::vector<Constraint>& constraints, const Symbols& facts = {});

  std::uint64_t size() const { return size_; }  // valid configurations, at least 1
  // The space of exactly these configurations, each a row of digits (places in the value lists).
  // Repeated rows count once. bad_input: as build(), no rows, a row of another length or with a
  // digit beyond its list.
  static Result<Space> of_rows(std::vector<Parameter> parameters,
                               const std::vector<std::vector<ValueIndex>>& rows);

  double cartesian() const;  // combinations before constraints
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<Component>& components() const { return components_; }
  // What a user should know about the space: constraints without a value somewhere. One line each.
  const std::vector<std::string>& notes() const { return notes_; }

  // REQUIRES: index < size().
  Configuration at(std::uint64_t index) const;
  // The places of its values in their lists, one per parameter. REQUIRES: index < size().
  void digits(std::uint64_t index, ValueIndex* out) const;
  std::optional<std::uint64_t> index_of_digits(const ValueIndex* digits) const;
  // The number of a valid configuration; nullopt for any other values or another length.
  std::optional<std::uint64_t> index_of(const Configuration& configuration) const;
  bool contains(const Configuration& configuration) const {
    return index_of(configuration).has_value();
  }
  // The configuration of all defaults, where it is valid.
  std::optional<Configuration> default_configuration() const;

  // Numbers of the neighbours, without `index` itself, ordered by parameter, then value; strictly
  // adjacent ones by number, and of these at most 65,536. REQUIRES: index < size().
  std::vector<std::uint64_t> neighbours(std::uint64_t index, Neighbourhood neighbourhood) const;

  // A uniform draw from the counter RNG: the same (seed, draw) gives the same number. Draws are
  // independent and may repeat; permutation.hpp has the sequence that does not.
  std::uint64_t sample(std::uint64_t seed, std::uint64_t draw) const;

  // "tile_m=64 stages=3", for messages and logs.
  std::string text(const Configuration& configuration) const;

 private:
  Result<void> number_rows();

  std::vector<Parameter> parameters_;
  std::vector<Component> components_;
  std::vector<std::uint64_t> strides_;  // per component
  struct Place {
    std::size_t component, member;
  };
  std::vector<Place> places_;  // per parameter
  std::uint64_t size_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace mtmc::tuner
