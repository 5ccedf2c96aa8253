// What is stored is found again under its key, and under no other.
#include <cmath>

#include "store_fixture.hpp"

namespace mtmc::store {
namespace {

TEST_CASE("keys hold every part and where it ends", "[store]") {
  CHECK(content_key({"ab", "c"}) != content_key({"a", "bc"}));
  CHECK(content_key({"a"}) != content_key({"a", ""}));
  const RunIdentity base{"op", "device", "{}", 1, "0.1"};
  std::set<std::string> keys = {run_key(base)};
  for (auto change : {+[](RunIdentity& i) { i.operator_hash += "x"; },
                      +[](RunIdentity& i) { i.device += "x"; },
                      +[](RunIdentity& i) { i.settings_json += "x"; },
                      +[](RunIdentity& i) { i.seed += 1; },
                      +[](RunIdentity& i) { i.tool_version += "x"; }}) {
    RunIdentity other = base;
    change(other);
    keys.insert(run_key(other));
  }
  CHECK(keys.size() == 6);
  const VerdictIdentity verdict{"binary", "recipe", "cases", "tolerance", "device", 1};
  std::set<std::string> verdicts = {verdict_key(verdict)};
  for (auto change : {+[](VerdictIdentity& i) { i.binary_hash += "x"; },
                      +[](VerdictIdentity& i) { i.recipe += "x"; },
                      +[](VerdictIdentity& i) { i.cases += "x"; },
                      +[](VerdictIdentity& i) { i.tolerance += "x"; },
                      +[](VerdictIdentity& i) { i.device += "x"; },
                      +[](VerdictIdentity& i) { i.harness_version += 1; }}) {
    VerdictIdentity other = verdict;
    change(other);
    verdicts.insert(verdict_key(other));
  }
  CHECK(verdicts.size() == 7);
  CHECK(node_id("r", "p", "s") != node_id("r", "p", "s", 1));
  const std::string id = random_id();
  CHECK(id.size() == 32);
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(id != random_id());
}

TEST_CASE("a run is found again by its identity", "[store]") {
  Store store = memory_store();
  Runs runs(store);
  const OperatorRecord op = operator_record("softmax");
  const auto begun = good(runs.begin(op, identity_of(op), false));
  CHECK_FALSE(begun.resumed);
  CHECK(begun.run.state == RunState::running);

  const auto again = good(runs.begin(op, identity_of(op), false));
  CHECK(again.resumed);
  CHECK(again.run.id == begun.run.id);
  CHECK_FALSE(again.run.result);
  CHECK(good(runs.begin(op, identity_of(op, 7), false)).run.id != begun.run.id);

  good(runs.fail(begun.run.id, "no NVRTC"));
  CHECK(good(runs.find(begun.run.id))->message == "no NVRTC");
  CHECK(good(runs.find(begun.run.id))->state == RunState::failed);
  const auto retried = good(runs.begin(op, identity_of(op), false));
  CHECK(retried.run.id == begun.run.id);
  CHECK(good(runs.find(begun.run.id))->state == RunState::running);
  CHECK(good(runs.find(begun.run.id))->message == "");

  const RegionRecord region = region_record("softmax region");
  const CandidateRecord candidate = candidate_record(region, "a");
  good(Candidates(store).put_region(region));
  good(Candidates(store).put(candidate));
  RunResult result = correct_result(candidate.id, region.hash, 100e3, 10e3, 8e3);
  result.details_json = R"({"note":"x"})";
  good(runs.finish(begun.run.id, result));
  const auto finished = good(runs.begin(op, identity_of(op), false));
  CHECK(finished.resumed);
  REQUIRE(finished.run.result);
  CHECK(finished.run.state == RunState::finished);
  CHECK(finished.run.result->verdict == "correct");
  CHECK(finished.run.result->best.modelled_ns == 10e3);
  CHECK(finished.run.result->start.modelled_ns == 100e3);
  CHECK_FALSE(finished.run.result->best.measured_ns);
  CHECK(finished.run.result->details_json == R"({"note":"x"})");
  REQUIRE(finished.run.result->regions.size() == 1);
  CHECK(finished.run.result->regions[0].candidate_id == candidate.id);

  const auto fresh = good(runs.begin(op, identity_of(op), true));
  CHECK_FALSE(fresh.resumed);
  CHECK(fresh.run.id != begun.run.id);
  CHECK(good(runs.begin(op, identity_of(op), false)).run.id == fresh.run.id);

  CHECK(good(runs.operator_of(op.hash))->names == std::vector<std::string>{"softmax"});
  CHECK_FALSE(good(runs.find("nothing")));
}

TEST_CASE("what cannot be of a run is refused", "[store]") {
  Store store = memory_store();
  Runs runs(store);
  const OperatorRecord op = operator_record("gelu");
  CHECK(runs.begin(op, identity_of(operator_record("relu")), false).error().code ==
        ErrorCode::internal);
  CHECK(runs.finish("nobody", correct_result("", "", 1, 1, 1)).error().code == ErrorCode::internal);
  CHECK(runs.fail("nobody", "x").error().code == ErrorCode::internal);
  const auto begun = good(runs.begin(op, identity_of(op), false));
  CHECK_FALSE(runs.finish(begun.run.id, RunResult{}));
  // A result that names an unknown candidate leaves the run as it was.
  CHECK_FALSE(runs.finish(begun.run.id, correct_result("nobody", "", 1, 1, 1)));
  CHECK(good(runs.find(begun.run.id))->state == RunState::running);
  // So does one that only its last statement finds out to be wrong.
  CHECK_FALSE(runs.finish(begun.run.id, correct_result("", "unknown region", 1, 1, 1)));
  CHECK(good(runs.find(begun.run.id))->state == RunState::running);
}

TEST_CASE("candidates and compiles", "[store]") {
  Store store = memory_store();
  Candidates table(store);
  const RegionRecord region = region_record("r");
  good(table.put_region(region));
  good(table.put_region(region));
  CHECK(good(table.region(region.hash))->text == "r");
  const CandidateRecord root = candidate_record(region, "root");
  CandidateRecord child = candidate_record(region, "child", root.id);
  child.json = std::string("{\"nul\":\"a\0b\"}", 13);  // bytes come back as they went in
  CHECK_FALSE(table.put(child));
  good(table.put(root));
  good(table.put(child));
  const auto found = good(table.find(child.id));
  REQUIRE(found);
  CHECK(found->json == child.json);
  CHECK(found->parent_id == root.id);
  CHECK(found->created_at_ms > 0);
  CandidateRecord other_way = child;
  other_way.step_key = "split g0";
  good(table.put(other_way));
  CHECK(good(table.find(child.id))->step_key == "tile g0");
  CHECK_FALSE(good(table.find("missing")));

  CompileRecord compile{"b1", "timeout", "sm_90a", "13.0", 0, 0, 0, "[]", "[]", 60000};
  good(table.put_compile(compile));
  compile.outcome = "ok";
  compile.registers = 128;
  good(table.put_compile(compile));
  CHECK(good(table.compile("b1"))->outcome == "ok");
  CHECK(good(table.compile("b1"))->registers == 128);
  CHECK_FALSE(good(table.compile("b2")));
}

TEST_CASE("verdicts and times hit by their whole key", "[store]") {
  Store store = memory_store();
  Evidence evidence(store);
  const RegionRecord region = region_record("r");
  const CandidateRecord c = candidate_record(region, "a");
  good(Candidates(store).put_region(region));
  good(Candidates(store).put(c));

  VerdictRecord v = verdict_record(c.id, "mismatch");
  v.worst = NAN;
  CHECK_FALSE(good(evidence.verdict(v.key)));
  good(evidence.put_verdict(v));
  const auto verdict = good(evidence.verdict(v.key));
  REQUIRE(verdict);
  CHECK(verdict->outcome == "mismatch");
  CHECK(verdict->message == "mismatch at y[3]");
  CHECK(std::isinf(verdict->worst));
  CHECK_FALSE(good(evidence.verdict(verdict_record(c.id, "mismatch", 2).key)));

  const ModelledTime t = modelled_time(c.id, 5000);
  good(evidence.put_modelled(t));
  CHECK(good(evidence.modelled(t.key))->modelled_ns == 5000);
  CHECK(good(evidence.modelled(t.key))->dram_ns == 4000);
  CHECK(good(evidence.modelled(t.key))->l2_ns == 2500);
  for (auto change : {+[](ModelledKey& k) { k.binary_hash += "x"; },
                      +[](ModelledKey& k) { k.device += "x"; },
                      +[](ModelledKey& k) { k.cost_model_version += 1; }}) {
    ModelledKey key = t.key;
    change(key);
    CHECK_FALSE(good(evidence.modelled(key)));
  }

  MeasuredTime m;
  m.key = {c.id, t.key.binary_hash, "NVIDIA H200", "580.65", "span/graph/v1"};
  m.measured_ns = 7000;
  m.span_ns = 7000;
  m.samples_ns = {7001.5, 6999.25, 7000};
  CHECK_FALSE(good(evidence.measured(m.key)));
  good(evidence.put_measured(m));
  m.measured_ns = 7100;
  m.samples_ns.clear();
  good(evidence.put_measured(m));
  CHECK(good(evidence.measured(m.key))->measured_ns == 7100);
  CHECK(good(evidence.measured(m.key))->samples_ns.empty());
  const auto view = good(Queries(store).candidate(c.id));
  REQUIRE(view.measured.size() == 2);
  CHECK(view.measured[1].samples_ns == std::vector<double>{7001.5, 6999.25, 7000});
  CHECK(view.measured[1].span_ns == 7000);
  CHECK_FALSE(view.measured[1].wall_ns);
  CHECK(view.modelled.size() == 1);
}

TEST_CASE("times that are none are refused", "[store]") {
  Store store = memory_store();
  for (double ns : {double{NAN}, double{INFINITY}, -1.0}) {
    ModelledTime t = modelled_time("c", 5000);
    t.modelled_ns = ns;
    CHECK(Evidence(store).put_modelled(t).error().code == ErrorCode::internal);
    MeasuredTime m;
    m.measured_ns = 1;
    m.busy_ns = ns;
    CHECK(Evidence(store).put_measured(m).error().code == ErrorCode::internal);
    NodeRecord n;
    n.gain = ns;
    CHECK(Tree(store).put(n).error().code == ErrorCode::internal);
  }
}

TEST_CASE("the best candidate of a region is correct by the newest harness", "[store]") {
  Store store = memory_store();
  Candidates candidates(store);
  Evidence evidence(store);
  const RegionRecord region = region_record("r"), other = region_record("other");
  good(candidates.put_region(region));
  good(candidates.put_region(other));
  const auto add = [&](const RegionRecord& of, const std::string& salt, double ns,
                       const std::string& outcome) {
    const CandidateRecord c = candidate_record(of, salt);
    good(candidates.put(c));
    good(evidence.put_modelled(modelled_time(c.id, ns)));
    if (!outcome.empty()) good(evidence.put_verdict(verdict_record(c.id, outcome)));
    return c.id;
  };
  const std::string device = "emulated NVIDIA H200";
  CHECK_FALSE(good(evidence.best_modelled(region.hash, device, 1)));
  add(region, "wrong", 1000, "mismatch");
  add(region, "unjudged", 1100, "");
  add(other, "elsewhere", 1200, "correct");
  const std::string fast = add(region, "fast", 2000, "correct");
  const std::string slow = add(region, "slow", 3000, "correct");
  auto best = good(evidence.best_modelled(region.hash, device, 1));
  REQUIRE(best);
  CHECK(best->candidate_id == fast);
  CHECK(best->time.modelled_ns == 2000);
  CHECK_FALSE(best->time.measured_ns);
  CHECK_FALSE(good(evidence.best_modelled(region.hash, device, 2)));
  CHECK_FALSE(good(evidence.best_modelled(region.hash, "NVIDIA H200", 1)));
  CHECK_FALSE(good(evidence.best_measured(region.hash, device, "span/graph/v1")));

  // A judgement that did not get to its end refutes nothing, and proves nothing.
  VerdictRecord late = verdict_record(fast, "timeout");
  late.key += "other cases";
  good(evidence.put_verdict(late));
  CHECK(good(evidence.best_modelled(region.hash, device, 1))->candidate_id == fast);
  add(region, "never judged to the end", 1500, "over_budget");
  CHECK(good(evidence.best_modelled(region.hash, device, 1))->candidate_id == fast);
  // A better harness finds the fast one wrong.
  good(evidence.put_verdict(verdict_record(fast, "race", 2)));
  CHECK(good(evidence.best_modelled(region.hash, device, 1))->candidate_id == slow);

  // Measured: the newest measurement of a candidate stands.
  const auto measure = [&](const std::string& id, double ns) {
    MeasuredTime m;
    m.key = {id, sha256("binary of " + id), device, "580", "span/graph/v1"};
    m.measured_ns = ns;
    good(evidence.put_measured(m));
  };
  const std::string third = add(region, "third", 9000, "correct");
  measure(slow, 500);
  measure(slow, 900);
  measure(third, 700);
  auto measured = good(evidence.best_measured(region.hash, device, "span/graph/v1"));
  REQUIRE(measured);
  CHECK(measured->candidate_id == third);
  CHECK(measured->time.measured_ns == 700);
  CHECK_FALSE(measured->time.modelled_ns);
}

TEST_CASE("a tree comes back in the order of trying", "[store]") {
  Store store = memory_store();
  Tree tree(store);
  const OperatorRecord op = operator_record("relu");
  const auto run = good(Runs(store).begin(op, identity_of(op), false)).run;
  const RegionRecord region = region_record("r");
  const CandidateRecord c = candidate_record(region, "a");
  good(Candidates(store).put_region(region));
  good(Candidates(store).put(c));
  NodeRecord root;
  root.run_id = run.id;
  root.region_hash = region.hash;
  root.step_key = "start";
  root.step_json = R"({"action":"start"})";
  root.id = node_id(region.hash, "", root.step_key);
  root.candidate_id = c.id;
  root.outcome = "correct";
  root.time.modelled_ns = 4000;
  NodeRecord refused = root;
  refused.step_key = "tile g0";
  refused.parent_id = root.id;
  refused.id = node_id(region.hash, root.id, refused.step_key);
  refused.ordinal = 2;
  refused.candidate_id = "";
  refused.outcome = "refused";
  refused.message = "needs a product";
  refused.time = {};
  NodeRecord vector = refused;
  vector.step_key = "vectorize g0";
  vector.id = node_id(region.hash, root.id, vector.step_key);
  vector.ordinal = 1;

  CHECK(tree.put(refused).error().code == ErrorCode::internal);  // no parent yet
  good(tree.put(root));
  good(tree.put(refused));
  good(tree.put(vector));
  vector.outcome = "correct";
  vector.candidate_id = c.id;
  vector.gain = 2;
  vector.time.modelled_ns = 2000;
  good(tree.put(vector));
  const auto nodes = good(tree.nodes(run.id));
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].id == root.id);
  CHECK(nodes[0].parent_id == "");
  CHECK(nodes[1].id == vector.id);
  CHECK(nodes[1].gain == 2);
  CHECK(nodes[1].time.modelled_ns == 2000);
  CHECK(nodes[2].message == "needs a product");
  CHECK(nodes[2].candidate_id == "");
  CHECK(good(tree.nodes("other")).empty());

  TransitionRecord t{run.id, vector.id, "policy", "vectorize", "sm_90a", "f32", "dram", "{}", 2, 0.69};
  good(tree.put_transition(t));
  CHECK(good(tree.transitions(run.id)).at(0).reward == 0.69);
  t.node_id = "nobody";
  CHECK_FALSE(tree.put_transition(t));
}

TEST_CASE("a sweep goes on task by task", "[store]") {
  Store store = memory_store();
  Sweeps sweeps(store);
  const SweepIdentity identity{"kernelbench", "d", R"({"level":1})", 0, "0.1.0"};
  const auto begun = good(sweeps.begin(identity, {"l1/1", "l1/2", "l1/10"}, false));
  CHECK_FALSE(begun.resumed);
  REQUIRE(begun.items.size() == 3);
  CHECK(begun.items[2].task_id == "l1/10");
  const OperatorRecord op = operator_record("relu");
  const auto run = good(Runs(store).begin(op, identity_of(op), false)).run;
  good(sweeps.set(begun.sweep.id, {"l1/1", ItemState::done, run.id, "correct", ""}));
  good(sweeps.set(begun.sweep.id, {"l1/2", ItemState::running, "", "", ""}));
  CHECK(sweeps.set(begun.sweep.id, {"l9/9", ItemState::done, "", "", ""}).error().code ==
        ErrorCode::internal);
  CHECK_FALSE(sweeps.finish(begun.sweep.id));

  const auto again = good(sweeps.begin(identity, {"l1/1", "l1/2", "l1/10"}, false));
  CHECK(again.resumed);
  CHECK(again.sweep.id == begun.sweep.id);
  CHECK(again.items[0].state == ItemState::done);
  CHECK(again.items[0].run_id == run.id);
  CHECK(again.items[1].state == ItemState::running);
  good(sweeps.set(begun.sweep.id, {"l1/2", ItemState::done, "", "unsupported", "cumsum"}));
  good(sweeps.set(begun.sweep.id, {"l1/10", ItemState::done, "", "timeout", ""}));
  good(sweeps.finish(begun.sweep.id));
  CHECK(good(sweeps.find(begun.sweep.id))->state == RunState::finished);
  // A task more: the sweep is running again, what is done stays done.
  const auto more = good(sweeps.begin(identity, {"l1/1", "l1/2", "l1/10", "l1/11"}, false));
  CHECK(more.sweep.state == RunState::running);
  CHECK(more.items[1].outcome == "unsupported");
  CHECK(more.items[3].state == ItemState::pending);
  CHECK(good(sweeps.begin(identity, {"l1/1"}, true)).sweep.id != begun.sweep.id);
}

TEST_CASE("priors come from finished runs before a moment, by action and bottleneck", "[store]") {
  Store store = memory_store();
  const auto run_with = [&](const std::string& key, std::vector<std::pair<std::string, double>> outcomes, bool finished) {
    Runs runs(store);
    const auto begun = good(runs.begin(operator_record("softmax"), {operator_record("softmax").hash, "d", key, 1, "0"}, true));
    good(Candidates(store).put_region({"r", "text"}));
    int i = 0;
    for (const auto& [outcome, gain] : outcomes) {
      NodeRecord node;
      node.run_id = begun.run.id;
      node.id = key + std::to_string(i);
      node.region_hash = "r";
      node.ordinal = i++;
      node.step_key = "tile g0";
      node.step_json = "{}";
      node.outcome = outcome;
      node.gain = gain;
      good(Tree(store).put(node));
      TransitionRecord t;
      t.run_id = begun.run.id;
      t.node_id = node.id;
      t.action = "tile";
      t.architecture = "sm_90a";
      t.dtype = "f32";
      t.bottleneck = "dram";
      t.risk = 0.5;
      t.staged_reward = -0.5;
      good(Tree(store).put_transition(t));
      CHECK(good(Tree(store).transitions(begun.run.id)).back().staged_reward == -0.5);
      CHECK(good(Tree(store).transitions(begun.run.id)).back().risk == 0.5);
    }
    if (finished) good(runs.finish(begun.run.id, [] { RunResult r; r.verdict = "correct"; return r; }()));
    return good(runs.find(begun.run.id))->finished_at_ms;
  };
  const auto first = run_with("a", {{"correct", 1.0}, {"correct", 2.0}, {"mismatch", 0}, {"correct", 3.0}}, true);
  run_with("b", {{"correct", 9.0}}, false);
  const auto second = run_with("c", {{"compile_error", 0}}, true);
  Tree tree(store);
  CHECK(good(tree.priors("sm_90a", "f32", first - 1)).empty());
  const auto priors = good(tree.priors("sm_90a", "f32", first));
  REQUIRE(priors.size() == 1);
  CHECK(priors[0].action == "tile");
  CHECK(priors[0].bottleneck == "dram");
  CHECK(priors[0].tried == 4);
  CHECK(priors[0].correct == 3);
  CHECK(priors[0].middle == 2);
  CHECK(priors[0].failures.at("mismatch") == 1);
  CHECK(good(tree.priors("sm_90a", "f32", second))[0].tried == 5);
  CHECK(good(tree.priors("sm_80", "f32", second)).empty());
  CHECK(good(tree.priors("sm_90a", "f16", second)).empty());
}

TEST_CASE("exchanges, trials and bounds", "[store]") {
  Store store = memory_store();
  Exchanges exchanges(store);
  ExchangeRecord e;
  e.request_hash = "h";
  e.endpoint = "https://example.org/v1";
  e.role = "planner";
  e.answer = "tile";
  e.completion_tokens = 5;
  good(exchanges.put(e));
  ExchangeRecord second = e;
  second.answer = "another answer";
  good(exchanges.put(second));
  CHECK(good(exchanges.find("h", e.endpoint, 0))->answer == "tile");
  CHECK_FALSE(good(exchanges.find("h", e.endpoint, 0))->price_usd);
  CHECK_FALSE(good(exchanges.find("h", e.endpoint, 1)));
  CHECK_FALSE(good(exchanges.find("h", "elsewhere", 0)));
  CHECK(good(exchanges.of_run("r")).empty());
  CHECK(good(exchanges.next_sample("h", e.endpoint)) == 1);
  CHECK(good(exchanges.next_sample("h", "elsewhere")) == 0);

  const auto begun = good(Runs(store).begin(operator_record("softmax"), {operator_record("softmax").hash, "d", "{}", 1, "0"}, false));
  second.sample = 1;
  second.problem = "the stream was cut";
  second.cached_tokens = 3;
  second.tokens_estimated = true;
  second.charged = false;
  good(exchanges.put_for(begun.run.id, 0, second));
  good(exchanges.put_for(begun.run.id, 1, e));
  const auto taken = good(exchanges.of_run(begun.run.id));
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].answer == "another answer");
  CHECK(taken[0].problem == "the stream was cut");
  CHECK(taken[0].cached_tokens == 3);
  CHECK(taken[0].tokens_estimated);
  CHECK_FALSE(taken[0].charged);
  CHECK(taken[1].charged);

  good(exchanges.put_translation({"row softmax", "y = softmax(x); x: f32[4]", "m", 0}));
  REQUIRE(good(exchanges.translations("row softmax")).size() == 1);
  CHECK(good(exchanges.translations("row softmax"))[0].line == "y = softmax(x); x: f32[4]");

  Tuning tuning(store);
  TrialRecord trial{"family", "d", "modelled/v1", R"({"T":8})", "compile_error", {}, ""};
  good(tuning.put_trial(trial));
  trial.outcome = "correct";
  trial.time.modelled_ns = 10;
  good(tuning.put_trial(trial));
  trial.configuration_json = R"({"T":16})";
  good(tuning.put_trial(trial));
  const auto trials = good(tuning.trials("family", "d", "modelled/v1"));
  REQUIRE(trials.size() == 2);
  CHECK(trials[1].outcome == "correct");
  CHECK(trials[1].time.modelled_ns == 10);
  CHECK(good(tuning.trials("family", "d", "span/v1")).empty());

  good(Candidates(store).put_region({"r", "text"}));
  good(tuning.put_bound({"r", "d", 1, 100, 4096, 64}));
  CHECK(good(tuning.bound("r", "d", 1))->bound_ns == 100);
  CHECK_FALSE(good(tuning.bound("r", "d", 2)));
}

}  // namespace
}  // namespace mtmc::store
