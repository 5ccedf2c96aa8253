#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>

#include "planner/planner_fixture.hpp"
#include "planner/policy_table.hpp"

namespace mtmc::planner {
namespace {

using kernel::Action;

std::vector<std::string> keys(const std::vector<kernel::Step>& steps) {
  std::vector<std::string> out;
  for (const auto& s : steps) out.push_back(s.key());
  return out;
}

TEST_CASE("the policy table has one row with a reason for every action and bottleneck") {
  const Bottleneck all[] = {Bottleneck::launch, Bottleneck::issue, Bottleneck::shared,
                            Bottleneck::dram};
  std::set<std::pair<Action, Bottleneck>> seen;
  for (const auto& row : policy_table()) {
    CHECK(seen.insert({row.action, row.bottleneck}).second);
    CHECK(row.prior_gain >= 0.5);
    CHECK(row.prior_gain <= 4);
    CHECK(row.why.size() > 10);
  }
  for (const Action action : kernel::all_actions())
    for (const Bottleneck bottleneck : all)
      CHECK((seen.count({action, bottleneck}) == 1) == (action != Action::start));
  CHECK(policy_row(Action::fuse, Bottleneck::launch).prior_gain >
        policy_row(Action::vectorize, Bottleneck::launch).prior_gain);
}

TEST_CASE("steps are ranked by prior, expectation and distance, ties by action and key") {
  Fixture f;
  auto planner = make_policy_planner();
  const auto steps = planner->propose(f.state, 9);
  REQUIRE(steps);
  CHECK(keys(*steps) == std::vector<std::string>{"fuse g0+g1", "vectorize g0 width=2",
                                                 "vectorize g0 width=4", "specialize g1"});
  // 1 + (1.8 - 1) * (1 - 10/30)
  CHECK(steps->at(0).expected_gain == Approx(1 + 0.8 * 2 / 3));
  CHECK(keys(*planner->propose(f.state, 1)) == std::vector<std::string>{"fuse g0+g1"});
  CHECK(planner->propose(f.state, 0)->empty());

  f.state.admissible[0].expected_gain = 3;
  CHECK(planner->propose(f.state, 1)->at(0).key() == "vectorize g0 width=4");
  // No step is expected to beat the bound.
  CHECK(planner->propose(f.state, 1)->at(0).expected_gain <= 3);
  f.state.bottleneck = Bottleneck::issue;
  f.state.admissible[0].expected_gain = 1;
  CHECK(planner->propose(f.state, 1)->at(0).key() == "vectorize g0 width=2");
}

TEST_CASE("the order of the admissible list does not matter") {
  Fixture f;
  auto planner = make_policy_planner();
  const auto before = keys(*planner->propose(f.state, 9));
  std::reverse(f.state.admissible.begin(), f.state.admissible.end());
  CHECK(keys(*planner->propose(f.state, 9)) == before);
}

TEST_CASE("an action that brought nothing on the path counts less") {
  Fixture f;
  auto planner = make_policy_planner();
  const double before = planner->propose(f.state, 1)->at(0).expected_gain;
  f.state.path = {{Fixture::step(Action::fuse, "g1+g2"), "correct", 1.0}};
  const auto after = planner->propose(f.state, 9);
  for (const auto& s : *after)
    if (s.action == Action::fuse) CHECK(s.expected_gain == Approx(1 + (before - 1) / 2));
  f.state.path[0].gain = 1.5;
  CHECK(planner->propose(f.state, 1)->at(0).expected_gain == Approx(before));
}

TEST_CASE("near the bound, or with nothing left to do, the planner stops") {
  Fixture f;
  auto planner = make_policy_planner();
  f.state.time_ns = 10'500;
  auto steps = planner->propose(f.state, 3);
  REQUIRE(steps->size() == 1);
  CHECK(steps->at(0).action == Action::stop);
  CHECK(steps->at(0).hint.find("5 %") != std::string::npos);
  f.state.time_ns = 10'600;
  CHECK(planner->propose(f.state, 1)->at(0).action == Action::fuse);
  f.state.admissible.clear();
  CHECK(planner->propose(f.state, 1)->at(0).action == Action::stop);
}

TEST_CASE("repairs come first, and absurd expectations are tamed") {
  Fixture f;
  auto planner = make_policy_planner();
  f.state.time_ns = 0;
  f.state.admissible[2].expected_gain = std::numeric_limits<double>::quiet_NaN();
  f.state.admissible[3].expected_gain = std::numeric_limits<double>::infinity();
  f.state.admissible.push_back(Fixture::step(Action::fix_compile, ""));
  const auto steps = planner->propose(f.state, 9);
  REQUIRE(steps->size() == 5);
  CHECK(steps->at(0).action == Action::fix_compile);
  for (const auto& s : *steps) CHECK(std::isfinite(s.expected_gain));
}

}  // namespace
}  // namespace mtmc::planner
