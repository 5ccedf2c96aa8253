// A scan of preprocessor lines after the first translation phases (C++20 [lex.phases]: trigraphs as
// NVRTC's dialects have them, spliced lines, comments as space). The compiler's sandbox is the
// wall; this gives an early, clear reason.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "coder/llm_answer.hpp"

namespace mtmc::coder {

namespace {

// Whether what stands before a quote makes it a raw string: R, LR, uR, UR, u8R as a whole word.
bool raw_prefix(std::string_view before) {
  std::size_t first = before.size();
  const auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  while (first > 0 && word(before[first - 1])) --first;
  before.remove_prefix(first);
  return before == "R" || before == "LR" || before == "uR" || before == "UR" || before == "u8R";
}

// Spliced lines joined, comments blanked, string and character literals kept; "%:" and "??=" are
// "#". A raw string, which could hide a directive from this scan and which no kernel needs, sets
// `raw`.
std::string phases(const std::string& source, bool& raw) {
  std::string joined;
  for (std::size_t i = 0; i < source.size(); ++i) {
    std::size_t slash = 0;
    if (source[i] == '\\')
      slash = 1;
    else if (source.compare(i, 3, "\?\?/") == 0)
      slash = 3;
    std::size_t after = i + slash;
    while (slash && after < source.size() &&
           (source[after] == ' ' || source[after] == '\t' || source[after] == '\r'))
      ++after;
    if (slash && after < source.size() && source[after] == '\n') {
      i = after;
      continue;
    }
    if (source.compare(i, 3, "\?\?=") == 0 || source.compare(i, 2, "%:") == 0) {
      joined += '#';
      i += source[i] == '%' ? 1 : 2;
      continue;
    }
    joined += source[i];
  }
  std::string out;
  for (std::size_t i = 0; i < joined.size(); ++i) {
    const char c = joined[i];
    if (c == '"' || c == '\'') {
      raw = raw || (c == '"' && raw_prefix(out));
      const std::size_t open = i;
      while (++i < joined.size() && joined[i] != c && joined[i] != '\n')
        if (joined[i] == '\\') ++i;
      out.append(joined, open, i - open + 1);
    } else if (joined.compare(i, 2, "//") == 0) {
      while (i < joined.size() && joined[i] != '\n') ++i;
      out += '\n';
    } else if (joined.compare(i, 2, "/*") == 0) {
      const std::size_t end = std::min(joined.find("*/", i + 2), joined.size());
      out += ' ';
      i = end + 1;
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view trim(std::string_view s) {
  const auto space = [](char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
  };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

bool allowed_include(std::string_view what, const std::vector<std::string>& names) {
  what = trim(what);
  return std::any_of(names.begin(), names.end(),
                     [&](const auto& n) { return what == '"' + n + '"'; });
}

}  // namespace

std::string forbidden_include(const std::string& source, const std::vector<std::string>& names) {
  bool raw = false;
  const std::string text = phases(source, raw);
  if (raw) return "a raw string";
  for (std::string_view word : {"__has_include", "__has_embed", "incbin"})
    if (text.find(word) != std::string::npos) return std::string(word);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = trim(std::string_view(text).substr(at, end - at));
    at = end + 1;
    if (line.empty() || line.front() != '#') continue;
    const std::string whole(line);
    line = trim(line.substr(1));
    std::size_t letters = 0;
    while (letters < line.size() &&
           ((line[letters] >= 'a' && line[letters] <= 'z') || line[letters] == '_'))
      ++letters;
    const std::string_view directive = line.substr(0, letters);
    const bool reaches =
        directive.starts_with("include") || directive == "import" || directive == "embed";
    if (reaches && !(directive == "include" && allowed_include(line.substr(letters), names)))
      return whole;
  }
  return {};
}

}  // namespace mtmc::coder
