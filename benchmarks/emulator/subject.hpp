// One workload made ready: compiled by NVRTC, decoded, its inputs filled; runs it under the
// emulator and by its peers, and compares what they wrote.
#pragma once

#include <memory>

#include "compiler/compiler.hpp"
#include "emulator/occupancy.hpp"
#include "emulator/run.hpp"
#include "emulator/workload.hpp"

namespace mtmc::bench {

class Subject {
 public:
  // Ends the program with a message when the kernel cannot be compiled or decoded.
  Subject(const Workload& workload, compiler::Compiler& compiler);

  const Workload& workload() const { return workload_; }
  double decode_ms() const { return decode_ms_; }  // parsing included; best of several
  std::uint64_t device_bytes() const;
  std::uint64_t resident_before() const { return resident_before_; }  // device memory was allocated
  emulator::BlockResources block_resources() const;

  // Seconds of CPU time of one run.
  double emulate(const emulator::RunOptions& options);
  double fibres();
  double scalar();

  // Runs all peers once; the largest difference of their outputs from the scalar peer's over its
  // largest value. Ends the program when it is over the tolerance.
  struct Difference {
    double emulator = 0, fibres = 0;
  };
  Difference check();

  emulator::LaunchReport launch(const emulator::RunOptions& options);

 private:
  void take_outputs(std::vector<std::vector<char>>& to) const;
  double largest_difference(const std::vector<std::vector<char>>& outputs,
                            const std::vector<std::vector<char>>& reference) const;

  Workload workload_;
  emulator::Program program_;
  emulator::LaunchParams params_;
  std::unique_ptr<emulator::DeviceMemory> memory_;
  std::vector<std::uint64_t> addresses_;
  std::vector<void*> host_;  // views of the device's buffers, which the peers use as well
  double decode_ms_ = 0;
  std::uint32_t registers_ = 0;  // per thread, as ptxas says
  std::uint64_t resident_before_ = 0;
};

[[noreturn]] void give_up(const std::string& message);

}  // namespace mtmc::bench
