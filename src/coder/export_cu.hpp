// A candidate as one .cu file that nvcc compiles without any other file.
//
// main() makes the inputs (the counter RNG that judged the candidate), runs the recipe at the
// region's stated sizes, checks every output element, or a seeded sample of a large one, against a
// float64 loop nest emitted from the primitives, prints one line and exits 0 or 1. With
// -DMTMC_HOST_ONLY it compiles as plain C++ and prints sampled reference values instead.
#pragma once

#include <string>

#include "base/error.hpp"
#include "coder/coder.hpp"

namespace mtmc::coder {

// Errors (bad_input): a recipe that cannot be resolved at the stated sizes, library steps, tensor
// maps, types that the check does not know.
Result<std::string> export_cu(const Task& task, const kernel::Candidate& candidate);

}  // namespace mtmc::coder
