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

// Movers: the queue's last entry takes the data, then the places they go to.
template <int Bytes>
void fetch(const Op& op, Warp& warp, char* base, const int64_t* offset, int) {
  WarpAsync::Copy& copy = async_of(warp).copies.back();
  copy.allocation = warp.sites[op.site].allocation;
  const char* const start = copy.allocation->host;
  for_each_lane(warp.mask, [&](int l) {
    std::memcpy(copy.data + l * 16, base + offset[l], Bytes);
    copy.from[l] = static_cast<uint64_t>(base + offset[l] - start);
  });
}
void put(const Op&, Warp& warp, char* base, const int64_t* offset, int) {
  WarpAsync::Copy& copy = async_of(warp).copies.back();
  for_each_lane(warp.mask,
                [&](int l) { copy.to[l] = static_cast<uint32_t>(base + offset[l] - warp.shared); });
}

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

template <int Bytes, bool Masked>
void copy_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  WarpAsync& async = async_of(warp);
  alignas(64) uint64_t from[lanes];
  alignas(64) uint32_t to[lanes];
  async.copies.emplace_back();
  WarpAsync::Copy& copy = async.copies.back();
  copy.mask = warp.mask;
  copy.bytes = Bytes;
  copy.op = &op;
  copy.id = next_id(warp);
  std::memset(copy.data, 0, sizeof(copy.data));
  uint32_t readers = 0;
  for (int l = 0; l < lanes; ++l) {
    from[l] = lane_value(form.from, op, warp, l);
    to[l] = static_cast<uint32_t>(lane_value(form.to, op, warp, l));
    uint64_t size =
        form.source_bytes.present() ? lane_value(form.source_bytes, op, warp, l) : Bytes;
    if (form.ignore_source.present() && lane_value(form.ignore_source, op, warp, l) != 0) size = 0;
    copy.source_bytes[l] = static_cast<uint32_t>(std::min<uint64_t>(size, Bytes));
    copy.group[l] = async.groups[l];
    copy.from[l] = 0;
    readers |= static_cast<uint32_t>(size != 0) << l;
  }
  readers &= warp.mask;
  Op read = op;
  read.extra[0] = read.extra[1] = reinterpret_cast<void*>(&fetch<Bytes>);
  if (readers == all_lanes) {
    global_access<Bytes, false>(read, warp, from, 0, SiteRole::global_load);
  } else if (readers != 0) {
    with_lanes(warp, readers,
               [&] { global_access<Bytes, true>(read, warp, from, 0, SiteRole::global_load); });
  }
  for_each_lane(warp.mask, [&](int l) {
    const uint32_t size = copy.source_bytes[l];
    if (size < Bytes) std::memset(copy.data + l * 16 + size, 0, Bytes - size);
  });
  Op write = op;
  write.site = op.site + 1;
  write.extra[0] = write.extra[1] = reinterpret_cast<void*>(&put);
  shared_access<Bytes, Masked, uint32_t>(write, warp, to);
  tell_copy(warp, copy, warp.mask, true);
}

// Lands what the lanes issued in groups up to `last[lane]`, exclusively.
void land(Warp& warp, uint32_t mask, const uint32_t* last) {
  std::vector<WarpAsync::Copy>& copies = async_of(warp).copies;
  size_t kept = 0;
  for (size_t i = 0; i < copies.size(); ++i) {
    WarpAsync::Copy& copy = copies[i];
    uint32_t due = 0;
    for_each_lane(mask & copy.mask, [&](int l) {
      if (static_cast<int32_t>(copy.group[l] - last[l]) < 0) due |= 1u << l;
    });
    for_each_lane(
        due, [&](int l) { std::memcpy(warp.shared + copy.to[l], copy.data + l * 16, copy.bytes); });
    if (due != 0) tell_copy(warp, copy, due, false);
    copy.mask &= ~due;
    if (copy.mask == 0) continue;
    if (kept != i) copies[kept] = copies[i];
    ++kept;
  }
  copies.resize(kept);
}

void commit_op(const Op&, Warp& warp) {
  for_each_lane(warp.mask, [&](int l) { ++async_of(warp).groups[l]; });
}

void wait_group_op(const Op& op, Warp& warp) {
  const uint32_t pending = form_of(op, warp).copy_bytes;
  const WarpAsync& async = async_of(warp);
  uint32_t last[lanes];
  for (int l = 0; l < lanes; ++l) {
    last[l] = async.groups[l] - std::min(pending, async.groups[l]);
  }
  land(warp, warp.mask, last);
}

void land_lanes(Warp& warp, uint32_t mask) {
  uint32_t last[lanes];
  for (int l = 0; l < lanes; ++l) last[l] = async_of(warp).groups[l] + 1;
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
