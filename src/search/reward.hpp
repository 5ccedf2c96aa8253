// What a step was worth, for a policy that learns from the database.
#pragma once

#include "harness/verdict.hpp"

namespace mtmc::search {

// By the stage that was reached, as in the figure of QiMeng-Kernel (arXiv 2511.20100): does not
// compile, or was never written, -1; compiles and could not be judged +0.1; compiles and is wrong
// -0.5; correct +0.5; correct and faster than the step before +1.
double staged_reward(harness::Outcome outcome, double gain);

// The logarithm of old time over new time; 0 where there is no time.
double log_reward(double gain);

}  // namespace mtmc::search
