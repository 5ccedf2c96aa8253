// cvt between every pair of types, and cvt.pack.
#include <algorithm>

#include "emulator/oracle.hpp"
#include "emulator/slow_float.hpp"

namespace mtmc::emulator::oracle {
namespace {

using slow::Binary;
using slow::Mode;
using slow::Number;

// A floating type of cvt: its format, and what narrowing to it does beyond IEEE.
struct Float {
  Binary format;
  Bits largest = 0;     // where the code space ends early; 0: as IEEE
  Bits nan = 0;         // of the small formats
  int unused_bits = 0;  // below the value: tf32
};
std::optional<Float> float_of(const std::string& t) {
  if (t.starts_with("f16")) return Float{slow::f16};
  if (t.starts_with("bf16")) return Float{slow::bf16};
  if (t == "f32") return Float{slow::f32};
  if (t == "f64") return Float{slow::f64};
  if (t == "tf32") return Float{{10, 8}, 0, 0, 13};
  if (t == "e4m3x2") return Float{{3, 4}, 0x7e, 0x7f};
  if (t == "e5m2x2") return Float{{2, 5}, 0x7b, 0x7f};
  if (t == "e2m3x2") return Float{{3, 2}, 0x1f, 0x1f};
  if (t == "e3m2x2") return Float{{2, 3}, 0x1f, 0x1f};
  if (t == "e2m1x2") return Float{{1, 2}, 0x7, 0x7};
  return std::nullopt;
}
bool is_integer(const std::string& t) { return (t[0] == 'u' && t != "ue8m0x2") || t[0] == 's'; }
bool is_small(const std::string& t) { return t[0] == 'e' || t == "ue8m0x2"; }
// Elements of a pair are this many bits apart.
int stride_of(const std::string& t) { return t == "e2m1x2" ? 4 : is_small(t) ? 8 : 16; }

std::string register_of(const std::string& t) {
  if (t == "f32" || t == "f64") return t;
  if (t == "tf32") return "b32";
  if (is_small(t) || t == "u8" || t == "s8") return "b16";
  if (is_integer(t)) return t;
  return "b" + std::to_string(width_of(t));
}

// Rounds into a type's code. The small formats have no infinity and may have no NaN.
Bits narrow(const Number& x, const Float& f, Mode mode, bool satfinite, bool relu) {
  const Bits nan = f.nan != 0 ? f.nan : f.format.nan();
  if (x.kind == Number::nan) return f.unused_bits != 0 ? 0x7fffffff : nan;
  Binary wide = f.format;
  Bits code = 0, largest = f.largest != 0 ? f.largest : f.format.infinity() - 1;
  const Bits sign = x.negative ? f.format.sign() : 0;
  if (x.kind == Number::infinite) {
    code = f.largest != 0 ? ~Bits{0} : f.format.infinity();
  } else if (f.largest != 0) {
    // One more exponent bit with the same least exponent: the code space continues above.
    const int shift = (1 << wide.exponent) / 2;
    wide.exponent += 1;
    Number moved = x;
    moved.exponent -= shift;
    code = slow::write(moved, wide, mode) & (wide.sign() - 1);
  } else {
    code = slow::write(x, wide, mode) & (wide.sign() - 1);
  }
  if (satfinite || f.largest != 0) code = std::min(code, largest);
  if (relu && x.negative) return 0;
  return (sign | code) << f.unused_bits;
}

// The number of a code of a small format, or of an IEEE one.
Number widen(Bits code, const Float& f) {
  if (f.largest == 0) return slow::read(code, f.format);
  const Bits magnitude = code & (f.format.sign() - 1);
  if (f.nan != f.largest && (magnitude == f.nan || (f.format.mantissa == 2 && magnitude > 0x7c))) {
    return slow::not_a_number();
  }
  Number x;
  x.negative = (code & f.format.sign()) != 0;
  if (f.format.mantissa == 2 && f.format.exponent == 5 && magnitude == 0x7c) {
    x.kind = Number::infinite;
    return x;
  }
  const Bits exponent = magnitude >> f.format.mantissa;
  const Bits fraction = magnitude & ones(f.format.mantissa);
  x.magnitude.low = exponent == 0 ? fraction : fraction | Bits{1} << f.format.mantissa;
  x.exponent = f.format.least() + static_cast<int>(exponent == 0 ? 0 : exponent - 1);
  return x;
}

Bits to_integer(const Number& x, int bits, bool is_signed, Mode mode, bool from_f64) {
  const Bits top = Bits{1} << (bits - 1);
  if (x.kind == Number::nan) return bits == 64 || from_f64 ? top : 0;
  const Bits most = is_signed ? top - 1 : ones(bits);
  const Bits most_below_zero = is_signed ? top : 0;  // magnitude of the least value
  const Bits limit = x.negative ? most_below_zero : most;
  Bits magnitude = limit;
  if (x.kind == Number::finite && slow::top_bit(x.magnitude) + x.exponent < 100) {
    const slow::U256 units = slow::to_units(x.magnitude, x.exponent, x.negative, mode);
    if (slow::compare(units, {0, limit}) < 0) magnitude = static_cast<Bits>(units.low);
  }
  return (x.negative ? Bits{0} - magnitude : magnitude) & ones(bits);
}
Number from_integer(Bits x, int bits, bool is_signed) {
  Number n;
  n.negative = is_signed && (x >> (bits - 1) & 1) != 0;
  n.magnitude.low = (n.negative ? Bits{0} - x : x) & ones(bits);
  return n;
}

Bits scale_code(Bits x, Binary f, bool up, bool finite) {
  const Number n = slow::read(x & ~f.sign(), f);
  if (n.kind == Number::nan) return 0xff;
  if (n.kind == Number::infinite) return finite ? 0xfe : 0xff;
  if (n.zero()) return 0;
  int e = slow::top_bit(n.magnitude) + n.exponent;
  const bool power =
      slow::compare(n.magnitude, slow::shift_left({0, 1}, slow::top_bit(n.magnitude))) == 0;
  if (up && !power) ++e;
  e = std::max(e, -127);
  return static_cast<Bits>(std::min(e + 127, finite ? 254 : 255));
}

}  // namespace

std::optional<Form> conversion_form(const Opcode& op) {
  if (op.base() != "cvt") return std::nullopt;
  Form f;
  if (op.has("pack")) {
    const std::string& t = op.parts[3];
    const bool is_signed = t[0] == 's', three = op.type() == "b32";
    const int bits = std::stoi(t.substr(1));
    f.types = {"s32", "s32"};
    if (three) f.types.push_back("b32");
    f.result = "b32";
    f.text = plain_text(op.text, f.types.size());
    f.model = [=](const Bits* x) {
      const std::int64_t low = is_signed ? -(std::int64_t{1} << (bits - 1)) : 0;
      const std::int64_t high = (std::int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
      const auto part = [&](Bits v) {
        const auto wide = static_cast<std::int64_t>(static_cast<std::int32_t>(v));
        return static_cast<Bits>(std::clamp(wide, low, high)) & ones(bits);
      };
      return (three ? x[2] << (2 * bits) : 0) | part(x[0]) << bits | part(x[1]);
    };
    return f;
  }
  const std::string to = op.parts[op.parts.size() - 2], from = op.type();
  const bool pair = to.ends_with("x2");
  f.result = register_of(to);
  f.types.assign(pair && from == "f32" ? 2 : 1, register_of(from));
  f.text = plain_text(op.text, f.types.size());
  const bool ftz = op.has("ftz"), sat = op.has("sat"), relu = op.has("relu");
  const bool satfinite = op.has("satfinite");
  const bool integral = op.has("rni") || op.has("rzi") || op.has("rmi") || op.has("rpi");
  const Mode mode = op.has("rz") || op.has("rzi")   ? Mode::toward_zero
                    : op.has("rm") || op.has("rmi") ? Mode::down
                    : op.has("rp") || op.has("rpi") ? Mode::up
                    : op.has("rna")                 ? Mode::nearest_away
                                                    : Mode::nearest_even;
  if (to == "ue8m0x2") {
    const Binary b = from == "f32" ? slow::f32 : slow::bf16;
    const bool up = op.has("rp"), two = from == "f32";
    f.model = [=](const Bits* x) {
      const Bits high = two ? x[0] : x[0] >> 16, low = two ? x[1] : x[0] & 0xffff;
      return scale_code(high, b, up, satfinite) << 8 | scale_code(low, b, up, satfinite);
    };
    return f;
  }
  if (from == "ue8m0x2") {
    f.model = [](const Bits* x) {
      Bits result = 0;
      for (int i = 0; i < 2; ++i) {
        const Bits code = x[0] >> (8 * i) & 0xff;
        Number n;
        n.magnitude.low = 1;
        n.exponent = static_cast<int>(code) - 127;
        const Bits half = code == 0xff ? 0x7fff : slow::write(n, slow::bf16, Mode::nearest_even);
        result |= half << (16 * i);
      }
      return result;
    };
    return f;
  }
  const auto source = float_of(from), target = float_of(to);
  if (pair) {
    const bool two = from == "f32";
    const int in = stride_of(from), out = stride_of(to);
    f.model = [=](const Bits* x) {
      Bits result = 0;
      for (int i = 0; i < 2; ++i) {
        const Number n =
            two ? slow::read(x[1 - i], slow::f32) : widen(x[0] >> (in * i) & ones(in), *source);
        result |= narrow(n, *target, mode, satfinite, relu) << (out * i);
      }
      return result;
    };
    return f;
  }
  const bool small = to == "u8" || to == "s8";
  const int to_bits = is_integer(to) ? width_of(to) : 0;
  const int from_bits = is_integer(from) ? width_of(from) : 0;
  const bool to_signed = to[0] == 's', from_signed = from[0] == 's';
  f.model = [=](const Bits* x) -> Bits {
    Bits in = x[0];
    if (ftz && from == "f32" && (in & slow::f32.infinity()) == 0) in &= slow::f32.sign();
    Number n = from_bits != 0 ? from_integer(in & ones(from_bits), from_bits, from_signed)
                              : slow::read(in, source->format);
    if (to_bits != 0) {
      Bits r = 0;
      if (from_bits != 0 && !sat) {
        r = n.negative ? Bits{0} - static_cast<Bits>(n.magnitude.low)
                       : static_cast<Bits>(n.magnitude.low);
        r &= ones(to_bits);
      } else {
        r = to_integer(n, to_bits, to_signed, mode, from == "f64");
      }
      // Bytes are extended to their 16-bit register.
      if (small && to_signed && (r & 0x80) != 0) r |= 0xff00;
      return r;
    }
    if (integral && n.kind == Number::finite && !n.zero() && n.exponent < 0) {
      n.magnitude = slow::to_units(n.magnitude, n.exponent, n.negative, mode);
      n.exponent = 0;
    }
    Bits r = narrow(n, *target, mode, satfinite, relu);
    // A move between equal types keeps the bits of a NaN.
    if (to == from && !integral && n.kind == Number::nan && !sat) r = in;
    if (ftz && to == "f32" && (r & slow::f32.infinity()) == 0) r &= slow::f32.sign();
    if (sat) {
      const Binary b = target->format;
      const Bits one = static_cast<Bits>(b.bias()) << b.mantissa;
      r = n.kind == Number::nan || (r & b.sign()) != 0 ? 0 : std::min(r, one);
    }
    return r;
  };
  return f;
}

}  // namespace mtmc::emulator::oracle
