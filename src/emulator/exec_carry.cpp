// Extended precision: add, sub and mad that read or write the carry flag. The flag of the lanes is
// the predicate Op::e; for sub it holds the borrow. Source: PTX ISA, "Extended-Precision Integer
// Arithmetic Instructions".
#include "emulator/alu.hpp"
#include "emulator/lower.hpp"
#include "emulator/numeric_integer.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;

enum class Kind { add, sub, mad_lo, mad_hi };

template <class T, Kind K, bool In, bool Out, bool Masked>
void carry_op(const Op& op, Warp& warp) {
  using U = n::Unsigned<T>;
  T* d = lane_array<T>(warp, op.d);
  const T* a = lane_array<T>(warp, op.a);
  const T* b = lane_array<T>(warp, op.b);
  const T* c = lane_array<T>(warp, op.c);  // of mad
  alignas(64) int32_t in[lanes] = {};
  alignas(64) int32_t out[lanes];
  uint32_t& flag = warp.predicates[op.e];
  if constexpr (In) expand_mask(flag, in);
  const int32_t* m = warp.lane_mask;
  MTMC_LANES {
    const U carry = In ? static_cast<U>(in[l] & 1) : U{0};
    U first = static_cast<U>(a[l]);
    U second = static_cast<U>(b[l]);
    if constexpr (K == Kind::mad_lo || K == Kind::mad_hi) {
      first =
          static_cast<U>(K == Kind::mad_lo ? n::mul_lo<T>(a[l], b[l]) : n::mul_hi<T>(a[l], b[l]));
      second = static_cast<U>(c[l]);
    }
    U result;
    bool over;
    if constexpr (K == Kind::sub) {
      const U difference = first - second;
      result = difference - carry;
      over = (first < second) | (difference < carry);
    } else {
      const U sum = first + second;
      result = sum + carry;
      over = (sum < first) | (result < sum);
    }
    out[l] = over ? -1 : 0;
    d[l] = !Masked || m[l] ? static_cast<T>(result) : d[l];
  }
  if constexpr (Out) {
    const uint32_t bits = pack_mask(out);
    flag = Masked ? (flag & ~warp.mask) | (bits & warp.mask) : bits;
  }
}

template <class T, Kind K>
std::array<Handler, 2> pick(bool in, bool out) {
  if (in && out) return {carry_op<T, K, true, true, false>, carry_op<T, K, true, true, true>};
  if (in) return {carry_op<T, K, true, false, false>, carry_op<T, K, true, false, true>};
  return {carry_op<T, K, false, true, false>, carry_op<T, K, false, true, true>};
}

template <class T>
std::array<Handler, 2> of_type(std::string_view operation) {
  const bool in = operation.starts_with("addc") || operation.starts_with("subc") ||
                  operation.starts_with("madc");
  const bool out = operation.ends_with(".cc");
  if (!in && !out) return {nullptr, nullptr};
  std::string_view name = operation;
  if (out) name.remove_suffix(3);
  if (name == "add" || name == "addc") return pick<T, Kind::add>(in, out);
  if (name == "sub" || name == "subc") return pick<T, Kind::sub>(in, out);
  if (name == "mad.lo" || name == "madc.lo") return pick<T, Kind::mad_lo>(in, out);
  if (name == "mad.hi" || name == "madc.hi") return pick<T, Kind::mad_hi>(in, out);
  return {nullptr, nullptr};
}

}  // namespace

std::array<Handler, 2> carry_handler(std::string_view opcode) {
  const size_t dot = opcode.rfind('.');
  if (dot == std::string_view::npos) return {nullptr, nullptr};
  const std::string_view type = opcode.substr(dot + 1);
  const std::string_view operation = opcode.substr(0, dot);
  if (type == "u32") return of_type<uint32_t>(operation);
  if (type == "s32") return of_type<int32_t>(operation);
  if (type == "u64") return of_type<uint64_t>(operation);
  if (type == "s64") return of_type<int64_t>(operation);
  return {nullptr, nullptr};
}

}  // namespace mtmc::emulator
