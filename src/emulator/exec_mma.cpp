// Matrix multiplication row by row: fragments to wide tiles, the multiplication, and back. The tile
// loops are plain GCC vectors of 8, which any target lowers; only f16 and bf16 operands have code
// for AVX2, and exec_mma_avx512.cpp does the commonest forms.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "emulator/matrix.hpp"
#include "emulator/matrix_vector.hpp"
#include "emulator/numeric.hpp"
#include "emulator/vector_rows.hpp"

namespace mtmc::emulator {
namespace {

constexpr int row_bytes(const MatrixForm& form) { return register_bits_of(form.a) / 8 * 4; }

const std::array<float, 256>& fp8_table(Element e) {
  const auto make = [](auto widen) {
    std::array<float, 256> table{};
    for (int i = 0; i < 256; ++i) {
      table[i] = numeric::f16_to_f32(widen(static_cast<uint8_t>(i)));
    }
    return table;
  };
  static const std::array<float, 256> e4m3 = make(numeric::small_to_f16<numeric::E4m3>);
  static const std::array<float, 256> e5m2 = make(numeric::small_to_f16<numeric::E5m2>);
  return e == Element::e4m3 ? e4m3 : e5m2;
}

template <class T, class W, class F>
void decode_each(const void* bytes, W* out, F widen) {
  T in[16 / sizeof(T)];
  std::memcpy(in, bytes, sizeof(in));
  for (size_t i = 0; i < 16 / sizeof(T); ++i) out[i] = widen(in[i]);
}

}  // namespace

std::optional<Element> element_of(std::string_view type) {
  if (type == "f16") return Element::f16;
  if (type == "bf16") return Element::bf16;
  if (type == "tf32") return Element::tf32;
  if (type == "e4m3") return Element::e4m3;
  if (type == "e5m2") return Element::e5m2;
  if (type == "f64") return Element::f64;
  if (type == "s8") return Element::s8;
  if (type == "u8") return Element::u8;
  if (type == "s4") return Element::s4;
  if (type == "u4") return Element::u4;
  if (type == "b1") return Element::b1;
  return std::nullopt;
}

std::optional<Accumulator> accumulator_of(std::string_view type) {
  if (type == "f16") return Accumulator::f16;
  if (type == "f32") return Accumulator::f32;
  if (type == "f64") return Accumulator::f64;
  if (type == "s32") return Accumulator::s32;
  return std::nullopt;
}

// ---- operands ----------------------------------------------------------------------------------

namespace {

// 16 bytes (f64: 32 bytes) widened.
void decode_row(Element e, const void* bytes, float* out) {
  switch (e) {
    case Element::f16:
      return decode_each<uint16_t>(bytes, out, [](uint16_t x) { return numeric::f16_to_f32(x); });
    case Element::bf16:
      return decode_each<uint16_t>(
          bytes, out, [](uint16_t x) { return numeric::f32_of(static_cast<uint32_t>(x) << 16); });
    case Element::tf32:  // the low 13 bits are not looked at
      return decode_each<uint32_t>(bytes, out,
                                   [](uint32_t x) { return numeric::f32_of(x & 0xffffe000u); });
    default: {
      const std::array<float, 256>& table = fp8_table(e);
      return decode_each<uint8_t>(bytes, out, [&](uint8_t x) { return table[x]; });
    }
  }
}

void decode_row(Element, const void* bytes, double* out) { std::memcpy(out, bytes, 32); }

void decode_row(Element e, const void* bytes, int32_t* out) {
  switch (e) {
    case Element::s8:
      return decode_each<int8_t>(bytes, out, [](int8_t x) { return int32_t{x}; });
    case Element::s4:
    case Element::u4: {
      uint8_t in[16];
      std::memcpy(in, bytes, sizeof(in));
      for (int i = 0; i < 32; ++i) {
        const int nibble = in[i / 2] >> (i % 2 * 4) & 15;
        out[i] = e == Element::s4 && nibble >= 8 ? nibble - 16 : nibble;
      }
      return;
    }
    case Element::b1: {
      uint8_t in[16];
      std::memcpy(in, bytes, sizeof(in));
      for (int i = 0; i < 128; ++i) out[i] = in[i / 8] >> (i % 8) & 1;
      return;
    }
    default:
      return decode_each<uint8_t>(bytes, out, [](uint8_t x) { return int32_t{x}; });
  }
}

template <class W>
void negate(W* values, int count) {
  for (int i = 0; i < count; ++i) values[i] = -values[i];
}

template <class W>
void decode_a(const MatrixForm& form, Fragment reg, void* to_place) {
  W* a = static_cast<W*>(to_place);
  const int run = 4 * form.per_register();
  const int halves = form.tile_rows() / 8;
  const int bytes = row_bytes(form);
  for (int i = 0; i < form.a_registers(); ++i) {
    const char* from = reg[i];
    W* to = a + (i % halves) * 8 * form.depth + i / halves * run;
#ifdef __AVX2__
    if constexpr (std::is_same_v<W, float>) {
      if (form.a == Element::f16 || form.a == Element::bf16) {
        for (int r = 0; r < 8; ++r) {
          const __m128i x = _mm_load_si128(reinterpret_cast<const __m128i*>(from + r * 16));
          store8(to + r * form.depth, form.a == Element::f16 ? f16_to_f8(x) : bf16_to_f8(x));
        }
        continue;
      }
    }
#endif
    for (int r = 0; r < 8; ++r) decode_row(form.a, from + r * bytes, to + r * form.depth);
  }
  if (form.has(MatrixForm::negate_a)) negate(a, form.tile_rows() * form.depth);
}

template <class W>
void fill_b(const MatrixForm& form, Fragment reg, W* b) {
#ifdef __AVX2__
  if constexpr (std::is_same_v<W, float>) {
    if (form.b == Element::f16 || form.b == Element::bf16) {
      return decode_b_halves(form.b == Element::bf16, reg, form.b_registers(), b);
    }
  }
#endif
  const int run = 4 * form.per_register();
  const int bytes = row_bytes(form);
  W row[deepest];
  for (int i = 0; i < form.b_registers(); ++i) {
    const char* from = reg[i];
    for (int s = 0; s < 8; ++s) {
      decode_row(form.b, from + column_of_slot(s) * bytes, row);
      W* to = b + i * run * 8 + s;
      for (int k = 0; k < run; ++k) to[k * 8] = row[k];
    }
  }
}
template <class W>
void decode_b(const MatrixForm& form, Fragment reg, void* to) {
  W* b = static_cast<W*>(to);
  fill_b(form, reg, b);
  if (form.has(MatrixForm::negate_b)) negate(b, form.depth * 8);
}

template <class W>
void load_accumulator(const MatrixForm& form, Fragment reg, W* c) {
  if (reg.base == nullptr) {
    std::fill(c, c + 128, W{});
    return;
  }
  for (int h = 0; h < form.tile_rows() / 8; ++h) {
    W* rows = c + h * 64;
    if constexpr (std::is_same_v<W, float>) {
      if (form.d == Accumulator::f16) {
        const auto* in = reinterpret_cast<const uint16_t*>(reg[h]);
        for (int i = 0; i < 64; ++i) {
          rows[i / 8 * 8 + slot_of_column(i % 8)] = numeric::f16_to_f32(in[i]);
        }
        continue;
      }
    }
    const W* low = reinterpret_cast<const W*>(reg[2 * h]);
    const W* high = reinterpret_cast<const W*>(reg[2 * h + 1]);
    for (int g = 0; g < 8; ++g) join4(low + 4 * g, high + 4 * g, rows + 8 * g);
  }
}

template <class W>
void store_accumulator(const MatrixForm& form, const W* c, Fragment reg) {
  for (int h = 0; h < form.tile_rows() / 8; ++h) {
    const W* rows = c + h * 64;
    if constexpr (std::is_same_v<W, float>) {
      if (form.d == Accumulator::f16) {
        auto* out = reinterpret_cast<uint16_t*>(reg[h]);
        for (int i = 0; i < 64; ++i) {
          out[i] = numeric::f32_to_f16(rows[i / 8 * 8 + slot_of_column(i % 8)]);
        }
        continue;
      }
    }
    W* low = reinterpret_cast<W*>(reg[2 * h]);
    W* high = reinterpret_cast<W*>(reg[2 * h + 1]);
    for (int g = 0; g < 8; ++g) split4(rows + 8 * g, low + 4 * g, high + 4 * g);
  }
}

// ---- multiplication ----------------------------------------------------------------------------

void multiply(const MatrixForm& form, MatrixArithmetic arithmetic, const float* a, const float* b,
              float* c) {
  if (arithmetic != MatrixArithmetic::fma_chain) {
    return multiply_exact(form, arithmetic, a, b, c);
  }
  const int depth = form.depth;
  // Products of f16 and of fp8 are exact in f32 and cannot leave its range.
  const bool exact_products = form.a != Element::bf16 && form.a != Element::tf32;
  for (int first = 0; first < form.tile_rows(); first += 8) {
    const float* rows = a + first * depth;
    float* sums = c + first * 8;
    F8 sum[8];
    for (int r = 0; r < 8; ++r) sum[r] = load8(sums + r * 8);
    if (exact_products) {
      for (int k = 0; k < depth; ++k) {
        const F8 column = load8(b + k * 8);
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) sum[r] = add_product<true>(rows[r * depth + k], column, sum[r]);
      }
    } else {
      for (int k = 0; k < depth; ++k) {
        const F8 column = load8(b + k * 8);
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r)
          sum[r] = add_product<false>(rows[r * depth + k], column, sum[r]);
      }
    }
    for (int r = 0; r < 8; ++r) store8(sums + r * 8, sum[r]);
  }
}

void multiply(const MatrixForm& form, MatrixArithmetic, const double* a, const double* b,
              double* c) {
  for (int r = 0; r < form.tile_rows(); ++r) {
    for (int k = 0; k < form.depth; ++k) {
      const double x = a[r * form.depth + k];
      for (int s = 0; s < 8; ++s) c[r * 8 + s] = std::fma(x, b[k * 8 + s], c[r * 8 + s]);
    }
  }
}

template <bool Exclusive>
void multiply_integers(const MatrixForm& form, const int32_t* a, const int32_t* b, int32_t* c) {
  // 256 products of at most 2^16 in size: the sum itself fits; only adding c may not.
  for (int r = 0; r < form.tile_rows(); ++r) {
    I8 sum{};
    for (int k = 0; k < form.depth; ++k) {
      I8 column;
      std::memcpy(&column, b + k * 8, sizeof(column));
      const int32_t x = a[r * form.depth + k];
      sum += Exclusive ? x ^ column : x * column;
    }
    for (int s = 0; s < 8; ++s) {
      const int64_t wide = int64_t{c[r * 8 + s]} + sum[s];
      c[r * 8 + s] = form.has(MatrixForm::saturate) ? numeric::saturate_to<int32_t>(wide)
                                                    : static_cast<int32_t>(wide);
    }
  }
}

void multiply(const MatrixForm& form, MatrixArithmetic, const int32_t* a, const int32_t* b,
              int32_t* c) {
  if (form.has(MatrixForm::exclusive_or)) return multiply_integers<true>(form, a, b, c);
  multiply_integers<false>(form, a, b, c);
}

// ---- units -------------------------------------------------------------------------------------

template <class W>
bool multiply_rows(const MatrixForm& form, MatrixArithmetic arithmetic, const void* a,
                   const void* b, Fragment c, Fragment d) {
  alignas(64) W sums[16 * 8];
  load_accumulator(form, c, sums);
  multiply(form, arithmetic, static_cast<const W*>(a), static_cast<const W*>(b), sums);
  store_accumulator(form, sums, d);
  return true;
}

template <class W>
constexpr MatrixUnit rows_unit = {decode_a<W>, decode_b<W>, multiply_rows<W>};

}  // namespace

MatrixUnit by_rows(const MatrixForm& form) {
  return form.d == Accumulator::f64   ? rows_unit<double>
         : form.d == Accumulator::s32 ? rows_unit<int32_t>
                                      : rows_unit<float>;
}

MatrixUnit matrix_unit(const MatrixForm& form, MatrixArithmetic arithmetic) {
  const auto of_cpu = rows_of_cpu().matrix_unit;
  const MatrixUnit fast = of_cpu != nullptr ? of_cpu(form, arithmetic) : MatrixUnit{};
  return fast.multiply != nullptr ? fast : by_rows(form);
}

void multiply_again(const MatrixForm& form, MatrixArithmetic arithmetic, Fragment a, Fragment b,
                    Fragment c, Fragment d) {
  const MatrixUnit unit = by_rows(form);
  alignas(64) char a_room[most_operand_bytes];
  alignas(64) char b_room[most_operand_bytes / 2];
  unit.decode_a(form, a, a_room);
  unit.decode_b(form, b, b_room);
  unit.multiply(form, arithmetic, a_room, b_room, c, d);
}

}  // namespace mtmc::emulator
