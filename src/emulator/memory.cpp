// Addresses only grow: a freed range is never handed out again, so a stale pointer faults. The
// space of 2^40 bytes above first_address outlasts any session; running out is an error value.
#include "emulator/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace mtmc::emulator {

namespace {

uint64_t* zeroed_bits(uint64_t bits) {
  auto* p = static_cast<uint64_t*>(std::calloc(bits / 64 + 1, sizeof(uint64_t)));
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

void InitialisedBytes::Free::operator()(uint64_t* p) const { std::free(p); }

InitialisedBytes::InitialisedBytes(uint64_t bytes)
    : bytes_(bytes), bits_(zeroed_bits((bytes >> shift_) + 1)) {}

// Halves the granule: every bit becomes two.
void InitialisedBytes::refine() {
  const uint64_t old = (bytes_ >> shift_) + 1;
  shift_ -= 1;
  std::unique_ptr<uint64_t[], Free> bits(zeroed_bits(2 * old));
  for (uint64_t word = 0; word <= old / 64; ++word) {
    for (uint64_t rest = bits_[word]; rest != 0; rest &= rest - 1) {
      const uint64_t bit = 2 * (word * 64 + static_cast<uint64_t>(__builtin_ctzll(rest)));
      bits[bit >> 6] |= uint64_t{3} << (bit & 63);
    }
  }
  bits_ = std::move(bits);
}

void InitialisedBytes::set(uint64_t first, uint64_t count) {
  // The end of the allocation may be odd: nothing lies beyond it.
  while (shift_ > 0 &&
         ((first & ((1u << shift_) - 1)) != 0 ||
          (((first + count) & ((1u << shift_) - 1)) != 0 && first + count != bytes_))) {
    refine();
  }
  uint64_t bit = first >> shift_;
  const uint64_t end = (first + count + (1u << shift_) - 1) >> shift_;
  while (bit < end) {
    const uint64_t here = std::min<uint64_t>(64 - (bit & 63), end - bit);
    const uint64_t ones = here == 64 ? ~uint64_t{0} : (uint64_t{1} << here) - 1;
    bits_[bit >> 6] |= ones << (bit & 63);
    bit += here;
  }
}

std::optional<uint64_t> InitialisedBytes::first_missing(uint64_t first, uint64_t count) const {
  uint64_t bit = first >> shift_;
  const uint64_t end = (first + count + (1u << shift_) - 1) >> shift_;
  while (bit < end) {
    const uint64_t here = std::min<uint64_t>(64 - (bit & 63), end - bit);
    const uint64_t ones = here == 64 ? ~uint64_t{0} : (uint64_t{1} << here) - 1;
    const uint64_t missing = ~(bits_[bit >> 6] >> (bit & 63)) & ones;
    if (missing != 0) {
      return std::max(first, (bit + static_cast<uint64_t>(__builtin_ctzll(missing))) << shift_);
    }
    bit += here;
  }
  return std::nullopt;
}

DeviceMemory::~DeviceMemory() {
  for (const auto& allocation : allocations_) std::free(allocation->host);
}

Result<uint64_t> DeviceMemory::allocate(uint64_t bytes, uint64_t alignment, std::string name,
                                        Access access) {
  if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > guard_bytes) {
    return bad_input(
        fmt::format("alignment {} of '{}' is not a power of two up to 1 MiB", alignment, name));
  }
  if (bytes > limit_bytes_ || used_bytes_ > limit_bytes_ - bytes) {
    return unavailable(fmt::format(
        "device memory: '{}' needs {} bytes, but {} of {} are in use; use smaller shapes or raise "
        "the limit",
        name, bytes, used_bytes_, limit_bytes_));
  }
  const uint64_t unit = std::max<uint64_t>(alignment, 256);
  const uint64_t address = (next_address_ + unit - 1) / unit * unit;
  if (address + bytes + guard_bytes > (uint64_t{1} << 47)) {
    return unavailable("device memory: the address space is used up");
  }
  auto allocation = std::make_unique<Allocation>();
  // calloc gives zero pages lazily: an output of which a few blocks are run costs what they touch.
  allocation->host = static_cast<char*>(std::calloc(bytes + 64, 1));
  if (allocation->host == nullptr) {
    return unavailable(
        fmt::format("device memory: the host has no {} bytes for '{}'", bytes, name));
  }
  allocation->address = address;
  allocation->bytes = bytes;
  allocation->name = std::move(name);
  allocation->access = access;
  allocations_.push_back(std::move(allocation));
  used_bytes_ += bytes;
  next_address_ = address + bytes + guard_bytes;
  return address;
}

Result<void> DeviceMemory::free(uint64_t address) {
  const auto found = std::find_if(allocations_.begin(), allocations_.end(),
                                  [&](const auto& a) { return a->address == address; });
  if (found == allocations_.end()) {
    return bad_input(fmt::format("no allocation starts at 0x{:x}", address));
  }
  used_bytes_ -= (*found)->bytes;
  std::free((*found)->host);
  allocations_.erase(found);
  return {};
}

Allocation* DeviceMemory::find_mutable(uint64_t address) {
  auto after = std::upper_bound(allocations_.begin(), allocations_.end(), address,
                                [](uint64_t value, const auto& a) { return value < a->address; });
  if (after == allocations_.begin()) return nullptr;
  Allocation* candidate = std::prev(after)->get();
  return address < candidate->end() ? candidate : nullptr;
}

const Allocation* DeviceMemory::find(uint64_t address) const {
  return const_cast<DeviceMemory*>(this)->find_mutable(address);
}

const Allocation* DeviceMemory::nearest(uint64_t address) const {
  const Allocation* best = nullptr;
  uint64_t best_distance = ~uint64_t{0};
  for (const auto& a : allocations_) {
    const uint64_t distance = address < a->address ? a->address - address
                              : address < a->end() ? 0
                                                   : address - a->end();
    if (distance < best_distance) {
      best = a.get();
      best_distance = distance;
    }
  }
  return best;
}

Result<std::span<std::byte>> DeviceMemory::span(uint64_t address, uint64_t bytes) {
  // An empty allocation holds no byte, yet its start has a (empty) view.
  Allocation* allocation = find_mutable(address);
  if (allocation == nullptr) {
    for (const auto& a : allocations_) {
      if (a->address == address || a->end() == address) allocation = a.get();
    }
  }
  if (allocation == nullptr || bytes > allocation->end() - address) {
    return bad_input(
        fmt::format("{} bytes at 0x{:x} are not inside one allocation", bytes, address));
  }
  return std::span<std::byte>(
      reinterpret_cast<std::byte*>(allocation->host + (address - allocation->address)), bytes);
}

Result<void> DeviceMemory::track_writes(uint64_t address) {
  Allocation* allocation = find_mutable(address);
  if (allocation == nullptr) {
    return bad_input(fmt::format("no allocation contains 0x{:x}", address));
  }
  allocation->tracks_writes = true;
  allocation->written.assign((allocation->bytes + 63) / 64, 0);
  return {};
}

Result<void> DeviceMemory::track_initialisation(uint64_t address) {
  Allocation* allocation = find_mutable(address);
  if (allocation == nullptr) {
    return bad_input(fmt::format("no allocation contains 0x{:x}", address));
  }
  allocation->initialised = std::make_unique<InitialisedBytes>(allocation->bytes);
  return {};
}

Result<void> DeviceMemory::mark_initialised(uint64_t address, uint64_t bytes) {
  if (bytes == 0) return {};
  Allocation* allocation = find_mutable(address);
  if (allocation == nullptr || bytes > allocation->end() - address) {
    return bad_input(
        fmt::format("{} bytes at 0x{:x} are not inside one allocation", bytes, address));
  }
  if (allocation->initialised == nullptr) return {};
  if (bytes == allocation->bytes) {
    allocation->initialised = nullptr;
  } else {
    allocation->initialised->set(address - allocation->address, bytes);
  }
  return {};
}

std::span<const uint64_t> DeviceMemory::written(uint64_t address) const {
  const Allocation* allocation = find(address);
  if (allocation == nullptr || !allocation->tracks_writes) return {};
  return allocation->written;
}

}  // namespace mtmc::emulator
