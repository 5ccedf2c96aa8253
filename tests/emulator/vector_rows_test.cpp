// The rows for CPUs without FMA against the processor's fma and numeric_approx.hpp, bit by bit.
#include "emulator/vector_rows.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "base/rng.hpp"
#include "emulator/numeric.hpp"
#include "emulator/slow_model.hpp"

using namespace mtmc::emulator;
using numeric::bits_of;
using numeric::f32_of;

namespace {

uint32_t canonical_bits(float x) { return bits_of(numeric::canonical(x)); }

// Registers of 32 floats in a warp of their own.
class Bench {
 public:
  Bench() {
    warp_.registers = reinterpret_cast<char*>(values_);
    warp_.lists = lists_.data();
    set_mask(all_lanes);
  }
  static int32_t offset(int r) { return r * static_cast<int32_t>(sizeof(float)) * lanes; }
  float* operator[](int r) { return values_[r]; }
  void set_mask(uint32_t mask) {
    warp_.mask = mask;
    expand_mask(mask, warp_.lane_mask);
  }
  void run(const Handler* handlers, int d, int a, int b, int c) {
    Op op{};
    op.d = offset(d), op.a = offset(a), op.b = offset(b), op.c = offset(c);
    handlers[warp_.mask != all_lanes](op, warp_);
  }
  void run_list(const Handler* handlers, std::vector<int32_t> list) {
    lists_[0] = std::move(list);
    handlers[warp_.mask != all_lanes](Op{}, warp_);
  }

 private:
  alignas(64) float values_[64][lanes] = {};
  std::vector<std::vector<int32_t>> lists_{1};
  Warp warp_;
};

const Handler* row(const std::string& opcode) {
  const VectorRows rows = sse2_rows();
  for (size_t i = 0; i < rows.count; ++i) {
    if (rows.rows[i].opcode == opcode) return rows.rows[i].run;
  }
  FAIL("no row " << opcode);
  return nullptr;
}

class Draw {
 public:
  explicit Draw(uint64_t stream) : stream_(stream) {}
  uint64_t bits() { return mtmc::random_bits(7, stream_, i_++); }
  float any() {  // every fourth is a hard value
    static const std::vector<uint32_t> hard = slow::hard_f32();
    const uint64_t b = bits();
    return f32_of((b >> 62) == 0 ? hard[(b >> 8) % hard.size()] : static_cast<uint32_t>(b));
  }
  float ordinary() {  // [-1, 1)
    return static_cast<float>(static_cast<int32_t>(bits() >> 32)) * 0x1p-31f;
  }
  float with_exponent(int exponent) { return std::ldexp(1.0f + std::fabs(ordinary()), exponent); }
  int up_to(int n) { return static_cast<int>((bits() >> 33) % static_cast<uint64_t>(n + 1)); }

 private:
  uint64_t stream_, i_ = 0;
};

// Operands of an fma whose result is hard to round.
struct Triple {
  float a, b, c;
};
Triple draw_triple(Draw& draw, int kind) {
  switch (kind) {
    case 0:
      return {draw.any(), draw.any(), draw.any()};
    case 1: {  // cancels all but the last bits of the product
      const float a = draw.ordinary(), b = draw.ordinary();
      return {a, b, -(a * b)};
    }
    case 2:
    case 3: {  // halfway between two f32 (3: subnormal ones), or nearer to that than f64 can tell
      const uint32_t normal = static_cast<uint32_t>(64 + draw.up_to(120)) << 23;
      const uint32_t c = (kind == 2 ? normal : 0) | static_cast<uint32_t>(draw.up_to(0x7fffff));
      const int exponent = (kind == 2 ? std::ilogb(f32_of(c)) : -126) - 24;
      const int k = draw.up_to(9) + 15;
      const float off = k == 24 ? 0.0f : std::ldexp(1.0f, -k);
      const int split = draw.up_to(12) - 6 + exponent / 2;
      const float sign = draw.up_to(1) == 0 ? 1.0f : -1.0f;
      return {std::ldexp(1.0f + off, split), sign * std::ldexp(1.0f - off, exponent - split),
              f32_of(c)};
    }
    case 4:  // few bits: exact sums and exact halves
      return {static_cast<float>(draw.up_to(4097)), static_cast<float>(draw.up_to(8192) - 4096),
              static_cast<float>(draw.up_to(1 << 25))};
    case 5: {  // the result is subnormal, or hardly not
      const int e = -120 - draw.up_to(35), f = draw.up_to(150) - 75;
      const float sign = draw.up_to(1) == 0 ? 1.0f : -1.0f;
      return {draw.with_exponent(f), draw.with_exponent(e - f), sign * draw.with_exponent(e)};
    }
    default:
      return {draw.ordinary(), draw.ordinary(), draw.ordinary()};
  }
}
constexpr int kinds = 7;

}  // namespace

TEST_CASE("fma in f64 has the bits of fma") {
  Draw draw(1);
  for (int i = 0; i < 600000; ++i) {
    const Triple t = draw_triple(draw, i % kinds);
    const uint32_t expected = canonical_bits(std::fma(t.a, t.b, t.c));
    const uint32_t got = canonical_bits(numeric::fused_in_f64(t.a, t.b, t.c));
    if (got != expected) {
      CAPTURE(i % kinds, t.a, t.b, t.c, expected, got);
      REQUIRE(got == expected);
    }
  }
}

TEST_CASE("fma without the instruction has the bits of fma") {
  Draw draw(2);
  Bench bench;
  for (int round = 0; round < 30000; ++round) {
    const bool mixed = round % 2 == 0;
    for (int l = 0; l < lanes; ++l) {
      const Triple t = draw_triple(draw, mixed ? l % kinds : round / 2 % kinds);
      bench[0][l] = t.a, bench[1][l] = t.b, bench[2][l] = t.c, bench[3][l] = 1.5f;
    }
    const uint32_t mask = round % 3 == 0 ? static_cast<uint32_t>(draw.bits()) : all_lanes;
    bench.set_mask(mask);
    const int d = round % 4;  // in the place of an operand too
    uint32_t expected[lanes];
    for (int l = 0; l < lanes; ++l) {
      const bool active = (mask >> l & 1) != 0;
      expected[l] = active ? canonical_bits(std::fma(bench[0][l], bench[1][l], bench[2][l]))
                           : bits_of(bench[d][l]);
    }
    bench.run(row("fma.rn.f32"), d, 0, 1, 2);
    if (std::memcmp(expected, bench[d], sizeof(expected)) != 0) {
      CAPTURE(round, mask, d);
      REQUIRE(false);
    }
  }
}

TEST_CASE("fma in a directed rounding without the instruction has the bits of the slow function") {
  using numeric::Rounding;
  Draw draw(5);
  Bench bench;
  const std::tuple<const char*, float (*)(float, float, float)> directions[] = {
      {"fma.rm.f32", numeric::fma<Rounding::down>},
      {"fma.rp.f32", numeric::fma<Rounding::up>},
      {"fma.rz.f32", numeric::fma<Rounding::toward_zero>}};
  for (const auto& [opcode, slow] : directions) {
    for (int round = 0; round < 8000; ++round) {
      uint32_t expected[lanes];
      for (int l = 0; l < lanes; ++l) {
        const Triple t = draw_triple(draw, (round + l) % kinds);
        bench[0][l] = t.a, bench[1][l] = t.b, bench[2][l] = t.c, bench[3][l] = 1.5f;
        expected[l] = bits_of(slow(t.a, t.b, t.c));
      }
      const uint32_t mask = round % 3 == 0 ? static_cast<uint32_t>(draw.bits()) : all_lanes;
      bench.set_mask(mask);
      bench.run(row(opcode), 3, 0, 1, 2);
      for (int l = 0; l < lanes; ++l) {
        const uint32_t wanted = (mask >> l & 1) != 0 ? expected[l] : bits_of(1.5f);
        if (bits_of(bench[3][l]) != wanted) {
          CAPTURE(opcode, bench[0][l], bench[1][l], bench[2][l], wanted, bits_of(bench[3][l]));
          REQUIRE(bits_of(bench[3][l]) == wanted);
        }
      }
    }
  }
}

TEST_CASE("a run of fma without the instruction is its instructions one by one") {
  Draw draw(3);
  Bench bench, expected;
  constexpr int registers = 48;
  for (int round = 0; round < 300; ++round) {
    const uint32_t mask = round % 3 == 0 ? static_cast<uint32_t>(draw.bits()) : all_lanes;
    bench.set_mask(mask);
    for (int r = 0; r < registers; ++r) {
      for (int l = 0; l < lanes; ++l) {
        expected[r][l] = bench[r][l] = round % 10 == 0 ? draw.any() : draw.ordinary();
      }
    }
    std::vector<int32_t> list;
    for (int group = 0; group < 12; ++group) {
      const int a = draw.up_to(registers - 1);
      list.push_back(Bench::offset(a));
      const size_t count_at = list.size();
      list.push_back(0);
      for (int i = draw.up_to(9); i >= 0; --i) {
        const int b = draw.up_to(registers - 1), c = draw.up_to(registers - 1);
        const int d = draw.up_to(2) == 0 ? b : draw.up_to(registers - 1);
        list.insert(list.end(), {Bench::offset(b), Bench::offset(c), Bench::offset(d)});
        list[count_at] += 1;
        for (int l = 0; l < lanes; ++l) {
          if ((mask >> l & 1) == 0) continue;
          expected[d][l] =
              numeric::canonical(std::fma(expected[a][l], expected[b][l], expected[c][l]));
        }
        if (d == a) break;  // a group ends where its factor is overwritten
      }
    }
    bench.run_list(sse2_rows().fma_run, list);
    for (int r = 0; r < registers; ++r) {
      if (std::memcmp(expected[r], bench[r], sizeof(float) * lanes) != 0) {
        CAPTURE(round, r);
        REQUIRE(false);
      }
    }
  }
}

TEST_CASE("ex2 without the instruction has the bits of ex2") {
  Draw draw(4);
  Bench bench;
  for (int round = 0; round < 40000; ++round) {
    const bool flush = round % 2 != 0;
    for (int l = 0; l < lanes; ++l) {
      const int kind = (round + l) % 3;
      bench[0][l] =
          kind == 0 ? draw.any() : std::ldexp(draw.ordinary(), kind == 1 ? 8 : -draw.up_to(30));
      bench[1][l] = 1.5f;
    }
    const uint32_t mask = round % 3 == 0 ? static_cast<uint32_t>(draw.bits()) : all_lanes;
    bench.set_mask(mask);
    bench.run(row(flush ? "ex2.approx.ftz.f32" : "ex2.approx.f32"), 1, 0, 0, 0);
    for (int l = 0; l < lanes; ++l) {
      const float x = bench[0][l];
      const float value = flush ? numeric::flush(numeric::ex2(numeric::flush(x))) : numeric::ex2(x);
      const uint32_t expected = (mask >> l & 1) != 0 ? bits_of(value) : bits_of(1.5f);
      if (bits_of(bench[1][l]) != expected) {
        CAPTURE(round, x, expected, bits_of(bench[1][l]));
        REQUIRE(bits_of(bench[1][l]) == expected);
      }
    }
  }
}
