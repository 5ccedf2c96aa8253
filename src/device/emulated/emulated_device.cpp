// Steps run one after another, as in one stream. Modules are parsed when loaded and kernels decoded when first launched, so
// that what a candidate never launches cannot fail it. The limits of the modelled device (shared memory, threads) are
// enforced as its driver would.
#include "device/emulated/emulated_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/rng.hpp"
#include "emulator/cost_model.hpp"
#include "emulator/occupancy.hpp"
#include "emulator/run.hpp"
#include "emulator/tensor_map.hpp"

namespace mtmc::device {

namespace {

// Warp instructions of one launch, where the caller says nothing: minutes of emulation.
constexpr std::uint64_t kDefaultBudget = std::uint64_t{1} << 32;

const char* fault_kind(emulator::FaultKind kind) {
  switch (kind) {
    case emulator::FaultKind::out_of_bounds:
    case emulator::FaultKind::read_only_write: return "out_of_bounds";
    case emulator::FaultKind::misaligned: return "misaligned";
    case emulator::FaultKind::divergent_barrier:
    case emulator::FaultKind::deadlock: return "deadlock";
    case emulator::FaultKind::budget_exceeded: return "over_budget";
    case emulator::FaultKind::launch_error: return "launch_error";
    case emulator::FaultKind::unsupported: return "unsupported";
    case emulator::FaultKind::shared_race:
    case emulator::FaultKind::global_race:
    case emulator::FaultKind::async_copy_hazard:
    case emulator::FaultKind::missing_proxy_fence: return "race";
    case emulator::FaultKind::mbarrier_mismatch: return "deadlock";
    case emulator::FaultKind::uninitialised_read:
    case emulator::FaultKind::division_by_zero:
    case emulator::FaultKind::stack_overflow:
    case emulator::FaultKind::invalid_call:
    case emulator::FaultKind::assertion_failed:
    case emulator::FaultKind::inactive_lane_shuffle:
    case emulator::FaultKind::trap: break;
  }
  return "crash";
}

emulator::TensorType tensor_type(op::DType type) {
  switch (type) {
    case op::DType::f64: return emulator::TensorType::f64;
    case op::DType::f32: return emulator::TensorType::f32;
    case op::DType::f16: return emulator::TensorType::f16;
    case op::DType::bf16: return emulator::TensorType::bf16;
    case op::DType::i64: return emulator::TensorType::s64;
    case op::DType::i32: return emulator::TensorType::s32;
    default: break;
  }
  return emulator::TensorType::u8;
}

struct LoadedModule {
  compiler::Binary binary;
  std::optional<emulator::Module> module;
  std::string error;  // why the PTX cannot be run here
  std::map<std::string, Result<emulator::Program>> programs;
};

class EmulatedDevice : public Device {
 public:
  EmulatedDevice(const emulator::DeviceEntry& entry, EmulationSettings settings)
      : entry_(entry), settings_(std::move(settings)), facts_(emulated_facts(entry)) {
    reset();
  }

  const kernel::DeviceFacts& facts() const override { return facts_; }

  Result<int> load(const compiler::Binary& binary) override {
    LoadedModule loaded{binary, {}, {}, {}};
    auto module = emulator::parse_module(binary.ptx);
    if (module) loaded.module = std::move(*module);
    else loaded.error = module.error().message;
    modules_.push_back(std::move(loaded));
    return static_cast<int>(modules_.size()) - 1;
  }

  Result<int> allocate(const BufferRequest& request) override {
    auto address = memory_->allocate(static_cast<std::uint64_t>(std::max<std::int64_t>(request.bytes, 1)),
                                     static_cast<std::uint64_t>(request.alignment), request.name,
                                     request.writable ? emulator::Access::read_write : emulator::Access::read_only);
    if (!address) return tl::unexpected<Error>(address.error());
    if (request.track_writes)
      if (auto ok = memory_->track_writes(*address); !ok) return tl::unexpected<Error>(ok.error());
    if (settings_.run.checks == emulator::Checks::all)
      if (auto ok = memory_->track_initialisation(*address); !ok) return tl::unexpected<Error>(ok.error());
    buffers_.push_back(*address);
    return static_cast<int>(buffers_.size()) - 1;
  }

  Result<void> write(int buffer, std::int64_t offset, std::span<const std::byte> bytes) override {
    auto span = memory_->span(buffers_.at(buffer) + static_cast<std::uint64_t>(offset), bytes.size());
    if (!span) return tl::unexpected<Error>(span.error());
    std::copy(bytes.begin(), bytes.end(), span->begin());
    return memory_->mark_initialised(buffers_.at(buffer) + static_cast<std::uint64_t>(offset), bytes.size());
  }

  Result<void> read(int buffer, std::int64_t offset, std::span<std::byte> bytes) override {
    auto span = memory_->span(buffers_.at(buffer) + static_cast<std::uint64_t>(offset), bytes.size());
    if (!span) return tl::unexpected<Error>(span.error());
    std::copy(span->begin(), span->end(), bytes.begin());
    return {};
  }

  std::span<const std::uint64_t> written(int buffer) override { return memory_->written(buffers_.at(buffer)); }

  Result<RunReport> run(std::span<const BoundStep> steps, const RunOptions& options) override {
    RunReport report;
    for (const auto& bound : steps) {
      Result<void> done = {};
      if (auto* launch = std::get_if<kernel::ResolvedLaunch>(bound.step)) done = this->launch(*launch, bound, options, report);
      else if (auto* memset = std::get_if<kernel::ResolvedMemset>(bound.step)) done = set(*memset, bound, report);
      else if (auto* copy = std::get_if<kernel::ResolvedCopy>(bound.step)) done = move(*copy, bound, report);
      else report.fault = Fault{"unsupported", "library steps need a GPU"};
      if (!done) return tl::unexpected<Error>(done.error());
      if (report.fault) break;
    }
    return report;
  }

  int occupancy(int module, const std::string& kernel, int threads) override {
    for (const auto& k : modules_.at(module).binary.kernels)
      if (k.name == kernel)
        return emulator::occupancy(entry_, {static_cast<std::uint32_t>(threads), static_cast<std::uint32_t>(k.registers),
                                            static_cast<std::uint64_t>(k.static_shared_bytes)}).blocks_per_sm;
    return 0;
  }

  void reset() override {
    memory_ = std::make_unique<emulator::DeviceMemory>();
    buffers_.clear();
    modules_.clear();
  }

 private:
  // A name that the recipe does not declare has no buffer; resolve() has refused such a recipe.
  Result<std::uint64_t> address(const BoundStep& bound, const std::string& name) const {
    auto it = bound.buffers->find(name);
    if (it == bound.buffers->end()) return internal_error(fmt::format("buffer '{}' is not bound", name));
    return buffers_.at(it->second);
  }

  Result<std::vector<std::byte>> arguments(const kernel::ResolvedLaunch& launch, const emulator::Program& program,
                                           const BoundStep& bound, RunReport& report) const {
    std::vector<std::byte> bytes(program.parameter_bytes);
    if (program.parameters.size() != launch.args.size()) {
      report.fault = Fault{"launch_error", fmt::format("kernel {} takes {} arguments, the recipe gives {}", launch.kernel,
                                                       program.parameters.size(), launch.args.size())};
      return bytes;
    }
    for (std::size_t i = 0; i < launch.args.size(); ++i) {
      std::uint64_t bits = 0;
      std::uint32_t size = 8;
      if (auto* b = std::get_if<kernel::ResolvedBufferArg>(&launch.args[i])) {
        auto base = address(bound, b->buffer);
        if (!base) return tl::unexpected<Error>(base.error());
        bits = *base + static_cast<std::uint64_t>(b->offset_bytes);
      } else if (auto* s = std::get_if<kernel::ResolvedScalar>(&launch.args[i])) {
        bits = s->bits;
        size = static_cast<std::uint32_t>(s->bytes);
      } else {
        auto map = tensor_map(std::get<kernel::ResolvedTensorMap>(launch.args[i]), bound);
        if (!map) return tl::unexpected<Error>(map.error());
        const auto encoded = emulator::encode_tensor_map(*map);
        const auto& parameter = program.parameters[i];
        if (!encoded || parameter.bytes != emulator::tensor_map_bytes) {
          report.fault = Fault{"launch_error", fmt::format("kernel {}: argument {}: {}", launch.kernel, i,
                                                           encoded ? fmt::format("{} bytes, a tensor map has {}", parameter.bytes,
                                                                                 emulator::tensor_map_bytes)
                                                                   : encoded.error().message)};
          return bytes;
        }
        std::copy(encoded->begin(), encoded->end(), bytes.begin() + parameter.offset);
        continue;
      }
      const auto& parameter = program.parameters[i];
      if (parameter.bytes != size) {
        report.fault = Fault{"launch_error", fmt::format("kernel {}: argument {} has {} bytes, the recipe gives {}",
                                                         launch.kernel, i, parameter.bytes, size)};
        return bytes;
      }
      std::memcpy(bytes.data() + parameter.offset, &bits, size);
    }
    return bytes;
  }

  Result<emulator::TensorMap> tensor_map(const kernel::ResolvedTensorMap& m, const BoundStep& bound) const {
    auto base = address(bound, m.buffer);
    if (!base) return tl::unexpected<Error>(base.error());
    emulator::TensorMap map;
    map.type = tensor_type(m.dtype);
    map.rank = static_cast<std::uint32_t>(std::min<std::size_t>(m.dims.size(), 6));  // encoding refuses 6
    map.address = *base + static_cast<std::uint64_t>(m.offset_bytes);
    for (std::size_t i = 0; i < std::min<std::size_t>(m.dims.size(), 5); ++i) {
      map.sizes[i] = static_cast<std::uint64_t>(m.dims[i]);
      if (i < m.box.size()) map.box[i] = static_cast<std::uint32_t>(std::clamp<std::int64_t>(m.box[i], 0, 1 << 20));
      if (i > 0 && i - 1 < m.strides_bytes.size()) map.strides_bytes[i - 1] = static_cast<std::uint64_t>(m.strides_bytes[i - 1]);
    }
    map.swizzle_bytes = static_cast<std::uint32_t>(m.swizzle_bytes);
    map.fill_nan = m.out_of_bounds_nan;
    return map;
  }

  // Which blocks run (empty: all) and which of them are traced: where only some run, half of them are neighbours in time, so
  // that the cost model meets what blocks share.
  void choose_blocks(std::uint64_t total, const emulator::BlockResources& block, const RunOptions& options,
                     emulator::RunOptions& run) const {
    run.traced_blocks = emulator::traced_blocks(entry_, total, block);
    run.blocks.clear();
    const auto want = static_cast<std::uint64_t>(options.max_blocks);
    if (want == 0 || total <= want) return;
    const std::uint64_t wave = emulator::occupancy(entry_, block).blocks_per_sm * static_cast<std::uint64_t>(entry_.sms);
    run.traced_blocks = emulator::blocks_to_trace(total, wave, std::max<std::uint64_t>(want / 2, 1));
    std::set<std::uint64_t> chosen(run.traced_blocks.begin(), run.traced_blocks.end());
    chosen.insert({0, total - 1});
    for (std::uint64_t k = 0; chosen.size() < want; ++k)
      chosen.insert(random_bits(options.seed, stream_of("blocks"), k) % total);
    run.blocks.assign(chosen.begin(), chosen.end());
  }

  Result<void> launch(const kernel::ResolvedLaunch& launch, const BoundStep& bound, const RunOptions& options, RunReport& report) {
    LoadedModule& module = modules_.at(bound.module);
    if (!module.module) {
      report.fault = Fault{"unsupported", module.error};
      return {};
    }
    auto found = module.programs.find(launch.kernel);
    if (found == module.programs.end())
      found = module.programs.emplace(launch.kernel, emulator::decode(*module.module, launch.kernel)).first;
    if (!found->second) {
      const bool missing = module.module->find(launch.kernel) == nullptr;
      report.fault = Fault{missing ? "launch_error" : "unsupported", fmt::format("kernel {}: {}", launch.kernel, found->second.error().message)};
      return {};
    }
    const emulator::Program& program = *found->second;

    emulator::LaunchParams params;
    for (int d = 0; d < 3; ++d) {
      params.grid[d] = static_cast<std::uint64_t>(launch.grid[d]);
      params.block[d] = static_cast<std::uint32_t>(launch.block[d]);
      params.cluster[d] = static_cast<std::uint32_t>(launch.cluster[d]);
    }
    params.cooperative = launch.cooperative;
    params.dynamic_shared_bytes = static_cast<std::uint64_t>(launch.shared_bytes);
    const std::int64_t shared = launch.shared_bytes + program.static_shared_bytes;
    if (shared > facts_.shared_optin_bytes) {
      report.fault = Fault{"launch_error", fmt::format("kernel {} needs {} bytes of shared memory, {} has {} for a block", launch.kernel,
                                                       shared, facts_.name, facts_.shared_optin_bytes)};
      return {};
    }
    const compiler::KernelFacts* resources = nullptr;
    for (const auto& k : module.binary.kernels)
      if (k.name == launch.kernel) resources = &k;
    const auto threads = static_cast<std::uint32_t>(launch.block[0] * launch.block[1] * launch.block[2]);
    const emulator::BlockResources block{threads, static_cast<std::uint32_t>(resources ? resources->registers : 0),
                                         static_cast<std::uint64_t>(shared)};
    const emulator::Occupancy occupancy = emulator::occupancy(entry_, block);
    if (occupancy.blocks_per_sm == 0) {
      report.fault = Fault{"launch_error", fmt::format("kernel {}: no SM of {} can hold a block ({})", launch.kernel, facts_.name,
                                                       emulator::occupancy_limiter_name(occupancy.limiter))};
      return {};
    }
    auto bytes = arguments(launch, program, bound, report);
    if (!bytes) return tl::unexpected<Error>(bytes.error());
    if (report.fault) return {};
    params.arguments = std::move(*bytes);

    emulator::RunOptions run_options = settings_.run;
    run_options.threads = options.threads;
    run_options.instruction_budget = options.instruction_budget ? options.instruction_budget : kDefaultBudget;
    choose_blocks(params.grid[0] * params.grid[1] * params.grid[2], block, options, run_options);
    run_options.resident_block_limit = static_cast<std::uint64_t>(occupancy.blocks_per_sm) * static_cast<std::uint64_t>(facts_.sms);
    run_options.shared_limit_bytes = static_cast<std::uint32_t>(facts_.shared_optin_bytes);
    auto ran = emulator::run(program, *memory_, params, run_options);
    if (!ran) return tl::unexpected<Error>(ran.error());
    EmulatedLaunch whole{launch.kernel, std::move(*ran), block, occupancy, {}};
    if (whole.report.fault) {
      report.fault = Fault{fault_kind(whole.report.fault->kind), whole.report.fault->text()};
    }
    if (whole.report.stopped || !run_options.collect_profile) {
      if (settings_.on_launch) settings_.on_launch(whole);
      return {};
    }
    auto time = emulator::modelled_time(entry_, whole.report.profile, whole.report.trace, block);
    if (!time) return tl::unexpected<Error>(time.error());
    whole.modelled = *time;
    record(whole, report);
    if (settings_.on_launch) settings_.on_launch(whole);
    return {};
  }

  void record(const EmulatedLaunch& launch, RunReport& report) const {
    const emulator::Profile& profile = launch.report.profile;
    const emulator::ModelledTime* time = &*launch.modelled;
    LaunchRecord record{launch.kernel, static_cast<std::int64_t>(profile.blocks_run), static_cast<std::int64_t>(profile.blocks_total), {}, {}, {}};
    record.modelled = ModelledTime{time->launch_ns, time->issue_ns, time->shared_ns, time->latency_ns,
                                   time->l2_ns, time->dram_ns, time->tail_ns, time->total_ns};
    auto& c = record.counters;
    for (std::size_t i = 0; i < emulator::kIssueClassCount; ++i)
      if (profile.warp_instructions[i])
        c[std::string("warp_") + emulator::issue_class_name(static_cast<emulator::IssueClass>(i))] =
            static_cast<double>(profile.warp_instructions[i]);
    c["warp_instructions"] = static_cast<double>(profile.total_warp_instructions());
    c["lane_instructions"] = static_cast<double>(profile.total_lane_instructions());
    c["global_load_requests"] = static_cast<double>(profile.global_load.requests);
    c["global_load_sectors"] = static_cast<double>(profile.global_load.sectors);
    c["global_store_requests"] = static_cast<double>(profile.global_store.requests);
    c["global_store_sectors"] = static_cast<double>(profile.global_store.sectors);
    c["shared_requests"] = static_cast<double>(profile.shared_load.requests + profile.shared_store.requests);
    c["shared_wavefronts"] = static_cast<double>(profile.shared_load.wavefronts + profile.shared_store.wavefronts);
    c["local_sectors"] = static_cast<double>(profile.local_sectors);
    c["branches"] = static_cast<double>(profile.branches);
    c["divergent_branches"] = static_cast<double>(profile.divergent_branches);
    for (std::size_t k = 0; k < emulator::kComputeKindCount; ++k)
      if (profile.matrix_operations[k])
        c[std::string("operations_") + emulator::compute_kind_name(static_cast<emulator::ComputeKind>(k))] =
            static_cast<double>(profile.matrix_operations[k]);
    c["l1_hit_rate"] = time->traffic.l1_hit_rate;
    c["l2_hit_rate"] = time->traffic.l2_hit_rate;
    c["l2_bytes"] = time->traffic.l2_bytes;
    c["dram_read_bytes"] = time->traffic.dram_read_bytes;
    c["dram_write_bytes"] = time->traffic.dram_write_bytes;
    c["dram_bytes"] = time->traffic.dram_read_bytes + time->traffic.dram_write_bytes;
    c["occupancy"] = launch.occupancy.fraction;
    report.launches.push_back(std::move(record));
  }

  Result<void> set(const kernel::ResolvedMemset& m, const BoundStep& bound, RunReport& report) {
    auto base = address(bound, m.buffer);
    if (!base) return tl::unexpected<Error>(base.error());
    auto span = memory_->span(*base + static_cast<std::uint64_t>(m.offset_bytes), static_cast<std::uint64_t>(m.bytes));
    if (!span) return tl::unexpected<Error>(span.error());
    std::fill(span->begin(), span->end(), static_cast<std::byte>(m.byte));
    if (auto ok = memory_->mark_initialised(*base + static_cast<std::uint64_t>(m.offset_bytes), static_cast<std::uint64_t>(m.bytes)); !ok)
      return tl::unexpected<Error>(ok.error());
    streamed("memset", static_cast<double>(m.bytes), report);
    return {};
  }

  Result<void> move(const kernel::ResolvedCopy& c, const BoundStep& bound, RunReport& report) {
    auto from = address(bound, c.from), to = address(bound, c.to);
    if (!from) return tl::unexpected<Error>(from.error());
    if (!to) return tl::unexpected<Error>(to.error());
    auto source = memory_->span(*from + static_cast<std::uint64_t>(c.from_offset_bytes), static_cast<std::uint64_t>(c.bytes));
    auto target = memory_->span(*to + static_cast<std::uint64_t>(c.to_offset_bytes), static_cast<std::uint64_t>(c.bytes));
    if (!source) return tl::unexpected<Error>(source.error());
    if (!target) return tl::unexpected<Error>(target.error());
    std::memmove(target->data(), source->data(), source->size());
    if (auto ok = memory_->mark_initialised(*to + static_cast<std::uint64_t>(c.to_offset_bytes), static_cast<std::uint64_t>(c.bytes)); !ok)
      return tl::unexpected<Error>(ok.error());
    streamed("copy", 2.0 * static_cast<double>(c.bytes), report);
    return {};
  }

  // memset and copy cost a launch and their bytes.
  void streamed(const char* what, double bytes, RunReport& report) const {
    ModelledTime time;
    time.launch_ns = facts_.launch_ns;
    time.dram_ns = bytes / facts_.dram_bytes_per_s * 1e9;
    time.total_ns = time.launch_ns + time.dram_ns;
    report.launches.push_back({what, 1, 1, time, {}, {{"dram_bytes", bytes}}});
  }

  const emulator::DeviceEntry& entry_;
  const EmulationSettings settings_;
  kernel::DeviceFacts facts_;
  std::unique_ptr<emulator::DeviceMemory> memory_;
  std::vector<std::uint64_t> buffers_;
  std::vector<LoadedModule> modules_;
};

}  // namespace

std::unique_ptr<Device> make_emulated_device(const emulator::DeviceEntry& entry, EmulationSettings settings) {
  return std::make_unique<EmulatedDevice>(entry, std::move(settings));
}

}  // namespace mtmc::device
