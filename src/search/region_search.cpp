#include "search/region_search.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "device/counters.hpp"
#include "kernel/bound.hpp"
#include "search/memory.hpp"
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
  std::set<std::string> tried;  // keys of steps
  bool closed = false;          // the planner has nothing more to say here
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
  double parts[4] = {};  // launch, issue, shared, dram: in the order of the enum
  for (const auto& l : launches) {
    if (!l.modelled) continue;
    parts[0] += l.modelled->launch_ns;
    parts[1] += l.modelled->issue_ns;
    parts[2] += l.modelled->shared_ns;
    parts[3] += l.modelled->dram_ns;
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
      text += fmt::format(", modelled {:.0f} ns (launch {:.0f}, issue {:.0f}, shared {:.0f}, dram {:.0f})", l.modelled->total_ns,
                          l.modelled->launch_ns, l.modelled->issue_ns, l.modelled->shared_ns, l.modelled->dram_ns);
    for (const auto& [name, value] : l.counters) text += fmt::format(", {} {:.0f}", name, value);
    text += '\n';
  }
  return text;
}

class RegionSearch {
 public:
  RegionSearch(const kernel::Region& region, const op::Lowering& lowering, const kernel::DeviceFacts& device, const Settings& settings,
               SearchTools& tools)
      : task_{region, lowering, device}, settings_(settings), tools_(tools) {}

  Result<RegionResult> run() {
    auto bound = kernel::bound_ns(task_.region.op, task_.device);
    if (!bound) return tl::unexpected<Error>(bound.error());
    result_.bound_ns = *bound;
    if (auto ok = begin(); !ok) return tl::unexpected<Error>(ok.error());
    while (compiled_steps_ < settings_.max_steps) {
      Node* node = next_open();
      if (!node) break;
      auto done = expand(*node);
      if (!done) return tl::unexpected<Error>(done.error());
    }
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

 private:
  Result<void> begin() {
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
    nodes_.push_back(std::make_unique<Node>(Node{*id, std::move(candidate), std::move(*assessment), {}, {}, false}));
    return {};
  }

  Node* best_node() {
    Node* best = nullptr;
    for (auto& n : nodes_)
      if (!best || n->assessment.time_ns() < best->assessment.time_ns()) best = n.get();
    return best;
  }

  // The fastest open node among the fastest `beam`; none when the best is as good as it gets.
  Node* next_open() {
    Node* best = best_node();
    if (!best || best->assessment.time_ns() <= settings_.close_enough * result_.bound_ns) return nullptr;
    std::vector<Node*> order;
    for (auto& n : nodes_) order.push_back(n.get());
    std::stable_sort(order.begin(), order.end(), [](const Node* a, const Node* b) { return a->assessment.time_ns() < b->assessment.time_ns(); });
    for (std::size_t i = 0; i < order.size() && i < static_cast<std::size_t>(settings_.beam); ++i)
      if (!order[i]->closed) return order[i];
    return nullptr;
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
    for (auto& step : tools_.coder.admissible(task_, node.candidate))
      if (!node.tried.count(step.key())) state.admissible.push_back(std::move(step));
    if (state.admissible.empty()) {
      node.closed = true;
      return {};
    }
    auto steps = tools_.planner.propose(state, settings_.width);
    if (!steps) return tl::unexpected<Error>(steps.error());
    if (steps->empty() || steps->front().action == Action::stop) node.closed = true;
    for (const auto& step : *steps) {
      if (step.action == Action::stop || compiled_steps_ >= settings_.max_steps) break;
      node.tried.insert(step.key());
      if (auto ok = take(node, step, state); !ok) return ok;
    }
    return {};
  }

  Result<void> take(Node& parent, const Step& step, const planner::State& state) {
    auto answer = tools_.coder.apply(task_, parent.candidate, step, nullptr);
    for (int repair = 0;; ++repair) {
      if (!answer) return tl::unexpected<Error>(answer.error());
      if (auto* refusal = std::get_if<coder::Refusal>(&*answer)) {
        Assessment refused;
        refused.evaluation.verdict.message = refusal->reason;
        auto id = remember_node(tools_, task_.region, parent.id, stored(step), refused, 0);
        return id ? Result<void>() : tl::unexpected<Error>(id.error());
      }
      auto candidate = std::get<Candidate>(std::move(*answer));
      auto judged = assess_ranked(candidate, {parent.assessment.candidate_id, step.key()});
      if (!judged) return tl::unexpected<Error>(judged.error());
      if (!judged->correct() && repair < settings_.repairs) {
        // Only a coder that lists repairs can do them; a template that is wrong is a bug, not a step.
        const coder::Feedback feedback{judged->feedback};
        Step fix;
        fix.action = judged->evaluation.verdict.outcome == harness::Outcome::compile_error ? Action::fix_compile
                     : judged->evaluation.verdict.outcome == harness::Outcome::mismatch ||
                               judged->evaluation.verdict.outcome == harness::Outcome::non_finite
                         ? Action::fix_numeric
                         : Action::fix_launch;
        auto fixed = tools_.coder.apply(task_, candidate, fix, &feedback);
        if (!fixed) return tl::unexpected<Error>(fixed.error());
        if (std::holds_alternative<Candidate>(*fixed)) {
          answer = std::move(fixed);
          continue;
        }
      }
      return adopt(parent, step, std::move(candidate), std::move(*judged), state);
    }
  }

  Result<void> adopt(Node& parent, const Step& step, Candidate candidate, Assessment judged, const planner::State& state) {
    const double gain = judged.correct() && judged.time_ns() > 0 ? parent.assessment.time_ns() / judged.time_ns() : 0;
    const auto& verdict = judged.evaluation.verdict;
    say(step, judged, gain);
    const bool known = !seen_.insert(judged.candidate_id).second;
    auto id = remember_node(tools_, task_.region, parent.id, stored(step), judged, gain);
    if (!id) return tl::unexpected<Error>(id.error());
    if (auto ok = remember_transition(tools_, *id, step, state, task_, gain); !ok) return ok;
    if (!judged.correct() || known) return {};
    auto path = parent.path;
    path.push_back({step, std::string(name_of(verdict.outcome)), gain});
    nodes_.push_back(std::make_unique<Node>(Node{*id, std::move(candidate), std::move(judged), std::move(path), {}, false}));
    return {};
  }

  // Scores the template's ranked configurations and leaves the best one in the candidate.
  Result<Assessment> assess_ranked(Candidate& candidate, const Origin& origin) {
    ++compiled_steps_;
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

  coder::Task task_;
  const Settings& settings_;
  SearchTools& tools_;
  RegionResult result_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<std::string> seen_;  // candidates, so that two ways to one kernel are one node
  int compiled_steps_ = 0;
};

}  // namespace

Result<RegionResult> search_region(const kernel::Region& region, const kernel::DeviceFacts& device, const Settings& settings,
                                   SearchTools& tools) {
  auto lowering = op::lower(region.op);
  if (!lowering) return tl::unexpected<Error>(lowering.error());
  return RegionSearch(region, *lowering, device, settings, tools).run();
}

}  // namespace mtmc::search
