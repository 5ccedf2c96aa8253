// Integer, logic and bit instructions, comparisons of integers, packing and widths.
#include <algorithm>
#include <bit>

#include "emulator/oracle.hpp"

namespace mtmc::emulator::oracle {
namespace {

using Wide = __int128;

Wide value(Bits x, int bits, bool is_signed) {
  x &= ones(bits);
  if (is_signed && bits < 64 && (x >> (bits - 1) & 1) != 0) return Wide{x} - (Wide{1} << bits);
  if (is_signed && bits == 64) return static_cast<std::int64_t>(x);
  return static_cast<Wide>(x);
}
Wide least(int bits, bool is_signed) { return is_signed ? -(Wide{1} << (bits - 1)) : Wide{0}; }
Wide most(int bits, bool is_signed) { return (Wide{1} << (is_signed ? bits - 1 : bits)) - 1; }

std::vector<std::string> same(const std::string& type, size_t count) {
  return std::vector<std::string>(count, type);
}
std::string register_of(int bits) { return "b" + std::to_string(bits); }

Bits field(Bits a, Bits position, Bits length, int bits, bool is_signed) {
  position &= 255, length &= 255;
  const int top = static_cast<int>(std::min<Bits>(position + length - 1, bits - 1));
  const Bits fill = is_signed && length > 0 ? a >> top & 1 : 0;
  Bits d = 0;
  for (int i = 0; i < bits; ++i) {
    const Bits at = position + static_cast<Bits>(i);
    const bool inside = static_cast<Bits>(i) < length && at < static_cast<Bits>(bits);
    d |= (inside ? a >> at & 1 : fill) << i;
  }
  return d;
}

Bits permute(Bits a, Bits b, Bits selector) {
  const Bits bytes = b << 32 | a;
  Bits d = 0;
  for (int i = 0; i < 4; ++i) {
    const Bits nibble = selector >> (4 * i) & 15;
    const Bits byte = bytes >> (8 * (nibble & 7)) & 255;
    d |= ((nibble & 8) == 0 ? byte : byte > 127 ? 255u : 0u) << (8 * i);
  }
  return d;
}
// The tables of the PTX ISA for the special modes, byte 3 first, by the two low bits of c.
const char* permute_table(const Opcode& op) {
  if (op.has("f4e")) return "3210 4321 5432 6543";
  if (op.has("b4e")) return "5670 6701 7012 0123";
  if (op.has("rc8")) return "0000 1111 2222 3333";
  if (op.has("ecl")) return "3210 3211 3222 3333";
  if (op.has("ecr")) return "0000 1110 2210 3210";
  return op.has("rc16") ? "1010 3232 1010 3232" : nullptr;
}

Bits nth_set_bit(Bits mask, Bits base, Bits offset) {
  const auto wanted = static_cast<std::int32_t>(offset);
  if (base > 31) return 0xffffffff;
  int left = std::abs(static_cast<int>(std::max(wanted, -100)));
  if (wanted == 0) left = 1;
  for (int i = static_cast<int>(base); i >= 0 && i < 32; i += wanted < 0 ? -1 : 1) {
    if ((mask >> i & 1) != 0 && --left == 0) return static_cast<Bits>(i);
    if (wanted == 0) break;
  }
  return 0xffffffff;
}

// Models over integers of one type that give an integer of the type: inputs and result as values.
using Arithmetic = std::function<Wide(const Wide*)>;

std::optional<std::pair<Arithmetic, size_t>> arithmetic(const Opcode& op, int bits,
                                                        bool is_signed) {
  const std::string& b = op.base();
  const Wide low = least(bits, is_signed), high = most(bits, is_signed);
  const auto clamp = [=](Wide x) { return std::clamp(x, low, high); };
  const bool sat = op.has("sat"), relu = op.has("relu"), top = op.has("hi");
  const auto low24 = [=](Wide x) { return value(static_cast<Bits>(x), 24, is_signed); };
  const auto finish = [=](Wide x) { return sat ? clamp(x) : x; };
  const auto product = [=](Wide x, Wide y) -> Wide {
    if (b.ends_with("24")) return top ? low24(x) * low24(y) >> 16 : low24(x) * low24(y);
    if (!top)
      return static_cast<Wide>(static_cast<unsigned __int128>(x) *
                               static_cast<unsigned __int128>(y));
    if (bits < 64) return x * y >> bits;
    // High half of a 64-bit product by schoolbook multiplication.
    const bool negative = (x < 0) != (y < 0);
    const auto u = static_cast<unsigned __int128>(x < 0 ? -x : x);
    const auto v = static_cast<unsigned __int128>(y < 0 ? -y : y);
    const unsigned __int128 p = u * v;
    return static_cast<Wide>((negative ? -p : p) >> 64);
  };
  if (b == "add") return {{[=](const Wide* x) { return finish(x[0] + x[1]); }, 2}};
  if (b == "sub") return {{[=](const Wide* x) { return finish(x[0] - x[1]); }, 2}};
  if (b == "mul" || b == "mul24") return {{[=](const Wide* x) { return product(x[0], x[1]); }, 2}};
  if (b == "mad" || b == "mad24") {
    return {{[=](const Wide* x) {
               const Bits p = static_cast<Bits>(product(x[0], x[1]));
               return finish(value(p, bits, is_signed) + x[2]);
             },
             3}};
  }
  if (b == "div") return {{[=](const Wide* x) { return x[1] == 0 ? Wide{-1} : x[0] / x[1]; }, 2}};
  if (b == "rem") return {{[=](const Wide* x) { return x[1] == 0 ? x[0] : x[0] % x[1]; }, 2}};
  if (b == "min" || b == "max") {
    const bool smaller = b == "min";
    return {{[=](const Wide* x) {
               const Wide r = smaller ? std::min(x[0], x[1]) : std::max(x[0], x[1]);
               return relu ? std::max<Wide>(r, 0) : r;
             },
             2}};
  }
  if (b == "abs" && is_signed) return {{[](const Wide* x) { return x[0] < 0 ? -x[0] : x[0]; }, 1}};
  if (b == "neg" && is_signed) return {{[](const Wide* x) { return -x[0]; }, 1}};
  if (b == "sad") {
    return {{[](const Wide* x) { return x[2] + (x[0] < x[1] ? x[1] - x[0] : x[0] - x[1]); }, 3}};
  }
  return std::nullopt;
}

bool is_integer(const std::string& type) {
  return type.size() <= 3 && (type[0] == 'u' || type[0] == 's') && type != "u8" && type != "s8";
}

}  // namespace

std::optional<Form> integer_form(const Opcode& op) {
  const std::string& b = op.base();
  std::string type = op.type();
  Form f;
  f.text = op.text;
  if (b == "dp4a" || b == "dp2a") {
    const bool sa = op.parts[op.parts.size() - 2] == "s32", sb = type == "s32", two = b == "dp2a";
    const int skip = op.has("hi") ? 2 : 0;
    f.types = same("b32", 3);
    f.result = "b32";
    f.model = [=](const Bits* x) {
      Wide sum = value(x[2], 32, false);
      for (int i = 0; i < (two ? 2 : 4); ++i) {
        sum += (two ? value(x[0] >> (16 * i), 16, sa) : value(x[0] >> (8 * i), 8, sa)) *
               value(x[1] >> (8 * (i + skip)), 8, sb);
      }
      return static_cast<Bits>(sum);
    };
    return f;
  }
  if (b == "prmt") {
    const char* table = permute_table(op);
    if (table == nullptr && op.parts.size() != 2) return std::nullopt;
    f.types = same("b32", 3);
    f.result = "b32";
    f.model = [=](const Bits* x) {
      Bits selector = x[2] & 0xffff;
      if (table != nullptr)
        selector = std::stoul(std::string(table + 5 * (x[2] & 3), 4), nullptr, 16);
      return permute(x[0], x[1], selector);
    };
    return f;
  }
  const bool packed = type == "u16x2" || type == "s16x2";
  if (packed) type.resize(3);
  if (is_integer(type) || packed) {
    const int bits = width_of(type);
    const bool is_signed = type[0] == 's';
    if (b == "bfe") {
      f.types = {type, "u32", "u32"};
      f.result = type;
      f.model = [=](const Bits* x) { return field(x[0], x[1], x[2], bits, is_signed); };
      return f;
    }
    if (b == "bfind") {
      const bool amount = op.has("shiftamt");
      f.types = {type};
      f.result = "u32";
      f.model = [=](const Bits* x) -> Bits {
        const Wide v = value(x[0], bits, is_signed);
        for (int i = bits - 1; i >= 0; --i) {
          if (((v < 0 ? ~v : v) >> i & 1) != 0) return static_cast<Bits>(amount ? bits - 1 - i : i);
        }
        return 0xffffffff;
      };
      return f;
    }
    if (b == "szext") {
      const bool wrap = op.has("wrap");
      f.types = {type, "u32"};
      f.result = type;
      f.model = [=](const Bits* x) -> Bits {
        const Bits n = wrap ? x[1] & 31 : std::min<Bits>(x[1], 32);
        return n == 0 ? 0 : static_cast<Bits>(value(x[0], static_cast<int>(n), is_signed));
      };
      return f;
    }
    if (b == "shr") {
      f.types = {type, "u32"};
      f.result = type;
      f.model = [=](const Bits* x) {
        return static_cast<Bits>(value(x[0], bits, is_signed) >> std::min<Bits>(x[1], 100));
      };
      return f;
    }
    if (op.has("wide") && (b == "mul" || b == "mad") && bits < 64) {
      const std::string twice = type.substr(0, 1) + std::to_string(2 * bits);
      const bool adds = b == "mad";
      f.types = {type, type};
      if (adds) f.types.push_back(twice);
      f.result = twice;
      f.model = [=](const Bits* x) {
        const Wide p = value(x[0], bits, is_signed) * value(x[1], bits, is_signed);
        return static_cast<Bits>(p) + (adds ? x[2] : 0);
      };
      return f;
    }
    const auto found = arithmetic(op, bits, is_signed);
    if (!found) return std::nullopt;
    const auto [apply, count] = *found;
    f.types = same(packed ? "b32" : type, count);
    f.result = packed ? "b32" : type;
    f.model = [apply = apply, count = count, bits, is_signed, packed](const Bits* x) {
      Bits result = 0;
      for (int shift = 0; shift < (packed ? 32 : 1); shift += 16) {
        Wide v[3] = {};
        for (size_t i = 0; i < count; ++i) v[i] = value(x[i] >> shift, bits, is_signed);
        result |= (static_cast<Bits>(apply(v)) & ones(bits)) << shift;
      }
      return result;
    };
    return f;
  }
  if (type.size() > 3 || type[0] != 'b' || type == "b8") return std::nullopt;
  const int bits = width_of(type);
  f.result = type;
  f.types = same(type, 2);
  if (b == "and") f.model = [](const Bits* x) { return x[0] & x[1]; };
  if (b == "or") f.model = [](const Bits* x) { return x[0] | x[1]; };
  if (b == "xor") f.model = [](const Bits* x) { return x[0] ^ x[1]; };
  if (f.model) return f;
  f.types = {type, "u32"};
  if (b == "shl") f.model = [](const Bits* x) { return x[1] > 63 ? 0 : x[0] << x[1]; };
  if (b == "shr") f.model = [](const Bits* x) { return x[1] > 63 ? 0 : x[0] >> x[1]; };
  if (f.model) return f;
  f.types = {type};
  if (b == "mov") f.model = [](const Bits* x) { return x[0]; };
  if (b == "not") f.model = [](const Bits* x) { return ~x[0]; };
  if (b == "cnot") f.model = [](const Bits* x) -> Bits { return x[0] == 0; };
  if (b == "brev") {
    f.model = [=](const Bits* x) {
      Bits d = 0;
      for (int i = 0; i < bits; ++i) d |= (x[0] >> i & 1) << (bits - 1 - i);
      return d;
    };
  }
  if (f.model) return f;
  f.result = "u32";
  if (b == "popc") {
    f.model = [](const Bits* x) {
      Bits n = 0;
      for (int i = 0; i < 64; ++i) n += x[0] >> i & 1;
      return n;
    };
  }
  if (b == "clz") {
    f.model = [=](const Bits* x) {
      Bits n = 0;
      for (int i = bits - 1; i >= 0 && (x[0] >> i & 1) == 0; --i) ++n;
      return n;
    };
  }
  if (f.model) return f;
  f.result = type;
  if (b == "bfi") {
    f.types = {type, type, "u32", "u32"};
    f.model = [=](const Bits* x) {
      Bits d = x[1];
      const Bits position = x[2] & 255, length = x[3] & 255;
      for (Bits i = 0; i < length && position + i < static_cast<Bits>(bits); ++i) {
        d = (d & ~(Bits{1} << (position + i))) | (x[0] >> i & 1) << (position + i);
      }
      return d;
    };
    return f;
  }
  if (bits != 32) return std::nullopt;
  if (b == "shf") {
    const bool left = op.has("l"), wrap = op.has("wrap");
    f.types = {"b32", "b32", "u32"};
    f.model = [=](const Bits* x) {
      const Bits n = wrap ? x[2] & 31 : std::min<Bits>(x[2], 32);
      const auto pair = static_cast<unsigned __int128>(x[1] << 32 | x[0]);
      return static_cast<Bits>(left ? pair << n >> 32 : pair >> n);
    };
    return f;
  }
  if (b == "bmsk") {
    const bool wrap = op.has("wrap");
    f.types = same("u32", 2);
    f.model = [=](const Bits* x) -> Bits {
      const Bits position = wrap ? x[0] & 31 : x[0], width = wrap ? x[1] & 31 : x[1];
      Bits d = 0;
      for (Bits i = 0; i < 32; ++i) d |= Bits{i >= position && i - position < width} << i;
      return d;
    };
    return f;
  }
  if (b == "fns") {
    f.types = {"b32", "b32", "s32"};
    f.model = [](const Bits* x) { return nth_set_bit(x[0], x[1], x[2]); };
    return f;
  }
  if (b == "lop3") {
    // The table is an immediate: the text tries several by combining their results.
    f.types = same("b32", 3);
    f.text = "{ .reg .b32 %t;";
    static constexpr int tables[] = {0xe8, 0x96, 0x1b, 0x40, 0xff, 0x0d};
    f.text += " mov.b32 %d, 0;";
    for (const int table : tables) {
      f.text += " lop3.b32 %t, %a, %b, %c, " + std::to_string(table) +
                "; mul.lo.u32 %d, %d, 3; add.u32 %d, %d, %t;";
    }
    f.text += " }";
    f.model = [](const Bits* x) {
      Bits d = 0;
      for (const int table : tables) {
        Bits r = 0;
        for (int i = 0; i < 32; ++i) {
          const Bits row = (x[0] >> i & 1) << 2 | (x[1] >> i & 1) << 1 | (x[2] >> i & 1);
          r |= (static_cast<Bits>(table) >> row & 1) << i;
        }
        d = (d * 3 + r) & 0xffffffff;
      }
      return d;
    };
    return f;
  }
  return std::nullopt;
}

// Video instructions on registers, each part an integer of its own.
std::optional<Form> video_form(const Opcode& op) {
  std::string b = op.base();
  if (b[0] != 'v') return std::nullopt;
  const int bits = b.ends_with("2") ? 16 : b.ends_with("4") ? 8 : 32;
  if (bits != 32) b.pop_back();
  const bool set = b == "vset";
  const auto is_signed = [&](size_t i) { return op.parts[i] == "s32"; };
  const bool sd = !set && is_signed(1), sa = is_signed(set ? 1 : 2), sb = is_signed(set ? 2 : 3);
  const bool sat = op.has("sat"), wrap = op.has("wrap");
  const std::string order = set ? op.parts[3] : "";
  const std::string then = op.type();
  Form f;
  f.types = same("b32", 3);
  f.result = "b32";
  f.text = plain_text(op.text, 3);
  f.model = [=](const Bits* x) {
    Bits joined = 0, sum = x[2];
    for (int shift = 0; shift < 32; shift += bits) {
      const Wide u = value(x[0] >> shift, bits, sa), v = value(x[1] >> shift, bits, sb);
      Wide r = 0;
      if (b == "vadd") r = u + v;
      if (b == "vsub") r = u - v;
      if (b == "vavrg") r = u + v >= 0 ? (u + v + 1) / 2 : -((1 - u - v) / 2);
      if (b == "vabsdiff") r = u > v ? u - v : v - u;
      if (b == "vmin") r = std::min(u, v);
      if (b == "vmax") r = std::max(u, v);
      if (order == "eq") r = u == v;
      if (order == "ne") r = u != v;
      if (order == "lt") r = u < v;
      if (order == "le") r = u <= v;
      if (order == "gt") r = u > v;
      if (order == "ge") r = u >= v;
      const int n = static_cast<int>(wrap ? v % 32 : std::min<Wide>(v, 32));
      if (b == "vshl") r = u * (Wide{1} << n);
      if (b == "vshr") r = u >> n;
      sum += static_cast<Bits>(r);
      if (sat) r = std::clamp(r, least(bits, sd), most(bits, sd));
      joined |= (static_cast<Bits>(r) & ones(bits)) << shift;
    }
    if (bits == 32) {
      const Wide first = value(joined, 32, sd), second = value(x[2], 32, sd);
      if (then == "min") return static_cast<Bits>(std::min(first, second));
      if (then == "max") return static_cast<Bits>(std::max(first, second));
    }
    return then == "add" ? (bits == 32 ? joined + x[2] : sum) : joined;
  };
  return f;
}

std::optional<Form> helper_form(const Opcode& op) {
  const std::string& b = op.base();
  Form f;
  if (b == "extend") {  // reached by a conversion from a wider register
    const bool is_signed = op.type() == "s8";
    f = {"cvt." + std::string(is_signed ? "s16.s8" : "u16.u8") + " %d, %a;", {"b32"}, "b16", {}};
    f.model = [=](const Bits* x) { return static_cast<Bits>(value(x[0], 8, is_signed)); };
    return f;
  }
  if (b == "narrow") {  // narrow.bN.bM: cvt.uN.uN from a register of M bits
    const std::string n = op.parts[1].substr(1);
    f = {"cvt.u" + n + ".u" + n + " %d, %a;", {op.parts[2]}, op.parts[1], {}};
    f.model = [](const Bits* x) { return x[0]; };
    return f;
  }
  if (op.text == "mov.b128") {
    f = {"{ .reg .b128 %u, %v; mov.b128 %u, {%a, %b}; mov.b128 %v, %u; mov.b128 {_, %d}, %v; }",
         same("b64", 2),
         "b64",
         {}};
    f.model = [](const Bits* x) { return x[1]; };
    return f;
  }
  const bool pack = b == "pack";
  if (!pack && b != "unpack") return std::nullopt;
  const int part = width_of(op.parts[2]);
  const int number = std::stoi(op.parts[1]);  // of elements, or of the one taken
  const int whole = pack ? part * number : width_of(op.parts[3]);
  const int count = whole / part;
  const std::string held = register_of(std::max(part, 16));
  // 128-bit values never leave the text: they are made of and read as two 64-bit registers.
  const std::string name = whole == 128 ? "%w" : pack ? "%d" : "%a";
  std::string list, text = "{ .reg .b128 %w;";
  static const char* const names[] = {"%a", "%b", "%c", "%e"};
  for (int i = 0; i < count; ++i) {
    list += i == 0 ? "{" : ", ";
    list += pack ? names[i] : i == number ? "%d" : "_";
  }
  list += "}";
  const std::string mov = " mov.b" + std::to_string(whole) + " ";
  if (pack) {
    f.types = same(held, static_cast<size_t>(count));
    text += mov + name + ", " + list + ";";
    if (whole == 128) {
      f.result = "b64";
      text +=
          " { .reg .b64 %u, %v; mov.b128 {%u, %v}, %w; mul.lo.u64 %v, %v, 3; xor.b64 %d, %u, %v; }";
    } else {
      f.result = register_of(whole);
    }
    f.model = [=](const Bits* x) {
      Bits halves[2] = {};
      for (int i = 0; i < count; ++i)
        halves[i * part / 64] |= (x[i] & ones(part)) << (i * part % 64);
      return whole == 128 ? halves[0] ^ halves[1] * 3 : halves[0];
    };
  } else {
    f.result = held;
    if (whole == 128) {
      f.types = same("b64", 2);
      text += " mov.b128 %w, {%a, %b};";
    } else {
      f.types = {register_of(whole)};
    }
    text += mov + list + ", " + name + ";";
    f.model = [=](const Bits* x) {
      return x[number * part / 64] >> (number * part % 64) & ones(part);
    };
  }
  f.text = text + " }";
  return f;
}

}  // namespace mtmc::emulator::oracle
