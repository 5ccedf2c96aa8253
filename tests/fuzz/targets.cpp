#include "fuzz/targets.hpp"

#include <cstring>

#include "emulator/run.hpp"
#include "emulator/survey.hpp"

namespace mtmc::emulator {
namespace {

constexpr uint64_t buffer_bytes = 4096;

// Pointers for 8-byte parameters, small integers for the others.
std::vector<std::byte> arguments_of(const Program& program, DeviceMemory& memory) {
  std::vector<std::byte> result(program.parameter_bytes);
  for (const Parameter& parameter : program.parameters) {
    uint64_t value = 3;
    if (parameter.bytes == 8) {
      const auto address = memory.allocate(buffer_bytes, 256, parameter.name, Access::read_write);
      if (address) value = *address;
    }
    const size_t bytes = parameter.bytes < 8 ? parameter.bytes : 8;
    std::memcpy(result.data() + parameter.offset, &value, bytes);
  }
  return result;
}

void run_once(const Program& program) {
  DeviceMemory memory(uint64_t{64} << 20);
  LaunchParams launch;
  launch.grid = {2, 1, 1};
  launch.block = {48, 1, 1};
  for (int i = 0; i < 3; ++i) {
    if (program.required_threads[0] != 0) launch.block[i] = program.required_threads[i];
  }
  if (program.max_threads_per_block != 0 && program.max_threads_per_block < 48) {
    launch.block = {program.max_threads_per_block, 1, 1};
  }
  launch.dynamic_shared_bytes = 1024;
  launch.arguments = arguments_of(program, memory);
  RunOptions options;
  options.instruction_budget = 3000;
  (void)run(program, memory, launch, options);
}

}  // namespace

void fuzz_parse(std::string_view text) {
  const auto module = parse_module(text);
  if (module) (void)survey(*module);
}

void fuzz_decode(std::string_view text) {
  const auto module = parse_module(text);
  if (!module) return;
  int decoded = 0;
  for (const Function& function : module->functions) {
    if (function.is_entry && ++decoded <= 8) (void)decode(*module, function.name);
  }
}

void fuzz_run(std::string_view text) {
  const auto module = parse_module(text);
  if (!module) return;
  int decoded = 0;
  for (const Function& function : module->functions) {
    if (!function.is_entry || ++decoded > 4) continue;
    const auto program = decode(*module, function.name);
    // Large local memory is legal and slow to clear: not what is looked for here.
    if (program && program->local_bytes_per_thread <= 4096) run_once(*program);
  }
}

}  // namespace mtmc::emulator
