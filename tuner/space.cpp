// A constraint ties together the parameters it uses. Facts and parameters with a single value tie
// nothing: they are slots that never change, facts after the parameters. They are not folded into
// the expressions, because folding may drop a part that has no value.
#include "tuner/space.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "base/check.hpp"
#include "base/rng.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::size_t kMaxValues = std::numeric_limits<ValueIndex>::max();
constexpr std::size_t kMaxBox = 65536;

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
      return refuse(fmt::format("tuning parameter '{}' lists {} twice", p.name, twice->text()));
    if (!std::binary_search(sorted.begin(), sorted.end(), p.default_value))
      return refuse(
          fmt::format("tuning parameter '{}' has the default {}, which is not in its list", p.name,
                      p.default_value.text()));
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

// Constraints cut at their top-level `and`s.
class Conditions {
 public:
  Conditions(const std::vector<Parameter>& parameters, const std::vector<Constraint>& constraints,
             const Symbols& facts)
      : parameters_(parameters), constraints_(constraints) {
    for (const auto& p : parameters) domains.add(p.name, p.values);
    for (const auto& [name, value] : facts) domains.add(name, {Value(value)});
  }

  std::optional<Error> build() {
    for (std::size_t i = 0; i < constraints_.size(); ++i) {
      if (auto error = check_symbols(constraints_[i])) return error;
      std::vector<Expr> parts;
      split_and(constraints_[i].expr, &parts);
      std::optional<Expr> before;
      for (const auto& part : parts) {
        // A part that may lack a value keeps the parts before it as its guard.
        const bool guarded = before && may_lack_value(part);
        if (auto error =
                add(i, guarded ? Expr::node(Expr::Kind::logical_and, {*before, part}) : part))
          return error;
        before = before ? Expr::node(Expr::Kind::logical_and, {*before, part}) : part;
      }
    }
    return std::nullopt;
  }

  std::vector<Condition> all;
  Domains domains;

 private:
  std::optional<Error> check_symbols(const Constraint& constraint) const {
    for (const auto& name : constraint.expr.symbols()) {
      const auto slot = domains.slots.find(name);
      if (slot != domains.slots.end()) {
        if (constraint.syntax == Syntax::python || domains.ranges[slot->second].integer) continue;
        return bad_input(fmt::format("constraint '{}' computes with integers, and '{}' has others",
                                     constraint.text, name))
            .value();
      }
      std::vector<std::string> names, fact_names;
      for (const auto& p : parameters_) names.push_back(p.name);
      for (const auto& [fact, place] : domains.slots)
        if (place >= parameters_.size()) fact_names.push_back(fact);
      return bad_input(fmt::format("constraint '{}' uses unknown symbol '{}' (parameters: {}; "
                                   "facts: {})",
                                   constraint.text, name, joined(names), joined(fact_names)))
          .value();
    }
    return std::nullopt;
  }

  // Whether anything in it divides, or might not be computed at all.
  static bool may_lack_value(const Expr& expr) {
    switch (expr.kind()) {
      case Expr::Kind::div:
      case Expr::Kind::mod:
      case Expr::Kind::ceil_div:
      case Expr::Kind::align_up:
      case Expr::Kind::true_div:
      case Expr::Kind::power:
        if (!(expr.args()[1].is_constant() && expr.args()[1].value() > 0)) return true;
        break;
      default:
        break;
    }
    return std::any_of(expr.args().begin(), expr.args().end(), may_lack_value);
  }

  std::optional<Error> add(std::size_t source, const Expr& part) {
    const auto& constraint = constraints_[source];
    Condition condition{source, part, constraint.syntax, {}};
    for (const auto& name : part.symbols()) {
      const std::size_t slot = domains.slots.find(name)->second;
      if (domains.values[slot].size() > 1) condition.members.push_back(slot);
    }
    std::sort(condition.members.begin(), condition.members.end());
    if (condition.members.empty()) {
      std::int64_t steps = std::int64_t{1} << 24;
      bool fatal = false;
      const auto value = evaluate(condition, domains,
                                  std::vector<ValueIndex>(domains.names.size(), 0), &steps, &fatal);
      if (value && *value) return std::nullopt;
      const std::string why = value ? "it is false whatever the parameters" : value.error().message;
      if (fatal) return bad_input(fmt::format("constraint '{}': {}", constraint.text, why)).value();
      return bad_input(fmt::format("empty tuning space: constraint '{}' leaves nothing: {}",
                                   constraint.text, why))
          .value();
    }
    all.push_back(std::move(condition));
    return std::nullopt;
  }

  const std::vector<Parameter>& parameters_;
  const std::vector<Constraint>& constraints_;
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
Error empty_error(const Domains& domains, const std::vector<std::size_t>& members,
                  const std::vector<const Condition*>& conditions,
                  const std::vector<Constraint>& constraints,
                  const std::vector<Component::Undefined>& undefined) {
  for (std::size_t last = 0; last < conditions.size(); ++last) {
    const std::size_t source = conditions[last]->source;
    if (last + 1 < conditions.size() && conditions[last + 1]->source == source) continue;
    std::vector<const Condition*> before(
        conditions.begin(), conditions.begin() + static_cast<std::ptrdiff_t>(last) + 1);
    auto any = Component::any(domains, members, before);
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
      if (u.condition->source == source)
        message += fmt::format(" (it has no value for {} combinations)", u.combinations);
    return bad_input(std::move(message)).value();
  }
  MTMC_CHECK(false, "a component was empty and then it was not");
  return {};
}

std::string undefined_note(const Component::Undefined& u, const Domains& domains,
                           const std::string& text) {
  std::string where;
  for (const std::size_t slot : u.condition->members)
    where += fmt::format("{}{}={}", where.empty() ? "" : " ", domains.names[slot],
                         domains.values[slot][u.first[slot]].text());
  std::int64_t steps = std::int64_t{1} << 24;
  bool fatal = false;
  const auto value = evaluate(*u.condition, domains, u.first, &steps, &fatal);
  return fmt::format(
      "constraint '{}' has no value for {} combinations, which count as invalid; "
      "the first is {}: {}",
      text, u.combinations, where, value ? "unknown" : value.error().message);
}

}  // namespace

std::vector<Value> values_of(const std::vector<std::int64_t>& integers) {
  return {integers.begin(), integers.end()};
}

Result<Space> Space::build(std::vector<Parameter> parameters,
                           const std::vector<Constraint>& constraints, const Symbols& facts) {
  if (auto error = check_parameters(parameters, facts)) return tl::unexpected<Error>(*error);
  Conditions conditions(parameters, constraints, facts);
  if (auto error = conditions.build()) return tl::unexpected<Error>(*error);

  Space space;
  space.parameters_ = std::move(parameters);
  for (auto& members : group(space.parameters_.size(), conditions.all)) {
    std::vector<const Condition*> mine;
    for (const auto& condition : conditions.all)
      if (std::binary_search(members.begin(), members.end(), condition.members[0]))
        mine.push_back(&condition);
    std::vector<Component::Undefined> undefined;
    auto component = Component::build(conditions.domains, members, mine, &undefined);
    if (!component)
      return tl::unexpected<Error>(component.error().with(
          fmt::format("tuning parameters from '{}' on", space.parameters_[members[0]].name)));
    if (component->rows() == 0)
      return tl::unexpected<Error>(
          empty_error(conditions.domains, members, mine, constraints, undefined));
    for (const auto& u : undefined)
      space.notes_.push_back(
          undefined_note(u, conditions.domains, constraints[u.condition->source].text));
    space.components_.push_back(std::move(*component));
  }
  if (auto numbered = space.number_rows(); !numbered)
    return tl::unexpected<Error>(numbered.error());
  return space;
}

Result<Space> Space::of_rows(std::vector<Parameter> parameters,
                             const std::vector<std::vector<ValueIndex>>& rows) {
  if (auto error = check_parameters(parameters, {})) return tl::unexpected<Error>(*error);
  if (rows.empty()) return bad_input("empty tuning space: no configuration is given");
  for (const auto& row : rows) {
    if (row.size() != parameters.size())
      return bad_input(fmt::format("a configuration of {} values in a space of {} parameters",
                                   row.size(), parameters.size()));
    for (std::size_t p = 0; p < row.size(); ++p)
      if (row[p] >= parameters[p].values.size())
        return bad_input(fmt::format("a configuration with value {} of {} of parameter '{}'",
                                     row[p] + 1, parameters[p].values.size(), parameters[p].name));
  }
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return rows[a] < rows[b]; });
  std::vector<ValueIndex> cells;
  cells.reserve(rows.size() * parameters.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    if (i == 0 || rows[order[i]] != rows[order[i - 1]])
      cells.insert(cells.end(), rows[order[i]].begin(), rows[order[i]].end());
  std::vector<std::size_t> members(parameters.size());
  std::iota(members.begin(), members.end(), std::size_t{0});
  Space space;
  space.parameters_ = std::move(parameters);
  space.components_.push_back(Component::of_rows(std::move(members), std::move(cells)));
  if (auto numbered = space.number_rows(); !numbered)
    return tl::unexpected<Error>(numbered.error());
  return space;
}

Result<void> Space::number_rows() {
  std::int64_t size = 1;
  strides_.resize(components_.size());
  places_.resize(parameters_.size());
  for (std::size_t c = components_.size(); c-- > 0;) {
    strides_[c] = static_cast<std::uint64_t>(size);
    for (std::size_t m = 0; m < components_[c].members().size(); ++m)
      places_[components_[c].members()[m]] = {c, m};
    if (__builtin_mul_overflow(size, static_cast<std::int64_t>(components_[c].rows()), &size))
      return bad_input(fmt::format(
          "tuning space of {} parameters has more than 2^63-1 configurations; shorten the lists",
          parameters_.size()));
  }
  size_ = static_cast<std::uint64_t>(size);
  return {};
}

double Space::cartesian() const {
  double product = 1;
  for (const auto& p : parameters_) product *= static_cast<double>(p.values.size());
  return product;
}

void Space::digits(std::uint64_t index, ValueIndex* out) const {
  MTMC_CHECK(index < size_, "index of a configuration beyond the size of its space");
  for (std::size_t c = 0; c < components_.size(); ++c) {
    const auto& component = components_[c];
    const ValueIndex* row = component.row(index / strides_[c] % component.rows());
    for (const std::size_t member : component.members()) out[member] = *row++;
  }
}

Configuration Space::at(std::uint64_t index) const {
  std::vector<ValueIndex> places(parameters_.size());
  digits(index, places.data());
  Configuration configuration;
  configuration.reserve(places.size());
  for (std::size_t p = 0; p < places.size(); ++p)
    configuration.push_back(parameters_[p].values[places[p]]);
  return configuration;
}

std::optional<std::uint64_t> Space::index_of_digits(const ValueIndex* digits) const {
  constexpr std::size_t kInPlace = 64;
  ValueIndex in_place[kInPlace];
  std::vector<ValueIndex> on_heap;
  std::uint64_t index = 0;
  for (std::size_t c = 0; c < components_.size(); ++c) {
    const auto& members = components_[c].members();
    ValueIndex* key = in_place;
    if (members.size() > kInPlace) {
      on_heap.resize(members.size());
      key = on_heap.data();
    }
    for (std::size_t m = 0; m < members.size(); ++m) key[m] = digits[members[m]];
    const auto row = components_[c].find(key);
    if (!row) return std::nullopt;
    index += *row * strides_[c];
  }
  return index;
}

std::optional<std::uint64_t> Space::index_of(const Configuration& configuration) const {
  if (configuration.size() != parameters_.size()) return std::nullopt;
  std::vector<ValueIndex> places(parameters_.size());
  for (std::size_t p = 0; p < places.size(); ++p) {
    const auto& list = parameters_[p].values;
    const auto it = std::find(list.begin(), list.end(), configuration[p]);
    if (it == list.end()) return std::nullopt;
    places[p] = static_cast<ValueIndex>(it - list.begin());
  }
  return index_of_digits(places.data());
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
  std::vector<std::uint64_t> found;
  if (neighbourhood == Neighbourhood::strictly_adjacent) {
    found.push_back(0);
    for (std::size_t c = 0; c < components_.size(); ++c) {
      const auto rows = components_[c].box(index / strides_[c] % components_[c].rows());
      std::vector<std::uint64_t> longer;
      for (const std::uint64_t base : found)
        for (const std::uint64_t row : rows)
          if (longer.size() <= kMaxBox) longer.push_back(base + row * strides_[c]);
      found = std::move(longer);
    }
    std::erase(found, index);
    if (found.size() > kMaxBox) found.resize(kMaxBox);
    std::sort(found.begin(), found.end());
    return found;
  }
  std::vector<ValueIndex> key;
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    const auto [c, m] = places_[p];
    const auto count = static_cast<std::ptrdiff_t>(parameters_[p].values.size());
    if (count == 1) continue;
    const auto& component = components_[c];
    const std::uint64_t own_row = index / strides_[c] % component.rows();
    const ValueIndex* row = component.row(own_row);
    key.assign(row, row + component.members().size());
    const auto own = static_cast<std::ptrdiff_t>(row[m]);
    const auto visit = [&, m = m, c = c](std::ptrdiff_t value) {
      key[m] = static_cast<ValueIndex>(value);
      const auto other = component.find(key.data());
      // The difference may be negative; unsigned arithmetic wraps back to the right number.
      if (other) found.push_back(index + (*other - own_row) * strides_[c]);
      return other.has_value();
    };
    if (neighbourhood == Neighbourhood::hamming) {
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
    out += fmt::format("{}{}={}", i ? " " : "", parameters_[i].name, configuration[i].text());
  return out;
}

}  // namespace mtmc::tuner
