// Hostile work in another process: a Worker keeps one child, talks to it in frames
// (base/frame.hpp), kills it when it is late, and starts another one when it is gone.
//
// The child runs serve(). One thread at a time may use a Worker; use one Worker per thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/frame.hpp"
#include "base/process.hpp"

namespace mtmc {

struct WorkerOptions {
  ProcessOptions process;  // its command line must lead to serve() with the same role
  std::string role;
  std::chrono::milliseconds start_timeout{60000};
  std::uint64_t calls_per_process = 0;  // a fresh child after so many calls; 0: never
};

// What became of one request.
struct Reply {
  enum class Status {
    answered,  // `answer` holds it
    timeout,   // late: the child was killed
    crashed,   // the child died, or broke the protocol and was killed
  };
  Status status = Status::answered;
  nlohmann::json answer;
  std::string detail;      // how it died, and the tail of its stderr
  ExitStatus exit_status;  // set when it died by itself
};

class Worker {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker();
  Worker(Worker&&) noexcept;
  Worker& operator=(Worker&&) noexcept;

  // What the child said about itself in its hello; starts it when needed.
  // Errors: unavailable when the child cannot be started or says that it cannot serve.
  Result<nlohmann::json> facts();

  // Sends a request and waits for its answer. A dead child is replaced at the next call.
  // Errors: as facts(); internal when the child's handler failed (the child lives on).
  Result<Reply> call(const nlohmann::json& request, std::chrono::milliseconds timeout);

  void stop();  // ends the child, which gets a moment to leave by itself

  std::uint64_t starts() const { return starts_; }
  std::uint64_t timeouts() const { return timeouts_; }
  std::uint64_t crashes() const { return crashes_; }
  int pid() const;  // of the living child; -1 when there is none

 private:
  struct Child;
  struct Received;
  Result<void> ensure_started();
  Received exchange(const std::string& frame, std::chrono::milliseconds timeout);
  Reply gone(Reply::Status status, const std::string& what);

  WorkerOptions options_;
  std::unique_ptr<Child> child_;
  std::uint64_t starts_ = 0;
  std::uint64_t timeouts_ = 0;
  std::uint64_t crashes_ = 0;
};

// --- the child's side ---

// The protocol's descriptors, moved off 0 and 1, so that a library that prints cannot break a
// frame: afterwards stdin is /dev/null and stdout is stderr.
struct ServeChannel {
  int in = -1;
  int out = -1;
};
Result<ServeChannel> claim_standard_channel();

using ServeHandler = std::function<nlohmann::json(const nlohmann::json& request)>;

// Says hello, then answers requests until end of file. Returns the exit code: 0 at end of file, 2
// when the stream is not one of frames. An exception of the handler becomes an error answer.
int serve(int fd_in, int fd_out, const std::string& role, const ServeHandler& handler,
          const nlohmann::json& facts = {});

// Says hello with the reason why this child cannot serve; returns exit code 3.
int refuse_to_serve(int fd_out, const std::string& role, const std::string& why);

}  // namespace mtmc
