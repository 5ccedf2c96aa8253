// Options are built from typed fields and an allow-list of characters, so that no text of a
// candidate becomes an option or a path.

#include "compiler/request.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/frame.hpp"
#include "base/hash.hpp"
#include "compiler/prelude.hpp"

namespace mtmc::compiler {
namespace {

using nlohmann::json;

// Part of every hash: raise it when the same request would now give another binary.
constexpr int kRequestFormat = 1;
constexpr std::size_t kMaxSourceBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxNameBytes = 200;
constexpr std::size_t kMaxDefines = 500;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool only(const std::string& text, const char* others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alnum(c) || (c != '\0' && std::string_view(others).find(c) != std::string_view::npos);
  });
}

bool is_identifier(const std::string& text) {
  return !text.empty() && text.size() <= kMaxNameBytes && only(text, "_") &&
         !(text[0] >= '0' && text[0] <= '9');
}

bool is_source_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameBytes && only(name, "_.-/") && name[0] != '/' &&
         name[0] != '-' && name.find("..") == std::string::npos;
}

// The text with anything that could confuse a terminal replaced, for error messages.
std::string shown(const std::string& text) {
  std::string safe = text.substr(0, 60);
  for (char& c : safe)
    if (c < ' ' || c > '~') c = '?';
  return "\"" + safe + "\"" + (text.size() > safe.size() ? "..." : "");
}

bool is_utf8(const std::string& text) {
  try {
    (void)json(text).dump();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

bool is_machine_target(const std::string& architecture) {
  return architecture.rfind("sm_", 0) == 0;
}

}  // namespace

Result<void> check_request(const CompileRequest& request, const std::vector<std::string>& targets) {
  if (request.sources.empty()) return bad_input("compile request without a source");
  std::string target = request.architecture;
  if (target.rfind("compute_", 0) == 0) target.replace(0, 8, "sm_");
  if (std::find(targets.begin(), targets.end(), target) == targets.end()) {
    std::string known;
    for (const std::string& name : targets) known += (known.empty() ? "" : " ") + name;
    return bad_input("architecture " + shown(request.architecture) +
                     " is not one of this NVRTC's: " + known);
  }
  std::set<std::string> names = {std::string(kPreludeName)};
  std::size_t bytes = 0;
  for (const SourceFile& source : request.sources) {
    if (!is_source_name(source.name))
      return bad_input("source name " + shown(source.name) +
                       " must be relative, of letters, digits and _ . - / without ..");
    if (!names.insert(source.name).second)
      return bad_input("two sources are called " + shown(source.name));
    bytes += source.text.size();
  }
  if (bytes > kMaxSourceBytes)
    return bad_input("sources of " + std::to_string(bytes) + " bytes; at most " +
                     std::to_string(kMaxSourceBytes));
  if (request.defines.size() > kMaxDefines)
    return bad_input(std::to_string(request.defines.size()) + " defines; at most " +
                     std::to_string(kMaxDefines));
  for (const auto& [name, value] : request.defines) {
    if (!is_identifier(name)) return bad_input("define " + shown(name) + " is not an identifier");
    if (value.size() > kMaxNameBytes || !only(value, "_.+-"))
      return bad_input("define " + name + " has the value " + shown(value) +
                       "; letters, digits and _ . + - are allowed");
  }
  if (request.strict && request.fast_math)
    return bad_input("strict and fast_math exclude each other");
  return {};
}

std::optional<Diagnostic> check_texts(const CompileRequest& request) {
  for (const SourceFile& source : request.sources) {
    const auto nul = source.text.find('\0');
    if (nul != std::string::npos) {
      const auto lines =
          std::count(source.text.begin(), source.text.begin() + static_cast<long>(nul), '\n');
      return Diagnostic{source.name, static_cast<int>(lines) + 1, "the source contains a NUL byte",
                        Diagnostic::Severity::error};
    }
    if (!is_utf8(source.text))
      return Diagnostic{source.name, 0, "the source is not UTF-8", Diagnostic::Severity::error};
  }
  return std::nullopt;
}

std::string request_hash(const CompileRequest& request, const std::string& version) {
  json sources = json::array();
  for (const SourceFile& source : request.sources) sources.push_back({source.name, source.text});
  const json identity = {{"format", kRequestFormat},
                         {"nvrtc", version},
                         {"prelude", sha256(prelude_text())},
                         {"sources", sources},
                         {"options", compile_options(request)}};
  return sha256(frame_text(identity));
}

std::vector<std::string> compile_options(const CompileRequest& request) {
  std::vector<std::string> options = {"-arch=" + request.architecture, "--std=c++17",
                                      "--pre-include=" + std::string(kPreludeName)};
  if (is_machine_target(request.architecture)) options.push_back("--ptxas-options=-v");
  if (request.strict) options.push_back("--fmad=false");
  if (request.fast_math) options.push_back("--use_fast_math");
  if (request.line_info) options.push_back("-lineinfo");
  for (const auto& [name, value] : request.defines) options.push_back("-D" + name + "=" + value);
  return options;
}

json worker_request(const CompileRequest& request) {
  json headers = json::array();
  headers.push_back({kPreludeName, prelude_text()});
  std::set<std::string_view> given;
  for (std::size_t i = 1; i < request.sources.size(); ++i) {
    headers.push_back({request.sources[i].name, request.sources[i].text});
    given.insert(request.sources[i].name);
  }
  for (const std::string_view name : prelude_headers())
    if (given.count(name) == 0) headers.push_back({name, ""});
  return {{"name", request.sources[0].name},
          {"text", request.sources[0].text},
          {"headers", headers},
          {"options", compile_options(request)}};
}

}  // namespace mtmc::compiler
