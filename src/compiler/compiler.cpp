// Looks into the cache, else borrows a worker from the pool, sends the request and makes facts and
// diagnostics out of what came back. Nothing that a worker answers is trusted beyond its form.

#include "compiler/compiler.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/worker.hpp"
#include "compiler/cache.hpp"
#include "compiler/cubin.hpp"
#include "compiler/diagnostics.hpp"
#include "compiler/find_nvrtc.hpp"
#include "compiler/request.hpp"
#include "compiler/worker.hpp"

namespace mtmc::compiler {
namespace {

using nlohmann::json;

// NVRTC grows by about 1 MB per compilation.
constexpr std::uint64_t kCallsPerWorker = 500;
constexpr const char* kWhatToDo =
    "run scripts/setup, or set MTMC_NVRTC to the folder that holds libnvrtc.so.13 or .12";

CompileFailure failure_of(CompileFailure::Kind kind, std::string message, std::string log) {
  CompileFailure failure;
  failure.kind = kind;
  failure.diagnostics.push_back({"", 0, std::move(message), Diagnostic::Severity::error});
  failure.log = std::move(log);
  if (failure.log.size() > kMaxLogBytes) failure.log.resize(kMaxLogBytes);
  return failure;
}

CompileFailure refused(const std::string& status, std::string log) {
  CompileFailure failure;
  failure.diagnostics = parse_diagnostics(log);
  bool explained = false;
  for (const Diagnostic& found : failure.diagnostics)
    explained |= found.severity == Diagnostic::Severity::error;
  if (!explained)
    failure.diagnostics.push_back({"", 0, "NVRTC says " + status, Diagnostic::Severity::error});
  failure.log = std::move(log);
  return failure;
}

// Errors: internal when the machine code cannot be read.
Result<Binary> binary_of(const CompileRequest& request, const std::string& hash,
                         const json& answer) {
  auto ptx = from_base64(answer.at("ptx").get<std::string>());
  auto cubin = from_base64(answer.at("cubin").get<std::string>());
  if (!ptx || !cubin) return internal_error("the compile worker sent malformed base64");
  Binary binary{hash, request.architecture, std::move(*ptx), std::move(*cubin),
                {},   answer.at("log")};
  if (binary.cubin.empty()) return binary;
  auto kernels = facts_from_cubin(binary.cubin);
  if (!kernels) return internal_error(kernels.error().message);
  binary.kernels = std::move(*kernels);
  std::string remarks;
  merge_log_facts(binary.kernels, facts_from_log(binary.log), remarks);
  if (binary.log.size() + remarks.size() <= kMaxLogBytes) binary.log += remarks;
  return binary;
}

}  // namespace

struct Compiler::State {
  CompilerSettings settings;
  WorkerOptions worker_options;
  BinaryCache cache{""};
  std::vector<std::string> targets;
  std::string version;
  std::string library;
  std::string sandbox_note;
  std::atomic<std::uint64_t> compiles{0};
  std::atomic<std::uint64_t> cache_hits{0};

  std::mutex mutex;
  std::condition_variable returned;
  std::vector<std::unique_ptr<Worker>> idle;
  int lent = 0;

  std::unique_ptr<Worker> borrow() {
    std::unique_lock<std::mutex> lock(mutex);
    returned.wait(lock, [&] { return lent < settings.max_workers; });
    ++lent;
    if (idle.empty()) return std::make_unique<Worker>(worker_options);
    auto worker = std::move(idle.back());
    idle.pop_back();
    return worker;
  }
  void give_back(std::unique_ptr<Worker> worker) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      idle.push_back(std::move(worker));
      --lent;
    }
    returned.notify_one();
  }

  Result<CompileOutcome> run(const CompileRequest& request, const std::string& hash) {
    const json wanted = worker_request(request);
    auto worker = borrow();
    const auto reply = worker->call(wanted, settings.timeout);
    give_back(std::move(worker));
    if (!reply) return tl::unexpected(reply.error());
    ++compiles;
    using Kind = CompileFailure::Kind;
    if (reply->status == Reply::Status::timeout)
      return failure_of(Kind::timeout,
                        "compilation took longer than " + std::to_string(settings.timeout.count()) +
                            " ms and was stopped",
                        reply->detail);
    if (reply->status == Reply::Status::crashed)
      return failure_of(Kind::crash, "the compiler died with " + reply->exit_status.describe(),
                        reply->detail);
    try {
      if (reply->answer.at("status") != 0)
        return refused(reply->answer.at("status_text"), reply->answer.at("log"));
      auto binary = binary_of(request, hash, reply->answer);
      if (!binary) return tl::unexpected(binary.error());
      return std::move(*binary);
    } catch (const json::exception& broken) {
      return internal_error(std::string("compile worker: ") + broken.what());
    }
  }
};

Compiler::Compiler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Compiler::~Compiler() = default;

Result<std::unique_ptr<Compiler>> Compiler::create(const CompilerSettings& settings) {
  auto state = std::make_unique<State>();
  state->settings = settings;
  if (state->settings.max_workers < 1) return bad_input("a compiler needs at least one worker");
  std::string& tool = state->settings.tool;
  std::error_code failed;
  if (tool.empty()) tool = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  // The worker starts in "/".
  tool = std::filesystem::absolute(tool, failed).string();
  auto candidates = settings.nvrtc_library.empty()
                        ? nvrtc_candidates(NvrtcSearch::from_process(tool))
                        : Result<std::vector<std::string>>({settings.nvrtc_library});
  if (!candidates) return tl::unexpected(candidates.error());

  std::string reasons;
  for (const std::string& candidate : *candidates) {
    WorkerOptions options;
    options.role = kCompileRole;
    options.calls_per_process = kCallsPerWorker;
    options.process.executable = tool;
    options.process.arguments = {"worker", "--role", kCompileRole, "--nvrtc", candidate};
    options.process.limits.address_space_bytes = settings.memory_bytes;
    auto worker = std::make_unique<Worker>(options);
    const auto facts = worker->facts();
    if (!facts) {
      if (reasons.size() < 1000) reasons += (reasons.empty() ? "" : "; ") + facts.error().message;
      continue;
    }
    try {
      facts->at("version").get_to(state->version);
      facts->at("targets").get_to(state->targets);
      facts->at("sandbox_note").get_to(state->sandbox_note);
      if (!facts->at("files_are_closed") && !settings.allow_unsandboxed)
        return unavailable(
            "the compile worker cannot be sandboxed (" + state->sandbox_note +
            "); a source could read any file: allow that explicitly, or use a kernel "
            "with seccomp or Landlock");
    } catch (const json::exception& broken) {
      return internal_error(std::string("compile worker: ") + broken.what());
    }
    state->library = candidate;
    state->worker_options = options;
    state->cache = BinaryCache(settings.cache_directory);
    state->idle.push_back(std::move(worker));
    return std::unique_ptr<Compiler>(new Compiler(std::move(state)));
  }
  return unavailable("no NVRTC can be used: " + reasons + "; " + kWhatToDo);
}

Result<CompileOutcome> Compiler::compile(const CompileRequest& request) {
  const auto checked = check_request(request, state_->targets);
  if (!checked) return tl::unexpected(checked.error());
  if (auto unusable = check_texts(request)) {
    CompileFailure failure;
    failure.diagnostics.push_back(std::move(*unusable));
    return failure;
  }
  const std::string hash = request_hash(request, state_->version);
  if (auto cached = state_->cache.load(hash)) {
    ++state_->cache_hits;
    return std::move(*cached);
  }
  auto outcome = state_->run(request, hash);
  if (outcome) state_->cache.store(hash, *outcome);
  return outcome;
}

const std::vector<std::string>& Compiler::architectures() const { return state_->targets; }
const std::string& Compiler::version() const { return state_->version; }
const std::string& Compiler::library() const { return state_->library; }
const std::string& Compiler::sandbox_note() const { return state_->sandbox_note; }
std::uint64_t Compiler::compiles() const { return state_->compiles; }
std::uint64_t Compiler::cache_hits() const { return state_->cache_hits; }

}  // namespace mtmc::compiler
