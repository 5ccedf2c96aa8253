// The emulated device's global memory: its own 48-bit address space with guard gaps, so that a
// device address is never a host pointer and running past an allocation never meets the next one.
//
// Ownership: DeviceMemory owns all storage; spans and Allocation pointers die with free() or with
// it. Not thread safe: allocate, free and arm from one thread, never while run() is at work on it.
// Errors: a request over the limit or unknown address is an error value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc::emulator {

enum class Access : uint8_t { read_only, read_write };

// Which bytes of an allocation hold something: one bit per 4 bytes, or per fewer once something
// narrower is stored. Memory is taken as bits are set.
class InitialisedBytes {
 public:
  explicit InitialisedBytes(uint64_t bytes);
  void set(uint64_t first, uint64_t count);
  // The first byte of [first, first + count) that was not set, if any.
  std::optional<uint64_t> first_missing(uint64_t first, uint64_t count) const;

 private:
  struct Free {
    void operator()(uint64_t* p) const;
  };
  void refine();

  uint64_t bytes_;
  uint32_t shift_ = 2;
  std::unique_ptr<uint64_t[], Free> bits_;
};

struct Allocation {
  uint64_t address = 0;
  uint64_t bytes = 0;
  std::string name;
  Access access = Access::read_write;
  char* host = nullptr;
  bool tracks_writes = false;
  std::vector<uint64_t> written;  // one bit per byte, set when a kernel stored there
  std::unique_ptr<InitialisedBytes> initialised;  // nullptr: all bytes count as initialised

  uint64_t end() const { return address + bytes; }
};

class DeviceMemory {
 public:
  static constexpr uint64_t first_address = 0x7f0000000000;
  static constexpr uint64_t guard_bytes = uint64_t{1} << 20;

  explicit DeviceMemory(uint64_t limit_bytes = uint64_t{16} << 30) : limit_bytes_(limit_bytes) {}
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  // Zero filled. Alignment is a power of two from 1 to 1 MiB; at least 256 is given. The name is
  // for messages and reports.
  Result<uint64_t> allocate(uint64_t bytes, uint64_t alignment, std::string name, Access access);
  Result<void> free(uint64_t address);

  // Host view of [address, address + bytes), which must lie in one allocation.
  Result<std::span<std::byte>> span(uint64_t address, uint64_t bytes);

  // Containing allocation, or nullptr; nearest() answers for any address while one exists.
  const Allocation* find(uint64_t address) const;
  const Allocation* nearest(uint64_t address) const;

  // Clears and starts the record of stored bytes of the allocation at this address.
  Result<void> track_writes(uint64_t address);
  // The record: bit i of word i/64 is byte i. Empty when not tracked.
  std::span<const uint64_t> written(uint64_t address) const;

  // From now on no byte of the allocation counts as initialised: a launch with Checks::all reports
  // loads of bytes that neither mark_initialised() nor a kernel wrote. A launch with fewer checks,
  // or of part of the grid, ends this for what it may have written.
  Result<void> track_initialisation(uint64_t address);
  Result<void> mark_initialised(uint64_t address, uint64_t bytes);

  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t limit_bytes() const { return limit_bytes_; }
  const std::vector<std::unique_ptr<Allocation>>& allocations() const { return allocations_; }

 private:
  friend class LaunchRun;
  Allocation* find_mutable(uint64_t address);

  std::vector<std::unique_ptr<Allocation>> allocations_;  // sorted by address
  uint64_t limit_bytes_;
  uint64_t used_bytes_ = 0;
  uint64_t next_address_ = first_address;
};

}  // namespace mtmc::emulator
