// Names and texts of what a launch reports.
#include <fmt/format.h>

#include <numeric>

#include "emulator/fault.hpp"
#include "emulator/profile.hpp"

namespace mtmc::emulator {

const char* fault_name(FaultKind kind) {
  switch (kind) {
    case FaultKind::out_of_bounds:
      return "out of bounds";
    case FaultKind::misaligned:
      return "misaligned";
    case FaultKind::read_only_write:
      return "write to read-only memory";
    case FaultKind::divergent_barrier:
      return "divergent barrier";
    case FaultKind::deadlock:
      return "deadlock";
    case FaultKind::budget_exceeded:
      return "instruction budget exceeded";
    case FaultKind::trap:
      return "trap";
    case FaultKind::inactive_lane_shuffle:
      return "shuffle from an inactive lane";
    case FaultKind::launch_error:
      return "launch error";
    case FaultKind::unsupported:
      return "unsupported";
  }
  return "unknown";
}

std::string Fault::text() const {
  std::string out = fmt::format("{}: {}; kernel {}", fault_name(kind), message, kernel);
  if (!has_place) return out;
  out += fmt::format(", block ({},{},{}), thread ({},{},{})", block[0], block[1], block[2],
                     thread[0], thread[1], thread[2]);
  if (line != 0) {
    out += fmt::format(", {}:{}", file.empty() ? "source" : file, line);
  } else {
    out += fmt::format(", ptx line {}", ptx_line);
  }
  return ptx.empty() ? out : out + ": " + ptx;
}

uint64_t Profile::total_warp_instructions() const {
  return std::accumulate(warp_instructions.begin(), warp_instructions.end(), uint64_t{0});
}

uint64_t Profile::total_lane_instructions() const {
  return std::accumulate(lane_instructions.begin(), lane_instructions.end(), uint64_t{0});
}

}  // namespace mtmc::emulator
