// The parent's side of a worker. One poll loop moves the request out, the answer in and stderr
// aside at the same time, so that neither side can block the other on a full pipe.

#include "base/worker.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace mtmc {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{200};

}  // namespace

struct Worker::Child {
  Process process;
  FrameReader reader;
  nlohmann::json facts;
  std::uint64_t calls = 0;
};

// What one wait for a frame ended with: a text, or why there is none.
struct Worker::Received {
  enum class Kind { frame, timeout, ended, garbage } kind;
  std::string text;
};

Worker::Worker(WorkerOptions options) : options_(std::move(options)) {}
Worker::~Worker() { stop(); }
Worker::Worker(Worker&&) noexcept = default;
Worker& Worker::operator=(Worker&&) noexcept = default;

int Worker::pid() const { return child_ ? child_->process.pid() : -1; }

void Worker::stop() {
  if (!child_) return;
  shutdown(child_->process.channel(), SHUT_WR);  // end of file: serve() returns
  child_->process.finish(kPatience);
  child_.reset();
}

// Writes `frame` (may be empty) and waits for the next frame of the child.
Worker::Received Worker::exchange(const std::string& frame, milliseconds timeout) {
  using Kind = Received::Kind;
  const auto deadline = Clock::now() + timeout;
  Process& process = child_->process;
  std::string_view unsent = frame;
  bool errors_open = true;
  while (true) {
    auto next = child_->reader.next();
    if (!next) return {Kind::garbage, next.error().message};
    if (*next) return {Kind::frame, std::move(**next)};

    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return {Kind::timeout, {}};
    pollfd waits[2] = {
        {process.channel(), static_cast<short>(POLLIN | (unsent.empty() ? 0 : POLLOUT)), 0},
        {errors_open ? process.errors() : -1, POLLIN, 0}};
    const int ready = poll(waits, 2, static_cast<int>(std::min<long long>(left, 1000)));
    if (ready < 0 && errno != EINTR) return {Kind::ended, "poll failed"};
    if (ready <= 0) continue;
    if (waits[1].revents != 0) errors_open = process.drain_errors();
    if ((waits[0].revents & POLLOUT) != 0) {
      const ssize_t put = send(process.channel(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
      // A child that died cannot be written to; what it said before is still read below.
      if (put < 0 && errno != EAGAIN && errno != EINTR) unsent = {};
      if (put > 0) unsent.remove_prefix(static_cast<std::size_t>(put));
    }
    if ((waits[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      char buffer[65536];
      const ssize_t got = recv(process.channel(), buffer, sizeof buffer, 0);
      if (got > 0) child_->reader.feed({buffer, static_cast<std::size_t>(got)});
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return {Kind::ended, {}};
    }
  }
}

// Buries the child and says what became of it.
Reply Worker::gone(Reply::Status status, const std::string& what) {
  Reply reply;
  reply.status = status;
  const bool late = status == Reply::Status::timeout;
  reply.exit_status = child_->process.finish(late ? milliseconds(0) : kPatience);
  reply.detail = what.empty() ? "worker ended with " + reply.exit_status.describe() : what;
  const std::string& tail = child_->process.error_tail();
  if (!tail.empty()) reply.detail += "; stderr ends with: " + tail;
  (late ? timeouts_ : crashes_) += 1;
  child_.reset();
  return reply;
}

Result<void> Worker::ensure_started() {
  if (child_ && options_.calls_per_process != 0 && child_->calls >= options_.calls_per_process)
    stop();
  if (child_) return {};
  auto process = Process::start(options_.process);
  if (!process) return tl::unexpected(process.error());
  child_ = std::make_unique<Child>(Child{std::move(*process), {}, {}, 0});
  ++starts_;
  const Received hello = exchange({}, options_.start_timeout);
  const std::string name = options_.role + " worker";
  if (hello.kind == Received::Kind::timeout) {
    const auto reply = gone(Reply::Status::timeout, "no hello in time");
    return unavailable(name + ": " + reply.detail);
  }
  if (hello.kind != Received::Kind::frame) {
    const auto reply = gone(Reply::Status::crashed, hello.text);
    return unavailable(name + " did not start: " + reply.detail);
  }
  nlohmann::json said = nlohmann::json::parse(hello.text, nullptr, false);
  const bool object = said.is_object();
  if (!object || said.value("protocol", nlohmann::json()) != kProtocolVersion ||
      said.value("role", nlohmann::json()) != options_.role) {
    gone(Reply::Status::crashed, "wrong hello");
    return unavailable(name + ": " + options_.process.executable + " does not speak protocol " +
                       std::to_string(kProtocolVersion) +
                       " in this role; is it of another version?");
  }
  if (const auto why = said.find("unavailable"); why != said.end()) {
    const std::string reason = why->is_string() ? why->get<std::string>() : "no reason given";
    stop();
    return unavailable(reason);
  }
  child_->facts = said.value("facts", nlohmann::json());
  return {};
}

Result<nlohmann::json> Worker::facts() {
  const auto started = ensure_started();
  if (!started) return tl::unexpected(started.error());
  return child_->facts;
}

Result<Reply> Worker::call(const nlohmann::json& request, milliseconds timeout) {
  const auto frame = encode_frame(frame_text(request));
  if (!frame) return tl::unexpected(frame.error());
  const auto started = ensure_started();
  if (!started) return tl::unexpected(started.error());
  ++child_->calls;
  const Received received = exchange(*frame, timeout);
  using Kind = Received::Kind;
  switch (received.kind) {
    case Kind::timeout:
      return gone(Reply::Status::timeout,
                  "no answer within " + std::to_string(timeout.count()) + " ms; worker killed");
    case Kind::ended:
      return gone(Reply::Status::crashed, received.text);
    case Kind::garbage:
      return gone(Reply::Status::crashed, "protocol broken: " + received.text);
    case Kind::frame:
      break;
  }
  nlohmann::json said = nlohmann::json::parse(received.text, nullptr, false);
  if (said.is_object()) {
    if (const auto answer = said.find("answer"); answer != said.end()) {
      Reply reply;
      reply.answer = std::move(*answer);
      return reply;
    }
    if (const auto error = said.find("error"); error != said.end() && error->is_string())
      return internal_error(options_.role + " worker: " + error->get<std::string>());
  }
  return gone(Reply::Status::crashed, "protocol broken: neither answer nor error");
}

}  // namespace mtmc
