#include "harness/verdict.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace mtmc;
using namespace mtmc::harness;

TEST_CASE("an evaluation crosses the pipe whole, infinities included") {
  Evaluation e;
  e.verdict.outcome = Outcome::non_finite;
  e.verdict.verified = Verified::sampled;
  e.verdict.message = "3 of 8 differ";
  e.verdict.cases = "tiny, odd";
  e.verdict.worst = INFINITY;
  e.verdict.first = {{"y0", 7, NAN, 1.5, 0.25}, {"y0", 8, -INFINITY, 1.5, 0.25}};
  e.modelled_ns = 1234.5;
  device::LaunchRecord launch{"k", 4, 16, device::ModelledTime{1, 2, 3, 4, 5, 6, 7, 8}, {}, {{"dram_bytes", 64}}};
  e.launches.push_back(launch);
  auto text = to_json(e).dump();
  auto again = evaluation_from_json(nlohmann::json::parse(text));
  REQUIRE(again);
  CHECK(to_json(*again).dump() == text);
  CHECK(std::isnan(again->verdict.first[0].got));
  CHECK(again->verdict.first[1].got == -INFINITY);
  CHECK(again->launches[0].modelled->dram_ns == 6);
}

TEST_CASE("outcomes have the words of the architecture") {
  for (const char* word : {"correct", "mismatch", "non_finite", "compile_error", "launch_error", "out_of_bounds", "misaligned", "race",
                           "deadlock", "timeout", "crash", "refused", "unsupported", "over_budget"}) {
    auto outcome = outcome_named(word);
    REQUIRE(outcome);
    CHECK(name_of(*outcome) == word);
  }
  CHECK_FALSE(outcome_named("fine"));
}

TEST_CASE("what is no evaluation is refused") {
  CHECK_FALSE(evaluation_from_json(nlohmann::json::array()));
  CHECK_FALSE(evaluation_from_json(nlohmann::json{{"outcome", "splendid"}}));
}
