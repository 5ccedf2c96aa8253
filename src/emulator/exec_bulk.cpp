// Bulk and tensor copies, which the asynchronous engine makes on behalf of one thread. A tensor
// copy is cut into rows of its box, and these into 16-byte pieces when a swizzle moves them.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/async.hpp"
#include "emulator/executor.hpp"
#include "emulator/lower.hpp"
#include "emulator/numeric.hpp"
#include "emulator/tensor_map.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;

template <class T>
T combined(BulkReduction reduction, T a, T b) {
  using U = std::make_unsigned_t<T>;
  switch (reduction) {
    case BulkReduction::add:
      return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
    case BulkReduction::inc:
      return a >= b ? T{0} : static_cast<T>(a + 1);
    case BulkReduction::dec:
      return a == 0 || a > b ? b : static_cast<T>(a - 1);
    case BulkReduction::conjunction:
      return a & b;
    case BulkReduction::disjunction:
      return a | b;
    case BulkReduction::exclusive:
      return a ^ b;
    default:
      return reduction == BulkReduction::min ? std::min(a, b) : std::max(a, b);
  }
}

template <class T, class Combine>
void each(char* to, const char* from, size_t bytes, Combine combine) {
  for (size_t i = 0; i + sizeof(T) <= bytes; i += sizeof(T)) {
    T a, b;
    std::memcpy(&a, to + i, sizeof(T));
    std::memcpy(&b, from + i, sizeof(T));
    a = combine(a, b);
    std::memcpy(to + i, &a, sizeof(T));
  }
}

template <class H>
uint16_t combined_half(BulkReduction reduction, uint16_t a, uint16_t b) {
  return reduction == BulkReduction::add   ? n::add<H>(a, b)
         : reduction == BulkReduction::min ? n::min<H>(a, b)
                                           : n::max<H>(a, b);
}

// Of the combinations that is_defined says.
void reduce(BulkReduction reduction, BulkType type, char* to, const char* from, size_t bytes) {
  const auto integers = [&]<class T>(T) {
    each<T>(to, from, bytes, [&](T a, T b) { return combined(reduction, a, b); });
  };
  switch (type) {
    case BulkType::u32:
      return integers(uint32_t{});
    case BulkType::s32:
      return integers(int32_t{});
    case BulkType::u64:
      return integers(uint64_t{});
    case BulkType::s64:
      return integers(int64_t{});
    case BulkType::f32:  // "flushes subnormal inputs and results to sign-preserving zero"
      return each<float>(to, from, bytes, [](float a, float b) {
        return n::flush(n::add<>(n::flush(a), n::flush(b)));
      });
    case BulkType::f64:
      return each<double>(to, from, bytes, [](double a, double b) { return n::add(a, b); });
    case BulkType::f16:
      return each<uint16_t>(to, from, bytes, [&](uint16_t a, uint16_t b) {
        return combined_half<n::F16>(reduction, a, b);
      });
    case BulkType::bf16:
      return each<uint16_t>(to, from, bytes, [&](uint16_t a, uint16_t b) {
        return combined_half<n::Bf16>(reduction, a, b);
      });
    case BulkType::none:
      break;
  }
}

// The table of cp.reduce.async.bulk to global memory, which tensor copies are held to as well.
bool is_defined(BulkReduction reduction, BulkType type) {
  const bool real = type == BulkType::f32 || type == BulkType::f64;
  const bool half = type == BulkType::f16 || type == BulkType::bf16;
  switch (reduction) {
    case BulkReduction::add:
      return type != BulkType::none;
    case BulkReduction::min:
    case BulkReduction::max:
      return type != BulkType::none && !real;
    case BulkReduction::inc:
    case BulkReduction::dec:
      return type == BulkType::u32;
    default:
      return type != BulkType::none && !real && !half;
  }
}

BulkType bulk_type_of(TensorType type) {
  switch (type) {
    case TensorType::u32:
      return BulkType::u32;
    case TensorType::s32:
      return BulkType::s32;
    case TensorType::u64:
      return BulkType::u64;
    case TensorType::s64:
      return BulkType::s64;
    case TensorType::f16:
      return BulkType::f16;
    case TensorType::bf16:
      return BulkType::bf16;
    case TensorType::f32:
      return BulkType::f32;
    case TensorType::f64:
      return BulkType::f64;
    default:
      return BulkType::none;
  }
}

// ---- plain bulk copies --------------------------------------------------------------------------

uint32_t size_of(const Op& op, Warp& warp, int lane) {
  const uint64_t bytes = lane_value(form_of(op, warp).bytes, op, warp, lane);
  if (bytes % 16 != 0) {
    raise_lane(FaultKind::misaligned, op, warp, lane, 0,
               fmt::format("a bulk copy of {} bytes, which is not a multiple of 16", bytes));
  }
  return static_cast<uint32_t>(bytes);
}

std::shared_ptr<BulkCopy> new_copy(const Op& op, Warp& warp) {
  auto copy = std::make_shared<BulkCopy>();
  copy->warp = &warp;
  copy->op = &op;
  copy->id = warp.executor->new_copy_id();
  copy->reduction = form_of(op, warp).reduction;
  copy->type = form_of(op, warp).type;
  return copy;
}

void aligned_to(const Op& op, Warp& warp, int lane, uint64_t address, uint32_t alignment) {
  if (address % alignment == 0) return;
  raise_lane(
      FaultKind::misaligned, op, warp, lane, address,
      fmt::format("asynchronous copy at 0x{:x}, which is not {}-byte aligned", address, alignment));
}

// The copy counts its bytes on the mbarrier once it has landed.
void signal(const Op& op, Warp& warp, int lane, const std::shared_ptr<BulkCopy>& copy,
            const SharedPlace& mbarrier, uint32_t bytes) {
  copy->mbarrier_owner = &mbarrier.block->place;
  copy->mbarrier = mbarrier.offset;
  mbarrier_at(op, warp, lane, mbarrier).arrivals.push_back({copy, bytes});
  notify(warp, [&](Listener& l) { l.copy_issued(copy->event()); });
  notify(warp, [&](Listener& l) {
    l.mbarrier_arrived(warp, 1u << lane, mbarrier.block->place, mbarrier.offset);
  });
}

void into_group(Warp& warp, int lane, std::shared_ptr<BulkCopy> copy) {
  WarpAsync& async = async_of(warp);
  notify(warp, [&](Listener& l) { l.copy_issued(copy->event()); });
  async.stores.push_back({lane, async.bulk_groups[lane], false, std::move(copy)});
}

struct Destination {
  SharedPlace data, mbarrier;
};

// Where a load goes: one block, or the blocks of the multicast mask at the same addresses.
std::vector<Destination> destinations(const Op& op, Warp& warp, int lane, uint64_t bytes,
                                      uint32_t alignment) {
  const AsyncForm& form = form_of(op, warp);
  const uint64_t to = lane_value(form.to, op, warp, lane);
  const uint64_t on = lane_value(form.mbarrier, op, warp, lane);
  if (!form.multicast.present()) {
    const Destination one{shared_place(op, warp, lane, to, form.to_side, bytes, alignment),
                          shared_place(op, warp, lane, on, form.mbarrier_side, 8, 8)};
    if (one.data.block != one.mbarrier.block) {
      raise_lane(FaultKind::mbarrier_mismatch, op, warp, lane, on,
                 "the mbarrier of a copy is not in the block that it writes to");
    }
    return {one};
  }
  std::vector<Destination> all;
  const auto ranks = static_cast<uint32_t>(lane_value(form.multicast, op, warp, lane)) & 0xffff;
  constexpr uint64_t offset_mask = (1u << rank_shift) - 1;
  for_each_lane(ranks, [&](int rank) {
    const uint64_t window = static_cast<uint64_t>(rank + 1) << rank_shift;
    all.push_back({shared_place(op, warp, lane, window | (to & offset_mask),
                                AsyncSide::shared_cluster, bytes, alignment),
                   shared_place(op, warp, lane, window | (on & offset_mask),
                                AsyncSide::shared_cluster, 8, 8)});
  });
  return all;
}

void load_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  for_each_lane(warp.mask, [&](int lane) {
    const uint32_t bytes = size_of(op, warp, lane);
    const auto targets = destinations(op, warp, lane, bytes, 16);
    const uint64_t from = lane_value(form.from, op, warp, lane);
    CopyPlace source;
    uint64_t start = 0;
    const char* data = nullptr;
    if (form.from_side == AsyncSide::global) {
      aligned_to(op, warp, lane, from, 16);
      data = global_place(op, warp, lane, from, bytes, SiteRole::global_load, source.allocation,
                          start);
    } else {
      const SharedPlace place = shared_place(op, warp, lane, from, form.from_side, bytes, 16);
      source.owner = &place.block->place;
      start = place.offset;
      data = place.host();
    }
    for (const Destination& target : targets) {
      auto copy = new_copy(op, warp);
      copy->repeats = &target != &targets.front();
      copy->source = source;
      copy->destination.owner = &target.data.block->place;
      copy->data.assign(data, data + bytes);
      copy->to = target.data.block->shared();
      copy->parts.push_back({start, target.data.offset, bytes, bytes, static_cast<uint8_t>(lane)});
      signal(op, warp, lane, copy, target.mbarrier, bytes);
    }
  });
}

void store_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  for_each_lane(warp.mask, [&](int lane) {
    const uint32_t bytes = size_of(op, warp, lane);
    const uint64_t to = lane_value(form.to, op, warp, lane);
    const SharedPlace from = shared_place(op, warp, lane, lane_value(form.from, op, warp, lane),
                                          form.from_side, bytes, 16);
    aligned_to(op, warp, lane, to, 16);
    auto copy = new_copy(op, warp);
    uint64_t start = 0;
    (void)global_place(op, warp, lane, to, bytes, SiteRole::global_store,
                       copy->destination.allocation, start);
    copy->source.owner = &from.block->place;
    copy->from = from.block->shared();
    copy->to =
        copy->destination.allocation != nullptr ? copy->destination.allocation->host : nullptr;
    copy->parts.push_back({from.offset, start, bytes, bytes, static_cast<uint8_t>(lane)});
    into_group(warp, lane, std::move(copy));
  });
}

// ---- tensor copies -----------------------------------------------------------------------------

TensorMap map_of(const Op& op, Warp& warp, int lane, uint64_t address) {
  aligned_to(op, warp, lane, address, tensor_map_alignment);
  const Allocation* allocation = nullptr;
  uint64_t offset = 0;
  const char* bytes = global_place(op, warp, lane, address, tensor_map_bytes, SiteRole::global_load,
                                   allocation, offset);
  const auto map = decode_tensor_map(std::span<const std::byte, tensor_map_bytes>(
      reinterpret_cast<const std::byte*>(bytes), tensor_map_bytes));
  if (!map) {
    raise_lane(FaultKind::out_of_bounds, op, warp, lane, address,
               fmt::format("the 128 bytes at 0x{:x} are no tensor map", address));
  }
  if (static_cast<int>(map->rank) != form_of(op, warp).rank) {
    raise_lane(FaultKind::out_of_bounds, op, warp, lane, address,
               fmt::format("a copy of {} dimensions with a tensor map of {}",
                           form_of(op, warp).rank, map->rank));
  }
  return *map;
}

struct Box {
  TensorMap map;
  std::array<int64_t, 5> at{};  // coordinates of its first element
  std::array<uint32_t, 5> count{1, 1, 1, 1, 1};
  uint32_t element = 0;
  uint32_t row_bytes = 0;
  uint64_t bytes = 0;
};

Box box_of(const Op& op, Warp& warp, int lane, uint64_t map_address) {
  Box box;
  box.map = map_of(op, warp, lane, map_address);
  box.element = tensor_type_bytes(box.map.type);
  for (uint32_t i = 0; i < box.map.rank; ++i) {
    const uint64_t c = lane_value(form_of(op, warp).coordinates[i], op, warp, lane);
    box.at[i] = static_cast<int32_t>(static_cast<uint32_t>(c));
    const uint32_t stride = i == 0 ? 1 : box.map.element_strides[i];
    box.count[i] = (box.map.box[i] + stride - 1) / stride;
  }
  box.row_bytes = box.count[0] * box.element;
  box.bytes = box.row_bytes;
  for (int i = 1; i < 5; ++i) box.bytes *= box.count[i];
  return box;
}

// Calls body(global address or 0, shared offset in the box, bytes) for each piece of the box that
// is wholly inside the tensor or wholly outside, row by row.
template <class Body>
void for_each_piece(const Box& box, uint32_t piece_bytes, Body body) {
  const TensorMap& map = box.map;
  const int64_t element = box.element;
  const int64_t first = std::clamp<int64_t>(-box.at[0], 0, box.count[0]) * element;
  const int64_t last =
      std::clamp<int64_t>(static_cast<int64_t>(map.sizes[0]) - box.at[0], 0, box.count[0]) *
      element;
  std::array<uint32_t, 5> i{};
  uint32_t row_start = 0;
  const auto rows = static_cast<uint32_t>(box.bytes / box.row_bytes);  // it fits shared memory
  for (uint32_t row = 0; row < rows; ++row) {
    bool inside = first < last;
    uint64_t address = map.address + static_cast<uint64_t>(box.at[0] * element);
    for (uint32_t k = 1; k < map.rank; ++k) {
      const int64_t c = box.at[k] + int64_t{i[k]} * map.element_strides[k];
      inside = inside && c >= 0 && c < static_cast<int64_t>(map.sizes[k]);
      address += static_cast<uint64_t>(c) * map.strides_bytes[k - 1];
    }
    for (uint32_t start = 0; start < box.row_bytes; start += piece_bytes) {
      const uint32_t end = std::min(start + piece_bytes, box.row_bytes);
      const auto low = static_cast<uint32_t>(inside ? std::clamp<int64_t>(first, start, end) : end);
      const auto high = static_cast<uint32_t>(inside ? std::clamp<int64_t>(last, low, end) : end);
      if (low > start) body(uint64_t{0}, row_start + start, low - start);
      if (high > low) body(address + low, row_start + low, high - low);
      if (end > high) body(uint64_t{0}, row_start + high, end - high);
    }
    row_start += box.row_bytes;
    for (uint32_t k = 1; k < map.rank && ++i[k] == box.count[k]; ++k) i[k] = 0;
  }
}

uint32_t piece_bytes_of(const Box& box) { return box.map.swizzle_bytes != 0 ? 16 : box.row_bytes; }

void fill(const TensorMap& map, std::vector<char>& data, uint32_t bytes) {
  if (!map.fill_nan) {
    data.resize(data.size() + bytes, 0);
    return;
  }
  const uint64_t nan = map.type == TensorType::f16    ? 0x7fff
                       : map.type == TensorType::bf16 ? 0x7fff
                       : map.type == TensorType::f32  ? 0x7fffffff
                                                      : 0x7fffffffffffffff;
  const uint32_t element = tensor_type_bytes(map.type);
  for (uint32_t i = 0; i < bytes; i += element) {
    char value[8];
    std::memcpy(value, &nan, 8);
    data.insert(data.end(), value, value + element);
  }
}

void tensor_load_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  for_each_lane(warp.mask, [&](int lane) {
    const Box box = box_of(op, warp, lane, lane_value(form.from, op, warp, lane));
    const auto targets = destinations(op, warp, lane, box.bytes, 128);
    CopyPlace source;
    std::vector<char> data;
    std::vector<CopyPart> parts;  // destinations within the box
    for_each_piece(box, piece_bytes_of(box), [&](uint64_t address, uint32_t at, uint32_t bytes) {
      uint64_t start = 0;
      if (address != 0) {
        const char* from = global_place(op, warp, lane, address, bytes, SiteRole::global_load,
                                        source.allocation, start);
        data.insert(data.end(), from, from + bytes);
      } else {
        fill(box.map, data, bytes);
      }
      parts.push_back({start, at, bytes, address != 0 ? bytes : 0, static_cast<uint8_t>(lane)});
    });
    for (const Destination& target : targets) {
      auto copy = new_copy(op, warp);
      copy->repeats = &target != &targets.front();
      copy->source = source;
      copy->destination.owner = &target.data.block->place;
      copy->to = target.data.block->shared();
      copy->data = data;
      copy->parts = parts;
      for (CopyPart& part : copy->parts) {
        part.destination = swizzled(target.data.offset + static_cast<uint32_t>(part.destination),
                                    box.map.swizzle_bytes);
      }
      signal(op, warp, lane, copy, target.mbarrier, static_cast<uint32_t>(box.bytes));
    }
  });
}

void tensor_store_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  for_each_lane(warp.mask, [&](int lane) {
    const Box box = box_of(op, warp, lane, lane_value(form.to, op, warp, lane));
    const SharedPlace from = shared_place(op, warp, lane, lane_value(form.from, op, warp, lane),
                                          form.from_side, box.bytes, 128);
    auto copy = new_copy(op, warp);
    copy->source.owner = &from.block->place;
    copy->from = from.block->shared();
    for_each_piece(box, piece_bytes_of(box), [&](uint64_t address, uint32_t at, uint32_t bytes) {
      if (address == 0) return;
      uint64_t start = 0;
      (void)global_place(op, warp, lane, address, bytes, SiteRole::global_store,
                         copy->destination.allocation, start);
      copy->parts.push_back({swizzled(from.offset + at, box.map.swizzle_bytes), start, bytes, bytes,
                             static_cast<uint8_t>(lane)});
    });
    if (copy->destination.allocation != nullptr) copy->to = copy->destination.allocation->host;
    if (copy->reduction != BulkReduction::none) {
      copy->type = bulk_type_of(box.map.type);
      if (!is_defined(copy->reduction, copy->type)) {
        raise_lane(FaultKind::unsupported, op, warp, lane, 0,
                   "this reduction is not defined for the tensor map's type");
      }
    }
    into_group(warp, lane, std::move(copy));
  });
}

// ---- groups, prefetches ------------------------------------------------------------------------

void commit_op(const Op&, Warp& warp) {
  for_each_lane(warp.mask, [&](int l) { ++async_of(warp).bulk_groups[l]; });
}

// The sources are read and the destinations written together, also where only .read is asked for.
template <bool Read>
void wait_op(const Op& op, Warp& warp) {
  WarpAsync& async = async_of(warp);
  const uint32_t pending = form_of(op, warp).copy_bytes;
  for (WarpAsync::Store& store : async.stores) {
    const uint32_t groups = async.bulk_groups[store.lane];
    if ((warp.mask >> store.lane & 1) == 0) continue;
    if (store.group >= groups - std::min(pending, groups)) continue;
    if (!store.landed) {
      store.landed = true;
      store.copy->land();
      notify(warp, [&](Listener& l) { l.copy_source_read(store.copy->event()); });
    }
    if (!Read) {
      notify(warp, [&](Listener& l) { l.copy_completed(store.copy->event()); });
      store.copy = nullptr;
    }
  }
  std::erase_if(async.stores, [](const WarpAsync::Store& s) { return s.copy == nullptr; });
}

void prefetch_op(const Op& op, Warp& warp) {
  const AsyncForm& form = form_of(op, warp);
  for_each_lane(warp.mask, [&](int lane) {
    if (form.rank > 0) {
      (void)box_of(op, warp, lane, lane_value(form.from, op, warp, lane));
      return;
    }
    aligned_to(op, warp, lane, lane_value(form.from, op, warp, lane), 16);
    (void)size_of(op, warp, lane);
  });
}

void prefetch_map_op(const Op& op, Warp& warp) {
  for_each_lane(warp.mask, [&](int lane) {
    const uint64_t address = lane_value(form_of(op, warp).from, op, warp, lane);
    aligned_to(op, warp, lane, address, tensor_map_alignment);
  });
}

}  // namespace

void BulkCopy::land() const {
  size_t taken = 0;
  for (const CopyPart& part : parts) {
    if (part.bytes == 0) continue;  // of no place: `to` and `from` may be null
    const char* bytes = data.empty() ? from + part.source : data.data() + taken;
    taken += part.bytes;
    if (reduction == BulkReduction::none) {
      std::memcpy(to + part.destination, bytes, part.bytes);
    } else {
      reduce(reduction, type, to + part.destination, bytes, part.bytes);
    }
  }
}

std::array<Handler, 2> bulk_handler(std::string_view name) {
  const auto both = [](Handler h) { return std::array<Handler, 2>{h, h}; };
  if (name == "load") return both(load_op);
  if (name == "store") return both(store_op);
  if (name == "tensor_load") return both(tensor_load_op);
  if (name == "tensor_store") return both(tensor_store_op);
  if (name == "commit_group") return both(commit_op);
  if (name == "wait_group") return both(wait_op<false>);
  if (name == "wait_group.read") return both(wait_op<true>);
  if (name == "prefetch") return both(prefetch_op);
  if (name == "prefetch_map") return both(prefetch_map_op);
  return {nullptr, nullptr};
}

}  // namespace mtmc::emulator
