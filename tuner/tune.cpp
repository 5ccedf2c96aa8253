// The lowest value decides which trials are ties; the earliest of the ties wins. The winner is
// looked up again only when the lowest value falls, and only values that low can win later, so the
// whole run costs far less than one evaluation.
//
// Ahead: proposals wait in a queue in their order; threads prepare them, the caller measures the
// oldest. The strategy is asked whenever the queue has room and told in order, so what it is asked
// and told does not depend on how long anything takes.
#include "tuner/tune.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>

#include "base/check.hpp"

namespace mtmc::tuner {

namespace {

class Winner {
 public:
  explicit Winner(double relative_noise)
      : noise_(std::isfinite(relative_noise) && relative_noise > 0 ? relative_noise : 0) {}

  // Takes note of the last trial; true where it improved on all before it beyond the noise.
  bool update(const std::vector<Trial>& trials) {
    const double value = trials.back().measurement.value;
    if (value >= lowest_) return false;
    lowest_ = value;
    const double tied = value + noise_ * std::abs(value);
    for (std::size_t i = 0; i < trials.size(); ++i) {
      const auto& m = trials[i].measurement;
      if (!m.ok || m.value > tied) continue;
      best_ = i;
      return i + 1 == trials.size();
    }
    MTMC_CHECK(false, "the lowest trial does not tie with itself");
    return false;
  }
  std::optional<std::size_t> best() const { return best_; }

 private:
  double noise_;
  double lowest_ = std::numeric_limits<double>::infinity();
  std::optional<std::size_t> best_;
};

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What the last quarter of the evaluations gained on average, against what one costs.
bool not_worth(const TuneResult& result, double runs) {
  const std::size_t n = result.trials.size();
  const std::size_t window = std::max<std::size_t>(20, n / 4);
  if (n < 20 || !result.best || result.seconds <= 0) return false;
  double before = std::numeric_limits<double>::infinity(), now = before;
  for (std::size_t i = 0; i < n; ++i) {
    const auto& m = result.trials[i].measurement;
    if (!m.ok) continue;
    now = std::min(now, m.value);
    if (i + window < n) before = now;
  }
  if (!std::isfinite(before)) {  // the window is all there is: count from its first value
    for (const auto& t : result.trials)
      if (t.measurement.ok) {
        before = t.measurement.value;
        break;
      }
  }
  const double gain_ns = (before - now) / static_cast<double>(std::min(window, n));
  const double cost_ns = 1e9 * result.seconds / static_cast<double>(n);
  return gain_ns * runs < cost_ns;
}

std::optional<StopReason> judge(const StopRule& stop, const TuneResult& result,
                                std::size_t stalled) {
  const Trial* best = result.best_trial();
  if (stop.target_value && best && best->measurement.value <= *stop.target_value)
    return StopReason::target_reached;
  if (stop.max_evaluations && result.trials.size() >= *stop.max_evaluations)
    return StopReason::max_evaluations;
  if (stop.max_seconds && result.seconds >= *stop.max_seconds) return StopReason::max_seconds;
  if (stop.max_stalled && stalled >= *stop.max_stalled) return StopReason::stalled;
  if (stop.worth_runs && not_worth(result, *stop.worth_runs)) return StopReason::not_worth;
  if (stop.should_stop && stop.should_stop()) return StopReason::stopped;
  return std::nullopt;
}

// Threads that prepare what is handed to them; wait() until one is done.
class Preparers {
 public:
  Preparers(Bench& bench, std::size_t count) : bench_(bench) {
    for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Preparers() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void hand(std::uint64_t index) {
    if (threads_.empty()) return bench_.prepare(index);
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(index);
      unfinished_.push_back(index);
    }
    changed_.notify_all();
  }
  void wait(std::uint64_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return std::find(unfinished_.begin(), unfinished_.end(), index) == unfinished_.end();
    });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
      if (ending_) return;
      const std::uint64_t index = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      bench_.prepare(index);
      lock.lock();
      std::erase(unfinished_, index);
      changed_.notify_all();
    }
  }

  Bench& bench_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::uint64_t> waiting_;      // not begun
  std::vector<std::uint64_t> unfinished_;  // not ended
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

double StopRule::within(double bound, double fraction) {
  return bound + fraction * std::abs(bound);
}

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::exhausted:
      return "exhausted";
    case StopReason::max_evaluations:
      return "max_evaluations";
    case StopReason::max_seconds:
      return "max_seconds";
    case StopReason::target_reached:
      return "target_reached";
    case StopReason::stalled:
      return "stalled";
    case StopReason::not_worth:
      return "not_worth";
    case StopReason::stopped:
      return "stopped";
  }
  return "unknown";
}

TuneResult tune(const Space& space, Strategy& strategy, Bench& bench,
                const TuneSettings& settings) {
  TuneResult result;
  Winner winner(settings.relative_noise);
  const StopRule& stop = settings.stop;
  const auto clock = [&] { return stop.clock ? stop.clock() : steady_seconds(); };
  const double begin = clock();
  std::size_t stalled = 0;
  std::deque<std::uint64_t> proposed;
  Preparers preparers(bench, settings.ahead);
  while (true) {
    result.seconds = clock() - begin;
    if (const auto reason = judge(stop, result, stalled)) {
      result.reason = *reason;
      return result;
    }
    std::size_t wanted = 1 + settings.ahead;
    if (stop.max_evaluations)
      wanted = std::min(wanted, *stop.max_evaluations - result.trials.size());
    while (proposed.size() < wanted) {
      const auto index = strategy.next();
      if (!index) break;
      MTMC_CHECK(*index < space.size(), "a strategy proposed an invalid configuration");
      proposed.push_back(*index);
      preparers.hand(*index);
    }
    if (proposed.empty()) return result;
    const std::uint64_t index = proposed.front();
    proposed.pop_front();
    preparers.wait(index);
    Measurement measurement = bench.measure(index);
    if (!std::isfinite(measurement.value)) measurement = Measurement::failure();
    strategy.tell(index, measurement);
    result.trials.push_back({index, measurement});
    ++stalled;
    if (!measurement.ok) {
      ++result.failures;
    } else if (winner.update(result.trials)) {
      stalled = 0;
    }
    result.best = winner.best();
    result.seconds = clock() - begin;
    if (settings.progress) settings.progress(result);
  }
}

}  // namespace mtmc::tuner
