// The GPU behind the fake driver: device memory, modules and streams, executed on the PTX emulator,
// with a clock of its own that moves by what the cost model (or the scenario) says.
//
// It takes machine code as the product makes it: NVRTC keeps the PTX text inside machine code that
// has line information (section .nv_debug_ptx_txt), and that text is what runs here. Work is queued
// and done when somebody waits, as on a real stream, so that code which forgets to wait is found
// out. One GPU, whatever the number of devices; one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/compiler.hpp"
#include "device/cuda/abi.hpp"
#include "device/fake_driver/scenario.hpp"
#include "emulator/device_table.hpp"
#include "emulator/memory.hpp"
#include "emulator/program.hpp"

namespace mtmc::fake {

namespace abi = device::cuda::abi;

struct Record {
  std::uint32_t kind = 0;  // abi::ActivityKind
  std::uint64_t start_ns = 0, end_ns = 0, bytes = 0;
  std::uint32_t value = 0;
  const char* name = nullptr;  // of a kernel; lives as long as the GPU
};

struct FakeModule;
struct FakeFunction {
  FakeModule* module = nullptr;
  std::string name;
  emulator::Program program;
  int registers = 0;
  int dynamic_shared_limit = 48 * 1024;
  bool large_clusters = false;
};
struct FakeModule {
  emulator::Module ptx;
  std::vector<compiler::KernelFacts> facts;
  std::map<std::string, std::unique_ptr<FakeFunction>> functions;
};

using Work = std::function<abi::Result()>;
struct FakeGraph {
  std::vector<Work> work;
};
struct FakeStream {
  std::vector<Work> queue;
  bool capturing = false;
  FakeGraph captured;
};
struct FakeEvent {
  std::uint64_t at_ns = 0;
};

class Gpu {
 public:
  static Gpu& instance();
  void reset(const std::string& scenario);

  Scenario scenario;
  std::unique_ptr<emulator::DeviceMemory> memory;
  std::map<std::uint64_t, std::uint64_t> allocations;  // address -> bytes
  std::uint64_t allocated_bytes = 0;
  std::vector<std::unique_ptr<FakeModule>> modules;
  std::vector<std::unique_ptr<FakeStream>> streams;
  // A product whose context is poisoned frees nothing.
  std::vector<std::unique_ptr<FakeEvent>> events;
  std::map<void*, std::unique_ptr<std::uint64_t[]>> host_memory;
  std::vector<Record> records;
  bool recording = false;
  std::uint64_t clock_ns = 1'000'000'000;
  abi::Result sticky = abi::success;  // what every call answers once the context is poisoned
  std::string last_launch;            // JSON: grid, block, cluster, cooperative, pdl, shared_bytes
  int launches = 0;

  // The scenario's status for this call, or the sticky one, or success.
  abi::Result gate(const char* call);
  // Queues, or adds to a graph under capture.
  abi::Result enqueue(FakeStream& stream, Work work);
  abi::Result drain(FakeStream& stream);
  abi::Result poison(abi::Result status);

  emulator::DeviceEntry entry() const;
  abi::Result load(const void* image, FakeModule** out);
  abi::Result launch(const abi::LaunchConfig& config, FakeFunction& function,
                     std::vector<std::byte> arguments);
  abi::Result fill(std::uint64_t address, unsigned char value, std::uint64_t bytes);
  abi::Result copy(std::uint64_t to, std::uint64_t from, std::uint64_t bytes);
  // Null where the range is no device memory.
  std::byte* host(std::uint64_t address, std::uint64_t bytes);

 private:
  void take_time(Record record, double duration_ns);
  std::map<std::string, std::string> names_;  // keeps records' names alive
  std::map<std::string, int> calls_;
};

// The PTX text inside machine code; empty where there is none. `size` of the image is read from its
// header.
std::string ptx_of_cubin(const void* image, std::size_t& size, int& sm);

}  // namespace mtmc::fake
