#include "emulator/mbarrier.hpp"

namespace mtmc::emulator {
namespace {

constexpr uint64_t tag = 2;
constexpr int32_t largest_transactions = (1 << 20) - 1;

}  // namespace

uint64_t MbarrierState::word() const {
  const auto tx = static_cast<uint64_t>(static_cast<uint32_t>(transactions) & 0x1fffffu);
  return pending | uint64_t{expected} << 20 | tx << 40 | tag << 61 |
         static_cast<uint64_t>(parity) << 63;
}

std::optional<MbarrierState> MbarrierState::of(uint64_t word) {
  if ((word >> 61 & 3) != tag) return std::nullopt;
  MbarrierState state;
  state.pending = static_cast<uint32_t>(word) & largest_count;
  state.expected = static_cast<uint32_t>(word >> 20) & largest_count;
  const auto tx = static_cast<uint32_t>(word >> 40) & 0x1fffffu;
  state.transactions = static_cast<int32_t>(tx << 11) >> 11;
  state.parity = (word >> 63) != 0;
  return state;
}

void MbarrierState::complete_phase_if_due() {
  if (pending != 0 || transactions != 0) return;
  pending = expected;
  parity = !parity;
}

const char* MbarrierState::arrive(uint32_t count) {
  if (count == 0 || count > largest_count) return "an arrive count must be 1 to 1048575";
  if (count > pending) return "more arrivals than the phase waits for";
  pending -= count;
  complete_phase_if_due();
  return nullptr;
}

const char* MbarrierState::drop(uint32_t count) {
  if (count > expected) return "more threads drop out than are expected";
  expected -= count;
  return arrive(count);
}

const char* MbarrierState::expect(uint32_t bytes) {
  if (bytes > static_cast<uint32_t>(largest_transactions) ||
      transactions > largest_transactions - static_cast<int32_t>(bytes)) {
    return "the transaction count exceeds 1048575";
  }
  transactions += static_cast<int32_t>(bytes);
  return nullptr;
}

const char* MbarrierState::complete(uint32_t bytes) {
  if (bytes > static_cast<uint32_t>(largest_transactions) ||
      transactions < static_cast<int32_t>(bytes) - largest_transactions) {
    return "the transaction count falls below -1048575";
  }
  transactions -= static_cast<int32_t>(bytes);
  complete_phase_if_due();
  return nullptr;
}

}  // namespace mtmc::emulator
