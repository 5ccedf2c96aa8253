// The GPU check's engine with stages that are scripted, and its pure parts. The whole of it,
// through the fake driver, is in tests/cli/gpu_check_test.cpp.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "device/device.hpp"
#include "search/gpu_check/agreement.hpp"
#include "search/gpu_check/operators.hpp"
#include "search/gpu_check/stages.hpp"
#include "store/baselines.hpp"

using namespace mtmc;
using namespace mtmc::search;
using nlohmann::json;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/mtmc-check-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

const json kSubject = {{"device", "NVIDIA H200"}, {"tool", "0"}};

Journal open(const Folder& folder) {
  auto journal = Journal::open(folder.file("j"), kSubject);
  INFO((journal ? "" : journal.error().message));
  REQUIRE(journal);
  return std::move(*journal);
}

// Items named 0, 1, ...; each takes `cost` minutes of the clock that the test reads.
class Scripted : public Stage {
 public:
  Scripted(std::string name, int count, double cost, double weight, double& clock)
      : name_(std::move(name)), count_(count), cost_(cost), weight_(weight), clock_(clock) {}
  std::string name() const override { return name_; }
  std::string about() const override { return "scripted"; }
  double weight() const override { return weight_; }
  double minutes() const override { return count_ * cost_; }
  Result<std::vector<std::string>> items() override {
    if (!lacks.empty()) return unavailable(lacks);
    std::vector<std::string> all;
    for (int i = 0; i < count_; ++i) all.push_back(std::to_string(i));
    return all;
  }
  Result<json> run(const std::string& item) override {
    clock_ += cost_;
    ran.push_back(item);
    if (item == vanishes_at) return unavailable("the device vanished");
    if (item == fails_at) return internal_error("it broke");
    return json{{"item", item}};
  }
  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    return {{"count", done.size()}};
  }

  std::string lacks, vanishes_at, fails_at;
  std::vector<std::string> ran;

 private:
  std::string name_;
  int count_;
  double cost_, weight_;
  double& clock_;
};

struct Bed {
  double clock = 100;
  Stages stages;
  Scripted& add(const std::string& name, int count, double cost, double weight) {
    stages.push_back(std::make_unique<Scripted>(name, count, cost, weight, clock));
    return static_cast<Scripted&>(*stages.back());
  }
  CheckReport run(Journal& journal, double minutes) {
    auto report = run_check(
        stages, journal, minutes, [&] { return clock; },
        [&](const std::string& line) { said.push_back(line); });
    INFO((report ? "" : report.error().message));
    REQUIRE(report);
    return *report;
  }
  std::vector<std::string> said;
};

}  // namespace

TEST_CASE("a check stops at its minutes and the next call does the rest, nothing twice") {
  const Folder folder;
  {
    Bed bed;
    auto& a = bed.add("a", 6, 1, 1);
    auto& b = bed.add("b", 6, 1, 1);
    Journal journal = open(folder);
    const auto report = bed.run(journal, 6);
    CHECK(a.ran.size() == 3);  // half of the minutes each
    CHECK(b.ran.size() == 3);
    CHECK_FALSE(report.complete);
    CHECK_FALSE(report.lacking());
    CHECK(report.minutes == Approx(6));
  }
  Bed bed;
  auto& a = bed.add("a", 6, 1, 1);
  auto& b = bed.add("b", 6, 1, 1);
  Journal journal = open(folder);
  const auto report = bed.run(journal, 100);
  CHECK(a.ran == std::vector<std::string>{"3", "4", "5"});
  CHECK(b.ran == std::vector<std::string>{"3", "4", "5"});
  CHECK(report.complete);
  CHECK(report.stages[0].summary["count"] == 6);
  CHECK(to_json(report)["stages"][1]["done"] == 6);
}

TEST_CASE("minutes that a stage leaves go to those that want more") {
  const Folder folder;
  Bed bed;
  auto& quick = bed.add("quick", 1, 1, 1);
  auto& slow = bed.add("slow", 20, 1, 1);
  bed.add("nothing", 0, 1, 2);
  Journal journal = open(folder);
  bed.run(journal, 12);
  CHECK(quick.ran.size() == 1);
  CHECK(slow.ran.size() == 11);  // its share first, the rest when all had their turn
}

TEST_CASE("a stage that lacks something says so in one line, and the others go on") {
  const Folder folder;
  Bed bed;
  auto& absent = bed.add("absent", 3, 1, 1);
  absent.lacks = "no PyTorch: install it";
  auto& vanishing = bed.add("vanishing", 3, 1, 1);
  vanishing.vanishes_at = "1";
  auto& failing = bed.add("failing", 3, 1, 1);
  failing.fails_at = "1";
  Journal journal = open(folder);
  const auto report = bed.run(journal, 100);
  CHECK(report.lacking());
  CHECK_FALSE(report.complete);
  CHECK(report.stages[0].missing == "no PyTorch: install it");
  CHECK(report.stages[1].missing == "the device vanished");
  CHECK(report.stages[1].done == 1);
  CHECK(vanishing.ran.size() == 2);   // not tried again in this call
  CHECK(report.stages[2].done == 3);  // a failure is an outcome, and is kept
  CHECK(report.stages[2].failed == 1);
  CHECK(journal.results("failing")[1].second["failed"] == "it broke");
  CHECK_FALSE(journal.has("vanishing", "1"));  // the next call tries it again
}

TEST_CASE("a journal's last line that was cut short is done again; another device's is refused") {
  const Folder folder;
  {
    Journal journal = open(folder);
    REQUIRE(journal.add("a", "0", 1));
    REQUIRE(journal.add("a", "1", 2));
  }
  const auto size = std::filesystem::file_size(folder.file("j"));
  std::filesystem::resize_file(folder.file("j"), size - 3);
  {
    Journal journal = open(folder);
    CHECK(journal.has("a", "0"));
    CHECK_FALSE(journal.has("a", "1"));
    REQUIRE(journal.add("a", "1", 3));
  }
  CHECK(open(folder).results("a").back().second == 3);
  auto other = Journal::open(folder.file("j"), {{"device", "Tesla T4"}});
  REQUIRE_FALSE(other);
  CHECK(other.error().code == ErrorCode::bad_input);
  CHECK_THAT(other.error().message, Catch::Contains("H200") && Catch::Contains("--out"));
  auto nowhere = Journal::open(folder.file("none/j"), kSubject);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == ErrorCode::unavailable);
}

TEST_CASE("the plan's shares are within the minutes") {
  CheckContext context;
  const Stages stages = all_stages(context);
  for (const double minutes : {1.0, 10.0, 500.0}) {
    double given = 0;
    const auto plan = plan_json(stages, minutes);
    for (const auto& s : plan["stages"]) {
      given += s["minutes"].get<double>();
      CHECK(s["minutes"] <= s["whole_minutes"]);
    }
    CHECK(given <= minutes + 1e-9);
  }
  CHECK_THAT(plan_text(stages, 10),
             Catch::Contains("baselines") && Catch::Contains("10 minutes in this call"));
}

TEST_CASE("agreement: rank within an operator, regret of the model's choice, size of the error") {
  std::vector<OperatorPairs> operators = {
      {"good", {{"a", 10, 20}, {"b", 20, 40}, {"c", 30, 60}}},
      {"bad", {{"a", 30, 20}, {"b", 20, 40}, {"c", 10, 60}}},
      {"pair", {{"a", 1, 1}, {"b", 2, 1}}},
      {"none", {}},
  };
  const json r = agreement(operators);
  CHECK(r["candidates"] == 8);
  CHECK(r["operators"] == 3);
  CHECK(r["median_spearman"].get<double>() == Approx(0));
  CHECK(r["worst_spearman"].get<double>() == Approx(-1));
  CHECK(r["worst_top1_regret"].get<double>() == Approx(2));  // c is chosen: 60 against 20
  CHECK(r["modelled_over_measured_p50"].get<double>() == Approx(0.5));
  CHECK(agreement({})["candidates"] == 0);
}

TEST_CASE("the check's operators are regions with candidates; the cost model gets more than 200") {
  const auto facts = device::find_device("emulated NVIDIA H200")->facts;
  std::set<std::string> names;
  for (const auto& o : correctness_operators()) {
    INFO(o.line);
    auto op = op::parse_operator(o.line);
    INFO((op ? "" : op.error().message));
    REQUIRE(op);
    CHECK(names.insert(o.name).second);
    auto task = check_task(*op, facts, 1, 1);
    INFO((task ? "" : task.error().message));
    REQUIRE(task);
    CHECK(task->candidates.size() >= 1);
  }
  std::size_t all = 0;
  for (const auto& o : cost_operators()) {
    INFO(o.line);
    auto op = op::parse_operator(o.line);
    REQUIRE(op);
    auto task = check_task(*op, facts, 3, 4);
    REQUIRE(task);
    std::set<std::string> ids;
    for (const auto& c : task->candidates) ids.insert(kernel::candidate_id(c));
    CHECK(ids.size() == task->candidates.size());
    all += std::min<std::size_t>(24, ids.size());
  }
  CHECK(all >= 200);
}

TEST_CASE("baselines take 40 tasks spread over the suite first, the same ones always") {
  std::vector<Task> tasks(100);
  for (int i = 0; i < 100; ++i) tasks[static_cast<std::size_t>(i)].number = i + 1;
  const auto order = baseline_order(tasks);
  REQUIRE(order.size() == 100);
  std::set<int> first, all;
  for (std::size_t i = 0; i < 100; ++i) {
    all.insert(order[i]->number);
    if (i < 40) first.insert(order[i]->number);
  }
  CHECK(all.size() == 100);
  for (int decade = 0; decade < 10; ++decade) {
    const auto in =
        std::count_if(first.begin(), first.end(), [&](int n) { return (n - 1) / 10 == decade; });
    CHECK(in == 4);
  }
  CHECK(baseline_order(tasks) == order);
  CHECK(baseline_order({}).empty());
}

namespace {

// The fake oracle (tests/harness/fake_oracle) in a mood.
struct FakeOracle {
  explicit FakeOracle(const std::string& mood) {
    std::filesystem::copy_file(MTMC_SOURCE_DIR "/tests/harness/fake_oracle/__main__.py",
                               folder.file("__main__.py"));
    std::ofstream(folder.file("mood")) << mood;
    setenv("PYTHONPATH", MTMC_SOURCE_DIR "/kernelbench/oracle", 1);
  }
  ~FakeOracle() { unsetenv("PYTHONPATH"); }
  Folder folder;
};

Task task(int number, const std::string& op) {
  Task t;
  t.number = number;
  t.id = "level1/" + std::to_string(number);
  t.operators = {op};
  t.official = R"({"dims": [], "inputs": [], "nodes": [{"op": ")" + op + R"("}], "outputs": []})";
  return t;
}

}  // namespace

TEST_CASE(
    "baselines and TF32: asked of the oracle, stored, summed up; what one task cannot is its own "
    "failure") {
  const FakeOracle oracle("right");
  auto store = store::Store::open(":memory:");
  REQUIRE(store);
  Bench bench(*store, {"", "", "NVIDIA H200", 1}, {}, "emulated NVIDIA H200");
  CheckContext context;
  context.bench = &bench;
  context.oracle_settings = {oracle.folder.path, ""};
  context.tasks = {task(1, "matmul"), task(50, "conv2d"), task(23, "softmax")};
  Bed bed;
  bed.stages.push_back(make_baseline_stage(context));
  bed.stages.push_back(make_tf32_stage(context));
  const Folder folder;
  Journal journal = open(folder);
  const auto report = bed.run(journal, 100);
  CHECK(report.complete);
  CHECK(report.stages[0].done == 3);
  CHECK(report.stages[0].failed == 1);
  CHECK_THAT(journal.results("baselines")[2].second["failed"].get<std::string>(),
             Catch::Contains("out of memory"));
  CHECK(report.stages[0].summary["median_compile_over_eager_time"] == 0.5);
  CHECK(report.stages[1].total == 1);
  CHECK(report.stages[1].summary["with_elements_beyond_1e-4"] == 1);

  auto product = store::Baselines(*store).newest("level1/1", "NVIDIA H200");
  REQUIRE(product);
  REQUIRE(product->size() == 2);
  CHECK((*product)[0].mode == "eager");
  CHECK((*product)[0].measured_ns == 2000);
  CHECK((*product)[0].samples_ns.size() == 3);
  CHECK_THAT((*product)[0].framework,
             Catch::Contains("torch none") && Catch::Contains("CUDA 13.0"));
  CHECK(json::parse((*product)[0].precision_json)["cudnn_tf32"] == false);
  auto convolution = store::Baselines(*store).newest("level1/50", "NVIDIA H200");
  REQUIRE(convolution);
  CHECK(convolution->size() == 3);  // eager also as PyTorch runs it unasked
}

TEST_CASE("a PyTorch without a GPU, or none, is what the stages lack") {
  for (const auto& [mood, says] :
       {std::pair<std::string, std::string>{"cpu", "has no GPU"}, {"absent", "no PyTorch"}}) {
    const FakeOracle oracle(mood);
    CheckContext context;
    context.oracle_settings = {oracle.folder.path, ""};
    auto items = make_baseline_stage(context)->items();
    REQUIRE_FALSE(items);
    CHECK(items.error().code == ErrorCode::unavailable);
    CHECK_THAT(items.error().message, Catch::Contains(says));
  }
}

TEST_CASE("the twin is the GPU's own entry, or one of its architecture") {
  CHECK(twin_of("NVIDIA H200", "sm_90a") == "emulated NVIDIA H200");
  CHECK(twin_of("NVIDIA H100 80GB HBM3", "sm_90a") == "emulated NVIDIA H100 80GB HBM3");
  CHECK(twin_of("NVIDIA A100-PCIE-40GB", "sm_80") == "emulated NVIDIA A100-SXM4-80GB");
  CHECK(twin_of("NVIDIA Unheard Of", "sm_200").rfind("emulated ", 0) == 0);
}
