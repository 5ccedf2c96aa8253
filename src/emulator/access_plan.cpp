// The slow side of loads and stores: what happens when a request's addresses do not lie as those of
// the site's last request did.
#include <algorithm>

#include "emulator/access.hpp"

namespace mtmc::emulator {
namespace {

int kind_of(const AccessPlan& plan, uint32_t bytes) {
  if (plan.mask != all_lanes) return gather;
  const int64_t* r = plan.relative;
  bool in_order = true;
  bool same = true;
  bool halves = true;
  bool repeated = true;
  for (int l = 0; l < lanes; ++l) {
    in_order = in_order && r[l] == l * static_cast<int64_t>(bytes);
    same = same && r[l] == 0;
    halves = halves && r[l] == r[l & 16];
    repeated = repeated && r[l] == r[l & 15];
  }
  return in_order   ? contiguous
         : same     ? uniform
         : halves   ? uniform_halves
         : repeated ? repeated_half
                    : gather;
}

template <class Address>
void replan(AccessPlan& plan, uint32_t mask, const Address* address, uint32_t low_bits,
            uint32_t bytes) {
  const Address first = address[__builtin_ctz(mask)];
  int64_t most = 0;
  plan.least = 0;
  for (int l = 0; l < lanes; ++l) {
    const bool active = (mask >> l & 1) != 0;
    const auto distance = static_cast<std::make_signed_t<Address>>(address[l] - first);
    plan.relative[l] = active ? distance : 0;
    plan.least = std::min(plan.least, plan.relative[l]);
    most = std::max(most, plan.relative[l]);
  }
  plan.low = static_cast<uint32_t>(first) & low_bits;
  plan.mask = mask;
  plan.kind = kind_of(plan, bytes);
  plan.reach = static_cast<uint64_t>(most - plan.least) + bytes;
  plan.generation += 1;
}

uint32_t lanes_inside(const Site& site, uint32_t mask, const uint64_t* address, uint32_t bytes) {
  if (site.bytes < bytes) return 0;
  uint32_t inside = 0;
  for (uint32_t m = mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    inside |= static_cast<uint32_t>(address[l] - site.low_address <= site.bytes - bytes) << l;
  }
  return inside;
}

}  // namespace

uint32_t plan_global(const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
                     SiteRole role) {
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    if ((address[l] & (bytes - 1)) != 0) {
      raise_misaligned(op, warp, l, address[l], bytes, "global");
    }
  }
  Site& site = warp.sites[op.site];
  uint32_t inside = lanes_inside(site, warp.mask, address, bytes);
  if (inside != warp.mask) {
    resolve_global(site, op, warp, address, bytes, role);
    inside = lanes_inside(site, warp.mask, address, bytes);
  }
  if (inside == warp.mask) replan(site.plan, warp.mask, address, 31, bytes);
  return inside;
}

void plan_shared(const Op& op, Warp& warp, const uint32_t* address, uint32_t bytes) {
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const uint32_t a = address[__builtin_ctz(m)];
    if ((a & (bytes - 1)) != 0 || warp.shared_bytes < bytes || a > warp.shared_bytes - bytes) {
      raise_window_fault(op, warp, address, bytes, warp.shared_bytes, "shared");
    }
  }
  replan(warp.sites[op.site].plan, warp.mask, address, 3, bytes);
}

void plan_shared(const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes) {
  alignas(64) uint32_t narrow[lanes];
  for (int l = 0; l < lanes; ++l) {  // what lies beyond 32 bits lies beyond any shared memory
    narrow[l] = static_cast<uint32_t>(std::min<uint64_t>(address[l], all_lanes));
  }
  plan_shared(op, warp, narrow, bytes);
}

}  // namespace mtmc::emulator
