// A child process: one executable, an environment that is empty unless its options name variables,
// limits, and nothing inherited but three file descriptors.
//
// stdin and stdout of the child are the two directions of one local socket (channel()); stderr is
// drained into a capped tail. The child starts in "/" with every other descriptor closed and gets
// SIGKILL when this process dies, however it dies. The destructor kills and reaps.
//
// One thread at a time may use a Process; different Process objects are independent.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc {

// Zero means "no limit". Files cannot be written at all unless `may_write_files`. The number of
// processes is not limited here: RLIMIT_NPROC counts everything its user runs and does not bind
// root, so the sandbox's filter forbids new processes instead (base/sandbox.hpp).
struct ProcessLimits {
  std::uint64_t address_space_bytes = 0;  // ignored under sanitizers, whose shadow needs terabytes
  std::uint64_t cpu_seconds = 0;          // of the whole life of the process
  bool may_write_files = false;
};

struct ProcessOptions {
  std::string executable;  // a path; PATH is not searched
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  ProcessLimits limits;
};

// How a child ended: signal > 0, or exit_code >= 0; neither while it runs or when somebody else
// reaped it.
struct ExitStatus {
  int exit_code = -1;
  int signal = 0;

  std::string describe() const;  // "exit code 3", "signal 11 (Segmentation fault)"
};

class Process {
 public:
  // Errors: unavailable when the executable cannot be started.
  static Result<Process> start(const ProcessOptions& options);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  int channel() const { return channel_; }  // non-blocking, owned
  int errors() const { return errors_; }    // read end of stderr, non-blocking, owned
  int pid() const { return pid_; }

  // Moves what the child wrote to stderr into the tail; false once the child closed it.
  bool drain_errors();
  const std::string& error_tail() const { return error_tail_; }  // at most kErrorTailBytes

  // Waits for a child that is ending by itself, kills it when `patience` is over, reaps it.
  ExitStatus finish(std::chrono::milliseconds patience);
  ExitStatus kill() { return finish(std::chrono::milliseconds(0)); }

  static constexpr std::size_t kErrorTailBytes = 16 * 1024;

 private:
  Process(int pid, int channel, int errors) : pid_(pid), channel_(channel), errors_(errors) {}
  void close_all();

  int pid_ = -1;
  int channel_ = -1;
  int errors_ = -1;
  std::string error_tail_;
  ExitStatus status_;
};

}  // namespace mtmc
