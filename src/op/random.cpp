// Inputs from the counter RNG (base/rng.hpp). Every product is of at most 24 by 24 bits and so
// exact in float64: with or without fused multiply-add, on any device, the same number comes out.
//
//   normal(a, b)   a + (S - 131070) * (float32(sqrt(3) * b) * 2^-16), S the sum of the four 16-bit
//   fields of the bits uniform(a, b)  a + u * float32(b - a), u the top 24 bits * 2^-24 randint(a,
//   b)  a + floor((top 32 bits) * (b - a) / 2^32)
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.hpp"
#include "base/rng.hpp"
#include "op/reference.hpp"

namespace mtmc::op {
namespace {

class Drawer {
 public:
  Drawer(const Value& value, std::uint64_t seed)
      : kind_(value.distribution.kind),
        key_(mix64(seed ^ mix64(stream_of(value.name)))),
        shift_(value.distribution.a) {
    const auto& d = value.distribution;
    if (kind_ == Distribution::Kind::normal)
      scale_ = round_to(DType::f32, std::sqrt(3.0) * d.b) * 0x1p-16;
    if (kind_ == Distribution::Kind::uniform) scale_ = round_to(DType::f32, d.b - d.a);
    if (kind_ == Distribution::Kind::randint) range_ = static_cast<std::uint64_t>(d.b - d.a);
  }

  template <Distribution::Kind kind>
  double draw(std::uint64_t index) const {
    if constexpr (kind == Distribution::Kind::constant) return shift_;
    const std::uint64_t bits =
        mix64(key_ + index * 0xd1342543de82ef95ull);  // random_bits() with its key kept
    if constexpr (kind == Distribution::Kind::normal) {
      const std::uint64_t pairs =
          (bits & 0x0000ffff0000ffffull) + (bits >> 16 & 0x0000ffff0000ffffull);
      const auto sum = static_cast<std::int32_t>((pairs & 0xffffffff) + (pairs >> 32));
      return shift_ + static_cast<double>(sum - 131070) * scale_;
    }
    if constexpr (kind == Distribution::Kind::uniform)
      return shift_ + random_uniform(bits) * scale_;
    return shift_ + static_cast<double>((bits >> 32) * range_ >> 32);
  }

  // Calls f(draw) with the distribution known at compile time.
  template <class F>
  void with(F f) const {
    using Kind = Distribution::Kind;
    switch (kind_) {
      case Kind::normal:
        return f([this](std::uint64_t i) { return draw<Kind::normal>(i); });
      case Kind::uniform:
        return f([this](std::uint64_t i) { return draw<Kind::uniform>(i); });
      case Kind::randint:
        return f([this](std::uint64_t i) { return draw<Kind::randint>(i); });
      case Kind::constant:
        return f([this](std::uint64_t i) { return draw<Kind::constant>(i); });
    }
  }

 private:
  Distribution::Kind kind_;
  std::uint64_t key_;
  double shift_;
  double scale_ = 0;
  std::uint64_t range_ = 1;
};

// An f32 whose draws stay in the float range: the plain cast rounds them to nearest.
bool fits_float(const Value& value) {
  const auto& d = value.distribution;
  return value.dtype == DType::f32 && std::fabs(d.a) < 1e30 && std::fabs(d.b) < 1e30;
}

}  // namespace

double input_element(const Value& value, std::uint64_t seed, std::int64_t index) {
  double drawn = 0;
  draw_input(value, seed, index, {&drawn, 1});
  return drawn;
}

void draw_input(const Value& value, std::uint64_t seed, std::int64_t first, std::span<double> out) {
  const auto start = static_cast<std::uint64_t>(first);
  Drawer(value, seed).with([&](auto draw) {
    if (fits_float(value)) {
      for (std::size_t k = 0; k < out.size(); ++k) out[k] = static_cast<float>(draw(start + k));
      return;
    }
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = round_to(value.dtype, draw(start + k));
  });
}

void fill_input(const Value& value, std::uint64_t seed, std::int64_t first,
                std::span<std::byte> out) {
  const auto size = static_cast<std::size_t>(bytes_of(value.dtype));
  MTMC_CHECK(out.size() % size == 0, "the room for inputs is no multiple of their size");
  const std::size_t count = out.size() / size;
  const auto start = static_cast<std::uint64_t>(first);
  Drawer(value, seed).with([&](auto draw) {
    if (fits_float(value)) {
      for (std::size_t k = 0; k < count; ++k) {
        const auto element = static_cast<float>(draw(start + k));
        std::memcpy(out.data() + 4 * k, &element, 4);
      }
      return;
    }
    // Little endian: the low bytes come first.
    const auto store = [&]<class Word>(Word) {
      for (std::size_t k = 0; k < count; ++k) {
        const auto word = static_cast<Word>(to_bits(value.dtype, draw(start + k)));
        std::memcpy(out.data() + sizeof(Word) * k, &word, sizeof(Word));
      }
    };
    if (size == 1)
      store(std::uint8_t{});
    else if (size == 2)
      store(std::uint16_t{});
    else if (size == 4)
      store(std::uint32_t{});
    else
      store(std::uint64_t{});
  });
}

}  // namespace mtmc::op
