// The restated types against NVIDIA's own headers, wherever the build found some.
#include <catch2/catch.hpp>
#include <cstddef>

#include "device/cuda/abi.hpp"
#include "device/cuda/library_abi.hpp"

#ifdef MTMC_HAS_CUDA_H
#include <cuda.h>
#endif
#ifdef MTMC_HAS_CUPTI_H
#include <cupti.h>
#include <cupti_profiler_host.h>
#include <cupti_profiler_target.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>
#endif
#ifdef MTMC_HAS_CUBLASLT_H
#include <cublasLt.h>
#endif
#ifdef MTMC_HAS_CUDNN_H
#include <cudnn.h>
#endif

namespace abi = mtmc::device::cuda::abi;

TEST_CASE("restated driver types have the layout that NVIDIA's headers say") {
  CHECK(sizeof(abi::LaunchConfig) == 56);
  CHECK(sizeof(abi::LaunchAttribute) == 72);
  CHECK(sizeof(abi::TensorMap) == 128);
#ifdef MTMC_HAS_CUDA_H
  static_assert(sizeof(abi::LaunchConfig) == sizeof(CUlaunchConfig));
  static_assert(offsetof(abi::LaunchConfig, block) == offsetof(CUlaunchConfig, blockDimX));
  static_assert(offsetof(abi::LaunchConfig, shared_bytes) ==
                offsetof(CUlaunchConfig, sharedMemBytes));
  static_assert(offsetof(abi::LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
  static_assert(offsetof(abi::LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
  static_assert(offsetof(abi::LaunchConfig, attribute_count) == offsetof(CUlaunchConfig, numAttrs));
  static_assert(sizeof(abi::LaunchAttribute) == sizeof(CUlaunchAttribute));
  static_assert(offsetof(abi::LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
  static_assert(sizeof(abi::TensorMap) == sizeof(CUtensorMap));
  static_assert(sizeof(abi::Uuid) == sizeof(CUuuid));
#define SAME(ours, theirs) \
  static_assert(static_cast<long long>(abi::ours) == static_cast<long long>(theirs))
  SAME(out_of_memory, CUDA_ERROR_OUT_OF_MEMORY);
  SAME(stub_library, CUDA_ERROR_STUB_LIBRARY);
  SAME(device_unavailable, CUDA_ERROR_DEVICE_UNAVAILABLE);
  SAME(no_device, CUDA_ERROR_NO_DEVICE);
  SAME(invalid_image, CUDA_ERROR_INVALID_IMAGE);
  SAME(no_binary_for_gpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
  SAME(ecc_uncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE);
  SAME(invalid_ptx, CUDA_ERROR_INVALID_PTX);
  SAME(nvlink_uncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE);
  SAME(unsupported_ptx_version, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  SAME(not_found, CUDA_ERROR_NOT_FOUND);
  SAME(illegal_address, CUDA_ERROR_ILLEGAL_ADDRESS);
  SAME(launch_out_of_resources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  SAME(launch_timeout, CUDA_ERROR_LAUNCH_TIMEOUT);
  SAME(assert_failed, CUDA_ERROR_ASSERT);
  SAME(hardware_stack_error, CUDA_ERROR_HARDWARE_STACK_ERROR);
  SAME(illegal_instruction, CUDA_ERROR_ILLEGAL_INSTRUCTION);
  SAME(misaligned_address, CUDA_ERROR_MISALIGNED_ADDRESS);
  SAME(invalid_address_space, CUDA_ERROR_INVALID_ADDRESS_SPACE);
  SAME(invalid_pc, CUDA_ERROR_INVALID_PC);
  SAME(launch_failed, CUDA_ERROR_LAUNCH_FAILED);
  SAME(cooperative_launch_too_large, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
  SAME(not_permitted, CUDA_ERROR_NOT_PERMITTED);
  SAME(not_supported, CUDA_ERROR_NOT_SUPPORTED);
  SAME(system_not_ready, CUDA_ERROR_SYSTEM_NOT_READY);
  SAME(system_driver_mismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
  SAME(stream_capture_unsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  SAME(invalid_cluster_size, CUDA_ERROR_INVALID_CLUSTER_SIZE);
  SAME(unknown_error, CUDA_ERROR_UNKNOWN);
  SAME(max_shared_per_block, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  SAME(clock_rate_khz, CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  SAME(multiprocessor_count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  SAME(compute_mode, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE);
  SAME(memory_clock_rate_khz, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
  SAME(memory_bus_width_bits, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
  SAME(l2_cache_bytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  SAME(max_threads_per_multiprocessor, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
  SAME(compute_capability_major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  SAME(compute_capability_minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  SAME(max_shared_per_multiprocessor, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
  SAME(max_registers_per_multiprocessor, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR);
  SAME(max_shared_per_block_optin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  SAME(cooperative_launch, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH);
  SAME(cluster_launch, CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH);
  SAME(stream_wait_value_nor, CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR);
  SAME(tensor_map_access, CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED);
  SAME(max_threads_per_block, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  SAME(static_shared_bytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
  SAME(registers, CU_FUNC_ATTRIBUTE_NUM_REGS);
  SAME(max_dynamic_shared_bytes, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
  SAME(non_portable_cluster_size, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
  SAME(persisting_l2_cache_size, CU_LIMIT_PERSISTING_L2_CACHE_SIZE);
  SAME(kStreamNonBlocking, CU_STREAM_NON_BLOCKING);
  SAME(kCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  SAME(kWaitValueGeq, CU_STREAM_WAIT_VALUE_GEQ);
  SAME(kHostAllocDeviceMap, CU_MEMHOSTALLOC_DEVICEMAP);
  SAME(attribute_cooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
  SAME(attribute_cluster_dimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
  SAME(attribute_programmatic_stream_serialization,
       CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
  SAME(tensor_u8, CU_TENSOR_MAP_DATA_TYPE_UINT8);
  SAME(tensor_i32, CU_TENSOR_MAP_DATA_TYPE_INT32);
  SAME(tensor_i64, CU_TENSOR_MAP_DATA_TYPE_INT64);
  SAME(tensor_f16, CU_TENSOR_MAP_DATA_TYPE_FLOAT16);
  SAME(tensor_f32, CU_TENSOR_MAP_DATA_TYPE_FLOAT32);
  SAME(tensor_f64, CU_TENSOR_MAP_DATA_TYPE_FLOAT64);
  SAME(tensor_bf16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
  SAME(kTensorInterleaveNone, CU_TENSOR_MAP_INTERLEAVE_NONE);
  SAME(kTensorPromotion128, CU_TENSOR_MAP_L2_PROMOTION_L2_128B);
  static_assert(CU_TENSOR_MAP_SWIZZLE_32B == 1 && CU_TENSOR_MAP_SWIZZLE_64B == 2 &&
                CU_TENSOR_MAP_SWIZZLE_128B == 3);
#endif
}

TEST_CASE("restated CUPTI records and parameters have the layout that NVIDIA's headers say") {
  CHECK(sizeof(abi::RangeSetConfig) == 96);
#ifdef MTMC_HAS_CUPTI_H
  namespace at = abi::activity_offset;
  static_assert(at::start == offsetof(CUpti_ActivityKernel9, start) &&
                at::end == offsetof(CUpti_ActivityKernel9, end));
  static_assert(at::kernel_correlation == offsetof(CUpti_ActivityKernel9, correlationId) &&
                at::kernel_name == offsetof(CUpti_ActivityKernel9, name));
  static_assert(at::start == offsetof(CUpti_ActivityMemset4, start) &&
                at::end == offsetof(CUpti_ActivityMemset4, end));
  static_assert(at::copy_bytes == offsetof(CUpti_ActivityMemset4, bytes) &&
                at::memset_value == offsetof(CUpti_ActivityMemset4, value));
  static_assert(at::start == offsetof(CUpti_ActivityMemcpy5, start) &&
                at::end == offsetof(CUpti_ActivityMemcpy5, end) &&
                at::copy_bytes == offsetof(CUpti_ActivityMemcpy5, bytes));
  static_assert(int(abi::activity_memcpy) == CUPTI_ACTIVITY_KIND_MEMCPY &&
                int(abi::activity_memset) == CUPTI_ACTIVITY_KIND_MEMSET);
  static_assert(int(abi::activity_kernel) == CUPTI_ACTIVITY_KIND_KERNEL &&
                int(abi::activity_concurrent_kernel) == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  static_assert(abi::kFlushForced == CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  static_assert(int(abi::cupti_insufficient_privileges) == CUPTI_ERROR_INSUFFICIENT_PRIVILEGES);
  static_assert(int(abi::cupti_multiple_subscribers) ==
                CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED);
  static_assert(int(abi::cupti_virtualized_device_insufficient_privileges) ==
                CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES);
  static_assert(abi::kUserRange == CUPTI_UserRange && abi::kUserReplay == CUPTI_UserReplay);
#define STRUCT(ours, theirs, last_ours, last_theirs)      \
  CHECK(abi::ours{}.struct_size == theirs##_STRUCT_SIZE); \
  static_assert(sizeof(abi::ours) == sizeof(theirs));     \
  static_assert(offsetof(abi::ours, last_ours) == offsetof(theirs, last_theirs))
  STRUCT(ProfilerInitialize, CUpti_Profiler_Initialize_Params, priv, pPriv);
  STRUCT(GetChipName, CUpti_Device_GetChipName_Params, chip_name, pChipName);
  STRUCT(HostInitialize, CUpti_Profiler_Host_Initialize_Params, host_object, pHostObject);
  STRUCT(HostObjectOnly, CUpti_Profiler_Host_Deinitialize_Params, host_object, pHostObject);
  STRUCT(HostGetSupportedChips, CUpti_Profiler_Host_GetSupportedChips_Params, chip_names,
         ppChipNames);
  STRUCT(HostConfigAddMetrics, CUpti_Profiler_Host_ConfigAddMetrics_Params, metric_count,
         numMetrics);
  STRUCT(HostGetConfigImageSize, CUpti_Profiler_Host_GetConfigImageSize_Params, image_size,
         configImageSize);
  STRUCT(HostGetConfigImage, CUpti_Profiler_Host_GetConfigImage_Params, image, pConfigImage);
  STRUCT(HostGetNumOfPasses, CUpti_Profiler_Host_GetNumOfPasses_Params, pass_count, numOfPasses);
  STRUCT(HostEvaluate, CUpti_Profiler_Host_EvaluateToGpuValues_Params, values, pMetricValues);
  STRUCT(RangeEnable, CUpti_RangeProfiler_Enable_Params, profiler, pRangeProfilerObject);
  STRUCT(RangeProfilerOnly, CUpti_RangeProfiler_Start_Params, profiler, pRangeProfilerObject);
  STRUCT(RangeProfilerOnly, CUpti_RangeProfiler_Disable_Params, profiler, pRangeProfilerObject);
  STRUCT(RangeProfilerOnly, CUpti_RangeProfiler_PopRange_Params, profiler, pRangeProfilerObject);
  STRUCT(RangeGetCounterDataSize, CUpti_RangeProfiler_GetCounterDataSize_Params, counter_data_size,
         counterDataSize);
  STRUCT(RangeCounterDataInitialize, CUpti_RangeProfiler_CounterDataImage_Initialize_Params,
         counter_data, pCounterData);
  STRUCT(RangeSetConfig, CUpti_RangeProfiler_SetConfig_Params, target_nesting_level,
         targetNestingLevel);
  STRUCT(RangeSetConfig, CUpti_RangeProfiler_SetConfig_Params, pass_index, passIndex);
  STRUCT(RangePush, CUpti_RangeProfiler_PushRange_Params, name, pRangeName);
  STRUCT(RangeStop, CUpti_RangeProfiler_Stop_Params, all_passes_submitted, isAllPassSubmitted);
  STRUCT(RangeDecode, CUpti_RangeProfiler_DecodeData_Params, dropped_ranges, numOfRangeDropped);
  static_assert(sizeof(abi::SubscriberParams) == sizeof(CUpti_SubscriberParams));
#endif
}

TEST_CASE("restated library types have the layout that NVIDIA's headers say") {
  CHECK(sizeof(abi::cublaslt::Heuristic) == 96);
#ifdef MTMC_HAS_CUBLASLT_H
  namespace lt = abi::cublaslt;
  static_assert(sizeof(lt::Heuristic) == sizeof(cublasLtMatmulHeuristicResult_t));
  static_assert(offsetof(lt::Heuristic, workspace_bytes) ==
                offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
  static_assert(int(lt::layout_batch_count) == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT &&
                int(lt::layout_batch_offset) == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
  static_assert(int(lt::desc_transa) == CUBLASLT_MATMUL_DESC_TRANSA &&
                int(lt::desc_transb) == CUBLASLT_MATMUL_DESC_TRANSB);
  static_assert(int(lt::preference_max_workspace) == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
  static_assert(int(lt::compute_32f) == CUBLAS_COMPUTE_32F &&
                int(lt::compute_64f) == CUBLAS_COMPUTE_64F &&
                int(lt::compute_32f_fast_tf32) == CUBLAS_COMPUTE_32F_FAST_TF32);
  static_assert(int(lt::r_32f) == CUDA_R_32F && int(lt::r_64f) == CUDA_R_64F &&
                int(lt::r_16f) == CUDA_R_16F && int(lt::r_16bf) == CUDA_R_16BF);
#endif
#ifdef MTMC_HAS_CUDNN_H
  namespace dnn = abi::cudnn;
  static_assert(sizeof(dnn::AlgorithmPerformance) == sizeof(cudnnConvolutionFwdAlgoPerf_t));
  static_assert(offsetof(dnn::AlgorithmPerformance, memory_bytes) ==
                offsetof(cudnnConvolutionFwdAlgoPerf_t, memory));
  static_assert(offsetof(dnn::AlgorithmPerformance, math_type) ==
                offsetof(cudnnConvolutionFwdAlgoPerf_t, mathType));
  static_assert(int(dnn::data_float) == CUDNN_DATA_FLOAT &&
                int(dnn::data_half) == CUDNN_DATA_HALF &&
                int(dnn::data_bfloat16) == CUDNN_DATA_BFLOAT16);
  static_assert(int(dnn::fma_math) == CUDNN_FMA_MATH &&
                int(dnn::tensor_op_math) == CUDNN_TENSOR_OP_MATH);
  static_assert(int(dnn::kCrossCorrelation) == CUDNN_CROSS_CORRELATION &&
                int(dnn::kTensorNchw) == CUDNN_TENSOR_NCHW);
#endif
}
