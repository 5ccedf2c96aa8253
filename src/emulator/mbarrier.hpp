// Internal: the arithmetic of an mbarrier object (PTX ISA 9.0, 9.7.13.15), free of where it lives.
//
// The 64-bit word in shared memory is opaque to kernels; ours is, from bit 0: pending arrivals (20
// bits), expected arrivals (20), transaction count (21, two's complement), a tag (2, always 2),
// phase parity (1). Zeros, poison and most garbage are no mbarrier: their tag is wrong.
#pragma once

#include <cstdint>
#include <optional>

namespace mtmc::emulator {

struct MbarrierState {
  static constexpr uint32_t largest_count = (1u << 20) - 1;

  uint32_t pending = 0;   // arrivals that the phase still waits for
  uint32_t expected = 0;  // of the phases to come
  int32_t transactions = 0;
  bool parity = false;  // of the current phase

  uint64_t word() const;
  static std::optional<MbarrierState> of(uint64_t word);

  // Each answers what is wrong, or nullptr. A phase completes when neither arrivals nor
  // transactions are pending; then parity turns.
  const char* arrive(uint32_t count);
  const char* drop(uint32_t count);  // arrive, and expect that many fewer from the next phase on
  const char* expect(uint32_t bytes);
  const char* complete(uint32_t bytes);

 private:
  void complete_phase_if_due();
};

}  // namespace mtmc::emulator
