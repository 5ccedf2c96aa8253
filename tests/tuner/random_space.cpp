#include "tuner/random_space.hpp"

#include "base/python.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace mtmc::tuner::testing {

std::string random_expression(Dice& dice, const std::vector<std::string>& names, int depth) {
  if (depth == 0 || dice.below(8) == 0) {
    if (names.empty() || dice.below(3) == 0) return std::to_string(dice.below(7));
    return names[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(names.size())))];
  }
  const auto sub = [&] { return random_expression(dice, names, depth - 1); };
  static const char* const kBinary[] = {
      "+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "or", "and", "*"};
  const std::int64_t kind = dice.below(20);
  if (kind < 14) {
    const std::string left = sub();
    return fmt::format("({} {} {})", left, kBinary[kind], sub());
  }
  const std::string a = sub(), b = sub();
  switch (kind) {
    case 14:
      return fmt::format("(not {})", a);
    case 15:
      return fmt::format("(-{})", a);
    case 16:
      return fmt::format("min({}, {})", a, b);
    case 17:
      return fmt::format("max({}, {}, {})", a, b, sub());
    case 18:
      return fmt::format("{}({}, {})", dice.below(2) ? "ceil_div" : "align_up", a, b);
    default:
      return fmt::format("select({}, {}, {})", a, b, sub());
  }
}

Problem random_problem(std::uint64_t seed) {
  Dice dice(seed);
  Problem problem;
  problem.facts = {{"limit", dice.below(12)}, {"device.threads", 1 + dice.below(20)}};
  const std::int64_t count = 1 + dice.below(6);
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) {
    Parameter p{fmt::format("p{}", i), {}, 0};
    const auto values = static_cast<std::size_t>(1 + dice.below(5));
    while (p.values.size() < values) {
      const std::int64_t value = dice.below(10) - 1;
      if (std::find(p.values.begin(), p.values.end(), value) == p.values.end())
        p.values.push_back(value);
    }
    p.default_value = p.values[static_cast<std::size_t>(dice.below(std::int64_t(values)))];
    names.push_back(p.name);
    problem.parameters.push_back(std::move(p));
  }
  for (std::int64_t i = dice.below(5); i > 0; --i) {
    std::vector<std::string> some;
    for (std::int64_t k = 1 + dice.below(3); k > 0; --k)
      some.push_back(names[static_cast<std::size_t>(dice.below(count))]);
    if (dice.below(3) == 0) some.push_back(dice.below(2) ? "limit" : "device.threads");
    // Mostly true, so that several constraints leave something.
    std::string text = random_expression(dice, some, 3);
    if (dice.below(2)) text = fmt::format("{} or {}", text, random_expression(dice, some, 2));
    problem.constraints.push_back(Constraint::parse(text).value());
  }
  return problem;
}

namespace {

std::string random_python(Dice& dice, const std::vector<std::string>& names, int depth) {
  if (depth == 0 || dice.below(8) == 0) {
    if (dice.below(3) == 0)
      return dice.below(4) ? std::to_string(dice.below(7)) : fmt::format("{}.5", dice.below(4));
    return names[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(names.size())))];
  }
  const auto sub = [&] { return random_python(dice, names, depth - 1); };
  static const char* const kBinary[] = {"+",  "-",  "*", "/",  "//", "%",
                                        "==", "!=", "<", ">=", "or", "and"};
  const std::int64_t kind = dice.below(20);
  const std::string a = sub(), b = sub();
  if (kind < 12) return fmt::format("({} {} {})", a, kBinary[kind], b);
  switch (kind) {
    case 12:
      return fmt::format("(not {})", a);
    case 13:
      return fmt::format("-{}", a);
    case 14:
      return fmt::format("min({}, {})", a, b);
    case 15:
      return fmt::format("({} if {} else {})", a, b, sub());
    case 16:
      return fmt::format("({} <= {} < {})", a, b, sub());
    case 17:
      return fmt::format("({} in [{}, {}, 2])", a, b, sub());
    case 18:
      return fmt::format("(abs({}) ** 2)", a);
    default:
      return fmt::format("({} not in range({}))", a, dice.below(5));
  }
}

}  // namespace

Problem random_python_problem(std::uint64_t seed) {
  Dice dice(seed);
  Problem problem;
  const std::int64_t count = 1 + dice.below(5);
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) {
    Parameter p{fmt::format("p{}", i), {}, 0};
    const bool reals = dice.below(4) == 0;
    const auto values = static_cast<std::size_t>(1 + dice.below(5));
    while (p.values.size() < values) {
      const Value value = reals && dice.below(2) ? Value(0.25 * double(dice.below(12) - 4))
                                                 : Value(dice.below(10) - 1);
      if (std::find(p.values.begin(), p.values.end(), value) == p.values.end())
        p.values.push_back(value);
    }
    p.default_value = p.values[0];
    names.push_back(p.name);
    problem.parameters.push_back(std::move(p));
  }
  for (std::int64_t i = 1 + dice.below(4); i > 0; --i) {
    std::vector<std::string> some;
    for (std::int64_t k = 1 + dice.below(3); k > 0; --k)
      some.push_back(names[static_cast<std::size_t>(dice.below(count))]);
    std::string text = random_python(dice, some, 3);
    if (dice.below(2)) text = fmt::format("{} or {}", text, random_python(dice, some, 2));
    problem.constraints.push_back(Constraint::parse(text, Syntax::python).value());
  }
  return problem;
}

std::vector<Configuration> brute_force(const Problem& problem, std::size_t count) {
  std::vector<Configuration> valid;
  std::vector<std::size_t> at(problem.parameters.size(), 0);
  while (true) {
    Symbols symbols = problem.facts;
    PythonNames names;
    Configuration configuration;
    for (std::size_t i = 0; i < at.size(); ++i) {
      configuration.push_back(problem.parameters[i].values[at[i]]);
      names[problem.parameters[i].name] = configuration.back();
      if (configuration.back().is_integer())
        symbols[problem.parameters[i].name] = configuration.back().integer();
    }
    bool ok = true;
    for (std::size_t c = 0; ok && c < count; ++c) {
      if (problem.constraints[c].syntax == Syntax::python) {
        const auto value = python_evaluate(problem.constraints[c].expr, names);
        ok = value && value->truth();
        continue;
      }
      const auto value = problem.constraints[c].expr.evaluate(symbols);
      ok = value && *value != 0;
    }
    if (ok) valid.push_back(std::move(configuration));
    std::size_t i = at.size();
    while (i > 0 && ++at[i - 1] == problem.parameters[i - 1].values.size()) at[--i] = 0;
    if (i == 0) return valid;
  }
}

}  // namespace mtmc::tuner::testing
