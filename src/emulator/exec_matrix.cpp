// cp.async, applied when it is issued, so a kernel that reads before it waits is not caught.
#include "emulator/access.hpp"
#include "emulator/lower.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

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

template <int Bytes>
std::array<Handler, 2> cp_async_by_size(bool sized) {
  if (sized) return {cp_async_op<Bytes, true, false>, cp_async_op<Bytes, true, true>};
  return {cp_async_op<Bytes, false, false>, cp_async_op<Bytes, false, true>};
}

}  // namespace

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
