#include "search/tuning.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace mtmc::search {

namespace {

constexpr std::int64_t kMaxThreads = 1024;  // of a block, on every CUDA device

// `expr <= limit`, where it depends on tunables and on nothing that is not known before a run.
void add_limit(const Expr& expr, std::int64_t limit, const std::set<std::string>& tunables,
               const Symbols& facts, std::vector<tuner::Constraint>& constraints) {
  bool depends = false;
  for (const auto& name : expr.symbols()) {
    depends |= tunables.contains(name);
    if (!tunables.contains(name) && !facts.contains(name)) return;
  }
  if (!depends) return;
  const Expr constraint = Expr::make(Expr::Kind::less_equal, {expr, Expr(limit)});
  constraints.push_back({constraint.text(), constraint, Syntax::checked});
}

}  // namespace

Result<tuner::Space> tuning_space(const op::Operator& op, const kernel::DeviceFacts& device,
                                  const kernel::Candidate& candidate) {
  std::vector<tuner::Parameter> parameters;
  std::set<std::string> names;
  for (const auto& t : candidate.tunables) {
    parameters.push_back({t.name, tuner::values_of(t.values), candidate.configuration.at(t.name)});
    names.insert(t.name);
  }
  auto constraints = tuner::parse_constraints(candidate.constraints);
  if (!constraints) return tl::unexpected<Error>(constraints.error());
  Symbols facts = op.binding();
  device.add_symbols(facts);
  for (const auto& step : candidate.recipe.run) {
    const auto* launch = std::get_if<kernel::Launch>(&step.what);
    if (!launch || step.when) continue;  // a step that may be skipped limits nothing
    Expr threads(1);
    for (const auto& extent : launch->block) threads = threads * extent;
    add_limit(threads, kMaxThreads, names, facts, *constraints);
    add_limit(launch->shared_bytes, device.shared_optin_bytes, names, facts, *constraints);
  }
  return tuner::Space::build(std::move(parameters), *constraints, facts);
}

kernel::Configuration named(const tuner::Space& space, std::uint64_t index) {
  kernel::Configuration configuration;
  const auto values = space.at(index);
  for (std::size_t p = 0; p < values.size(); ++p)
    configuration[space.parameters()[p].name] = values[p].integer();
  return configuration;
}

std::optional<std::uint64_t> index_of(const tuner::Space& space,
                                      const kernel::Configuration& configuration) {
  tuner::Configuration values;
  for (const auto& p : space.parameters()) {
    const auto it = configuration.find(p.name);
    if (it == configuration.end()) return std::nullopt;
    values.emplace_back(it->second);
  }
  return space.index_of(values);
}

kernel::Candidate CandidateBench::at(std::uint64_t index) const {
  kernel::Candidate trial = candidate_;
  trial.configuration = named(space_, index);
  return trial;
}

tuner::Measurement CandidateBench::measure(std::uint64_t index) {
  last_.reset();
  auto judged = assessor_.assess(region_, at(index), origin_);
  if (!judged) {
    failure_ = judged.error();
    return tuner::Measurement::failure();
  }
  last_ = std::move(*judged);
  return last_->correct() ? tuner::Measurement::success(last_->time_ns())
                          : tuner::Measurement::failure();
}

}  // namespace mtmc::search
