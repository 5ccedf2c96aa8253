// Internal: lane loops over a scalar function. entry<D, A...>(class, f) makes both handlers of an
// instruction whose operands are lane arrays of these types; f is a captureless lambda. The loops
// vectorise (GCC, -O3): keep f free of branches that depend on data.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#include "emulator/code.hpp"

namespace mtmc::emulator {

#define MTMC_LANES _Pragma("GCC ivdep") for (int l = 0; l < lanes; ++l)

template <class T>
inline T* lane_array(Warp& warp, int32_t offset) {
  return reinterpret_cast<T*>(__builtin_assume_aligned(warp.registers + offset, 64));
}

template <class T>
constexpr OperandType operand_type() {
  return {static_cast<uint8_t>(sizeof(T) * 8), std::is_floating_point_v<T>};
}

template <auto F, bool Masked, class D, class A>
void run_lanes(const Op& op, Warp& warp) {
  D* d = lane_array<D>(warp, op.d);
  const A* a = lane_array<A>(warp, op.a);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES {
    const D r = static_cast<D>(F(a[l]));
    d[l] = !Masked || m[l] ? r : d[l];
  }
}
template <auto F, bool Masked, class D, class A, class B>
void run_lanes(const Op& op, Warp& warp) {
  D* d = lane_array<D>(warp, op.d);
  const A* a = lane_array<A>(warp, op.a);
  const B* b = lane_array<B>(warp, op.b);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES {
    const D r = static_cast<D>(F(a[l], b[l]));
    d[l] = !Masked || m[l] ? r : d[l];
  }
}
template <auto F, bool Masked, class D, class A, class B, class C>
void run_lanes(const Op& op, Warp& warp) {
  D* d = lane_array<D>(warp, op.d);
  const A* a = lane_array<A>(warp, op.a);
  const B* b = lane_array<B>(warp, op.b);
  const C* c = lane_array<C>(warp, op.c);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES {
    const D r = static_cast<D>(F(a[l], b[l], c[l]));
    d[l] = !Masked || m[l] ? r : d[l];
  }
}
template <auto F, bool Masked, class D, class A, class B, class C, class E>
void run_lanes(const Op& op, Warp& warp) {
  D* d = lane_array<D>(warp, op.d);
  const A* a = lane_array<A>(warp, op.a);
  const B* b = lane_array<B>(warp, op.b);
  const C* c = lane_array<C>(warp, op.c);
  const E* e = lane_array<E>(warp, op.e);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES {
    const D r = static_cast<D>(F(a[l], b[l], c[l], e[l]));
    d[l] = !Masked || m[l] ? r : d[l];
  }
}

template <class D, class... Sources, class F>
TableEntry entry(F) {
  TableEntry result;
  result.run[0] = run_lanes<F{}, false, D, Sources...>;
  result.run[1] = run_lanes<F{}, true, D, Sources...>;
  result.target = operand_type<D>();
  result.source_count = sizeof...(Sources);
  int i = 0;
  ((result.sources[i++] = operand_type<Sources>()), ...);
  return result;
}

// A function of two values that gives a predicate.
template <auto F, bool Masked, class A, class B>
void run_predicate(const Op& op, Warp& warp) {
  const A* a = lane_array<A>(warp, op.a);
  const B* b = lane_array<B>(warp, op.b);
  alignas(64) int32_t flags[lanes];
  MTMC_LANES flags[l] = F(a[l], b[l]) ? -1 : 0;
  const uint32_t result = pack_mask(flags);
  uint32_t& d = warp.predicates[op.d];
  d = Masked ? (d & ~warp.mask) | (result & warp.mask) : result;
}
template <class A, class B, class F>
TableEntry predicate_entry(F) {
  TableEntry result;
  result.run[0] = run_predicate<F{}, false, A, B>;
  result.run[1] = run_predicate<F{}, true, A, B>;
  result.target = {1, false};
  result.source_count = 2;
  result.sources[0] = operand_type<A>();
  result.sources[1] = operand_type<B>();
  return result;
}

}  // namespace mtmc::emulator
