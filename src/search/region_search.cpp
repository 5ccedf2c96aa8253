#include "search/region_search.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "device/counters.hpp"
#include "kernel/bound.hpp"
#include "search/memory.hpp"
#include "search/niche.hpp"
#include "search/promote.hpp"

namespace mtmc::search {

namespace {

using kernel::Action;
using kernel::Candidate;
using kernel::Step;

struct Node {
  std::string id;  // in the store
  Candidate candidate;
  Assessment assessment;
  std::vector<planner::Tried> path;
  std::string niche;
  std::vector<planner::Tried> here;  // what was tried from it
  std::set<std::string> tried;       // keys of those steps
  bool closed = false;               // the planner has nothing more to say here
};

// Where the time of a measured candidate goes: what its counters say; without them between launches or in memory, which most
// kernels wait for.
planner::Bottleneck measured_bottleneck(const harness::Evaluation& evaluation) {
  const auto& timing = *evaluation.timing;
  if (const auto summary = device::summarise(evaluation.counters, timing.busy_ns, timing.measured_ns))
    for (const auto b : {planner::Bottleneck::launch, planner::Bottleneck::issue, planner::Bottleneck::shared, planner::Bottleneck::dram})
      if (planner::name_of(b) == summary->word) return b;
  return timing.busy_ns && *timing.busy_ns < 0.5 * timing.measured_ns ? planner::Bottleneck::launch : planner::Bottleneck::dram;
}

// Where the time of a candidate goes, over its launches.
planner::Bottleneck bottleneck(const harness::Evaluation& evaluation) {
  if (evaluation.timing) return measured_bottleneck(evaluation);
  const auto& launches = evaluation.launches;
  // launch, issue, shared, dram: in the order of the enum. Latency, L2 and DRAM ask for the same: fewer bytes or more in flight.
  double parts[4] = {};
  for (const auto& l : launches) {
    if (!l.modelled) continue;
    parts[0] += l.modelled->launch_ns;
    parts[1] += l.modelled->issue_ns;
    parts[2] += l.modelled->shared_ns;
    parts[3] += std::max({l.modelled->latency_ns, l.modelled->l2_ns, l.modelled->dram_ns});
  }
  return static_cast<planner::Bottleneck>(std::max_element(parts, parts + 4) - parts);
}

std::string profile_text(const harness::Evaluation& evaluation) {
  std::string text;
  if (evaluation.timing) {
    const auto& timing = *evaluation.timing;
    text += fmt::format("the run: measured {:.0f} ns", timing.measured_ns);
    if (timing.busy_ns) text += fmt::format(" (busy {:.0f})", *timing.busy_ns);
    if (const auto summary = device::summarise(evaluation.counters, timing.busy_ns, timing.measured_ns)) text += ", " + summary->line;
    for (const auto& [name, value] : evaluation.counters) text += fmt::format(", {} {:.6g}", name, value);
    text += '\n';
  }
  for (const auto& l : evaluation.launches) {
    text += fmt::format("{}: {} blocks", l.kernel, l.blocks_total);
    if (l.modelled)
      text += fmt::format(", modelled {:.0f} ns (launch {:.0f}, issue {:.0f}, shared {:.0f}, latency {:.0f}, l2 {:.0f}, dram {:.0f}, tail {:.0f})",
                          l.modelled->total_ns, l.modelled->launch_ns, l.modelled->issue_ns, l.modelled->shared_ns, l.modelled->latency_ns,
                          l.modelled->l2_ns, l.modelled->dram_ns, l.modelled->tail_ns);
    for (const auto& [name, value] : l.counters)
      text += value == std::floor(value) ? fmt::format(", {} {:.0f}", name, value) : fmt::format(", {} {:.3g}", name, value);
    text += '\n';
  }
  return text;
}

// Whether a failed run of the outcome can be put right in the code.
bool repairable(harness::Outcome outcome) {
  using enum harness::Outcome;
  return outcome != correct && outcome != unsupported && outcome != over_budget && outcome != refused;
}

Step repair_of(harness::Outcome outcome) {
  using enum harness::Outcome;
  Step fix;
  fix.action = outcome == compile_error                          ? Action::fix_compile
               : outcome == mismatch || outcome == non_finite ? Action::fix_numeric
                                                               : Action::fix_launch;
  return fix;
}

class BestFirst final : public RegionSearch {
 public:
  BestFirst(const kernel::Region& region, op::Lowering lowering, const kernel::DeviceFacts& device, const Settings& settings,
            SearchTools& tools)
      : lowering_(std::move(lowering)), task_{region, lowering_, device}, settings_(settings), tools_(tools),
        symbols_(region.op.binding()), plans_with_model_(settings.planner == "llm") {
    device.add_symbols(symbols_);
  }

  bool begun() const override { return !nodes_.empty(); }

  bool open() const override { return stopped_.empty() && compiled_steps_ < settings_.max_steps && next_open() != nullptr; }

  double headroom_ns() const override {
    const Node* best = best_node();
    return best ? std::max(0.0, best->assessment.time_ns() - result_.bound_ns) : 0;
  }

  Result<void> advance() override {
    if (spent()) return {};
    return expand(*next_open());
  }

  Result<RegionResult> finish() override {
    if (const Node* best = best_node()) {
      auto promoted = promote(task_, best->id, best->candidate, best->assessment, result_.bound_ns, settings_, tools_);
      if (!promoted) return tl::unexpected<Error>(promoted.error());
      auto confirmed = tools_.assessor.confirm(task_.region, promoted->candidate, promoted->assessment);
      if (!confirmed) return tl::unexpected<Error>(confirmed.error());
      if (settings_.measures() && tools_.progress) tools_.progress(fmt::format("again      in a fresh process: {}", confirmed->correct() ? confirmed->time_text() : confirmed->evaluation.verdict.message));
      result_.best = std::move(promoted->candidate);
      result_.chosen = std::move(*confirmed);
    } else {
      const auto& v = result_.start.evaluation.verdict;
      result_.message = v.message.empty() ? std::string("no candidate was written") : v.message;
    }
    return std::move(result_);
  }

  Result<void> begin() override {
    auto bound = kernel::bound_ns(task_.region.op, task_.device);
    if (!bound) return tl::unexpected<Error>(bound.error());
    result_.bound_ns = *bound;
    auto answer = tools_.coder.start(task_);
    if (!answer) return tl::unexpected<Error>(answer.error());
    if (auto* refusal = std::get_if<coder::Refusal>(&*answer)) {
      result_.start.evaluation.verdict.outcome = harness::Outcome::unsupported;
      result_.start.evaluation.verdict.message = refusal->reason;
      return {};
    }
    auto candidate = std::get<Candidate>(std::move(*answer));
    auto assessment = tools_.assessor.assess(task_.region, candidate, {});
    if (!assessment) return tl::unexpected<Error>(assessment.error());
    result_.start = *assessment;
    Step start;
    start.action = Action::start;
    auto id = remember_node(tools_, task_.region, "", stored(start), *assessment, 0);
    if (!id) return tl::unexpected<Error>(id.error());
    say(start, *assessment, 0);
    if (!assessment->correct()) return {};
    seen_.insert(assessment->candidate_id);
    add(*id, std::move(candidate), std::move(*assessment), {});
    return {};
  }

 private:
  void add(const std::string& id, Candidate candidate, Assessment assessment, std::vector<planner::Tried> path) {
    auto node = std::make_unique<Node>();
    node->id = id;
    node->niche = niche_of(candidate, symbols_);
    node->candidate = std::move(candidate);
    node->assessment = std::move(assessment);
    node->path = std::move(path);
    nodes_.push_back(std::move(node));
  }

  // Whether a cap of the budget is reached: then what stands is the result.
  bool spent() {
    if (!tools_.meter || !stopped_.empty()) return !stopped_.empty();
    tools_.meter->set_times(tools_.assessor.compile_s(), tools_.assessor.device_s());
    const auto why = tools_.meter->exhausted();
    if (!why) return false;
    stopped_ = *why;
    if (tools_.progress) tools_.progress("stopped    " + stopped_);
    return true;
  }

  Node* best_node() const {
    Node* best = nullptr;
    for (auto& n : nodes_)
      if (!best || n->assessment.time_ns() < best->assessment.time_ns()) best = n.get();
    return best;
  }

  // The fastest open node among the fastest `beam`, or of another kind; none when the best is as good as it gets.
  Node* next_open() const {
    Node* best = best_node();
    if (!best || best->assessment.time_ns() <= settings_.close_enough * result_.bound_ns) return nullptr;
    std::vector<Standing> standings;
    for (const auto& n : nodes_) standings.push_back({n->assessment.time_ns(), n->niche, !n->closed});
    const auto order = worth_expanding(standings, settings_.beam, plans_with_model_ ? settings_.diverse : 0);
    return order.empty() ? nullptr : nodes_[order.front()].get();
  }

  Result<void> expand(Node& node) {
    planner::State state;
    state.region = &task_.region;
    state.device = &task_.device;
    state.candidate = &node.candidate;
    state.time_ns = node.assessment.time_ns();
    state.bound_ns = result_.bound_ns;
    state.bottleneck = bottleneck(node.assessment.evaluation);
    state.profile = profile_text(node.assessment.evaluation);
    state.path = node.path;
    state.here = node.here;
    state.priors = tools_.priors;
    for (auto& step : tools_.coder.admissible(task_, node.candidate))
      if (!node.tried.count(step.key())) state.admissible.push_back(std::move(step));
    if (state.admissible.empty()) {
      node.closed = true;
      return {};
    }
    auto steps = tools_.planner.propose(state, settings_.width);
    if (!steps) return tl::unexpected<Error>(steps.error());
    if (steps->empty() || steps->front().action == Action::stop) node.closed = true;
    if (auto ok = note_refused(node, tools_.planner.notes()); !ok) return ok;
    // What the planner expects decides the order; where it expects the same, its own order stands.
    std::stable_sort(steps->begin(), steps->end(), [](const Step& a, const Step& b) {
      return a.expected_gain * (1 - a.risk) > b.expected_gain * (1 - b.risk);
    });
    const double best_before = best_node()->assessment.time_ns();
    for (const auto& step : *steps) {
      if (step.action == Action::stop) continue;
      if (compiled_steps_ >= settings_.max_steps || spent()) break;
      node.tried.insert(step.key());
      if (auto ok = take(node, step, state); !ok) return ok;
      // A model plans anew on what it has just learnt; the table's plan would be the same.
      if (plans_with_model_ && best_node()->assessment.time_ns() < best_before) break;
    }
    return {};
  }

  // What the planner said and may not do: shown and remembered with the reason, and never compiled.
  Result<void> note_refused(const Node& node, const planner::PlannerNotes& notes) {
    for (const auto& refused : notes.refused) {
      Assessment none;
      none.evaluation.verdict.message = refused.why;
      if (tools_.progress) tools_.progress(fmt::format("{:<23} not taken: {}", refused.what, refused.why));
      auto id = remember_node(tools_, task_.region, node.id, stored_refusal(refused.what), none, 0);
      if (!id) return tl::unexpected<Error>(id.error());
    }
    return {};
  }

  // Writes the step, and repairs it at most `repairs` times; each attempt is a node below the one before.
  Result<void> take(Node& parent, const Step& step, const planner::State& state) {
    std::string above = parent.id, from = parent.assessment.candidate_id;
    Step now = step;
    auto answer = tools_.coder.apply(task_, parent.candidate, now, nullptr);
    for (int repair = 0;; ++repair) {
      if (!answer) return tl::unexpected<Error>(answer.error());
      Assessment judged;
      Candidate candidate;
      if (auto* refusal = std::get_if<coder::Refusal>(&*answer)) {
        judged.evaluation.verdict.message = refusal->reason;
      } else {
        candidate = std::get<Candidate>(std::move(*answer));
        auto assessed = assess_ranked(candidate, {from, now.key()});
        if (!assessed) return tl::unexpected<Error>(assessed.error());
        judged = std::move(*assessed);
      }
      const auto outcome = judged.evaluation.verdict.outcome;
      const double gain = judged.correct() && judged.time_ns() > 0 ? parent.assessment.time_ns() / judged.time_ns() : 0;
      say(now, judged, gain);
      auto id = remember_node(tools_, task_.region, above, stored(now), judged, gain);
      if (!id) return tl::unexpected<Error>(id.error());
      if (auto ok = remember_transition(tools_, *id, now, state, task_, outcome, gain); !ok) return ok;
      // A template that is wrong is a bug, not a step: only some coders can repair.
      if (repairable(outcome) && tools_.coder.can_repair() && repair < settings_.repairs && compiled_steps_ < settings_.max_steps && !spent()) {
        const coder::Feedback feedback{judged.feedback};
        now = repair_of(outcome);
        now.options["attempt"] = repair + 1;
        above = *id;
        from = judged.candidate_id;
        answer = tools_.coder.apply(task_, candidate, now, &feedback);
        continue;
      }
      const planner::Tried tried{step, std::string(name_of(outcome)), gain};
      parent.here.push_back(tried);
      if (!judged.correct() || !seen_.insert(judged.candidate_id).second) return {};
      auto path = parent.path;
      path.push_back(tried);
      add(*id, std::move(candidate), std::move(judged), std::move(path));
      return {};
    }
  }

  // Scores the template's ranked configurations and leaves the best one in the candidate.
  Result<Assessment> assess_ranked(Candidate& candidate, const Origin& origin) {
    ++compiled_steps_;
    if (tools_.meter) tools_.meter->add_step();
    auto best = tools_.assessor.assess(task_.region, candidate, origin);
    if (!best || !best->correct()) return best;
    Candidate winner = candidate;
    for (std::size_t i = 1; i < candidate.ranked.size() && static_cast<int>(i) < settings_.ranked; ++i) {
      Candidate other = candidate;
      other.configuration = candidate.ranked[i];
      auto assessment = tools_.assessor.assess(task_.region, other, origin);
      if (!assessment) return assessment;
      if (!assessment->correct() || assessment->time_ns() >= best->time_ns()) continue;
      best = std::move(assessment);
      winner = std::move(other);
    }
    candidate = std::move(winner);
    return best;
  }

  void say(const Step& step, const Assessment& a, double gain) const {
    if (!tools_.progress) return;
    const auto& v = a.evaluation.verdict;
    std::string line = fmt::format("{:<10} {:<12} {}", name_of(step.action), step.part, name_of(v.outcome));
    if (const auto time = a.time_text(); !time.empty()) line += ", " + time;
    if (gain > 0) line += fmt::format(", gain {:.2f}x", gain);
    if (!v.message.empty()) line += ": " + v.message;
    tools_.progress(line);
  }

  const op::Lowering lowering_;
  coder::Task task_;
  const Settings& settings_;
  SearchTools& tools_;
  Symbols symbols_;  // the stated binding and device facts
  const bool plans_with_model_;
  std::string stopped_;  // by which cap
  RegionResult result_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<std::string> seen_;  // candidates, so that two ways to one kernel are one node
  int compiled_steps_ = 0;
};

}  // namespace

Result<std::unique_ptr<RegionSearch>> RegionSearch::make(const kernel::Region& region, const kernel::DeviceFacts& device,
                                                         const Settings& settings, SearchTools& tools) {
  auto lowering = op::lower(region.op);
  if (!lowering) return tl::unexpected<Error>(lowering.error());
  return std::unique_ptr<RegionSearch>(new BestFirst(region, std::move(*lowering), device, settings, tools));
}

Result<RegionResult> search_region(const kernel::Region& region, const kernel::DeviceFacts& device, const Settings& settings,
                                   SearchTools& tools) {
  auto search = RegionSearch::make(region, device, settings, tools);
  if (!search) return tl::unexpected<Error>(search.error());
  if (auto ok = (*search)->begin(); !ok) return tl::unexpected<Error>(ok.error());
  while ((*search)->open())
    if (auto ok = (*search)->advance(); !ok) return tl::unexpected<Error>(ok.error());
  return (*search)->finish();
}

}  // namespace mtmc::search
