#include "store/queries.hpp"

#include "store_fixture.hpp"

namespace mtmc::store {
namespace {

// A finished run with one candidate; returns the run's id.
std::string finished_run(Store& store, const std::string& name, double best_ns, std::uint64_t seed = 0,
                         const std::string& device = "emulated NVIDIA H200",
                         std::int64_t cost_model = 1) {
  const OperatorRecord op = operator_record(name);
  const auto run = good(Runs(store).begin(op, identity_of(op, seed, device), true)).run;
  const RegionRecord region = region_record(name + " region");
  good(Candidates(store).put_region(region));
  const CandidateRecord c = candidate_record(region, name + std::to_string(best_ns));
  good(Candidates(store).put(c));
  RunResult result = correct_result(c.id, region.hash, 100e3, best_ns, 5e3);
  result.cost_model_version = cost_model;
  good(Runs(store).finish(run.id, result));
  return run.id;
}

std::vector<std::string> ids(const std::vector<RunRow>& rows) {
  std::vector<std::string> list;
  for (const auto& row : rows) list.push_back(row.run.id);
  return list;
}

using Ids = std::vector<std::string>;

TEST_CASE("list is newest first and filters", "[store]") {
  Store store = memory_store();
  Queries queries(store);
  const std::string a = finished_run(store, "max", 10e3);
  const std::string b = finished_run(store, "softmax", 20e3);
  const std::string c = finished_run(store, "softmax", 30e3, 1, "NVIDIA A100");
  const OperatorRecord op = operator_record("relu");
  const std::string d = good(Runs(store).begin(op, identity_of(op), false)).run.id;
  CHECK(ids(good(queries.list({}))) == Ids{d, c, b, a});
  CHECK(ids(good(queries.list({"", "", "", 2}))) == Ids{d, c});
  CHECK(ids(good(queries.list({"max"}))) == Ids{a});  // a whole word: not softmax
  CHECK(ids(good(queries.list({"SoftMax"}))) == Ids{c, b});
  CHECK(ids(good(queries.list({"max(x)"}))) == Ids{c, b, a});
  CHECK(ids(good(queries.list({"", "h200"}))) == Ids{d, b, a});
  CHECK(ids(good(queries.list({"softmax", "a100"}))) == Ids{c});
  CHECK(ids(good(queries.list({"", "", "correct"}))) == Ids{c, b, a});
  CHECK(ids(good(queries.list({"", "", "running"}))) == Ids{d});
  CHECK(ids(good(queries.list({"x' OR '1'='1"}))).empty());
  CHECK(good(queries.list({"max"})).at(0).operator_line == "y = max(x); x: f32[M]; M=64");
  CHECK(queries.list({"", "", "", 0}).error().code == ErrorCode::bad_input);
}

TEST_CASE("best is one correct run per operator and device, by each kind of time", "[store]") {
  Store store = memory_store();
  Queries queries(store);
  const std::string slow = finished_run(store, "softmax", 20e3, 0);
  const std::string fast = finished_run(store, "softmax", 15e3, 1);
  const std::string elsewhere = finished_run(store, "softmax", 1e3, 2, "emulated NVIDIA A100");
  const std::string gelu = finished_run(store, "gelu", 9e3);
  auto best = good(queries.best({}));
  CHECK(best.measured.empty());
  CHECK(ids(best.modelled) == Ids{gelu, elsewhere, fast});
  CHECK(ids(good(queries.best({"softmax", "h200"})).modelled) == Ids{fast});
  CHECK(good(queries.best({"", "", "", 1})).modelled.size() == 1);

  // A measured run joins the other list only, although its number is smaller.
  const OperatorRecord op = operator_record("softmax");
  const auto run = good(Runs(store).begin(op, identity_of(op, 9), true)).run;
  RunResult result;
  result.verdict = "correct";
  result.best.measured_ns = 10;
  good(Runs(store).finish(run.id, result));
  best = good(queries.best({"softmax", "h200"}));
  CHECK(ids(best.modelled) == Ids{fast});
  CHECK(ids(best.measured) == Ids{run.id});

  // A newer verdict refutes the fast one's candidate.
  const std::string candidate = best.modelled[0].run.result->candidate_id;
  good(Evidence(store).put_verdict(verdict_record(candidate, "correct", 1)));
  CHECK(ids(good(queries.best({"softmax", "h200"})).modelled) == Ids{fast});
  VerdictRecord late = verdict_record(candidate, "timeout", 1);
  late.key += "other cases";
  good(Evidence(store).put_verdict(late));
  CHECK(ids(good(queries.best({"softmax", "h200"})).modelled) == Ids{fast});
  good(Evidence(store).put_verdict(verdict_record(candidate, "mismatch", 2)));
  CHECK(ids(good(queries.best({"softmax", "h200"})).modelled) == Ids{slow});

  // Times of an older cost model do not compete with those of a newer one.
  const std::string newer = finished_run(store, "softmax", 50e3, 3, "emulated NVIDIA H200", 2);
  CHECK(ids(good(queries.best({"softmax", "h200"})).modelled) == Ids{newer});

  // A run without a correct candidate is nobody's best.
  const OperatorRecord bad = operator_record("cumsum");
  const auto failed = good(Runs(store).begin(bad, identity_of(bad), true)).run;
  result.verdict = "mismatch";
  good(Runs(store).finish(failed.id, result));
  CHECK(good(queries.best({"cumsum"})).measured.empty());
}

TEST_CASE("ids are found by a prefix of six digits or more", "[store]") {
  Store store = memory_store();
  Queries queries(store);
  const RegionRecord region = region_record("r");
  good(Candidates(store).put_region(region));
  CandidateRecord c = candidate_record(region, "x");
  for (const char* id : {"abcdef0011", "abcdef0022", "abcdef1133", "0123456789"}) {
    c.id = id;
    good(Candidates(store).put(c));
  }
  const std::string run = finished_run(store, "gelu", 1e3);
  CHECK(good(queries.find("abcdef1")).id == "abcdef1133");
  CHECK(good(queries.find("ABCDEF1")).kind == IdKind::candidate);
  CHECK(good(queries.find("abcdef0011")).id == "abcdef0011");
  CHECK(good(queries.find("012345")).id == "0123456789");
  CHECK(good(queries.find(run)).kind == IdKind::run);
  const auto sweep = good(Sweeps(store).begin({"s", "d", "{}", 0, "0"}, {"a"}, false)).sweep;
  CHECK(good(queries.find(sweep.id.substr(0, 12))).kind == IdKind::sweep);

  const auto ambiguous = queries.find("abcdef");
  REQUIRE_FALSE(ambiguous);
  CHECK(ambiguous.error().code == ErrorCode::bad_input);
  CHECK(ambiguous.error().message ==
        "abcdef is ambiguous: give more digits of one of candidate abcdef0011, candidate abcdef0022, "
        "candidate abcdef1133");
  for (const char* bad : {"abcde", "", "abcdeg", "abc%ef", "abcdef'--"}) {
    INFO(bad);
    REQUIRE_FALSE(queries.find(bad));
    CHECK(queries.find(bad).error().code == ErrorCode::bad_input);
    CHECK_THAT(queries.find(bad).error().message, Catch::Contains("6 or more"));
  }
  CHECK_THAT(queries.find("ffffffff00").error().message, Catch::Contains("no run, candidate or sweep"));
  for (int i = 0; i < 20; ++i) {
    c.id = "777777" + std::to_string(100 + i);
    good(Candidates(store).put(c));
  }
  CHECK_THAT(queries.find("777777").error().message, Catch::EndsWith("candidate 777777107, ..."));
}

TEST_CASE("views hold what belongs to an id", "[store]") {
  Store store = memory_store();
  Queries queries(store);
  const std::string run = finished_run(store, "gelu", 1e3);
  const RunView view = good(queries.run(run));
  CHECK(view.op.line == "y = gelu(x); x: f32[M]; M=64");
  REQUIRE(view.regions.size() == 1);
  CHECK(view.regions[0].text == "gelu region");
  CHECK(queries.run("none").error().code == ErrorCode::bad_input);

  const RegionRecord region = view.regions[0];
  CandidateRecord parent = candidate_record(region, "p");
  CandidateRecord child = candidate_record(region, "c", parent.id);
  CandidateRecord leaf = candidate_record(region, "l", child.id);
  for (const auto& c : {parent, child, leaf}) good(Candidates(store).put(c));
  good(Evidence(store).put_verdict(verdict_record(leaf.id, "correct", 1)));
  good(Evidence(store).put_verdict(verdict_record(leaf.id, "mismatch", 2)));
  const CandidateView candidate = good(queries.candidate(leaf.id));
  REQUIRE(candidate.lineage.size() == 3);
  CHECK(candidate.lineage[0].id == parent.id);
  CHECK(candidate.lineage[2].id == leaf.id);
  CHECK(candidate.region.hash == region.hash);
  REQUIRE(candidate.verdicts.size() == 2);
  CHECK(candidate.verdicts[0].outcome == "mismatch");  // newest first
  CHECK(queries.candidate("none").error().code == ErrorCode::bad_input);

  const auto sweep = good(Sweeps(store).begin({"s", "d", "{}", 0, "0"}, {"a", "b"}, false)).sweep;
  good(Sweeps(store).set(sweep.id, {"b", ItemState::done, run, "correct", ""}));
  const SweepView rows = good(queries.sweep(sweep.id));
  REQUIRE(rows.rows.size() == 2);
  CHECK_FALSE(rows.rows[0].run);
  REQUIRE(rows.rows[1].run);
  CHECK(rows.rows[1].run->operator_line == view.op.line);
  CHECK(queries.sweep("none").error().code == ErrorCode::bad_input);
}

}  // namespace
}  // namespace mtmc::store
