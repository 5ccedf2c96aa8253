// Rates per SM and clock (dense, a multiply-add is two) follow the CUDA programming guide's table
// of arithmetic throughput and the architecture white papers; they serve bounds, so where a family
// has fast and slow members (accumulation in f16 or f32) the fast one stands here.
#include "device/cuda/facts.hpp"

#include <fmt/format.h>

namespace mtmc::device::cuda {

namespace {

struct Rates {
  int major, minor;
  double fp32, fp64, tf32, f16;  // operations per SM and clock
};
constexpr Rates kRates[] = {
    {7, 0, 128, 64, 0, 1024},     {7, 5, 128, 4, 0, 1024},       {8, 0, 128, 64, 1024, 2048},
    {8, 6, 256, 4, 512, 1024},    {8, 7, 256, 4, 512, 1024},     {8, 9, 256, 4, 512, 1024},
    {9, 0, 256, 128, 2048, 4096}, {10, 0, 256, 128, 4096, 8192}, {10, 3, 256, 4, 4096, 8192},
    {12, 0, 256, 4, 512, 1024},   {12, 1, 256, 4, 512, 1024},
};

const Rates& rates_of(int major, int minor) {
  const Rates* best = &kRates[0];
  for (const auto& r : kRates)
    if (r.major < major || (r.major == major && r.minor <= minor)) best = &r;
  return *best;
}

}  // namespace

std::string architecture_of(int major, int minor) {
  return fmt::format("sm_{}{}{}", major, minor, major >= 9 ? "a" : "");
}

Result<kernel::DeviceFacts> facts_of(const Driver& driver, abi::Device device) {
  abi::Result status = abi::success;
  const auto attribute = [&](int which) {
    int value = 0;
    const auto got = driver.device_get_attribute(&value, which, device);
    if (got != abi::success && status == abi::success) status = got;
    return value;
  };
  char name[256] = {};
  if (const auto got = driver.device_get_name(name, sizeof name - 1, device); got != abi::success)
    return tl::unexpected<Error>(driver_error(driver, got, "reading a GPU's name"));
  kernel::DeviceFacts f;
  f.name = name;
  f.emulated = false;
  const int major = attribute(abi::compute_capability_major);
  const int minor = attribute(abi::compute_capability_minor);
  f.architecture = architecture_of(major, minor);
  f.sms = attribute(abi::multiprocessor_count);
  f.l2_bytes = attribute(abi::l2_cache_bytes);
  f.shared_bytes = attribute(abi::max_shared_per_block);
  f.shared_optin_bytes = attribute(abi::max_shared_per_block_optin);
  f.shared_per_sm_bytes = attribute(abi::max_shared_per_multiprocessor);
  f.registers_per_sm = attribute(abi::max_registers_per_multiprocessor);
  f.max_threads_per_sm = attribute(abi::max_threads_per_multiprocessor);
  f.clock_hz = 1e3 * attribute(abi::clock_rate_khz);
  // Two transfers per clock on every memory type in use.
  f.dram_bytes_per_s =
      2e3 * attribute(abi::memory_clock_rate_khz) * (attribute(abi::memory_bus_width_bits) / 8.0);
  if (status != abi::success)
    return tl::unexpected<Error>(
        driver_error(driver, status, fmt::format("reading the attributes of {}", name)));
  const Rates& rates = rates_of(major, minor);
  const double clocks = f.sms * f.clock_hz;
  f.fp32_flops = rates.fp32 * clocks;
  f.fp64_flops = rates.fp64 * clocks;
  f.tf32_flops = rates.tf32 * clocks;
  f.f16_flops = rates.f16 * clocks;
  return f;
}

}  // namespace mtmc::device::cuda
