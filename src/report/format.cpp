#include "report/format.hpp"

#include <fmt/format.h>

#include <cmath>
#include <ctime>

namespace mtmc::report {

namespace {

// Length of the well-formed UTF-8 sequence at the beginning of `s`, 0 where there is none. Overlong
// forms, surrogates and what lies above U+10FFFF are not well-formed (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view s) {
  const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(s[i]); };
  const auto follows = [&](std::size_t i) { return i < s.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;
    if (lead == 0xed && byte(1) > 0x9f) return 0;
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (lead == 0xf0 && byte(1) < 0x90) return 0;
    if (lead == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

// C0, DEL, C1, line and paragraph separators, and the marks that turn a line's direction: what can move
// the cursor, or make a line read as something else.
bool is_control(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
  if (character.size() == 2) return byte(0) == 0xc2 && byte(1) < 0xa0;
  if (character.size() == 3 && byte(0) == 0xe2 && byte(1) == 0x80)
    return (byte(2) >= 0xa8 && byte(2) <= 0xae) || byte(2) == 0x8e || byte(2) == 0x8f;
  if (character.size() == 3 && byte(0) == 0xe2 && byte(1) == 0x81)
    return byte(2) >= 0xa6 && byte(2) <= 0xa9;
  return false;
}

}  // namespace

std::string format_ns(std::optional<double> ns) {
  if (!ns || !std::isfinite(*ns)) return "-";
  static constexpr struct {
    double size;
    const char* unit;
  } kUnits[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
  for (const auto& [size, unit] : kUnits) {
    const double value = *ns / size;
    // 999.6 of a unit would round to 1000: it is 1.00 of the next.
    if (std::abs(value) < 0.9995 && size > 1) continue;
    const int digits = std::abs(value) < 9.995 ? 2 : std::abs(value) < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, digits, unit);
  }
  return "-";
}

std::string format_ratio(double ratio) {
  if (!std::isfinite(ratio) || ratio <= 0) return "-";
  return fmt::format("{:.{}f}x", ratio, ratio < 9.995 ? 2 : ratio < 99.95 ? 1 : 0);
}

double ratio_of(std::optional<double> numerator, std::optional<double> denominator) {
  if (!numerator || !denominator || *denominator <= 0) return 0;
  const double ratio = *numerator / *denominator;
  return std::isfinite(ratio) ? ratio : 0;
}

std::string format_time(std::int64_t at_ms) {
  if (at_ms == 0) return "-";
  const std::time_t seconds = static_cast<std::time_t>(at_ms / 1000);
  std::tm parts{};
  if (!gmtime_r(&seconds, &parts)) return "-";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min);
}

std::string short_id(const std::string& id) { return one_line(id.substr(0, 12)); }

std::string one_line(std::string_view text, std::size_t most) {
  std::string line;
  std::size_t characters = 0, cut_at = 0;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (most > 3 && characters == most - 3) cut_at = line.size();
    if (length == 0) line += '?';
    else if (is_control(text.substr(0, length))) line += ' ';
    else line += text.substr(0, length);
    text.remove_prefix(length ? length : 1);
    if (most > 3 && ++characters > most) {
      line.resize(cut_at);
      return line + "...";
    }
  }
  return line;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return width;
}

}  // namespace mtmc::report
