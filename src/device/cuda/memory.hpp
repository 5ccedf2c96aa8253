// Device buffers between canaries: kCanaryBytes of known random bytes before and after each, so
// that a kernel that writes past its buffer is caught although the GPU does not mind.
//
// Belongs to the thread of its device. A poisoned context frees nothing: the process ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "device/cuda/driver.hpp"
#include "device/device.hpp"

namespace mtmc::device::cuda {

class Memory {
 public:
  static constexpr std::int64_t kCanaryBytes = 4096;

  Memory(const Driver& driver, abi::Stream stream) : driver_(driver), stream_(stream) {}
  ~Memory() {
    release();
    forget();
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Zero filled. Errors: unavailable when the GPU's memory is full.
  Result<int> allocate(const BufferRequest& request);
  Result<void> write(int buffer, std::int64_t offset, std::span<const std::byte> bytes);
  Result<void> read(int buffer, std::int64_t offset, std::span<std::byte> bytes);
  // By comparing with what the host wrote last. A store of the same value is not seen.
  std::span<const std::uint64_t> written(int buffer);

  abi::DevicePtr address(int buffer) const { return buffers_.at(buffer).data; }
  std::int64_t bytes(int buffer) const { return buffers_.at(buffer).bytes; }

  // Remembers samples of what kernels must not change; call before a run.
  Result<void> remember_read_only();
  // A fault where a canary or a read-only buffer changed.
  Result<std::optional<Fault>> check();

  // Device::recall, retain and forget. Copies take at most a quarter of the GPU's memory, oldest
  // first out.
  Result<bool> recall(int buffer, const std::string& key);
  void retain(int buffer, const std::string& key);
  void forget();

  void release();  // buffers; what is retained stays
  void abandon() {
    buffers_.clear();
    retained_.clear();
  }  // the context is gone

 private:
  struct Window {
    std::int64_t offset = 0;
    std::vector<std::byte> bytes;
  };
  struct Buffer {
    std::string name;
    abi::DevicePtr base = 0, data = 0;
    std::int64_t bytes = 0;
    bool writable = true, tracked = false;
    std::vector<std::byte> shadow;       // tracked: as the host wrote it
    std::vector<std::uint64_t> written;  // tracked
    std::vector<Window> windows;         // read-only
  };
  struct Retained {
    std::string key;
    abi::DevicePtr at = 0;
    std::int64_t bytes = 0;
    std::vector<Window> windows;
  };
  // Samples of device memory, or whether it still holds them.
  Result<std::vector<Window>> look(abi::DevicePtr at, std::int64_t bytes, std::uint64_t seed) const;
  Result<bool> holds(abi::DevicePtr at, const std::vector<Window>& windows) const;
  Result<void> done(abi::Result status, const std::string& doing) const;
  const std::vector<std::byte>& canary() const;

  const Driver& driver_;
  abi::Stream stream_;
  std::vector<Buffer> buffers_;
  std::vector<Retained> retained_;  // oldest first
};

}  // namespace mtmc::device::cuda
