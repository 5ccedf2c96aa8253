// wmma.load and wmma.store: fragments, laid out as matrix.hpp says, between registers and memory.
// Each register is one access of all lanes when its elements are neighbours in memory, else one
// access per element; which accesses the hardware makes is not published, so sectors and
// wavefronts are those of this order.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emulator/access.hpp"
#include "emulator/matrix.hpp"

namespace mtmc::emulator {

WmmaFragment wmma_fragment(const MatrixForm& form, char matrix, bool column_major) {
  WmmaFragment f{};
  f.matrix = static_cast<uint8_t>((matrix == 'a'   ? 0
                                   : matrix == 'b' ? 1
                                                   : 2) |
                                  (column_major ? 4 : 0));
  f.tile_rows = static_cast<uint8_t>(form.tile_rows());
  f.column_tiles = form.column_tiles;
  int tiles = 0;
  if (f.kind() == 2) {
    f.element_bits = static_cast<uint8_t>(accumulator_bits(form.d));
    f.register_bits = form.d == Accumulator::f64 ? 64 : 32;
    f.per_tile = static_cast<uint8_t>(form.d_registers());
    tiles = form.row_tiles() * form.column_tiles;
  } else {
    f.element_bits = static_cast<uint8_t>(element_bits(form.a));
    f.register_bits = static_cast<uint8_t>(register_bits_of(form.a));
    f.per_tile = static_cast<uint8_t>(f.kind() == 0 ? form.a_registers() : form.b_registers());
    tiles = f.kind() == 0 ? form.row_tiles() : form.column_tiles;
  }
  f.held = static_cast<uint8_t>(tiles * f.per_tile);
  f.declared = f.kind() != 2 && form.a == Element::f16 ? 8 : f.held;
  return f;
}

namespace {

struct Place {
  int row, column;
};

// Where the first element of a register, or the one at index element, is in its matrix.
Place place_of(const WmmaFragment& f, int reg, int lane, int element) {
  const int g = lane / 4;
  const int t = lane % 4;
  const int tile = reg / f.per_tile;
  const int i = reg % f.per_tile;
  const int e = f.elements();
  switch (f.kind()) {
    case 0: {
      const int halves = f.tile_rows / 8;
      return {tile * 16 + i % halves * 8 + g, i / halves * 4 * e + t * e + element};
    }
    case 1:
      return {i * 4 * e + t * e + element, tile * 8 + g};
    default: {
      const int row = tile / f.column_tiles * 16 + g;
      const int column = tile % f.column_tiles * 8 + 2 * t;
      if (e == 2) return {row + i * 8, column + element};
      return {row + i / 2 * 8, column + i % 2};
    }
  }
}

// Op::d is the register, Op::c the byte in it, Op::e its width in bytes.
template <bool Store, int Bytes>
void move_piece(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  char* reg = warp.registers + op.d + op.c;
  for (int l = 0; l < lanes; ++l) {
    if ((warp.mask >> l & 1) == 0) continue;  // generic addresses go in parts
    if constexpr (Store) {
      std::memcpy(base + offset[l], reg + l * op.e, Bytes);
    } else {
      std::memcpy(reg + l * op.e, base + offset[l], Bytes);
    }
  }
}

template <bool Store, uint32_t Bytes>
void access(const Op& op, Warp& warp, WmmaSpace space, const uint64_t* address) {
  const SiteRole role = Store ? SiteRole::global_store : SiteRole::global_load;
  switch (space) {
    case WmmaSpace::generic:
      return generic_access<Bytes, false>(op, warp, address, role);
    case WmmaSpace::global:
      return global_access<Bytes, false>(op, warp, address, 0, role);
    default:
      return shared_access<Bytes, false, uint64_t>(op, warp, address);
  }
}

template <bool Store>
void access_bytes(const Op& op, Warp& warp, WmmaSpace space, const uint64_t* address, int bytes) {
  switch (bytes) {
    case 1:
      return access<Store, 1>(op, warp, space, address);
    case 2:
      return access<Store, 2>(op, warp, space, address);
    case 4:
      return access<Store, 4>(op, warp, space, address);
    default:
      return access<Store, 8>(op, warp, space, address);
  }
}

template <bool Store, bool Masked>
void wmma_move_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  const auto f = std::bit_cast<WmmaFragment>(op.imm);
  const int32_t* list = warp.list(op).data();
  const auto space = static_cast<WmmaSpace>(list[1]);
  const uint32_t* strides = lane_array<uint32_t>(warp, op.b);
  uint64_t base[lanes];
  for (int l = 0; l < lanes; ++l) {
    base[l] = space == WmmaSpace::shared32
                  ? lane_array<uint32_t>(warp, op.a)[l] + static_cast<uint32_t>(list[0])
                  : lane_array<uint64_t>(warp, op.a)[l] + static_cast<uint64_t>(int64_t{list[0]});
    if (base[l] != base[0] || strides[l] != strides[0]) {
      raise(FaultKind::unsupported, op, static_cast<int>(warp.index * lanes) + l, base[l],
            "the address and the stride of a wmma access must be the same in all lanes");
    }
  }
  const uint64_t stride_bytes = uint64_t{strides[0]} * f.element_bits / 8;
  // The PTX ISA asks for the fragment's size; 16 bytes is what the CUDA C++ guide asks of strides.
  const uint64_t alignment = std::min<uint64_t>(16, f.declared * f.register_bits / 8u);
  if (((base[0] | stride_bytes) & (alignment - 1)) != 0) {
    raise(FaultKind::misaligned, op, static_cast<int>(warp.index * lanes), base[0],
          fmt::format("wmma address 0x{:x} or stride of {} bytes is not {}-byte aligned", base[0],
                      stride_bytes, alignment));
  }
  Op piece = op;
  piece.e = f.register_bits / 8;
  for (int reg = 0; reg < f.held; ++reg) {
    piece.d = list[2 + reg];
    for (int i = 0; i < f.accesses(); ++i) {
      piece.c = i * f.access_bytes();
      alignas(64) uint64_t address[lanes];
      for (int l = 0; l < lanes; ++l) {
        const Place at = place_of(f, reg, l, i);
        const int major = f.column_major() ? at.column : at.row;
        const int minor = f.column_major() ? at.row : at.column;
        address[l] = base[l] + static_cast<uint64_t>(major) * stride_bytes +
                     static_cast<uint64_t>(minor) * f.element_bits / 8;
      }
      access_bytes<Store>(piece, warp, space, address, f.access_bytes());
      piece.site += space == WmmaSpace::generic ? 2 : 1;
    }
  }
  if constexpr (!Store) {
    for (int reg = f.held; reg < f.declared; ++reg) {
      std::memcpy(warp.registers + list[2 + reg], warp.registers + list[2 + reg % f.held],
                  static_cast<size_t>(lanes) * f.register_bits / 8);
    }
  }
}

template <bool Store>
Mover mover_of_size(int bytes) {
  switch (bytes) {
    case 1:
      return move_piece<Store, 1>;
    case 2:
      return move_piece<Store, 2>;
    case 4:
      return move_piece<Store, 4>;
    default:
      return move_piece<Store, 8>;
  }
}

}  // namespace

std::array<Handler, 2> wmma_handler(bool store) {
  if (store) return {wmma_move_op<true, false>, wmma_move_op<true, true>};
  return {wmma_move_op<false, false>, wmma_move_op<false, true>};
}

Mover wmma_mover(bool store, int bytes) {
  return store ? mover_of_size<true>(bytes) : mover_of_size<false>(bytes);
}

}  // namespace mtmc::emulator
