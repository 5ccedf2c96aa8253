// Names of the counters' classes, and the counters behind a profile.
#include "emulator/counters.hpp"

#include <algorithm>

#include "emulator/profile.hpp"

namespace mtmc::emulator {
namespace {

IssueClass issue_class_of(InstructionClass value) {
  switch (value) {
    case InstructionClass::integer:
      return IssueClass::integer;
    case InstructionClass::fp32:
      return IssueClass::fp32;
    case InstructionClass::fp64:
      return IssueClass::fp64;
    case InstructionClass::fp16:
      return IssueClass::fp16;
    case InstructionClass::conversion:
      return IssueClass::conversion_half;
    case InstructionClass::special:
      return IssueClass::special;
    case InstructionClass::load_global:
      return IssueClass::load_global;
    case InstructionClass::store_global:
      return IssueClass::store_global;
    case InstructionClass::load_shared:
      return IssueClass::load_shared;
    case InstructionClass::store_shared:
      return IssueClass::store_shared;
    case InstructionClass::local:
      return IssueClass::load_local;
    case InstructionClass::atomic:
      return IssueClass::atomic_global;
    case InstructionClass::shuffle_vote:
      return IssueClass::shuffle;
    case InstructionClass::barrier:
      return IssueClass::barrier;
    case InstructionClass::control:
      return IssueClass::control;
    case InstructionClass::matrix:
      return IssueClass::matrix;
    case InstructionClass::other:
      break;
  }
  return IssueClass::other;
}

}  // namespace

const char* issue_class_name(IssueClass value) {
  static constexpr std::array<const char*, kIssueClassCount> kNames = {"fp32",
                                                                       "fp16",
                                                                       "fp64",
                                                                       "integer",
                                                                       "integer_multiply",
                                                                       "integer64",
                                                                       "integer64_multiply",
                                                                       "bit_count",
                                                                       "compare",
                                                                       "select",
                                                                       "move",
                                                                       "conversion",
                                                                       "conversion_half",
                                                                       "conversion64",
                                                                       "special",
                                                                       "divide_f32",
                                                                       "divide_f64",
                                                                       "divide_integer",
                                                                       "divide_integer64",
                                                                       "load_global",
                                                                       "store_global",
                                                                       "load_shared",
                                                                       "store_shared",
                                                                       "load_local",
                                                                       "store_local",
                                                                       "load_constant",
                                                                       "atomic_global",
                                                                       "atomic_shared",
                                                                       "async_copy",
                                                                       "shuffle",
                                                                       "barrier",
                                                                       "control",
                                                                       "matrix",
                                                                       "matrix_load",
                                                                       "other"};
  return kNames[static_cast<std::size_t>(value)];
}

const char* compute_kind_name(ComputeKind kind) {
  static constexpr std::array<const char*, kComputeKindCount> kNames = {
      "fp32", "fp64", "fp16", "tf32_tensor", "f16_tensor", "bf16_tensor", "fp8_tensor"};
  return kNames[static_cast<std::size_t>(kind)];
}

KernelCounters counters_of(const Profile& profile, std::uint32_t threads_per_block) {
  KernelCounters counters;
  counters.blocks_run = profile.blocks_run;
  counters.blocks_total = profile.blocks_total;
  counters.threads_per_block = threads_per_block;
  for (std::size_t i = 0; i < profile.warp_instructions.size(); ++i) {
    counters.of(issue_class_of(static_cast<InstructionClass>(i))) += profile.warp_instructions[i];
  }

  const auto& atomic = profile.global_atomic;
  counters.global_load.requests = profile.global_load.requests + atomic.requests;
  counters.global_load.sectors = profile.global_load.sectors + atomic.sectors;
  counters.global_store.requests = profile.global_store.requests + atomic.requests;
  counters.global_store.sectors = profile.global_store.sectors + atomic.sectors;
  for (const AllocationTraffic& allocation : profile.allocations) {
    counters.global_load.unique_sectors += allocation.loaded_sectors;
    counters.global_store.unique_sectors += allocation.stored_sectors;
    if (allocation.loaded_sectors + allocation.stored_sectors > 0) {
      counters.touched_allocation_bytes += allocation.bytes;
    }
  }

  counters.shared_load = {profile.shared_load.requests, profile.shared_load.wavefronts};
  counters.shared_store = {profile.shared_store.requests + profile.shared_atomic.requests,
                           profile.shared_store.wavefronts + profile.shared_atomic.wavefronts};
  return counters;
}

}  // namespace mtmc::emulator
