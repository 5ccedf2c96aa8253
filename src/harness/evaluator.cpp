#include "harness/evaluator.hpp"

#include <fmt/format.h>

#include <chrono>

#include <nlohmann/json.hpp>

#include "base/sandbox.hpp"

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

}  // namespace

struct Evaluator::Impl {
  EvaluatorSettings settings;
  Worker worker;
  std::uint64_t evaluations = 0;
};

Evaluator::Evaluator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Result<Evaluator> Evaluator::create(const EvaluatorSettings& settings) {
  WorkerOptions options;
  options.role = "evaluate";
  options.process.executable = settings.tool;
  options.process.arguments = {"worker", "--role", "evaluate", "--device", settings.device};
  options.process.limits.address_space_bytes = std::uint64_t{40} << 30;
  auto impl = std::unique_ptr<Impl>(new Impl{settings, Worker(options), 0});
  if (auto facts = impl->worker.facts(); !facts) return tl::unexpected<Error>(facts.error());
  return Evaluator(std::move(impl));
}

Result<Evaluation> Evaluator::evaluate(const JudgeRequest& request) {
  ++impl_->evaluations;
  auto reply = impl_->worker.call(to_json(request), std::chrono::milliseconds(impl_->settings.timeout_ms));
  if (!reply) return tl::unexpected<Error>(reply.error());
  if (reply->status == Reply::Status::timeout)
    return dead(Outcome::timeout, fmt::format("no answer within {} s", impl_->settings.timeout_ms / 1000));
  if (reply->status == Reply::Status::crashed) return dead(Outcome::crash, reply->detail);
  if (reply->answer.contains("error") && reply->answer["error"].is_string())
    return internal_error(reply->answer["error"].get<std::string>());
  return evaluation_from_json(reply->answer);
}

std::uint64_t Evaluator::evaluations() const { return impl_->evaluations; }

int evaluate_worker_main(const std::string& device_name) {
  auto channel = claim_standard_channel();
  if (!channel) return 3;
  auto device = device::open_device(device_name);
  if (!device) return refuse_to_serve(channel->out, "evaluate", device.error().message);
  auto sandbox = enter_sandbox({});
  if (!sandbox) return refuse_to_serve(channel->out, "evaluate", sandbox.error().message);
  return serve(channel->in, channel->out, "evaluate", [&](const json& form) -> json {
    auto request = judge_request_from_json(form);
    if (!request) return {{"error", request.error().message}};
    auto evaluation = judge(**device, *request);
    if (!evaluation) return {{"error", evaluation.error().message}};
    return to_json(*evaluation);
  }, {{"device", device_name}});
}

}  // namespace mtmc::harness
