// atom and red: movers that read, combine and write lane by lane, in lane order. Between host
// threads, 32 and 64-bit operations are atomic; floating ones run on one thread (see run.cpp), as
// their sum depends on the order.
#include "emulator/access.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;

template <class T, auto F, bool Masked>
void combine(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const T* b = lane_array<T>(warp, op.b);
  T* d = op.d >= 0 ? lane_array<T>(warp, op.d) : nullptr;
  for (uint32_t m = Masked ? warp.mask : all_lanes; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    T* p = reinterpret_cast<T*>(base + offset[l]);
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);
    const T value = b[l];  // d may share b's place
    while (!__atomic_compare_exchange_n(p, &old, F(old, value), true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
    }
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
    T* p = reinterpret_cast<T*>(base + offset[l]);
    T old = b[l];
    __atomic_compare_exchange_n(p, &old, c[l], false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (d != nullptr) d[l] = old;
  }
}

template <class T, class F>
AtomicForm form(F, bool floating = false) {
  AtomicForm result;
  result.mover = {combine<T, F{}, false>, combine<T, F{}, true>};
  result.bits = sizeof(T) * 8;
  result.floating = floating;
  return result;
}

template <class T>
AtomicForm swap_form() {
  AtomicForm result;
  result.mover = {compare_and_swap<T, false>, compare_and_swap<T, true>};
  result.bits = sizeof(T) * 8;
  result.operands = 2;
  return result;
}

template <class T>
AtomicForm bitwise(std::string_view op) {
  if (op == "and") return form<T>([](T a, T b) { return static_cast<T>(a & b); });
  if (op == "or") return form<T>([](T a, T b) { return static_cast<T>(a | b); });
  if (op == "xor") return form<T>([](T a, T b) { return static_cast<T>(a ^ b); });
  if (op == "exch") {
    AtomicForm exchange = form<T>([](T, T b) { return b; });
    exchange.floating = true;  // the last block wins: order decides
    return exchange;
  }
  if (op == "cas") return swap_form<T>();
  return {};
}

template <class T>
AtomicForm arithmetic(std::string_view op) {
  if (op == "add") return form<T>([](T a, T b) { return n::add(a, b); });
  if (op == "min") return form<T>([](T a, T b) { return n::min(a, b); });
  if (op == "max") return form<T>([](T a, T b) { return n::max(a, b); });
  if constexpr (std::is_same_v<T, uint32_t>) {
    if (op == "inc") return form<T>([](T a, T b) { return a >= b ? T{0} : a + 1; });
    if (op == "dec") return form<T>([](T a, T b) { return a == 0 || a > b ? b : a - 1; });
  }
  return {};
}

template <class H>
uint32_t add_pair(uint32_t a, uint32_t b) {
  return n::on_halves<n::add<H>>(a, b);
}

}  // namespace

AtomicForm find_atomic(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {};
  const std::string_view op = name.substr(0, dot);
  const std::string_view type = name.substr(dot + 1);
  if (type == "b16") return op == "cas" ? swap_form<uint16_t>() : AtomicForm{};
  if (type == "b32") return bitwise<uint32_t>(op);
  if (type == "b64") return bitwise<uint64_t>(op);
  if (type == "u32") return arithmetic<uint32_t>(op);
  if (type == "s32") return arithmetic<int32_t>(op);
  if (type == "u64") return arithmetic<uint64_t>(op);
  if (type == "s64") return arithmetic<int64_t>(op);
  if (op != "add") return {};
  if (type == "f32") {
    return form<uint32_t>(
        [](uint32_t a, uint32_t b) { return n::bits_of(n::add<>(n::f32_of(a), n::f32_of(b))); },
        true);
  }
  if (type == "f64") {
    return form<uint64_t>(
        [](uint64_t a, uint64_t b) { return n::bits_of(n::add(n::f64_of(a), n::f64_of(b))); },
        true);
  }
  if (type == "f16") {
    return form<uint16_t>([](uint16_t a, uint16_t b) { return n::add<n::F16>(a, b); }, true);
  }
  if (type == "bf16") {
    return form<uint16_t>([](uint16_t a, uint16_t b) { return n::add<n::Bf16>(a, b); }, true);
  }
  if (type == "f16x2") {
    return form<uint32_t>([](uint32_t a, uint32_t b) { return add_pair<n::F16>(a, b); }, true);
  }
  if (type == "bf16x2") {
    return form<uint32_t>([](uint32_t a, uint32_t b) { return add_pair<n::Bf16>(a, b); }, true);
  }
  return {};
}

}  // namespace mtmc::emulator
