#include "store/transfer.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "store/baselines.hpp"
#include "store/store_fixture.hpp"

namespace mtmc::store {
namespace {

BaselineRecord baseline(const std::string& mode, double ns) {
  BaselineRecord b;
  b.task_id = "level1/1";
  b.operator_json = "{}";
  b.device = "d";
  b.framework = "torch 2";
  b.mode = mode;
  b.precision_json = "{}";
  b.protocol = "span/stream/cupti/v1";
  b.measured_ns = ns;
  b.samples_ns = {ns, ns + 0.25};
  return b;
}

// A store with a candidate below another one, its verdict, a measured time and a baseline.
void fill(Store& store) {
  const auto region = region_record("r");
  good(Candidates(store).put_region(region));
  auto parent = candidate_record(region, "parent"), child = candidate_record(region, "child");
  good(Candidates(store).put(parent));
  child.parent_id = parent.id;
  good(Candidates(store).put(child));
  MeasuredTime time;
  time.key = {child.id, "binary", "d", "driver", "span"};
  time.measured_ns = 5;
  time.samples_ns = {4, 5, 6.5};
  good(Evidence(store).put_measured(time));
  good(Baselines(store).put(baseline("eager", 100)));
}

TEST_CASE("baselines: the newest of each mode", "[baselines]") {
  TemporaryFolder folder;
  Store store = good(Store::open(folder.file("a.db")));
  good(Baselines(store).put(baseline("eager", 100)));
  good(Baselines(store).put(baseline("eager", 90)));
  good(Baselines(store).put(baseline("compile", 50)));
  const auto found = good(Baselines(store).newest("level1/1", "d"));
  REQUIRE(found.size() == 2);
  CHECK(found[0].mode == "eager");
  CHECK(found[0].measured_ns == 90);
  CHECK(found[0].samples_ns == std::vector<double>{90, 90.25});
  CHECK(found[1].measured_ns == 50);
  CHECK_FALSE(found[0].busy_ns);
  CHECK(good(Baselines(store).newest("level1/2", "d")).empty());
  CHECK_FALSE(Baselines(store).put(baseline("eager", NAN)));
  CHECK_FALSE(Baselines(store).put(baseline("lazy", 1)));
}

TEST_CASE("evidence of one database merges into another, once", "[transfer]") {
  TemporaryFolder folder;
  Store from = good(Store::open(folder.file("from.db"))),
        to = good(Store::open(folder.file("to.db")));
  fill(from);
  // As it travels: text.
  const auto evidence = nlohmann::json::parse(good(export_evidence(from)).dump());
  const auto merged = good(merge_evidence(to, evidence));
  CHECK(merged.rows == 5);
  CHECK(merged.added == 5);
  CHECK(good(merge_evidence(to, evidence)).added == 0);
  CHECK(good(export_evidence(to)) == good(export_evidence(from)));
  const auto baselines = good(Baselines(to).newest("level1/1", "d"));
  REQUIRE(baselines.size() == 1);
  CHECK(baselines[0].samples_ns == std::vector<double>{100, 100.25});
  good(to.check_integrity());
}

TEST_CASE("what is no evidence is refused, and nothing of it is kept", "[transfer]") {
  TemporaryFolder folder;
  Store from = good(Store::open(folder.file("from.db"))),
        to = good(Store::open(folder.file("to.db")));
  fill(from);
  const auto evidence = good(export_evidence(from));
  const auto refuses = [&](const nlohmann::json& form, const std::string& says) {
    const auto result = merge_evidence(to, form);
    REQUIRE_FALSE(result);
    INFO(result.error().message);
    CHECK(result.error().code == ErrorCode::bad_input);
    CHECK(result.error().message.find(says) != std::string::npos);
    CHECK(good(export_evidence(to))["tables"]["regions"]["rows"].empty());
  };
  refuses(nlohmann::json::array(), "no evidence");
  refuses({{"format", "mtmc evidence"}}, "no evidence");
  auto bad = evidence;
  bad["schema"] = 1000;
  refuses(bad, "newer");
  bad = evidence;
  bad["tables"]["baselines"]["columns"][1] = "id) SELECT 1; DROP TABLE runs; --";
  refuses(bad, "no column");
  bad = evidence;
  bad["tables"]["baselines"]["rows"][0].push_back(1);
  refuses(bad, "number of values");
  bad = evidence;
  bad["tables"]["verdicts"] = 7;
  refuses(bad, "another form");
  bad = evidence;
  bad["tables"]["candidates"]["rows"].erase(
      bad["tables"]["candidates"]["rows"].begin());  // times and children without it
  const auto orphaned = merge_evidence(to, bad);
  CHECK_FALSE(orphaned);
  CHECK(good(export_evidence(to))["tables"]["regions"]["rows"].empty());
}

}  // namespace
}  // namespace mtmc::store
