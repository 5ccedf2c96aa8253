// cp.async: copies of 4, 8 or 16 bytes per thread from global to shared memory, in groups. Their
// bytes wait in a queue until their thread waits for their group.
#include <fmt/format.h>

#include "emulator/access.hpp"
#include "emulator/async.hpp"
#include "emulator/executor.hpp"
#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

uint64_t next_id(Warp& warp) { return warp.executor->new_copy_id(); }

// For each lane of a mask; without tests when that is all of them.
template <class Body>
inline void for_lanes(uint32_t mask, Body body) {
  if (mask != all_lanes) return for_each_lane(mask, body);
  for (int l = 0; l < lanes; ++l) body(l);
}

// Movers: the queue's last entry takes the data; where they go to, it knows.
template <int Bytes>
void fetch(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  WarpAsync::Copy& copy = *async_of(warp).copies.back();
  copy.allocation = warp.sites[op.site].allocation;
  const auto start = static_cast<uint64_t>(base - copy.allocation->host);
  for_lanes(warp.mask, [&](int l) { std::memcpy(copy.data + l * 16, base + offset[l], Bytes); });
  for_lanes(warp.mask, [&](int l) { copy.from[l] = start + static_cast<uint64_t>(offset[l]); });
}
void leave(const Op&, Warp&, char*, const int64_t*, int) {}

void tell_copy(Warp& warp, const WarpAsync::Copy& copy, uint32_t mask, bool issued) {
  if (warp.listeners == nullptr || !warp.listeners->thread_copies) return;
  std::vector<CopyPart> parts;
  for_each_lane(mask, [&](int l) {
    parts.push_back(
        {copy.from[l], copy.to[l], copy.bytes, copy.source_bytes[l], static_cast<uint8_t>(l)});
  });
  const CopyEvent event{
      warp,    *copy.op, false, false, copy.id, {copy.allocation, nullptr}, {nullptr, warp.place},
      nullptr, 0,        parts};
  notify(warp, [&](Listener& l) { issued ? l.copy_issued(event) : l.copy_completed(event); });
}

// How many bytes each lane reads; the lanes that read any.
template <int Bytes>
uint32_t source_sizes(const AsyncForm& form, const Op& op, const Warp& warp, uint32_t* bytes) {
  std::fill(bytes, bytes + lanes, uint32_t{Bytes});
  if (!form.source_bytes.present() && !form.ignore_source.present()) return warp.mask;
  uint32_t readers = 0;
  for (int l = 0; l < lanes; ++l) {
    uint64_t size = Bytes;
    if (form.source_bytes.present()) size = lane_value(form.source_bytes, op, warp, l);
    if (form.ignore_source.present() && lane_value(form.ignore_source, op, warp, l) != 0) size = 0;
    bytes[l] = static_cast<uint32_t>(std::min<uint64_t>(size, Bytes));
    readers |= static_cast<uint32_t>(size != 0) << l;
  }
  return readers & warp.mask;
}

WarpAsync::Copy& new_copy(WarpAsync& async) {
  if (async.spare.empty()) {
    async.copies.push_back(std::make_unique<WarpAsync::Copy>());
  } else {
    async.copies.push_back(std::move(async.spare.back()));
    async.spare.pop_back();
  }
  return *async.copies.back();
}

template <int Bytes, bool Masked>
void copy_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  WarpAsync& async = async_of(warp);
  WarpAsync::Copy& copy = new_copy(async);
  copy.mask = warp.mask;
  copy.bytes = Bytes;
  copy.op = &op;
  copy.id = next_id(warp);
  copy.allocation = nullptr;
  alignas(64) uint64_t from[lanes];
  lane_values(form.from, op, warp, from);
  lane_values(form.to, op, warp, copy.to);
  std::memcpy(copy.group, async.groups, sizeof(copy.group));
  const uint32_t readers = source_sizes<Bytes>(form, op, warp, copy.source_bytes);
  Op access = op;
  access.extra[0] = access.extra[1] = reinterpret_cast<void*>(&fetch<Bytes>);
  if (!Masked && readers == all_lanes) {
    global_access<Bytes, false>(access, warp, from, 0, SiteRole::global_load);
  } else {
    std::memset(copy.from, 0, sizeof(copy.from));
    if (readers != 0) {
      with_lanes(warp, readers,
                 [&] { global_access<Bytes, true>(access, warp, from, 0, SiteRole::global_load); });
    }
  }
  if (form.source_bytes.present() || form.ignore_source.present()) {
    for_each_lane(warp.mask, [&](int l) {
      const uint32_t size = copy.source_bytes[l];
      std::memset(copy.data + l * 16 + size, 0, Bytes - size);
    });
  }
  access.site = op.site + 1;
  access.extra[0] = access.extra[1] = reinterpret_cast<void*>(&leave);
  shared_access<Bytes, Masked, uint32_t>(access, warp, copy.to);
  tell_copy(warp, copy, warp.mask, true);
}

template <int Bytes>
void put(char* shared, const WarpAsync::Copy& copy, uint32_t mask) {
  for_lanes(mask, [&](int l) { std::memcpy(shared + copy.to[l], copy.data + l * 16, Bytes); });
}

// Lands what the lanes issued in groups up to `last[lane]`, exclusively.
void land(Warp& warp, uint32_t mask, const uint32_t* last) {
  WarpAsync& async = async_of(warp);
  size_t kept = 0;
  for (std::unique_ptr<WarpAsync::Copy>& held : async.copies) {
    WarpAsync::Copy& copy = *held;
    alignas(64) int32_t before[lanes];
    MTMC_LANES before[l] = static_cast<int32_t>(copy.group[l] - last[l]) < 0 ? -1 : 0;
    const uint32_t due = pack_mask(before) & mask & copy.mask;
    if (copy.bytes == 16) {
      put<16>(warp.shared, copy, due);
    } else if (copy.bytes == 8) {
      put<8>(warp.shared, copy, due);
    } else {
      put<4>(warp.shared, copy, due);
    }
    if (due != 0) tell_copy(warp, copy, due, false);
    copy.mask &= ~due;
    if (copy.mask == 0) {
      async.spare.push_back(std::move(held));
    } else {
      async.copies[kept++].swap(held);
    }
  }
  async.copies.resize(kept);
}

void commit_op(const Op&, Warp& warp) {
  uint32_t* const groups = async_of(warp).groups;
  const int32_t* m = warp.lane_mask;
  MTMC_LANES groups[l] -= static_cast<uint32_t>(m[l]);
}

void wait_group_op(const Op& op, Warp& warp) {
  const uint32_t pending = form_of(op, warp).copy_bytes;
  const uint32_t* groups = async_of(warp).groups;
  alignas(64) uint32_t last[lanes];
  MTMC_LANES last[l] = groups[l] - std::min(pending, groups[l]);
  land(warp, warp.mask, last);
}

void land_lanes(Warp& warp, uint32_t mask) {
  const uint32_t* groups = async_of(warp).groups;
  alignas(64) uint32_t last[lanes];
  MTMC_LANES last[l] = groups[l] + 1;
  land(warp, mask, last);
}

void wait_all_op(const Op&, Warp& warp) { land_lanes(warp, warp.mask); }

// The copies land here, which is the earliest that the arrival may happen.
void arrive_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  land_lanes(warp, warp.mask);
  for_each_lane(warp.mask, [&](int l) {
    const SharedPlace place =
        shared_place(op, warp, l, lane_value(form.mbarrier, op, warp, l), form.mbarrier_side, 8, 8);
    if (form.flag) {  // .noinc
      mbarrier_arrive(op, warp, l, place, 1);
    } else {
      (void)mbarrier_at(op, warp, l, place);  // one more pending arrival, and its arrival
      notify(warp, [&](Listener& s) {
        s.mbarrier_arrived(warp, 1u << l, place.block->place, place.offset);
      });
    }
  });
}

}  // namespace

void land_all(Warp& warp, uint32_t exiting) {
  land_lanes(warp, exiting);
  std::vector<WarpAsync::Store>& stores = async_of(warp).stores;
  for (WarpAsync::Store& store : stores) {
    if ((exiting >> store.lane & 1) == 0 || store.landed) continue;
    store.copy->land();
    store.landed = true;
  }
  if (exiting == warp.live) check_register_limits(warp);
}

std::array<Handler, 2> cp_async_handler(int bytes) {
  switch (bytes) {
    case 4:
      return {copy_op<4, false>, copy_op<4, true>};
    case 8:
      return {copy_op<8, false>, copy_op<8, true>};
    case 16:
      return {copy_op<16, false>, copy_op<16, true>};
    default:
      return {nullptr, nullptr};
  }
}

std::array<Handler, 2> cp_async_group_handler(std::string_view name) {
  const auto both = [](Handler h) { return std::array<Handler, 2>{h, h}; };
  if (name == "commit_group") return both(commit_op);
  if (name == "wait_group") return both(wait_group_op);
  if (name == "wait_all") return both(wait_all_op);
  if (name == "arrive") return both(arrive_op);
  return {nullptr, nullptr};
}

}  // namespace mtmc::emulator
