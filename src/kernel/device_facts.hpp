// What a recipe, a planner and a bound may know of a device: plain numbers, the same for a GPU and for an emulated one.
#pragma once

#include <cstdint>
#include <string>

#include "base/expr.hpp"

namespace mtmc::kernel {

struct DeviceFacts {
  std::string name;          // "NVIDIA H200"
  std::string architecture;  // "sm_90a": what the compiler is asked for
  bool emulated = true;      // times are modelled, never measured
  int sms = 0;
  double clock_hz = 0;
  double dram_bytes_per_s = 0;
  std::int64_t l2_bytes = 0;
  std::int64_t shared_bytes = 0;        // static limit of a block
  std::int64_t shared_optin_bytes = 0;  // dynamic limit of a block
  std::int64_t shared_per_sm_bytes = 0;
  int registers_per_sm = 0;
  int max_threads_per_sm = 0;
  // Peak operations a second (a multiply-add is two); 0 where the device has none.
  double fp32_flops = 0, fp64_flops = 0, tf32_flops = 0, f16_flops = 0;
  double launch_ns = 0;  // least time of one kernel launch in a queue

  // dev.sms, dev.shared, dev.shared_optin, dev.shared_per_sm, dev.registers_per_sm, dev.threads_per_sm, dev.l2
  void add_symbols(Symbols& symbols) const;
};

}  // namespace mtmc::kernel
