#include "search/assess.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/hash.hpp"
#include "compiler/request.hpp"
#include "device/cuda/probe.hpp"
#include "emulator/cost_model.hpp"
#include "search/feedback.hpp"
#include "store/candidates.hpp"
#include "store/ceilings.hpp"
#include "store/evidence.hpp"
#include "store/keys.hpp"

namespace mtmc::search {

namespace {

using harness::Evaluation;
using harness::Outcome;
using nlohmann::json;

constexpr std::size_t kMaxFeedback = 6000;

compiler::CompileRequest compile_request(const kernel::Candidate& candidate, const std::string& architecture) {
  compiler::CompileRequest request;
  for (const auto& s : candidate.sources) request.sources.push_back({s.name, s.text});
  request.architecture = architecture;
  for (const auto& [name, value] : candidate.configuration) request.defines.emplace_back(name, std::to_string(value));
  request.line_info = true;  // faults name source lines
  return request;
}

std::string diagnostics_text(const compiler::CompileFailure& failure) {
  std::string text;
  for (const auto& d : failure.diagnostics) {
    if (d.severity != compiler::Diagnostic::Severity::error && text.size() > kMaxFeedback / 2) continue;
    text += d.file.empty() ? d.message : fmt::format("{}:{}: {}", d.file, d.line, d.message);
    text += '\n';
  }
  return text.substr(0, kMaxFeedback);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Adds the seconds of a scope to a sum.
class AddSeconds {
 public:
  explicit AddSeconds(double& sum) : sum_(sum) {}
  ~AddSeconds() { sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  double& sum_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A stored time still stands: same driver, same protocol, whatever way this candidate had to be submitted.
bool is_current(const harness::Timing& timing, const harness::TimingProtocol& protocol) {
  if (timing.driver != device::cuda::driver_version()) return false;
  harness::TimingProtocol p = protocol;
  for (const auto submission : {protocol.submission, device::Submission::stream})
    for (const auto source : {device::TimeSource::activity, device::TimeSource::events}) {
      p.submission = submission;
      if (timing.protocol == harness::protocol_name(p, source)) return true;
    }
  return false;
}

}  // namespace

std::string Assessment::time_text() const {
  if (evaluation.modelled_ns) return fmt::format("modelled {:.2f} us", *evaluation.modelled_ns / 1000);
  if (evaluation.timing) return fmt::format("measured {:.2f} us", evaluation.timing->measured_ns / 1000);
  return {};
}

struct Assessor::Impl {
  store::Store& store;
  Settings settings;
  std::string tool, cache_directory, architecture;
  std::unique_ptr<compiler::Compiler> compiler;
  std::optional<harness::Evaluator> evaluator;
  double compile_s = 0, device_s = 0;

  Result<Evaluation> evaluate(harness::Evaluator& with, const harness::JudgeRequest& judge) {
    const AddSeconds timed(device_s);
    return with.evaluate(judge);
  }

  std::mutex ahead_mutex;
  std::map<std::string, compiler::CompileOutcome> ahead;  // compiled ahead and not asked for yet, by request hash
  std::map<std::string, Evaluation> by_code;              // judgements by machine code and what runs it
  std::uint64_t twins = 0;

  Result<compiler::Compiler*> ready_compiler() {
    if (!compiler) {
      compiler::CompilerSettings s;
      s.tool = tool;
      s.cache_directory = cache_directory;
      s.max_workers = 2;
      auto made = compiler::Compiler::create(s);
      if (!made) return tl::unexpected<Error>(made.error());
      compiler = std::move(*made);
    }
    return compiler.get();
  }

  Result<harness::Evaluator*> ready_evaluator() {
    if (!evaluator) {
      auto made = harness::Evaluator::create({tool, settings.device});
      if (!made) return tl::unexpected<Error>(made.error());
      evaluator.emplace(std::move(*made));
    }
    return &*evaluator;
  }

  store::VerdictIdentity verdict_identity(const std::string& binary_hash, const std::string& recipe, const op::Operator& op) const {
    const auto& l = settings.limits;
    return {binary_hash, recipe,
            fmt::format("{}\nseed {} limits {} {} {} {} {} {}", op::text(op), settings.seed, l.reference_operations, l.emulated_operations,
                        l.sampled_elements, l.sampled_blocks, l.instruction_budget, l.memory_bytes),
            harness::tolerance_name(), settings.device, harness::kHarnessVersion};
  }

  Result<std::optional<Assessment>> remembered(const std::string& key, const std::string& candidate_id) {
    auto known = store::Evidence(store).verdict(key);
    if (!known) return tl::unexpected<Error>(known.error());
    // A verdict of circumstance (a worker was killed for its time) may be another one the next time.
    if (!*known || (*known)->outcome == "timeout" || (*known)->outcome == "crash") return std::optional<Assessment>();
    const auto form = json::parse((*known)->details_json, nullptr, false);
    auto evaluation = harness::evaluation_from_json(form.is_object() ? form.value("evaluation", json()) : json());
    if (!evaluation) return std::optional<Assessment>();  // written by another version: judge again
    if (evaluation->timing ? !is_current(*evaluation->timing, settings.timing) : settings.measures() && (*known)->outcome == "correct")
      return std::optional<Assessment>();
    Assessment a;
    a.evaluation = std::move(*evaluation);
    a.candidate_id = candidate_id;
    a.feedback = form.value("feedback", std::string());
    a.from_store = true;
    return std::optional<Assessment>(std::move(a));
  }

  Result<void> put_measured(const Assessment& a, const std::string& binary_hash) {
    const auto& timing = *a.evaluation.timing;
    store::MeasuredTime time;
    time.key = {a.candidate_id, binary_hash, settings.device, timing.driver, timing.protocol};
    time.measured_ns = timing.measured_ns;
    time.busy_ns = timing.busy_ns;
    time.span_ns = timing.measured_ns;
    time.wall_ns = timing.wall_ns;
    time.samples_ns = timing.samples_ns;
    json details = harness::to_json(timing);
    details.erase("samples_ns");
    details["counters"] = a.evaluation.counters;
    if (!a.evaluation.counters_note.empty()) details["counters_note"] = a.evaluation.counters_note;
    if (a.evaluation.prepare_ns) details["prepare_ns"] = *a.evaluation.prepare_ns;
    time.details_json = details.dump(-1, ' ', false, json::error_handler_t::replace);
    return store::Evidence(store).put_measured(time);
  }

  harness::JudgeRequest judge_request(const op::Operator& op) const {
    harness::JudgeRequest judge;
    judge.op = op;
    judge.seed = settings.seed;
    judge.limits = settings.limits;
    if (settings.measures()) {
      judge.timing = settings.timing;
      judge.count = true;
    }
    return judge;
  }

  Result<void> remember(const std::string& key, const std::string& binary_hash, const Assessment& a) {
    store::VerdictRecord record;
    record.key = key;
    record.candidate_id = a.candidate_id;
    record.binary_hash = binary_hash;
    record.device = settings.device;
    record.harness_version = harness::kHarnessVersion;
    const auto& v = a.evaluation.verdict;
    record.outcome = std::string(harness::name_of(v.outcome));
    record.verified = std::string(harness::name_of(v.verified));
    record.message = v.message;
    record.worst = v.worst;
    json evaluation = harness::to_json(a.evaluation);
    if (a.evaluation.timing) evaluation["timing"].erase("samples_ns");  // they have a column
    record.details_json = json{{"evaluation", std::move(evaluation)}, {"feedback", a.feedback}}.dump(-1, ' ', false, json::error_handler_t::replace);
    store::Evidence evidence(store);
    if (auto ok = evidence.put_verdict(record); !ok) return ok;
    if (a.correct() && a.evaluation.timing) return put_measured(a, binary_hash);
    if (!a.correct() || !a.evaluation.modelled_ns) return {};
    store::ModelledTime time;
    time.key = {a.candidate_id, binary_hash, settings.device, emulator::kCostModelVersion};
    time.modelled_ns = *a.evaluation.modelled_ns;
    json counters = json::array();
    for (const auto& l : a.evaluation.launches) {
      if (l.modelled) {
        time.launch_ns += l.modelled->launch_ns;
        time.issue_ns += l.modelled->issue_ns;
        time.shared_ns += l.modelled->shared_ns;
        time.latency_ns += l.modelled->latency_ns;
        time.l2_ns += l.modelled->l2_ns;
        time.dram_ns += l.modelled->dram_ns;
        time.tail_ns += l.modelled->tail_ns;
      }
      counters.push_back({{"kernel", l.kernel}, {"counters", l.counters}});
    }
    time.counters_json = counters.dump();
    return evidence.put_modelled(time);
  }

  std::optional<Result<compiler::CompileOutcome>> compiled_ahead(const std::string& hash) {
    const std::lock_guard lock(ahead_mutex);
    auto node = ahead.extract(hash);
    if (!node) return std::nullopt;
    return Result<compiler::CompileOutcome>(std::move(node.mapped()));
  }

  // What decides a judgement once a candidate is machine code: that, its recipe with the tunables that it names, and the operator.
  std::string code_key(const compiler::Binary& binary, const kernel::Candidate& candidate, const op::Operator& op) const {
    std::string key = kernel::to_json(candidate.recipe).dump();
    std::string values;
    for (const auto& [name, value] : candidate.configuration)
      if (key.find(name) != std::string::npos) values += fmt::format("{}={} ", name, value);
    return sha256(fmt::format("{}\n{}\n{}\n{}\n{}", sha256(binary.cubin), sha256(binary.ptx), key, values, op::text(op)));
  }

  // The compiled candidate, or the verdict that it does not compile.
  Result<std::variant<compiler::Binary, Evaluation>> compile(const compiler::CompileRequest& request, const std::string& hash, std::string& log) {
    auto ready = ready_compiler();
    if (!ready) return tl::unexpected<Error>(ready.error());
    auto outcome = compiled_ahead(hash);
    if (!outcome) {
      const AddSeconds timed(compile_s);
      outcome = (*ready)->compile(request);
    }
    store::CompileRecord record;
    record.binary_hash = hash;
    record.architecture = architecture;
    record.compiler = (*ready)->version();
    if (!*outcome) {
      // A source or define that the compiler will not even look at is the candidate's fault, not the run's.
      if (outcome->error().code != ErrorCode::bad_input) return tl::unexpected<Error>(outcome->error());
      Evaluation refused;
      refused.verdict.outcome = Outcome::refused;
      refused.verdict.message = log = outcome->error().message;
      return refused;
    }
    if (auto* binary = std::get_if<compiler::Binary>(&**outcome)) {
      record.outcome = "ok";
      json kernels = json::array();
      for (const auto& k : binary->kernels) {
        record.registers = std::max<std::int64_t>(record.registers, k.registers);
        record.spill_bytes = std::max(record.spill_bytes, k.spill_store_bytes);
        record.static_shared_bytes = std::max(record.static_shared_bytes, k.static_shared_bytes);
        kernels.push_back({{"name", k.name}, {"registers", k.registers}, {"spill_store_bytes", k.spill_store_bytes},
                           {"static_shared_bytes", k.static_shared_bytes}, {"code_bytes", k.code_bytes}});
      }
      record.kernels_json = kernels.dump();
      if (auto ok = store::Candidates(store).put_compile(record); !ok) return tl::unexpected<Error>(ok.error());
      return std::move(*binary);
    }
    const auto& failure = std::get<compiler::CompileFailure>(**outcome);
    Evaluation failed;
    using Kind = compiler::CompileFailure::Kind;
    failed.verdict.outcome = failure.kind == Kind::timeout ? Outcome::timeout : failure.kind == Kind::crash ? Outcome::crash : Outcome::compile_error;
    log = diagnostics_text(failure);
    failed.verdict.message = first_line(log);
    record.outcome = failure.kind == Kind::timeout ? "timeout" : failure.kind == Kind::crash ? "crash" : "compile_error";
    record.diagnostics_json = json::array({log}).dump(-1, ' ', false, json::error_handler_t::replace);
    if (auto ok = store::Candidates(store).put_compile(record); !ok) return tl::unexpected<Error>(ok.error());
    return failed;
  }
};

Assessor::Assessor(store::Store& store, Settings settings, std::string tool, std::string cache_directory, std::string architecture)
    : impl_(new Impl{store, std::move(settings), std::move(tool), std::move(cache_directory), std::move(architecture), nullptr, {}, 0, 0, {}, {}, {}, 0}) {}
Assessor::~Assessor() = default;

Result<void> Assessor::start() {
  if (auto compiler = impl_->ready_compiler(); !compiler) return tl::unexpected<Error>(compiler.error());
  return {};
}

void Assessor::prepare(const kernel::Candidate& candidate) {
  Impl& m = *impl_;
  const auto request = compile_request(candidate, m.architecture);
  auto outcome = m.compiler->compile(request);
  if (!outcome) return;  // assess() meets it again and says so
  const std::lock_guard lock(m.ahead_mutex);
  m.ahead.insert_or_assign(compiler::request_hash(request, m.compiler->version()), std::move(*outcome));
}

Result<Assessment> Assessor::assess(const kernel::Region& region, const kernel::Candidate& candidate, const Origin& origin) {
  Impl& m = *impl_;
  Assessment a;
  a.candidate_id = kernel::candidate_id(candidate);
  store::Candidates candidates(m.store);
  if (auto ok = candidates.put_region({region.hash, region.text}); !ok) return tl::unexpected<Error>(ok.error());
  store::CandidateRecord record{a.candidate_id, region.hash, kernel::to_json(candidate).dump(-1, ' ', false, json::error_handler_t::replace),
                                origin.parent_id, origin.step_key, candidate.written_by, 0};
  if (auto ok = candidates.put(record); !ok) return tl::unexpected<Error>(ok.error());

  auto compiler = m.ready_compiler();
  if (!compiler) return tl::unexpected<Error>(compiler.error());
  const auto request = compile_request(candidate, m.architecture);
  const std::string hash = compiler::request_hash(request, (*compiler)->version());
  const std::string key = store::verdict_key(m.verdict_identity(hash, kernel::to_json(candidate.recipe).dump(), region.op));
  auto known = m.remembered(key, a.candidate_id);
  if (!known) return tl::unexpected<Error>(known.error());
  if (*known) {
    m.compiled_ahead(hash);  // not needed after all
    return std::move(**known);
  }

  auto compiled = m.compile(request, hash, a.feedback);
  if (!compiled) return tl::unexpected<Error>(compiled.error());
  if (auto* failed = std::get_if<Evaluation>(&*compiled)) {
    a.evaluation = std::move(*failed);
  } else {
    auto& binary = std::get<compiler::Binary>(*compiled);
    const std::string code = binary.cubin.empty() ? std::string() : m.code_key(binary, candidate, region.op);
    if (const auto twin = m.by_code.find(code); twin != m.by_code.end()) {
      a.evaluation = twin->second;
      if (!a.correct()) a.feedback = feedback_text(a.evaluation, region.op, m.settings.limits, kMaxFeedback);
      ++m.twins;
      if (auto ok = m.remember(key, hash, a); !ok) return tl::unexpected<Error>(ok.error());
      return a;
    }
    auto evaluator = m.ready_evaluator();
    if (!evaluator) return tl::unexpected<Error>(evaluator.error());
    harness::JudgeRequest judge = m.judge_request(region.op);
    judge.units.push_back({candidate, std::move(binary), {}, {}, {}, {}});
    auto evaluation = m.evaluate(**evaluator, judge);
    if (!evaluation) return tl::unexpected<Error>(evaluation.error());
    a.evaluation = std::move(*evaluation);
    if (!a.correct()) a.feedback = feedback_text(a.evaluation, region.op, m.settings.limits, kMaxFeedback);
    // What a worker's end decided is no property of the code.
    const Outcome outcome = a.evaluation.verdict.outcome;
    if (!code.empty() && outcome != Outcome::timeout && outcome != Outcome::crash) m.by_code.emplace(code, a.evaluation);
  }
  if (auto ok = m.remember(key, hash, a); !ok) return tl::unexpected<Error>(ok.error());
  return a;
}

Result<Assessment> Assessor::assess_program(const kernel::Program& program, const std::vector<kernel::Candidate>& per_part) {
  Impl& m = *impl_;
  harness::JudgeRequest judge = m.judge_request(program.op);
  for (std::size_t p = 0; p < program.parts.size(); ++p) {
    const auto& part = program.parts[p];
    const auto& region = program.regions[part.region].op;
    const auto request = compile_request(per_part[p], m.architecture);
    auto compiler = m.ready_compiler();
    if (!compiler) return tl::unexpected<Error>(compiler.error());
    std::string log;
    auto compiled = m.compile(request, compiler::request_hash(request, (*compiler)->version()), log);
    if (!compiled) return tl::unexpected<Error>(compiled.error());
    if (!std::holds_alternative<compiler::Binary>(*compiled)) return internal_error("a candidate that was correct does not compile any more: " + first_line(log));
    harness::Unit unit{per_part[p], std::move(std::get<compiler::Binary>(*compiled)), part.inputs, part.outputs, {}, {}};
    for (int v = 0; v < region.inputs(); ++v) unit.region_inputs.push_back(region.values[v].name);
    for (int v : region.outputs) unit.region_outputs.push_back(region.values[v].name);
    judge.units.push_back(std::move(unit));
  }
  auto evaluator = m.ready_evaluator();
  if (!evaluator) return tl::unexpected<Error>(evaluator.error());
  auto evaluation = m.evaluate(**evaluator, judge);
  if (!evaluation) return tl::unexpected<Error>(evaluation.error());
  Assessment a;
  a.evaluation = std::move(*evaluation);
  a.feedback = feedback_text(a.evaluation, program.op, m.settings.limits, kMaxFeedback);
  return a;
}

Result<Assessment> Assessor::confirm(const kernel::Region& region, const kernel::Candidate& candidate, const Assessment& chosen) {
  Impl& m = *impl_;
  if (!m.settings.measures() || !chosen.correct()) return chosen;
  m.evaluator.reset();
  auto compiler = m.ready_compiler();
  if (!compiler) return tl::unexpected<Error>(compiler.error());
  const auto request = compile_request(candidate, m.architecture);
  const std::string hash = compiler::request_hash(request, (*compiler)->version());
  Assessment again = chosen;
  again.from_store = false;
  auto compiled = m.compile(request, hash, again.feedback);
  if (!compiled) return tl::unexpected<Error>(compiled.error());
  if (!std::holds_alternative<compiler::Binary>(*compiled)) return chosen;
  auto evaluator = m.ready_evaluator();
  if (!evaluator) return tl::unexpected<Error>(evaluator.error());
  harness::JudgeRequest judge = m.judge_request(region.op);
  judge.units.push_back({candidate, std::move(std::get<compiler::Binary>(*compiled)), {}, {}, {}, {}});
  auto evaluation = m.evaluate(**evaluator, judge);
  if (!evaluation) return tl::unexpected<Error>(evaluation.error());
  again.evaluation = std::move(*evaluation);
  // A verdict that does not hold up the second time is the one that counts.
  if (!again.correct()) again.feedback = feedback_text(again.evaluation, region.op, m.settings.limits, kMaxFeedback);
  const std::string key = store::verdict_key(m.verdict_identity(hash, kernel::to_json(candidate.recipe).dump(), region.op));
  if (auto ok = m.remember(key, hash, again); !ok) return tl::unexpected<Error>(ok.error());
  return again;
}

Result<std::optional<store::CeilingsRecord>> Assessor::ceilings() {
  Impl& m = *impl_;
  if (!m.settings.measures()) return std::optional<store::CeilingsRecord>();
  store::Ceilings stored(m.store);
  const store::CeilingsKey key{m.settings.device, device::cuda::driver_version(), harness::kCeilingsVersion};
  auto known = stored.find(key);
  if (!known || *known) return known;
  auto compiler = m.ready_compiler();
  if (!compiler) return tl::unexpected<Error>(compiler.error());
  auto outcome = (*compiler)->compile(harness::ceiling_kernels(m.architecture));
  if (!outcome) return tl::unexpected<Error>(outcome.error());
  auto* binary = std::get_if<compiler::Binary>(&*outcome);
  if (!binary) return internal_error("the kernels that measure ceilings do not compile: " + first_line(std::get<compiler::CompileFailure>(*outcome).log));
  auto evaluator = m.ready_evaluator();
  if (!evaluator) return tl::unexpected<Error>(evaluator.error());
  auto measured = (*evaluator)->ceilings(*binary, m.settings.timing);
  if (!measured) return tl::unexpected<Error>(measured.error());
  store::CeilingsRecord record{key, measured->protocol, measured->copy_bytes_per_s, measured->fp32_flops, measured->tf32_flops, measured->bf16_flops, 0};
  if (auto ok = stored.put(record); !ok) return tl::unexpected<Error>(ok.error());
  return std::optional<store::CeilingsRecord>(record);
}

std::uint64_t Assessor::compiles() const { return impl_->compiler ? impl_->compiler->compiles() : 0; }
double Assessor::compile_s() const { return impl_->compile_s; }
double Assessor::device_s() const { return impl_->device_s; }
std::uint64_t Assessor::evaluations() const { return impl_->evaluator ? impl_->evaluator->evaluations() : 0; }
std::uint64_t Assessor::twins() const { return impl_->twins; }

}  // namespace mtmc::search
