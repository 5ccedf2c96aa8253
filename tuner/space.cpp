// A constraint ties together the parameters it uses. Facts and parameters with a single value tie
// nothing: they are slots that never change, facts after the parameters. They are not folded into
// the expressions, because folding may drop a part that has no value.
#include "tuner/space.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "base/check.hpp"
#include "base/rng.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::size_t kMaxValues = std::numeric_limits<ValueIndex>::max();
using Values = std::vector<std::vector<std::int64_t>>;

std::optional<Error> check_parameters(const std::vector<Parameter>& parameters,
                                      const Symbols& facts) {
  const auto refuse = [](std::string message) { return bad_input(std::move(message)).value(); };
  if (parameters.empty()) return refuse("a tuning space needs at least one parameter, got none");
  std::set<std::string> names;
  for (const auto& p : parameters) {
    if (p.name.empty()) return refuse("a tuning parameter has no name");
    if (!names.insert(p.name).second)
      return refuse(fmt::format("tuning parameter '{}' is there twice; rename one", p.name));
    if (facts.contains(p.name))
      return refuse(fmt::format("'{}' is a tuning parameter and a fact; rename one", p.name));
    if (p.values.empty() || p.values.size() > kMaxValues)
      return refuse(fmt::format("tuning parameter '{}' has {} values, expected 1 to {}", p.name,
                                p.values.size(), kMaxValues));
    auto sorted = p.values;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end())
      return refuse(fmt::format("tuning parameter '{}' lists {} twice", p.name, *twice));
    if (!std::binary_search(sorted.begin(), sorted.end(), p.default_value))
      return refuse(
          fmt::format("tuning parameter '{}' has the default {}, which is not in its list", p.name,
                      p.default_value));
  }
  return std::nullopt;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "none" : out;
}

void split_and(const Expr& expr, std::vector<Expr>* parts) {
  if (expr.kind() != Expr::Kind::logical_and) {
    parts->push_back(expr);
    return;
  }
  for (const auto& arg : expr.args()) split_and(arg, parts);
}

// Constraints cut at their top-level `and`s and compiled.
class Conditions {
 public:
  Conditions(const std::vector<Parameter>& parameters, const std::vector<Constraint>& constraints,
             const Symbols& facts)
      : parameters_(parameters), constraints_(constraints) {
    for (const auto& p : parameters) {
      slots_.emplace(p.name, values.size());
      values.push_back(p.values);
    }
    for (const auto& [name, value] : facts) {
      slots_.emplace(name, values.size());
      values.push_back({value});
    }
  }

  std::optional<Error> build() {
    for (std::size_t i = 0; i < constraints_.size(); ++i) {
      if (auto error = check_symbols(constraints_[i])) return error;
      std::vector<Expr> parts;
      split_and(constraints_[i].expr, &parts);
      for (const auto& part : parts)
        if (auto error = add(i, part)) return error;
    }
    return std::nullopt;
  }

  std::vector<Condition> all;
  Values values;  // of parameters, then facts

 private:
  std::optional<Error> check_symbols(const Constraint& constraint) const {
    for (const auto& name : constraint.expr.symbols()) {
      if (slots_.contains(name)) continue;
      std::vector<std::string> names, fact_names;
      for (const auto& p : parameters_) names.push_back(p.name);
      for (const auto& [fact, slot] : slots_)
        if (slot >= parameters_.size()) fact_names.push_back(fact);
      return bad_input(fmt::format("constraint '{}' uses unknown symbol '{}' (parameters: {}; "
                                   "facts: {})",
                                   constraint.text, name, joined(names), joined(fact_names)))
          .value();
    }
    return std::nullopt;
  }

  std::optional<Error> add(std::size_t source, const Expr& part) {
    const auto& text = constraints_[source].text;
    Condition condition;
    Symbols fixed;
    for (const auto& name : part.symbols()) {
      const std::size_t slot = slots_.find(name)->second;
      if (values[slot].size() > 1)
        condition.members.push_back(slot);
      else
        fixed.emplace(name, values[slot][0]);
    }
    std::sort(condition.members.begin(), condition.members.end());
    if (condition.members.empty()) {
      auto value = part.evaluate(fixed);
      if (value && *value != 0) return std::nullopt;
      const std::string why = value ? "it is false whatever the parameters" : value.error().message;
      return bad_input(
                 fmt::format("empty tuning space: constraint '{}' leaves nothing: {}", text, why))
          .value();
    }
    auto program = Program::compile(part, slots_);
    if (!program) return program.error().with(fmt::format("constraint '{}'", text));
    condition.source = source;
    condition.expr = part;
    condition.program = std::move(*program);
    all.push_back(std::move(condition));
    return std::nullopt;
  }

  const std::vector<Parameter>& parameters_;
  const std::vector<Constraint>& constraints_;
  Program::Slots slots_;
};

// Parameters grouped by the conditions that join them; groups and their members in order.
std::vector<std::vector<std::size_t>> group(std::size_t count,
                                            const std::vector<Condition>& conditions) {
  std::vector<std::size_t> parent(count);
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  const auto root = [&](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (const auto& condition : conditions)
    for (std::size_t member : condition.members) {
      const std::size_t a = root(condition.members[0]), b = root(member);
      parent[std::max(a, b)] = std::min(a, b);
    }
  std::vector<std::vector<std::size_t>> by_root(count), groups;
  for (std::size_t i = 0; i < count; ++i) by_root[root(i)].push_back(i);
  for (auto& members : by_root)
    if (!members.empty()) groups.push_back(std::move(members));
  return groups;
}

// Why a component has no row: the first constraint that, with those before it, leaves none.
Error empty_error(const Values& values, const std::vector<std::size_t>& members,
                  const std::vector<const Condition*>& conditions,
                  const std::vector<Constraint>& constraints,
                  const std::vector<Component::Undefined>& undefined) {
  for (std::size_t last = 0; last < conditions.size(); ++last) {
    const std::size_t source = conditions[last]->source;
    if (last + 1 < conditions.size() && conditions[last + 1]->source == source) continue;
    std::vector<const Condition*> before(
        conditions.begin(), conditions.begin() + static_cast<std::ptrdiff_t>(last) + 1);
    auto any = Component::any(values, members, before);
    if (!any) return any.error();
    if (*any) continue;
    std::set<std::size_t> others;
    for (const Condition* condition : before) others.insert(condition->source);
    std::string message =
        fmt::format("empty tuning space: constraint '{}' leaves nothing", constraints[source].text);
    if (others.size() > 1)
      message +=
          fmt::format(" together with the {} before it on the same parameters", others.size() - 1);
    for (const auto& u : undefined)
      if (u.source == source)
        message += fmt::format(" (it has no value for {} combinations)", u.prefixes);
    return bad_input(std::move(message)).value();
  }
  MTMC_CHECK(false, "a component was empty and then it was not");
  return {};
}

std::string undefined_note(const Component::Undefined& u, const std::vector<Parameter>& parameters,
                           const Symbols& facts, const std::string& text) {
  Symbols symbols = facts;
  std::string where;
  const auto used = u.expr.symbols();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!used.contains(parameters[i].name)) continue;
    symbols.emplace(parameters[i].name, u.first[i]);
    where += fmt::format("{}{}={}", where.empty() ? "" : " ", parameters[i].name, u.first[i]);
  }
  const auto value = u.expr.evaluate(symbols);
  return fmt::format(
      "constraint '{}' has no value for {} combinations, which count as invalid; "
      "the first is {}: {}",
      text, u.prefixes, where, value ? "unknown" : value.error().message);
}

}  // namespace

Result<Space> Space::build(std::vector<Parameter> parameters,
                           const std::vector<Constraint>& constraints, const Symbols& facts) {
  if (auto error = check_parameters(parameters, facts)) return tl::unexpected<Error>(*error);
  Conditions conditions(parameters, constraints, facts);
  if (auto error = conditions.build()) return tl::unexpected<Error>(*error);

  Space space;
  space.parameters_ = std::move(parameters);
  const Values& values = conditions.values;
  for (auto& members : group(space.parameters_.size(), conditions.all)) {
    std::vector<const Condition*> mine;
    for (const auto& condition : conditions.all)
      if (std::binary_search(members.begin(), members.end(), condition.members[0]))
        mine.push_back(&condition);
    auto component = Component::build(values, members, mine);
    if (!component)
      return tl::unexpected<Error>(component.error().with(
          fmt::format("tuning parameters from '{}' on", space.parameters_[members[0]].name)));
    if (component->rows() == 0)
      return tl::unexpected<Error>(
          empty_error(values, members, mine, constraints, component->undefined()));
    for (const auto& u : component->undefined())
      space.notes_.push_back(
          undefined_note(u, space.parameters_, facts, constraints[u.source].text));
    space.components_.push_back(std::move(*component));
  }

  std::int64_t size = 1;
  space.strides_.resize(space.components_.size());
  for (std::size_t c = space.components_.size(); c-- > 0;) {
    space.strides_[c] = static_cast<std::uint64_t>(size);
    if (__builtin_mul_overflow(size, static_cast<std::int64_t>(space.components_[c].rows()), &size))
      return bad_input(fmt::format(
          "tuning space of {} parameters has more than 2^63-1 configurations; shorten the lists",
          space.parameters_.size()));
  }
  space.size_ = static_cast<std::uint64_t>(size);
  return space;
}

double Space::cartesian() const {
  double product = 1;
  for (const auto& p : parameters_) product *= static_cast<double>(p.values.size());
  return product;
}

Configuration Space::at(std::uint64_t index) const {
  MTMC_CHECK(index < size_, "index of a configuration beyond the size of its space");
  Configuration configuration(parameters_.size());
  for (std::size_t c = 0; c < components_.size(); ++c) {
    const auto& members = components_[c].members();
    const ValueIndex* row = components_[c].row(index / strides_[c] % components_[c].rows());
    for (std::size_t m = 0; m < members.size(); ++m)
      configuration[members[m]] = parameters_[members[m]].values[row[m]];
  }
  return configuration;
}

std::optional<std::uint64_t> Space::index_of(const Configuration& configuration) const {
  if (configuration.size() != parameters_.size()) return std::nullopt;
  std::uint64_t index = 0;
  std::vector<ValueIndex> key;
  for (std::size_t c = 0; c < components_.size(); ++c) {
    key.clear();
    for (std::size_t member : components_[c].members()) {
      const auto& list = parameters_[member].values;
      const auto it = std::find(list.begin(), list.end(), configuration[member]);
      if (it == list.end()) return std::nullopt;
      key.push_back(static_cast<ValueIndex>(it - list.begin()));
    }
    const auto row = components_[c].find(key.data());
    if (!row) return std::nullopt;
    index += *row * strides_[c];
  }
  return index;
}

std::optional<Configuration> Space::default_configuration() const {
  Configuration defaults;
  for (const auto& p : parameters_) defaults.push_back(p.default_value);
  if (!contains(defaults)) return std::nullopt;
  return defaults;
}

std::vector<std::uint64_t> Space::neighbours(std::uint64_t index,
                                             Neighbourhood neighbourhood) const {
  MTMC_CHECK(index < size_, "neighbours of an index beyond the size of its space");
  struct Place {
    std::size_t component, member;
  };
  std::vector<Place> places(parameters_.size());
  for (std::size_t c = 0; c < components_.size(); ++c)
    for (std::size_t m = 0; m < components_[c].members().size(); ++m)
      places[components_[c].members()[m]] = {c, m};

  std::vector<std::uint64_t> found;
  std::vector<ValueIndex> key;
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    const auto [c, m] = places[p];
    const auto& component = components_[c];
    const std::uint64_t own_row = index / strides_[c] % component.rows();
    const ValueIndex* row = component.row(own_row);
    key.assign(row, row + component.members().size());
    const auto own = static_cast<std::ptrdiff_t>(row[m]);
    const auto count = static_cast<std::ptrdiff_t>(parameters_[p].values.size());
    const auto visit = [&, m = m, c = c](std::ptrdiff_t value) {
      key[m] = static_cast<ValueIndex>(value);
      const auto other = component.find(key.data());
      // The difference may be negative; unsigned arithmetic wraps back to the right number.
      if (other) found.push_back(index + (*other - own_row) * strides_[c]);
      return other.has_value();
    };
    if (neighbourhood == Neighbourhood::any) {
      for (std::ptrdiff_t v = 0; v < count; ++v)
        if (v != own) visit(v);
    } else {
      for (std::ptrdiff_t v = own - 1; v >= 0; --v)
        if (visit(v)) break;
      for (std::ptrdiff_t v = own + 1; v < count; ++v)
        if (visit(v)) break;
    }
  }
  return found;
}

std::uint64_t Space::sample(std::uint64_t seed, std::uint64_t draw) const {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t bits = random_bits(seed, stream_of("tuner.sample"), draw);
  return static_cast<std::uint64_t>((static_cast<Wide>(bits) * size_) >> 64);
}

std::string Space::text(const Configuration& configuration) const {
  std::string out;
  for (std::size_t i = 0; i < configuration.size() && i < parameters_.size(); ++i)
    out += fmt::format("{}{}={}", i ? " " : "", parameters_[i].name, configuration[i]);
  return out;
}

}  // namespace mtmc::tuner
