// Internal: what decode knows of an asynchronous instruction beyond its handler. The handlers work
// lane by lane: few lanes issue such instructions, and what they move is large.
#pragma once

#include <array>
#include <cstdint>

namespace mtmc::emulator {

// A register of the Op's list, read lane by lane, plus a constant.
struct LaneOperand {
  int8_t index = -1;
  uint8_t bits = 32;  // 16, 32, 64; 1 for a predicate
  bool negated = false;
  uint64_t add = 0;
  bool present() const { return index >= 0; }
};

enum class AsyncSide : uint8_t { generic, global, shared_cta, shared_cluster };

enum class BulkReduction : uint8_t {
  none,
  add,
  min,
  max,
  inc,
  dec,
  conjunction,
  disjunction,
  exclusive
};
enum class BulkType : uint8_t { none, u32, s32, u64, s64, f16, bf16, f32, f64 };

struct AsyncForm {
  AsyncSide to_side = AsyncSide::shared_cta;
  AsyncSide from_side = AsyncSide::global;
  LaneOperand to, from;  // addresses; of a tensor copy, one is the tensor map's
  LaneOperand bytes;     // of a bulk copy
  LaneOperand mbarrier;  // address
  AsyncSide mbarrier_side = AsyncSide::shared_cta;
  LaneOperand multicast;      // mask of cluster ranks
  LaneOperand value;          // arrive count, transaction bytes, state or parity
  LaneOperand source_bytes;   // cp.async
  LaneOperand ignore_source;  // cp.async, a predicate
  uint32_t copy_bytes = 0;    // cp.async: 4, 8, 16; wait_group: how many may be pending
  int rank = 0;               // of a tensor copy
  std::array<LaneOperand, 5> coordinates{};
  BulkReduction reduction = BulkReduction::none;
  BulkType type = BulkType::none;
  bool flag = false;  // what the handler says
};

}  // namespace mtmc::emulator
