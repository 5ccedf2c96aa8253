#include "harness/evaluator.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/sandbox.hpp"
#include "device/cuda/probe.hpp"

namespace mtmc::harness {

using nlohmann::json;

namespace {

// How a worker's death reads as a verdict: it was the candidate's doing.
Evaluation dead(Outcome outcome, const std::string& message) {
  Evaluation e;
  e.verdict.outcome = outcome;
  e.verdict.message = message;
  return e;
}

json error_json(const Error& error) { return {{"error", error.message}, {"unavailable", error.code == ErrorCode::unavailable}}; }

// What a driver reads and writes besides its device files is not documented, so calls are not filtered; the file system
// is closed but for the system's folders, and nothing but devices can be written. A candidate has no host code.
SandboxOptions gpu_sandbox(const std::vector<std::string>& environment) {
  SandboxOptions options;
  options.filter_calls = false;
  options.readable = {"/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", "/opt", "/run", "/nix"};
  options.writable = {"/dev"};
  // Where device/cuda/shared_library.cpp looks beside the tool.
  std::error_code failed;
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path();
  options.readable.push_back(folder.parent_path() / "lib");
  for (int level = 0; level < 5 && folder.has_relative_path(); ++level, folder = folder.parent_path()) options.readable.push_back(folder / ".venv");
  for (const auto& variable : environment) {
    const auto value = variable.substr(variable.find('=') + 1);
    const bool library = variable.rfind("MTMC_CUDA_", 0) == 0 && value.find('/') != std::string::npos;
    if (library) options.readable.push_back(std::filesystem::path(value).parent_path());
    if (variable.rfind("LD_LIBRARY_PATH=", 0) == 0)
      for (std::size_t begin = 0; begin < value.size();) {
        const std::size_t end = std::min(value.find(':', begin), value.size());
        if (end > begin) options.readable.push_back(value.substr(begin, end - begin));
        begin = end + 1;
      }
    if (variable.rfind("CUDA_HOME=", 0) == 0 || variable.rfind("CUDA_PATH=", 0) == 0 || variable.rfind("VIRTUAL_ENV=", 0) == 0) options.readable.push_back(value);
  }
  return options;
}

}  // namespace

struct Evaluator::Impl {
  EvaluatorSettings settings;
  Worker worker;
  std::uint64_t evaluations = 0;

  // An answer, or what became of the worker instead.
  Result<Reply> call(const json& request) {
    auto reply = worker.call(request, std::chrono::milliseconds(settings.timeout_ms));
    if (!reply || reply->status != Reply::Status::answered) return reply;
    const bool failed = reply->answer.contains("error") && reply->answer["error"].is_string();
    const bool unavailable_there = failed && reply->answer.value("unavailable", json(false)) == true;
    // A context that is poisoned or lost goes with its process.
    if (reply->answer.value("restart", json(false)) == true || unavailable_there) worker.stop();
    if (!failed) return reply;
    const auto message = reply->answer["error"].get<std::string>();
    if (unavailable_there) return unavailable(message);
    return internal_error(message);
  }
};

Evaluator::Evaluator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Result<Evaluator> Evaluator::create(const EvaluatorSettings& settings) {
  auto device = device::find_device(settings.device);
  if (!device) return tl::unexpected<Error>(device.error());
  WorkerOptions options;
  options.role = "evaluate";
  options.process.executable = settings.tool;
  options.process.arguments = {"worker", "--role", "evaluate", "--device", device->name};
  if (device->facts.emulated) {
    options.process.limits.address_space_bytes = std::uint64_t{40} << 30;
  } else {  // a driver maps far more address space than it uses
    options.process.environment = device::cuda::gpu_environment();
    options.process.limits.may_write_files = true;
  }
  auto impl = std::unique_ptr<Impl>(new Impl{settings, Worker(options), 0});
  if (auto facts = impl->worker.facts(); !facts) return tl::unexpected<Error>(facts.error());
  return Evaluator(std::move(impl));
}

Result<Evaluation> Evaluator::evaluate(const JudgeRequest& request) {
  ++impl_->evaluations;
  auto reply = impl_->call(to_json(request));
  if (!reply) return tl::unexpected<Error>(reply.error());
  if (reply->status == Reply::Status::timeout)
    return dead(Outcome::timeout, fmt::format("no answer within {:g} s", static_cast<double>(impl_->settings.timeout_ms) / 1000));
  if (reply->status == Reply::Status::crashed) return dead(Outcome::crash, reply->detail);
  return evaluation_from_json(reply->answer);
}

Result<Ceilings> Evaluator::ceilings(const compiler::Binary& kernels, const TimingProtocol& protocol) {
  auto reply = impl_->call({{"ceilings", binary_json(kernels)}, {"timing", to_json(protocol)}});
  if (!reply) return tl::unexpected<Error>(reply.error());
  if (reply->status != Reply::Status::answered) return unavailable("measuring the device's ceilings: " + reply->detail);
  return ceilings_from_json(reply->answer);
}

std::uint64_t Evaluator::evaluations() const { return impl_->evaluations; }

namespace {

json answer(device::Device& device, const json& form) {
  if (form.is_object() && form.contains("ceilings")) {
    auto binary = binary_from_json(form["ceilings"]);
    if (!binary) return error_json(binary.error());
    auto protocol = timing_protocol_from_json(form.value("timing", json()));
    if (!protocol) return error_json(protocol.error());
    auto ceilings = measure_ceilings(device, *binary, *protocol);
    return ceilings ? to_json(*ceilings) : error_json(ceilings.error());
  }
  auto request = judge_request_from_json(form);
  if (!request) return error_json(request.error());
  auto evaluation = judge(device, *request);
  return evaluation ? to_json(*evaluation) : error_json(evaluation.error());
}

}  // namespace

int evaluate_worker_main(const std::string& device_name) {
  auto channel = claim_standard_channel();
  if (!channel) return 3;
  const auto refuse = [&](const Error& error) { return refuse_to_serve(channel->out, "evaluate", error.message); };
  // Before the device is opened: a driver starts threads, and those must be locked in too. The emulator needs no files.
  const bool emulated = device::is_emulated(device_name);
  auto sandbox = enter_sandbox(emulated ? SandboxOptions{} : gpu_sandbox(device::cuda::gpu_environment()));
  if (!sandbox) return refuse(sandbox.error());
  auto device = device::open_device(device_name);
  if (!device) return refuse(device.error());
  return serve(channel->in, channel->out, "evaluate", [&](const json& form) {
    json out = answer(**device, form);
    if (!(*device)->usable()) out["restart"] = true;
    return out;
  }, {{"device", device_name}});
}

}  // namespace mtmc::harness
