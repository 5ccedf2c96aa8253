// Loads and stores: the data side (movers) and the table of address handlers. Mapping a PTX access
// to C++ types: a mover reads memory type T into register type R (sign or zero extending) or stores
// the low bytes of R. Weak, volatile and cached accesses behave alike: execution is sequentially
// consistent.
#include <immintrin.h>

#include "emulator/access.hpp"
#include "emulator/vector_rows.hpp"

namespace mtmc::emulator {
namespace {

// 16 bytes per lane between memory and four registers: 4x4 transposes.
#ifdef __AVX2__
inline __m256 pair(const char* low, const char* high) {
  const __m128 l = _mm_loadu_ps(reinterpret_cast<const float*>(low));
  const __m128 h = _mm_loadu_ps(reinterpret_cast<const float*>(high));
  return _mm256_insertf128_ps(_mm256_castps128_ps256(l), h, 1);
}
inline void transpose_4x4(__m256& a, __m256& b, __m256& c, __m256& d) {  // in each half
  const __m256 ab_low = _mm256_unpacklo_ps(a, b), ab_high = _mm256_unpackhi_ps(a, b);
  const __m256 cd_low = _mm256_unpacklo_ps(c, d), cd_high = _mm256_unpackhi_ps(c, d);
  a = _mm256_shuffle_ps(ab_low, cd_low, 0x44);
  b = _mm256_shuffle_ps(ab_low, cd_low, 0xee);
  c = _mm256_shuffle_ps(ab_high, cd_high, 0x44);
  d = _mm256_shuffle_ps(ab_high, cd_high, 0xee);
}
inline void load_half_16(const char* base, const int64_t* offset, float* const* d, int first,
                         int copies) {
  for (int g = first; g < first + 16; g += 8) {
    __m256 a = pair(base + offset[g], base + offset[g + 4]);
    __m256 b = pair(base + offset[g + 1], base + offset[g + 5]);
    __m256 c = pair(base + offset[g + 2], base + offset[g + 6]);
    __m256 e = pair(base + offset[g + 3], base + offset[g + 7]);
    transpose_4x4(a, b, c, e);
    for (int copy = 0; copy < copies; ++copy) {
      _mm256_store_ps(d[0] + g + copy * 16, a);
      _mm256_store_ps(d[1] + g + copy * 16, b);
      _mm256_store_ps(d[2] + g + copy * 16, c);
      _mm256_store_ps(d[3] + g + copy * 16, e);
    }
  }
}
inline void load_16(const char* base, const int64_t* offset, float* const* d, int kind) {
  if (kind == uniform || kind == uniform_halves) {
    for (int half = 0; half < 32; half += 16) {
      const auto* p = reinterpret_cast<const float*>(base + offset[half]);
      for (int i = 0; i < 4; ++i) {
        const __m256 v = _mm256_broadcast_ss(p + i);
        _mm256_store_ps(d[i] + half, v);
        _mm256_store_ps(d[i] + half + 8, v);
      }
    }
  } else if (kind == repeated_half || kind == repeated_run) {
    load_half_16(base, offset, d, 0, 2);
  } else {
    load_half_16(base, offset, d, 0, 1);
    load_half_16(base, offset, d, 16, 1);
  }
}
inline void store_16(char* base, const int64_t* offset, const float* const* d) {
  for (int g = 0; g < lanes; g += 8) {
    __m256 a = _mm256_load_ps(d[0] + g), b = _mm256_load_ps(d[1] + g);
    __m256 c = _mm256_load_ps(d[2] + g), e = _mm256_load_ps(d[3] + g);
    transpose_4x4(a, b, c, e);
    const auto put = [&](int l, __m256 v) {  // in lane order: of lanes that overlap the last wins
      _mm_storeu_ps(reinterpret_cast<float*>(base + offset[g + l]), _mm256_castps256_ps128(v));
    };
    const auto put_high = [&](int l, __m256 v) {
      _mm_storeu_ps(reinterpret_cast<float*>(base + offset[g + l]), _mm256_extractf128_ps(v, 1));
    };
    put(0, a), put(1, b), put(2, c), put(3, e);
    put_high(4, a), put_high(5, b), put_high(6, c), put_high(7, e);
  }
}
#else
inline void load_16(const char* base, const int64_t* offset, float* const* d, int) {
  for (int l = 0; l < lanes; ++l) {
    float v[4];
    std::memcpy(v, base + offset[l], 16);
    for (int i = 0; i < 4; ++i) d[i][l] = v[i];
  }
}
inline void store_16(char* base, const int64_t* offset, const float* const* d) {
  for (int l = 0; l < lanes; ++l) {
    const float v[4] = {d[0][l], d[1][l], d[2][l], d[3][l]};
    std::memcpy(base + offset[l], v, 16);
  }
}
#endif

template <class T>
inline T peek(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}
template <class T>
inline void poke(char* p, T value) {
  std::memcpy(p, &value, sizeof(T));
}

template <class T, class R, bool Masked>
void load_one(const Op& op, Warp& warp, char* base, const int64_t* offset, int kind) {
  R* d = lane_array<R>(warp, op.d);
  if constexpr (!Masked) {
    if (kind == contiguous) {
      const char* p = base + offset[0];
      MTMC_LANES d[l] = static_cast<R>(peek<T>(p + l * sizeof(T)));
      return;
    }
    if (kind == uniform) {
      const R value = static_cast<R>(peek<T>(base + offset[0]));
      MTMC_LANES d[l] = value;
      return;
    }
    for (int l = 0; l < lanes; ++l) d[l] = static_cast<R>(peek<T>(base + offset[l]));
  } else {
    for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
      const int l = __builtin_ctz(m);
      d[l] = static_cast<R>(peek<T>(base + offset[l]));
    }
  }
}

template <class T, class R, bool Masked>
void store_one(const Op& op, Warp& warp, char* base, const int64_t* offset, int kind) {
  const R* d = lane_array<R>(warp, op.d);
  if constexpr (!Masked) {
    if (kind == contiguous) {
      char* p = base + offset[0];
      MTMC_LANES poke<T>(p + l * sizeof(T), static_cast<T>(d[l]));
      return;
    }
    for (int l = 0; l < lanes; ++l) poke<T>(base + offset[l], static_cast<T>(d[l]));
  } else {
    for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
      const int l = __builtin_ctz(m);
      poke<T>(base + offset[l], static_cast<T>(d[l]));
    }
  }
}

template <class T, class R, int Count, bool Masked>
void load_vector(const Op& op, Warp& warp, char* base, const int64_t* offset, int kind) {
  const int32_t* list = warp.list(op).data();
  if constexpr (!Masked && Count == 4 && sizeof(T) == 4 && sizeof(R) == 4) {
    if (list[0] >= 0 && list[1] >= 0 && list[2] >= 0 && list[3] >= 0) {
      float* const d[4] = {lane_array<float>(warp, list[0]), lane_array<float>(warp, list[1]),
                           lane_array<float>(warp, list[2]), lane_array<float>(warp, list[3])};
      return load_16(base, offset, d, kind);
    }
  }
  if (!Masked && kind == contiguous) {
    for (int i = 0; i < Count; ++i) {
      if (list[i] < 0) continue;
      R* d = lane_array<R>(warp, list[i]);
      const char* p = base + i * sizeof(T);
      MTMC_LANES d[l] = static_cast<R>(peek<T>(p + l * (Count * sizeof(T))));
    }
    return;
  }
  for (int i = 0; i < Count; ++i) {
    if (list[i] < 0) continue;  // "_"
    R* d = lane_array<R>(warp, list[i]);
    for (uint32_t m = Masked ? warp.mask : all_lanes; m != 0; m &= m - 1) {
      const int l = __builtin_ctz(m);
      d[l] = static_cast<R>(peek<T>(base + offset[l] + i * sizeof(T)));
    }
  }
}

template <class T, class R, int Count, bool Masked>
void store_vector(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const int32_t* list = warp.list(op).data();
  if constexpr (!Masked && Count == 4 && sizeof(T) == 4 && sizeof(R) == 4) {
    const float* const d[4] = {lane_array<float>(warp, list[0]), lane_array<float>(warp, list[1]),
                               lane_array<float>(warp, list[2]), lane_array<float>(warp, list[3])};
    store_16(base, offset, d);
  } else {
    // Lane by lane: when lanes overlap, the last one wins whole.
    for (uint32_t m = Masked ? warp.mask : all_lanes; m != 0; m &= m - 1) {
      const int l = __builtin_ctz(m);
      for (int i = 0; i < Count; ++i) {
        poke<T>(base + offset[l] + i * sizeof(T), static_cast<T>(lane_array<R>(warp, list[i])[l]));
      }
    }
  }
}

template <class T, class R, int Count>
std::array<Mover, 2> movers(bool store) {
  if constexpr (Count == 1) {
    if (store) return {store_one<T, R, false>, store_one<T, R, true>};
    return {load_one<T, R, false>, load_one<T, R, true>};
  } else {
    if (store) return {store_vector<T, R, Count, false>, store_vector<T, R, Count, true>};
    return {load_vector<T, R, Count, false>, load_vector<T, R, Count, true>};
  }
}

template <class T, class R>
std::array<Mover, 2> by_count(int count, bool store) {
  switch (count) {
    case 1:
      return movers<T, R, 1>(store);
    case 2:
      return movers<T, R, 2>(store);
    case 4:
      return movers<T, R, 4>(store);
    case 8:
      return movers<T, R, 8>(store);
    default:
      return {nullptr, nullptr};
  }
}

template <class T>
std::array<Mover, 2> by_register(int bits, int count, bool store) {
  if (bits == 16 && sizeof(T) <= 2) {
    return by_count<T, std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>>(count, store);
  }
  if (bits == 32 && sizeof(T) <= 4) {
    return by_count<T, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>(count, store);
  }
  if (bits == 64 && sizeof(T) <= 8) {
    return by_count<T, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(count, store);
  }
  return {nullptr, nullptr};
}

template <Target Where, SiteRole Role>
std::array<Handler, 2> by_bytes(uint32_t bytes) {
  switch (bytes) {
    case 1:
      return {memory_handler<Where, Role, 1, false>, memory_handler<Where, Role, 1, true>};
    case 2:
      return {memory_handler<Where, Role, 2, false>, memory_handler<Where, Role, 2, true>};
    case 4:
      return {memory_handler<Where, Role, 4, false>, memory_handler<Where, Role, 4, true>};
    case 8:
      return {memory_handler<Where, Role, 8, false>, memory_handler<Where, Role, 8, true>};
    case 16:
      return {memory_handler<Where, Role, 16, false>, memory_handler<Where, Role, 16, true>};
    case 32:
      return {memory_handler<Where, Role, 32, false>, memory_handler<Where, Role, 32, true>};
    default:
      return {nullptr, nullptr};
  }
}

}  // namespace

std::array<Mover, 2> find_mover(std::string_view type, int bits, int count, bool store) {
  const auto usual = [&](std::array<Mover, 2> movers) {
    const Mover fast = count == 1 ? rows_of_cpu().load_32 : rows_of_cpu().load_4x32;
    if (!store && bits == 32 && (count == 1 || count == 4) && fast != nullptr) movers[0] = fast;
    return movers;
  };
  if (type == "s8") return by_register<int8_t>(bits, count, store);
  if (type == "u8" || type == "b8") return by_register<uint8_t>(bits, count, store);
  if (type == "s16") return by_register<int16_t>(bits, count, store);
  if (type == "u16" || type == "b16" || type == "f16" || type == "bf16") {
    return by_register<uint16_t>(bits, count, store);
  }
  if (type == "s32") return usual(by_register<int32_t>(bits, count, store));
  if (type == "u32" || type == "b32" || type == "f32") {
    return usual(by_register<uint32_t>(bits, count, store));
  }
  if (type == "u64" || type == "s64" || type == "b64" || type == "f64") {
    return by_register<uint64_t>(bits, count, store);
  }
  if (type == "b128" && bits == 128) {
    using T = unsigned __int128;
    if (count == 1) return movers<T, T, 1>(store);
    if (count == 2) return movers<T, T, 2>(store);
  }
  return {nullptr, nullptr};
}

std::array<Handler, 2> memory_handlers(const MemoryForm& form) {
  const bool store = form.role == SiteRole::global_store || form.role == SiteRole::shared_store;
  const bool atomic = form.role == SiteRole::global_atomic || form.role == SiteRole::shared_atomic;
  switch (form.where) {
    case Target::global:
      return atomic  ? by_bytes<Target::global, SiteRole::global_atomic>(form.bytes)
             : store ? by_bytes<Target::global, SiteRole::global_store>(form.bytes)
                     : by_bytes<Target::global, SiteRole::global_load>(form.bytes);
    case Target::generic:
      return atomic  ? by_bytes<Target::generic, SiteRole::global_atomic>(form.bytes)
             : store ? by_bytes<Target::generic, SiteRole::global_store>(form.bytes)
                     : by_bytes<Target::generic, SiteRole::global_load>(form.bytes);
    case Target::shared32:
      return by_bytes<Target::shared32, SiteRole::shared_load>(form.bytes);
    case Target::shared64:
      return by_bytes<Target::shared64, SiteRole::shared_load>(form.bytes);
    case Target::cluster32:
      return by_bytes<Target::cluster32, SiteRole::shared_load>(form.bytes);
    case Target::cluster64:
      return by_bytes<Target::cluster64, SiteRole::shared_load>(form.bytes);
    case Target::local32:
      return by_bytes<Target::local32, SiteRole::local>(form.bytes);
    case Target::local64:
      return by_bytes<Target::local64, SiteRole::local>(form.bytes);
  }
  return {nullptr, nullptr};
}

}  // namespace mtmc::emulator
