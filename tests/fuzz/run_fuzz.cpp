// libFuzzer target: see targets.hpp and scripts/fuzz.
#include <cstdint>

#include "fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mtmc::emulator::fuzz_run({reinterpret_cast<const char*>(data), size});
  return 0;
}
