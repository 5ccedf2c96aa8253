// What there is of NVIDIA's software and hardware on this machine, and why the rest is not: for
// `mtmc doctor`, for `mtmc devices`, and for the message when a GPU was asked for by name.
//
// Everything is loaded with dlopen (never RTLD_GLOBAL) and kept for the life of the process.
// $MTMC_CUDA_DRIVER, $MTMC_CUDA_CUPTI, $MTMC_CUDA_NVML, $MTMC_CUDA_CUBLASLT and $MTMC_CUDA_CUDNN
// each name a library to use instead of looking. No context is made on any GPU except by
// `probe_counters`.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernel/device_facts.hpp"

namespace mtmc::device::cuda {

// A piece of software: there with its version and place, or absent with the reason and what to do.
struct Part {
  std::string name;  // "driver", "cupti", "nvml", "cublaslt", "cudnn"
  bool available = false;
  std::string version;  // "CUDA 13.0, 580.65.06"; "13.0"; ...
  std::string path;     // what was loaded
  std::string why;      // one line; empty when available
  std::string advice;   // what to do; empty when available
};

struct Gpu {
  int ordinal = 0;   // N of "cuda:N"
  std::string name;  // as available_devices() prints it
  std::string uuid;  // "GPU-..." or "MIG-..."
  kernel::DeviceFacts facts;
  std::int64_t memory_bytes = 0;
  bool mig = false;          // a slice of a GPU
  int other_processes = -1;  // computing on it now; -1: not known
  std::string note;  // compute mode, ECC pending, a driver that is too old for `architecture`, ...
};

struct Probe {
  Part driver, cupti, nvml, cublaslt, cudnn;
  std::vector<Gpu> gpus;  // empty where the driver is absent or finds none
};

Probe probe();
// The GPUs alone, which loads nothing but driver and NVML.
std::vector<Gpu> gpus();
// Opens GPU `ordinal` for a moment: are hardware counters permitted? In a worker's process only: a
// context stays.
Result<void> probe_counters(int ordinal);

// "CUDA 13.0, 580.65.06": part of every measured time's identity. Empty where there is no driver.
std::string driver_version();

// The environment that a process needs to see the same GPUs and libraries as this one: CUDA_*,
// NVIDIA_*, MTMC_CUDA_*, LD_LIBRARY_PATH. Nothing else of the environment reaches a worker.
std::vector<std::string> gpu_environment();

}  // namespace mtmc::device::cuda
