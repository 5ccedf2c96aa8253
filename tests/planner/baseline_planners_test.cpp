#include <catch2/catch.hpp>
#include <set>

#include "planner/planner_fixture.hpp"

namespace mtmc::planner {
namespace {

TEST_CASE("the random planner proposes admissible steps, each once, by its seed alone") {
  Fixture f;
  std::set<std::string> first;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto steps = make_random_planner(seed)->propose(f.state, 3);
    REQUIRE(steps);
    REQUIRE(steps->size() == 3);
    std::set<std::string> keys;
    for (const auto& s : *steps) keys.insert(s.key());
    CHECK(keys.size() == 3);
    first.insert(steps->front().key());
    CHECK(make_random_planner(seed)->propose(f.state, 3)->front().key() == steps->front().key());
  }
  CHECK(first.size() == f.state.admissible.size());
  CHECK(make_random_planner(1)->propose(f.state, 99)->size() == f.state.admissible.size());
}

TEST_CASE("the one-shot planner asks for the whole kernel until one is correct") {
  Fixture f;
  const auto planner = make_one_shot_planner();
  CHECK(planner->propose(f.state, 3)->front().key() == "rewrite * sample=1");
  f.state.here = {{Fixture::step(kernel::Action::rewrite, "*", {{"sample", 1}}), "mismatch", 0}};
  CHECK(planner->propose(f.state, 3)->front().key() == "rewrite * sample=2");
  f.state.here.push_back(
      {Fixture::step(kernel::Action::rewrite, "*", {{"sample", 2}}), "correct", 2});
  CHECK(planner->propose(f.state, 3)->front().action == kernel::Action::stop);
}

}  // namespace
}  // namespace mtmc::planner
