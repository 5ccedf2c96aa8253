// A forest of extremely randomised regression trees (Geurts, Ernst, Wehenkel 2006) over the digits
// of configurations: what a search believes about places that it has not tried. Besides single
// parameters a split may ask for the product or the ratio of two, because block times tile is what
// a kernel feels. Small and quick rather than accurate: it is grown anew every few trials.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tuner/dice.hpp"
#include "tuner/space.hpp"

namespace mtmc::tuner {

class Forest {
 public:
  struct Belief {
    double mean = 0, spread = 0;  // over the trees
  };

  // The space outlives the forest.
  explicit Forest(const Space& space);

  // Grows all trees from `count` rows of digits (one per parameter, row after row) and a target
  // each.
  void grow(const std::vector<ValueIndex>& digits, const std::vector<float>& targets, Dice* dice);
  // REQUIRES: grow() was called with at least one row.
  Belief believe(const ValueIndex* digits);

 private:
  struct Node {
    float threshold = 0;
    std::int16_t feature = -1;  // -1: a leaf
    std::int32_t left = 0;      // the right child follows it
    float mean = 0;
  };
  struct Pair {
    std::size_t first, second;
    bool ratio;
  };

  void features(const ValueIndex* digits, float* out) const;
  void split(std::size_t node, std::uint32_t* ids, std::size_t n, int depth, Dice* dice);

  std::size_t parameters_;
  std::vector<std::size_t> free_, positive_;
  std::vector<std::vector<float>> logarithms_;  // of positive parameters' values
  std::vector<Pair> pairs_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> roots_;
  std::vector<float> columns_;  // features of the rows, column after column
  std::vector<float> targets_, row_, ys_;
  std::vector<std::uint32_t> ids_;
  std::size_t rows_ = 0;
};

}  // namespace mtmc::tuner
