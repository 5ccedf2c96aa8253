// Names and texts of what a launch reports.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "emulator/fault.hpp"
#include "emulator/listener.hpp"
#include "emulator/profile.hpp"

namespace mtmc::emulator {

namespace {

struct FaultNames {
  FaultKind kind;
  const char* identifier;
  const char* name;
};
constexpr FaultNames fault_names[] = {
    {FaultKind::out_of_bounds, "out_of_bounds", "out of bounds"},
    {FaultKind::misaligned, "misaligned", "misaligned"},
    {FaultKind::read_only_write, "read_only_write", "write to read-only memory"},
    {FaultKind::divergent_barrier, "divergent_barrier", "divergent barrier"},
    {FaultKind::deadlock, "deadlock", "deadlock"},
    {FaultKind::budget_exceeded, "budget_exceeded", "instruction budget exceeded"},
    {FaultKind::trap, "trap", "trap"},
    {FaultKind::inactive_lane_shuffle, "inactive_lane_shuffle", "shuffle from an inactive lane"},
    {FaultKind::launch_error, "launch_error", "launch error"},
    {FaultKind::unsupported, "unsupported", "unsupported"},
    {FaultKind::uninitialised_read, "uninitialised_read", "uninitialised read"},
    {FaultKind::shared_race, "shared_race", "shared memory race"},
    {FaultKind::global_race, "global_race", "global memory race"},
    {FaultKind::division_by_zero, "division_by_zero", "integer division by zero"},
    {FaultKind::async_copy_hazard, "async_copy_hazard", "asynchronous copy hazard"},
    {FaultKind::missing_proxy_fence, "missing_proxy_fence", "missing proxy fence"},
    {FaultKind::mbarrier_mismatch, "mbarrier_mismatch", "mbarrier mismatch"},
    {FaultKind::stack_overflow, "stack_overflow", "stack overflow"},
    {FaultKind::invalid_call, "invalid_call", "invalid call"},
    {FaultKind::assertion_failed, "assertion_failed", "assertion failed"},
};

const FaultNames* names_of(FaultKind kind) {
  for (const FaultNames& n : fault_names) {
    if (n.kind == kind) return &n;
  }
  return nullptr;
}

}  // namespace

const char* fault_name(FaultKind kind) {
  const FaultNames* names = names_of(kind);
  return names != nullptr ? names->name : "unknown";
}

const char* fault_identifier(FaultKind kind) {
  const FaultNames* names = names_of(kind);
  return names != nullptr ? names->identifier : "unknown";
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
  constexpr size_t shown = 8;
  for (size_t i = 0; i < std::min(callers.size(), shown); ++i) {
    const Caller& c = callers[i];
    out += fmt::format(", {} at {}:{}", c.inlined ? "inlined" : "called",
                       c.file.empty() ? "source" : c.file, c.line);
  }
  if (callers.size() > shown) out += fmt::format(", and {} more", callers.size() - shown);
  return ptx.empty() ? out : out + ": " + ptx;
}

std::string place_of(const Code& code, int32_t origin) {
  if (origin < 0) return "an unknown place";
  const Origin& o = code.origins[origin];
  const auto file = code.files.find(o.location.file);
  if (o.location.line == 0) return fmt::format("ptx line {} ({})", o.ptx_line, o.text);
  return fmt::format("{}:{} ({})", file != code.files.end() ? file->second : "source",
                     o.location.line, o.text);
}

uint64_t Profile::total_warp_instructions() const {
  return std::accumulate(warp_instructions.begin(), warp_instructions.end(), uint64_t{0});
}

double Profile::active_lanes() const {
  const uint64_t warps = total_warp_instructions();
  return warps == 0 ? 0.0
                    : static_cast<double>(total_lane_instructions()) / static_cast<double>(warps);
}

uint64_t Profile::total_lane_instructions() const {
  return std::accumulate(lane_instructions.begin(), lane_instructions.end(), uint64_t{0});
}

}  // namespace mtmc::emulator
