// Entry: "mtmc-binary 1 <SHA-256 of the rest>\n", then a frame of JSON (base/frame.hpp) with the
// facts, then PTX and machine code as they are.

#include "compiler/cache.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/frame.hpp"
#include "base/hash.hpp"

namespace mtmc::compiler {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kMagic = "mtmc-binary 1 ";
constexpr std::size_t kDigestBytes = 64;
constexpr std::size_t kHeadBytes = kMagic.size() + kDigestBytes + 1;

json to_json(const KernelFacts& kernel) {
  return {{"name", kernel.name},
          {"registers", kernel.registers},
          {"spill_store_bytes", kernel.spill_store_bytes},
          {"spill_load_bytes", kernel.spill_load_bytes},
          {"stack_bytes", kernel.stack_bytes},
          {"static_shared_bytes", kernel.static_shared_bytes},
          {"barriers", kernel.barriers},
          {"max_threads", kernel.max_threads},
          {"code_bytes", kernel.code_bytes}};
}

KernelFacts kernel_from_json(const json& text) {
  KernelFacts kernel;
  text.at("name").get_to(kernel.name);
  text.at("registers").get_to(kernel.registers);
  text.at("spill_store_bytes").get_to(kernel.spill_store_bytes);
  text.at("spill_load_bytes").get_to(kernel.spill_load_bytes);
  text.at("stack_bytes").get_to(kernel.stack_bytes);
  text.at("static_shared_bytes").get_to(kernel.static_shared_bytes);
  text.at("barriers").get_to(kernel.barriers);
  text.at("max_threads").get_to(kernel.max_threads);
  text.at("code_bytes").get_to(kernel.code_bytes);
  return kernel;
}

std::string encode(const std::string& hash, const Binary& binary) {
  json kernels = json::array();
  for (const KernelFacts& kernel : binary.kernels) kernels.push_back(to_json(kernel));
  const json facts = {{"hash", hash},
                      {"architecture", binary.architecture},
                      {"kernels", kernels},
                      {"log", binary.log},
                      {"ptx_bytes", binary.ptx.size()},
                      {"cubin_bytes", binary.cubin.size()}};
  const auto frame = encode_frame(frame_text(facts));
  return frame ? *frame + binary.ptx + binary.cubin : std::string();
}

std::string encode(const std::string& hash, const CompileFailure& failure) {
  json diagnostics = json::array();
  for (const Diagnostic& diagnostic : failure.diagnostics) {
    diagnostics.push_back({{"file", diagnostic.file},
                           {"line", diagnostic.line},
                           {"message", diagnostic.message},
                           {"warning", diagnostic.severity == Diagnostic::Severity::warning}});
  }
  const json facts = {{"hash", hash}, {"diagnostics", diagnostics}, {"log", failure.log}};
  return encode_frame(frame_text(facts)).value_or(std::string());
}

// Throws json::exception when a field is missing or of another type.
std::optional<CompileOutcome> decode(const std::string& hash, std::string_view body) {
  FrameReader reader;
  reader.feed(body);
  const auto frame = reader.next();
  if (!frame || !*frame) return std::nullopt;
  const json facts = json::parse(**frame);
  if (facts.at("hash") != hash) return std::nullopt;
  if (facts.contains("diagnostics")) {
    CompileFailure failure;
    facts.at("log").get_to(failure.log);
    for (const json& entry : facts.at("diagnostics")) {
      failure.diagnostics.push_back(
          {entry.at("file"), entry.at("line"), entry.at("message"),
           entry.at("warning") ? Diagnostic::Severity::warning : Diagnostic::Severity::error});
    }
    return failure;
  }
  Binary binary;
  binary.hash = hash;
  facts.at("architecture").get_to(binary.architecture);
  facts.at("log").get_to(binary.log);
  for (const json& kernel : facts.at("kernels")) binary.kernels.push_back(kernel_from_json(kernel));
  const std::size_t ptx_bytes = facts.at("ptx_bytes");
  const std::size_t cubin_bytes = facts.at("cubin_bytes");
  const std::string_view code = body.substr(4 + (*frame)->size());
  if (ptx_bytes > code.size() || cubin_bytes != code.size() - ptx_bytes) return std::nullopt;
  binary.ptx = code.substr(0, ptx_bytes);
  binary.cubin = code.substr(ptx_bytes);
  return binary;
}

}  // namespace

BinaryCache::BinaryCache(std::string directory) : directory_(std::move(directory)) {
  std::error_code failed;
  if (!directory_.empty()) fs::create_directories(directory_, failed);
}

std::string BinaryCache::path_of(const std::string& hash) const {
  return directory_ + "/" + hash.substr(0, 2) + "/" + hash.substr(2) + ".bin";
}

std::optional<CompileOutcome> BinaryCache::load(const std::string& hash) const {
  if (directory_.empty()) return std::nullopt;
  std::ifstream file(path_of(hash), std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream content;
  content << file.rdbuf();
  const std::string bytes = content.str();
  const std::string_view all = bytes;
  if (all.size() < kHeadBytes || all.substr(0, kMagic.size()) != kMagic) return std::nullopt;
  const std::string_view body = all.substr(kHeadBytes);
  if (all.substr(kMagic.size(), kDigestBytes) != sha256(body)) return std::nullopt;
  try {
    return decode(hash, body);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void BinaryCache::store(const std::string& hash, const CompileOutcome& outcome) const {
  if (directory_.empty()) return;
  const auto* failure = std::get_if<CompileFailure>(&outcome);
  if (failure != nullptr && failure->kind != CompileFailure::Kind::compile_error) return;
  const std::string body =
      failure != nullptr ? encode(hash, *failure) : encode(hash, std::get<Binary>(outcome));
  if (body.empty()) return;
  const std::string path = path_of(hash);
  std::error_code failed;
  fs::create_directories(fs::path(path).parent_path(), failed);
  std::string temporary = path + ".XXXXXX";
  const int fd = mkstemp(temporary.data());
  if (fd < 0) return;
  close(fd);
  std::ofstream file(temporary, std::ios::binary);
  file << kMagic << sha256(body) << '\n' << body;
  file.close();
  if (file) fs::rename(temporary, path, failed);
  if (!file || failed) fs::remove(temporary, failed);
}

}  // namespace mtmc::compiler
