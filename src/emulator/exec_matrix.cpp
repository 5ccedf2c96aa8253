// ldmatrix, mma and cp.async. The fragments are laid out as the PTX ISA's figures of each shape
// say. mma accumulates in f32 with one fma per product, in order of k. Tensor cores sum several
// products at once with truncation, so their last bits differ: compare with a tolerance. cp.async
// is applied when it is issued, so a kernel that reads before it waits is not caught.
#include <fmt/format.h>

#include <cmath>

#include "emulator/access.hpp"
#include "emulator/lower.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

// .aligned instructions need the whole warp. False while other live lanes are still on their way.
template <bool Masked>
bool whole_warp(const Op& op, Warp& warp) {
  if constexpr (Masked) {
    if ((warp.live & ~warp.mask) != 0) {
      warp.waiting = true;
      warp.wait_members = all_lanes;
      return false;
    }
    raise(FaultKind::unsupported, op,
          static_cast<int>(warp.index * lanes) + __builtin_ctz(warp.mask), 0,
          fmt::format("a matrix instruction needs 32 lanes, {} are left",
                      __builtin_popcount(warp.mask)));
  }
  return true;
}

template <int Count, bool Transposed>
void take_rows(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const std::vector<int32_t>& list = warp.list(op);
  for (int i = 0; i < Count; ++i) {
    uint16_t element[8][8];
    for (int r = 0; r < 8; ++r) std::memcpy(element[r], base + offset[i * 8 + r], 16);
    uint32_t* d = lane_array<uint32_t>(warp, list[i]);
    for (int l = 0; l < lanes; ++l) {
      const int x = l / 4;
      const int y = l % 4 * 2;
      const uint32_t low = Transposed ? element[y][x] : element[x][y];
      const uint32_t high = Transposed ? element[y + 1][x] : element[x][y + 1];
      d[l] = low | high << 16;
    }
  }
}

template <int Count, bool Transposed, class Address, bool Masked>
void ldmatrix_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  alignas(64) uint32_t address[lanes];
  lane_addresses32<Address>(op, warp, address);
  Op access = op;
  access.extra[0] = access.extra[1] = reinterpret_cast<void*>(&take_rows<Count, Transposed>);
  if constexpr (Count == 4) {
    shared_access<16, false, uint32_t>(access, warp, address);
  } else {  // only the first lanes' addresses count
    with_lanes(warp, (1u << (Count * 8)) - 1,
               [&] { shared_access<16, true, uint32_t>(access, warp, address); });
  }
}

enum class MatrixType { f16, bf16, tf32 };

template <MatrixType T>
inline void widen(const uint32_t* a, float (*low)[lanes], float (*high)[lanes]) {
  for (int l = 0; l < lanes; ++l) {
    if constexpr (T == MatrixType::f16) {
      (*low)[l] = numeric::f16_to_f32(static_cast<uint16_t>(a[l]));
      (*high)[l] = numeric::f16_to_f32(static_cast<uint16_t>(a[l] >> 16));
    } else if constexpr (T == MatrixType::bf16) {
      (*low)[l] = numeric::f32_of(a[l] << 16);
      (*high)[l] = numeric::f32_of(a[l] & 0xffff0000u);
    } else {
      (*low)[l] = numeric::f32_of(a[l] & 0xffffe000u);
    }
  }
}

// m16n8k16 (f16, bf16) and m16n8k8 (tf32). List: d0-3, a0-3, b0-1, c0-3.
template <MatrixType T, bool Masked>
void mma_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  constexpr int depth = T == MatrixType::tf32 ? 8 : 16;
  constexpr int per_register = T == MatrixType::tf32 ? 1 : 2;
  const int32_t* list = warp.list(op).data();
  alignas(64) float a[16][depth];
  alignas(64) float b[depth][8];
  alignas(64) float sum[16][8];
  alignas(64) float part[2][lanes];
  for (int i = 0; i < 4; ++i) {  // odd registers: rows 8 to 15; the last two: upper half of k
    widen<T>(lane_array<uint32_t>(warp, list[4 + i]), &part[0], &part[1]);
    for (int l = 0; l < lanes; ++l) {
      const int row = l / 4 + (i & 1) * 8;
      const int k = (l % 4) * per_register + (i >> 1) * (depth / 2);
      for (int h = 0; h < per_register; ++h) a[row][k + h] = part[h][l];
    }
  }
  for (int i = 0; i < 2; ++i) {
    widen<T>(lane_array<uint32_t>(warp, list[8 + i]), &part[0], &part[1]);
    for (int l = 0; l < lanes; ++l) {
      const int k = (l % 4) * per_register + i * (depth / 2);
      for (int h = 0; h < per_register; ++h) b[k + h][l / 4] = part[h][l];
    }
  }
  for (int i = 0; i < 4; ++i) {
    const float* c = lane_array<float>(warp, list[10 + i]);
    for (int l = 0; l < lanes; ++l) sum[l / 4 + (i >> 1) * 8][l % 4 * 2 + (i & 1)] = c[l];
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < depth; ++k) {
      const float x = a[row][k];
      for (int n = 0; n < 8; ++n) sum[row][n] = std::fma(x, b[k][n], sum[row][n]);
    }
  }
  for (int i = 0; i < 4; ++i) {
    float* d = lane_array<float>(warp, list[i]);
    for (int l = 0; l < lanes; ++l) {
      d[l] = numeric::canonical(sum[l / 4 + (i >> 1) * 8][l % 4 * 2 + (i & 1)]);
    }
  }
}

// The copy's bytes pass through a staging area of 16 bytes per lane, which Op::imm points to.
template <int Bytes>
void fetch(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  char* staging = reinterpret_cast<char*>(op.imm);
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    std::memcpy(staging + l * 16, base + offset[l], Bytes);
  }
}
template <int Bytes>
void put(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const char* staging = reinterpret_cast<const char*>(op.imm);
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    std::memcpy(base + offset[l], staging + l * 16, Bytes);
  }
}

// With a source size, only that many bytes come from global memory and the rest is zero; a lane
// whose size is 0 reads nothing. The bounds check covers the whole copy of a lane that reads.
template <int Bytes, bool Sized, bool Masked>
void cp_async_op(const Op& op, Warp& warp) {
  alignas(64) uint64_t from[lanes];
  alignas(64) uint32_t to[lanes];
  alignas(64) char staging[lanes * 16];
  lane_addresses(op, warp, from);
  const uint32_t* b = lane_array<uint32_t>(warp, op.b);
  const auto shift = static_cast<uint32_t>(warp.list(op)[0]);
  MTMC_LANES to[l] = b[l] + shift;
  Op read = op;
  read.imm = reinterpret_cast<uint64_t>(&staging[0]);
  read.extra[0] = read.extra[1] = reinterpret_cast<void*>(&fetch<Bytes>);
  if constexpr (Sized) {
    const uint32_t* size = lane_array<uint32_t>(warp, op.c);
    uint32_t readers = 0;
    for (int l = 0; l < lanes; ++l) readers |= static_cast<uint32_t>(size[l] != 0) << l;
    readers &= warp.mask;
    std::memset(staging, 0, sizeof(staging));
    if (readers != 0) {
      with_lanes(warp, readers,
                 [&] { global_access<Bytes, true>(read, warp, from, 0, SiteRole::global_load); });
    }
    for (uint32_t m = readers; m != 0; m &= m - 1) {
      const int l = __builtin_ctz(m);
      if (size[l] < Bytes) std::memset(staging + l * 16 + size[l], 0, Bytes - size[l]);
    }
  } else {
    global_access<Bytes, Masked>(read, warp, from, 0, SiteRole::global_load);
  }
  Op write = read;
  write.site = op.site + 1;
  write.extra[0] = write.extra[1] = reinterpret_cast<void*>(&put<Bytes>);
  shared_access<Bytes, Masked, uint32_t>(write, warp, to);
}

template <int Count, bool Transposed>
std::array<Handler, 2> ldmatrix_by_address(bool address64) {
  if (address64) {
    return {ldmatrix_op<Count, Transposed, uint64_t, false>,
            ldmatrix_op<Count, Transposed, uint64_t, true>};
  }
  return {ldmatrix_op<Count, Transposed, uint32_t, false>,
          ldmatrix_op<Count, Transposed, uint32_t, true>};
}

template <int Bytes>
std::array<Handler, 2> cp_async_by_size(bool sized) {
  if (sized) return {cp_async_op<Bytes, true, false>, cp_async_op<Bytes, true, true>};
  return {cp_async_op<Bytes, false, false>, cp_async_op<Bytes, false, true>};
}

}  // namespace

std::array<Handler, 2> ldmatrix_handler(int count, bool transposed, bool address64) {
  switch (count) {
    case 1:
      return transposed ? ldmatrix_by_address<1, true>(address64)
                        : ldmatrix_by_address<1, false>(address64);
    case 2:
      return transposed ? ldmatrix_by_address<2, true>(address64)
                        : ldmatrix_by_address<2, false>(address64);
    case 4:
      return transposed ? ldmatrix_by_address<4, true>(address64)
                        : ldmatrix_by_address<4, false>(address64);
    default:
      return {nullptr, nullptr};
  }
}

std::array<Handler, 2> mma_handler(std::string_view opcode) {
  if (opcode == "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32") {
    return {mma_op<MatrixType::f16, false>, mma_op<MatrixType::f16, true>};
  }
  if (opcode == "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32") {
    return {mma_op<MatrixType::bf16, false>, mma_op<MatrixType::bf16, true>};
  }
  if (opcode == "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32") {
    return {mma_op<MatrixType::tf32, false>, mma_op<MatrixType::tf32, true>};
  }
  return {nullptr, nullptr};
}

std::array<Handler, 2> cp_async_handler(int bytes, bool sized) {
  switch (bytes) {
    case 4:
      return cp_async_by_size<4>(sized);
    case 8:
      return cp_async_by_size<8>(sized);
    case 16:
      return cp_async_by_size<16>(sized);
    default:
      return {nullptr, nullptr};
  }
}

}  // namespace mtmc::emulator
