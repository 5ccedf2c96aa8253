// Three forms are known (NVRTC 12.0 to 13.5):
//   name(12): error: text            the front end; also "warning #177-D:", "catastrophic error:"
//   At end of source: error: text
//   ptxas <input>, line 21; error   : text     the assembler; also "fatal", or without a place
// Excerpts of the source are indented, so only lines that start in the first column count.

#include "compiler/diagnostics.hpp"

#include <charconv>
#include <optional>

namespace mtmc::compiler {
namespace {

constexpr std::size_t kMaxDiagnostics = 100;
constexpr std::size_t kMaxMessageBytes = 2000;

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

int to_number(std::string_view text) {
  int number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? number : 0;
}

// "error", "warning #177-D", "catastrophic error", "fatal"
std::optional<Diagnostic::Severity> severity_of(std::string_view text) {
  text = trim(text);
  if (text == "error" || text == "catastrophic error" || text == "fatal" ||
      text == "internal error" || text.rfind("error #", 0) == 0) {
    return Diagnostic::Severity::error;
  }
  if (text == "warning" || text.rfind("warning #", 0) == 0) return Diagnostic::Severity::warning;
  return std::nullopt;
}

std::optional<Diagnostic> front_end(std::string_view line) {
  // The place ends at "): " or, without one, at the first ": ".
  for (std::size_t at = line.find(": "); at != std::string_view::npos;
       at = line.find(": ", at + 1)) {
    const std::string_view place = line.substr(0, at);
    const std::string_view rest = line.substr(at + 2);
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto severity = severity_of(rest.substr(0, colon));
    if (!severity) continue;
    Diagnostic found{{}, 0, std::string(trim(rest.substr(colon + 1))), *severity};
    const std::size_t open = place.rfind('(');
    if (open != std::string_view::npos && place.back() == ')') {
      found.file = place.substr(0, open);
      found.line = to_number(place.substr(open + 1, place.size() - open - 2));
    }
    return found;
  }
  return std::nullopt;
}

std::optional<Diagnostic> assembler(std::string_view line) {
  constexpr std::string_view kName = "ptxas ";
  if (line.rfind(kName, 0) != 0) return std::nullopt;
  line.remove_prefix(kName.size());
  Diagnostic found;
  found.file = "ptx";
  constexpr std::string_view kLine = ", line ";
  const std::size_t at = line.find(kLine);
  const std::size_t semicolon = line.find(';');
  if (at != std::string_view::npos && semicolon != std::string_view::npos && at < semicolon) {
    found.line = to_number(line.substr(at + kLine.size(), semicolon - at - kLine.size()));
    line.remove_prefix(semicolon + 1);
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto severity = severity_of(line.substr(0, colon));
  if (!severity) return std::nullopt;
  found.severity = *severity;
  found.message = trim(line.substr(colon + 1));
  return found;
}

}  // namespace

std::vector<Diagnostic> parse_diagnostics(std::string_view log) {
  std::vector<Diagnostic> found;
  while (!log.empty() && found.size() < kMaxDiagnostics) {
    const auto end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (line.empty() || line.front() == ' ') continue;
    auto diagnostic = line.rfind("ptxas ", 0) == 0 ? assembler(line) : front_end(line);
    if (!diagnostic) continue;
    if (diagnostic->message.size() > kMaxMessageBytes) diagnostic->message.resize(kMaxMessageBytes);
    found.push_back(std::move(*diagnostic));
  }
  return found;
}

}  // namespace mtmc::compiler
