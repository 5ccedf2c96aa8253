// Instructions that see the whole warp or its predicates: guards, predicate logic, selp, shuffles,
// votes, matches, reductions, bar.warp.sync, clock, trap. A .sync instruction whose named lanes are
// not all here marks the warp as waiting and does nothing; the executor parks the lanes and comes
// back. Reading a lane that takes no part: up and down give all ones (a NaN), since correct
// reductions read such lanes and drop the value; bfly and idx are a fault.
#include <fmt/format.h>

#include "emulator/alu.hpp"
#include "emulator/listener.hpp"
#include "emulator/lower.hpp"
#include "emulator/numeric_float.hpp"
#include "emulator/vector_rows.hpp"

namespace mtmc::emulator {
namespace {

template <bool Masked>
inline void write_mask(Warp& warp, int32_t index, uint32_t value) {
  uint32_t& d = warp.predicates[index];
  d = Masked ? (d & ~warp.mask) | (value & warp.mask) : value;
}

// True when every live lane that the instruction names is here.
template <bool Masked>
inline bool lanes_present(const Op& op, Warp& warp) {
  if constexpr (Masked) {
    const uint32_t members = lane_array<uint32_t>(warp, op.e)[__builtin_ctz(warp.mask)];
    if ((members & warp.live & ~warp.mask) != 0) {
      warp.waiting = true;
      warp.wait_members = members;
      return false;
    }
    notify_synced(warp, members & warp.mask);
  } else {
    notify_synced(warp, all_lanes);
  }
  return true;
}

// The lanes that take part together with the first active one.
template <bool Masked>
inline uint32_t participants(const Op& op, Warp& warp) {
  const int first = Masked ? __builtin_ctz(warp.mask) : 0;
  return lane_array<uint32_t>(warp, op.e)[first] & warp.mask;
}

enum class Logic { conjunction, disjunction, exclusive, negation, copy };

template <Logic L, bool Masked>
void predicate_op(const Op& op, Warp& warp) {
  const uint32_t a = warp.predicates[op.a];
  const uint32_t b = warp.predicates[op.b];
  uint32_t r = a;
  if constexpr (L == Logic::conjunction) r = a & b;
  if constexpr (L == Logic::disjunction) r = a | b;
  if constexpr (L == Logic::exclusive) r = a ^ b;
  if constexpr (L == Logic::negation) r = ~a;
  write_mask<Masked>(warp, op.d, r);
}

template <class T, bool Masked>
void select_op(const Op& op, Warp& warp) {
  T* d = lane_array<T>(warp, op.d);
  const T* a = lane_array<T>(warp, op.a);
  const T* b = lane_array<T>(warp, op.b);
  alignas(64) int32_t p[lanes];
  expand_mask(warp.predicates[op.c], p);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES {
    const T r = p[l] ? a[l] : b[l];
    d[l] = !Masked || m[l] ? r : d[l];
  }
}

template <bool Masked>
void guard_op(const Op& op, Warp& warp) {
  uint32_t p = warp.predicates[op.a];
  if (op.imm != 0) p = ~p;
  p &= warp.mask;
  if (p == 0) return;
  const Op& body = warp.guarded[op.list];
  if (p == warp.mask) return body.run[Masked](body, warp);
  with_lanes(warp, p, [&] { body.run[1](body, warp); });
}

template <class T, bool Masked>
void clock_op(const Op& op, Warp& warp) {
  T* d = lane_array<T>(warp, op.d);
  const auto now = static_cast<T>(clock_of(warp));
  const int32_t* m = warp.lane_mask;
  MTMC_LANES d[l] = !Masked || m[l] ? now : d[l];
}

void trap_op(const Op& op, Warp& warp) {
  raise(FaultKind::trap, op, static_cast<int>(warp.index * lanes) + __builtin_ctz(warp.mask), 0,
        "the kernel executed trap");
}

template <class T, bool Masked>
void divisor_check_op(const Op& op, Warp& warp) {
  const T* a = lane_array<T>(warp, op.a);
  uint32_t zero = 0;
  for (int l = 0; l < lanes; ++l) zero |= static_cast<uint32_t>(a[l] == 0) << l;
  zero &= warp.mask;
  if (zero != 0) notify(warp, [&](Listener& l) { l.divided_by_zero(warp, op, zero); });
}

void fence_op(const Op& op, Warp& warp) {
  notify(warp, [&](Listener& l) { l.fenced(warp, warp.mask, static_cast<FenceKind>(op.imm)); });
}

void nothing_op(const Op&, Warp&) {}

enum class Shuffle { up, down, butterfly, index };

template <Shuffle Mode, bool Masked>
void shuffle_op(const Op& op, Warp& warp) {
  if (!lanes_present<Masked>(op, warp)) return;
  uint32_t* d = lane_array<uint32_t>(warp, op.d);
  const uint32_t* a = lane_array<uint32_t>(warp, op.a);
  const uint32_t* b = lane_array<uint32_t>(warp, op.b);
  const uint32_t* c = lane_array<uint32_t>(warp, op.c);
  alignas(64) uint32_t value[lanes];
  alignas(64) int32_t from[lanes];
  alignas(64) int32_t inside[lanes];
  MTMC_LANES {
    const auto lane = static_cast<int32_t>(l);
    const auto clamp = static_cast<int32_t>(c[l] & 31);
    const auto segment = static_cast<int32_t>((c[l] >> 8) & 31);
    const auto distance = static_cast<int32_t>(b[l] & 31);
    const int32_t highest = (lane & segment) | (clamp & ~segment);
    const int32_t lowest = lane & segment;
    int32_t j = 0;
    bool ok = false;
    if constexpr (Mode == Shuffle::up) {
      j = lane - distance;
      ok = j >= highest;
    } else if constexpr (Mode == Shuffle::down) {
      j = lane + distance;
      ok = j <= highest;
    } else if constexpr (Mode == Shuffle::butterfly) {
      j = lane ^ distance;
      ok = j <= highest;
    } else {
      j = lowest | (distance & ~segment);
      ok = j <= highest;
    }
    from[l] = ok ? j : lane;
    inside[l] = ok ? -1 : 0;
  }
  if (rows_of_cpu().permute != nullptr) {
    rows_of_cpu().permute(value, a, from);
  } else {
    for (int l = 0; l < lanes; ++l) value[l] = a[from[l]];
  }
  if constexpr (Masked) {
    for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
      const int l = __builtin_ctz(m);
      if ((warp.mask >> from[l] & 1) != 0) continue;
      if constexpr (Mode == Shuffle::up || Mode == Shuffle::down) {
        value[l] = all_lanes;
      } else {
        raise(FaultKind::inactive_lane_shuffle, op, static_cast<int>(warp.index * lanes) + l, 0,
              fmt::format("lane {} reads lane {}, which takes no part", l, from[l]));
      }
    }
  }
  const int32_t* m = warp.lane_mask;
  MTMC_LANES d[l] = !Masked || m[l] ? value[l] : d[l];
  const int32_t p = warp.list(op)[0];
  if (p >= 0) write_mask<Masked>(warp, p, pack_mask(inside));
}

enum class Vote { all, any, uniform, ballot };

template <Vote Mode, bool Masked>
void vote_op(const Op& op, Warp& warp) {
  if (!lanes_present<Masked>(op, warp)) return;
  const uint32_t members = participants<Masked>(op, warp);
  const uint32_t yes = warp.predicates[op.a] & members;
  if constexpr (Mode == Vote::ballot) {
    uint32_t* d = lane_array<uint32_t>(warp, op.d);
    const int32_t* m = warp.lane_mask;
    MTMC_LANES d[l] = !Masked || m[l] ? yes : d[l];
  } else {
    const bool r = Mode == Vote::all   ? yes == members
                   : Mode == Vote::any ? yes != 0
                                       : yes == 0 || yes == members;
    write_mask<Masked>(warp, op.d, r ? all_lanes : 0);
  }
}

template <bool Masked>
void activemask_op(const Op& op, Warp& warp) {
  uint32_t* d = lane_array<uint32_t>(warp, op.d);
  const uint32_t value = warp.mask;
  const int32_t* m = warp.lane_mask;
  MTMC_LANES d[l] = !Masked || m[l] ? value : d[l];
}

template <class T, bool All, bool Masked>
void match_op(const Op& op, Warp& warp) {
  if (!lanes_present<Masked>(op, warp)) return;
  const uint32_t members = participants<Masked>(op, warp);
  const T* a = lane_array<T>(warp, op.a);
  uint32_t result[lanes];
  for (int l = 0; l < lanes; ++l) {
    uint32_t same = 0;
    for (int k = 0; k < lanes; ++k) same |= static_cast<uint32_t>(a[k] == a[l]) << k;
    result[l] = same & members;
  }
  uint32_t all_same = 0;
  uint32_t* d = lane_array<uint32_t>(warp, op.d);
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    const bool complete = result[l] == members;
    if (complete) all_same |= 1u << l;
    d[l] = All ? (complete ? members : 0) : result[l];
  }
  const int32_t p = warp.list(op)[0];
  if (p >= 0) write_mask<Masked>(warp, p, all_same);
}

enum class Reduce { add, minimum, maximum, conjunction, disjunction, exclusive };

template <class T, Reduce Mode, bool Masked>
void redux_op(const Op& op, Warp& warp) {
  if (!lanes_present<Masked>(op, warp)) return;
  const uint32_t members = participants<Masked>(op, warp);
  const T* a = lane_array<T>(warp, op.a);
  T result = a[__builtin_ctz(members != 0 ? members : 1)];
  for (uint32_t m = members & (members - 1); m != 0; m &= m - 1) {
    const T x = a[__builtin_ctz(m)];
    if constexpr (Mode == Reduce::add) {
      result = static_cast<T>(static_cast<uint32_t>(result) + static_cast<uint32_t>(x));
    }
    if constexpr (Mode == Reduce::minimum) result = x < result ? x : result;
    if constexpr (Mode == Reduce::maximum) result = x > result ? x : result;
    if constexpr (Mode == Reduce::conjunction) result &= x;
    if constexpr (Mode == Reduce::disjunction) result |= x;
    if constexpr (Mode == Reduce::exclusive) result ^= x;
  }
  T* d = lane_array<T>(warp, op.d);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES d[l] = !Masked || m[l] ? result : d[l];
}

template <float (*F)(float, float), bool Abs, bool Masked>
void redux_float_op(const Op& op, Warp& warp) {
  if (!lanes_present<Masked>(op, warp)) return;
  const uint32_t members = participants<Masked>(op, warp);
  const float* a = lane_array<float>(warp, op.a);
  const auto value = [a](uint32_t m) {
    const float x = a[__builtin_ctz(m)];
    return Abs ? numeric::abs(x) : numeric::canonical(x);
  };
  float result = value(members != 0 ? members : 1);
  for (uint32_t m = members & (members - 1); m != 0; m &= m - 1) result = F(result, value(m));
  float* d = lane_array<float>(warp, op.d);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES d[l] = !Masked || m[l] ? result : d[l];
}

template <bool Masked>
void syncwarp_op(const Op& op, Warp& warp) {
  lanes_present<Masked>(op, warp);
}

enum class Window { global, shared, local };

template <Window W, bool Masked>
void window_test_op(const Op& op, Warp& warp) {
  const uint64_t* a = lane_array<uint64_t>(warp, op.a);
  uint32_t r = 0;
  for (int l = 0; l < lanes; ++l) {
    const bool shared = a[l] - shared_window < window_bytes;
    const bool local = a[l] - local_window < window_bytes;
    const bool yes = W == Window::shared ? shared : W == Window::local ? local : !shared && !local;
    r |= static_cast<uint32_t>(yes) << l;
  }
  write_mask<Masked>(warp, op.d, r);
}

}  // namespace

std::array<Handler, 2> predicate_handler(std::string_view name) {
  if (name == "and")
    return {predicate_op<Logic::conjunction, false>, predicate_op<Logic::conjunction, true>};
  if (name == "or")
    return {predicate_op<Logic::disjunction, false>, predicate_op<Logic::disjunction, true>};
  if (name == "xor")
    return {predicate_op<Logic::exclusive, false>, predicate_op<Logic::exclusive, true>};
  if (name == "not")
    return {predicate_op<Logic::negation, false>, predicate_op<Logic::negation, true>};
  if (name == "mov") return {predicate_op<Logic::copy, false>, predicate_op<Logic::copy, true>};
  return {nullptr, nullptr};
}

std::array<Handler, 2> select_handler(int bits) {
  if (bits == 16) return {select_op<uint16_t, false>, select_op<uint16_t, true>};
  if (bits == 32) return {select_op<uint32_t, false>, select_op<uint32_t, true>};
  if (bits == 64) return {select_op<uint64_t, false>, select_op<uint64_t, true>};
  return {nullptr, nullptr};
}

std::array<Handler, 2> guard_handler() { return {guard_op<false>, guard_op<true>}; }
std::array<Handler, 2> clock_handler(int bits) {
  if (bits == 32) return {clock_op<uint32_t, false>, clock_op<uint32_t, true>};
  if (bits == 64) return {clock_op<uint64_t, false>, clock_op<uint64_t, true>};
  return {nullptr, nullptr};
}
std::array<Handler, 2> trap_handler() { return {trap_op, trap_op}; }
std::array<Handler, 2> divisor_check_handler(int bits) {
  if (bits == 16) return {divisor_check_op<uint16_t, false>, divisor_check_op<uint16_t, true>};
  if (bits == 32) return {divisor_check_op<uint32_t, false>, divisor_check_op<uint32_t, true>};
  return {divisor_check_op<uint64_t, false>, divisor_check_op<uint64_t, true>};
}
std::array<Handler, 2> fence_handler() { return {fence_op, fence_op}; }
std::array<Handler, 2> nothing_handler() { return {nothing_op, nothing_op}; }

std::array<Handler, 2> shuffle_handler(std::string_view mode) {
  if (mode == "up") return {shuffle_op<Shuffle::up, false>, shuffle_op<Shuffle::up, true>};
  if (mode == "down") return {shuffle_op<Shuffle::down, false>, shuffle_op<Shuffle::down, true>};
  if (mode == "bfly")
    return {shuffle_op<Shuffle::butterfly, false>, shuffle_op<Shuffle::butterfly, true>};
  if (mode == "idx") return {shuffle_op<Shuffle::index, false>, shuffle_op<Shuffle::index, true>};
  return {nullptr, nullptr};
}

std::array<Handler, 2> vote_handler(std::string_view mode) {
  if (mode == "all") return {vote_op<Vote::all, false>, vote_op<Vote::all, true>};
  if (mode == "any") return {vote_op<Vote::any, false>, vote_op<Vote::any, true>};
  if (mode == "uni") return {vote_op<Vote::uniform, false>, vote_op<Vote::uniform, true>};
  if (mode == "ballot") return {vote_op<Vote::ballot, false>, vote_op<Vote::ballot, true>};
  return {nullptr, nullptr};
}

std::array<Handler, 2> activemask_handler() { return {activemask_op<false>, activemask_op<true>}; }

std::array<Handler, 2> match_handler(std::string_view mode, int bits) {
  if (mode == "any" && bits == 32)
    return {match_op<uint32_t, false, false>, match_op<uint32_t, false, true>};
  if (mode == "any") return {match_op<uint64_t, false, false>, match_op<uint64_t, false, true>};
  if (mode == "all" && bits == 32)
    return {match_op<uint32_t, true, false>, match_op<uint32_t, true, true>};
  if (mode == "all") return {match_op<uint64_t, true, false>, match_op<uint64_t, true, true>};
  return {nullptr, nullptr};
}

namespace {

template <float (*F)(float, float)>
std::array<Handler, 2> redux_float(bool magnitudes) {
  if (magnitudes) return {redux_float_op<F, true, false>, redux_float_op<F, true, true>};
  return {redux_float_op<F, false, false>, redux_float_op<F, false, true>};
}
// {min,max}{.abs}{.NaN}, sm_100
std::array<Handler, 2> redux_float_handler(std::string_view name) {
  const bool least = name.starts_with("min");
  if (!least && !name.starts_with("max")) return {nullptr, nullptr};
  name.remove_prefix(3);
  const bool magnitudes = name.starts_with(".abs");
  if (magnitudes) name.remove_prefix(4);
  if (name == ".NaN") {
    return least ? redux_float<numeric::min_nan>(magnitudes)
                 : redux_float<numeric::max_nan>(magnitudes);
  }
  if (!name.empty()) return {nullptr, nullptr};
  return least ? redux_float<numeric::min>(magnitudes) : redux_float<numeric::max>(magnitudes);
}

}  // namespace

std::array<Handler, 2> redux_handler(std::string_view name) {
  const auto pick = [&]<class T>(T) -> std::array<Handler, 2> {
    if (name.starts_with("add"))
      return {redux_op<T, Reduce::add, false>, redux_op<T, Reduce::add, true>};
    if (name.starts_with("min"))
      return {redux_op<T, Reduce::minimum, false>, redux_op<T, Reduce::minimum, true>};
    if (name.starts_with("max"))
      return {redux_op<T, Reduce::maximum, false>, redux_op<T, Reduce::maximum, true>};
    return {nullptr, nullptr};
  };
  if (name == "and.b32")
    return {redux_op<uint32_t, Reduce::conjunction, false>,
            redux_op<uint32_t, Reduce::conjunction, true>};
  if (name == "or.b32")
    return {redux_op<uint32_t, Reduce::disjunction, false>,
            redux_op<uint32_t, Reduce::disjunction, true>};
  if (name == "xor.b32")
    return {redux_op<uint32_t, Reduce::exclusive, false>,
            redux_op<uint32_t, Reduce::exclusive, true>};
  if (name.ends_with(".f32")) return redux_float_handler(name.substr(0, name.size() - 4));
  if (name.size() == 7 && name.ends_with(".u32")) return pick(uint32_t{});
  if (name.size() == 7 && name.ends_with(".s32")) return pick(int32_t{});
  return {nullptr, nullptr};
}

std::array<Handler, 2> syncwarp_handler() { return {syncwarp_op<false>, syncwarp_op<true>}; }

std::array<Handler, 2> window_test_handler(std::string_view space) {
  if (space == "global")
    return {window_test_op<Window::global, false>, window_test_op<Window::global, true>};
  if (space == "shared" || space == "shared::cta")
    return {window_test_op<Window::shared, false>, window_test_op<Window::shared, true>};
  if (space == "local")
    return {window_test_op<Window::local, false>, window_test_op<Window::local, true>};
  return {nullptr, nullptr};
}

}  // namespace mtmc::emulator
