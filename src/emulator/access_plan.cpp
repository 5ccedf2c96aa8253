// The slow side of loads and stores: what happens when a request's addresses do not lie as those of
// the site's last request did.
#include <algorithm>

#include "emulator/access.hpp"

namespace mtmc::emulator {
namespace {

int kind_of(const AccessPlan& plan, uint32_t bytes) {
  if (plan.mask != all_lanes) return gather;
  const int64_t* r = plan.relative;
  int64_t out_of_order = 0;
  int64_t different = 0;
  int64_t from_half = 0;
  int64_t from_other_half = 0;
  int64_t half_out_of_order = 0;
  for (int l = 0; l < lanes; ++l) {
    out_of_order |= r[l] ^ (l * static_cast<int64_t>(bytes));
    different |= r[l];
    from_half |= r[l] ^ r[l & 16];
    from_other_half |= r[l] ^ r[l & 15];
    half_out_of_order |= r[l] ^ ((l & 15) * static_cast<int64_t>(bytes));
  }
  return out_of_order == 0        ? contiguous
         : different == 0         ? uniform
         : from_half == 0         ? uniform_halves
         : half_out_of_order == 0 ? repeated_run
         : from_other_half == 0   ? repeated_half
                                  : gather;
}

template <class Address>
void replan(AccessPlan& plan, const Warp& warp, const Address* address, uint32_t low_bits,
            uint32_t bytes) {
  const Address first = address[__builtin_ctz(warp.mask)];
  const int32_t* m = warp.lane_mask;
  int64_t least = 0;
  int64_t most = 0;
  for (int l = 0; l < lanes; ++l) {
    const auto distance = static_cast<std::make_signed_t<Address>>(address[l] - first);
    const int64_t r = distance & m[l];
    plan.relative[l] = r;
    plan.narrow[l] = static_cast<int32_t>(r);
    least = std::min(least, r);
    most = std::max(most, r);
  }
  plan.low = static_cast<uint32_t>(first) & low_bits;
  plan.mask = warp.mask;
  plan.kind = kind_of(plan, bytes);
  plan.least = least;
  plan.reach = static_cast<uint64_t>(most - least) + bytes;
  plan.generation += 1;
  plan.leader = 0;
}

uint32_t lanes_inside(const Site& site, const Warp& warp, const uint64_t* address, uint32_t bytes) {
  if (site.bytes < bytes) return 0;
  const uint64_t limit = site.bytes - bytes;
  alignas(64) int32_t inside[lanes];
  MTMC_LANES inside[l] = address[l] - site.low_address <= limit ? -1 : 0;
  return pack_mask(inside) & warp.mask;
}

}  // namespace

uint32_t plan_global(const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
                     SiteRole role) {
  Site& site = warp.sites[op.site];
  AccessPlan& plan = site.plan;
  uint64_t bits = 0;
  MTMC_LANES bits |= address[l] & static_cast<uint64_t>(int64_t{warp.lane_mask[l]});
  if ((bits & (bytes - 1)) != 0) {
    for (int l = 0; l < lanes; ++l) {
      if ((warp.mask >> l & 1) != 0 && (address[l] & (bytes - 1)) != 0) {
        raise_misaligned(op, warp, l, address[l], bytes, "global");
      }
    }
  }
  uint32_t inside = lanes_inside(site, warp, address, bytes);
  if (inside != warp.mask) {
    resolve_global(site, op, warp, address, bytes, role);
    inside = lanes_inside(site, warp, address, bytes);
  }
  if (inside != warp.mask) return inside;
  const uint64_t first = address[__builtin_ctz(warp.mask)];
  if (plan.mask == warp.mask && same_distances<true>(plan, warp, address, first)) {
    const uint32_t low = static_cast<uint32_t>(first) & 31;
    plan.generation += low != plan.low ? 1 : 0;
    plan.low = low;
  } else {
    replan(plan, warp, address, 31, bytes);
  }
  return inside;
}

void plan_shared(const Op& op, Warp& warp, const uint32_t* address, uint32_t bytes) {
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const uint32_t a = address[__builtin_ctz(m)];
    if ((a & (bytes - 1)) != 0 || warp.shared_bytes < bytes || a > warp.shared_bytes - bytes) {
      raise_window_fault(op, warp, address, bytes, warp.shared_bytes, "shared");
    }
  }
  replan(warp.sites[op.site].plan, warp, address, 3, bytes);
}

void plan_shared(const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes) {
  alignas(64) uint32_t narrow[lanes];
  for (int l = 0; l < lanes; ++l) {  // what lies beyond 32 bits lies beyond any shared memory
    narrow[l] = static_cast<uint32_t>(std::min<uint64_t>(address[l], all_lanes));
  }
  plan_shared(op, warp, narrow, bytes);
}

}  // namespace mtmc::emulator
