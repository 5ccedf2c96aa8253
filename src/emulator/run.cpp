// One launch: checks what the hardware would refuse, gives module variables their memory, stripes
// the blocks over host threads and merges what the threads counted. Module variables (.global,
// .const) are new for every launch: values do not persist between launches.
#include "emulator/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <tuple>

#include "emulator/executor.hpp"

namespace mtmc::emulator {
namespace {

// A kernel compiled for clusters has them also where the launch does not say so.
std::array<uint32_t, 3> cluster_of(const Program& program, const LaunchParams& launch) {
  if (program.required_cluster[0] != 0 && launch.cluster == std::array<uint32_t, 3>{1, 1, 1}) {
    return {program.required_cluster[0], program.required_cluster[1], program.required_cluster[2]};
  }
  return launch.cluster;
}

std::optional<std::string> launch_problem(const Program& program, const LaunchParams& launch,
                                          const RunOptions& options) {
  static constexpr uint64_t grid_limit[3] = {0x7fffffff, 65535, 65535};
  static constexpr uint64_t block_limit[3] = {1024, 1024, 64};
  uint64_t threads = 1;
  for (int i = 0; i < 3; ++i) {
    if (launch.grid[i] == 0 || launch.grid[i] > grid_limit[i]) {
      return fmt::format("grid {} x {} x {}: dimension {} must be 1 to {}", launch.grid[0],
                         launch.grid[1], launch.grid[2], "xyz"[i], grid_limit[i]);
    }
    if (launch.block[i] == 0 || launch.block[i] > block_limit[i]) {
      return fmt::format("block {} x {} x {}: dimension {} must be 1 to {}", launch.block[0],
                         launch.block[1], launch.block[2], "xyz"[i], block_limit[i]);
    }
    threads *= launch.block[i];
  }
  if (threads > 1024) return fmt::format("block has {} threads, the limit is 1024", threads);
  if (program.max_threads_per_block != 0 && threads > program.max_threads_per_block) {
    return fmt::format("block has {} threads, the kernel was compiled for at most {}", threads,
                       program.max_threads_per_block);
  }
  if (program.required_threads[0] != 0) {
    for (int i = 0; i < 3; ++i) {
      if (launch.block[i] != program.required_threads[i]) {
        return fmt::format("block dimension {} is {}, the kernel requires {}", "xyz"[i],
                           launch.block[i], program.required_threads[i]);
      }
    }
  }
  uint64_t cluster_blocks = 1;
  const auto cluster = cluster_of(program, launch);
  for (int i = 0; i < 3; ++i) {
    if (cluster[i] == 0 || cluster[i] > 16 || launch.grid[i] % cluster[i] != 0) {
      return fmt::format("cluster {} x {} x {} does not divide the grid {} x {} x {}", cluster[0],
                         cluster[1], cluster[2], launch.grid[0], launch.grid[1], launch.grid[2]);
    }
    cluster_blocks *= cluster[i];
    if (program.required_cluster[0] != 0 && cluster[i] != program.required_cluster[i]) {
      return fmt::format("cluster dimension {} is {}, the kernel requires {}", "xyz"[i], cluster[i],
                         program.required_cluster[i]);
    }
  }
  if (cluster_blocks > 16)
    return fmt::format("cluster of {} blocks, the limit is 16", cluster_blocks);
  if (program.max_cluster_blocks != 0 && cluster_blocks > program.max_cluster_blocks) {
    return fmt::format("cluster of {} blocks, the kernel was compiled for at most {}",
                       cluster_blocks, program.max_cluster_blocks);
  }
  const uint64_t shared = program.static_shared_bytes + launch.dynamic_shared_bytes;
  if (launch.dynamic_shared_bytes > options.shared_limit_bytes ||
      shared > options.shared_limit_bytes) {
    return fmt::format("block needs {} bytes of shared memory, the limit is {}", shared,
                       options.shared_limit_bytes);
  }
  if (launch.arguments.size() != program.parameter_bytes) {
    return fmt::format("{} bytes of arguments, the kernel takes {} parameters in {} bytes",
                       launch.arguments.size(), program.parameters.size(), program.parameter_bytes);
  }
  const uint64_t blocks = launch.grid[0] * launch.grid[1] * launch.grid[2];
  for (size_t i = 0; i < options.blocks.size(); ++i) {
    if (options.blocks[i] >= blocks || (i > 0 && options.blocks[i] <= options.blocks[i - 1])) {
      return fmt::format(
          "block {} in the list of blocks is out of order or beyond the {} of the "
          "grid",
          options.blocks[i], blocks);
    }
  }
  return std::nullopt;
}

bool cpu_is_supported() {
#ifdef MTMC_EMULATOR_NEEDS_V3
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
#else
  return true;
#endif
}

}  // namespace

// Named as DeviceMemory's friend: writes back the record of stored bytes.
class LaunchRun {
 public:
  static void merge_writes(DeviceMemory& memory, uint64_t address,
                           const std::vector<uint64_t>& written) {
    Allocation& allocation = *memory.find_mutable(address);
    const size_t words = std::min(written.size(), allocation.written.size());
    for (size_t i = 0; i < words; ++i) allocation.written[i] |= written[i];
  }

  // What was written where is not known: writable memory counts as initialised from now on.
  static void end_initialisation_tracking(DeviceMemory& memory) {
    for (const auto& allocation : memory.allocations_) {
      if (allocation->access == Access::read_write) allocation->initialised = nullptr;
    }
  }
};

namespace {

uint64_t count_bits(const std::vector<uint64_t>& bits) {
  uint64_t total = 0;
  for (const uint64_t word : bits) total += static_cast<uint64_t>(__builtin_popcountll(word));
  return total;
}

void merge_into(std::vector<uint64_t>& to, const std::vector<uint64_t>& from) {
  if (to.size() < from.size()) to.resize(from.size(), 0);
  for (size_t i = 0; i < from.size(); ++i) to[i] |= from[i];
}

void merge_touched(std::vector<std::unique_ptr<Executor>>& executors, DeviceMemory& memory,
                   const std::vector<uint64_t>& hidden, Profile& profile) {
  std::map<uint64_t, Touched> merged;  // by address: the order of the report
  for (const auto& executor : executors) {
    if (executor->profile() == nullptr) continue;
    for (const auto& t : executor->profile()->touched()) {
      Touched& to = merged[t->allocation->address];
      to.allocation = t->allocation;
      merge_into(to.loaded, t->loaded);
      merge_into(to.stored, t->stored);
      if (!t->written.empty()) LaunchRun::merge_writes(memory, t->allocation->address, t->written);
    }
  }
  for (const auto& [address, t] : merged) {
    if (std::find(hidden.begin(), hidden.end(), address) != hidden.end()) continue;
    profile.allocations.push_back({t.allocation->name, address, t.allocation->bytes,
                                   count_bits(t.loaded), count_bits(t.stored)});
  }
}

// Findings in the order of blocks, each pair of places once, then the fault that stopped the
// launch. What was found in blocks beyond that one depends on how far other threads got: it is
// dropped.
void merge_faults(const std::vector<std::unique_ptr<Executor>>& executors,
                  const std::optional<Fault>& stop, uint64_t stop_position, LaunchReport& report) {
  struct Found {
    uint64_t position;
    size_t executor, index;
  };
  std::vector<Found> found;
  for (size_t e = 0; e < executors.size(); ++e) {
    const auto& list = executors[e]->findings().found();
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i].place.position <= stop_position) found.push_back({list[i].place.position, e, i});
    }
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::tie(a.position, a.index) < std::tie(b.position, b.index);
  });
  Findings distinct(*executors[0]->program().code);
  for (const Found& f : found) {
    const Findings::Finding& finding = executors[f.executor]->findings().found()[f.index];
    if (!distinct.add(finding)) continue;
    report.faults.push_back(executors[f.executor]->fault_of(finding.error, finding.place.index));
  }
  if (stop) report.faults.push_back(*stop);
  report.stopped = stop.has_value();
  if (!report.faults.empty()) report.fault = stop ? *stop : report.faults.front();
}

uint64_t cluster_holding(const LaunchContext& context, uint64_t block) {
  uint64_t index = 0, scale = 1;
  for (int i = 0; i < 3; ++i) {
    index += block % context.grid[i] / context.cluster[i] * scale;
    block /= context.grid[i];
    scale *= context.grid[i] / context.cluster[i];
  }
  return index;
}

// The whole grid must live at once: on the device, where that is known, and in this process.
std::optional<std::string> cooperative_problem(const LaunchContext& context) {
  constexpr uint64_t memory_limit = uint64_t{4} << 30;
  const uint64_t blocks = context.cluster_count * context.blocks_per_cluster();
  const uint64_t limit = context.options->resident_block_limit;
  if (limit != 0 && blocks > limit) {
    return fmt::format("cooperative grid of {} blocks, the device holds {}", blocks, limit);
  }
  const uint64_t each = LiveBlock::bytes_needed(context);
  if (blocks > memory_limit / each) {
    return fmt::format(
        "cooperative grid of {} blocks of {} bytes, the emulator's limit is {} bytes", blocks, each,
        memory_limit);
  }
  return std::nullopt;
}

std::vector<LineCounts> line_counts(const Code& code, const std::vector<uint64_t>& executions,
                                    const std::vector<SiteCounts>& sites) {
  std::map<std::pair<std::string, uint32_t>, LineCounts> lines;
  for (size_t b = 0; b < code.blocks.size(); ++b) {
    if (executions[b] == 0) continue;
    for (uint32_t s = code.blocks[b].first_step; s < code.blocks[b].last_step; ++s) {
      const Step& step = code.steps[s];
      const SourceLocation& at = code.origins[step.origin].location;
      const auto file = code.files.find(at.file);
      LineCounts& line =
          lines[{at.line == 0 || file == code.files.end() ? "" : file->second, at.line}];
      line.warp_instructions += executions[b];
      if (step.site < 0) continue;
      const auto first = static_cast<size_t>(step.site);
      for (size_t site = first; site < std::min(first + step.site_count, sites.size()); ++site) {
        line.global_sectors += sites[site].sectors;
        line.shared_wavefronts += sites[site].wavefronts;
      }
    }
  }
  std::vector<LineCounts> result;
  for (auto& [key, line] : lines) {
    std::tie(line.file, line.line) = key;
    result.push_back(std::move(line));
  }
  return result;
}

Result<LaunchReport> execute(const Program& program, DeviceMemory& memory,
                             const LaunchParams& launch, const RunOptions& options,
                             std::vector<uint64_t>& variables) {
  const Code& code = *program.code;
  LaunchReport report;
  LaunchContext context{};
  context.program = &program;
  context.launch = &launch;
  context.options = &options;
  context.memory = &memory;
  for (const Variable& v : code.variables) {
    const bool arguments = static_cast<int>(variables.size()) == code.parameter_variable;
    const auto address = memory.allocate(v.bytes, std::min<uint32_t>(v.alignment, 1u << 20), v.name,
                                         arguments ? Access::read_only : Access::read_write);
    if (!address) return tl::unexpected(address.error());
    variables.push_back(*address);
    const void* initial = arguments ? static_cast<const void*>(launch.arguments.data())
                                    : static_cast<const void*>(v.initialiser.data());
    const size_t size = arguments ? launch.arguments.size() : v.initialiser.size();
    const auto bytes = memory.span(*address, size);
    if (!bytes) return tl::unexpected(bytes.error());
    if (size != 0) std::memcpy(bytes->data(), initial, size);
  }
  context.variable_address = variables;
  for (const Code::Relocated& r : code.relocations) {
    const uint64_t value = (r.target < 0 ? r.addend : variables[r.target] + r.addend) & r.mask;
    const uint64_t bits = value >> __builtin_ctzll(r.mask);
    const auto bytes = memory.span(variables[r.variable] + r.offset, r.bytes);
    if (!bytes) return tl::unexpected(bytes.error());
    std::memcpy(bytes->data(), &bits, r.bytes);
  }
  for (int i = 0; i < 3; ++i) context.grid[i] = static_cast<uint32_t>(launch.grid[i]);
  const uint64_t total = launch.grid[0] * launch.grid[1] * launch.grid[2];
  context.cluster = cluster_of(program, launch);
  context.explicit_cluster = context.blocks_per_cluster() > 1 || program.explicit_cluster ||
                             program.required_cluster[0] != 0;
  context.all_resident = launch.cooperative;
  context.cluster_count = total / context.blocks_per_cluster();
  if (!options.blocks.empty() && !launch.cooperative && !code.waits_for_blocks) {
    for (const uint64_t block : options.blocks)
      context.clusters.push_back(cluster_holding(context, block));
    std::sort(context.clusters.begin(), context.clusters.end());
    context.clusters.erase(std::unique(context.clusters.begin(), context.clusters.end()),
                           context.clusters.end());
    context.cluster_count = context.clusters.size();
  }
  if (launch.cooperative) {
    const auto workspace = memory.allocate(256, 256, "grid workspace", Access::read_write);
    if (!workspace) return tl::unexpected(workspace.error());
    variables.push_back(*workspace);
    context.grid_workspace = *workspace;
    if (auto problem = cooperative_problem(context)) {
      Fault fault;
      fault.kind = FaultKind::launch_error;
      fault.kernel = program.kernel;
      fault.message = std::move(*problem);
      report.faults.push_back(fault);
      report.fault = std::move(fault);
      return report;
    }
  }

  const bool single = code.order_dependent || launch.cooperative || options.checks == Checks::all;
  const uint64_t wanted = single ? 1 : std::max(options.threads, 1);
  const uint64_t threads = std::min<uint64_t>(wanted, context.cluster_count);
  std::vector<std::unique_ptr<Executor>> executors;
  for (uint64_t t = 0; t < threads; ++t) {
    executors.push_back(std::make_unique<Executor>(context, t, threads));
  }
  std::vector<std::thread> workers;
  std::vector<std::string> failures(threads);
  const auto work = [&](uint64_t t) {
    try {
      executors[t]->run();
    } catch (const std::exception& error) {
      failures[t] = error.what();
    }
  };
  for (uint64_t t = 1; t < threads; ++t) workers.emplace_back(work, t);
  work(0);
  for (std::thread& worker : workers) worker.join();
  for (const std::string& failure : failures) {
    if (!failure.empty()) return unavailable("emulator: " + failure);
  }

  std::optional<Fault> stop;
  uint64_t first = ~uint64_t{0};
  for (const auto& executor : executors) {
    if (executor->fault() && executor->fault_position() < first) {
      first = executor->fault_position();
      stop = executor->fault();
    }
  }
  const uint64_t budget = options.instruction_budget;
  if (!stop && budget != 0 && context.progress.instructions.load() > budget) {
    Fault fault;
    fault.kind = FaultKind::budget_exceeded;
    fault.kernel = program.kernel;
    fault.message = fmt::format("{} warp instructions, the budget is {}",
                                context.progress.instructions.load(), budget);
    stop = std::move(fault);
  }
  report.profile.blocks_total = total;
  report.trace.code = program.code;
  report.trace.sites.resize(code.sites.size());
  std::vector<uint64_t> executions(code.blocks.size(), 0);
  for (const auto& executor : executors) {
    executor->add_to(report.profile, report.trace, executions);
  }
  std::sort(report.trace.blocks.begin(), report.trace.blocks.end(),
            [](const BlockTrace& a, const BlockTrace& b) { return a.block < b.block; });
  report.profile.lines = line_counts(code, executions, report.trace.sites);
  merge_touched(executors, memory, variables, report.profile);
  merge_faults(executors, stop, first, report);
  if (options.checks != Checks::all || !options.blocks.empty() || stop) {
    LaunchRun::end_initialisation_tracking(memory);
  }
  std::vector<const PrintLog*> logs;
  for (const auto& executor : executors) logs.push_back(&executor->printed());
  report.printed = PrintLog::merge(logs, report.printed_dropped);
  return report;
}

}  // namespace

Result<LaunchReport> run(const Program& program, DeviceMemory& memory, const LaunchParams& launch,
                         const RunOptions& options) {
  if (!cpu_is_supported()) {
    return unavailable("the emulator needs a CPU with AVX2, FMA and BMI2 (x86-64-v3)");
  }
  if (program.code == nullptr) return bad_input("the program was not decoded");
  if (auto problem = launch_problem(program, launch, options)) {
    LaunchReport report;
    Fault fault;
    fault.kind = FaultKind::launch_error;
    fault.kernel = program.kernel;
    fault.message = std::move(*problem);
    report.faults.push_back(fault);
    report.fault = std::move(fault);
    report.stopped = true;
    return report;
  }
  std::vector<uint64_t> variables;
  Result<LaunchReport> result = internal_error("launch did not run");
  try {
    result = execute(program, memory, launch, options, variables);
  } catch (const std::exception& error) {
    result = unavailable(std::string("emulator: ") + error.what());
  }
  for (const uint64_t address : variables) (void)memory.free(address);
  return result;
}

}  // namespace mtmc::emulator
