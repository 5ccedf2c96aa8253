// cuDNN's descriptor interface, which version 9 keeps although it calls it deprecated: its graph
// interface would need a builder many times this size for one routine. Source: cudnn_cnn.h of 9.
#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "device/cuda/library_abi.hpp"
#include "device/cuda/library_steps.hpp"
#include "device/cuda/shared_library.hpp"

namespace mtmc::device::cuda {

namespace {

using nlohmann::json;
namespace dnn = abi::cudnn;

constexpr std::size_t kMaxWorkspaceBytes = std::size_t{1} << 30;

struct Cudnn {
  static constexpr const char* name = "cuDNN 9";
  std::string path;
  std::size_t (*version)();
  int (*create)(void**);
  int (*set_stream)(void*, abi::Stream);
  int (*tensor_create)(void**);
  int (*tensor_set)(void*, int type, int count, const int* dims, const int* strides);
  int (*tensor_destroy)(void*);
  int (*filter_create)(void**);
  int (*filter_set)(void*, int type, int format, int count, const int* dims);
  int (*filter_destroy)(void*);
  int (*convolution_create)(void**);
  int (*convolution_set)(void*, int count, const int* padding, const int* stride,
                         const int* dilation, int mode, int type);
  int (*convolution_groups)(void*, int);
  int (*convolution_math)(void*, int);
  int (*convolution_destroy)(void*);
  int (*algorithms)(void*, void*, void*, void*, void*, int, int*, dnn::AlgorithmPerformance*);
  int (*forward)(void*, const void*, void*, const void*, void*, const void*, void*, int, void*,
                 std::size_t, const void*, void*, void*);
  void* handle = nullptr;
};

Result<Cudnn*> library() {
  return function_table<Cudnn>("MTMC_CUDA_CUDNN", {"libcudnn.so.9"}, [](Cudnn& c, auto need) {
    need(c.version, "cudnnGetVersion");
    need(c.create, "cudnnCreate");
    need(c.set_stream, "cudnnSetStream");
    need(c.tensor_create, "cudnnCreateTensorDescriptor");
    need(c.tensor_set, "cudnnSetTensorNdDescriptor");
    need(c.tensor_destroy, "cudnnDestroyTensorDescriptor");
    need(c.filter_create, "cudnnCreateFilterDescriptor");
    need(c.filter_set, "cudnnSetFilterNdDescriptor");
    need(c.filter_destroy, "cudnnDestroyFilterDescriptor");
    need(c.convolution_create, "cudnnCreateConvolutionDescriptor");
    need(c.convolution_set, "cudnnSetConvolutionNdDescriptor");
    need(c.convolution_groups, "cudnnSetConvolutionGroupCount");
    need(c.convolution_math, "cudnnSetConvolutionMathType");
    need(c.convolution_destroy, "cudnnDestroyConvolutionDescriptor");
    need(c.algorithms, "cudnnGetConvolutionForwardAlgorithm_v7");
    need(c.forward, "cudnnConvolutionForward");
  });
}

std::optional<int> data_type(op::DType dtype) {
  switch (dtype) {
    case op::DType::f32:
      return dnn::data_float;
    case op::DType::f64:
      return dnn::data_double;
    case op::DType::f16:
      return dnn::data_half;
    case op::DType::bf16:
      return dnn::data_bfloat16;
    default:
      return std::nullopt;
  }
}

class ConvolutionPlan : public LibraryPlan {
 public:
  ConvolutionPlan(const Driver& driver, const Cudnn& library)
      : driver_(driver), library_(library) {}
  ~ConvolutionPlan() override {
    if (x) library_.tensor_destroy(x);
    if (y) library_.tensor_destroy(y);
    if (w) library_.filter_destroy(w);
    if (convolution) library_.convolution_destroy(convolution);
    if (workspace) driver_.mem_free(workspace);
  }
  std::string submit(abi::Stream stream) override {
    const float one = 1, zero = 0;
    const double one64 = 1, zero64 = 0;
    const void* alpha = wide ? static_cast<const void*>(&one64) : &one;
    const void* beta = wide ? static_cast<const void*>(&zero64) : &zero;
    int status = library_.set_stream(library_.handle, stream);
    if (status == 0)
      status = library_.forward(library_.handle, alpha, x, reinterpret_cast<void*>(from_x), w,
                                reinterpret_cast<void*>(from_w), convolution, chosen.algorithm,
                                reinterpret_cast<void*>(workspace), chosen.memory_bytes, beta, y,
                                reinterpret_cast<void*>(to));
    return status == 0 ? "" : fmt::format("cudnnConvolutionForward: status {}", status);
  }

  void *x = nullptr, *w = nullptr, *y = nullptr, *convolution = nullptr;
  abi::DevicePtr from_x = 0, from_w = 0, to = 0, workspace = 0;
  bool wide = false;
  dnn::AlgorithmPerformance chosen{};

 private:
  const Driver& driver_;
  const Cudnn& library_;
};

// One number for all axes, or one for each.
std::optional<std::vector<int>> per_axis(const json& form, const char* name, std::size_t axes,
                                         int otherwise) {
  const json value = form.value(name, json(otherwise));
  std::vector<int> out;
  for (std::size_t i = 0; i < axes; ++i) {
    const json& one = value.is_array() ? (i < value.size() ? value[i] : json()) : value;
    if (!one.is_number_integer() || one.get<std::int64_t>() < 0 ||
        one.get<std::int64_t>() > 1 << 20)
      return std::nullopt;
    out.push_back(one.get<int>());
  }
  return out;
}

}  // namespace

Result<std::string> cudnn_version(std::string& path) {
  auto loaded = library();
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  path = (*loaded)->path;
  const auto v = (*loaded)->version();
  return fmt::format("{}.{}.{}", v / 10000, v % 10000 / 100, v % 100);
}

Planned<std::unique_ptr<LibraryPlan>> plan_cudnn_convolution(
    const Driver& driver, const std::string& settings,
    const std::vector<LibraryOperand>& operands) {
  const auto fail = [](const char* word, const std::string& text) {
    return tl::unexpected<Fault>(Fault{word, "cudnn convolution_forward: " + text});
  };
  auto loaded = library();
  if (!loaded) return fail("unsupported", loaded.error().message);
  Cudnn& lib = **loaded;
  if (operands.size() != 3) return fail("refused", "takes the buffers x, w, y");
  const json form = settings.empty() ? json::object() : json::parse(settings, nullptr, false);
  if (!form.is_object()) return fail("refused", "settings are no JSON object");
  const auto& x = operands[0];
  const std::size_t rank = x.shape.size();
  if (rank < 3 || rank > 5) return fail("refused", "one to three spatial axes");
  const auto type = data_type(x.dtype);
  for (const auto& o : operands) {
    if (!type || o.dtype != x.dtype || o.shape.size() != rank)
      return fail("refused", "f64, f32, f16 or bf16 and one rank for x, w and y");
    for (const auto extent : o.shape)
      if (extent <= 0 || extent > std::int64_t{1} << 30)
        return fail("refused", "axes of 1 to 2^30");
  }
  auto padding = per_axis(form, "padding", rank - 2, 0),
       stride = per_axis(form, "stride", rank - 2, 1),
       dilation = per_axis(form, "dilation", rank - 2, 1);
  const json groups = form.value("groups", json(1));
  if (!padding || !stride || !dilation || !groups.is_number_integer())
    return fail("refused", "stride, padding, dilation and groups are whole numbers");
  const bool tf32 = form.value("precision", json("exact")) == "tf32";
  // Descriptors have at least two spatial axes.
  const auto widened = [&](std::vector<int> v, int with) {
    if (rank == 3) v.insert(v.begin(), with);
    return v;
  };
  const auto dims = [&](const LibraryOperand& o) {
    std::vector<int> d(o.shape.begin(), o.shape.end());
    if (rank == 3) d.insert(d.begin() + 2, 1);
    return d;
  };
  const auto pad = widened(*padding, 0), step = widened(*stride, 1), spread = widened(*dilation, 1);

  int status = lib.handle ? 0 : lib.create(&lib.handle);
  if (status != 0) return fail("crash", fmt::format("cudnnCreate: status {}", status));
  auto plan = std::make_unique<ConvolutionPlan>(driver, lib);
  plan->wide = x.dtype == op::DType::f64;
  plan->from_x = x.address;
  plan->from_w = operands[1].address;
  plan->to = operands[2].address;
  const auto tensor = [&](void** out, const LibraryOperand& o) {
    const auto d = dims(o);
    std::vector<int> strides(d.size(), 1);
    for (std::size_t i = d.size() - 1; i-- > 0;) strides[i] = strides[i + 1] * d[i + 1];
    if (status == 0) status = lib.tensor_create(out);
    if (status == 0)
      status = lib.tensor_set(*out, *type, static_cast<int>(d.size()), d.data(), strides.data());
  };
  tensor(&plan->x, x);
  tensor(&plan->y, operands[2]);
  const auto w = dims(operands[1]);
  if (status == 0) status = lib.filter_create(&plan->w);
  if (status == 0)
    status = lib.filter_set(plan->w, *type, dnn::kTensorNchw, static_cast<int>(w.size()), w.data());
  if (status == 0) status = lib.convolution_create(&plan->convolution);
  if (status == 0)
    status = lib.convolution_set(plan->convolution, static_cast<int>(pad.size()), pad.data(),
                                 step.data(), spread.data(), dnn::kCrossCorrelation,
                                 plan->wide ? dnn::data_double : dnn::data_float);
  if (status == 0) status = lib.convolution_groups(plan->convolution, groups.get<int>());
  const bool narrow = x.dtype == op::DType::f16 || x.dtype == op::DType::bf16;
  if (status == 0)
    status = lib.convolution_math(plan->convolution,
                                  narrow || tf32 ? dnn::tensor_op_math : dnn::fma_math);
  dnn::AlgorithmPerformance found[8] = {};
  int count = 0;
  if (status == 0)
    status =
        lib.algorithms(lib.handle, plan->x, plan->w, plan->convolution, plan->y, 8, &count, found);
  if (status != 0) return fail("unsupported", fmt::format("status {}", status));
  const auto* end = found + std::clamp(count, 0, 8);
  const auto* best =
      std::find_if(found, const_cast<dnn::AlgorithmPerformance*>(end), [&](const auto& f) {
        return f.status == 0 && f.memory_bytes <= kMaxWorkspaceBytes &&
               (tf32 || narrow || plan->wide || f.math_type == dnn::fma_math);
      });
  if (best == end) return fail("unsupported", "no algorithm");
  plan->chosen = *best;
  if (plan->chosen.memory_bytes > 0)
    if (const auto got = driver.mem_alloc(&plan->workspace, plan->chosen.memory_bytes);
        got != abi::success)
      return fail("over_budget", "workspace: " + driver.text(got));
  return plan;
}

}  // namespace mtmc::device::cuda
