// Instructions that look across a warp: shuffles by the segment rules; votes, matches and
// reductions over the named lanes, under full and partial masks.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "base/rng.hpp"
#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

// Runs body for one warp: %v is this lane's input, %lane its number; the body writes %d. Lanes
// outside mask branch around it. Returns 32 results.
std::vector<u32> run_warp(const std::string& body, const std::vector<u32>& values, u32 mask) {
  const std::string text =
      ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k(\n"
      ".param .u64 pa, .param .u64 pd)\n{\n.reg .pred %out, %p, %q;\n"
      ".reg .b32 %lane, %v, %d, %w, %bit;\n.reg .b64 %x, %y, %offset;\n"
      ".shared .align 8 .b8 cell[8];\n"
      "mov.u32 %lane, %laneid;\nmul.wide.u32 %offset, %lane, 8;\n"
      "ld.param.u64 %x, [pa];\nadd.s64 %x, %x, %offset;\nld.global.b32 %v, [%x];\n"
      "mov.b32 %d, 0x5a5a5a5a;\nmov.b32 %w, " +
      std::to_string(mask) +
      ";\n"
      "shr.u32 %bit, %w, %lane;\nand.b32 %bit, %bit, 1;\nsetp.eq.s32 %out, %bit, 0;\n"
      "setp.lt.s32 %p, %v, 0;\n@%out bra DONE;\n" +
      body +
      "\nDONE:\n"
      "ld.param.u64 %y, [pd];\nadd.s64 %y, %y, %offset;\nst.global.b32 [%y], %d;\nret;\n}\n";
  Device device;
  std::vector<u64> slots(values.begin(), values.end());
  const u64 in = device.upload(slots, "in"), out = device.upload(std::vector<u64>(32), "out");
  CAPTURE(body, mask);
  run_well(assemble(text, "k"), device,
           launch({1, 1, 1}, {32, 1, 1}, Arguments().add(in).add(out)));
  std::vector<u32> result;
  for (const u64 slot : device.download<u64>(out, 32)) result.push_back(static_cast<u32>(slot));
  return result;
}

std::vector<u32> lane_values() {
  std::vector<u32> values;
  for (u32 i = 0; i < 32; ++i) values.push_back(static_cast<u32>(mtmc::random_bits(9, 0, i)));
  values[7] = values[3];
  values[20] = values[3];
  return values;
}

}  // namespace

TEST_CASE("shuffles follow the segment rules", "[opcode]") {
  const std::vector<u32> v = lane_values();
  for (const std::string mode : {"up", "down", "bfly", "idx"}) {
    for (const u32 b : {0u, 1u, 2u, 5u, 16u, 31u, 33u}) {
      for (const u32 c : {31u, 0u, 0x181fu, 0x1c1fu, 0x1800u, 0x100fu}) {
        const std::string text = "shfl.sync." + mode + ".b32 %d|%q, %v, " + std::to_string(b) +
                                 ", " + std::to_string(c) + ", 0xffffffff;\n@!%q not.b32 %d, %d;";
        const std::vector<u32> got = run_warp(text, v, ~0u);
        for (int lane = 0; lane < 32; ++lane) {
          const int bval = static_cast<int>(b & 31), cval = static_cast<int>(c & 31);
          const int segment = static_cast<int>(c >> 8 & 31);
          const int max_lane = (lane & segment) | (cval & ~segment), min_lane = lane & segment;
          int j = 0;
          bool in = false;
          if (mode == "up") j = lane - bval, in = j >= max_lane;
          if (mode == "down") j = lane + bval, in = j <= max_lane;
          if (mode == "bfly") j = lane ^ bval, in = j <= max_lane;
          if (mode == "idx") j = min_lane | (bval & ~segment), in = j <= max_lane;
          CAPTURE(mode, b, c, lane);
          REQUIRE(got[lane] == (in ? v[j] : ~v[lane]));
        }
      }
    }
  }
  // Even lanes alone, among themselves.
  const std::vector<u32> even =
      run_warp("shfl.sync.bfly.b32 %d, %v, 2, 31, 0x55555555;", v, 0x55555555);
  for (int lane = 0; lane < 32; ++lane) {
    REQUIRE(even[lane] == (lane % 2 == 0 ? v[lane ^ 2] : 0x5a5a5a5au));
  }
}

TEST_CASE("votes, matches and reductions look at the named lanes", "[opcode]") {
  const std::vector<u32> v = lane_values();
  for (const u32 mask : {~0u, 0x55555555u, 0x00f0000fu}) {
    const std::string m = std::to_string(mask);
    u32 negative = 0, sum = 0, all_and = ~0u, all_or = 0, all_xor = 0;
    u32 least = ~0u, most = 0;
    std::int32_t smallest = INT32_MAX;
    for (int i = 0; i < 32; ++i) {
      if (!(mask >> i & 1)) continue;
      if (static_cast<std::int32_t>(v[i]) < 0) negative |= 1u << i;
      sum += v[i], all_and &= v[i], all_or |= v[i], all_xor ^= v[i];
      least = std::min(least, v[i]), most = std::max(most, v[i]);
      smallest = std::min(smallest, static_cast<std::int32_t>(v[i]));
    }
    const auto expect = [&](const std::string& body, auto model) {
      const std::vector<u32> got = run_warp(body, v, mask);
      for (int lane = 0; lane < 32; ++lane) {
        CAPTURE(body, mask, lane);
        REQUIRE(got[lane] ==
                ((mask >> lane & 1) != 0 ? static_cast<u32>(model(lane)) : 0x5a5a5a5au));
      }
    };
    const std::string as_value = " selp.b32 %d, 1, 0, %q;";
    expect("vote.sync.ballot.b32 %d, %p, " + m + ";", [&](int) { return negative; });
    expect("vote.sync.ballot.b32 %d, !%p, " + m + ";", [&](int) { return mask & ~negative; });
    expect("vote.sync.any.pred %q, %p, " + m + ";" + as_value, [&](int) { return negative != 0; });
    expect("vote.sync.all.pred %q, %p, " + m + ";" + as_value,
           [&](int) { return negative == mask; });
    expect("vote.sync.uni.pred %q, %p, " + m + ";" + as_value,
           [&](int) { return negative == mask || negative == 0; });
    expect("activemask.b32 %d;", [&](int) { return mask; });
    expect("redux.sync.add.s32 %d, %v, " + m + ";", [&](int) { return sum; });
    expect("redux.sync.and.b32 %d, %v, " + m + ";", [&](int) { return all_and; });
    expect("redux.sync.or.b32 %d, %v, " + m + ";", [&](int) { return all_or; });
    expect("redux.sync.xor.b32 %d, %v, " + m + ";", [&](int) { return all_xor; });
    expect("redux.sync.min.u32 %d, %v, " + m + ";", [&](int) { return least; });
    expect("redux.sync.max.u32 %d, %v, " + m + ";", [&](int) { return most; });
    expect("redux.sync.min.s32 %d, %v, " + m + ";", [&](int) { return smallest; });
    expect("match.any.sync.b32 %d, %v, " + m + ";", [&](int lane) {
      u32 same = 0;
      for (int i = 0; i < 32; ++i) same |= (mask >> i & 1) != 0 && v[i] == v[lane] ? 1u << i : 0u;
      return same;
    });
  }
}

TEST_CASE("reductions of f32 follow min and max", "[opcode]") {
  std::vector<u32> v = lane_values();
  v[4] = 0x80000000, v[5] = 0, v[9] = 0x7f800000, v[10] = 0xff800000;
  const auto f = [](u32 x) { return std::bit_cast<float>(x); };
  for (const bool with_nan : {false, true}) {
    v[6] = with_nan ? 0xffc00001 : 0x3f800000;
    for (const u32 mask : {~0u, 0x0000ff70u, 0x40u}) {
      for (const std::string op : {"min", "max"}) {
        for (const bool magnitudes : {false, true}) {
          for (const bool nan_wins : {false, true}) {
            u32 best = 0x7fffffff;
            bool poisoned = false;
            for (int i = 0; i < 32; ++i) {
              if (!(mask >> i & 1)) continue;
              const u32 x = magnitudes ? v[i] & 0x7fffffff : v[i];
              if (std::isnan(f(x))) {
                poisoned = true;
                continue;
              }
              // -0 lies below +0, as their bits say.
              const bool below = f(x) < f(best) || (f(x) == f(best) && (x >> 31) > (best >> 31));
              const bool above = f(x) > f(best) || (f(x) == f(best) && (x >> 31) < (best >> 31));
              if (std::isnan(f(best)) || (op == "min" ? below : above)) best = x;
            }
            if (poisoned && nan_wins) best = 0x7fffffff;
            const std::vector<u32> got =
                run_warp("{ .reg .f32 %f, %g; mov.b32 %f, %v; redux.sync." + op +
                             (magnitudes ? ".abs" : "") + (nan_wins ? ".NaN" : "") +
                             ".f32 %g, %f, " + std::to_string(mask) + "; mov.b32 %d, %g; }",
                         v, mask);
            CAPTURE(op, magnitudes, nan_wins, with_nan, mask);
            for (int i = 0; i < 32; ++i) {
              REQUIRE(got[i] == ((mask >> i & 1) != 0 ? best : 0x5a5a5a5au));
            }
          }
        }
      }
    }
  }
}
