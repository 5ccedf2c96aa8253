// mbarrier instructions on objects in the shared memory of the cluster's blocks. An object is known
// from its init on; a word that is not what the last operation left there is a fault, since what
// hardware would make of it nobody knows.
#include <fmt/format.h>

#include "emulator/async.hpp"
#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

uint64_t word_at(const SharedPlace& place) {
  uint64_t word = 0;
  std::memcpy(&word, place.host(), 8);
  return word;
}

[[noreturn]] void mismatch(const Op& op, const Warp& warp, int lane, const SharedPlace& place,
                           std::string what) {
  raise_lane(FaultKind::mbarrier_mismatch, op, warp, lane, place.offset,
             fmt::format("mbarrier at shared address {}: {}", place.offset, what));
}

void store(Mbarrier& barrier, const SharedPlace& place, const MbarrierState& state) {
  barrier.word = state.word();
  std::memcpy(place.host(), &barrier.word, 8);
}

// Applies one step to an object and tells when that completed its phase.
template <class Step>
void update(const Op& op, Warp& warp, int lane, const SharedPlace& place, Step step) {
  Mbarrier& barrier = mbarrier_at(op, warp, lane, place);
  MbarrierState state = *MbarrierState::of(barrier.word);
  const bool before = state.parity;
  if (const char* problem = step(state)) mismatch(op, warp, lane, place, problem);
  store(barrier, place, state);
  if (state.parity != before) {
    notify(warp,
           [&](Listener& l) { l.mbarrier_phase_completed(place.block->place, place.offset); });
  }
}

SharedPlace place_of(const Op& op, Warp& warp, int lane) {
  const AsyncForm& form = form_of(op, warp);
  return shared_place(op, warp, lane, lane_value(form.mbarrier, op, warp, lane), form.mbarrier_side,
                      8, 8);
}

// Before the arrival itself, which may complete the phase that it is part of.
void tell_arrival(Warp& warp, int lane, const SharedPlace& place) {
  notify(warp, [&](Listener& l) {
    l.mbarrier_arrived(warp, 1u << lane, place.block->place, place.offset);
  });
}

void init_op(const Op& op, Warp& warp) {
  for_each_lane(warp.mask, [&](int lane) {
    const SharedPlace place = place_of(op, warp, lane);
    const auto count = static_cast<uint32_t>(lane_value(form_of(op, warp).value, op, warp, lane));
    if (count == 0 || count > MbarrierState::largest_count) {
      mismatch(op, warp, lane, place, fmt::format("a count of {} is not 1 to 1048575", count));
    }
    MbarrierState state;
    state.pending = state.expected = count;
    Mbarrier& barrier = place.block->async->mbarriers[place.offset];
    barrier.arrivals.clear();
    store(barrier, place, state);
    notify(warp,
           [&](Listener& l) { l.mbarrier_initialised(warp, place.block->place, place.offset); });
  });
}

void inval_op(const Op& op, Warp& warp) {
  for_each_lane(warp.mask, [&](int lane) {
    const SharedPlace place = place_of(op, warp, lane);
    (void)mbarrier_at(op, warp, lane, place);
    place.block->async->mbarriers.erase(place.offset);
    const uint64_t nothing = 0;
    std::memcpy(place.host(), &nothing, 8);
  });
}

enum class Arrive { plain, drop, no_complete };

template <Arrive Mode>
void arrive_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  for_each_lane(warp.mask, [&](int lane) {
    const SharedPlace place = place_of(op, warp, lane);
    const uint64_t before = mbarrier_at(op, warp, lane, place).word;
    const auto value =
        form.value.present() ? static_cast<uint32_t>(lane_value(form.value, op, warp, lane)) : 1;
    tell_arrival(warp, lane, place);
    update(op, warp, lane, place, [&](MbarrierState& s) -> const char* {
      if (form.flag) {  // .expect_tx, also of arrive_drop
        if (const char* problem = s.expect(value)) return problem;
      }
      const uint32_t count = form.flag ? 1 : value;
      if constexpr (Mode == Arrive::no_complete) {
        if (count >= s.pending) return "an arrival with .noComplete would complete the phase";
      }
      return Mode == Arrive::drop ? s.drop(count) : s.arrive(count);
    });
    if (op.d >= 0) reinterpret_cast<uint64_t*>(warp.registers + op.d)[lane] = before;
  });
}

template <bool Expect>
void transactions_op(const Op& op, Warp& warp) {
  for_each_lane(warp.mask, [&](int lane) {
    const auto bytes = static_cast<uint32_t>(lane_value(form_of(op, warp).value, op, warp, lane));
    update(op, warp, lane, place_of(op, warp, lane),
           [&](MbarrierState& s) { return Expect ? s.expect(bytes) : s.complete(bytes); });
  });
}

// test_wait and try_wait, by state or by parity. try_wait parks its lanes where none can go on.
template <bool Try>
void wait_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  uint32_t done = 0;
  Park park;
  for_each_lane(warp.mask, [&](int lane) {
    const SharedPlace place = place_of(op, warp, lane);
    (void)mbarrier_at(op, warp, lane, place);
    const uint64_t value = lane_value(form.value, op, warp, lane);
    bool parity = (value & 1) != 0;
    if (!form.flag) {  // a state that an arrival returned
      const auto state = MbarrierState::of(value);
      if (!state) mismatch(op, warp, lane, place, "the value waited for is no mbarrier state");
      parity = state->parity;
    }
    if (phase_completed(*place.block, place.offset, parity)) {
      done |= 1u << lane;
      notify(warp, [&](Listener& l) {
        l.mbarrier_waited(warp, 1u << lane, place.block->place, place.offset);
      });
    } else if (park.reason == Park::Reason::none) {
      park = {Park::Reason::mbarrier, place.offset, parity ? 1u : 0u};
    }
  });
  if (Try && done == 0) {
    warp.park = park;
    return;
  }
  uint32_t& d = warp.predicates[op.d];
  d = (d & ~warp.mask) | done;
}

void pending_count_op(const Op& op, Warp& warp) {
  for_each_lane(warp.mask, [&](int lane) {
    const auto state = MbarrierState::of(lane_value(form_of(op, warp).value, op, warp, lane));
    if (!state) {
      raise_lane(FaultKind::mbarrier_mismatch, op, warp, lane, 0, "the value is no mbarrier state");
    }
    reinterpret_cast<uint32_t*>(warp.registers + op.d)[lane] = state->pending;
  });
}

}  // namespace

Mbarrier& mbarrier_at(const Op& op, Warp& warp, int lane, const SharedPlace& place) {
  auto& mbarriers = place.block->async->mbarriers;
  const auto found = mbarriers.find(place.offset);
  if (found == mbarriers.end()) {
    mismatch(op, warp, lane, place, "no mbarrier was initialised there");
  }
  if (word_at(place) != found->second.word) {
    mismatch(op, warp, lane, place, "its bytes were overwritten since its last operation");
  }
  return found->second;
}

void mbarrier_arrive(const Op& op, Warp& warp, int lane, const SharedPlace& place, uint32_t count) {
  tell_arrival(warp, lane, place);
  update(op, warp, lane, place, [&](MbarrierState& s) { return s.arrive(count); });
}

bool phase_completed(LiveBlock& block, uint32_t address, bool parity) {
  const auto found = block.async->mbarriers.find(address);
  if (found == block.async->mbarriers.end()) return true;  // the wait is executed, and faults
  Mbarrier& barrier = found->second;
  if (!barrier.arrivals.empty()) {
    std::vector<Mbarrier::Arrival> arrivals;
    arrivals.swap(barrier.arrivals);
    for (const Mbarrier::Arrival& arrival : arrivals) {
      const BulkCopy& copy = *arrival.copy;
      copy.land();
      notify(*copy.warp, [&](Listener& l) { l.copy_completed(copy.event()); });
      const SharedPlace place{&block, address};
      auto& warp = const_cast<Warp&>(*copy.warp);
      update(*copy.op, warp, copy.parts.empty() ? 0 : copy.parts[0].lane, place,
             [&](MbarrierState& s) { return s.complete(arrival.bytes); });
    }
  }
  return MbarrierState::of(barrier.word)->parity != parity;
}

std::array<Handler, 2> mbarrier_handler(std::string_view name) {
  const auto both = [](Handler h) { return std::array<Handler, 2>{h, h}; };
  if (name == "init") return both(init_op);
  if (name == "inval") return both(inval_op);
  if (name == "arrive") return both(arrive_op<Arrive::plain>);
  if (name == "arrive.noComplete") return both(arrive_op<Arrive::no_complete>);
  if (name == "arrive_drop") return both(arrive_op<Arrive::drop>);
  if (name == "expect_tx") return both(transactions_op<true>);
  if (name == "complete_tx") return both(transactions_op<false>);
  if (name == "test_wait") return both(wait_op<false>);
  if (name == "try_wait") return both(wait_op<true>);
  if (name == "pending_count") return both(pending_count_op);
  return {nullptr, nullptr};
}

}  // namespace mtmc::emulator
