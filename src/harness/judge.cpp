// One case at a time, smallest first, so that a wrong candidate fails cheaply. For each: allocate, fill inputs in place, fill
// outputs with random finite values (a kernel that writes nothing cannot pass by luck), run, compare. The stated
// case comes last and gives the time.
//
// A stated case that is too large to emulate whole runs a sample of its blocks. Where the run is one launch, blocks are
// independent and what they wrote is judged (`sampled`); with several launches later ones would read what was never
// written, so their values are judged at the reduced shape only (`reduced`) and the sample serves the counters.
#include "harness/judge.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "base/rng.hpp"
#include "device/draw.hpp"
#include "harness/measure.hpp"
#include "kernel/region.hpp"

namespace mtmc::harness {

namespace {

using device::BoundStep;
using device::Device;
using kernel::BufferRole;


struct Pooled {
  int buffer = -1;
  op::DType dtype = op::DType::f32;
  std::int64_t elements = 0, bytes = 0;
  std::vector<std::int64_t> strides;  // empty: contiguous
  std::vector<std::int64_t> shape;
};

// A unit at one case: its resolved recipe and where its names lie on the device.
struct BoundUnit {
  kernel::ResolvedRecipe recipe;
  std::map<std::string, int> buffers;
  int module = -1;
};

struct Stop {  // the verdict is decided
  Outcome outcome;
  std::string message;
};

template <class T>
using Step = tl::expected<T, Stop>;

tl::unexpected<Stop> stop(Outcome outcome, std::string message) {
  return tl::unexpected<Stop>(Stop{outcome, std::move(message)});
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (auto extent : shape) n *= extent;
  return n;
}

// Physical offset in elements of a row-major logical index.
std::int64_t physical(const Pooled& p, std::int64_t index) {
  if (p.strides.empty()) return index;
  std::int64_t offset = 0;
  for (std::size_t d = p.shape.size(); d-- > 0;) {
    offset += index % p.shape[d] * p.strides[d];
    index /= p.shape[d];
  }
  return offset;
}

class CaseRun {
 public:
  CaseRun(Device& device, const JudgeRequest& request, const Case& at, Evaluation& evaluation)
      : device_(device), request_(request), case_(at), evaluation_(evaluation) {}

  Result<Step<void>> run() {
    auto bound = op::rebind(request_.op, case_.dims);
    if (!bound) return tl::unexpected<Error>(bound.error());
    op_ = std::move(*bound);
    auto lowering = op::lower(op_);
    if (!lowering) return tl::unexpected<Error>(lowering.error());
    lowering_ = std::move(*lowering);
    auto work = op::work(lowering_, lowering_.dims);
    if (!work) return tl::unexpected<Error>(work.error());
    in_part_ = is_stated() && work->operations > request_.limits.emulated_operations && device_.facts().emulated;

    if (auto ok = place_values(); !ok) return ok;
    if (auto ok = bind_units(); !ok || !*ok) return ok;
    return execute_and_compare();
  }

 private:
  bool is_stated() const { return case_.name == "stated"; }

  Result<Step<void>> place_values() {
    for (int v = 0; v < static_cast<int>(op_.values.size()); ++v) {
      const bool input = v < op_.inputs();
      const bool output = std::find(op_.outputs.begin(), op_.outputs.end(), v) != op_.outputs.end();
      if (!input && !output) continue;
      if (auto ok = allocate(op_.values[v], op_, v, output || op_.values[v].role == op::Role::inout, output); !ok)
        return tl::unexpected<Error>(ok.error());
      if (auto ok = fill(op_.values[v], output); !ok) return tl::unexpected<Error>(ok.error());
    }
    return Step<void>{};
  }

  Result<void> allocate(const op::Value& value, const op::Operator& op, int index, bool writable, bool track) {
    Pooled p;
    p.dtype = value.dtype;
    p.shape = op.shape(index);
    p.elements = product(p.shape);
    std::int64_t span = p.elements;
    if (!value.strides.empty()) {
      span = 1;
      for (std::size_t d = 0; d < p.shape.size(); ++d) {
        auto stride = value.strides[d].evaluate(op.binding());
        if (!stride) return tl::unexpected<Error>(stride.error());
        p.strides.push_back(*stride);
        span += (p.shape[d] - 1) * *stride;
      }
    }
    p.bytes = span * op::bytes_of(p.dtype);
    auto buffer = device_.allocate({value.name, p.bytes, 256, writable, track && in_part_});
    if (!buffer) return tl::unexpected<Error>(buffer.error());
    p.buffer = *buffer;
    pool_[value.name] = std::move(p);
    return {};
  }

  // Drawing large inputs on the host takes longer than judging does, so a GPU keeps them between candidates.
  Result<void> fill(const op::Value& value, bool output) {
    if (output && value.role != op::Role::inout) return draw(value, true);
    const Pooled& p = pool_.at(value.name);
    std::string key = fmt::format("{}|{}|{}|{}|{}|{}", value.name, static_cast<int>(value.dtype), static_cast<int>(value.distribution.kind),
                                  value.distribution.a, value.distribution.b, request_.seed);
    for (const auto extent : p.shape) key += fmt::format(",{}", extent);
    for (const auto stride : p.strides) key += fmt::format(";{}", stride);
    auto known = device_.recall(p.buffer, key);
    if (!known) return tl::unexpected<Error>(known.error());
    if (*known) return {};
    if (auto ok = draw(value, false); !ok) return ok;
    if (is_stated()) device_.retain(p.buffer, key);
    return {};
  }

  Result<void> draw(const op::Value& value, bool output) {
    const Pooled& p = pool_.at(value.name);
    op::Value source = value;
    if (output && value.role != op::Role::inout) {  // what a kernel must overwrite
      source.name = fmt::format("before {}{}", value.name, output_fills_ == 0 ? "" : " again");
      source.distribution = {op::Distribution::Kind::uniform, -100, 100};
      if (!op::is_float(value.dtype)) source.distribution = {op::Distribution::Kind::randint, 0, 100};
    }
    const int size = op::bytes_of(p.dtype);
    if (!p.strides.empty()) {
      for (std::int64_t i = 0; i < p.elements; ++i) {
        const std::uint64_t bits = op::to_bits(p.dtype, op::input_element(source, request_.seed, i));
        const auto* bytes = reinterpret_cast<const std::byte*>(&bits);
        if (auto ok = device_.write(p.buffer, physical(p, i) * size, {bytes, static_cast<std::size_t>(size)}); !ok) return ok;
      }
      return {};
    }
    return device::draw(device_, p.buffer, p.bytes, source, request_.seed);
  }

  // Region-level bindings of each unit at this case.
  Result<std::vector<op::Operator>> unit_operators() {
    if (request_.units.size() == 1) return std::vector<op::Operator>{op_};
    auto program = kernel::partition(op_);
    if (!program) return tl::unexpected<Error>(program.error());
    if (program->parts.size() != request_.units.size())
      return internal_error(fmt::format("{} parts at case {}, {} units", program->parts.size(), case_.name, request_.units.size()));
    std::vector<op::Operator> operators;
    for (const auto& part : program->parts) operators.push_back(program->regions[part.region].op);
    return operators;
  }

  Result<Step<void>> bind_units() {
    auto operators = unit_operators();
    if (!operators) return tl::unexpected<Error>(operators.error());
    for (std::size_t u = 0; u < request_.units.size(); ++u) {
      const Unit& unit = request_.units[u];
      const op::Operator& region = (*operators)[u];
      Symbols symbols = region.binding();
      for (const auto& [name, value] : unit.candidate.configuration) symbols[name] = value;
      device_.facts().add_symbols(symbols);
      auto module = device_.load(unit.binary);
      if (!module) return tl::unexpected<Error>(module.error());
      // For blocks of 256 threads without dynamic shared memory: a recipe that needs it more exactly says its block sizes as
      // tunables and lets the tuner find out.
      for (const auto& k : unit.binary.kernels)
        if (const int blocks = device_.occupancy(*module, k.name, 256); blocks > 0) symbols["occupancy(" + k.name + ")"] = blocks;
      auto recipe = kernel::resolve(unit.candidate.recipe, symbols);
      if (!recipe) return Step<void>(stop(Outcome::refused, recipe.error().message));
      BoundUnit bound{std::move(*recipe), {}, *module};
      if (auto ok = bind_buffers(unit, region, bound); !ok || !*ok) return ok;
      units_.push_back(std::move(bound));
    }
    return Step<void>{};
  }

  Result<Step<void>> bind_buffers(const Unit& unit, const op::Operator& region, BoundUnit& bound) {
    std::map<std::string, std::string> program_name;
    for (std::size_t i = 0; i < unit.region_inputs.size(); ++i) program_name[unit.region_inputs[i]] = unit.inputs[i];
    for (std::size_t i = 0; i < unit.region_outputs.size(); ++i) program_name[unit.region_outputs[i]] = unit.outputs[i];
    std::int64_t workspace = 0;
    for (const auto& b : bound.recipe.buffers) {
      if (b.role == BufferRole::workspace || b.role == BufferRole::state) {
        if (b.alias) continue;
        workspace += b.bytes;
        if (workspace > request_.limits.memory_bytes)
          return Step<void>(stop(Outcome::over_budget, fmt::format("workspace of {} bytes, at most {}", workspace, request_.limits.memory_bytes)));
        auto buffer = device_.allocate({b.name, b.bytes, b.alignment, true, false});
        if (!buffer && buffer.error().code == ErrorCode::unavailable && device_.usable())  // what the candidate asks for does not fit
          return Step<void>(stop(Outcome::over_budget, buffer.error().message));
        if (!buffer) return tl::unexpected<Error>(buffer.error());
        bound.buffers[b.name] = *buffer;
        if (auto ok = fill_workspace(b, *buffer); !ok) return tl::unexpected<Error>(ok.error());
        continue;
      }
      const auto value = std::find_if(region.values.begin(), region.values.end(), [&](const op::Value& v) { return v.name == b.name; });
      if (value == region.values.end())
        return Step<void>(stop(Outcome::refused, fmt::format("buffer '{}' is no input or output of the region", b.name)));
      const std::string& name = program_name.count(b.name) ? program_name.at(b.name) : b.name;
      if (!pool_.count(name)) {  // between two regions
        const int index = static_cast<int>(value - region.values.begin());
        op::Value between = *value;
        between.name = name;
        if (auto ok = allocate(between, region, index, true, false); !ok) return tl::unexpected<Error>(ok.error());
      }
      const Pooled& p = pool_.at(name);
      if (p.bytes != b.bytes)
        return Step<void>(stop(Outcome::refused, fmt::format("buffer '{}' is said to have {} bytes, the region has {}", b.name, b.bytes, p.bytes)));
      bound.buffers[b.name] = p.buffer;
    }
    return Step<void>{};
  }

  Result<void> fill_workspace(const kernel::ResolvedBuffer& b, int buffer) {
    if (b.fill == kernel::FillKind::none || b.fill == kernel::FillKind::zero) return {};  // the device gives zeros
    op::Value value{b.name, b.dtype, {}, op::Role::input, {}, {}};
    if (b.fill == kernel::FillKind::value) value.distribution = {op::Distribution::Kind::constant, b.fill_value, 0};
    return device::draw(device_, buffer, b.bytes, value, request_.seed);
  }

  Result<Step<void>> execute_and_compare() {
    std::vector<BoundStep> prepare, run;
    for (auto& unit : units_) {
      for (const auto& s : unit.recipe.prepare) prepare.push_back({&s, unit.module, &unit.buffers, &unit.recipe});
      for (const auto& s : unit.recipe.run) run.push_back({&s, unit.module, &unit.buffers, &unit.recipe});
    }
    // A library routine of a vendor has no code here to emulate.
    for (const auto& s : run)
      if (std::holds_alternative<kernel::Library>(*s.step) && device_.facts().emulated)
        return Step<void>(stop(Outcome::unsupported, "library steps need a GPU"));
    device::RunOptions options;
    options.seed = request_.seed;
    options.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 8u));  // changes no result
    options.instruction_budget = request_.limits.instruction_budget;
    options.max_blocks = in_part_ ? request_.limits.sampled_blocks : 0;
    for (auto* steps : {&prepare, &run}) {
      if (steps->empty()) continue;
      auto report = device_.run(*steps, options);
      if (!report) return tl::unexpected<Error>(report.error());
      if (report->fault)
        return Step<void>(stop(outcome_named(report->fault->kind).value_or(Outcome::crash), report->fault->text));
      if (steps == &run && is_stated()) {
        evaluation_.launches = report->launches;
        double total = 0;
        bool modelled = true;
        for (const auto& l : report->launches) {
          modelled = modelled && l.modelled;
          if (l.modelled) total += l.modelled->total_ns;
        }
        if (modelled) evaluation_.modelled_ns = total;
      }
    }
    if (in_part_ && (run.size() != 1 || !prepare.empty())) {
      evaluation_.verdict.verified = Verified::reduced;
      return Step<void>{};
    }
    auto compared = compare();
    if (!compared || !*compared || !is_stated() || !request_.timing || !device_.stopwatch()) return compared;
    return measure(prepare, run);
  }

  // Times the run that was just found right, then looks at what the last repetition wrote: outputs hold other random values
  // before, so that a kernel which works only for the first calls is found out.
  Result<Step<void>> measure(std::span<const BoundStep> prepare, std::span<const BoundStep> run) {
    MeasureRequest request{prepare, run, {}, *request_.timing, 0};
    auto restores = pristine_copies();
    if (!restores) return tl::unexpected<Error>(restores.error());
    request.restores = *restores;
    auto floor = physical_floor();
    if (!floor) return tl::unexpected<Error>(floor.error());
    request.floor_ns = *floor;
    ++output_fills_;
    for (int v : op_.outputs)
      if (op_.values[v].role != op::Role::inout)
        if (auto ok = fill(op_.values[v], true); !ok) return tl::unexpected<Error>(ok.error());
    auto measured = measure_case(device_, request);
    if (!measured) return tl::unexpected<Error>(measured.error());
    if (measured->fault)
      return Step<void>(stop(outcome_named(measured->fault->kind).value_or(Outcome::crash), "timed runs: " + measured->fault->text));
    auto compared = compare();
    if (!compared) return compared;
    if (!*compared) return Step<void>(stop(compared->error().outcome, "timed runs: " + compared->error().message));
    evaluation_.timing = std::move(measured->timing);
    evaluation_.prepare_ns = measured->prepare_ns;
    if (request_.count) {
      auto counted = count_case(device_, run);
      if (!counted) return tl::unexpected<Error>(counted.error());
      if (counted->fault)
        return Step<void>(stop(outcome_named(counted->fault->kind).value_or(Outcome::crash), "counted runs: " + counted->fault->text));
      evaluation_.counters = std::move(counted->counters);
      evaluation_.counters_note = std::move(counted->note);
    }
    if (evaluation_.launches.size() == 1 && evaluation_.timing) evaluation_.launches.front().measured_ns = evaluation_.timing->busy_ns;
    return Step<void>{};
  }

  // Copies of what a run changes although the next one needs it as it was: inout values, and workspace that is filled.
  Result<std::vector<device::Restore>> pristine_copies() {
    std::vector<device::Restore> restores;
    const auto copy = [&](const std::string& name, std::int64_t bytes, int original) -> Result<int> {
      auto buffer = device_.allocate({name + " as it was", bytes, 256, false, false});
      if (buffer) restores.push_back({*buffer, original, bytes});
      return buffer;
    };
    for (const auto& value : op_.values) {
      if (value.role != op::Role::inout || !pool_.count(value.name)) continue;
      Pooled& p = pool_.at(value.name);
      auto made = copy(value.name, p.bytes, p.buffer);
      if (!made) return tl::unexpected<Error>(made.error());
      std::swap(p.buffer, *made);  // fill() writes to the pool's buffer
      auto filled = fill(value, false);
      std::swap(p.buffer, *made);
      if (!filled) return tl::unexpected<Error>(filled.error());
    }
    for (const auto& unit : units_)
      for (const auto& b : unit.recipe.buffers) {
        if ((b.role != BufferRole::workspace && b.role != BufferRole::state) || b.alias || b.fill == kernel::FillKind::none) continue;
        auto made = copy(b.name, b.bytes, unit.buffers.at(b.name));
        if (!made) return tl::unexpected<Error>(made.error());
        if (auto ok = fill_workspace(b, *made); !ok) return tl::unexpected<Error>(ok.error());
      }
    return restores;
  }

  // Arithmetic counts a quarter, as much as fast algorithms save (Winograd F(4x4, 3x3)), at the rate of the fastest unit.
  Result<double> physical_floor() {
    auto work = op::work(lowering_, lowering_.dims);
    if (!work) return tl::unexpected<Error>(work.error());
    double output_bytes = 0;
    for (int v : op_.outputs) output_bytes += static_cast<double>(pool_.at(op_.values[v].name).bytes);
    const auto& facts = device_.facts();
    const double rate = work->operand == op::DType::f64 ? 2 * facts.fp64_flops : std::max(facts.fp32_flops, facts.f16_flops);
    const double arithmetic_ns = rate > 0 ? 1e9 * work->contraction_operations / 4 / rate : 0;
    return floor_ns(std::max(0.0, work->bytes - output_bytes), output_bytes, arithmetic_ns, facts, request_.timing->cache);
  }

  Result<Step<void>> compare() {
    if (!expected_.empty()) return compare_again();
    auto reference = op::Reference::create_seeded(op_, lowering_, lowering_.dims, request_.seed);
    if (!reference) return tl::unexpected<Error>(reference.error());
    bool all = !in_part_;
    for (int v : op_.outputs) {
      const Pooled& p = pool_.at(op_.values[v].name);
      int tensor = -1;
      for (std::size_t t = 0; t < lowering_.tensors.size(); ++t)
        if (lowering_.tensors[t].value == v) tensor = static_cast<int>(t);
      if (tensor < 0) return internal_error("an output without a tensor");
      std::vector<std::byte> bytes(static_cast<std::size_t>(p.bytes));
      if (auto ok = device_.read(p.buffer, 0, bytes); !ok) return tl::unexpected<Error>(ok.error());
      keep(op_.values[v].name, p, bytes);
      std::vector<std::int64_t> indices;
      const bool whole = !in_part_ && reference->cost(tensor, p.elements) <= request_.limits.reference_operations;
      all = all && whole;
      if (whole) {
        indices.resize(static_cast<std::size_t>(p.elements));
        for (std::int64_t i = 0; i < p.elements; ++i) indices[static_cast<std::size_t>(i)] = i;
      } else {
        indices = sample(p);
        if (indices.empty())
          return Step<void>(stop(Outcome::mismatch, fmt::format("the blocks that ran wrote nothing to '{}'", op_.values[v].name)));
      }
      auto expected = reference->evaluate(tensor, indices);
      if (!expected) return tl::unexpected<Error>(expected.error());
      if (auto ok = compare_output(op_.values[v].name, p, bytes, indices, *expected); !ok) return ok;
      if (is_stated() && request_.timing && device_.stopwatch()) expected_[v] = {std::move(indices), std::move(*expected)};
    }
    if (is_stated()) evaluation_.verdict.verified = all ? Verified::full : Verified::sampled;
    return Step<void>{};
  }

  void keep(const std::string& name, const Pooled& p, std::span<const std::byte> bytes) {
    if (!is_stated() || in_part_ || request_.kept_elements <= 0) return;
    KeptOutput kept{name, p.dtype, std::max<std::int64_t>(1, p.elements / request_.kept_elements), {}};
    const std::int64_t size = op::bytes_of(p.dtype);
    for (std::int64_t i = 0; i < p.elements; i += kept.step)
      kept.bytes.append(reinterpret_cast<const char*>(bytes.data()) + physical(p, i) * size, static_cast<std::size_t>(size));
    evaluation_.kept.push_back(std::move(kept));
  }

  // The same elements of what was written since.
  Result<Step<void>> compare_again() {
    for (const auto& [v, known] : expected_) {
      const Pooled& p = pool_.at(op_.values[v].name);
      std::vector<std::byte> bytes(static_cast<std::size_t>(p.bytes));
      if (auto ok = device_.read(p.buffer, 0, bytes); !ok) return tl::unexpected<Error>(ok.error());
      if (auto ok = compare_output(op_.values[v].name, p, bytes, known.first, known.second); !ok) return ok;
    }
    return Step<void>{};
  }

  // Ends of every axis and seeded elements between; of what was written, where only some blocks ran.
  std::vector<std::int64_t> sample(const Pooled& p) {
    std::set<std::int64_t> chosen;
    const auto want = static_cast<std::size_t>(request_.limits.sampled_elements);
    const auto written = device_.written(p.buffer);
    const int size = op::bytes_of(p.dtype);
    const auto is_written = [&](std::int64_t index) {
      for (std::int64_t byte = physical(p, index) * size, end = byte + size; byte < end; ++byte)
        if (!(written[static_cast<std::size_t>(byte / 64)] >> (byte % 64) & 1)) return false;
      return true;
    };
    if (in_part_) {
      std::vector<std::int64_t> candidates;
      for (std::int64_t i = 0; i < p.elements && !written.empty(); ++i)
        if (is_written(i)) candidates.push_back(i);
      if (candidates.size() <= want) return candidates;
      chosen = {candidates.front(), candidates.back()};
      for (std::uint64_t k = 0; chosen.size() < want; ++k)
        chosen.insert(candidates[random_bits(request_.seed, stream_of("sample"), k) % candidates.size()]);
    } else {
      std::int64_t stride = 1;
      for (std::size_t d = p.shape.size(); d-- > 0; stride *= p.shape[d]) {
        chosen.insert((p.shape[d] - 1) * stride);
        chosen.insert(p.elements - 1 - (p.shape[d] - 1) * stride);
      }
      chosen.insert(0);
      chosen.insert(p.elements - 1);
      for (std::uint64_t k = 0; chosen.size() < std::min(want, static_cast<std::size_t>(p.elements)); ++k)
        chosen.insert(static_cast<std::int64_t>(random_bits(request_.seed, stream_of("sample"), k) % static_cast<std::uint64_t>(p.elements)));
    }
    return {chosen.begin(), chosen.end()};
  }

  Step<void> compare_output(const std::string& name, const Pooled& p, const std::vector<std::byte>& bytes,
                            const std::vector<std::int64_t>& indices, const std::vector<op::ReferenceValue>& expected) {
    Verdict& verdict = evaluation_.verdict;
    const int size = op::bytes_of(p.dtype);
    std::int64_t wrong = 0;
    bool non_finite = false;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      std::uint64_t bits = 0;
      std::copy_n(bytes.begin() + physical(p, indices[i]) * size, size, reinterpret_cast<std::byte*>(&bits));
      const double got = op::from_bits(p.dtype, bits), want = op::round_to(p.dtype, expected[i].value);
      const double allowed = tolerance(p.dtype, expected[i]);
      if (got == want || (std::isnan(got) && std::isnan(want))) continue;
      const double distance = std::abs(got - expected[i].value);
      if (distance <= allowed) {
        verdict.worst = std::max(verdict.worst, distance / allowed);
        continue;
      }
      ++wrong;
      non_finite = non_finite || (!std::isfinite(got) && std::isfinite(want));
      if (verdict.first.size() < 8) verdict.first.push_back({name, indices[i], got, want, allowed});
    }
    verdict.compared += static_cast<std::int64_t>(indices.size());
    if (!wrong) return {};
    const Mismatch& m = verdict.first.front();
    return stop(non_finite ? Outcome::non_finite : Outcome::mismatch,
                fmt::format("{} of {} elements of '{}' differ; first at {}: got {:.9g}, expected {:.9g}, tolerance {:.3g}",
                            wrong, indices.size(), name, m.index, m.got, m.expected, m.tolerance));
  }

  Device& device_;
  const JudgeRequest& request_;
  const Case& case_;
  Evaluation& evaluation_;
  op::Operator op_;
  op::Lowering lowering_;
  bool in_part_ = false;
  int output_fills_ = 0;
  std::map<std::string, Pooled> pool_;
  std::vector<BoundUnit> units_;
  std::map<int, std::pair<std::vector<std::int64_t>, std::vector<op::ReferenceValue>>> expected_;  // by value, once compared
};

}  // namespace

Result<Evaluation> judge(Device& device, const JudgeRequest& request) {
  Evaluation evaluation;
  Verdict& verdict = evaluation.verdict;
  std::vector<Case> cases = make_cases(request.op, request.limits.reference_operations, request.limits.emulated_operations);
  verdict.only_stated = cases.size() == 1;
  if (request.limits.only_stated_time) cases.erase(cases.begin(), cases.end() - 1);
  for (const auto& at : cases) {
    device.reset();
    verdict.cases += (verdict.cases.empty() ? "" : ", ") + at.name;
    CaseRun run(device, request, at, evaluation);
    auto done = run.run();
    if (!done) return tl::unexpected<Error>(done.error().with("case " + at.name));
    if (!*done) {
      verdict.outcome = done->error().outcome;
      verdict.verified = Verified::none;
      verdict.message = "case " + at.name + ": " + done->error().message;
      evaluation.modelled_ns.reset();
      evaluation.timing.reset();
      evaluation.counters.clear();
      evaluation.launches.clear();
      evaluation.kept.clear();
      device.forget();  // a kernel that is wrong may have written anywhere
      device.reset();
      return evaluation;
    }
  }
  device.reset();
  verdict.outcome = Outcome::correct;
  return evaluation;
}

}  // namespace mtmc::harness
