// The floating formats of 8 bits and less as PTX converts them; see numeric.hpp.
//
// Section of the PTX ISA: "Data Movement and Conversion Instructions: cvt", alternate formats.
// Narrowing is to nearest even and always saturates to the largest finite value, infinities
// included; NaN becomes the format's positive NaN, or its largest value where it has none (what
// cuda_fp4.hpp and cuda_fp6.hpp compute on the host). Half sources widen to f32 first: exact.
#pragma once

#include <cstdint>

#include "emulator/numeric_float.hpp"

namespace mtmc::emulator::numeric {

template <unsigned Exponent, unsigned Mantissa, unsigned Largest, unsigned Nan, unsigned PairBits>
struct SmallFormat {
  static constexpr unsigned exponent = Exponent, mantissa = Mantissa;
  static constexpr unsigned largest = Largest, nan = Nan;  // codes
  static constexpr unsigned sign = 1u << (Exponent + Mantissa);
  static constexpr unsigned pair_bits = PairBits;  // of a pair of them in a register
};
using E4m3 = SmallFormat<4, 3, 0x7e, 0x7f, 16>;  // 448; no infinity
using E5m2 = SmallFormat<5, 2, 0x7b, 0x7f, 16>;  // 57344
using E2m3 = SmallFormat<2, 3, 0x1f, 0x1f, 16>;  // 7.5; neither infinity nor NaN, as below
using E3m2 = SmallFormat<3, 2, 0x1f, 0x1f, 16>;  // 28
using E2m1 = SmallFormat<2, 1, 0x7, 0x7, 8>;     // 6

template <class Format>
inline unsigned f32_to_small(float x) {
  const std::uint32_t magnitude = bits_of(x) & 0x7fffffffu;
  const std::uint32_t sign = (bits_of(x) >> 31) * Format::sign;
  const std::uint32_t rounded = round_magnitude<Format::exponent, Format::mantissa>(magnitude);
  const std::uint32_t finite = rounded < Format::largest ? rounded : Format::largest;
  return magnitude > 0x7f800000u ? Format::nan : (finite | sign);
}
// .relu: negatives become +0.
template <class Format>
constexpr unsigned relu_small(unsigned code) {
  return (code & Format::sign) != 0 ? 0 : code;
}

// Exact. Bits above the format's are ignored.
template <class Format>
inline std::uint16_t small_to_f16(unsigned code) {
  constexpr unsigned bias = (1u << (Format::exponent - 1)) - 1;
  const unsigned magnitude = code & (Format::sign - 1);
  const unsigned sign = (code & Format::sign) != 0 ? 0x8000u : 0;
  // A normal number is its bits shifted and the bias moved; a subnormal is a multiple of the least.
  const unsigned normal = (magnitude << (10 - Format::mantissa)) + ((15 - bias) << 10);
  constexpr float least = 1.0f / static_cast<float>(1u << (bias - 1 + Format::mantissa));
  const unsigned subnormal = f32_to_f16(static_cast<float>(magnitude) * least);
  const unsigned finite = magnitude < (1u << Format::mantissa) ? subnormal : normal;
  const bool nan = Format::nan != Format::largest &&
                   (finite > kInfF16 || (Format::exponent == 4 && magnitude == Format::nan));
  return static_cast<std::uint16_t>(nan ? kNanF16 : (finite | sign));
}

// ue8m0: 2^(code - 127), 0xff is NaN. The sign is dropped; Up rounds a magnitude up to the next
// power of two, otherwise it is truncated; Finite keeps infinities and overflow at 0xfe.
template <bool Up, bool Finite>
inline unsigned f32_to_ue8m0(float x) {
  const std::uint32_t magnitude = bits_of(x) & 0x7fffffffu;
  // 2^-127, the least value, is a subnormal f32.
  const bool above = (magnitude & 0x7fffffu) != 0 && magnitude > 0x00400000u;
  const unsigned code = (magnitude >> 23) + (Up && above && magnitude < 0x7f800000u ? 1 : 0);
  return Finite && magnitude <= 0x7f800000u && code == 0xff ? 0xfe : code;
}
inline std::uint16_t ue8m0_to_bf16(unsigned code) {
  const unsigned normal = code << 7;
  return static_cast<std::uint16_t>(code == 0xff ? kNanF16 : (code == 0 ? 0x40u : normal));
}

}  // namespace mtmc::emulator::numeric
