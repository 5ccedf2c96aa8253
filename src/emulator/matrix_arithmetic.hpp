// How matrix instructions round: the choice that RunOptions offers.
//
// fma_chain: one f32 fma per product in order of k, rounded to nearest; with f16 accumulators one
//   rounding to f16 at the end. Fast, deterministic, and not what a tensor core does: its last bits
//   differ from the hardware's, so compare with a tolerance.
//
// ampere, ada, hopper: the rule published as bit-accurate by MMA-Sim (Xie et al. 2025,
//   arXiv:2511.10909; MIT). A group of products and the accumulator are aligned to the largest
//   exponent among them, truncated to F fraction bits, summed exactly, and the sum is truncated to
//   f32 (rounded to nearest even for f16). A zero counts as exponent -126, a subnormal as its
//   format's least exponent. NaN results are canonical.
//     ampere  F = 24; f16 and bf16 k16 and tf32 k8 are two groups one after the other
//     ada     as ampere; fp8 has F = 13, two groups for k32, and f32 results of 13 fraction bits
//     hopper  F = 25, one group; fp8 in wgmma has F = 13 and f32 results of 13 fraction bits
//   Published for these architectures' own instructions. Assumed: fp8 mma.sync on hopper goes as
//   its f16 does (F = 25), fp8 under ampere (which has none) as on ada, wmma as the mma of the
//   same depth and type, and imm-scale of wgmma flips signs before everything else. wgmma under
//   ampere or ada, which do not have it, goes as on hopper.
//   f64 is a chain of fma in order of k and integers are exact, in every mode.
#pragma once

#include <cstdint>

namespace mtmc::emulator {

enum class MatrixArithmetic : uint8_t { fma_chain, ampere, ada, hopper };

}  // namespace mtmc::emulator
