#include "tuner/simulate.hpp"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace mtmc::tuner {

namespace {

// Of this thread, so that what else runs on the machine does not count.
double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

Result<Simulation> simulate(const RecordedSpace& recorded, std::string_view strategy,
                            std::size_t evaluations, std::size_t seeds) {
  if (evaluations == 0 || seeds == 0)
    return bad_input("a simulation needs at least one evaluation and one seed");
  Simulation result;
  std::uint64_t tried = 0;
  double seconds = 0;
  for (std::size_t seed = 1; seed <= seeds; ++seed) {
    StrategyOptions options;
    options.seed = seed;
    options.budget = evaluations;
    double best = std::numeric_limits<double>::infinity();
    const double start = cpu_seconds();
    auto made = make_strategy(strategy, recorded.space, std::move(options));
    if (!made) return tl::unexpected<Error>(made.error());
    for (std::size_t i = 0; i < evaluations; ++i) {
      const auto index = (*made)->next();
      if (!index) break;
      const double value = recorded.value[*index];
      best = std::min(best, value);
      result.recorded_ms += recorded.cost_ms[*index];
      (*made)->tell(*index,
                    std::isfinite(value) ? Measurement::success(value) : Measurement::failure());
      ++tried;
    }
    seconds += cpu_seconds() - start;
    result.fraction.push_back(std::isfinite(best) ? recorded.optimum / best : 0);
  }
  const auto n = static_cast<double>(seeds);
  for (const double f : result.fraction) result.mean += f / n;
  double squares = 0;
  for (const double f : result.fraction) squares += (f - result.mean) * (f - result.mean);
  if (seeds > 1) result.ci95 = 1.96 * std::sqrt(squares / (n - 1) / n);
  result.us_per_evaluation = seconds * 1e6 / static_cast<double>(std::max<std::uint64_t>(tried, 1));
  result.recorded_ms /= n;
  return result;
}

}  // namespace mtmc::tuner
