// Records that the report tests print: a finished run of a program with two regions, one of them used
// twice, and what hangs on it. Texts hold what must not reach a terminal.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "store/queries.hpp"

namespace mtmc::report {

inline std::string digits(char digit, int length = 64) { return std::string(length, digit); }

inline store::NodeRecord node(const std::string& id, const std::string& parent, int ordinal,
                              const std::string& action, const std::string& part,
                              const std::string& outcome, double modelled_ns, double gain,
                              const std::string& region, const std::string& candidate) {
  store::NodeRecord n;
  n.run_id = digits('a', 32);
  n.id = id;
  n.region_hash = region;
  n.parent_id = parent;
  n.ordinal = ordinal;
  n.step_key = part.empty() ? action : action + " " + part;
  n.step_json = R"({"action":")" + action + R"(","part":")" + part + R"("})";
  n.candidate_id = candidate;
  n.outcome = outcome;
  if (modelled_ns > 0) n.time.modelled_ns = modelled_ns;
  n.gain = gain;
  return n;
}

inline store::RunView finished_view() {
  store::RunView view;
  view.run.id = digits('a', 32);
  view.run.identity = {digits('0'), "emulated NVIDIA H200", R"({"budget":40})", 7, "0.1.0"};
  view.run.state = store::RunState::finished;
  view.run.started_at_ms = 1'767'225'600'000;  // 2026-01-01 00:00
  view.run.finished_at_ms = 1'767'225'660'000;
  view.op = {digits('0'), "h = gelu(linear(x, w1)); y = linear(h, w2); x: f32[M,K]; M=64", "{}",
             {"gelu", "linear"}};
  view.regions = {{digits('1'), "y0 = gelu(linear(x0, x1)); x0: f32[d0,d1]"},
                  {digits('2'), "y0 = linear(x0, x1); x0: f32[d0,d1]"}};
  store::RunResult result;
  result.verdict = "correct";
  result.verified = "sampled";
  result.candidate_id = digits('d');
  result.bound_ns = 10'000;
  result.cost_model_version = 1;
  result.start.modelled_ns = 190'000;
  result.best.modelled_ns = 12'400;
  result.compiles = 5;
  result.regions = {{digits('1'), 2, digits('d')}, {digits('2'), 1, digits('f')}};
  view.run.result = result;
  view.nodes = {
      node("n0", "", 0, "start", "", "correct", 150'000, 0, digits('1'), digits('b')),
      node("n1", "n0", 1, "fuse", "g0+g1", "correct", 75'000, 2, digits('1'), digits('c')),
      node("n2", "n0", 2, "split", "g0", "refused", 0, 0, digits('1'), ""),
      node("n3", "n1", 3, "tile", "g0", "correct", 9'375, 8, digits('1'), digits('d')),
      node("n4", "n1", 4, "vectorize", "g0", "mismatch", 0, 0, digits('1'), digits('e')),
      node("n5", "", 5, "start", "", "correct", 3'025, 0, digits('2'), digits('f')),
  };
  view.nodes[2].message = "needs a \x1b[31mproduct\nwith K above 1024";
  return view;
}

inline store::RunView failed_view() {
  store::RunView view = finished_view();
  view.run.state = store::RunState::failed;
  view.run.message = "no NVRTC was found";
  view.run.result.reset();
  view.run.finished_at_ms = 0;
  view.nodes.clear();
  view.regions.clear();
  return view;
}

inline std::vector<store::RunRow> some_rows() {
  store::RunRow modelled{finished_view().run, finished_view().op.line};
  store::RunRow measured = modelled;
  measured.run.id = digits('9', 32);
  measured.run.identity.device = "NVIDIA H200";
  measured.run.result->start = {std::nullopt, 80'500};
  measured.run.result->best = {std::nullopt, 8'050};
  measured.operator_line = "y = softmax(\x1b]0;title\x07x, 1); " + std::string(80, 'x');
  return {measured, modelled, {failed_view().run, "y = cumsum(x, 1); x: f32[4]"}};
}

inline store::CandidateView candidate_view() {
  store::CandidateView view;
  view.candidate = {digits('d'), digits('1'), "", digits('c'), "tile g0 m=128", "template",
                    1'767'225'600'000};
  view.candidate.json =
      R"({"sources":[{"name":"kernel.cu","text":"__global__ void k() {\n  // \u001b[2J\n}\n"}]})";
  view.region = {digits('1'), "y0 = gelu(linear(x0, x1)); x0: f32[d0,d1]"};
  store::CandidateRecord root = view.candidate, middle = view.candidate;
  root.id = digits('b');
  root.step_key = "start";
  middle.id = digits('c');
  middle.step_key = "fuse g0+g1";
  view.lineage = {root, middle, view.candidate};
  store::VerdictRecord verdict;
  verdict.binary_hash = digits('5');
  verdict.device = "emulated NVIDIA H200";
  verdict.harness_version = 2;
  verdict.outcome = "mismatch";
  verdict.verified = "full";
  verdict.message = "y[3] is 0.5, expected 0.25";
  verdict.worst = INFINITY;
  view.verdicts = {verdict, verdict};
  view.verdicts[1].outcome = "correct";
  view.verdicts[1].harness_version = 1;
  view.verdicts[1].message = "";
  view.verdicts[1].worst = 0.5;
  store::ModelledTime modelled;
  modelled.key = {digits('d'), digits('5'), "emulated NVIDIA H200", 1};
  modelled.modelled_ns = 9'375;
  modelled.launch_ns = 2'000;
  modelled.issue_ns = 7'375;
  modelled.shared_ns = 700;
  modelled.latency_ns = 2'500;
  modelled.l2_ns = 850;
  modelled.dram_ns = 999.6;
  modelled.tail_ns = 400;
  modelled.counters_json = R"({"warp_instructions":1200})";
  view.modelled = {modelled};
  store::MeasuredTime measured;
  measured.key = {digits('d'), digits('5'), "NVIDIA H200", "580.65", "span/graph/v1"};
  measured.measured_ns = 8'050;
  measured.span_ns = 8'050;
  measured.samples_ns = {8'000, 8'050, 8'100};
  view.measured = {measured};
  return view;
}

inline store::SweepView sweep_view() {
  store::SweepView view;
  view.sweep.id = digits('8', 32);
  view.sweep.identity = {"kernelbench", "emulated NVIDIA H200", R"({"level":1})", 0, "0.1.0"};
  const auto row = [&](const char* task, store::ItemState state, const char* outcome,
                       const char* message) {
    store::SweepRow r;
    r.item = {task, state, "", outcome, message};
    view.rows.push_back(r);
  };
  row("level1/19", store::ItemState::done, "correct", "");
  view.rows[0].item.run_id = digits('a', 32);
  view.rows[0].run = store::RunRow{finished_view().run, finished_view().op.line};
  row("level1/23", store::ItemState::done, "correct", "");
  view.rows[1].item.run_id = digits('c', 32);
  view.rows[1].run = view.rows[0].run;
  view.rows[1].run->run.id = digits('c', 32);
  view.rows[1].run->run.result->best.modelled_ns = 100'000;
  row("level1/89", store::ItemState::done, "unsupported", "cumsum");
  row("level1/90", store::ItemState::running, "", "");
  row("level1/91", store::ItemState::pending, "", "");
  return view;
}

}  // namespace mtmc::report
