#include "coder/llm_edits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "llm/prompt.hpp"

namespace mtmc::coder {

namespace {

constexpr std::string_view kSearch = "<<<<<<< SEARCH",
                           kMiddle = "=======", kEnd = ">>>>>>> REPLACE";
constexpr std::size_t kMaxEdits = 64;

std::string_view without_trailing_space(std::string_view s) {
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r'))
    s.remove_suffix(1);
  return s;
}

std::vector<std::size_t> matches(const std::string& text, const std::string& search) {
  std::vector<std::size_t> found;
  for (std::size_t at = text.find(search); at != std::string::npos; at = text.find(search, at + 1))
    if (at == 0 || text[at - 1] == '\n') found.push_back(at);
  return found;
}

std::string first_line(const std::string& text) {
  return llm::one_line(text.substr(0, text.find('\n')), 60);
}

}  // namespace

Result<std::vector<Edit>> read_edits(const std::string& answer, const std::string& unit) {
  std::vector<Edit> edits;
  enum { outside, searching, replacing } state = outside;
  for (std::size_t at = 0; at < answer.size();) {
    const std::size_t end = std::min(answer.find('\n', at), answer.size());
    std::string_view line(answer.data() + at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    at = end + 1;
    const std::string_view mark = without_trailing_space(line);
    if (mark.starts_with(kSearch)) {
      if (state != outside) return bad_input("an edit block begins inside another");
      if (edits.size() == kMaxEdits)
        return bad_input(fmt::format("there are more than {} edits", kMaxEdits));
      std::string_view name = mark.substr(kSearch.size());
      while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
      edits.push_back({name.empty() ? unit : std::string(name), {}, {}});
      state = searching;
    } else if (state == searching && mark == kMiddle) {
      state = replacing;
    } else if (state == replacing && mark == kEnd) {
      if (edits.back().search.empty()) return bad_input("an edit block has no search text");
      state = outside;
    } else if (state != outside) {
      (state == searching ? edits.back().search : edits.back().replace).append(line).append("\n");
    }
  }
  if (state != outside) return bad_input("an edit block is cut off");
  return edits;
}

Result<void> apply_edits(const std::vector<Edit>& edits, std::vector<kernel::SourceFile>& sources) {
  for (const auto& edit : edits) {
    auto source = std::find_if(sources.begin(), sources.end(),
                               [&](const auto& s) { return s.name == edit.file; });
    if (source == sources.end())
      return bad_input("an edit names file '" + llm::one_line(edit.file, 80) +
                       "', which the candidate lacks");
    if (!source->text.ends_with('\n')) source->text += '\n';
    const auto found = matches(source->text, edit.search);
    if (found.size() != 1)
      return bad_input(fmt::format("search text '{}' stands {} times in {}, expected once",
                                   first_line(edit.search), found.size(), source->name));
    source->text.replace(found[0], edit.search.size(), edit.replace);
  }
  return {};
}

}  // namespace mtmc::coder
