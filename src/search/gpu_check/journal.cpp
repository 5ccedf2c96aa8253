#include "search/gpu_check/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace mtmc::search {

using nlohmann::json;

Result<Journal> Journal::open(const std::string& path, const json& subject) {
  Journal journal;
  journal.path_ = path;
  journal.subject_ = subject;
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::size_t whole = 0;  // bytes of lines that can be read
  bool headed = false;
  while (whole < text.size()) {
    const std::size_t end = text.find('\n', whole);
    if (end == text.npos) break;
    const json line = json::parse(text.begin() + static_cast<std::ptrdiff_t>(whole),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (line.is_discarded() || !line.is_object()) break;
    if (!headed) {
      if (line.value("subject", json()) != subject)
        return bad_input(fmt::format("{} is about {}, not {}: choose another folder with --out",
                                     path, line.value("subject", json()).dump(), subject.dump()));
      headed = true;
    } else if (line.contains("stage") && line.contains("item") && line.contains("result")) {
      journal.results_[line["stage"].get<std::string>()].emplace_back(
          line["item"].get<std::string>(), line["result"]);
    }
    whole = end + 1;
  }
  if (whole < text.size()) {
    std::error_code failed;
    std::filesystem::resize_file(path, whole, failed);
    if (failed)
      return unavailable(
          fmt::format("{}: its last line is cut short, and the file cannot be written ({})", path,
                      failed.message()));
  }
  if (!headed)
    if (auto ok = journal.append({{"subject", subject}}); !ok)
      return tl::unexpected<Error>(ok.error());
  return journal;
}

bool Journal::has(const std::string& stage, const std::string& item) const {
  const auto& done = results(stage);
  return std::any_of(done.begin(), done.end(),
                     [&](const auto& entry) { return entry.first == item; });
}

Result<void> Journal::add(const std::string& stage, const std::string& item, const json& result) {
  if (auto ok = append({{"stage", stage}, {"item", item}, {"result", result}}); !ok) return ok;
  results_[stage].emplace_back(item, result);
  return {};
}

const std::vector<std::pair<std::string, json>>& Journal::results(const std::string& stage) const {
  static const std::vector<std::pair<std::string, json>> kNone;
  const auto found = results_.find(stage);
  return found == results_.end() ? kNone : found->second;
}

Result<void> Journal::append(const json& line) {
  std::ofstream file(path_, std::ios::binary | std::ios::app);
  file << line.dump(-1, ' ', false, json::error_handler_t::replace) << '\n' << std::flush;
  if (!file) return unavailable("cannot write " + path_ + ": choose another folder with --out");
  return {};
}

}  // namespace mtmc::search
