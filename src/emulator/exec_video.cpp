// Video instructions: scalar (vadd ...) and on two or four parts of a register (vadd2, vadd4 ...),
// without byte selectors and masks. They are rare, so one handler reads what to do from Op::imm.
// Source: PTX ISA, "Video Instructions"; parts are computed with bits to spare, then clamped (.sat)
// or cut to the part.
#include <algorithm>
#include <bit>

#include "emulator/alu.hpp"
#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

enum class What : uint8_t {
  add,
  sub,
  average,
  difference,
  least,
  most,
  compare,
  left_clamp,
  left_wrap,
  right_clamp,
  right_wrap
};
enum class Then : uint8_t { nothing, add, least, most };
enum class Order : uint8_t { eq, ne, lt, le, gt, ge };

struct Plan {
  What what = What::add;
  Then then = Then::nothing;
  Order order = Order::eq;
  uint8_t bits = 32;  // of a part
  bool signed_d = false, signed_a = false, signed_b = false, saturate = false;
};
static_assert(sizeof(Plan) == sizeof(uint64_t));

int64_t part_of(uint32_t x, int shift, int bits, bool is_signed) {
  const auto raw =
      static_cast<int64_t>(static_cast<uint64_t>(x) >> shift & ((uint64_t{1} << bits) - 1));
  return is_signed && (raw >> (bits - 1)) != 0 ? raw - (int64_t{1} << bits) : raw;
}

bool holds(Order order, __int128 a, __int128 b) {
  switch (order) {
    case Order::eq:
      return a == b;
    case Order::ne:
      return a != b;
    case Order::lt:
      return a < b;
    case Order::le:
      return a <= b;
    case Order::gt:
      return a > b;
    case Order::ge:
      return a >= b;
  }
  return false;
}

// Wide enough for a 33-bit value shifted by 32.
__int128 compute(const Plan& p, __int128 a, __int128 b) {
  switch (p.what) {
    case What::add:
      return a + b;
    case What::sub:
      return a - b;
    case What::average:
      return (a + b + (a + b >= 0 ? 1 : 0)) >> 1;
    case What::difference:
      return a < b ? b - a : a - b;
    case What::least:
      return std::min(a, b);
    case What::most:
      return std::max(a, b);
    case What::compare:
      return holds(p.order, a, b) ? 1 : 0;
    case What::left_clamp:
      return a * (__int128{1} << std::min<__int128>(b, 32));
    case What::left_wrap:
      return a * (__int128{1} << (b & 31));
    case What::right_clamp:
      return a >> std::min<__int128>(b, 32);
    case What::right_wrap:
      return a >> (b & 31);
  }
  return 0;
}

uint32_t finish(const Plan& p, __int128 value) {
  if (p.saturate) {
    const __int128 low = p.signed_d ? -(__int128{1} << (p.bits - 1)) : __int128{0};
    const __int128 high = (__int128{1} << (p.signed_d ? p.bits - 1 : p.bits)) - 1;
    value = std::clamp(value, low, high);
  }
  return static_cast<uint32_t>(static_cast<uint64_t>(value) & ((uint64_t{1} << p.bits) - 1));
}

uint32_t apply(const Plan& p, uint32_t a, uint32_t b, uint32_t c) {
  if (p.bits == 32) {
    const uint32_t r =
        finish(p, compute(p, part_of(a, 0, 32, p.signed_a), part_of(b, 0, 32, p.signed_b)));
    const int64_t first = part_of(r, 0, 32, p.signed_d), second = part_of(c, 0, 32, p.signed_d);
    switch (p.then) {
      case Then::nothing:
        return r;
      case Then::add:
        return r + c;
      case Then::least:
        return static_cast<uint32_t>(std::min(first, second));
      case Then::most:
        return static_cast<uint32_t>(std::max(first, second));
    }
  }
  uint32_t joined = 0, sum = c;
  for (int shift = 0; shift < 32; shift += p.bits) {
    const __int128 r =
        compute(p, part_of(a, shift, p.bits, p.signed_a), part_of(b, shift, p.bits, p.signed_b));
    sum += static_cast<uint32_t>(r);
    joined |= finish(p, r) << shift;
  }
  return p.then == Then::add ? sum : joined;
}

template <bool Masked>
void video_op(const Op& op, Warp& warp) {
  const Plan p = std::bit_cast<Plan>(op.imm);
  const uint32_t* a = lane_array<uint32_t>(warp, op.a);
  const uint32_t* b = lane_array<uint32_t>(warp, op.b);
  const uint32_t* c = lane_array<uint32_t>(warp, op.c);
  uint32_t* d = lane_array<uint32_t>(warp, op.d);
  for (uint32_t m = Masked ? warp.mask : all_lanes; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    d[l] = apply(p, a[l], b[l], c[l]);
  }
}

template <class T, size_t N>
bool look_up(const std::array<std::pair<std::string_view, T>, N>& names, std::string_view name,
             T& value) {
  for (const auto& [text, meaning] : names) {
    if (text == name) {
      value = meaning;
      return true;
    }
  }
  return false;
}

constexpr std::array<std::pair<std::string_view, What>, 9> whats = {{{"vadd", What::add},
                                                                     {"vsub", What::sub},
                                                                     {"vavrg", What::average},
                                                                     {"vabsdiff", What::difference},
                                                                     {"vmin", What::least},
                                                                     {"vmax", What::most},
                                                                     {"vset", What::compare},
                                                                     {"vshl", What::left_clamp},
                                                                     {"vshr", What::right_clamp}}};
constexpr std::array<std::pair<std::string_view, Order>, 6> orders = {{{"eq", Order::eq},
                                                                       {"ne", Order::ne},
                                                                       {"lt", Order::lt},
                                                                       {"le", Order::le},
                                                                       {"gt", Order::gt},
                                                                       {"ge", Order::ge}}};
constexpr std::array<std::pair<std::string_view, Then>, 3> thens = {
    {{"add", Then::add}, {"min", Then::least}, {"max", Then::most}}};

// Reads ".u32" or ".s32" off the front of the parts.
bool read_type(const std::vector<std::string_view>& parts, size_t& at, bool& is_signed) {
  if (at >= parts.size() || (parts[at] != "u32" && parts[at] != "s32")) return false;
  is_signed = parts[at++] == "s32";
  return true;
}

// op{2,4}.dtype.atype.btype{.sat}{.mode}{.then}; vset has no dtype and a comparison instead.
bool read_plan(const std::vector<std::string_view>& parts, Plan& p) {
  std::string_view base = parts[0];
  if (base.ends_with('2') || base.ends_with('4')) {
    p.bits = base.ends_with('2') ? 16 : 8;
    base.remove_suffix(1);
  }
  if (!look_up(whats, base, p.what)) return false;
  const bool shift = p.what == What::left_clamp || p.what == What::right_clamp;
  if (p.what == What::average ? p.bits == 32 : shift && p.bits != 32) return false;
  size_t at = 1;
  if (p.what != What::compare && !read_type(parts, at, p.signed_d)) return false;
  if (!read_type(parts, at, p.signed_a) || !read_type(parts, at, p.signed_b)) return false;
  if (p.what == What::compare) {
    if (at >= parts.size() || !look_up(orders, parts[at++], p.order)) return false;
  } else if (at < parts.size() && parts[at] == "sat") {
    p.saturate = true;
    ++at;
  }
  if (shift) {
    if (p.signed_b || at >= parts.size()) return false;
    if (parts[at] == "wrap") {
      p.what = p.what == What::left_clamp ? What::left_wrap : What::right_wrap;
    } else if (parts[at] != "clamp") {
      return false;
    }
    ++at;
  }
  if (at < parts.size() && !look_up(thens, parts[at++], p.then)) return false;
  if (p.bits != 32 && p.then != Then::nothing && (p.then != Then::add || p.saturate)) return false;
  return at == parts.size();
}

}  // namespace

std::array<Handler, 2> video_handler(const std::vector<std::string_view>& parts, uint64_t& plan) {
  Plan p;
  if (!read_plan(parts, p)) return {nullptr, nullptr};
  plan = std::bit_cast<uint64_t>(p);
  return {video_op<false>, video_op<true>};
}

}  // namespace mtmc::emulator
