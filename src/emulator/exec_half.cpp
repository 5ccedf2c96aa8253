// f16, bf16 and their packed forms: rows of (opcode, function); numeric_float.hpp says what each
// computes. Packed forms apply the scalar function to both halves; .ftz, .sat and .relu wrap it.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using n::Rounding;
using H = uint16_t;
using P = uint32_t;

inline P join(H low, H high) { return static_cast<P>(low) | static_cast<P>(high) << 16; }
inline H low(P x) { return static_cast<H>(x); }
inline H high(P x) { return static_cast<H>(x >> 16); }

// Both forms of a function of one, two or three halves.
template <class F>
void add(InstructionTable& t, const std::string& op, const std::string& type, F) {
  if constexpr (std::is_invocable_v<F, H>) {
    t.add(op + "." + type, entry<H, H>([](H a) { return F{}(a); }));
    t.add(op + "." + type + "x2", entry<P, P>([](P a) { return join(F{}(low(a)), F{}(high(a))); }));
  } else if constexpr (std::is_invocable_v<F, H, H>) {
    t.add(op + "." + type, entry<H, H, H>([](H a, H b) { return F{}(a, b); }));
    t.add(op + "." + type + "x2", entry<P, P, P>([](P a, P b) {
            return join(F{}(low(a), low(b)), F{}(high(a), high(b)));
          }));
  } else {
    t.add(op + "." + type, entry<H, H, H, H>([](H a, H b, H c) { return F{}(a, b, c); }));
    t.add(op + "." + type + "x2", entry<P, P, P, P>([](P a, P b, P c) {
            return join(F{}(low(a), low(b), low(c)), F{}(high(a), high(b), high(c)));
          }));
  }
}

// .ftz exists for f16 only.
template <class F>
struct Flushed {
  template <class... A>
  requires std::is_invocable_v<F, A...> H operator()(A... a) const {
    return n::flush_f16(F{}(n::flush_f16(a)...));
  }
};
template <class Half, class F>
struct Saturated {
  template <class... A>
  requires std::is_invocable_v<F, A...> H operator()(A... a) const {
    return n::saturate<Half>(F{}(a...));
  }
};
template <class Half, class F>
struct Clamped {
  template <class... A>
  requires std::is_invocable_v<F, A...> H operator()(A... a) const {
    return n::relu<Half>(F{}(a...));
  }
};

template <class F>
void with_ftz(InstructionTable& t, const std::string& op, F f) {
  add(t, op, "f16", f);
  add(t, op + ".ftz", "f16", Flushed<F>{});
}
template <class F>
void with_ftz_and_sat(InstructionTable& t, const std::string& op, F f) {
  with_ftz(t, op, f);
  add(t, op + ".sat", "f16", Saturated<n::F16, F>{});
  add(t, op + ".ftz.sat", "f16", Saturated<n::F16, Flushed<F>>{});
}

// What both types have; `modifier` is "" or ".ftz", and Wrap applies it.
template <class Half, template <class> class Wrap>
void selection(InstructionTable& t, const std::string& type, const std::string& modifier) {
  const auto row = [&](const std::string& op, auto f) { add(t, op, type, Wrap<decltype(f)>{}); };
  row("neg" + modifier, [](H a) { return n::neg<Half>(a); });
  row("abs" + modifier, [](H a) { return n::abs<Half>(a); });
  row("min" + modifier, [](H a, H b) { return n::min<Half>(a, b); });
  row("max" + modifier, [](H a, H b) { return n::max<Half>(a, b); });
  row("min" + modifier + ".NaN", [](H a, H b) { return n::min_nan<Half>(a, b); });
  row("max" + modifier + ".NaN", [](H a, H b) { return n::max_nan<Half>(a, b); });
  row("min" + modifier + ".xorsign.abs", [](H a, H b) { return n::min_xorsign_abs<Half>(a, b); });
  row("max" + modifier + ".xorsign.abs", [](H a, H b) { return n::max_xorsign_abs<Half>(a, b); });
  row("min" + modifier + ".NaN.xorsign.abs",
      [](H a, H b) { return n::min_nan_xorsign_abs<Half>(a, b); });
  row("max" + modifier + ".NaN.xorsign.abs",
      [](H a, H b) { return n::max_nan_xorsign_abs<Half>(a, b); });
}
template <class F>
using Plain = F;

template <Rounding R>
void fused_bf16(InstructionTable& t, const std::string& op) {
  const auto fma = [](H a, H b, H c) { return n::fma_bf16<R>(a, b, c); };
  add(t, op, "bf16", fma);
  add(t, op + ".relu", "bf16", Clamped<n::Bf16, decltype(fma)>{});
}

// A half and an f32 (sm_100): add and sub d, a, c; fma d, a, b, c.
template <class Half, Rounding R>
void mixed(InstructionTable& t, const std::string& rounding, const std::string& type) {
  const auto rows = [&](const std::string& suffix, auto finish) {
    using F = decltype(finish);
    t.add("add" + rounding + suffix,
          entry<float, H, float>([](H a, float c) { return F{}(n::add<R>(Half::widen(a), c)); }));
    t.add("sub" + rounding + suffix,
          entry<float, H, float>([](H a, float c) { return F{}(n::sub<R>(Half::widen(a), c)); }));
    if (rounding.empty()) return;
    t.add("fma" + rounding + suffix, entry<float, H, H, float>([](H a, H b, float c) {
            return F{}(n::fma<R>(Half::widen(a), Half::widen(b), c));
          }));
  };
  rows(".f32." + type, [](float x) { return x; });
  rows(".sat.f32." + type, [](float x) { return n::saturate(x); });
}
template <Rounding R>
void mixed_pair(InstructionTable& t, const std::string& rounding) {
  mixed<n::F16, R>(t, rounding, "f16");
  mixed<n::Bf16, R>(t, rounding, "bf16");
}

}  // namespace

void add_half_instructions(InstructionTable& t) {
  for (const std::string r : {"", ".rn"}) {
    with_ftz_and_sat(t, "add" + r, [](H a, H b) { return n::add<n::F16>(a, b); });
    with_ftz_and_sat(t, "sub" + r, [](H a, H b) { return n::sub<n::F16>(a, b); });
    with_ftz_and_sat(t, "mul" + r, [](H a, H b) { return n::mul<n::F16>(a, b); });
    add(t, "add" + r, "bf16", [](H a, H b) { return n::add<n::Bf16>(a, b); });
    add(t, "sub" + r, "bf16", [](H a, H b) { return n::sub<n::Bf16>(a, b); });
    add(t, "mul" + r, "bf16", [](H a, H b) { return n::mul<n::Bf16>(a, b); });
  }
  const auto fma = [](H a, H b, H c) { return n::fma<n::F16>(a, b, c); };
  with_ftz_and_sat(t, "fma.rn", fma);
  add(t, "fma.rn.relu", "f16", Clamped<n::F16, decltype(fma)>{});
  add(t, "fma.rn.ftz.relu", "f16", Clamped<n::F16, Flushed<decltype(fma)>>{});
  fused_bf16<Rounding::nearest_even>(t, "fma.rn");
  fused_bf16<Rounding::toward_zero>(t, "fma.rz");
  fused_bf16<Rounding::down>(t, "fma.rm");
  fused_bf16<Rounding::up>(t, "fma.rp");
  selection<n::F16, Plain>(t, "f16", "");
  selection<n::F16, Flushed>(t, "f16", ".ftz");
  selection<n::Bf16, Plain>(t, "bf16", "");
  add(t, "tanh.approx", "f16", [](H a) { return n::tanh<n::F16>(a); });
  add(t, "tanh.approx", "bf16", [](H a) { return n::tanh<n::Bf16>(a); });
  add(t, "ex2.approx", "f16", [](H a) { return n::ex2<n::F16>(a); });
  add(t, "ex2.approx.ftz", "bf16", [](H a) { return n::ex2<n::Bf16>(a); });
  mixed_pair<Rounding::nearest_even>(t, "");
  mixed_pair<Rounding::nearest_even>(t, ".rn");
  mixed_pair<Rounding::toward_zero>(t, ".rz");
  mixed_pair<Rounding::down>(t, ".rm");
  mixed_pair<Rounding::up>(t, ".rp");
}

}  // namespace mtmc::emulator
