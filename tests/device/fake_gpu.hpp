// Test cases on the fake GPU: points the product at the fake driver before it looks for one, and
// tells the fake what to play.
#pragma once

#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "compiler/support.hpp"
#include "device/device.hpp"

namespace mtmc::test {

inline void use_fake_driver() {
  for (const char* name :
       {"MTMC_CUDA_DRIVER", "MTMC_CUDA_CUPTI", "MTMC_CUDA_NVML", "MTMC_CUDA_CUBLASLT"})
    setenv(name, MTMC_FAKE_DRIVER, 1);
}

// Loads the fake into this process and resets it. Devices of before must be gone.
inline void play(const nlohmann::json& scenario = nlohmann::json::object()) {
  use_fake_driver();
  static void* library = dlopen(MTMC_FAKE_DRIVER, RTLD_NOW | RTLD_LOCAL);
  if (!library) FAIL(dlerror());
  reinterpret_cast<void (*)(const char*)>(dlsym(library, "mtmcFakeReset"))(scenario.dump().c_str());
}

inline nlohmann::json last_launch() {
  static void* library = dlopen(MTMC_FAKE_DRIVER, RTLD_NOW | RTLD_LOCAL);
  return nlohmann::json::parse(
      reinterpret_cast<const char* (*)()>(dlsym(library, "mtmcFakeLastLaunch"))());
}

inline std::unique_ptr<device::Device> open_gpu(const std::string& name = "cuda:0") {
  auto device = device::open_device(name);
  if (!device) FAIL(device.error().message);
  return std::move(*device);
}

// Machine code for the fake GPU.
inline compiler::Binary machine_code(const std::string& cuda,
                                     const std::string& architecture = "sm_90a") {
  auto request = compiler::test::request(cuda, architecture);
  request.line_info = true;
  return compiler::test::must_compile(compiler::test::shared_compiler(), request);
}

}  // namespace mtmc::test
