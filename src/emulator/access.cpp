// Faults of memory accesses, told with the nearest allocation, and what a site learns about the
// allocation that it meets.
#include <fmt/format.h>

#include "emulator/executor.hpp"

namespace mtmc::emulator {

const Allocation& Executor::find(const Op& op, const Warp& warp, int lane, uint64_t where,
                                 uint64_t bytes, SiteRole role) const {
  const char* verb = role == SiteRole::global_load    ? "load"
                     : role == SiteRole::global_store ? "store"
                                                      : "atomic";
  const Allocation* found = context_.memory->find(where);
  if (found == nullptr || bytes > found->end() - where) {
    const Allocation* near = context_.memory->nearest(where);
    std::string text = fmt::format("global {} of {} bytes at 0x{:x}", verb, bytes, where);
    if (near == nullptr || where < 4096) {
      text += where < 4096 ? " (null pointer)" : "; nothing is allocated";
    } else if (where >= near->address && where < near->end()) {
      text += fmt::format(" ends {} bytes past '{}' ({} bytes)", where + bytes - near->end(),
                          near->name, near->bytes);
    } else {
      text += where < near->address ? fmt::format(" is {} bytes before '{}' ({} bytes)",
                                                  near->address - where, near->name, near->bytes)
                                    : fmt::format(" is {} bytes past '{}' ({} bytes)",
                                                  where - near->end(), near->name, near->bytes);
    }
    raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes) + lane, where, text);
  }
  if (role != SiteRole::global_load && found->access == Access::read_only) {
    raise(FaultKind::read_only_write, op, static_cast<int>(warp.index * lanes) + lane, where,
          fmt::format("global {} of {} bytes at 0x{:x} in '{}', which is read-only", verb, bytes,
                      where, found->name));
  }
  return *found;
}

void Executor::resolve(Site& site, const Op& op, Warp& warp, const uint64_t* address,
                       uint32_t bytes, SiteRole role) {
  const int lane = __builtin_ctz(warp.mask);
  const Allocation& found = find(op, warp, lane, address[lane], bytes, role);
  site.low_address = found.address;
  site.bytes = found.bytes;
  site.host = found.host;
  site.allocation = &found;
}

void raise(FaultKind kind, const Op& op, int lane, uint64_t address, std::string message) {
  throw FaultError{kind, op.origin, lane, address, std::move(message)};
}

void raise_misaligned(const Op& op, const Warp& warp, int lane, uint64_t address, uint32_t bytes,
                      const char* space) {
  raise(FaultKind::misaligned, op, static_cast<int>(warp.index * lanes) + lane, address,
        fmt::format("{} access of {} bytes at 0x{:x} is not {}-byte aligned", space, bytes, address,
                    bytes));
}

void raise_window_fault(const Op& op, const Warp& warp, const uint32_t* address, uint32_t bytes,
                        uint32_t limit, const char* space) {
  for (int l = 0; l < lanes; ++l) {
    if ((warp.mask >> l & 1) == 0) continue;
    if (limit < bytes || address[l] > limit - bytes) {
      raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes) + l, address[l],
            fmt::format("{} access of {} bytes at offset {} of {} bytes", space, bytes, address[l],
                        limit));
    }
    if ((address[l] & (bytes - 1)) != 0) {
      raise_misaligned(op, warp, l, address[l], bytes, space);
    }
  }
  raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes), 0,
        fmt::format("{} access of {} bytes outside {} bytes", space, bytes, limit));
}

void resolve_global(Site& site, const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
                    SiteRole role) {
  warp.executor->resolve(site, op, warp, address, bytes, role);
}

uint64_t clock_of(Warp& warp) { return warp.executor->clock(); }

}  // namespace mtmc::emulator
