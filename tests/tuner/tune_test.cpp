#include "tuner/tune.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tuner/random_space.hpp"

using namespace mtmc;
using namespace mtmc::tuner;
using testing::make_space;

namespace {

Space line(std::int64_t count) {
  Parameter a{"a", {}, 0};
  for (std::int64_t v = 0; v < count; ++v) a.values.push_back(v);
  return make_space({a}, {});
}

// Tunes exhaustively over a recorded list of values; NaN is a failure.
TuneResult replay(const std::vector<double>& values, const StopRule& stop, double noise = 0) {
  const auto space = line(static_cast<std::int64_t>(values.size()));
  auto strategy = make_strategy("exhaustive", space).value();
  return tune(
      space, *strategy,
      [&](const Configuration& c) {
        const double v = values[static_cast<std::size_t>(c[0])];
        return std::isnan(v) ? Measurement::failure() : Measurement::success(v);
      },
      stop, noise);
}
const double kFails = std::nan("");

}  // namespace

TEST_CASE("exhaustive tuning finds the optimum of random spaces") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto problem = testing::random_problem(seed);
    const auto space = Space::build(problem.parameters, problem.constraints, problem.facts);
    if (!space) continue;
    const auto cost = [&](const Configuration& c) {
      double sum = 0;
      for (std::size_t i = 0; i < c.size(); ++i)
        sum += std::pow(double(c[i]) - double(seed % 7), 2) * double(i + 1);
      return sum;
    };
    double expected = std::numeric_limits<double>::infinity();
    for (const auto& c : testing::brute_force(problem, problem.constraints.size()))
      expected = std::min(expected, cost(c));
    for (const char* name : {"exhaustive", "random", "local"}) {
      auto strategy = make_strategy(name, *space, {seed, {}}).value();
      const auto result =
          tune(*space, *strategy, [&](const auto& c) { return Measurement::success(cost(c)); }, {});
      CHECK(result.reason == StopReason::exhausted);
      REQUIRE(result.trials.size() == space->size());
      REQUIRE(result.best_trial());
      REQUIRE(result.best_trial()->measurement.value == expected);
    }
  }
}

TEST_CASE("stop rules") {
  const std::vector<double> values{9, 8, 8, 8, 5, 7, 7, 7, 7, 1};
  SECTION("none") {
    const auto r = replay(values, {});
    CHECK(r.reason == StopReason::exhausted);
    CHECK(r.best == 9u);
  }
  SECTION("evaluations") {
    StopRule stop;
    stop.max_evaluations = 3;
    const auto r = replay(values, stop);
    CHECK(r.reason == StopReason::max_evaluations);
    CHECK(r.trials.size() == 3);
    CHECK(r.best == 1u);
    stop.max_evaluations = 0;
    CHECK(replay(values, stop).trials.empty());
    CHECK_FALSE(replay(values, stop).best.has_value());
  }
  SECTION("target") {
    StopRule stop;
    stop.target_value = StopRule::within(5, 0.05);
    const auto r = replay(values, stop);
    CHECK(r.reason == StopReason::target_reached);
    CHECK(r.trials.size() == 5);
    CHECK(StopRule::within(100, 0.05) == Approx(105));
    CHECK(StopRule::within(-100, 0.05) == Approx(-95));
  }
  SECTION("no progress") {
    StopRule stop;
    stop.max_stalled = 3;
    const auto r = replay(values, stop);
    CHECK(r.reason == StopReason::stalled);
    CHECK(r.trials.size() == 8);
    CHECK(r.best == 4u);
  }
  SECTION("no progress at all when everything fails") {
    StopRule stop;
    stop.max_stalled = 2;
    const auto r = replay({kFails, kFails, kFails, 1}, stop);
    CHECK(r.reason == StopReason::stalled);
    CHECK(r.failures == 2);
    CHECK(r.best_trial() == nullptr);
  }
  SECTION("asked from outside") {
    StopRule stop;
    int asked = 0;
    stop.should_stop = [&] { return ++asked > 4; };
    const auto r = replay(values, stop);
    CHECK(r.reason == StopReason::stopped);
    CHECK(r.trials.size() == 4);
  }
  SECTION("several rules: the first that holds") {
    StopRule stop;
    stop.max_evaluations = 9;
    stop.target_value = 8;
    stop.max_stalled = 3;
    CHECK(replay(values, stop).reason == StopReason::target_reached);
  }
}

TEST_CASE("ties within the noise go to the earlier configuration") {
  CHECK(replay({100, 99, 98.5}, {}).best == 2u);
  CHECK(replay({100, 99, 98.5}, {}, 0.02).best == 0u);
  CHECK(replay({103, 99, 98.5}, {}, 0.02).best == 1u);
  CHECK(replay({5, 5}, {}).best == 0u);
  CHECK(replay({kFails, 100, 99.9}, {}, 0.01).best == 1u);
  CHECK(replay({-100, -100.5}, {}, 0.01).best == 0u);
  // Small steps that add up beyond the noise do move the winner.
  CHECK(replay({100, 99, 98, 97}, {}, 0.02).best == 2u);
}

TEST_CASE("improvements within the noise do not hold off the stall rule") {
  StopRule stop;
  stop.max_stalled = 3;
  CHECK(replay({100, 99.9, 99.8, 99.7, 50}, stop, 0.02).reason == StopReason::stalled);
  CHECK(replay({100, 99.9, 99.8, 99.7, 50}, stop, 0).reason == StopReason::exhausted);
}

TEST_CASE("failures and values that are no number never win") {
  const auto space = line(4);
  auto strategy = make_strategy("exhaustive", space).value();
  const auto r = tune(space, *strategy,
                      [](const Configuration& c) {
                        if (c[0] == 0) return Measurement{false, -1};
                        if (c[0] == 1)
                          return Measurement::success(-std::numeric_limits<double>::infinity());
                        if (c[0] == 2) return Measurement::success(std::nan(""));
                        return Measurement::success(3);
                      },
                      {});
  CHECK(r.failures == 3);
  CHECK(r.best == 3u);
  CHECK_FALSE(r.trials[1].measurement.ok);
}

TEST_CASE("stop reasons have names") {
  CHECK(to_string(StopReason::stalled) == "stalled");
  CHECK(to_string(StopReason::target_reached) == "target_reached");
}
