// wgmma: each warp of a warpgroup computes its own 16 of the 64 rows when it issues the
// instruction. Operands in shared memory are gathered, core matrix by core matrix, into fragments
// as mma has them, and go through the same tiles.
//
// Addresses follow the canonical layouts of the PTX ISA ("Asynchronous Warpgroup Level Matrix
// Shared Memory Layout"), in units of 16 bytes, with W = 2, 4, 8 for 32, 64, 128-byte swizzle:
//   K-major   none: ((8,m),2):((1,SBO),LBO)        swizzled: ((8,m),2):((W,SBO),1)
//   MN-major  none: ((1,m),(8,2)):((-,SBO),(1,LBO)) swizzled: ((W,m),(8,2)):((1,LBO),(W,SBO))
// then bits 4 and up of the address are xored with bits 7 and up, as many as the swizzle has,
// counted from the start of the pattern: that is what the base offset says.
//
// Listeners hear of the operands as requests of 32 chunks of 16 bytes, a core matrix of 8 chunks
// being one phase over the banks. Assumed, not published: these phases, and that a warpgroup reads
// B once (its first warp is heard).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emulator/access.hpp"
#include "emulator/live_block.hpp"
#include "emulator/matrix.hpp"

namespace mtmc::emulator {
namespace {

struct Descriptor {
  uint32_t start, leading, stride;  // bytes
  uint32_t base_offset;
  uint32_t width;  // of the pattern in units of 16 bytes: 1, 2, 4, 8

  explicit Descriptor(uint64_t bits)
      : start(field(bits, 0)),
        leading(field(bits, 16)),
        stride(field(bits, 32)),
        base_offset(static_cast<uint32_t>(bits >> 49) & 7) {
    static constexpr uint32_t widths[4] = {1, 8, 4, 2};
    width = widths[bits >> 62];
  }

  // Row mn, 16-byte chunk along k.
  uint32_t k_major(uint32_t mn, uint32_t chunk) const {
    return swizzled(mn % 8 * width * 16 + mn / 8 * stride + chunk * (width == 1 ? leading : 16));
  }
  // 16-byte chunk along m or n, row k.
  uint32_t mn_major(uint32_t chunk, uint32_t k) const {
    if (width == 1) return swizzled(chunk * stride + k % 8 * 16 + k / 8 * leading);
    return swizzled(chunk % width * 16 + chunk / width * leading + k % 8 * width * 16 +
                    k / 8 * stride);
  }

 private:
  static uint32_t field(uint64_t bits, int at) {
    return static_cast<uint32_t>(bits >> at & 0x3fff) << 4;
  }
  uint32_t swizzled(uint32_t offset) const {
    const uint32_t address = start + offset;
    return address ^ ((((address >> 7) - base_offset) & (width - 1)) << 4);
  }
};

// The descriptor, which all lanes must agree on.
Descriptor descriptor_of(const Op& op, Warp& warp, int32_t offset) {
  const uint64_t* bits = lane_array<uint64_t>(warp, offset);
  for (int l = 1; l < lanes; ++l) {
    if (bits[l] != bits[0]) {
      raise(FaultKind::unsupported, op, static_cast<int>(warp.index * lanes) + l, 0,
            "a wgmma descriptor must be the same in all lanes");
    }
  }
  return Descriptor(bits[0]);
}

void fetch(const Op& op, const Warp& warp, uint32_t address, void* to) {
  if (warp.shared_bytes < 16 || address > warp.shared_bytes - 16) {
    raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes), address,
          fmt::format("wgmma reads 16 bytes at offset {} of {} bytes of shared memory", address,
                      warp.shared_bytes));
  }
  std::memcpy(to, warp.shared + address, 16);
}

// 8 rows (of A) or columns (of B) from first on, and both chunks along k: two fragment registers.
void gather_core(const Op& op, const Warp& warp, const Descriptor& from, bool transposed,
                 uint32_t first, Matrix8 to[2], uint32_t* address) {
  for (uint32_t chunk = 0; chunk < 2; ++chunk) {
    for (uint32_t i = 0; i < 8; ++i) {
      const uint32_t at =
          transposed ? from.mn_major(first / 8, chunk * 8 + i) : from.k_major(first + i, chunk);
      fetch(op, warp, at, to[chunk].row[i]);
      address[chunk * 8 + i] = at;
    }
    if (transposed) to[chunk] = transpose(to[chunk]);
  }
}

void leave(const Op&, Warp&, char*, const int64_t*, int) {}

void tell(const Op& op, Warp& warp, uint32_t site, const uint32_t* address, int count) {
  if (warp.sites[site].watch == nullptr) return;
  if (warp.sync_listener != nullptr) {  // the operands come through the asynchronous proxy
    for (int i = 0; i < count; ++i) {
      notify(warp, [&](Listener& l) { l.async_proxy_read(warp, op, *warp.place, address[i], 16); });
    }
  }
  Op request = op;
  request.site = site;
  request.extra[0] = request.extra[1] = reinterpret_cast<void*>(&leave);
  if (count == lanes) return shared_access<16, false, uint32_t>(request, warp, address);
  with_lanes(warp, (1u << count) - 1,
             [&] { shared_access<16, true, uint32_t>(request, warp, address); });
}

void run_warp_rows(const MatrixForm& form, const Op& op, Warp& warp) {
  const MatrixArithmetic arithmetic = warp.matrix_arithmetic;
  const MatrixUnit unit = matrix_unit(form, arithmetic);
  alignas(64) char a_room[most_operand_bytes];
  alignas(64) char b_room[most_operand_bytes / 2];
  const int32_t* const d = warp.list(op).data();
  const int per_tile = form.d_registers();
  const uint32_t rank = warp.index % 4;
  alignas(64) uint32_t address[lanes];

  Matrix8 rows[2][2];  // [half][chunk]
  static constexpr int32_t matrix = sizeof(Matrix8);
  static constexpr int32_t in_rows[4] = {0, 2 * matrix, matrix, 3 * matrix};
  static constexpr int32_t in_columns[2] = {0, matrix};
  MatrixOperand a{{warp.registers, d + form.column_tiles * per_tile}, a_room};
  if (form.has(MatrixForm::a_in_shared)) {
    const Descriptor from = descriptor_of(op, warp, op.a);
    for (uint32_t half = 0; half < 2; ++half) {
      gather_core(op, warp, from, form.has(MatrixForm::transpose_a), rank * 16 + half * 8,
                  rows[half], address + half * 16);
    }
    a.from = {reinterpret_cast<char*>(rows), in_rows};
    tell(op, warp, op.site, address, lanes);
  }
  unit.decode_a(form, a.from, a_room);

  const uint32_t scale = warp.predicates[op.c];
  if (scale != 0 && scale != all_lanes) {
    raise(FaultKind::unsupported, op, static_cast<int>(warp.index * lanes), 0,
          "scale-d of a wgmma must be the same in all lanes");
  }
  const Descriptor from = descriptor_of(op, warp, op.b);
  Matrix8 columns[2];
  const MatrixOperand b{{reinterpret_cast<char*>(columns), in_columns}, b_room};
  for (int j = 0; j < form.column_tiles; ++j) {
    gather_core(op, warp, from, form.has(MatrixForm::transpose_b), static_cast<uint32_t>(j) * 8,
                columns, address + j % 2 * 16);
    if (rank == 0 && (j % 2 == 1 || j + 1 == form.column_tiles)) {
      tell(op, warp, op.site + 1 + static_cast<uint32_t>(j) / 2, address, j % 2 * 16 + 16);
    }
    unit.decode_b(form, b.from, b_room);
    const Fragment sums{warp.registers, d + j * per_tile};
    multiply_tile(unit, form, arithmetic, a, b, scale != 0 ? sums : Fragment{}, sums);
  }
}

template <bool Masked>
void wgmma_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  if (warp.index / 4 * 4 + 4 > warp.home->warp_count) {
    raise(FaultKind::unsupported, op, static_cast<int>(warp.index * lanes), 0,
          fmt::format("wgmma needs a warpgroup of 4 warps, the block has {} warps",
                      warp.home->warp_count));
  }
  run_warp_rows(std::bit_cast<MatrixForm>(op.imm), op, warp);
}

template <bool Masked>
void fence_op(const Op& op, Warp& warp) {
  (void)whole_warp<Masked>(op, warp);
}

template <bool Masked>
void commit_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  warp.wgmma_groups += 1;
  notify(warp, [&](Listener& l) { l.wgmma_committed(warp); });
}

// A group is over when all four warps have issued what it has, so that one may speak for them.
template <bool Masked>
void wait_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  const uint64_t groups = warp.wgmma_groups - std::min<uint64_t>(op.imm, warp.wgmma_groups);
  if (!wgmma_groups_committed(warp, groups)) {
    warp.park = {Park::Reason::wgmma, 0, groups};
    return;
  }
  notify(warp, [&](Listener& l) { l.wgmma_waited(warp, static_cast<uint32_t>(op.imm)); });
}

}  // namespace

bool wgmma_groups_committed(const Warp& warp, uint64_t groups) {
  const uint32_t first = warp.index / 4 * 4;
  for (uint32_t w = first; w < std::min(first + 4, warp.home->warp_count); ++w) {
    const Warp& other = warp.home->warps[w];
    if (other.state != Warp::State::done && other.wgmma_groups < groups) return false;
  }
  return true;
}

std::array<Handler, 2> wgmma_handler() { return {wgmma_op<false>, wgmma_op<true>}; }

std::array<Handler, 2> wgmma_order_handler(WgmmaOrder order) {
  switch (order) {
    case WgmmaOrder::fence:
      return {fence_op<false>, fence_op<true>};
    case WgmmaOrder::commit:
      return {commit_op<false>, commit_op<true>};
    default:
      return {wait_op<false>, wait_op<true>};
  }
}

}  // namespace mtmc::emulator
