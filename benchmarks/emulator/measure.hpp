// Clocks and counters of this process that hold on a busy machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mtmc::bench {

// CPU time of a piece of work that may start a second thread: of the two, the one that worked
// longer, since both would run side by side on an idle machine.
class CpuTimer {
 public:
  CpuTimer();
  double seconds() const;  // since construction, which must be on the same thread

 private:
  double thread_, process_;
};

// Resident memory of this process now, and at most since the last reset. 0 where Linux does not
// say.
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();
bool reset_peak_resident();

struct MachineFacts {
  std::string cpu, compiler, kernel;
  std::vector<std::string> vector_flags;  // of the CPU
  unsigned threads = 0;
};
MachineFacts machine_facts();

}  // namespace mtmc::bench
