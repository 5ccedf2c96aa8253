// Starting a child safely from a threaded program. Between fork and exec only async-signal-safe
// calls are made, on data prepared before the fork. Exec failures come back through a
// close-on-exec pipe, so that "no such file" is told apart from a child that ends at once.
//
// PR_SET_PDEATHSIG fires when the *thread* that forked ends (prctl(2)), so all forks are made by
// one thread that lives as long as the program.

#include "base/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace mtmc {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kAddressSpaceLimitWorks = false;
#else
constexpr bool kAddressSpaceLimitWorks = true;
#endif

// Runs functions on one thread that ends with the program.
class Spawner {
 public:
  static Spawner& instance() {
    static Spawner spawner;
    return spawner;
  }

  void run(const std::function<void()>& work) {
    std::lock_guard<std::mutex> one_caller(callers_);
    std::unique_lock<std::mutex> lock(mutex_);
    work_ = &work;
    changed_.notify_all();
    changed_.wait(lock, [&] { return work_ == nullptr; });
  }

 private:
  Spawner() : thread_([this] { loop(); }) {}
  ~Spawner() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ending_ || work_ != nullptr; });
      if (ending_) return;
      (*work_)();
      work_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex callers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;
  bool ending_ = false;
  std::thread thread_;
};

bool set_limit(__rlimit_resource resource, std::uint64_t value) {
  const rlimit limit{value, value};
  return setrlimit(resource, &limit) == 0;
}

struct Prepared {
  const char* executable;
  char* const* arguments;
  char* const* environment;
  ProcessLimits limits;
  int parent_pid;
  int channel;   // child's end
  int errors;    // child's write end
  int failures;  // write end of the exec error pipe
};

// Runs in the child after fork: async-signal-safe calls only.
[[noreturn]] void become_child(const Prepared& child) {
  const auto fail = [&] {
    const int code = errno;
    (void)!write(child.failures, &code, sizeof code);
    _exit(127);
  };
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail();
  if (getppid() != child.parent_pid) _exit(127);  // the parent died before the line above
  if (dup2(child.channel, 0) < 0 || dup2(child.channel, 1) < 0 || dup2(child.errors, 2) < 0) fail();
  if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    // Kernels before 5.11.
    for (int fd = 3; fd < 65536; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (chdir("/") != 0) fail();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) signal(number, SIG_DFL);
  // Its own group: a Ctrl-C at the terminal is the parent's to handle.
  setpgid(0, 0);
  if (!set_limit(RLIMIT_CORE, 0)) fail();
  if (!child.limits.may_write_files && !set_limit(RLIMIT_FSIZE, 0)) fail();
  if (child.limits.cpu_seconds != 0 && !set_limit(RLIMIT_CPU, child.limits.cpu_seconds)) fail();
  if (kAddressSpaceLimitWorks && child.limits.address_space_bytes != 0 &&
      !set_limit(RLIMIT_AS, child.limits.address_space_bytes)) {
    fail();
  }
  execve(child.executable, child.arguments, child.environment);
  fail();
  _exit(127);
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

// Descriptors 0 to 2 are the child's targets: a parent started with one of them closed would
// otherwise lose a pipe end to dup2.
bool move_above_standard(Descriptor& end) {
  if (end.fd > 2) return true;
  const int moved = fcntl(end.fd, F_DUPFD_CLOEXEC, 3);
  if (moved < 0) return false;
  ::close(end.fd);
  end.fd = moved;
  return true;
}

bool make_pair(Descriptor& mine, Descriptor& theirs, bool socket) {
  int ends[2];
  const int made =
      socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) : pipe2(ends, O_CLOEXEC);
  if (made != 0) return false;
  mine.fd = ends[0];
  theirs.fd = ends[1];
  return move_above_standard(mine) && move_above_standard(theirs);
}

}  // namespace

std::string ExitStatus::describe() const {
  if (signal > 0) return "signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
  return "exit code " + std::to_string(exit_code);
}

Result<Process> Process::start(const ProcessOptions& options) {
  const auto system_error = [&](const char* what) {
    return unavailable("cannot start " + options.executable + ": " + what + ": " + strerror(errno));
  };
  Descriptor channel, child_channel, errors, child_errors, failures, child_failures;
  if (!make_pair(channel, child_channel, true) || !make_pair(errors, child_errors, false) ||
      !make_pair(failures, child_failures, false)) {
    return system_error("no pipe");
  }
  fcntl(channel.fd, F_SETFL, O_NONBLOCK);
  fcntl(errors.fd, F_SETFL, O_NONBLOCK);

  std::vector<char*> arguments{const_cast<char*>(options.executable.c_str())};
  for (const std::string& argument : options.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& variable : options.environment)
    environment.push_back(const_cast<char*>(variable.c_str()));
  environment.push_back(nullptr);
  const Prepared child{options.executable.c_str(), arguments.data(), environment.data(),
                       options.limits,             getpid(),         child_channel.fd,
                       child_errors.fd,            child_failures.fd};
  pid_t pid = -1;
  int fork_error = 0;
  Spawner::instance().run([&] {
    pid = fork();
    if (pid == 0) become_child(child);
    fork_error = errno;
  });
  if (pid < 0) {
    errno = fork_error;
    return system_error("no process");
  }
  ::close(child_failures.release());
  ::close(child_channel.release());
  ::close(child_errors.release());
  int code = 0;
  ssize_t got;
  do {
    got = read(failures.fd, &code, sizeof code);
  } while (got < 0 && errno == EINTR);
  if (got != 0) {
    waitpid(pid, nullptr, 0);
    errno = got == static_cast<ssize_t>(sizeof code) ? code : EIO;
    return system_error("exec failed");
  }
  return Process(pid, channel.release(), errors.release());
}

Process::Process(Process&& other) noexcept { *this = std::move(other); }

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  if (pid_ >= 0) kill();
  close_all();
  pid_ = std::exchange(other.pid_, -1);
  channel_ = std::exchange(other.channel_, -1);
  errors_ = std::exchange(other.errors_, -1);
  error_tail_ = std::move(other.error_tail_);
  status_ = other.status_;
  return *this;
}

Process::~Process() {
  if (pid_ >= 0) kill();
  close_all();
}

void Process::close_all() {
  for (int* fd : {&channel_, &errors_})
    if (*fd >= 0) ::close(std::exchange(*fd, -1));
}

bool Process::drain_errors() {
  if (errors_ < 0) return false;
  char buffer[4096];
  // Bounded, so that a child that never stops writing cannot keep its parent here.
  for (int round = 0; round < 64; ++round) {
    const ssize_t got = read(errors_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return true;
    if (got == 0) {
      ::close(std::exchange(errors_, -1));
      return false;
    }
    error_tail_.append(buffer, static_cast<std::size_t>(got));
    if (error_tail_.size() > kErrorTailBytes)
      error_tail_.erase(0, error_tail_.size() - kErrorTailBytes);
  }
  return true;
}

ExitStatus Process::finish(std::chrono::milliseconds patience) {
  if (pid_ < 0) return status_;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int raw = 0;
  pid_t ended = 0;
  for (int pause_us = 50; ended == 0; pause_us = std::min(2 * pause_us, 5000)) {
    ended = waitpid(pid_, &raw, WNOHANG);
    if (ended != 0) break;
    if (std::chrono::steady_clock::now() >= deadline) {
      ::kill(pid_, SIGKILL);
      do {
        ended = waitpid(pid_, &raw, 0);
      } while (ended < 0 && errno == EINTR);
      break;
    }
    drain_errors();
    usleep(static_cast<useconds_t>(pause_us));
  }
  pid_ = -1;
  drain_errors();
  if (ended > 0 && WIFSIGNALED(raw)) {
    status_.signal = WTERMSIG(raw);
  } else {
    status_.exit_code = ended > 0 ? WEXITSTATUS(raw) : -1;
  }
  return status_;
}

}  // namespace mtmc
