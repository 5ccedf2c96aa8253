#include "base/worker.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

using nlohmann::json;
using namespace mtmc;
using namespace std::chrono_literals;
using Status = Reply::Status;

namespace {

WorkerOptions options(std::vector<std::string> arguments = {}) {
  WorkerOptions chosen;
  chosen.process.executable = MTMC_WORKER_CHILD;
  chosen.process.arguments = std::move(arguments);
  chosen.role = "test";
  return chosen;
}

json answer(Worker& worker, const json& request) {
  const auto reply = worker.call(request, 20s);
  REQUIRE(reply.has_value());
  INFO(reply->detail);
  REQUIRE(reply->status == Status::answered);
  return reply->answer;
}

// False for zombies too: who reaps an orphan is not ours to say.
bool is_running(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const auto name_end = text.rfind(") ");
  return name_end != std::string::npos && text[name_end + 2] != 'Z';
}

struct TemporaryFolder {
  TemporaryFolder() {
    char name[] = "/tmp/mtmc-worker-XXXXXX";
    path = mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace

TEST_CASE("a worker answers, and one process serves many calls") {
  Worker worker(options());
  CHECK(answer(worker, {{"do", "echo"}, {"value", {1, "two", nullptr}}}) ==
        json({1, "two", nullptr}));
  CHECK(answer(worker, {{"do", "echo"}, {"value", "again"}}) == "again");
  CHECK(worker.starts() == 1);
  CHECK(worker.crashes() == 0);
}

TEST_CASE("messages larger than any pipe buffer pass in both directions") {
  Worker worker(options());
  const std::string big(3 << 20, 'q');
  CHECK(answer(worker, {{"do", "echo"}, {"value", big}}) == big);
  CHECK(answer(worker, {{"do", "repeat"}, {"bytes", 5 << 20}}).get<std::string>().size() ==
        5 << 20);
}

TEST_CASE("a late worker is killed, told as timeout, and replaced") {
  Worker worker(options());
  answer(worker, {{"do", "echo"}, {"value", 1}});
  const int pid = worker.pid();
  const auto reply = worker.call({{"do", "hang"}}, 50ms);
  REQUIRE(reply.has_value());
  CHECK(reply->status == Status::timeout);
  CHECK(reply->detail.find("50 ms") != std::string::npos);
  CHECK((kill(pid, 0) == -1 && errno == ESRCH));
  CHECK(answer(worker, {{"do", "echo"}, {"value", 2}}) == 2);
  CHECK(worker.starts() == 2);
  CHECK(worker.timeouts() == 1);
}

TEST_CASE("a crash is told with its signal or exit code and the tail of stderr") {
  Worker worker(options());
  auto reply = worker.call({{"do", "abort"}}, 20s);
  REQUIRE(reply.has_value());
  CHECK(reply->status == Status::crashed);
  CHECK(reply->exit_status.signal == SIGABRT);
  CHECK(reply->detail.find("about to abort") != std::string::npos);
  reply = worker.call({{"do", "exit"}, {"code", 7}}, 20s);
  REQUIRE(reply.has_value());
  CHECK(reply->status == Status::crashed);
  CHECK(reply->exit_status.exit_code == 7);
  CHECK(reply->detail.find("exit code 7") != std::string::npos);
  CHECK(worker.crashes() == 2);
  CHECK(answer(worker, {{"do", "echo"}, {"value", 3}}) == 3);
}

TEST_CASE("what a worker prints cannot break or block the protocol") {
  Worker worker(options());
  CHECK(answer(worker, {{"do", "print"}}) == "printed");
  CHECK(answer(worker, {{"do", "flood"}}) == "flooded");  // 5 MB of stderr
  const auto reply = worker.call({{"do", "exit"}, {"code", 1}}, 20s);
  REQUIRE(reply.has_value());
  CHECK(reply->detail.find("line 199999") != std::string::npos);
  CHECK(reply->detail.size() < Process::kErrorTailBytes + 200);
}

TEST_CASE("a worker that writes no frames is a crash, not a hang") {
  Worker worker(options());
  const auto facts = worker.facts();
  REQUIRE(facts.has_value());
  const auto reply = worker.call({{"do", "garbage"}, {"fd", facts->at("out")}}, 20s);
  REQUIRE(reply.has_value());
  CHECK(reply->status == Status::crashed);
  CHECK(reply->detail.find("protocol broken") != std::string::npos);
}

TEST_CASE("an exception in the handler is an internal error and costs no process") {
  Worker worker(options());
  const auto reply = worker.call({{"do", "throw"}}, 20s);
  REQUIRE_FALSE(reply.has_value());
  CHECK(reply.error().code == ErrorCode::internal);
  CHECK(reply.error().message.find("told to") != std::string::npos);
  CHECK(answer(worker, {{"do", "echo"}, {"value", 4}}) == 4);
  CHECK(worker.starts() == 1);
}

TEST_CASE("children that cannot serve are unavailable, each with its reason") {
  const auto why = [](Worker worker) {
    const auto facts = worker.facts();
    REQUIRE_FALSE(facts.has_value());
    CHECK(facts.error().code == ErrorCode::unavailable);
    return facts.error().message;
  };
  CHECK(why(Worker(options({"refuses"}))) == "no engine; fit one");
  CHECK(why(Worker(options({"dies"}))).find("cannot go on") != std::string::npos);
  CHECK(why(Worker(options({"stranger"}))).find("protocol 1") != std::string::npos);
  auto mute = options({"mute"});
  mute.start_timeout = 50ms;
  CHECK(why(Worker(mute)).find("no hello") != std::string::npos);
  auto missing = options();
  missing.process.executable = "/no/such/tool";
  CHECK(why(Worker(missing)).find("/no/such/tool") != std::string::npos);
}

TEST_CASE("a child inherits no environment and no descriptors, and starts in /") {
  setenv("MTMC_TEST_SECRET", "hunter2", 1);
  const int leaked = open("/dev/null", O_RDONLY);  // deliberately without O_CLOEXEC
  Worker worker(options());
  const json facts = answer(worker, {{"do", "facts"}});
  close(leaked);
  CHECK(facts["environment"].empty());
  CHECK(facts["folder"] == "/");
  CHECK(facts["descriptors"].size() == 5);  // 0, 1, 2 and the two ends of the channel
}

TEST_CASE("limits hold: address space, files") {
  TemporaryFolder folder;
  auto limited = options();
  limited.process.limits.address_space_bytes = std::uint64_t{1} << 30;
  Worker worker(limited);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(answer(worker, {{"do", "allocate"}, {"bytes", std::uint64_t{2} << 30}}) == false);
#endif
  CHECK(answer(worker, {{"do", "allocate"}, {"bytes", 1 << 20}}) == true);
  CHECK(answer(worker, {{"do", "write_file"}, {"path", folder.path + "/a"}}) == EFBIG);
}

TEST_CASE("a fresh process after so many calls") {
  auto recycled = options();
  recycled.calls_per_process = 2;
  Worker worker(recycled);
  for (int i = 0; i < 5; ++i) CHECK(answer(worker, {{"do", "echo"}, {"value", i}}) == i);
  CHECK(worker.starts() == 3);
  CHECK(worker.crashes() == 0);
}

TEST_CASE("a worker outlives the thread that started it, and dies with its process") {
  Worker worker(options());
  std::thread([&] { answer(worker, {{"do", "echo"}, {"value", 1}}); }).join();
  CHECK(answer(worker, {{"do", "echo"}, {"value", 2}}) == 2);
  CHECK(worker.starts() == 1);

  Worker parent(options({"parent"}));  // starts a child of its own that ignores end of file
  const auto facts = parent.facts();
  REQUIRE(facts.has_value());
  const int grandchild = facts->at("grandchild");
  REQUIRE(is_running(grandchild));
  kill(parent.pid(), SIGKILL);
  for (int i = 0; i < 5000 && is_running(grandchild); ++i) usleep(1000);
  CHECK_FALSE(is_running(grandchild));
}

TEST_CASE("the sandbox closes files, network and processes, and leaves threads") {
  TemporaryFolder folder;
  const std::string path = folder.path + "/file";
  std::ofstream(path) << "content";
  Worker worker(options());
  const json facts = answer(worker, {{"do", "sandbox"}});
  if (facts["filter"] == false) {
    WARN("no system-call filter on this machine: " << facts["note"]);
    return;
  }
  const json found = answer(worker, {{"do", "probe"}, {"path", path}});
  for (const auto& [call, code] : found.items()) {
    INFO(call);
    if (call == "thread_ran") {
      CHECK(code == true);
    } else {
      CHECK(code == EACCES);
    }
  }
  CHECK_FALSE(std::filesystem::exists("/tmp/mtmc-must-not-exist"));
  // NVRTC uses the buffer of a failed getcwd as though it had been filled.
  CHECK(answer(worker, {{"do", "facts"}})["folder"] == "/");
}

TEST_CASE("landlock alone opens what is listed and nothing else") {
  TemporaryFolder open_folder, closed_folder;
  std::ofstream(open_folder.path + "/file") << "content";
  std::ofstream(closed_folder.path + "/file") << "content";
  Worker worker(options());
  const json facts = answer(
      worker, {{"do", "sandbox"}, {"filter", false}, {"readable", {open_folder.path, "/no/such"}}});
  if (facts["landlock"] == false) {
    WARN("no landlock on this machine: " << facts["note"]);
    return;
  }
  CHECK(answer(worker, {{"do", "open"}, {"path", open_folder.path + "/file"}}) == 0);
  CHECK(answer(worker, {{"do", "open"}, {"path", closed_folder.path + "/file"}}) == EACCES);
}
