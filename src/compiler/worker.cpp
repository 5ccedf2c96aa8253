// Order matters: load, warm up (NVRTC opens its builtins at the first compile), lock in, serve.
// Nothing that came from outside is touched before the sandbox stands.

#include "compiler/worker.hpp"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/sandbox.hpp"
#include "base/worker.hpp"
#include "compiler/compiler.hpp"
#include "compiler/nvrtc_library.hpp"

namespace mtmc::compiler {
namespace {

using nlohmann::json;

constexpr const char* kWarmUp = "extern \"C\" __global__ void k(float* x) { x[threadIdx.x] = 1; }";

// "sm_90" also has the architecture-specific target "sm_90a", "sm_100" the family target "sm_100f"
// (CUDA C++ Programming Guide, "Feature set compiler targets").
std::vector<std::string> all_targets(const std::vector<int>& architectures) {
  std::vector<std::string> targets;
  for (int number : architectures) {
    const std::string name = "sm_" + std::to_string(number);
    targets.push_back(name);
    if (number >= 90) targets.push_back(name + "a");
    if (number >= 100) targets.push_back(name + "f");
  }
  return targets;
}

// What follows `mark` in the PTX header, up to the end of its line.
std::string line_rest(const std::string& ptx, const std::string& mark) {
  const auto at = ptx.find(mark);
  if (at == std::string::npos) return {};
  const auto begin = at + mark.size();
  return ptx.substr(begin, ptx.find('\n', begin) - begin);
}

// The same request shall give the same log: the assembler's stopwatch goes.
void drop_compile_times(std::string& log) {
  constexpr std::string_view kStart = "ptxas info    : Compile time = ";
  for (std::size_t at = log.find(kStart); at != std::string::npos; at = log.find(kStart, at))
    log.erase(at, std::min(log.find('\n', at), log.size() - 1) + 1 - at);
}

void cap_log(std::string& log) {
  static const std::string kCut = "\n[cut: the log is longer than 64 KiB]\n";
  if (log.size() <= kMaxLogBytes) return;
  log.resize(kMaxLogBytes - kCut.size());
  log += kCut;
}

json answer(const NvrtcLibrary& nvrtc, const json& request) {
  const std::string name = request.at("name");
  const std::string text = request.at("text");
  const auto headers = request.at("headers").get<NvrtcLibrary::Headers>();
  const auto options = request.at("options").get<std::vector<std::string>>();
  auto compiled = nvrtc.compile(name, text, headers, options);
  drop_compile_times(compiled.log);
  cap_log(compiled.log);
  return {{"status", compiled.status},
          {"status_text", compiled.status_text},
          {"log", compiled.log},
          {"ptx", to_base64(compiled.ptx)},
          {"cubin", to_base64(compiled.cubin)}};
}

int run(const std::string& nvrtc_path) {
  const auto channel = claim_standard_channel();
  if (!channel) return 4;
  const auto refuse = [&](const std::string& why) {
    return refuse_to_serve(channel->out, kCompileRole, why);
  };
  const auto nvrtc = NvrtcLibrary::load(nvrtc_path);
  if (!nvrtc) return refuse(nvrtc.error().message);
  const auto targets = all_targets(nvrtc->architectures());
  if (targets.empty()) return refuse(nvrtc_path + " lists no architectures");
  const auto warm = nvrtc->compile("warm.cu", kWarmUp, {}, {"-arch=" + targets.front()});
  if (warm.status != 0)
    return refuse(nvrtc_path + " cannot compile: " + warm.status_text + " " +
                  warm.log.substr(0, 500));

  const std::string build = line_rest(warm.ptx, "Compiler Build ID: ");
  const std::string tools = line_rest(warm.ptx, ", V");
  const std::string version = std::to_string(nvrtc->major()) + "." +
                              std::to_string(nvrtc->minor()) + " (V" + tools + ", " + build + ")";
  const auto sandbox = enter_sandbox({});
  if (!sandbox) return refuse(sandbox.error().message);
  const json facts = {{"version", version},
                      {"targets", targets},
                      {"files_are_closed", sandbox->files_are_closed()},
                      {"sandbox_note", sandbox->note}};
  return serve(
      channel->in, channel->out, kCompileRole,
      [&](const json& request) { return answer(*nvrtc, request); }, facts);
}

}  // namespace

void compile_worker_main(const std::string& nvrtc_path) { _exit(run(nvrtc_path)); }

}  // namespace mtmc::compiler
