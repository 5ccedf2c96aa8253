#include "tuner/tune.hpp"

#include <atomic>
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

// A bench out of a function of configurations.
template <class F>
class Calls : public Bench {
 public:
  Calls(const Space& space, F f) : space_(space), f_(std::move(f)) {}
  Measurement measure(std::uint64_t index) override { return f_(space_.at(index)); }

 private:
  const Space& space_;
  F f_;
};
template <class F>
TuneResult tune_with(const Space& space, Strategy& strategy, const F& f, const StopRule& stop,
                     double noise = 0) {
  Calls<F> bench(space, f);
  TuneSettings settings;
  settings.stop = stop;
  settings.relative_noise = noise;
  return tune(space, strategy, bench, settings);
}

// Tunes exhaustively over a recorded list of values; NaN is a failure.
TuneResult replay(const std::vector<double>& values, const StopRule& stop, double noise = 0) {
  const auto space = line(static_cast<std::int64_t>(values.size()));
  auto strategy = make_strategy("exhaustive", space).value();
  return tune_with(
      space, *strategy,
      [&](const Configuration& c) {
        const double v = values[static_cast<std::size_t>(c[0].integer())];
        return std::isnan(v) ? Measurement::failure() : Measurement::success(v);
      },
      stop, noise);
}
const double kFails = std::nan("");

}  // namespace

TEST_CASE("exhaustive tuning finds the optimum of random spaces") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
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
    for (const auto& info : strategies()) {
      const auto name = info.name;
      INFO(name << " seed " << seed);
      auto strategy = make_strategy(name, *space, {seed, {}, 200}).value();
      const auto result = tune_with(
          *space, *strategy, [&](const auto& c) { return Measurement::success(cost(c)); }, {});
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
  const auto r =
      tune_with(space, *strategy,
                [](const Configuration& c) {
                  if (c[0] == Value(0)) return Measurement{false, -1};
                  if (c[0] == Value(1))
                    return Measurement::success(-std::numeric_limits<double>::infinity());
                  if (c[0] == Value(2)) return Measurement::success(std::nan(""));
                  return Measurement::success(3);
                },
                {});
  CHECK(r.failures == 3);
  CHECK(r.best == 3u);
  CHECK_FALSE(r.trials[1].measurement.ok);
}

TEST_CASE("time ends a run, by the clock that it is given") {
  double now = 100;
  StopRule stop;
  stop.clock = [&] { return now++; };  // each look costs a second
  stop.max_seconds = 6;
  const auto r = replay({9, 8, 7, 6, 5, 4, 3, 2, 1}, stop);
  CHECK(r.reason == StopReason::max_seconds);
  CHECK(r.trials.size() == 3);
}

TEST_CASE("an evaluation that costs more than it can save ends a run") {
  std::vector<double> values;
  for (int i = 0; i < 25; ++i) values.push_back(1000 - 10 * i);  // 10 ns an evaluation
  for (int i = 0; i < 200; ++i) values.push_back(800);           // then nothing
  double now = 0;
  StopRule stop;
  stop.clock = [&] { return now += 0.5; };  // an evaluation costs about a second
  stop.worth_runs = 1e9;                    // 10 ns over these runs are ten seconds
  const auto r = replay(values, stop);
  CHECK(r.reason == StopReason::not_worth);
  CHECK(r.trials.size() > 40);
  CHECK(r.trials.size() < 80);
  now = 0;
  stop.worth_runs = 1e7;  // a tenth of a second: not worth it from the start
  CHECK(replay(values, stop).trials.size() == 20);
}

namespace {

// Prepares slowly and out of order, and checks that nothing is measured before it is prepared.
class AheadBench : public Bench {
 public:
  explicit AheadBench(std::size_t size) : prepared(size) {}
  void prepare(std::uint64_t index) override {
    for (std::uint64_t spin = mix64(index) % 20000; spin > 0; --spin)
      work_.fetch_add(spin, std::memory_order_relaxed);
    prepared[index].store(true);
    ++prepares;
  }
  Measurement measure(std::uint64_t index) override {
    early += !prepared[index];
    return index % 5 == 0 ? Measurement::failure()
                          : Measurement::success(double(mix64(index) % 1000));
  }
  std::vector<std::atomic<bool>> prepared;
  std::atomic<int> prepares{0};
  int early = 0;

 private:
  std::atomic<std::uint64_t> work_{0};
};

}  // namespace

TEST_CASE("what is prepared ahead changes nothing about the order of trials") {
  const auto space = line(500);
  std::vector<std::uint64_t> orders[3];
  for (int run = 0; run < 3; ++run) {
    AheadBench bench(500);
    auto strategy = make_strategy("portfolio", space, {7, {}, 200}).value();
    TuneSettings settings;
    settings.stop.max_evaluations = 200;
    settings.ahead = 3;
    const auto r = tune(space, *strategy, bench, settings);
    CHECK(bench.early == 0);
    CHECK(bench.prepares == 200);
    REQUIRE(r.trials.size() == 200);
    for (const auto& t : r.trials) orders[run].push_back(t.index);
  }
  CHECK(orders[0] == orders[1]);
  CHECK(orders[0] == orders[2]);
}

TEST_CASE("a run that is cut off leaves no thread behind") {
  const auto space = line(500);
  AheadBench bench(500);
  auto strategy = make_strategy("random", space).value();
  TuneSettings settings;
  settings.ahead = 4;
  settings.stop.max_stalled = 3;
  const auto r = tune(space, *strategy, bench, settings);
  CHECK(r.reason == StopReason::stalled);
  CHECK(bench.prepares <= int(r.trials.size()) + 4);
}

TEST_CASE("stop reasons have names") {
  CHECK(to_string(StopReason::stalled) == "stalled");
  CHECK(to_string(StopReason::target_reached) == "target_reached");
}
