// What went wrong inside a kernel, and where. A Fault is an outcome of an experiment, not an
// operational error: run() returns it inside the report.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace mtmc::emulator {

enum class FaultKind : uint8_t {
  out_of_bounds,
  misaligned,
  read_only_write,
  divergent_barrier,
  deadlock,
  budget_exceeded,
  trap,
  inactive_lane_shuffle,
  launch_error,
  unsupported,
  uninitialised_read,
  shared_race,
  global_race,
  division_by_zero,
  async_copy_hazard,  // the copy's memory touched before its wait
  missing_proxy_fence,
  mbarrier_mismatch,
  stack_overflow,
  invalid_call,  // through a pointer that is no such function, or a table without such an entry
  assertion_failed,
};

// For people: "out of bounds".
const char* fault_name(FaultKind kind);
// For scripts, stable: "out_of_bounds".
const char* fault_identifier(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::trap;
  std::string kernel;
  bool has_place = false;  // false for a launch error: no block, thread or line is meant
  std::array<uint32_t, 3> block{};
  std::array<uint32_t, 3> thread{};
  std::string file;   // as the PTX names it; empty without line information
  uint32_t line = 0;  // 0 without line information
  uint32_t ptx_line = 0;
  std::string ptx;  // the instruction as written
  // Where the line was inlined and its function called, from the inside out.
  struct Caller {
    std::string file;
    uint32_t line = 0;
    bool inlined = false;
  };
  std::vector<Caller> callers;
  uint64_t address = 0;  // of the access, 0 when there is none
  std::string message;   // what happened, without the place

  // One line: "out of bounds: <message>; kernel k, block (0,0,0), thread (31,0,0), k.cu:12: ld...".
  std::string text() const;
};

}  // namespace mtmc::emulator
