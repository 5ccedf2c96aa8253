// Element types: names as the operator language spells them, sizes, and conversion to and from
// their stored bits (round to nearest even; a NaN stays a NaN; out of range becomes infinity, or the
// largest finite value where the format has no infinity).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mtmc::op {

enum class DType { f64, f32, f16, bf16, f8e4m3, f8e5m2, i64, i32, i8, u8, boolean };

std::string_view name_of(DType dtype);  // "f32", ..., "bool"
std::optional<DType> dtype_named(std::string_view name);
int bytes_of(DType dtype);
bool is_float(DType dtype);
// Half the distance from 1 to the next number: 2^-24 for f32. 0 for integers.
double unit_roundoff(DType dtype);
// The type in which kernels are expected to compute: f32 for the narrow floats, f64 for f64, i64 for integers.
DType compute_type(DType dtype);

// The value nearest to `value` that the type can hold, and the stored form of it (little endian, in
// the low bytes). REQUIRES: nothing; any double is accepted.
double round_to(DType dtype, double value);
std::uint64_t to_bits(DType dtype, double value);
double from_bits(DType dtype, std::uint64_t bits);

}  // namespace mtmc::op
