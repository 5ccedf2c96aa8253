// The geometric mean of gains (old time over new), as sweeps report it.
#pragma once

#include <cmath>
#include <cstddef>

namespace mtmc::report {

struct MeanGain {
  std::size_t tasks = 0;  // that had a gain above 0; others are not part of it
  double sum_of_logs = 0;

  void add(double gain) {
    if (gain <= 0) return;
    ++tasks;
    sum_of_logs += std::log(gain);
  }
  double mean() const { return tasks ? std::exp(sum_of_logs / static_cast<double>(tasks)) : 0; }
};

}  // namespace mtmc::report
