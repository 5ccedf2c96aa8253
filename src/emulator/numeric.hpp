// What PTX instructions compute, one value at a time: the single place of the emulator that knows
// rounding, saturation, NaN and subnormal rules. Everything is inline, without state and without
// data-dependent branches where that is possible, so a loop over 32 lanes vectorises (GCC 12, -O3
// -march=x86-64-v3); the few slow paths (directed rounding of f64) live in numeric.cpp.
//
// The parts: numeric_integer.hpp (integer, bit and byte instructions), numeric_float.hpp (f16,
// bf16, f32, f64 arithmetic, min and max, comparison), numeric_convert.hpp (cvt),
// numeric_small_float.hpp (fp8 and below), numeric_approx.hpp (ex2, lg2, sin, cos, tanh, rcp,
// rsqrt, sqrt, div .approx).
//
// Representation: f32 is float, f64 is double, f16, bf16 and the fp8 formats are their bits in an
// unsigned integer. Packed forms (f16x2, bf16x2) go through on_halves(). A signed PTX type is a
// signed C++ type; .bN is unsigned. Nothing here overflows a signed integer.
//
// NaN: single and half precision results that are NaN are the canonical NaN (0x7fffffff, 0x7fff),
// as the hardware does ("Floating Point Instructions", PTX ISA); f64 keeps payloads as x86 does.
// Subnormals are kept; for .ftz wrap operands and result in flush().
//
// Demands on the caller: MXCSR in its default state (round to nearest, no FTZ, no DAZ), and
// translation units compiled with
//   -ffp-contract=off                        a PTX mul and a PTX add round twice (g++ fuses by
//   default) -fno-trapping-math -fno-math-errno       values are the same; without these most loops
//   stay scalar
// Without -mfma an f32 fma goes through f64 (fused_in_f64) and an f64 one is a library call: right,
// but slow. exec_sse2.cpp has faster rows for the first.
//
// Source: PTX ISA 8.7 and 9.0, "Instruction Set": Integer Arithmetic Instructions, Extended
// Precision, Floating Point Instructions, Half Precision Floating Point Instructions, Comparison
// and Selection, Logic and Shift, Data Movement and Conversion (cvt, prmt).
#pragma once

#include "emulator/numeric_approx.hpp"
#include "emulator/numeric_convert.hpp"
#include "emulator/numeric_float.hpp"
#include "emulator/numeric_integer.hpp"
#include "emulator/numeric_small_float.hpp"
