// ldmatrix, stmatrix and movmatrix: 8 x 8 matrices of 16-bit elements between rows of 16 bytes and
// fragments. A fragment register is the matrix row by row over the lanes, so plain moves are 8
// copies; .trans transposes on the way. Each matrix is one phase over the banks, as the site's plan
// counts requests of 16 bytes per lane.
#include <fmt/format.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <cstring>

#include "emulator/access.hpp"
#include "emulator/matrix.hpp"

namespace mtmc::emulator {
namespace {

// row(i) points to 16 bytes; column j goes to `to` + 16 j.
template <class Row>
inline void transpose_rows(Row row, char* to) {
#ifdef __SSE2__
  __m128i r[8], t[8], u[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row(i)));
  for (int p = 0; p < 4; ++p) {
    t[2 * p] = _mm_unpacklo_epi16(r[2 * p], r[2 * p + 1]);
    t[2 * p + 1] = _mm_unpackhi_epi16(r[2 * p], r[2 * p + 1]);
  }
  for (int q = 0; q < 2; ++q) {
    u[4 * q] = _mm_unpacklo_epi32(t[4 * q], t[4 * q + 2]);
    u[4 * q + 1] = _mm_unpackhi_epi32(t[4 * q], t[4 * q + 2]);
    u[4 * q + 2] = _mm_unpacklo_epi32(t[4 * q + 1], t[4 * q + 3]);
    u[4 * q + 3] = _mm_unpackhi_epi32(t[4 * q + 1], t[4 * q + 3]);
  }
  auto* out = reinterpret_cast<__m128i*>(to);
  for (int p = 0; p < 4; ++p) {
    _mm_storeu_si128(out + 2 * p, _mm_unpacklo_epi64(u[p], u[p + 4]));
    _mm_storeu_si128(out + 2 * p + 1, _mm_unpackhi_epi64(u[p], u[p + 4]));
  }
#else
  uint16_t m[8][8], turned[8][8];
  for (int i = 0; i < 8; ++i) std::memcpy(m[i], row(i), 16);
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) turned[i][j] = m[j][i];
  }
  std::memcpy(to, turned, sizeof(turned));
#endif
}

}  // namespace

Matrix8 transpose(const Matrix8& m) {
  Matrix8 result;
  transpose_rows([&](int i) { return m.row[i]; }, reinterpret_cast<char*>(result.row));
  return result;
}

namespace {

template <int Count, bool Transposed>
void take_rows(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const int32_t* list = warp.list(op).data();
  for (int i = 0; i < Count; ++i) {
    char* d = lane_array<char>(warp, list[i]);
    const auto row = [&](int r) { return base + offset[i * 8 + r]; };
    if constexpr (Transposed) {
      transpose_rows(row, d);
    } else {
      for (int r = 0; r < 8; ++r) std::memcpy(d + r * 16, row(r), 16);
    }
  }
}

template <int Count, bool Transposed>
void put_rows(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  const int32_t* list = warp.list(op).data();
  for (int i = 0; i < Count; ++i) {
    Matrix8 m;
    std::memcpy(m.row, lane_array<char>(warp, list[i]), sizeof(m));
    if constexpr (Transposed) m = transpose(m);
    for (int r = 0; r < 8; ++r) std::memcpy(base + offset[i * 8 + r], m.row[r], 16);
  }
}

// The rows' addresses come from the first Count * 8 lanes.
template <int Count, class Address>
void access_rows(const Op& op, Warp& warp, const Address* address, Address shift) {
  if constexpr (Count == 4) {
    shared_access<16, false, Address>(op, warp, address, shift);
  } else {
    with_lanes(warp, (1u << (Count * 8)) - 1,
               [&] { shared_access<16, true, Address>(op, warp, address, shift); });
  }
}

// AddressBits: 32 or 64 for an address in the shared window, 0 for a generic one.
template <int Count, int AddressBits, bool Masked>
void move_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  if constexpr (AddressBits == 32) {
    access_rows<Count, uint32_t>(op, warp, lane_array<uint32_t>(warp, op.a),
                                 static_cast<uint32_t>(op.imm));
  } else if constexpr (AddressBits == 64) {
    access_rows<Count, uint64_t>(op, warp, lane_array<uint64_t>(warp, op.a), op.imm);
  } else {
    alignas(64) uint64_t address[lanes];
    lane_addresses(op, warp, address);
    for (int l = 0; l < lanes; ++l) {
      const uint64_t offset = address[l] - shared_window;
      if (l < Count * 8 && offset >= window_bytes) {
        raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes) + l, address[l],
              fmt::format("a matrix row at generic address 0x{:x}, which is not in shared memory",
                          address[l]));
      }
      address[l] = offset;
    }
    access_rows<Count, uint64_t>(op, warp, address, 0);
  }
}

template <bool Masked>
void movmatrix_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  Matrix8 m;
  std::memcpy(m.row, lane_array<char>(warp, op.a), sizeof(m));
  m = transpose(m);
  std::memcpy(lane_array<char>(warp, op.d), m.row, sizeof(m));
}

template <int Count>
std::array<Handler, 2> handler_of_count(int address_bits) {
  switch (address_bits) {
    case 32:
      return {move_op<Count, 32, false>, move_op<Count, 32, true>};
    case 64:
      return {move_op<Count, 64, false>, move_op<Count, 64, true>};
    default:
      return {move_op<Count, 0, false>, move_op<Count, 0, true>};
  }
}

template <int Count>
Mover mover_of_count(MatrixMove direction, bool transposed) {
  if (direction == MatrixMove::load) {
    return transposed ? take_rows<Count, true> : take_rows<Count, false>;
  }
  return transposed ? put_rows<Count, true> : put_rows<Count, false>;
}

}  // namespace

std::array<Handler, 2> matrix_move_handler(int count, int address_bits) {
  return count == 1   ? handler_of_count<1>(address_bits)
         : count == 2 ? handler_of_count<2>(address_bits)
                      : handler_of_count<4>(address_bits);
}

Mover matrix_mover(MatrixMove direction, int count, bool transposed) {
  return count == 1   ? mover_of_count<1>(direction, transposed)
         : count == 2 ? mover_of_count<2>(direction, transposed)
                      : mover_of_count<4>(direction, transposed);
}

std::array<Handler, 2> movmatrix_handler() { return {movmatrix_op<false>, movmatrix_op<true>}; }

}  // namespace mtmc::emulator
