// kill -9 at any instant loses nothing that was committed, and many writers share one file.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "store_fixture.hpp"

namespace mtmc::store {
namespace {

// One judged candidate, as the search stores it: five transactions.
Result<void> store_one(Store& store, const RunRecord& run, const RegionRecord& region,
                       const std::string& salt, std::int64_t ordinal) {
  CandidateRecord c = candidate_record(region, salt);
  c.json = std::string(3000, 'x');
  if (auto r = Candidates(store).put_region(region); !r) return r;
  if (auto r = Candidates(store).put(c); !r) return r;
  if (auto r = Evidence(store).put_verdict(verdict_record(c.id, "correct")); !r) return r;
  if (auto r = Evidence(store).put_modelled(modelled_time(c.id, 2000)); !r) return r;
  NodeRecord node;
  node.run_id = run.id;
  node.region_hash = region.hash;
  node.step_key = salt;
  node.id = node_id(region.hash, "", salt);
  node.ordinal = ordinal;
  node.candidate_id = c.id;
  node.outcome = "correct";
  return Tree(store).put(node);
}

// Writes for ever, and says each number down the pipe once its row is committed.
[[noreturn]] void write_for_ever(const std::string& path, const std::string& salt, int pipe_end) {
  auto store = Store::open(path);
  if (!store) _exit(3);
  const OperatorRecord op = operator_record("relu");
  auto begun = Runs(*store).begin(op, identity_of(op), false);
  if (!begun) _exit(4);
  const RegionRecord region = region_record("r");
  for (std::int32_t i = 0;; ++i) {
    if (!store_one(*store, begun->run, region, salt + std::to_string(i), i)) _exit(5);
    if (write(pipe_end, &i, sizeof i) != sizeof i) _exit(6);
  }
}

TEST_CASE("kill -9 in the middle of writing loses nothing that was committed", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  std::string run_id;
  std::size_t committed_in_all = 0;
  for (int round = 0; round < 8; ++round) {
    const std::string salt = std::to_string(round) + "-";
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      close(ends[0]);
      write_for_ever(path, salt, ends[1]);
    }
    close(ends[1]);
    // Kill after a number of rows that differs by round; what arrives later was committed as well.
    std::int32_t committed = -1, number = -1;
    bool killed = false;
    while (read(ends[0], &number, sizeof number) == sizeof number) {
      committed = number;
      if (!killed && committed >= round * 17) {
        kill(child, SIGKILL);
        killed = true;
      }
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(committed >= round * 17);

    Store store = good(Store::open(path));
    good(store.check_integrity());
    const OperatorRecord op = operator_record("relu");
    const auto begun = good(Runs(store).begin(op, identity_of(op), false));
    CHECK(begun.resumed);
    if (!run_id.empty()) CHECK(begun.run.id == run_id);
    run_id = begun.run.id;
    committed_in_all += static_cast<std::size_t>(committed) + 1;
    std::set<std::string> keys;
    for (const NodeRecord& node : good(Tree(store).nodes(run_id))) keys.insert(node.step_key);
    CHECK(keys.size() >= committed_in_all);
    for (std::int32_t i = 0; i <= committed; ++i) {
      const std::string key = salt + std::to_string(i);
      REQUIRE(keys.count(key) == 1);
      const std::string id = sha256("candidate " + key);
      REQUIRE(good(Candidates(store).find(id)));
      REQUIRE(good(Evidence(store).verdict(verdict_record(id, "correct").key)));
      REQUIRE(good(Evidence(store).modelled(modelled_time(id, 2000).key)));
    }
    committed_in_all = keys.size();
  }
}

TEST_CASE("several processes open a new file at once and write to it", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  constexpr int kProcesses = 4, kRows = 40;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto store = Store::open(path);
      if (!store) _exit(3);
      const OperatorRecord op = operator_record("relu");
      auto begun = Runs(*store).begin(op, identity_of(op), false);
      if (!begun) _exit(4);
      // Half of the rows are the same in all processes.
      for (int i = 0; i < kRows; ++i) {
        const std::string salt = (i % 2 ? std::to_string(p) + "-" : "same-") + std::to_string(i);
        if (!store_one(*store, begun->run, region_record("r"), salt, i)) _exit(5);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  Store store = good(Store::open(path));
  good(store.check_integrity());
  const auto runs = good(Queries(store).list({}));
  REQUIRE(runs.size() == 1);  // one identity, one run
  CHECK(good(Tree(store).nodes(runs[0].run.id)).size() ==
        static_cast<std::size_t>(kRows / 2 + kProcesses * kRows / 2));
}

TEST_CASE("a Store for each thread", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  constexpr int kThreads = 4, kRows = 40;
  std::vector<std::string> problems(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      auto store = Store::open(path);
      if (!store) {
        problems[t] = store.error().message;
        return;
      }
      const OperatorRecord op = operator_record("relu");
      auto begun = Runs(*store).begin(op, identity_of(op, static_cast<std::uint64_t>(t)), false);
      if (!begun) {
        problems[t] = begun.error().message;
        return;
      }
      for (int i = 0; i < kRows; ++i) {
        auto stored = store_one(*store, begun->run, region_record("r"), std::to_string(i), i);
        if (!stored) problems[t] = stored.error().message;
        auto nodes = Tree(*store).nodes(begun->run.id);
        if (!nodes || nodes->size() != static_cast<std::size_t>(i) + 1) problems[t] = "nodes";
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& problem : problems) CHECK(problem == "");
  Store store = good(Store::open(path));
  good(store.check_integrity());
  CHECK(good(Queries(store).list({})).size() == kThreads);
}

}  // namespace
}  // namespace mtmc::store
