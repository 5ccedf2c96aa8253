#include "kernel/device_facts.hpp"

namespace mtmc::kernel {

void DeviceFacts::add_symbols(Symbols& symbols) const {
  symbols["dev.sms"] = sms;
  symbols["dev.shared"] = shared_bytes;
  symbols["dev.shared_optin"] = shared_optin_bytes;
  symbols["dev.shared_per_sm"] = shared_per_sm_bytes;
  symbols["dev.registers_per_sm"] = registers_per_sm;
  symbols["dev.threads_per_sm"] = max_threads_per_sm;
  symbols["dev.l2"] = l2_bytes;
}

}  // namespace mtmc::kernel
