// Region: the unit that is searched, tuned and remembered. Program: how an operator is composed of regions.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "op/operator.hpp"

namespace mtmc::kernel {

// A canonical operator: values, dims and nodes renamed in order of first use (inputs x0.., dims d0.., results t0.., y0..),
// so that equal blocks of a network are one Region whatever they were called. `hash` is over the canonical text,
// which holds shapes, dtypes, layouts, distributions and precision; a device's architecture joins it in the store's keys.
struct Region {
  op::Operator op;
  std::string text;  // canonical operator line
  std::string hash;
};

Result<Region> make_region(const op::Operator& op);

// One use of a region in a program. inputs[i] is the program-level name of the region's i-th input; outputs likewise.
struct Part {
  int region = 0;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

struct Program {
  op::Operator op;              // the whole, as stated
  std::vector<Region> regions;  // distinct
  std::vector<Part> parts;      // in execution order; program names: the operator's inputs and outputs, "p3" between
};

// Cuts an operator into regions: one product or convolution with what surrounds it pointwise or row-wise; what has none
// is one region. A value that crosses a cut is stored in its dtype.
Result<Program> partition(const op::Operator& op);

}  // namespace mtmc::kernel
