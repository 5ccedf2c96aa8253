#include "llm/recording.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

namespace mtmc::llm {

namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr std::uintmax_t kMaxBytes = std::uintmax_t{256} << 20;

class RecordedEndpoint final : public Endpoint {
 public:
  explicit RecordedEndpoint(std::string path) : path_(std::move(path)) {}

  Result<void> add_line(const std::string& line) {
    const json form = json::parse(line, nullptr, false);
    if (!form.is_object() || !form.contains("request") || !form.contains("exchange"))
      return bad_input("expected a JSON object with request and exchange");
    if (form.value("format", json()) != kFormat)
      return bad_input(fmt::format("expected format {}", kFormat));
    auto request = request_from_json(form["request"]);
    if (!request) return tl::unexpected<Error>(request.error());
    auto exchange = exchange_from_json(form["exchange"]);
    if (!exchange) return tl::unexpected<Error>(exchange.error());
    answers_[request_hash(*request)].push_back(std::move(*exchange));
    return {};
  }

  std::string name() const override { return "recording"; }

  Result<Exchange> complete(const Request& request) override {
    const std::string hash = request_hash(request);
    const std::lock_guard lock(mutex_);
    auto found = answers_.find(hash);
    if (found == answers_.end())
      return unavailable(
          fmt::format("llm recording {} has no request {}: record it again with this version and "
                      "these settings",
                      path_, hash.substr(0, 12)));
    if (found->second.empty())
      return unavailable(fmt::format("llm recording {} holds no further answer to request {}",
                                     path_, hash.substr(0, 12)));
    Exchange exchange = std::move(found->second.front());
    found->second.pop_front();
    return exchange;
  }

 private:
  std::string path_;
  std::mutex mutex_;
  std::map<std::string, std::deque<Exchange>> answers_;
};

class RecordingEndpoint final : public Endpoint {
 public:
  RecordingEndpoint(Endpoint& inner, std::string path, int fd)
      : inner_(inner), path_(std::move(path)), fd_(fd) {}
  ~RecordingEndpoint() override { close(fd_); }

  std::string name() const override { return inner_.name(); }

  Result<Exchange> complete(const Request& request) override {
    auto exchange = inner_.complete(request);
    if (!exchange) return exchange;
    const json form = {
        {"format", kFormat}, {"request", to_json(request)}, {"exchange", to_json(*exchange)}};
    const std::string line = form.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    const std::lock_guard lock(mutex_);
    for (std::size_t done = 0; done < line.size();) {
      const ssize_t wrote = write(fd_, line.data() + done, line.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0)
        return unavailable(fmt::format("cannot write llm recording {}: {}", path_,
                                       std::strerror(wrote < 0 ? errno : ENOSPC)));
      done += static_cast<std::size_t>(wrote);
    }
    return exchange;
  }

 private:
  Endpoint& inner_;
  std::string path_;
  int fd_;
  std::mutex mutex_;
};

}  // namespace

Result<std::unique_ptr<Endpoint>> make_recorded_endpoint(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0)
    return bad_input(fmt::format("cannot open llm recording {}: {}", path, std::strerror(errno)));
  if (!S_ISREG(info.st_mode)) return bad_input("llm recording " + path + " is not a regular file");
  if (static_cast<std::uintmax_t>(info.st_size) > kMaxBytes)
    return bad_input("llm recording " + path + " is larger than 256 MiB");
  std::ifstream file(path);
  if (!file) return bad_input("cannot read llm recording " + path);
  auto endpoint = std::make_unique<RecordedEndpoint>(path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (auto added = endpoint->add_line(line); !added)
      return tl::unexpected<Error>(
          added.error().with(fmt::format("llm recording {} line {}", path, number)));
  }
  return std::unique_ptr<Endpoint>(std::move(endpoint));
}

Result<std::unique_ptr<Endpoint>> make_recording_endpoint(Endpoint& inner,
                                                          const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return bad_input(fmt::format("cannot write llm recording {}: {}", path, std::strerror(errno)));
  return std::unique_ptr<Endpoint>(std::make_unique<RecordingEndpoint>(inner, path, fd));
}

}  // namespace mtmc::llm
