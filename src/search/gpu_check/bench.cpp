#include "search/gpu_check/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include <nlohmann/json.hpp>
#include <thread>

#include "emulator/cost_model.hpp"
#include "emulator/device_table.hpp"
#include "store/candidates.hpp"
#include "store/evidence.hpp"
#include "store/keys.hpp"

namespace mtmc::search {

using nlohmann::json;

namespace {

constexpr int kCompilers = 8;  // at a time; each takes a core

std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

struct Bench::Impl {
  store::Store& store;
  BenchSettings settings;
  kernel::DeviceFacts facts;
  std::string twin;
  std::unique_ptr<compiler::Compiler> compiler;
  std::optional<harness::Evaluator> device_evaluator, twin_evaluator;

  Result<compiler::Compiler*> ready_compiler() {
    if (!compiler) {
      compiler::CompilerSettings s;
      s.tool = settings.tool;
      s.cache_directory = settings.cache_directory;
      s.max_workers = kCompilers;
      auto made = compiler::Compiler::create(s);
      if (!made) return tl::unexpected<Error>(made.error());
      compiler = std::move(*made);
    }
    return compiler.get();
  }

  compiler::CompileRequest request_for(const kernel::Candidate& candidate) const {
    compiler::CompileRequest request;
    for (const auto& s : candidate.sources) request.sources.push_back({s.name, s.text});
    request.architecture = facts.architecture;
    for (const auto& [name, value] : candidate.configuration)
      request.defines.emplace_back(name, std::to_string(value));
    request.line_info = true;
    return request;
  }

  Result<harness::Evaluator*> evaluator(Where where) {
    auto& slot = where == Where::device ? device_evaluator : twin_evaluator;
    if (!slot) {
      auto made = harness::Evaluator::create(
          {settings.tool, where == Where::device ? settings.device : twin});
      if (!made) return tl::unexpected<Error>(made.error());
      slot.emplace(std::move(*made));
    }
    return &*slot;
  }
};

Bench::Bench(store::Store& store, BenchSettings settings, kernel::DeviceFacts facts,
             std::string twin)
    : impl_(new Impl{
          store, std::move(settings), std::move(facts), std::move(twin), nullptr, {}, {}}) {}
Bench::~Bench() = default;

const kernel::DeviceFacts& Bench::facts() const { return impl_->facts; }
const std::string& Bench::device() const { return impl_->settings.device; }
const std::string& Bench::twin() const { return impl_->twin; }
store::Store& Bench::store() { return impl_->store; }

Result<std::variant<compiler::Binary, std::string>> Bench::compile(
    const kernel::Candidate& candidate) {
  auto ready = impl_->ready_compiler();
  if (!ready) return tl::unexpected<Error>(ready.error());
  auto outcome = (*ready)->compile(impl_->request_for(candidate));
  if (!outcome) return tl::unexpected<Error>(outcome.error());
  if (auto* binary = std::get_if<compiler::Binary>(&*outcome))
    return std::variant<compiler::Binary, std::string>(std::move(*binary));
  const auto& failure = std::get<compiler::CompileFailure>(*outcome);
  return std::variant<compiler::Binary, std::string>("it does not compile: " +
                                                     failure.diagnostics.front().message);
}

void Bench::compile_ahead(const std::vector<kernel::Candidate>& candidates) {
  auto ready = impl_->ready_compiler();
  if (!ready || impl_->settings.cache_directory.empty()) return;
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  const auto hands = std::min<std::size_t>(
      {candidates.size(), kCompilers, std::max(1u, std::thread::hardware_concurrency())});
  for (std::size_t t = 0; t < hands; ++t)
    threads.emplace_back([&] {
      for (std::size_t i; (i = next++) < candidates.size();)
        (void)(*ready)->compile(impl_->request_for(candidates[i]));
    });
  for (auto& thread : threads) thread.join();
}

Result<harness::Evaluation> Bench::evaluate(Where where, const kernel::Region& region,
                                            const kernel::Candidate& candidate,
                                            const compiler::Binary& binary, const Look& look) {
  auto evaluator = impl_->evaluator(where);
  if (!evaluator) return tl::unexpected<Error>(evaluator.error());
  harness::JudgeRequest request;
  request.op = region.op;
  request.seed = impl_->settings.seed;
  request.units.push_back({candidate, binary, {}, {}, {}, {}});
  request.limits.only_stated_time = look.only_stated;
  request.limits.reference_operations = look.reference_operations;
  // The twin's time is a model's: a sample of blocks gives it.
  request.limits.emulated_operations = look.kept_elements > 0 ? 6e8 : 5e7;
  request.limits.sampled_elements = 2048;
  request.limits.sampled_blocks = 12;
  request.kept_elements = look.kept_elements;
  if (where == Where::device) {
    request.timing = look.timing;
    request.count = look.count;
  }
  return (*evaluator)->evaluate(request);
}

Result<void> Bench::remember(Where where, const kernel::Region& region,
                             const kernel::Candidate& candidate, const compiler::Binary& binary,
                             const Look& look, const harness::Evaluation& evaluation) {
  Impl& m = *impl_;
  const std::string device = where == Where::device ? m.settings.device : m.twin;
  const std::string id = kernel::candidate_id(candidate);
  store::Candidates candidates(m.store);
  if (auto ok = candidates.put_region({region.hash, region.text}); !ok) return ok;
  if (auto ok = candidates.put({id, region.hash, text_of(kernel::to_json(candidate)), "", "check",
                                candidate.written_by, 0});
      !ok)
    return ok;
  const auto& v = evaluation.verdict;
  store::VerdictRecord verdict;
  verdict.key = store::verdict_key(
      {binary.hash, kernel::to_json(candidate.recipe).dump(),
       fmt::format("{}\ncheck seed {} stated {}", region.text, m.settings.seed, look.only_stated),
       harness::tolerance_name(), device, harness::kHarnessVersion});
  verdict.candidate_id = id;
  verdict.binary_hash = binary.hash;
  verdict.device = device;
  verdict.harness_version = harness::kHarnessVersion;
  verdict.outcome = std::string(harness::name_of(v.outcome));
  verdict.verified = std::string(harness::name_of(v.verified));
  verdict.message = v.message;
  verdict.worst = v.worst;
  store::Evidence evidence(m.store);
  if (auto ok = evidence.put_verdict(verdict); !ok) return ok;
  if (evaluation.modelled_ns) {
    store::ModelledTime time;
    time.key = {id, binary.hash, device, emulator::kCostModelVersion};
    time.modelled_ns = *evaluation.modelled_ns;
    for (const auto& l : evaluation.launches)
      if (l.modelled) {
        time.launch_ns += l.modelled->launch_ns;
        time.issue_ns += l.modelled->issue_ns;
        time.shared_ns += l.modelled->shared_ns;
        time.latency_ns += l.modelled->latency_ns;
        time.l2_ns += l.modelled->l2_ns;
        time.dram_ns += l.modelled->dram_ns;
        time.tail_ns += l.modelled->tail_ns;
      }
    if (auto ok = evidence.put_modelled(time); !ok) return ok;
  }
  if (!evaluation.timing) return {};
  const harness::Timing& t = *evaluation.timing;
  store::MeasuredTime time;
  time.key = {id, binary.hash, device, t.driver, t.protocol};
  time.measured_ns = t.measured_ns;
  time.busy_ns = t.busy_ns;
  time.span_ns = t.measured_ns;
  time.wall_ns = t.wall_ns;
  time.samples_ns = t.samples_ns;
  time.details_json = text_of({{"timing", harness::to_json(t)}, {"counters", evaluation.counters}});
  return evidence.put_measured(time);
}

std::string twin_of(const std::string& device, const std::string& architecture) {
  const auto& table = emulator::device_table();
  for (const auto& entry : table)
    if (device == entry.name) return "emulated " + std::string(entry.name);
  for (const auto& entry : table)
    if (architecture == entry.architecture) return "emulated " + std::string(entry.name);
  return "emulated " + std::string(table.front().name);
}

}  // namespace mtmc::search
