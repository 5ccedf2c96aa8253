#include "tuner/space.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "tuner/random_space.hpp"

using namespace mtmc;
using namespace mtmc::tuner;
using testing::make_space;

namespace {

std::string error_of(std::vector<Parameter> parameters, const std::vector<std::string>& texts,
                     const Symbols& facts = {}) {
  const auto space = Space::build(std::move(parameters), parse_constraints(texts).value(), facts);
  REQUIRE_FALSE(space.has_value());
  CHECK(space.error().code == ErrorCode::bad_input);
  return space.error().message;
}

// Neighbours by their definition, over the set of all valid configurations.
std::set<Configuration> brute_neighbours(const std::vector<Parameter>& parameters,
                                         const std::set<Configuration>& valid,
                                         const Configuration& from, Neighbourhood kind) {
  std::set<Configuration> found;
  if (kind == Neighbourhood::strictly_adjacent) {
    for (const auto& to : valid) {
      bool close = to != from;
      for (std::size_t p = 0; close && p < parameters.size(); ++p) {
        const auto& list = parameters[p].values;
        const auto a = std::find(list.begin(), list.end(), from[p]),
                   b = std::find(list.begin(), list.end(), to[p]);
        close = std::abs(a - b) <= 1;
      }
      if (close) found.insert(to);
    }
    return found;
  }
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const auto& list = parameters[p].values;
    const auto own = std::find(list.begin(), list.end(), from[p]) - list.begin();
    for (const int direction : {-1, 1})
      for (auto v = own + direction; v >= 0 && v < std::ptrdiff_t(list.size()); v += direction) {
        Configuration to = from;
        to[p] = list[std::size_t(v)];
        if (!valid.contains(to)) continue;
        found.insert(to);
        if (kind == Neighbourhood::adjacent) break;
      }
  }
  return found;
}

}  // namespace

TEST_CASE("spaces agree with brute force on 1,000 random problems") {
  int empty = 0, several_components = 0, undefined = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    INFO("seed " << seed);
    const auto problem = testing::random_problem(seed);
    const auto expected = testing::brute_force(problem, problem.constraints.size());
    const auto space = Space::build(problem.parameters, problem.constraints, problem.facts);
    REQUIRE(space.has_value() == !expected.empty());
    if (!space) {
      ++empty;
      CHECK(space.error().message.find("empty tuning space: constraint '") != std::string::npos);
      continue;
    }
    several_components += space->components().size() > 1;
    undefined += !space->notes().empty();
    const std::set<Configuration> valid(expected.begin(), expected.end());
    REQUIRE(space->size() == valid.size());
    std::set<Configuration> seen;
    for (std::uint64_t i = 0; i < space->size(); ++i) {
      const auto configuration = space->at(i);
      REQUIRE(valid.contains(configuration));
      REQUIRE(space->index_of(configuration) == i);
      seen.insert(configuration);
      if (seed % 8 != 0) continue;
      for (const auto kind :
           {Neighbourhood::adjacent, Neighbourhood::hamming, Neighbourhood::strictly_adjacent}) {
        if (kind == Neighbourhood::strictly_adjacent && i % 16 != 0) continue;
        std::set<Configuration> around;
        const auto indices = space->neighbours(i, kind);
        for (const auto index : indices) around.insert(space->at(index));
        REQUIRE(around.size() == indices.size());
        REQUIRE(around == brute_neighbours(problem.parameters, valid, configuration, kind));
      }
    }
    REQUIRE(seen == valid);
    testing::Problem all = problem;
    for (const auto& configuration : testing::brute_force(all, 0))
      REQUIRE(space->contains(configuration) == valid.contains(configuration));
  }
  CHECK(empty > 50);
  CHECK(several_components > 300);
  CHECK(undefined > 50);
}

TEST_CASE("spaces agree with brute force on 1,000 random Python problems") {
  int empty = 0, overflow = 0, sizes = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const auto problem = testing::random_python_problem(seed);
    const auto expected = testing::brute_force(problem, problem.constraints.size());
    const auto space = Space::build(problem.parameters, problem.constraints);
    INFO("seed " << seed << " " << (space ? "" : space.error().message));
    for (const auto& c : problem.constraints) INFO(c.text);
    if (!space && space.error().message.find("empty tuning space") == std::string::npos) {
      ++overflow;  // a wrong type or a number beyond 64 bits somewhere: refused, never counted
      continue;
    }
    REQUIRE(space.has_value() == !expected.empty());
    if (!space) {
      ++empty;
      continue;
    }
    REQUIRE(space->size() == expected.size());
    const std::set<Configuration> valid(expected.begin(), expected.end());
    for (std::uint64_t i = 0; i < space->size(); ++i) {
      const auto configuration = space->at(i);
      REQUIRE(valid.contains(configuration));
      REQUIRE(space->index_of(configuration) == i);
    }
    ++sizes;
  }
  CHECK(empty > 20);
  CHECK(sizes > 400);
  CHECK(overflow < 100);
}

TEST_CASE("a space of given rows holds exactly these") {
  const std::vector<Parameter> parameters{{"a", {1, 2, 4}, 1}, {"m", {"x", "y"}, "x"}};
  const auto space = Space::of_rows(parameters, {{2, 1}, {0, 0}, {2, 1}, {1, 0}}).value();
  REQUIRE(space.size() == 3);
  CHECK(space.contains({4, "y"}));
  CHECK(space.contains({1, "x"}));
  CHECK_FALSE(space.contains({4, "x"}));
  CHECK(space.neighbours(*space.index_of({1, "x"}), Neighbourhood::hamming) ==
        std::vector<std::uint64_t>{*space.index_of({2, "x"})});
  CHECK_FALSE(Space::of_rows(parameters, {}).has_value());
  CHECK_FALSE(Space::of_rows(parameters, {{3, 0}}).has_value());
  CHECK_FALSE(Space::of_rows(parameters, {{1}}).has_value());
}

TEST_CASE("texts and reals are values like others") {
  const auto constraints =
      parse_constraints(
          {"kind in ['half', 'float'] and (kind == 'half' or 2 <= width * scale < 9)"},
          Syntax::python)
          .value();
  const auto space = Space::build({{"kind", {"half", "float", "double"}, "half"},
                                   {"width", {1, 2, 4, 8}, 1},
                                   {"scale", {0.5, 1, 2.0}, 1}},
                                  constraints)
                         .value();
  CHECK(space.size() == 12 + 8);
  CHECK(space.text(space.at(*space.index_of({"float", 4, 0.5}))) == "kind=float width=4 scale=0.5");
  // Whole numbers and reals that are equal are one value.
  CHECK(space.contains({"float", 4.0, 0.5}));
  CHECK_FALSE(Space::build({{"a", {1, 2, 2.0}, 1}}, {}).has_value());
  CHECK_FALSE(Space::build({{"a", {1, true}, 1}}, {}).has_value());
}

TEST_CASE("a number beyond 64 bits in Python is an error, never a count") {
  const auto constraints =
      parse_constraints({"a * 4611686018427387904 > b"}, Syntax::python).value();
  const auto space = Space::build({{"a", {1, 2, 4}, 1}, {"b", {1, 2}, 1}}, constraints);
  REQUIRE_FALSE(space.has_value());
  CHECK(space.error().code == ErrorCode::bad_input);
  CHECK(space.error().message.find("beyond 64 bits") != std::string::npos);
}

TEST_CASE("a search that one order would not end is won by another") {
  // Ten parameters that only the longest list ties: with it last, 10^8 prefixes come before the
  // first check.
  std::vector<Parameter> parameters{{"big", {}, 0}};
  for (int v = 0; v < 40; ++v) parameters[0].values.emplace_back(v);
  std::vector<std::string> texts{"big == 7"};
  for (int p = 0; p < 8; ++p) {
    parameters.push_back({fmt::format("p{}", p), {}, 0});
    for (int v = 0; v < 10; ++v) parameters.back().values.emplace_back(v);
    texts.push_back(fmt::format("p{} * big == 14", p));
  }
  parameters[0].default_value = 0;
  const auto space = make_space(parameters, texts);
  CHECK(space.size() == 1);
}

TEST_CASE("the reported constraint empties the space together with those before it") {
  int checked = 0;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    const auto problem = testing::random_problem(seed);
    const auto space = Space::build(problem.parameters, problem.constraints, problem.facts);
    if (space) continue;
    INFO(space.error().message);
    bool blamed = false;
    for (std::size_t c = 0; c < problem.constraints.size() && !blamed; ++c) {
      const auto quoted = "constraint '" + problem.constraints[c].text + "' leaves nothing";
      if (space.error().message.find(quoted) == std::string::npos) continue;
      blamed = testing::brute_force(problem, c + 1).empty();
    }
    REQUIRE(blamed);
    ++checked;
  }
  CHECK(checked > 30);
}

TEST_CASE("independent parameters stay a product of 10^18 configurations") {
  std::vector<Parameter> parameters;
  for (int p = 0; p < 6; ++p) {
    Parameter parameter{fmt::format("p{}", p), {}, 7};
    for (int v = 0; v < 1000; ++v) parameter.values.push_back(v);
    parameters.push_back(parameter);
  }
  const auto space = make_space(parameters, {"p1 < 500 and p2 > 998"});
  CHECK(space.size() == 500'000'000'000'000ull);
  CHECK(space.cartesian() == Approx(1e18));
  const std::uint64_t index = 123'456'789'012'345ull;
  CHECK(space.index_of(space.at(index)) == index);
  CHECK(space.neighbours(index, Neighbourhood::hamming).size() == 4 * 999 + 499);
}

TEST_CASE("samples are reproducible and uniform") {
  const auto space = make_space({{"a", {1, 2, 3, 4}, 1}, {"b", {1, 2, 3, 4}, 1}}, {"a + b <= 5"});
  REQUIRE(space.size() == 10);
  std::map<std::uint64_t, int> histogram;
  for (std::uint64_t draw = 0; draw < 10000; ++draw) {
    REQUIRE(space.sample(3, draw) < 10);
    ++histogram[space.sample(3, draw)];
  }
  REQUIRE(histogram.size() == 10);
  for (const auto& [index, count] : histogram) CHECK(std::abs(count - 1000) < 130);
  CHECK(space.sample(3, 5) == space.sample(3, 5));
  int equal = 0;
  for (std::uint64_t draw = 0; draw < 100; ++draw)
    equal += space.sample(3, draw) == space.sample(4, draw);
  CHECK(equal < 30);
}

TEST_CASE("defaults are a configuration only where they are valid") {
  const std::vector<Parameter> parameters{{"a", {1, 2}, 2}, {"b", {1, 2}, 2}};
  CHECK(make_space(parameters, {}).default_configuration() == Configuration{2, 2});
  CHECK_FALSE(make_space(parameters, {"a * b < 4"}).default_configuration().has_value());
  CHECK(make_space(parameters, {}).text({2, 1}) == "a=2 b=1");
}

TEST_CASE("parameters with one value and facts stay in the configuration but tie nothing") {
  const auto space = make_space({{"a", {1, 2, 3}, 1}, {"k", {4}, 4}, {"b", {1, 2, 3}, 1}},
                                {"a * k <= limit", "b * k <= limit"}, {{"limit", 8}});
  CHECK(space.size() == 4);
  CHECK(space.components().size() == 3);
  CHECK(space.at(3) == Configuration{2, 4, 2});
  CHECK_FALSE(space.contains({2, 5, 2}));
  CHECK_FALSE(space.contains({2, 4}));
}

TEST_CASE("a constraint without a value excludes the configuration and is noted") {
  const auto space = make_space({{"a", {0, 1, 2, 3}, 1}}, {"12 / a > limit"}, {{"limit", 4}});
  CHECK(space.size() == 2);
  REQUIRE(space.notes().size() == 1);
  CHECK(space.notes()[0] ==
        "constraint '12 / a > limit' has no value for 1 combinations, which count as invalid; the "
        "first is a=0: division of 12 by zero");
}

TEST_CASE("an empty space names the constraint that emptied it") {
  const std::vector<Parameter> parameters{{"a", {1, 2}, 1}, {"b", {4, 8}, 4}, {"c", {1}, 1}};
  CHECK(error_of(parameters, {"a < 5", "b > 4", "a * b < 8", "a > 0"}) ==
        "empty tuning space: constraint 'a * b < 8' leaves nothing together with the 2 before it "
        "on the same parameters");
  CHECK(error_of(parameters, {"a > 0", "b > 9"}) ==
        "empty tuning space: constraint 'b > 9' leaves nothing");
  CHECK(error_of(parameters, {"c * 2 <= shared"}, {{"shared", 1}}) ==
        "empty tuning space: constraint 'c * 2 <= shared' leaves nothing: it is false whatever the "
        "parameters");
  CHECK(error_of(parameters, {"a % (c - 1) == 0"}) ==
        "empty tuning space: constraint 'a % (c - 1) == 0' leaves nothing (it has no value for 2 "
        "combinations)");
}

TEST_CASE("bad spaces are refused with the reason") {
  CHECK(error_of({{"a", {1, 2}, 1}}, {"a < shared"}, {{"threads", 1}}) ==
        "constraint 'a < shared' uses unknown symbol 'shared' (parameters: a; facts: threads)");
  CHECK(error_of({}, {}) == "a tuning space needs at least one parameter, got none");
  CHECK(error_of({{"", {1}, 1}}, {}) == "a tuning parameter has no name");
  CHECK(error_of({{"a", {1}, 1}, {"a", {2}, 2}}, {}) ==
        "tuning parameter 'a' is there twice; rename one");
  CHECK(error_of({{"a", {1}, 1}}, {}, {{"a", 1}}) ==
        "'a' is a tuning parameter and a fact; rename one");
  CHECK(error_of({{"a", {}, 1}}, {}) == "tuning parameter 'a' has 0 values, expected 1 to 65535");
  CHECK(error_of({{"a", {1, 2, 1}, 1}}, {}) == "tuning parameter 'a' lists 1 twice");
  CHECK(error_of({{"a", {1, 2}, 3}}, {}) ==
        "tuning parameter 'a' has the default 3, which is not in its list");
  std::vector<Parameter> many;
  for (int p = 0; p < 70; ++p) many.push_back({fmt::format("p{}", p), {0, 1}, 0});
  CHECK(error_of(many, {}) ==
        "tuning space of 70 parameters has more than 2^63-1 configurations; shorten the lists");
}

TEST_CASE("a component that would fill the memory is refused") {
  std::vector<Parameter> parameters;
  std::string sum = "0";
  for (int p = 0; p < 6; ++p) {
    Parameter parameter{fmt::format("p{}", p), {}, 0};
    for (int v = 0; v < 1000; ++v) parameter.values.push_back(v);
    parameters.push_back(parameter);
    sum += fmt::format(" + p{}", p);
  }
  const auto message = error_of(parameters, {sum + " >= 0"});
  CHECK(message.find("6 tied parameters have more than") != std::string::npos);
}
