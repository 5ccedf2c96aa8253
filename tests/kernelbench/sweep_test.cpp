// The sweep's loop with a task runner that is told what to answer: what is redone, what ends a
// sweep, what is kept.
#include <catch2/catch.hpp>

#include <map>

#include "base/hash.hpp"
#include "kernelbench/sweep_fixture.hpp"
#include "store/runs.hpp"

namespace mtmc::search {
namespace {

struct Killed {};  // thrown where a real sweep would be killed

struct Fake {
  std::map<std::string, Result<TaskResult>> answers;
  std::string killed_at;
  std::vector<std::string> asked;

  Result<TaskResult> operator()(const Task& task) {
    asked.push_back(task.id);
    if (task.id == killed_at) throw Killed{};
    const auto it = answers.find(task.id);
    return it == answers.end() ? Result<TaskResult>(correct_result(400, 100, 50)) : it->second;
  }
};

struct Log : SweepWatcher {
  std::vector<std::string> lines;
  void begins(std::size_t done, std::size_t total, const Task& task) override {
    lines.push_back("begins " + task.id + " " + std::to_string(done) + "/" + std::to_string(total));
  }
  void ends(const TaskRow& row) override {
    lines.push_back("ends " + row.id + " " + row.result.outcome + (row.known ? " known" : ""));
  }
};

const std::vector<Task> kTasks = {fake_task(1, "a"), fake_task(2, "b"), fake_task(3, "c")};
const store::SweepIdentity kIdentity = {"kernelbench", "emulated NVIDIA H200", "{}", 1, "0.1.0"};

store::Store memory_store() {
  auto store = store::Store::open(":memory:");
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

Result<SweepReport> go(store::Store& store, Fake& fake, const std::vector<Task>& tasks = kTasks,
                       bool fresh = false) {
  fake.asked.clear();
  Log log;
  return sweep(
      tasks, kIdentity, fresh, store, [&](const Task& task) { return fake(task); }, log);
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("a sweep runs every task once, in order") {
  auto store = memory_store();
  Fake fake;
  Log log;
  fake.answers.emplace("level1/2", other_result("mismatch", "y[3] is off"));
  auto report = sweep(
      kTasks, kIdentity, false, store, [&](const Task& task) { return fake(task); }, log);
  REQUIRE(report);
  CHECK(fake.asked == Ids{"level1/1", "level1/2", "level1/3"});
  CHECK_FALSE(report->resumed);
  REQUIRE(report->rows.size() == 3);
  CHECK(report->rows[1].result.outcome == "mismatch");
  CHECK(report->rows[1].result.message == "y[3] is off");
  CHECK(log.lines == Ids{"begins level1/1 0/3", "ends level1/1 correct", "begins level1/2 1/3",
                         "ends level1/2 mismatch", "begins level1/3 2/3", "ends level1/3 correct"});
  auto found = store::Sweeps(store).find(report->sweep_id);
  REQUIRE(found);
  CHECK((*found)->state == store::RunState::finished);
}

TEST_CASE("a killed sweep goes on with the task that it was killed in") {
  auto store = memory_store();
  Fake fake;
  fake.killed_at = "level1/2";
  CHECK_THROWS_AS(go(store, fake), Killed);
  fake.killed_at.clear();
  auto report = go(store, fake);
  REQUIRE(report);
  CHECK(report->resumed);
  CHECK(fake.asked == Ids{"level1/2", "level1/3"});
  CHECK(report->rows[0].known);
  CHECK_FALSE(report->rows[1].known);

  SECTION("and a finished one runs nothing") {
    auto again = go(store, fake);
    REQUIRE(again);
    CHECK(fake.asked.empty());
    CHECK(again->sweep_id == report->sweep_id);
    for (const auto& row : again->rows) CHECK((row.known && row.result.outcome == "correct"));
  }
  SECTION("unless it is to start anew") {
    auto again = go(store, fake, kTasks, true);
    REQUIRE(again);
    CHECK(fake.asked.size() == 3);
    CHECK(again->sweep_id != report->sweep_id);
  }
}

TEST_CASE("what is unavailable ends a sweep and keeps what is done") {
  auto store = memory_store();
  Fake fake;
  fake.answers.emplace("level1/2", unavailable("no NVRTC: install it"));
  auto report = go(store, fake);
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::unavailable);
  CHECK(report.error().message == "task level1/2: no NVRTC: install it");
  CHECK(fake.asked == Ids{"level1/1", "level1/2"});
  fake.answers.clear();
  report = go(store, fake);
  REQUIRE(report);
  CHECK(fake.asked == Ids{"level1/2", "level1/3"});
}

TEST_CASE("a task that fails does not end a sweep") {
  auto store = memory_store();
  Fake fake;
  fake.answers.emplace("level1/1", internal_error("a row refers to nothing"));
  fake.answers.emplace("level1/2", bad_input("too large"));
  auto report = go(store, fake);
  REQUIRE(report);
  CHECK(report->rows[0].result.outcome == "failed");
  CHECK(report->rows[0].result.message == "a row refers to nothing");
  CHECK(report->rows[1].result.outcome == "failed");
  CHECK(report->rows[2].result.correct());
}

TEST_CASE("tasks join a sweep later; part of a sweep leaves it unfinished") {
  auto store = memory_store();
  Fake fake;
  auto first = go(store, fake, {kTasks[0]});
  REQUIRE(first);
  fake.killed_at = "level1/3";
  CHECK_THROWS_AS(go(store, fake), Killed);
  CHECK(fake.asked == Ids{"level1/2", "level1/3"});
  auto part = go(store, fake, {kTasks[1]});
  REQUIRE(part);
  CHECK(fake.asked.empty());
  CHECK(part->rows.size() == 1);
  CHECK((*store::Sweeps(store).find(part->sweep_id))->state == store::RunState::running);
}

TEST_CASE("times of tasks that were done before come from their runs") {
  auto store = memory_store();
  store::Runs runs(store);
  const std::string line = "y = relu(x); x: f32[M]; M=64";
  auto run = runs.begin({sha256(line), line, "{}", {"relu"}},
                        {sha256(line), kIdentity.device, "{}", 1, "0.1.0"}, false);
  REQUIRE(run);
  store::RunResult stored;
  stored.verdict = "correct";
  stored.verified = "sampled";
  stored.start.modelled_ns = 300;
  stored.best.modelled_ns = 150;
  stored.bound_ns = 100;
  REQUIRE(runs.finish(run->run.id, stored));
  Fake fake;
  TaskResult answer = correct_result(300, 150, 100);
  answer.run_id = run->run.id;
  fake.answers.emplace("level1/1", answer);
  REQUIRE(go(store, fake));
  auto report = go(store, fake);
  REQUIRE(report);
  const TaskResult& known = report->rows[0].result;
  CHECK(known.verified == "sampled");
  CHECK(known.gain() == 2.0);
  CHECK(known.over_bound() == 1.5);
  CHECK(known.run_id == run->run.id);
  CHECK_FALSE(report->rows[1].result.gain());
}

TEST_CASE("a task with an operator that is no row is unsupported, by name") {
  auto store = memory_store();
  Task task = fake_task(1, "scan", {"relu", "no_such_operator"});
  task.small = "{}";
  Settings settings;
  auto result = run_with(settings, Shapes::small, store, Surroundings{})(task);
  REQUIRE(result);
  CHECK(result->outcome == "unsupported");
  CHECK(result->message == "unsupported operator 'no_such_operator'");
  CHECK(result->run_id.empty());
  task.operators = {"relu"};
  result = run_with(settings, Shapes::small, store, Surroundings{})(task);
  REQUIRE(result);
  CHECK(result->outcome == "unsupported");
  CHECK_FALSE(result->message.empty());
}

}  // namespace mtmc::search
