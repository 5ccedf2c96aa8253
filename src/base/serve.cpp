// The child's side of a worker (base/worker.hpp).

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "base/worker.hpp"

namespace mtmc {
namespace {

nlohmann::json answer_one(const std::string& text, const ServeHandler& handler) {
  const nlohmann::json request = nlohmann::json::parse(text, nullptr, false);
  if (request.is_discarded()) return {{"error", "the request is not JSON"}};
  try {
    return {{"answer", handler(request)}};
  } catch (const std::exception& failure) {
    return {{"error", failure.what()}};
  }
}

}  // namespace

Result<ServeChannel> claim_standard_channel() {
  ServeChannel channel;
  channel.in = fcntl(0, F_DUPFD_CLOEXEC, 3);
  channel.out = fcntl(1, F_DUPFD_CLOEXEC, 3);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (channel.in < 0 || channel.out < 0 || nothing < 0 || dup2(nothing, 0) < 0 || dup2(2, 1) < 0)
    return unavailable(std::string("cannot set up the worker's channel: ") + strerror(errno));
  close(nothing);
  return channel;
}

int serve(int fd_in, int fd_out, const std::string& role, const ServeHandler& handler,
          const nlohmann::json& facts) {
  const nlohmann::json hello = {{"protocol", kProtocolVersion}, {"role", role}, {"facts", facts}};
  if (!write_frame(fd_out, frame_text(hello))) return 2;
  while (true) {
    const auto request = read_frame(fd_in);
    if (!request) return 2;
    if (!*request) return 0;
    auto written = write_frame(fd_out, frame_text(answer_one(**request, handler)));
    if (!written && written.error().code == ErrorCode::bad_input)
      written = write_frame(fd_out, R"({"error":"the answer is longer than a frame may be"})");
    if (!written) return 2;
  }
}

int refuse_to_serve(int fd_out, const std::string& role, const std::string& why) {
  const nlohmann::json hello = {
      {"protocol", kProtocolVersion}, {"role", role}, {"unavailable", why}};
  (void)write_frame(fd_out, frame_text(hello));
  return 3;
}

}  // namespace mtmc
