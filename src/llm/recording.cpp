#include "llm/recording.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "llm/prompt.hpp"

namespace mtmc::llm {

namespace {

using nlohmann::json;

constexpr int kFormat = 2;
constexpr std::uintmax_t kMaxBytes = std::uintmax_t{256} << 20;

Result<void> add_line(const std::string& line, bool first, Recording& recording) {
  const json form = json::parse(line, nullptr, false);
  if (!form.is_object()) return bad_input("expected a JSON object");
  if (first) {
    if (form.value("format", json()) != kFormat)
      return bad_input(fmt::format("expected a first line with format {}", kFormat));
    const auto run = form.find("run");
    if (run != form.end() && run->is_object()) recording.run_json = run->dump();
    return {};
  }
  if (!form.contains("request") || !form.contains("exchange"))
    return bad_input("expected a JSON object with request and exchange");
  auto request = request_from_json(form["request"]);
  if (!request) return tl::unexpected<Error>(request.error());
  auto exchange = exchange_from_json(form["exchange"]);
  if (!exchange) return tl::unexpected<Error>(exchange.error());
  recording.exchanges.push_back({std::move(*request), std::move(*exchange)});
  return {};
}

std::string text_of(const Request& request) {
  std::string text = fmt::format("model {} temperature {} max_tokens {} seed {} schema {}\n",
                                 request.model, request.temperature, request.max_tokens,
                                 request.seed.value_or(0), request.schema.has_value());
  for (const auto& m : request.messages) text += m.role + ":\n" + m.content + "\n";
  return text;
}

class RecordedEndpoint final : public Endpoint {
 public:
  RecordedEndpoint(Recording recording, std::string name, Match match)
      : name_(std::move(name)), match_(match), recording_(std::move(recording)) {
    for (std::size_t i = 0; i < recording_.exchanges.size(); ++i)
      open_[key_of(recording_.exchanges[i].request)].push_back(i);
  }

  std::string name() const override { return "recording"; }

  Result<Exchange> complete(const Request& request) override {
    const std::lock_guard lock(mutex_);
    auto found = open_.find(key_of(request));
    if (found == open_.end()) return missing(request);
    if (found->second.empty())
      return unavailable(
          fmt::format("llm recording {} holds no further answer to {}", name_, words_for(request)));
    const std::size_t at = found->second.front();
    found->second.pop_front();
    next_ = std::max(next_, at + 1);
    return recording_.exchanges[at].exchange;
  }

 private:
  std::string key_of(const Request& request) const {
    return match_ == Match::request ? request_hash(request) : request.role;
  }
  static std::string words_for(const Request& request) {
    return fmt::format("{} request {}", request.role.empty() ? "a" : one_line(request.role, 20),
                       request_hash(request).substr(0, 12));
  }
  // Beside the next recorded request of the same role, which is most likely what was meant.
  tl::unexpected<Error> missing(const Request& request) const {
    std::string where;
    for (std::size_t i = next_; i < recording_.exchanges.size() && where.empty(); ++i) {
      const Request& other = recording_.exchanges[i].request;
      if (other.role != request.role) continue;
      const std::string mine = text_of(request), theirs = text_of(other);
      const std::size_t differs = static_cast<std::size_t>(
          std::mismatch(mine.begin(), mine.end(), theirs.begin(), theirs.end()).first -
          mine.begin());
      const auto line_at = [&](const std::string& text) {
        const std::size_t begin = text.rfind('\n', differs == 0 ? 0 : differs - 1);
        const std::size_t from = begin == std::string::npos ? 0 : begin + 1;
        const std::size_t end = std::min(text.find('\n', from), text.size());
        return one_line(std::string_view(text).substr(from, std::min<std::size_t>(end - from, 80)),
                        80);
      };
      where = fmt::format("; it has '{}' where '{}' was recorded", line_at(mine), line_at(theirs));
    }
    return unavailable(fmt::format(
        "llm recording {} has no {}{}: record it again with this version and these settings", name_,
        words_for(request), where));
  }

  std::string name_;
  Match match_;
  Recording recording_;
  std::mutex mutex_;
  std::map<std::string, std::deque<std::size_t>> open_;
  std::size_t next_ = 0;  // after the last exchange that was answered from
};

}  // namespace

Result<Recording> read_recording(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0)
    return bad_input(fmt::format("cannot open llm recording {}: {}", path, std::strerror(errno)));
  if (!S_ISREG(info.st_mode)) return bad_input("llm recording " + path + " is not a regular file");
  if (static_cast<std::uintmax_t>(info.st_size) > kMaxBytes)
    return bad_input("llm recording " + path + " is larger than 256 MiB");
  std::ifstream file(path);
  if (!file) return bad_input("cannot read llm recording " + path);
  Recording recording;
  std::string line;
  bool first = true;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (auto added = add_line(line, first, recording); !added)
      return tl::unexpected<Error>(
          added.error().with(fmt::format("llm recording {} line {}", path, number)));
    first = false;
  }
  if (first) return bad_input("llm recording " + path + " is empty");
  return recording;
}

Result<void> write_recording(const std::string& path, const Recording& recording) {
  const auto dump = [](const json& form) {
    return form.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  };
  const json run = json::parse(recording.run_json, nullptr, false);
  std::string text = dump({{"format", kFormat}, {"run", run.is_object() ? run : json::object()}});
  for (const auto& e : recording.exchanges)
    text += dump({{"role", e.request.role},
                  {"request", to_json(e.request)},
                  {"exchange", to_json(e.exchange)}});
  const std::string part = path + ".part";
  const auto failed = [&] {
    const int why = errno;
    unlink(part.c_str());
    return bad_input(fmt::format("cannot write llm recording {}: {}", path, std::strerror(why)));
  };
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed();
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t wrote = write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      close(fd);
      return failed();
    }
    done += static_cast<std::size_t>(wrote);
  }
  if (fsync(fd) != 0 || close(fd) != 0 || std::rename(part.c_str(), path.c_str()) != 0)
    return failed();
  return {};
}

std::unique_ptr<Endpoint> make_recorded_endpoint(Recording recording, std::string name,
                                                 Match match) {
  return std::make_unique<RecordedEndpoint>(std::move(recording), std::move(name), match);
}

}  // namespace mtmc::llm
