#include "search/reward.hpp"

#include <cmath>

namespace mtmc::search {

double staged_reward(harness::Outcome outcome, double gain) {
  using enum harness::Outcome;
  switch (outcome) {
    case correct:
      return gain > 1 ? 1.0 : 0.5;
    case refused:
    case compile_error:
      return -1.0;
    case unsupported:  // it compiled; what it does could not be looked at
    case over_budget:
      return 0.1;
    case mismatch:
    case non_finite:
    case launch_error:
    case out_of_bounds:
    case misaligned:
    case race:
    case deadlock:
    case timeout:
    case crash:
      return -0.5;
  }
  return -0.5;
}

double log_reward(double gain) { return gain > 0 ? std::log(gain) : 0; }

}  // namespace mtmc::search
