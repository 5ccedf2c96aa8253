// Strategies replayed on a recorded space: what would they have found in so many trials?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/recording.hpp"
#include "tuner/strategy.hpp"

namespace mtmc::tuner {

struct Simulation {
  // Per seed: the recording's optimum over the best value found; 0 where all that was tried failed.
  std::vector<double> fraction;
  double mean = 0;
  double ci95 = 0;  // half the width of the mean's 95 % interval (normal); 0 for one seed
  double us_per_evaluation = 0;  // asking and telling, processor time over all seeds
  double recorded_ms = 0;        // mean over the seeds of what the trials had cost when recorded
};

// Each seed (1 .. seeds) runs for `evaluations` trials, or all configurations where there are
// fewer. Errors: bad_input for an unknown strategy or no evaluations.
Result<Simulation> simulate(const RecordedSpace& recorded, std::string_view strategy,
                            std::size_t evaluations, std::size_t seeds);

}  // namespace mtmc::tuner
