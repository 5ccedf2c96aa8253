#include "search/promote.hpp"

#include <fmt/format.h>

#include "search/memory.hpp"
#include "tuner/tune.hpp"

namespace mtmc::search {

namespace {

// The candidate's tunables as a space: its constraints may also speak of dims and device facts.
Result<tuner::Space> space_of(const coder::Task& task, const kernel::Candidate& candidate) {
  std::vector<tuner::Parameter> parameters;
  for (const auto& t : candidate.tunables) parameters.push_back({t.name, t.values, candidate.configuration.at(t.name)});
  std::vector<tuner::Constraint> constraints;
  for (const auto& text : candidate.constraints) {
    auto constraint = tuner::Constraint::parse(text);
    if (!constraint) return tl::unexpected<Error>(constraint.error());
    constraints.push_back(std::move(*constraint));
  }
  Symbols facts = task.region.op.binding();
  task.device.add_symbols(facts);
  return tuner::Space::build(std::move(parameters), constraints, facts);
}

}  // namespace

Result<Promoted> promote(const coder::Task& task, const std::string& node, const kernel::Candidate& candidate, const Assessment& assessment, double bound_ns,
                         const Settings& settings, SearchTools& tools) {
  Promoted promoted{candidate, assessment};
  if (candidate.tunables.empty() || settings.tune_evaluations <= 0 || assessment.time_ns() <= settings.close_enough * bound_ns)
    return promoted;
  auto space = space_of(task, candidate);
  if (!space) return tl::unexpected<Error>(space.error().with("tuning"));
  const auto named = [&](const tuner::Configuration& values) {
    kernel::Configuration configuration;
    for (std::size_t i = 0; i < values.size(); ++i) configuration[candidate.tunables[i].name] = values[i];
    return configuration;
  };
  const auto positional = [&](const kernel::Configuration& configuration) {
    tuner::Configuration values;
    for (const auto& t : candidate.tunables) values.push_back(configuration.at(t.name));
    return values;
  };

  tuner::StrategyOptions options;
  options.seed = settings.seed;
  for (const auto& ranked : candidate.ranked) options.first.push_back(positional(ranked));
  auto strategy = tuner::make_strategy("local", *space, options);
  if (!strategy) return tl::unexpected<Error>(strategy.error());
  (*strategy)->tell(positional(candidate.configuration), tuner::Measurement::success(assessment.time_ns()));

  std::optional<Error> failure;
  tuner::StopRule stop;
  stop.max_evaluations = static_cast<std::size_t>(settings.tune_evaluations);
  stop.target_value = tuner::StopRule::within(bound_ns, settings.close_enough - 1);
  stop.should_stop = [&] { return failure.has_value(); };
  const auto evaluate = [&](const tuner::Configuration& values) {
    kernel::Candidate trial = candidate;
    trial.configuration = named(values);
    auto judged = tools.assessor.assess(task.region, trial, {assessment.candidate_id, "tune"});
    if (!judged) {
      failure = judged.error();
      return tuner::Measurement::failure();
    }
    if (!judged->correct()) return tuner::Measurement::failure();
    const double time = judged->time_ns();
    if (time < promoted.assessment.time_ns()) {
      promoted.candidate = std::move(trial);
      promoted.assessment = std::move(*judged);
    }
    return tuner::Measurement::success(time);
  };
  const tuner::TuneResult tuned = tuner::tune(*space, **strategy, evaluate, stop);
  if (failure) return tl::unexpected<Error>(*failure);
  const double gain = assessment.time_ns() / promoted.assessment.time_ns();
  auto id = remember_node(tools, task.region, node, stored_tuning(fmt::format("{} of {} configurations", tuned.trials.size(), space->size())),
                          promoted.assessment, gain);
  if (!id) return tl::unexpected<Error>(id.error());
  if (tools.progress)
    tools.progress(fmt::format("tune       {} of {} configurations, {} failed, {}, gain {:.2f}x", tuned.trials.size(),
                               space->size(), tuned.failures, promoted.assessment.time_text(), gain));
  return promoted;
}

}  // namespace mtmc::search
