#include "kernel/candidate.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kernel/step.hpp"

using namespace mtmc;
using namespace mtmc::kernel;

namespace {
Candidate sample() {
  Candidate c;
  c.sources = {{"kernel.cu", "extern \"C\" __global__ void k() {}"}};
  c.recipe.run.push_back({Launch{"k", {1}, {256}, {}, false, false, 0, {}}, {}, {}});
  c.tunables = {{"TILE", {1, 2, 4}}};
  c.constraints = {"TILE < 4"};
  c.configuration = {{"TILE", 2}};
  c.ranked = {{{"TILE", 2}}, {{"TILE", 1}}};
  c.schedule = Schedule{{{{0, 1}, "row", {{"warp", 1}}}}};
  c.written_by = "template";
  return c;
}
}  // namespace

TEST_CASE("a candidate round-trips through JSON, schedule included") {
  auto again = candidate_from_json(to_json(sample()));
  REQUIRE(again);
  CHECK(to_json(*again) == to_json(sample()));
  CHECK(*again->schedule == *sample().schedule);
}

TEST_CASE("identity is source, recipe and configuration, and nothing else") {
  const std::string id = candidate_id(sample());
  Candidate other = sample();
  other.written_by = "somebody";
  other.schedule.reset();
  other.ranked.clear();
  CHECK(candidate_id(other) == id);
  other.configuration["TILE"] = 1;
  CHECK(candidate_id(other) != id);
  other = sample();
  other.sources[0].text += " ";
  CHECK(candidate_id(other) != id);
  other = sample();
  std::get<Launch>(other.recipe.run[0].what).block = {128};
  CHECK(candidate_id(other) != id);
}

TEST_CASE("a malformed candidate is refused with the place") {
  auto form = to_json(sample());
  form["configuration"] = nlohmann::json::object();
  CHECK(candidate_from_json(form).error().message.find("a value for tunable TILE") != std::string::npos);
  form = to_json(sample());
  form["sources"][0]["name"] = "/etc/passwd";
  CHECK(candidate_from_json(form).error().message.find("plain name") != std::string::npos);
  form = to_json(sample());
  form["sources"] = nlohmann::json::array();
  CHECK(candidate_from_json(form).error().message.find("at least one source") != std::string::npos);
  form = to_json(sample());
  form["schedule"]["groups"][0]["primitives"] = {-1};
  CHECK(candidate_from_json(form).error().message.find("indices of primitives") != std::string::npos);
  CHECK_FALSE(candidate_from_json(nlohmann::json("text")));
}

TEST_CASE("every action has a name that is read back, and a step's key holds its options") {
  for (Action a : all_actions()) CHECK(action_named(name_of(a)) == a);
  CHECK_FALSE(action_named("frobnicate"));
  Step step{Action::split, "g0", {{"ways", 4}}, "more blocks", 1.5};
  CHECK(step.key() == "split g0 ways=4");
  auto again = step_from_json(to_json(step));
  REQUIRE(again);
  CHECK(again->key() == step.key());
  CHECK(again->hint == step.hint);
  CHECK_FALSE(step_from_json(nlohmann::json{{"action", "rm"}}));
  CHECK_FALSE(step_from_json(nlohmann::json{{"part", "g0"}}));
}
