#include "llm/prompt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/check.hpp"

namespace mtmc::llm {

// Written by cmake/EmbedText.cmake.
std::span<const std::pair<std::string_view, std::string_view>> embedded_prompts();

namespace {

// Length of the well-formed UTF-8 sequence at the start of `s`, 0 where there is none, and its code
// point (Unicode 15, table 3-7).
int decode(std::string_view s, std::uint32_t& point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char b = byte(0);
  if (b < 0x80) {
    point = b;
    return 1;
  }
  const int length = b >= 0xc2 && b <= 0xdf   ? 2
                     : (b & 0xf0) == 0xe0     ? 3
                     : b >= 0xf0 && b <= 0xf4 ? 4
                                              : 0;
  if (length == 0 || s.size() < static_cast<std::size_t>(length)) return 0;
  point = b & (0x7f >> length);
  for (int i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  return overlong || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? 0 : length;
}

// Characters that a reader does not see, or that change what is seen around them.
bool hidden(std::uint32_t p) {
  return (p < 0x20 && p != '\n' && p != '\t') || (p >= 0x7f && p < 0xa0) || p == 0xad ||
         (p >= 0x200b && p <= 0x200f) || (p >= 0x2028 && p <= 0x202e) ||
         (p >= 0x2060 && p <= 0x206f) || p == 0xfeff || (p >= 0xfff9 && p <= 0xfffb) ||
         (p >= 0xe0000 && p <= 0xe007f);
}

// The nearest position at or before `at` that does not split a character.
std::size_t boundary(std::string_view s, std::size_t at) {
  while (at > 0 && at < s.size() && (static_cast<unsigned char>(s[at]) & 0xc0) == 0x80) --at;
  return at;
}

}  // namespace

std::string_view prompt_page(std::string_view path) {
  for (const auto& [name, text] : embedded_prompts())
    if (name == path) return text;
  return {};
}

std::string valid_utf8(std::string_view data) {
  std::string out;
  out.reserve(data.size() + 16);
  for (std::size_t i = 0; i < data.size();) {
    std::uint32_t point = 0;
    const int length = decode(data.substr(i), point);
    if (length == 0) out += "\xef\xbf\xbd";
    else out += data.substr(i, static_cast<std::size_t>(length));
    i += length == 0 ? 1 : static_cast<std::size_t>(length);
  }
  return out;
}

std::string clean(std::string_view data, std::size_t max_bytes) {
  std::string out;
  out.reserve(std::min(data.size(), max_bytes) + 64);
  for (std::size_t i = 0; i < data.size();) {
    std::uint32_t point = 0;
    const int length = decode(data.substr(i), point);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      ++i;
      continue;
    }
    if (!hidden(point)) out += data.substr(i, length);
    i += length;
  }
  if (out.size() <= max_bytes) return out;
  // The beginning of a log or source says most; its end says how it came out.
  const std::size_t head = boundary(out, max_bytes * 3 / 4);
  const std::size_t tail = boundary(out, out.size() - max_bytes / 4);
  return fmt::format("{}\n[... {} bytes left out ...]\n{}", out.substr(0, head), tail - head,
                     out.substr(tail));
}

std::string one_line(std::string_view data, std::size_t max_bytes) {
  std::string out = clean(data, max_bytes);
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
    if (c == '`') c = '\'';
  }
  return out;
}

std::string fence(std::string_view label, std::string_view data, std::size_t max_bytes) {
  std::string body = clean(data, max_bytes);
  if (body.empty() || body.back() != '\n') body += '\n';
  std::size_t longest = 0, run = 0;
  for (char c : body) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string ticks(std::max<std::size_t>(3, longest + 1), '`');
  std::string name;
  for (char c : label.substr(0, 64)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == ' ' || c == '_' || c == '.' || c == '-';
    if (plain) name += c;
  }
  return ticks + name + "\n" + body + ticks + "\n";
}

std::string numbered(std::string_view source, std::size_t max_bytes) {
  const std::string text = clean(source, max_bytes);
  std::string out;
  int line = 1;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += fmt::format("{:4}| {}\n", line, text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string fill(std::string_view page,
                 const std::map<std::string, std::string, std::less<>>& values) {
  std::string out;
  while (true) {
    const std::size_t open = page.find("{{");
    if (open == std::string_view::npos) return out + std::string(page);
    const std::size_t close = page.find("}}", open);
    MTMC_CHECK(close != std::string_view::npos, "a prompt page has an open placeholder");
    const auto value = values.find(page.substr(open + 2, close - open - 2));
    MTMC_CHECK(value != values.end(), "a prompt page has a placeholder without a value");
    out += page.substr(0, open);
    out += value->second;
    page.remove_prefix(close + 2);
  }
}

}  // namespace mtmc::llm
