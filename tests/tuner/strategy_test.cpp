#include "tuner/strategy.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <deque>
#include <limits>
#include <set>

#include "tuner/permutation.hpp"
#include "tuner/random_space.hpp"

using namespace mtmc;
using namespace mtmc::tuner;
using testing::make_space;

namespace {

const std::vector<std::string> kAll{"portfolio", "exhaustive", "random", "annealing",
                                    "local",     "genetic",    "mcts",   "forest"};

testing::Asked make(const std::string& name, const Space& space, std::uint64_t seed = 1,
                    const std::vector<Configuration>& first = {}) {
  StrategyOptions options;
  options.seed = seed;
  for (const auto& c : first)
    if (const auto index = space.index_of(c)) options.first.push_back(*index);
  return {space, make_strategy(name, space, options).value()};
}

// A kernel-like cost: smooth bowls in the logarithms of the values with a coupling term, a kink,
// and one corner where nothing builds.
Measurement smooth(const Configuration& c) {
  if (c[0] == 256 && c[1] == 256) return Measurement::failure();
  const double x = std::log2(double(c[0])), y = std::log2(double(c[1])),
               z = std::log2(double(c[2]));
  const double s = double(c[3]);
  return Measurement::success(100 + 3 * (x - 6) * (x - 6) + 2 * (y - 5) * (y - 5) +
                              4 * std::abs(x + y - z - 8) + 5 * std::abs(s - 3) +
                              (c[4].truth() ? 0 : 9));
}

Space smooth_space() {
  const std::vector<Value> powers{1, 2, 4, 8, 16, 32, 64, 128, 256};
  return make_space({{"x", powers, 1},
                     {"y", powers, 1},
                     {"z", powers, 1},
                     {"stages", {1, 2, 3, 4, 5, 6}, 1},
                     {"flag", {0, 1}, 0}},
                    {"x * y <= 8192", "z * stages <= 512"});
}

// The best value after `budget` evaluations.
double best_after(testing::Asked&& strategy, int budget) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < budget; ++i) {
    const auto c = strategy.next();
    if (!c) break;
    const auto m = smooth(*c);
    if (m.ok) best = std::min(best, m.value);
    strategy.tell(*c, m);
  }
  return best;
}

// Some cost for any configuration; a sixth of them fail.
Measurement rugged(const Configuration& c, std::uint64_t seed) {
  std::uint64_t h = seed;
  for (const auto& v : c) h = mix64(h ^ static_cast<std::uint64_t>(v.integer()));
  if (h % 6 == 0) return Measurement::failure();
  return Measurement::success(double(h % 1000));
}

}  // namespace

TEST_CASE("a permutation visits every number once") {
  for (const std::uint64_t size : {1, 2, 3, 5, 64, 65, 1000, 4096}) {
    const Permutation order(size, 9);
    std::set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < size; ++i) {
      REQUIRE(order(i) < size);
      seen.insert(order(i));
    }
    CHECK(seen.size() == size);
  }
  const Permutation a(1000, 1), b(1000, 2);
  int in_place = 0, equal = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    in_place += a(i) == i;
    equal += a(i) == b(i);
  }
  CHECK(in_place < 10);
  CHECK(equal < 10);
  const std::uint64_t huge = (std::uint64_t{1} << 62) + 12345;
  CHECK(Permutation(huge, 1)(huge - 1) < huge);
}

TEST_CASE("the factory knows every listed strategy and refuses others") {
  const auto space = make_space({{"a", {1, 2}, 1}}, {});
  std::vector<std::string> names;
  for (const auto& info : strategies()) {
    names.emplace_back(info.name);
    CHECK_FALSE(info.summary.empty());
    CHECK(make(names.back(), space).name() == info.name);
  }
  CHECK(names == kAll);
  const auto none = make_strategy("greedy", space);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message ==
        "no tuning strategy 'greedy'; there are: portfolio, exhaustive, random, annealing, local, "
        "genetic, mcts, forest");
}

TEST_CASE("every strategy visits each configuration of a random space exactly once") {
  for (const auto& name : kAll)
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const auto problem = testing::random_problem(seed);
      const auto space = Space::build(problem.parameters, problem.constraints, problem.facts);
      if (!space) continue;
      INFO(name << " seed " << seed);
      auto strategy = make(name, *space, seed);
      std::set<Configuration> seen;
      while (const auto c = strategy.next()) {
        REQUIRE(space->contains(*c));
        REQUIRE(seen.insert(*c).second);
        strategy.tell(*c, rugged(*c, seed));
      }
      REQUIRE(seen.size() == space->size());
      CHECK_FALSE(strategy.next().has_value());
    }
}

TEST_CASE("strategies may be asked ahead of the answers") {
  for (const auto& name : kAll)
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const auto problem = testing::random_problem(seed);
      const auto space = Space::build(problem.parameters, problem.constraints, problem.facts);
      if (!space) continue;
      INFO(name << " seed " << seed);
      auto strategy = make(name, *space, seed);
      std::set<Configuration> seen;
      std::deque<Configuration> pending;
      while (true) {
        auto c = strategy.next();
        if (c) {
          REQUIRE(seen.insert(*c).second);
          pending.push_back(*c);
        }
        if (pending.empty()) break;
        if (c && pending.size() < 8) continue;
        strategy.tell(pending.front(), rugged(pending.front(), seed));
        pending.pop_front();
      }
      REQUIRE(seen.size() == space->size());
    }
}

TEST_CASE("strategies are deterministic by seed") {
  const auto space = smooth_space();
  const auto sequence = [&](const std::string& name, std::uint64_t seed) {
    auto strategy = make(name, space, seed);
    std::vector<Configuration> all;
    for (int i = 0; i < 300; ++i) {
      all.push_back(strategy.next().value());
      strategy.tell(all.back(), smooth(all.back()));
    }
    return all;
  };
  for (const auto& name : kAll) CHECK(sequence(name, 5) == sequence(name, 5));
  for (const auto& name : kAll)
    if (name != "exhaustive") CHECK(sequence(name, 5) != sequence(name, 6));
}

TEST_CASE("the first configurations come first, once, and only where they are valid") {
  const auto space = make_space({{"a", {1, 2, 3, 4}, 1}, {"b", {1, 2, 3, 4}, 1}}, {"a * b <= 12"});
  for (const auto& name : kAll) {
    INFO(name);
    auto strategy = make(name, space, 1, {{3, 2}, {4, 4}, {3, 2}, {1}, {2, 4}});
    CHECK(strategy.next() == Configuration{3, 2});
    CHECK(strategy.next() == Configuration{2, 4});
    std::size_t rest = 0;
    while (const auto c = strategy.next()) {
      CHECK(*c != Configuration{3, 2});
      strategy.tell(*c, Measurement::success(1));
      ++rest;
    }
    CHECK(rest == space.size() - 2);
  }
}

TEST_CASE("what is told from elsewhere is not proposed, and strangers are ignored") {
  const auto space = make_space({{"a", {1, 2, 3}, 1}}, {});
  for (const auto& name : kAll) {
    INFO(name);
    auto strategy = make(name, space);
    strategy.tell({2}, Measurement::success(5));
    strategy.tell({7}, Measurement::success(1));
    strategy.tell({1, 1}, Measurement::failure());
    std::set<Configuration> seen;
    while (const auto c = strategy.next()) seen.insert(*c);
    CHECK(seen == std::set<Configuration>{{1}, {3}});
  }
}

TEST_CASE("what is told in the middle of a run is not proposed any more") {
  const auto space = smooth_space();
  for (const auto& name : kAll) {
    INFO(name);
    auto strategy = make(name, space);
    std::set<Configuration> known;
    for (std::uint64_t i = 0; i < 400; ++i) {
      const auto c = strategy.next().value();
      REQUIRE(known.insert(c).second);
      strategy.tell(c, smooth(c));
      // Another worker's neighbour of what was just tried.
      const auto around = space.neighbours(*space.index_of(c), Neighbourhood::adjacent);
      const auto other = space.at(around[i % around.size()]);
      strategy.tell(other, Measurement::failure());
      known.insert(other);
    }
  }
}

TEST_CASE("local search ends where every trial fails or measures nonsense") {
  const auto space =
      make_space({{"a", {1, 2, 3, 4, 5, 6, 7, 8}, 1}, {"b", {1, 2, 3, 4, 5}, 1}}, {});
  for (const auto& m : {Measurement::failure(), Measurement::success(std::nan("")),
                        Measurement::success(std::numeric_limits<double>::infinity())}) {
    auto strategy = make("local", space);
    std::size_t count = 0;
    while (const auto c = strategy.next()) {
      strategy.tell(*c, m);
      ++count;
    }
    CHECK(count == space.size());
  }
}

TEST_CASE("local search goes on from the best known, nearest neighbours first") {
  const auto space = make_space(
      {{"a", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0}, {"b", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0}}, {});
  auto strategy = make("local", space, 3);
  // Enough known ground for a descent, all of it poor but (5, 5).
  for (std::int64_t a : {0, 1, 9})
    for (std::int64_t b = 0; b < 10; ++b) strategy.tell({a, b}, Measurement::success(100));
  strategy.tell({5, 5}, Measurement::success(10));
  // The first improvement is the new centre: its own neighbours follow.
  const auto centre = strategy.next().value();
  strategy.tell(centre, Measurement::success(0));
  CHECK(std::abs(double(centre[0]) - 5) + std::abs(double(centre[1]) - 5) == 1);
  for (int i = 0; i < 3; ++i) {
    const auto c = strategy.next().value();
    CHECK(std::abs(double(c[0]) - double(centre[0])) + std::abs(double(c[1]) - double(centre[1])) ==
          1);
    strategy.tell(c, Measurement::failure());
  }
  // All four around the centre are known now; next come whole rows and columns.
  for (int i = 0; i < 5; ++i) {
    const auto c = strategy.next().value();
    CHECK((c[0] == centre[0]) != (c[1] == centre[1]));
    strategy.tell(c, Measurement::success(50));
  }
}

TEST_CASE("what learns beats random on a smooth space at equal budget") {
  const auto space = smooth_space();
  REQUIRE(space.size() > 3000);
  double optimum = std::numeric_limits<double>::infinity();
  for (std::uint64_t i = 0; i < space.size(); ++i) {
    const auto m = smooth(space.at(i));
    if (m.ok) optimum = std::min(optimum, m.value);
  }
  struct Row {
    const char* name;
    int budget;
    double least;
  };
  for (const Row& row :
       {Row{"local", 100, 0.9}, Row{"local", 200, 0.97}, Row{"annealing", 200, 0.93},
        Row{"genetic", 200, 0.95}, Row{"mcts", 200, 0.93}, Row{"forest", 60, 0.93},
        Row{"forest", 200, 0.985}, Row{"portfolio", 60, 0.93}, Row{"portfolio", 200, 0.985}}) {
    double learns = 0, random = 0;
    const int seeds = 40;
    for (int seed = 0; seed < seeds; ++seed) {
      learns +=
          optimum / best_after(make(row.name, space, std::uint64_t(seed)), row.budget) / seeds;
      random +=
          optimum / best_after(make("random", space, std::uint64_t(seed)), row.budget) / seeds;
    }
    INFO(row.name << " at " << row.budget << ": " << learns << " of the optimum, random "
                  << random);
    CHECK(learns > random + 0.01);
    CHECK(learns > row.least);
    CHECK(random < 1);
  }
}

TEST_CASE("hidden failures are learned: the forest leaves the corner where nothing builds") {
  // Half the space fails to build, which no constraint says.
  std::vector<Value> values;
  for (int v = 1; v <= 32; ++v) values.emplace_back(v);
  const auto space = make_space({{"a", values, 1}, {"b", values, 1}, {"c", {0, 1}, 0}}, {});
  const auto cost = [](const Configuration& c) {
    if (c[0].integer() + c[1].integer() > 32) return Measurement::failure();
    return Measurement::success(200 - double(c[0]) - double(c[1]) + 3 * double(c[2]));
  };
  const auto failures = [&](const char* name) {
    int failed = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      auto strategy = make(name, space, seed);
      for (int i = 0; i < 100; ++i) {
        const auto c = strategy.next().value();
        const auto m = cost(c);
        failed += !m.ok;
        strategy.tell(c, m);
      }
    }
    return failed;
  };
  // Best next to the cliff: the search has to come near it, and still falls off less than by
  // chance.
  CHECK(failures("forest") * 4 < failures("random") * 3);
}
