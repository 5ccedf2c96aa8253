// The other side of worker_test.cpp: a worker that misbehaves on request.
#include <dirent.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "base/sandbox.hpp"
#include "base/worker.hpp"

extern char** environ;

namespace {

using nlohmann::json;

// The errno of a call that should fail; 0 when it did not.
int outcome(long result) { return result < 0 ? errno : 0; }

json probe_sandbox(const std::string& path) {
  json found;
  char buffer[64];
  struct stat facts {};
  found["open"] = outcome(open(path.c_str(), O_RDONLY));
  found["create"] = outcome(open("/tmp/mtmc-must-not-exist", O_WRONLY | O_CREAT, 0600));
  found["stat"] = outcome(stat(path.c_str(), &facts));
  found["stat_missing"] = outcome(stat("/no/such/file", &facts));
  found["access"] = outcome(access(path.c_str(), R_OK));
  found["readlink"] = outcome(readlink("/proc/self/exe", buffer, sizeof buffer));
  found["opendir"] = opendir("/") == nullptr ? errno : 0;
  found["socket"] = outcome(socket(AF_INET, SOCK_STREAM, 0));
  found["ptrace"] = outcome(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
  found["kill"] = outcome(kill(getppid(), 0));
  char* const nothing[] = {nullptr};
  found["execve"] = outcome(execve("/bin/true", nothing, nothing));
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  found["fork"] = outcome(pid);
  const rlimit limit{1, 1};
  found["setrlimit"] = outcome(setrlimit(RLIMIT_CORE, &limit));
  bool ran = false;
  try {
    std::thread([&] { ran = true; }).join();
  } catch (const std::exception&) {
  }
  found["thread_ran"] = ran;
  return found;
}

json open_descriptors() {
  json open = json::array();
  for (int fd = 0; fd < 256; ++fd)
    if (fcntl(fd, F_GETFD) >= 0) open.push_back(fd);
  return open;
}

json handle(const json& request) {
  const std::string what = request.at("do");
  if (what == "echo") return request.at("value");
  if (what == "throw") throw std::runtime_error("told to");
  if (what == "hang")
    while (true) pause();
  if (what == "abort") {
    std::fprintf(stderr, "about to abort\n");
    std::abort();
  }
  if (what == "exit") _exit(request.at("code"));
  if (what == "flood") {
    for (int i = 0; i < 200000; ++i) std::fprintf(stderr, "line %d of the flood\n", i);
    return "flooded";
  }
  if (what == "print") {
    std::printf("this is not a frame\n");
    std::fflush(stdout);
    return "printed";
  }
  if (what == "garbage") {
    (void)!write(request.at("fd"), "\xff\xff\xff\xff nonsense", 13);
    while (true) pause();
  }
  if (what == "repeat") return std::string(request.at("bytes").get<std::size_t>(), 'x');
  if (what == "allocate") {
    void* block = std::malloc(request.at("bytes").get<std::size_t>());
    const bool got = block != nullptr;
    std::free(block);
    return got;
  }
  if (what == "write_file") {
    signal(SIGXFSZ, SIG_IGN);
    const int fd = open(request.at("path").get<std::string>().c_str(), O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? -1 : outcome(write(fd, "x", 1));
  }
  if (what == "facts") {
    json environment = json::array();
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    char folder[4096] = "";
    (void)!getcwd(folder, sizeof folder);
    return {{"environment", environment}, {"descriptors", open_descriptors()}, {"folder", folder}};
  }
  if (what == "sandbox") {
    mtmc::SandboxOptions options;
    options.filter_calls = request.value("filter", true);
    options.readable = request.value("readable", std::vector<std::string>{});
    const auto facts = mtmc::enter_sandbox(options);
    if (!facts) throw std::runtime_error(facts.error().message);
    return {{"landlock", facts->landlock}, {"filter", facts->filter}, {"note", facts->note}};
  }
  if (what == "open") return outcome(open(request.at("path").get<std::string>().c_str(), O_RDONLY));
  if (what == "probe") return probe_sandbox(request.at("path"));
  throw std::runtime_error("unknown request");
}

}  // namespace

int main(int count, char** arguments) {
  const std::string mode = count > 1 ? arguments[1] : "serve";
  const auto channel = mtmc::claim_standard_channel();
  if (!channel) return 4;
  if (mode == "mute")
    while (true) pause();
  if (mode == "dies") {
    std::fprintf(stderr, "cannot go on\n");
    return 9;
  }
  if (mode == "refuses") return mtmc::refuse_to_serve(channel->out, "test", "no engine; fit one");
  if (mode == "parent") {
    auto child = mtmc::Process::start({"/proc/self/exe", {"mute"}, {}, {}});
    if (!child) return 4;
    return mtmc::serve(channel->in, channel->out, "test", handle, {{"grandchild", child->pid()}});
  }
  const std::string role = mode == "stranger" ? "other" : "test";
  return mtmc::serve(channel->in, channel->out, role, handle, {{"out", channel->out}});
}
