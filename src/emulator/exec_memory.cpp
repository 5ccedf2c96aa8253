// Loads and stores: the data side (movers) and the table of address handlers. Mapping a PTX access
// to C++ types: a mover reads memory type T into register type R (sign or zero extending) or stores
// the low bytes of R. Weak, volatile and cached accesses behave alike: execution is sequentially
// consistent.
#include <immintrin.h>

#include "emulator/access.hpp"

namespace mtmc::emulator {
namespace {

// 16 bytes per lane between memory and four registers: 4x4 transposes.
inline void load_16(const char* base, const uint64_t* offset, float* d0, float* d1, float* d2,
                    float* d3) {
  for (int g = 0; g < lanes; g += 4) {
    __m128 a = _mm_loadu_ps(reinterpret_cast<const float*>(base + offset[g]));
    __m128 b = _mm_loadu_ps(reinterpret_cast<const float*>(base + offset[g + 1]));
    __m128 c = _mm_loadu_ps(reinterpret_cast<const float*>(base + offset[g + 2]));
    __m128 d = _mm_loadu_ps(reinterpret_cast<const float*>(base + offset[g + 3]));
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_store_ps(d0 + g, a);
    _mm_store_ps(d1 + g, b);
    _mm_store_ps(d2 + g, c);
    _mm_store_ps(d3 + g, d);
  }
}

inline void store_16(char* base, const uint64_t* offset, const float* d0, const float* d1,
                     const float* d2, const float* d3) {
  for (int g = 0; g < lanes; g += 4) {
    __m128 a = _mm_load_ps(d0 + g);
    __m128 b = _mm_load_ps(d1 + g);
    __m128 c = _mm_load_ps(d2 + g);
    __m128 d = _mm_load_ps(d3 + g);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(reinterpret_cast<float*>(base + offset[g]), a);
    _mm_storeu_ps(reinterpret_cast<float*>(base + offset[g + 1]), b);
    _mm_storeu_ps(reinterpret_cast<float*>(base + offset[g + 2]), c);
    _mm_storeu_ps(reinterpret_cast<float*>(base + offset[g + 3]), d);
  }
}

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
void load_one(const Op& op, Warp& warp, char* base, const uint64_t* offset, int kind) {
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
void store_one(const Op& op, Warp& warp, char* base, const uint64_t* offset, int kind) {
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
void load_vector(const Op& op, Warp& warp, char* base, const uint64_t* offset, int) {
  const int32_t* list = warp.list(op).data();
  if constexpr (!Masked && Count == 4 && sizeof(T) == 4 && sizeof(R) == 4) {
    if (list[0] >= 0 && list[1] >= 0 && list[2] >= 0 && list[3] >= 0) {
      load_16(base, offset, lane_array<float>(warp, list[0]), lane_array<float>(warp, list[1]),
              lane_array<float>(warp, list[2]), lane_array<float>(warp, list[3]));
      return;
    }
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
void store_vector(const Op& op, Warp& warp, char* base, const uint64_t* offset, int) {
  const int32_t* list = warp.list(op).data();
  if constexpr (!Masked && Count == 4 && sizeof(T) == 4 && sizeof(R) == 4) {
    store_16(base, offset, lane_array<float>(warp, list[0]), lane_array<float>(warp, list[1]),
             lane_array<float>(warp, list[2]), lane_array<float>(warp, list[3]));
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
  if (bits == 64) {
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
  if (type == "s8") return by_register<int8_t>(bits, count, store);
  if (type == "u8" || type == "b8") return by_register<uint8_t>(bits, count, store);
  if (type == "s16") return by_register<int16_t>(bits, count, store);
  if (type == "u16" || type == "b16" || type == "f16" || type == "bf16") {
    return by_register<uint16_t>(bits, count, store);
  }
  if (type == "s32") return by_register<int32_t>(bits, count, store);
  if (type == "u32" || type == "b32" || type == "f32") {
    return by_register<uint32_t>(bits, count, store);
  }
  if (type == "u64" || type == "s64" || type == "b64" || type == "f64") {
    return by_register<uint64_t>(bits, count, store);
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
    case Target::local32:
      return by_bytes<Target::local32, SiteRole::local>(form.bytes);
    case Target::local64:
      return by_bytes<Target::local64, SiteRole::local>(form.bytes);
  }
  return {nullptr, nullptr};
}

void replan(AccessPlan& plan, uint32_t bytes) {
  uint32_t not_contiguous = 0;
  uint32_t not_uniform = 0;
  for (int l = 0; l < lanes; ++l) {
    not_contiguous |= plan.relative[l] ^ (static_cast<uint32_t>(l) * bytes);
    not_uniform |= plan.relative[l];
  }
  plan.kind = gather;
  if (plan.mask == all_lanes) {
    plan.kind = not_contiguous == 0 ? contiguous : not_uniform == 0 ? uniform : gather;
  }
  plan.generation += 1;
}

}  // namespace mtmc::emulator
