// The CUDA driver's interface behind dlopen: libcuda.so.1's functions as a table.
//
// driver() loads and initialises it once per process; safe to call from any thread. Function names
// and meanings: CUDA Driver API reference; minimum CUDA 12.0. Functions that older drivers lack are
// nullptr and said so.
#pragma once

#include <string>

#include "base/error.hpp"
#include "device/cuda/abi.hpp"

namespace mtmc::device::cuda {

struct Driver {
  int version = 0;   // 13000 for 13.0
  std::string path;  // of the library

  abi::Result (*get_error_name)(abi::Result, const char**);
  abi::Result (*get_error_string)(abi::Result, const char**);
  abi::Result (*device_get_count)(int*);
  abi::Result (*device_get)(abi::Device*, int);
  abi::Result (*device_get_name)(char*, int, abi::Device);
  abi::Result (*device_get_attribute)(int*, int, abi::Device);
  abi::Result (*device_total_mem)(std::size_t*, abi::Device);
  abi::Result (*device_get_uuid)(abi::Uuid*, abi::Device);
  abi::Result (*device_get_pci_bus_id)(char*, int, abi::Device);
  abi::Result (*primary_context_retain)(abi::Context*, abi::Device);
  abi::Result (*primary_context_release)(abi::Device);
  abi::Result (*context_set_current)(abi::Context);
  abi::Result (*context_synchronize)();
  abi::Result (*context_set_limit)(int, std::size_t);
  abi::Result (*mem_get_info)(std::size_t* free, std::size_t* total);
  abi::Result (*mem_alloc)(abi::DevicePtr*, std::size_t);
  abi::Result (*mem_free)(abi::DevicePtr);
  abi::Result (*copy_to_device)(abi::DevicePtr, const void*, std::size_t);
  abi::Result (*copy_to_host)(void*, abi::DevicePtr, std::size_t);
  abi::Result (*copy_async)(abi::DevicePtr to, abi::DevicePtr from, std::size_t, abi::Stream);
  abi::Result (*memset_async)(abi::DevicePtr, unsigned char, std::size_t, abi::Stream);
  abi::Result (*host_alloc)(void**, std::size_t, unsigned flags);
  abi::Result (*host_device_pointer)(abi::DevicePtr*, void*, unsigned flags);
  abi::Result (*host_free)(void*);
  abi::Result (*module_load)(abi::Module*, const void* image, unsigned options, int* names,
                             void** values);
  abi::Result (*module_unload)(abi::Module);
  abi::Result (*module_get_function)(abi::Function*, abi::Module, const char*);
  abi::Result (*function_get_attribute)(int*, int, abi::Function);
  abi::Result (*function_set_attribute)(abi::Function, int, int);
  // 12.4 and later; nullptr before.
  abi::Result (*function_get_param_info)(abi::Function, std::size_t index, std::size_t* offset,
                                         std::size_t* size);
  abi::Result (*occupancy)(int* blocks, abi::Function, int threads, std::size_t dynamic_shared);
  abi::Result (*launch)(const abi::LaunchConfig*, abi::Function, void** params, void** extra);
  abi::Result (*stream_create)(abi::Stream*, unsigned flags);
  abi::Result (*stream_synchronize)(abi::Stream);
  abi::Result (*stream_destroy)(abi::Stream);
  abi::Result (*stream_begin_capture)(abi::Stream, int mode);
  abi::Result (*stream_end_capture)(abi::Stream, abi::Graph*);
  // nullptr where the driver has no memory operations on streams.
  abi::Result (*stream_wait_value)(abi::Stream, abi::DevicePtr, std::uint32_t, unsigned flags);
  abi::Result (*graph_instantiate)(abi::GraphExec*, abi::Graph, unsigned long long flags);
  abi::Result (*graph_launch)(abi::GraphExec, abi::Stream);
  abi::Result (*graph_exec_destroy)(abi::GraphExec);
  abi::Result (*graph_destroy)(abi::Graph);
  abi::Result (*event_create)(abi::Event*, unsigned flags);
  abi::Result (*event_record)(abi::Event, abi::Stream);
  abi::Result (*event_elapsed_ms)(float*, abi::Event, abi::Event);
  abi::Result (*event_destroy)(abi::Event);
  // nullptr before CUDA 12.0.
  abi::Result (*tensor_map_encode_tiled)(abi::TensorMap*, int type, std::uint32_t rank, void* base,
                                         const std::uint64_t* dims, const std::uint64_t* strides,
                                         const std::uint32_t* box,
                                         const std::uint32_t* element_strides, int interleave,
                                         int swizzle, int promotion, int fill);

  std::string text(abi::Result status) const;  // "CUDA_ERROR_OUT_OF_MEMORY (out of memory)"
  std::string version_text() const;            // "CUDA 13.0"
};

// Errors: unavailable: why there is no driver here, and what to do.
Result<const Driver*> driver();

// What a status means for who goes on. `kernel_fault` kinds poison the context ("sticky").
enum class Trouble { kernel_fault, device_lost, out_of_memory, wrong_binary, other };
Trouble trouble_of(abi::Result status);
// The word of harness::Outcome for a kernel fault: out_of_bounds, misaligned, crash, timeout.
const char* fault_word(abi::Result status);
// An Error of the right kind; `doing` is what was tried ("allocating 4 GiB for 'x'").
Error driver_error(const Driver& driver, abi::Result status, const std::string& doing);

}  // namespace mtmc::device::cuda
