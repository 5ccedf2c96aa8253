#include "search/budget.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "search/reward.hpp"
#include "search/settings.hpp"

namespace mtmc::search {
namespace {

llm::Exchange exchange(std::int64_t sent, std::int64_t received) {
  llm::Exchange e;
  e.prompt_tokens = sent;
  e.completion_tokens = received;
  return e;
}

TEST_CASE("caps are read from one text, and what is none is named") {
  const auto caps = caps_from("tokens=2e5,usd=0.5,wall_s=600,device_s=1.5,steps=24");
  REQUIRE(caps);
  CHECK(caps->tokens == 200000);
  CHECK(caps->usd == 0.5);
  CHECK(caps->wall_s == 600);
  CHECK(caps->device_s == 1.5);
  CHECK(caps->steps == 24);
  CHECK_FALSE(caps_from("")->any());
  for (const char* bad :
       {"tokens", "tokens=", "tokens=x", "tokens=-1", "tokens=1 ", "coins=3", "usd=nan"}) {
    CAPTURE(bad);
    const auto read = caps_from(bad);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::bad_input);
  }
}

TEST_CASE("each cap ends a run when it is reached, and says so") {
  auto now = std::chrono::steady_clock::time_point();
  const auto clock = [&now] { return now; };
  SECTION("tokens") {
    Meter meter(*caps_from("tokens=100"), nullptr, clock);
    meter.add_call(exchange(60, 39), std::nullopt);
    CHECK_FALSE(meter.exhausted());
    meter.add_call(exchange(1, 0), std::nullopt);
    CHECK(*meter.exhausted() == "token budget is used up: 100 of 100");
  }
  SECTION("money, where it is known") {
    Meter meter(*caps_from("usd=0.01"), nullptr, clock);
    meter.add_call(exchange(1, 1), std::nullopt);
    meter.add_call(exchange(1, 1), 0.009);
    CHECK_FALSE(meter.exhausted());
    meter.add_call(exchange(1, 1), 0.002);
    CHECK(meter.exhausted()->find("money") == 0);
    CHECK(meter.spent().unpriced == 1);
    CHECK(to_json(meter.spent())["usd"] == Approx(0.011));
  }
  SECTION("steps") {
    Meter meter(*caps_from("steps=1"), nullptr, clock);
    CHECK_FALSE(meter.exhausted());
    meter.add_step();
    CHECK(meter.exhausted()->find("step budget") == 0);
  }
  SECTION("device and wall time") {
    Meter device(*caps_from("device_s=2"), nullptr, clock),
        wall(*caps_from("wall_s=3"), nullptr, clock);
    device.set_times(10, 1.5);
    CHECK_FALSE(device.exhausted());
    device.set_times(10, 2.5);
    CHECK(device.exhausted()->find("device time") == 0);
    CHECK_FALSE(wall.exhausted());
    now += std::chrono::seconds(3);
    CHECK(wall.exhausted()->find("time budget") == 0);
    CHECK(wall.spent().wall_s == 3);
  }
}

TEST_CASE("a sweep's meter counts its runs, and its cap ends them") {
  Meter sweep(*caps_from("tokens=100,device_s=5"));
  {
    Meter first({}, &sweep);
    first.add_call(exchange(50, 9), 0.5);
    first.set_times(1, 2);
    first.set_times(1.5, 3);
    CHECK_FALSE(first.exhausted());
  }
  Meter second({}, &sweep);
  second.set_times(0, 1);
  CHECK(sweep.spent().device_s == Approx(4));
  CHECK(sweep.spent().compile_s == Approx(1.5));
  CHECK(sweep.spent().usd == 0.5);
  second.add_call(exchange(41, 0), std::nullopt);
  CHECK(*second.exhausted() == "the sweep's token budget is used up: 100 of 100");
}

TEST_CASE("rewards are the stages of the paper's figure, and the logarithm of the gain") {
  using enum harness::Outcome;
  CHECK(staged_reward(compile_error, 0) == -1);
  CHECK(staged_reward(refused, 0) == -1);
  CHECK(staged_reward(over_budget, 0) == 0.1);
  CHECK(staged_reward(mismatch, 0) == -0.5);
  CHECK(staged_reward(race, 0) == -0.5);
  CHECK(staged_reward(correct, 1) == 0.5);
  CHECK(staged_reward(correct, 1.01) == 1);
  CHECK(log_reward(0) == 0);
  CHECK(log_reward(2) == Approx(0.6931).epsilon(1e-3));
  CHECK(log_reward(0.5) == Approx(-log_reward(2)));
}

TEST_CASE("settings come back from their JSON") {
  Settings s;
  s.device = "emulated NVIDIA H200";
  s.planner = "llm";
  s.planner_model = "m";
  s.coder_temperature = 0.7;
  s.seed = 9;
  s.beam = 5;
  s.limits.sampled_blocks = 7;
  CHECK(to_json(settings_from_json(to_json(s))) == to_json(s));
  CHECK(to_json(settings_from_json(nlohmann::json{{"beam", "x"}, {"seed", nullptr}})) ==
        to_json(Settings()));
}

}  // namespace
}  // namespace mtmc::search
