// Floating-point arithmetic, selection and approximations; comparisons of every type.
#include <algorithm>
#include <bit>
#include <cmath>

#include "emulator/oracle.hpp"
#include "emulator/slow_float.hpp"

namespace mtmc::emulator::oracle {
namespace {

using slow::Binary;
using slow::Mode;
using slow::Number;

std::optional<Binary> format_of(const std::string& type) {
  if (type == "f16" || type == "f16x2") return slow::f16;
  if (type == "bf16" || type == "bf16x2") return slow::bf16;
  if (type == "f32" || type == "f32x2") return slow::f32;
  if (type == "f64") return slow::f64;
  return std::nullopt;
}
std::string register_of(const std::string& type) {
  if (type == "f32" || type == "f64") return type;
  return "b" + std::to_string(width_of(type));
}
Mode mode_of(const Opcode& op) {
  return op.has("rz")   ? Mode::toward_zero
         : op.has("rm") ? Mode::down
         : op.has("rp") ? Mode::up
                        : Mode::nearest_even;
}
bool subnormal(Bits x, Binary f) { return (x & f.infinity()) == 0; }
bool is_nan(Bits x, Binary f) { return (x & ~f.sign()) > f.infinity(); }
Bits flush(Bits x, Binary f) { return subnormal(x, f) ? x & f.sign() : x; }

// .sat and .relu of a result.
Bits clamp(Bits x, Binary f, bool sat, bool relu) {
  if (sat) {
    const Bits one = static_cast<Bits>(f.bias()) << f.mantissa;
    return is_nan(x, f) || (x & f.sign()) != 0 ? 0 : std::min(x, one);
  }
  return relu && !is_nan(x, f) && (x & f.sign()) != 0 ? 0 : x;
}

// The double nearest to an f16, bf16 or f32 (exact), and back with infinities past the range.
double to_double(Bits x, Binary f) {
  return std::bit_cast<double>(slow::write(slow::read(x, f), slow::f64, Mode::nearest_even));
}
Bits from_double(double x, Binary f) {
  return slow::write(slow::read(std::bit_cast<Bits>(x), slow::f64), f, Mode::nearest_even);
}

using Operation = std::function<Bits(const Bits*)>;  // on encodings of the format

std::optional<std::pair<Operation, size_t>> exact(const Opcode& op, Binary f) {
  const std::string& b = op.base();
  const Mode mode = mode_of(op);
  const auto in = [f](Bits x) { return slow::read(x, f); };
  const auto out = [f, mode](const Number& x) { return slow::write(x, f, mode); };
  if (b == "add")
    return {{[=](const Bits* x) { return out(slow::add(in(x[0]), in(x[1]), mode)); }, 2}};
  if (b == "sub") {
    return {{[=](const Bits* x) { return out(slow::add(in(x[0]), slow::negated(in(x[1])), mode)); },
             2}};
  }
  if (b == "mul")
    return {{[=](const Bits* x) { return out(slow::multiply(in(x[0]), in(x[1]))); }, 2}};
  if (b == "fma" || b == "mad") {
    return {{[=](const Bits* x) {
               return out(slow::add(slow::multiply(in(x[0]), in(x[1])), in(x[2]), mode));
             },
             3}};
  }
  if (op.has("approx") || op.has("full")) return std::nullopt;
  if (b == "div")
    return {{[=](const Bits* x) { return out(slow::divide(in(x[0]), in(x[1]))); }, 2}};
  if (b == "sqrt") return {{[=](const Bits* x) { return out(slow::square_root(in(x[0]))); }, 1}};
  if (b == "rcp") {
    const Bits one = static_cast<Bits>(f.bias()) << f.mantissa;
    return {{[=](const Bits* x) { return out(slow::divide(in(one), in(x[0]))); }, 1}};
  }
  const auto quiet = [f](Bits x) { return is_nan(x, f) ? f.nan() : x; };
  if (b == "neg") return {{[=](const Bits* x) { return quiet(x[0] ^ f.sign()); }, 1}};
  if (b == "abs") return {{[=](const Bits* x) { return quiet(x[0] & ~f.sign()); }, 1}};
  if (b == "copysign") {
    return {{[=](const Bits* x) { return (x[0] & f.sign()) | (x[1] & ~f.sign()); }, 2}};
  }
  if (b != "min" && b != "max") return std::nullopt;
  const bool smaller = b == "min", nan_wins = op.has("NaN");
  const bool magnitudes = op.has("abs"), product_sign = op.has("xorsign");
  const size_t count = magnitudes && !product_sign ? 3 : 2;
  return {{[=](const Bits* x) {
             Bits best = f.nan();
             bool poisoned = false;
             for (size_t i = 0; i < count; ++i) {
               const Bits v = magnitudes ? x[i] & ~f.sign() : x[i];
               if (is_nan(v, f)) {
                 poisoned = poisoned || nan_wins;
                 continue;
               }
               const bool first = is_nan(best, f);
               const bool better =
                   smaller ? slow::less(in(v), in(best)) : slow::less(in(best), in(v));
               if (first || better) best = v;
             }
             if (poisoned || is_nan(best, f)) return f.nan();
             return product_sign ? best | ((x[0] ^ x[1]) & f.sign()) : best;
           },
           count}};
}

struct Approximation {
  const char* name;
  double (*function)(double);
  double steps[3];        // bound for f32, f16, bf16
  double absolute = 0.0;  // for f32
};
// The bounds are those of numeric_approx.hpp.
const Approximation approximations[] = {
    {"ex2", [](double x) { return std::exp2(x); }, {1.0, 1.0, 1.0}},
    {"lg2", [](double x) { return std::log2(x); }, {1.0, 0, 0}},
    {"tanh", [](double x) { return std::tanh(x); }, {1.0, 1.0, 1.0}},
    {"rcp", [](double x) { return 1 / x; }, {1.0, 0, 0}},
    {"sqrt", [](double x) { return std::sqrt(x); }, {1.0, 0, 0}},
    {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, {1.0, 0, 0}},
    {"sin", [](double x) { return std::sin(x); }, {0, 0, 0}, 0x1p-24},
    {"cos", [](double x) { return std::cos(x); }, {0, 0, 0}, 0x1p-24}};

// Applies a function to each element of a packed operand.
Model per_element(Operation f, size_t count, int elements, int bits) {
  return [=](const Bits* x) {
    Bits result = 0;
    for (int shift = 0; shift < elements * bits; shift += bits) {
      Bits v[3] = {};
      for (size_t i = 0; i < count; ++i) v[i] = x[i] >> shift & ones(bits);
      result |= (f(v) & ones(bits)) << shift;
    }
    return result;
  };
}

std::optional<Form> mixed_form(const Opcode& op) {
  const Binary half = *format_of(op.type());
  const Mode mode = mode_of(op);
  const bool sat = op.has("sat"), fused = op.base() == "fma", minus = op.base() == "sub";
  Form f;
  const size_t count = fused ? 3 : 2;
  f.text = plain_text(op.text, count);
  f.types.assign(count - 1, "b16");
  f.types.push_back("f32");
  f.result = "f32";
  f.model = [=](const Bits* x) {
    Number first = slow::read(x[0], half);
    if (fused) first = slow::multiply(first, slow::read(x[1], half));
    Number last = slow::read(x[count - 1], slow::f32);
    if (minus) last = slow::negated(last);
    return clamp(slow::write(slow::add(first, last, mode), slow::f32, mode), slow::f32, sat, false);
  };
  return f;
}

}  // namespace

std::optional<Form> float_form(const Opcode& op) {
  const auto format = format_of(op.type());
  static const std::string bases[] = {"add",  "sub", "mul",  "fma",   "mad",     "div", "rcp",
                                      "sqrt", "neg", "abs",  "min",   "max",     "ex2", "lg2",
                                      "sin",  "cos", "tanh", "rsqrt", "copysign"};
  if (!format || std::find(std::begin(bases), std::end(bases), op.base()) == std::end(bases)) {
    return std::nullopt;
  }
  if (op.parts.size() > 2 && op.parts[op.parts.size() - 2] == "f32") return mixed_form(op);
  const Binary b = *format;
  Form form;
  form.result = register_of(op.type());
  const bool ftz = op.has("ftz"), sat = op.has("sat"), relu = op.has("relu");
  const int elements = op.type().ends_with("x2") ? 2 : 1;
  const auto finish = [&](Operation f, size_t count) {
    const Operation wrapped = [=](const Bits* x) {
      Bits v[3];
      for (size_t i = 0; i < count; ++i) v[i] = ftz ? flush(x[i], b) : x[i];
      const Bits r = f(v);
      return clamp(ftz ? flush(r, b) : r, b, sat, relu);
    };
    form.types.assign(count, form.result);
    form.text = plain_text(op.text, count);
    form.model = per_element(wrapped, count, elements, b.bits());
    return form;
  };
  if (const auto found = exact(op, b)) return finish(found->first, found->second);
  if (op.base() == "div") {
    // .full scales its operands; .approx gives zero for divisors above 2^126.
    form.steps = 2;
    const bool narrow = op.has("approx");
    return finish(
        [=](const Bits* x) {
          const double a = to_double(x[0], b), c = to_double(x[1], b);
          const bool huge = std::abs(c) > 0x1p126 && !std::isinf(c);
          if (narrow && huge && a == a) return from_double(std::isinf(a) ? NAN : a / c * 0.0, b);
          return from_double(a / c, b);
        },
        2);
  }
  for (const Approximation& a : approximations) {
    if (op.base() != a.name || !op.has("approx")) continue;
    if (b.mantissa == 52) {
      // rcp and rsqrt of f64 keep the upper half of the result; rsqrt without .ftz is exact here.
      const bool top = op.has("ftz");
      form.steps = top ? 0x1p33 : 2;
      return finish(
          [=](const Bits* x) {
            return std::bit_cast<Bits>(a.function(std::bit_cast<double>(x[0])));
          },
          1);
    }
    form.steps = a.steps[b.mantissa == 23 ? 0 : b.mantissa == 10 ? 1 : 2];
    form.absolute = a.absolute;
    if (a.absolute > 0) {
      form.unstated = [=](const Bits* x) { return std::abs(to_double(x[0], b)) > 0x1p33; };
    }
    return finish([=](const Bits* x) { return from_double(a.function(to_double(x[0], b)), b); }, 1);
  }
  return std::nullopt;
}

std::optional<Form> compare_form(const Opcode& op) {
  const std::string& type = op.type();
  const auto format = format_of(type);
  Form f;
  f.result = "pred";
  if (op.base() == "testp" && format) {
    const std::string& what = op.parts[1];
    const Binary b = *format;
    f.types = {type};
    f.text = plain_text(op.text, 1);
    f.model = [=](const Bits* x) -> Bits {
      const Number n = slow::read(x[0], b);
      const bool small = subnormal(x[0], b) && !n.zero();
      if (what == "finite") return n.kind == Number::finite;
      if (what == "infinite") return n.kind == Number::infinite;
      if (what == "number") return n.kind != Number::nan;
      if (what == "notanumber") return n.kind == Number::nan;
      if (what == "normal") return n.kind == Number::finite && !small;
      return small;
    };
    return f;
  }
  if (op.base() != "setp") return std::nullopt;
  const std::string how = op.parts[1];
  f.types = {format ? register_of(type) : type, format ? register_of(type) : type};
  f.text = plain_text(op.text, 2);
  // The letter that both names of an order share.
  const auto answer = [how](bool below, bool same) {
    const std::string two = how.substr(0, 2);
    if (two == "eq") return same;
    if (two == "ne") return !same;
    if (two == "lt" || how == "lo") return below;
    if (two == "le" || how == "ls") return below || same;
    if (two == "gt" || how == "hi") return !below && !same;
    return !below;  // ge, hs
  };
  if (format) {
    const Binary b = *format;
    const bool ftz = op.has("ftz");
    f.model = [=](const Bits* x) -> Bits {
      const Number l = slow::read(ftz ? flush(x[0], b) : x[0], b);
      const Number r = slow::read(ftz ? flush(x[1], b) : x[1], b);
      const bool unordered = l.kind == Number::nan || r.kind == Number::nan;
      if (how == "num") return !unordered;
      if (how == "nan") return unordered;
      if (unordered) return how.size() == 3;  // equ, neu, ...
      const bool same = slow::equal(l, r);
      return answer(!same && slow::less(l, r), same);
    };
    return f;
  }
  const int bits = width_of(type);
  const bool is_signed = type[0] == 's';
  f.model = [=](const Bits* x) -> Bits {
    Bits l = x[0] & ones(bits), r = x[1] & ones(bits);
    const Bits flip = is_signed ? Bits{1} << (bits - 1) : 0;  // order of two's complement
    l ^= flip, r ^= flip;
    return answer(l < r, l == r);
  };
  return f;
}

}  // namespace mtmc::emulator::oracle
