// f16, bf16 and their packed forms: rows of (opcode, function); numeric_float.hpp says what each
// computes. Packed forms apply the scalar function to both halves.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using H = uint16_t;
using P = uint32_t;

inline P join(H low, H high) { return static_cast<P>(low) | static_cast<P>(high) << 16; }
inline H low(P x) { return static_cast<H>(x); }
inline H high(P x) { return static_cast<H>(x >> 16); }

template <class F>
void unary(InstructionTable& t, const std::string& op, const std::string& type, F) {
  t.add(op + "." + type, entry<H, H>([](H a) { return F{}(a); }));
  t.add(op + "." + type + "x2", entry<P, P>([](P a) { return join(F{}(low(a)), F{}(high(a))); }));
}
template <class F>
void binary(InstructionTable& t, const std::string& op, const std::string& type, F) {
  t.add(op + "." + type, entry<H, H, H>([](H a, H b) { return F{}(a, b); }));
  t.add(op + "." + type + "x2",
        entry<P, P, P>([](P a, P b) { return join(F{}(low(a), low(b)), F{}(high(a), high(b))); }));
}
template <class F>
void ternary(InstructionTable& t, const std::string& op, const std::string& type, F) {
  t.add(op + "." + type, entry<H, H, H, H>([](H a, H b, H c) { return F{}(a, b, c); }));
  t.add(op + "." + type + "x2", entry<P, P, P, P>([](P a, P b, P c) {
          return join(F{}(low(a), low(b), low(c)), F{}(high(a), high(b), high(c)));
        }));
}

template <class F>
void arithmetic(InstructionTable& t, const std::string& type) {
  for (const char* rounding : {"", ".rn"}) {
    const std::string r = rounding;
    binary(t, "add" + r, type, [](H a, H b) { return n::add<F>(a, b); });
    binary(t, "sub" + r, type, [](H a, H b) { return n::sub<F>(a, b); });
    binary(t, "mul" + r, type, [](H a, H b) { return n::mul<F>(a, b); });
    binary(t, "add" + r + ".sat", type, [](H a, H b) { return n::saturate<F>(n::add<F>(a, b)); });
    binary(t, "sub" + r + ".sat", type, [](H a, H b) { return n::saturate<F>(n::sub<F>(a, b)); });
    binary(t, "mul" + r + ".sat", type, [](H a, H b) { return n::saturate<F>(n::mul<F>(a, b)); });
  }
  ternary(t, "fma.rn", type, [](H a, H b, H c) { return n::fma<F>(a, b, c); });
  ternary(t, "fma.rn.sat", type, [](H a, H b, H c) { return n::saturate<F>(n::fma<F>(a, b, c)); });
  ternary(t, "fma.rn.relu", type, [](H a, H b, H c) { return n::relu<F>(n::fma<F>(a, b, c)); });
  unary(t, "neg", type, [](H a) { return n::neg<F>(a); });
  unary(t, "abs", type, [](H a) { return n::abs<F>(a); });
  binary(t, "min", type, [](H a, H b) { return n::min<F>(a, b); });
  binary(t, "max", type, [](H a, H b) { return n::max<F>(a, b); });
  binary(t, "min.NaN", type, [](H a, H b) { return n::min_nan<F>(a, b); });
  binary(t, "max.NaN", type, [](H a, H b) { return n::max_nan<F>(a, b); });
  binary(t, "min.xorsign.abs", type, [](H a, H b) { return n::min_xorsign_abs<F>(a, b); });
  binary(t, "max.xorsign.abs", type, [](H a, H b) { return n::max_xorsign_abs<F>(a, b); });
  unary(t, "tanh.approx", type, [](H a) { return n::tanh<F>(a); });
}

}  // namespace

void add_half_instructions(InstructionTable& t) {
  arithmetic<n::F16>(t, "f16");
  arithmetic<n::Bf16>(t, "bf16");
  unary(t, "ex2.approx", "f16", [](H a) { return n::ex2<n::F16>(a); });
  unary(t, "ex2.approx.ftz", "bf16", [](H a) { return n::ex2<n::Bf16>(a); });
  // .ftz exists for f16 only.
  binary(t, "add.ftz", "f16",
         [](H a, H b) { return n::flush_f16(n::add<n::F16>(n::flush_f16(a), n::flush_f16(b))); });
  binary(t, "sub.ftz", "f16",
         [](H a, H b) { return n::flush_f16(n::sub<n::F16>(n::flush_f16(a), n::flush_f16(b))); });
  binary(t, "mul.ftz", "f16",
         [](H a, H b) { return n::flush_f16(n::mul<n::F16>(n::flush_f16(a), n::flush_f16(b))); });
  ternary(t, "fma.rn.ftz", "f16", [](H a, H b, H c) {
    return n::flush_f16(n::fma<n::F16>(n::flush_f16(a), n::flush_f16(b), n::flush_f16(c)));
  });
}

}  // namespace mtmc::emulator
