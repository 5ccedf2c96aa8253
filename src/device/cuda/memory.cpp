// The bytes of a canary come from the counter RNG: no constant that a kernel writes for other
// reasons equals them. Read-only buffers are watched by samples, because comparing gigabytes after
// every run would cost more than the run.
#include "device/cuda/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/rng.hpp"

namespace mtmc::device::cuda {

namespace {

constexpr std::int64_t kWholeBytes = 1 << 20;  // of a read-only buffer that is watched whole
constexpr std::int64_t kWindowBytes = 4096;
constexpr int kWindows = 64;

std::vector<std::byte> random_bytes(std::int64_t count) {
  std::vector<std::byte> out(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; i += 8) {
    const std::uint64_t bits =
        random_bits(0x63616e617279, stream_of("canary"), static_cast<std::uint64_t>(i));
    std::memcpy(out.data() + i, &bits,
                static_cast<std::size_t>(std::min<std::int64_t>(8, count - i)));
  }
  return out;
}

}  // namespace

const std::vector<std::byte>& Memory::canary() const {
  static const std::vector<std::byte> bytes = random_bytes(kCanaryBytes);
  return bytes;
}

Result<void> Memory::done(abi::Result status, const std::string& doing) const {
  if (status == abi::success) return {};
  return tl::unexpected<Error>(driver_error(driver_, status, doing));
}

Result<int> Memory::allocate(const BufferRequest& request) {
  Buffer b;
  b.name = request.name;
  b.bytes = std::max<std::int64_t>(request.bytes, 1);
  b.writable = request.writable;
  b.tracked = request.track_writes;
  const std::int64_t alignment = std::max<std::int64_t>(request.alignment, 256);
  const std::int64_t total = b.bytes + 2 * kCanaryBytes + alignment;
  auto status = driver_.mem_alloc(&b.base, static_cast<std::size_t>(total));
  if (status == abi::out_of_memory && !retained_.empty()) {
    forget();
    status = driver_.mem_alloc(&b.base, static_cast<std::size_t>(total));
  }
  if (status != abi::success) {
    std::size_t free = 0, all = 0;
    if (status == abi::out_of_memory) driver_.mem_get_info(&free, &all);
    return tl::unexpected<Error>(driver_error(
        driver_, status,
        fmt::format("allocating {} bytes for '{}' ({} of {} are free)", total, b.name, free, all)));
  }
  const auto align = static_cast<abi::DevicePtr>(alignment);
  b.data = (b.base + kCanaryBytes + align - 1) / align * align;
  buffers_.push_back(std::move(b));
  const Buffer& made = buffers_.back();
  const std::string doing = "preparing '" + made.name + "'";
  if (auto ok = done(
          driver_.memset_async(made.data, 0, static_cast<std::size_t>(made.bytes), stream_), doing);
      !ok)
    return tl::unexpected<Error>(ok.error());
  if (auto ok = done(driver_.stream_synchronize(stream_), doing); !ok)
    return tl::unexpected<Error>(ok.error());
  for (const auto at :
       {made.data - kCanaryBytes, made.data + static_cast<abi::DevicePtr>(made.bytes)})
    if (auto ok = done(driver_.copy_to_device(at, canary().data(), canary().size()), doing); !ok)
      return tl::unexpected<Error>(ok.error());
  if (made.tracked) buffers_.back().shadow.resize(static_cast<std::size_t>(made.bytes));
  return static_cast<int>(buffers_.size()) - 1;
}

Result<void> Memory::write(int buffer, std::int64_t offset, std::span<const std::byte> bytes) {
  Buffer& b = buffers_.at(buffer);
  if (offset < 0 || offset + static_cast<std::int64_t>(bytes.size()) > b.bytes)
    return internal_error(fmt::format("write of {} bytes at {} of '{}', which has {}", bytes.size(),
                                      offset, b.name, b.bytes));
  if (b.tracked) std::copy(bytes.begin(), bytes.end(), b.shadow.begin() + offset);
  return done(driver_.copy_to_device(b.data + static_cast<abi::DevicePtr>(offset), bytes.data(),
                                     bytes.size()),
              "copying to '" + b.name + "'");
}

Result<void> Memory::read(int buffer, std::int64_t offset, std::span<std::byte> bytes) {
  const Buffer& b = buffers_.at(buffer);
  if (offset < 0 || offset + static_cast<std::int64_t>(bytes.size()) > b.bytes)
    return internal_error(fmt::format("read of {} bytes at {} of '{}', which has {}", bytes.size(),
                                      offset, b.name, b.bytes));
  return done(driver_.copy_to_host(bytes.data(), b.data + static_cast<abi::DevicePtr>(offset),
                                   bytes.size()),
              "copying from '" + b.name + "'");
}

std::span<const std::uint64_t> Memory::written(int buffer) {
  Buffer& b = buffers_.at(buffer);
  if (!b.tracked) return {};
  std::vector<std::byte> now(b.shadow.size());
  if (!read(buffer, 0, now)) return {};
  b.written.assign((now.size() + 63) / 64, 0);
  for (std::size_t i = 0; i < now.size(); ++i)
    if (now[i] != b.shadow[i]) b.written[i / 64] |= std::uint64_t{1} << (i % 64);
  return b.written;
}

Result<std::vector<Memory::Window>> Memory::look(abi::DevicePtr at, std::int64_t bytes,
                                                 std::uint64_t seed) const {
  std::vector<Window> windows;
  if (bytes <= kWholeBytes) {
    windows.push_back({0, std::vector<std::byte>(static_cast<std::size_t>(bytes))});
  } else {
    const auto places = static_cast<std::uint64_t>(bytes - kWindowBytes + 1);
    for (std::uint64_t w = 0; w < static_cast<std::uint64_t>(kWindows); ++w) {
      const auto place = w == 0   ? 0
                         : w == 1 ? places - 1
                                  : random_bits(seed, stream_of("window"), w) % places;
      windows.push_back({static_cast<std::int64_t>(place), std::vector<std::byte>(kWindowBytes)});
    }
  }
  for (auto& w : windows)
    if (auto ok =
            done(driver_.copy_to_host(w.bytes.data(), at + static_cast<abi::DevicePtr>(w.offset),
                                      w.bytes.size()),
                 "looking at inputs");
        !ok)
      return tl::unexpected<Error>(ok.error());
  return windows;
}

Result<bool> Memory::holds(abi::DevicePtr at, const std::vector<Window>& windows) const {
  std::vector<std::byte> now;
  for (const auto& w : windows) {
    now.resize(w.bytes.size());
    if (auto ok = done(driver_.copy_to_host(now.data(), at + static_cast<abi::DevicePtr>(w.offset),
                                            now.size()),
                       "looking at inputs");
        !ok)
      return tl::unexpected<Error>(ok.error());
    if (now != w.bytes) return false;
  }
  return true;
}

Result<void> Memory::remember_read_only() {
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    Buffer& b = buffers_[i];
    if (b.writable) continue;
    auto windows = look(b.data, b.bytes, i);
    if (!windows) return tl::unexpected<Error>(windows.error());
    b.windows = std::move(*windows);
  }
  return {};
}

Result<bool> Memory::recall(int buffer, const std::string& key) {
  const Buffer& b = buffers_.at(buffer);
  for (auto it = retained_.begin(); it != retained_.end(); ++it) {
    if (it->key != key || it->bytes != b.bytes || b.tracked) continue;
    auto whole = holds(it->at, it->windows);
    if (!whole) return whole;
    if (!*whole) {  // some kernel wrote where it should not
      driver_.mem_free(it->at);
      retained_.erase(it);
      return false;
    }
    const std::string doing = "filling '" + b.name + "'";
    if (auto ok = done(
            driver_.copy_async(b.data, it->at, static_cast<std::size_t>(b.bytes), stream_), doing);
        !ok)
      return tl::unexpected<Error>(ok.error());
    if (auto ok = done(driver_.stream_synchronize(stream_), doing); !ok)
      return tl::unexpected<Error>(ok.error());
    return true;
  }
  return false;
}

// A copy that cannot be had costs time later, nothing else.
void Memory::retain(int buffer, const std::string& key) {
  const Buffer& b = buffers_.at(buffer);
  std::size_t free = 0, total = 0;
  if (driver_.mem_get_info(&free, &total) != abi::success) return;
  std::int64_t held = b.bytes;
  for (const auto& r : retained_) held += r.bytes;
  while (held > static_cast<std::int64_t>(total / 4)) {
    if (retained_.empty()) return;
    held -= retained_.front().bytes;
    driver_.mem_free(retained_.front().at);
    retained_.erase(retained_.begin());
  }
  Retained r{key, 0, b.bytes, {}};
  if (driver_.mem_alloc(&r.at, static_cast<std::size_t>(b.bytes)) != abi::success) return;
  const bool copied = driver_.copy_async(r.at, b.data, static_cast<std::size_t>(b.bytes),
                                         stream_) == abi::success &&
                      driver_.stream_synchronize(stream_) == abi::success;
  auto windows = copied ? look(r.at, r.bytes, retained_.size())
                        : Result<std::vector<Window>>(std::vector<Window>());
  if (!copied || !windows) {
    driver_.mem_free(r.at);
    return;
  }
  r.windows = std::move(*windows);
  retained_.push_back(std::move(r));
}

void Memory::forget() {
  for (const auto& r : retained_) driver_.mem_free(r.at);
  retained_.clear();
}

Result<std::optional<Fault>> Memory::check() {
  std::vector<std::byte> now;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& b = buffers_[i];
    for (const bool after : {false, true}) {
      now.resize(canary().size());
      const auto at = after ? b.data + static_cast<abi::DevicePtr>(b.bytes) : b.data - kCanaryBytes;
      if (auto ok = done(driver_.copy_to_host(now.data(), at, now.size()),
                         "checking around '" + b.name + "'");
          !ok)
        return tl::unexpected<Error>(ok.error());
      if (now == canary()) continue;
      std::int64_t changed = 0, first = -1, last = -1;
      for (std::int64_t k = 0; k < kCanaryBytes; ++k)
        if (now[static_cast<std::size_t>(k)] != canary()[static_cast<std::size_t>(k)]) {
          ++changed;
          if (first < 0) first = k;
          last = k;
        }
      return std::optional<Fault>(Fault{
          "out_of_bounds",
          after
              ? fmt::format("{} bytes behind '{}' ({} bytes) were overwritten, the nearest {} "
                            "bytes past its end",
                            changed, b.name, b.bytes, first + 1)
              : fmt::format(
                    "{} bytes before '{}' were overwritten, the nearest {} bytes before its start",
                    changed, b.name, kCanaryBytes - last)});
    }
    for (const auto& w : b.windows) {
      now.resize(w.bytes.size());
      if (auto ok = read(static_cast<int>(i), w.offset, now); !ok)
        return tl::unexpected<Error>(ok.error());
      if (now == w.bytes) continue;
      const auto at = std::mismatch(now.begin(), now.end(), w.bytes.begin()).first - now.begin();
      return std::optional<Fault>(
          Fault{"out_of_bounds",
                fmt::format("the input '{}' was overwritten, at byte {}", b.name, w.offset + at)});
    }
  }
  return std::optional<Fault>();
}

void Memory::release() {
  for (const auto& b : buffers_) driver_.mem_free(b.base);
  buffers_.clear();
}

}  // namespace mtmc::device::cuda
