#include "harness/bits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace mtmc::harness {

namespace {

constexpr std::int64_t kFar = std::int64_t{1} << 62;

std::uint64_t bits_at(const std::string& bytes, std::size_t at, int size) {
  std::uint64_t bits = 0;
  for (int i = 0; i < size; ++i)
    bits |= static_cast<std::uint64_t>(
                static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]))
            << (8 * i);
  return bits;
}

// Stored floats, sign and magnitude, on one line of whole numbers; -0 is -1.
std::int64_t on_line(int size, std::uint64_t bits) {
  const std::uint64_t sign = std::uint64_t{1} << (8 * size - 1);
  const auto magnitude = static_cast<std::int64_t>(bits & (sign - 1));
  return bits & sign ? -magnitude - 1 : magnitude;
}

}  // namespace

std::int64_t ulp_distance(op::DType dtype, std::uint64_t a, std::uint64_t b) {
  if (a == b) return 0;
  if (op::is_float(dtype)) {
    const bool nan_a = std::isnan(op::from_bits(dtype, a)),
               nan_b = std::isnan(op::from_bits(dtype, b));
    if (nan_a || nan_b) return nan_a && nan_b ? 0 : kFar;
    const int size = op::bytes_of(dtype);
    const long double far = std::fabs(static_cast<long double>(on_line(size, a)) -
                                      static_cast<long double>(on_line(size, b)));
    return far >= static_cast<long double>(kFar) ? kFar : static_cast<std::int64_t>(far);
  }
  const double far = std::fabs(op::from_bits(dtype, a) - op::from_bits(dtype, b));
  return far >= static_cast<double>(kFar)
             ? kFar
             : std::max<std::int64_t>(1, static_cast<std::int64_t>(far));
}

Result<BitComparison> compare_bits(const std::vector<KeptOutput>& a,
                                   const std::vector<KeptOutput>& b) {
  if (a.size() != b.size())
    return bad_input(
        fmt::format("{} outputs were kept on one device, {} on the other", a.size(), b.size()));
  BitComparison all;
  for (std::size_t o = 0; o < a.size(); ++o) {
    const KeptOutput &x = a[o], &y = b[o];
    if (x.name != y.name || x.dtype != y.dtype || x.step != y.step ||
        x.bytes.size() != y.bytes.size())
      return bad_input(fmt::format("'{}' was not kept alike on both devices", x.name));
    const int size = op::bytes_of(x.dtype);
    for (std::size_t i = 0; i * static_cast<std::size_t>(size) < x.bytes.size(); ++i) {
      const auto p = bits_at(x.bytes, i * static_cast<std::size_t>(size), size),
                 q = bits_at(y.bytes, i * static_cast<std::size_t>(size), size);
      ++all.elements;
      const std::int64_t far = ulp_distance(x.dtype, p, q);
      if (far == 0) continue;
      ++all.differing;
      if (far <= all.largest_ulp) continue;
      all.largest_ulp = far;
      all.where = fmt::format("{}[{}]: {:#x} and {:#x}", x.name,
                              static_cast<std::int64_t>(i) * x.step, p, q);
    }
  }
  return all;
}

bool has_one_result(const std::string& ptx) {
  for (std::size_t at = 0; at < ptx.size();) {
    const std::size_t end = std::min(ptx.find('\n', at), ptx.size());
    std::string_view line(ptx.data() + at, end - at);
    at = end + 1;
    line = line.substr(0, line.find("//"));
    const auto has = [&](std::string_view word) { return line.find(word) != line.npos; };
    if (has(".approx") || has("mma")) return false;
    if ((has("atom.") || has("red.")) && has(".add") &&
        (has(".f32") || has(".f64") || has(".f16") || has(".bf16")))
      return false;
  }
  return true;
}

}  // namespace mtmc::harness
