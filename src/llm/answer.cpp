// An object is found by its braces, strings respected, and then parsed by the library; text that
// only looks like an object ("{x}") is passed over. Passing over is bounded, so that an answer of
// nothing but braces stays cheap.
#include "llm/answer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace mtmc::llm {

namespace {

constexpr int kMaxDepth = 64, kMaxAttempts = 64;

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t' || s.front() == '\r'))
    s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r'))
    s.remove_suffix(1);
  return s;
}

struct Extent {
  std::size_t bytes = 0;  // 0: the braces never balance
  bool too_deep = false;
};

Extent object_extent(std::string_view s) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[')
      if (++depth > kMaxDepth) return {0, true};
    if ((c == '}' || c == ']') && --depth == 0) return {i + 1, false};
  }
  return {};
}

}  // namespace

std::string_view without_thinking(std::string_view answer) {
  const std::string_view open = "<think>", close = "</think>";
  const std::size_t first = answer.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || answer.substr(first, open.size()) != open) return answer;
  const std::size_t end = answer.find(close, first);
  return end == std::string_view::npos ? std::string_view() : answer.substr(end + close.size());
}

std::vector<Block> fenced_blocks(std::string_view answer) {
  std::vector<Block> blocks;
  std::size_t ticks = 0, body_at = 0;  // of the open block
  std::string_view info;
  for (std::size_t at = 0; at < answer.size();) {
    const std::size_t end = std::min(answer.find('\n', at), answer.size());
    const std::string_view line = trim(answer.substr(at, end - at));
    const std::size_t run = std::min(line.find_first_not_of('`'), line.size());
    const std::size_t next = std::min(end + 1, answer.size());
    if (ticks == 0 && run >= 3) {
      ticks = run;
      info = trim(line.substr(run));
      body_at = next;
    } else if (ticks != 0 && run >= ticks && run == line.size()) {
      blocks.push_back({info, answer.substr(body_at, at - body_at)});
      ticks = 0;
    }
    at = end + 1;
  }
  return blocks;
}

Result<nlohmann::json> first_json_object(std::string_view answer, std::size_t max_bytes) {
  std::string why = "no JSON object in the answer";
  std::size_t at = answer.find('{');
  for (int attempt = 0; at != std::string_view::npos && attempt < kMaxAttempts; ++attempt) {
    const Extent extent = object_extent(answer.substr(at, max_bytes));
    if (extent.too_deep) return bad_input("the answer's JSON is nested deeper than 64");
    if (extent.bytes != 0) {
      const auto form = nlohmann::json::parse(answer.substr(at, extent.bytes), nullptr, false);
      if (form.is_object()) return form;
      why = "the answer's JSON object does not parse";
    } else {
      why = answer.size() - at > max_bytes ? "the answer's JSON object is too long"
                                           : "the answer's JSON object is cut off";
    }
    at = answer.find('{', at + 1);
  }
  return bad_input(why);
}

}  // namespace mtmc::llm
