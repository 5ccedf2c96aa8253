// Device: runs the resolved steps of a recipe, on a GPU or on the PTX emulator, and says what happened.
//
// A Device lives in a worker process and belongs to one thread. It owns modules and buffers until reset(). What
// a kernel does wrong is a Fault in the report; an Error means that the device itself cannot go on: `unavailable` where
// the machine is the cause (memory, driver, a device that vanished), and then its message says what to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "compiler/compiler.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/recipe.hpp"

namespace mtmc::device {

class Stopwatch;       // device/stopwatch.hpp
class CounterSession;  // device/counters.hpp

// `kind` is a word of harness::Outcome: out_of_bounds, misaligned, race, deadlock, launch_error, over_budget,
// crash, unsupported. `text` is one line with kernel, block, thread and source line.
struct Fault {
  std::string kind;
  std::string text;
};

// Modelled time of one launch and its parts: launch and tail, and what each limit alone would take (emulator/cost_model.hpp).
struct ModelledTime {
  double launch_ns = 0, issue_ns = 0, shared_ns = 0, latency_ns = 0, l2_ns = 0, dram_ns = 0, tail_ns = 0, total_ns = 0;
};
struct ModelledPart {
  const char* name;
  double ModelledTime::*value;
};
inline constexpr ModelledPart kModelledParts[] = {
    {"launch_ns", &ModelledTime::launch_ns}, {"issue_ns", &ModelledTime::issue_ns}, {"shared_ns", &ModelledTime::shared_ns},
    {"latency_ns", &ModelledTime::latency_ns}, {"l2_ns", &ModelledTime::l2_ns}, {"dram_ns", &ModelledTime::dram_ns},
    {"tail_ns", &ModelledTime::tail_ns}};

struct LaunchRecord {
  std::string kernel;
  std::int64_t blocks_run = 0, blocks_total = 0;
  std::optional<ModelledTime> modelled;  // emulated devices
  std::optional<double> measured_ns;     // real ones, where a stopwatch or a counter session saw the launch
  // What the device counted, by name with its unit ("global_load_sectors"); totals of the blocks that ran.
  std::map<std::string, double> counters;
};

struct RunReport {
  std::optional<Fault> fault;
  std::vector<LaunchRecord> launches;
};

struct RunOptions {
  std::int64_t max_blocks = 0;  // of each launch: the first, the last and a seeded choice between; 0: all
  std::uint64_t seed = 0;
  std::uint64_t instruction_budget = 0;  // warp instructions of each launch; 0: the device's own limit
  int threads = 1;                       // host threads of an emulator
};

// A resolved step with what its names mean here.
struct BoundStep {
  const kernel::ResolvedStep* step = nullptr;
  int module = -1;
  const std::map<std::string, int>* buffers = nullptr;  // recipe buffer -> device buffer
  const kernel::ResolvedRecipe* recipe = nullptr;       // shapes and types, for library steps
};

struct BufferRequest {
  std::string name;
  std::int64_t bytes = 0;
  std::int64_t alignment = 256;
  bool writable = true;
  bool track_writes = false;  // see written()
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const kernel::DeviceFacts& facts() const = 0;
  // A module that uses what this device lacks is an `unsupported` fault of the first run that launches it.
  virtual Result<int> load(const compiler::Binary& binary) = 0;
  virtual Result<int> allocate(const BufferRequest& request) = 0;
  virtual Result<void> write(int buffer, std::int64_t offset, std::span<const std::byte> bytes) = 0;
  virtual Result<void> read(int buffer, std::int64_t offset, std::span<std::byte> bytes) = 0;
  // One bit a byte (little endian in 64-bit words): stored to by a kernel since allocation. Empty where not tracked.
  virtual std::span<const std::uint64_t> written(int buffer) = 0;
  // Content that many judgements share (inputs): retain() keeps a copy of a buffer under a key beyond reset(), recall() fills
  // a buffer of the same size from it, or answers false. Copies go when memory is short, when one was written to,
  // and with forget(). Devices on which filling is cheap keep none.
  virtual Result<bool> recall(int /*buffer*/, const std::string& /*key*/) { return false; }
  virtual void retain(int /*buffer*/, const std::string& /*key*/) {}
  virtual void forget() {}
  virtual Result<RunReport> run(std::span<const BoundStep> steps, const RunOptions& options) = 0;
  // Resident blocks of one SM, for blocks of `threads` threads without dynamic shared memory; 0 where that is not known.
  virtual int occupancy(int module, const std::string& kernel, int threads) = 0;
  // Frees all modules and buffers.
  virtual void reset() = 0;

  // After a fault that poisons the process (a GPU's "sticky" errors) false, for good: answer and end the worker.
  virtual bool usable() const { return true; }
  // Real devices only; nullptr where times are modelled. Owned by the device.
  virtual Stopwatch* stopwatch() { return nullptr; }
  // Hardware counters; nullptr on emulated devices, which count in every run.
  virtual CounterSession* counter_session() { return nullptr; }
};

// Every device that this machine offers, by name; the first is the default: a GPU where there is one, else the
// emulated H200. "emulated:NAME" for the table's devices, "cuda:N" or the marketing name for GPUs. Of several GPUs of one
// name the first has it alone, the others are "NAME (cuda:N)". Why there is no GPU: device/cuda/probe.hpp.
struct Available {
  std::string name;  // what --device takes and what reports print, e.g. "emulated NVIDIA H200"
  kernel::DeviceFacts facts;
};
std::vector<Available> available_devices();
// By the full name alone; nothing is looked for.
bool is_emulated(const std::string& full_name);
// An alias ("h200"), a table name or a full name. Unknown: unavailable, naming what there is.
Result<Available> find_device(const std::string& name);
Result<std::unique_ptr<Device>> open_device(const std::string& name);

}  // namespace mtmc::device
