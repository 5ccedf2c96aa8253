// atom and red: movers that read, combine and write lane by lane, in lane order.
//
// Between host threads every update of up to 64 bits is one atomic step, so integer reductions of
// blocks on different threads lose nothing. What depends on the order of updates (floating sums,
// exch, cas, inc and dec with unequal limits, any used old value) makes the launch run on one
// thread (see run.cpp); 128-bit operations are all of that kind and need no lock.
#include "emulator/access.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using Wide = unsigned __int128;

// Applies f to what p holds; returns what it held.
template <class T, class F>
inline T update(T* p, F f) {
  if constexpr (sizeof(T) == 16) {
    const T old = *p;
    *p = f(old);
    return old;
  } else {
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (
        !__atomic_compare_exchange_n(p, &old, f(old), true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
    return old;
  }
}

template <class T, auto F, bool Masked>
void combine(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const T* b = lane_array<T>(warp, op.b);
  T* d = op.d >= 0 ? lane_array<T>(warp, op.d) : nullptr;
  for (uint32_t m = Masked ? warp.mask : all_lanes; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    const T value = b[l];  // d may share b's place
    const T old =
        update(reinterpret_cast<T*>(base + offset[l]), [value](T held) { return F(held, value); });
    if (d != nullptr) d[l] = old;
  }
}

template <class T, bool Masked>
void compare_and_swap(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const T* b = lane_array<T>(warp, op.b);
  const T* c = lane_array<T>(warp, op.c);
  T* d = op.d >= 0 ? lane_array<T>(warp, op.d) : nullptr;
  for (uint32_t m = Masked ? warp.mask : all_lanes; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    const T expected = b[l];
    const T desired = c[l];
    const T old = update(reinterpret_cast<T*>(base + offset[l]),
                         [expected, desired](T held) { return held == expected ? desired : held; });
    if (d != nullptr) d[l] = old;
  }
}

// A vector's elements are updated one by one, each atomically, as the PTX ISA has it.
template <class T, auto F, int Count, bool Masked>
void combine_vector(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const int32_t* list = warp.list(op).data();
  for (uint32_t m = Masked ? warp.mask : all_lanes; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    T* p = reinterpret_cast<T*>(base + offset[l]);
    for (int i = 0; i < Count; ++i) {
      const T value = lane_array<T>(warp, list[i])[l];
      const T old = update(p + i, [value](T held) { return F(held, value); });
      if (list[Count + i] >= 0) lane_array<T>(warp, list[Count + i])[l] = old;
    }
  }
}

template <class T, class F>
AtomicForm form(F, bool ordered = false) {
  AtomicForm result;
  result.mover = {combine<T, F{}, false>, combine<T, F{}, true>};
  result.bits = sizeof(T) * 8;
  result.ordered = ordered;
  return result;
}

template <class T>
AtomicForm swap_form() {
  AtomicForm result;
  result.mover = {compare_and_swap<T, false>, compare_and_swap<T, true>};
  result.bits = sizeof(T) * 8;
  result.operands = 2;
  result.ordered = true;
  return result;
}
template <class T>
AtomicForm exchange_form() {
  return form<T>([](T, T b) { return b; }, true);
}

template <class T>
AtomicForm bitwise(std::string_view op) {
  if (op == "and") return form<T>([](T a, T b) { return static_cast<T>(a & b); });
  if (op == "or") return form<T>([](T a, T b) { return static_cast<T>(a | b); });
  if (op == "xor") return form<T>([](T a, T b) { return static_cast<T>(a ^ b); });
  if (op == "exch") return exchange_form<T>();
  if (op == "cas") return swap_form<T>();
  return {};
}

template <class T>
AtomicForm arithmetic(std::string_view op) {
  if (op == "add") return form<T>([](T a, T b) { return n::add(a, b); });
  if (op == "min") return form<T>([](T a, T b) { return n::min(a, b); });
  if (op == "max") return form<T>([](T a, T b) { return n::max(a, b); });
  if constexpr (std::is_same_v<T, uint32_t>) {
    if (op == "inc") return form<T>([](T a, T b) { return a >= b ? T{0} : a + 1; }, true);
    if (op == "dec") return form<T>([](T a, T b) { return a == 0 || a > b ? b : a - 1; }, true);
  }
  return {};
}

// Floating sums and extremes, alone or in vectors.
template <class T, class F>
AtomicForm floating(F f, int count) {
  AtomicForm result = form<T>(f, true);
  if (count == 2)
    result.mover = {combine_vector<T, F{}, 2, false>, combine_vector<T, F{}, 2, true>};
  if (count == 4)
    result.mover = {combine_vector<T, F{}, 4, false>, combine_vector<T, F{}, 4, true>};
  if constexpr (sizeof(T) == 2) {
    if (count == 8) {
      result.mover = {combine_vector<T, F{}, 8, false>, combine_vector<T, F{}, 8, true>};
    }
  }
  return result;
}

template <class H>
AtomicForm half(std::string_view op, int count) {
  using T = uint16_t;
  if (op == "add") return floating<T>([](T a, T b) { return n::add<H>(a, b); }, count);
  if (count == 1) return {};  // min and max come in vectors only
  if (op == "min") return floating<T>([](T a, T b) { return n::min<H>(a, b); }, count);
  if (op == "max") return floating<T>([](T a, T b) { return n::max<H>(a, b); }, count);
  return {};
}
template <class H>
AtomicForm packed(std::string_view op, int count) {
  using T = uint32_t;
  if (count == 8) return {};
  if (op == "add") {
    return floating<T>([](T a, T b) { return n::on_halves<n::add<H>>(a, b); }, count);
  }
  if (count == 1) return {};
  if (op == "min") {
    return floating<T>([](T a, T b) { return n::on_halves<n::min<H>>(a, b); }, count);
  }
  if (op == "max") {
    return floating<T>([](T a, T b) { return n::on_halves<n::max<H>>(a, b); }, count);
  }
  return {};
}

AtomicForm single(std::string_view op, std::string_view type) {
  if (type == "b16") return op == "cas" ? swap_form<uint16_t>() : AtomicForm{};
  if (type == "b32") return bitwise<uint32_t>(op);
  if (type == "b64") return bitwise<uint64_t>(op);
  if (type == "b128" && op == "exch") return exchange_form<Wide>();
  if (type == "b128" && op == "cas") return swap_form<Wide>();
  if (type == "u32") return arithmetic<uint32_t>(op);
  if (type == "s32") return arithmetic<int32_t>(op);
  if (type == "u64") return arithmetic<uint64_t>(op);
  if (type == "s64") return arithmetic<int64_t>(op);
  if (type == "f64" && op == "add") {
    return form<uint64_t>(
        [](uint64_t a, uint64_t b) { return n::bits_of(n::add(n::f64_of(a), n::f64_of(b))); },
        true);
  }
  return {};
}

}  // namespace

AtomicForm find_atomic(std::string_view name, int count) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  const std::string_view op = name.substr(0, dot);
  const std::string_view type = name.substr(dot + 1);
  if (type == "f32" && op == "add" && count <= 4) {
    return floating<uint32_t>(
        [](uint32_t a, uint32_t b) { return n::bits_of(n::add<>(n::f32_of(a), n::f32_of(b))); },
        count);
  }
  if (type == "f16") return half<n::F16>(op, count);
  if (type == "bf16") return half<n::Bf16>(op, count);
  if (type == "f16x2") return packed<n::F16>(op, count);
  if (type == "bf16x2") return packed<n::Bf16>(op, count);
  return count == 1 ? single(op, type) : AtomicForm{};
}

}  // namespace mtmc::emulator
