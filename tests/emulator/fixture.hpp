// What the emulator tests share: committed PTX texts, typed device buffers, argument blocks.
#pragma once

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "emulator/run.hpp"

namespace mtmc::emulator::test {

inline const char* const dialects[] = {"sm_80", "sm_90a", "sm_100a"};

inline std::string ptx_text(const std::string& name) {
  std::ifstream in(std::string(MTMC_SOURCE_DIR) + "/tests/emulator/ptx/" + name + ".ptx");
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Throws what parse or decode answered, so that a test shows the message.
inline Program load(const std::string& file, const std::string& kernel) {
  const auto module = parse_module(ptx_text(file));
  if (!module) throw std::runtime_error(file + ": " + module.error().message);
  const auto program = decode(*module, kernel);
  if (!program) throw std::runtime_error(program.error().message);
  return *program;
}

inline Program assemble(const std::string& ptx, const std::string& kernel) {
  const auto module = parse_module(ptx);
  if (!module) throw std::runtime_error(module.error().message);
  const auto program = decode(*module, kernel);
  if (!program) throw std::runtime_error(program.error().message);
  return *program;
}

class Device {
 public:
  DeviceMemory memory;

  template <class T>
  uint64_t upload(const std::vector<T>& values, std::string name,
                  Access access = Access::read_write) {
    const uint64_t bytes = values.size() * sizeof(T);
    const uint64_t address = memory.allocate(bytes, 16, std::move(name), access).value();
    std::memcpy(memory.span(address, bytes).value().data(), values.data(), bytes);
    return address;
  }
  template <class T>
  std::vector<T> download(uint64_t address, size_t count) {
    std::vector<T> values(count);
    std::memcpy(values.data(), memory.span(address, count * sizeof(T)).value().data(),
                count * sizeof(T));
    return values;
  }
};

struct Arguments {
  std::vector<std::byte> bytes;
  template <class T>
  Arguments& add(T value) {
    while (bytes.size() % sizeof(T) != 0) bytes.push_back({});
    const size_t at = bytes.size();
    bytes.resize(at + sizeof(T));
    std::memcpy(bytes.data() + at, &value, sizeof(T));
    return *this;
  }
};

inline LaunchParams launch(std::array<uint64_t, 3> grid, std::array<uint32_t, 3> block,
                           const Arguments& arguments, uint64_t shared = 0) {
  LaunchParams result;
  result.grid = grid;
  result.block = block;
  result.dynamic_shared_bytes = shared;
  result.arguments = arguments.bytes;
  return result;
}

// Runs and returns the report; a fault's text is thrown.
inline LaunchReport run_well(const Program& program, Device& device, const LaunchParams& params,
                             const RunOptions& options = {}) {
  const auto report = run(program, device.memory, params, options);
  if (!report) throw std::runtime_error(report.error().message);
  if (report->fault) throw std::runtime_error(report->fault->text());
  return *report;
}

}  // namespace mtmc::emulator::test
