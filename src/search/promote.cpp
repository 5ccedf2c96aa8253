#include "search/promote.hpp"

#include <fmt/format.h>

#include "search/memory.hpp"
#include "search/tuning.hpp"

namespace mtmc::search {

Result<Promoted> promote(const coder::Task& task, const std::string& node, const kernel::Candidate& candidate, const Assessment& assessment, double bound_ns,
                         const Settings& settings, SearchTools& tools) {
  Promoted promoted{candidate, assessment};
  if (candidate.tunables.empty() || settings.tune_evaluations <= 0 || assessment.time_ns() <= settings.close_enough * bound_ns)
    return promoted;
  auto space = tuning_space(task.region.op, task.device, candidate);
  if (!space) return tl::unexpected<Error>(space.error().with("tuning"));
  if (auto ready = tools.assessor.start(); !ready) return tl::unexpected<Error>(ready.error());

  tuner::StrategyOptions options;
  options.seed = settings.seed;
  options.budget = static_cast<std::size_t>(settings.tune_evaluations);
  for (const auto& ranked : candidate.ranked)
    if (const auto index = index_of(*space, ranked)) options.first.push_back(*index);
  auto strategy = tuner::make_strategy(tuner::kDefaultStrategy, *space, options);
  if (!strategy) return tl::unexpected<Error>(strategy.error());
  if (const auto index = index_of(*space, candidate.configuration))
    (*strategy)->tell(*index, tuner::Measurement::success(assessment.time_ns()));

  CandidateBench bench(tools.assessor, task.region, candidate, *space, {assessment.candidate_id, "tune"});
  tuner::TuneSettings tuning;
  tuning.ahead = 2;
  tuning.stop.max_evaluations = options.budget;
  tuning.stop.target_value = tuner::StopRule::within(bound_ns, settings.close_enough - 1);
  tuning.stop.should_stop = [&] { return bench.failure().has_value(); };
  tuning.progress = [&](const tuner::TuneResult& so_far) {
    const auto& judged = bench.last();
    if (!judged || !judged->correct() || judged->time_ns() >= promoted.assessment.time_ns()) return;
    promoted.candidate = bench.at(so_far.trials.back().index);
    promoted.assessment = *judged;
  };
  const tuner::TuneResult tuned = tuner::tune(*space, **strategy, bench, tuning);
  if (bench.failure()) return tl::unexpected<Error>(*bench.failure());
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
