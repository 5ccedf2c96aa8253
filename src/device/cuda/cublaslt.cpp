// cuBLASLt thinks in columns: a row-major d = a b is the column-major d^T = b^T a^T, so operands
// change places and the memory stays as it is. The workspace is allocated when the step is planned.
// Source: cublasLt.h of CUDA 12 and 13; numbers are restated, tests compare them with the header.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "device/cuda/library_abi.hpp"
#include "device/cuda/library_steps.hpp"
#include "device/cuda/shared_library.hpp"

namespace mtmc::device::cuda {

namespace {

using nlohmann::json;
namespace lt = abi::cublaslt;

struct CublasLt {
  static constexpr const char* name = "cuBLASLt 12";
  std::string path;
  std::size_t (*version)();
  int (*create)(void**);
  int (*matmul)(void*, void*, const void*, const void*, void*, const void*, void*, const void*,
                const void*, void*, void*, void*, const lt::Algorithm*, void*, std::size_t,
                abi::Stream);
  int (*layout_create)(void**, int, std::uint64_t, std::uint64_t, std::int64_t);
  int (*layout_set)(void*, int, const void*, std::size_t);
  int (*layout_destroy)(void*);
  int (*desc_create)(void**, int, int);
  int (*desc_set)(void*, int, const void*, std::size_t);
  int (*desc_destroy)(void*);
  int (*preference_create)(void**);
  int (*preference_set)(void*, int, const void*, std::size_t);
  int (*preference_destroy)(void*);
  int (*heuristic)(void*, void*, void*, void*, void*, void*, void*, int, lt::Heuristic*, int*);
  void* handle = nullptr;
};

Result<CublasLt*> library() {
  return function_table<CublasLt>("MTMC_CUDA_CUBLASLT", {"libcublasLt.so.13", "libcublasLt.so.12"},
                                  [](CublasLt& c, auto need) {
                                    need(c.version, "cublasLtGetVersion");
                                    need(c.create, "cublasLtCreate");
                                    need(c.matmul, "cublasLtMatmul");
                                    need(c.layout_create, "cublasLtMatrixLayoutCreate");
                                    need(c.layout_set, "cublasLtMatrixLayoutSetAttribute");
                                    need(c.layout_destroy, "cublasLtMatrixLayoutDestroy");
                                    need(c.desc_create, "cublasLtMatmulDescCreate");
                                    need(c.desc_set, "cublasLtMatmulDescSetAttribute");
                                    need(c.desc_destroy, "cublasLtMatmulDescDestroy");
                                    need(c.preference_create, "cublasLtMatmulPreferenceCreate");
                                    need(c.preference_set, "cublasLtMatmulPreferenceSetAttribute");
                                    need(c.preference_destroy, "cublasLtMatmulPreferenceDestroy");
                                    need(c.heuristic, "cublasLtMatmulAlgoGetHeuristic");
                                  });
}

std::optional<int> data_type(op::DType dtype) {
  switch (dtype) {
    case op::DType::f32:
      return lt::r_32f;
    case op::DType::f64:
      return lt::r_64f;
    case op::DType::f16:
      return lt::r_16f;
    case op::DType::bf16:
      return lt::r_16bf;
    default:
      return std::nullopt;
  }
}

class MatmulPlan : public LibraryPlan {
 public:
  MatmulPlan(const Driver& driver, const CublasLt& library) : driver_(driver), library_(library) {}
  ~MatmulPlan() override {
    for (void* layout : {a, b, d})
      if (layout) library_.layout_destroy(layout);
    if (desc) library_.desc_destroy(desc);
    if (workspace) driver_.mem_free(workspace);
  }
  std::string submit(abi::Stream stream) override {
    const float one = 1, zero = 0;
    const double one64 = 1, zero64 = 0;
    const void* alpha = wide ? static_cast<const void*>(&one64) : &one;
    const void* beta = wide ? static_cast<const void*>(&zero64) : &zero;
    auto* out = reinterpret_cast<void*>(to);
    const int status =
        library_.matmul(library_.handle, desc, alpha, reinterpret_cast<void*>(from_a), a,
                        reinterpret_cast<void*>(from_b), b, beta, out, d, out, d, &chosen.algorithm,
                        reinterpret_cast<void*>(workspace), chosen.workspace_bytes, stream);
    return status == 0 ? "" : fmt::format("cublasLtMatmul: status {}", status);
  }

  void *a = nullptr, *b = nullptr, *d = nullptr, *desc = nullptr;
  abi::DevicePtr workspace = 0, from_a = 0, from_b = 0, to = 0;
  bool wide = false;
  lt::Heuristic chosen{};

 private:
  const Driver& driver_;
  const CublasLt& library_;
};

Fault fault(const char* word, const std::string& text) {
  return {word, "cublaslt matmul: " + text};
}

}  // namespace

Result<std::string> cublaslt_version(std::string& path) {
  auto loaded = library();
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  path = (*loaded)->path;
  const auto v = (*loaded)->version();
  return fmt::format("{}.{}.{}", v / 10000, v % 10000 / 100, v % 100);
}

Planned<std::unique_ptr<LibraryPlan>> plan_cublaslt_matmul(
    const Driver& driver, const std::string& settings,
    const std::vector<LibraryOperand>& operands) {
  const auto fail = [](const char* word, const std::string& text) {
    return tl::unexpected<Fault>(fault(word, text));
  };
  auto loaded = library();
  if (!loaded) return fail("unsupported", loaded.error().message);
  CublasLt& lib = **loaded;
  if (operands.size() != 3) return fail("refused", "takes the buffers a, b, d");
  const json form = settings.empty() ? json::object() : json::parse(settings, nullptr, false);
  if (!form.is_object()) return fail("refused", "settings are no JSON object");
  const bool transpose_a = form.value("transpose_a", json(false)) == true,
             transpose_b = form.value("transpose_b", json(false)) == true;
  const bool tf32 = form.value("precision", json("exact")) == "tf32";
  const auto& [a, b, d] = std::tie(operands[0], operands[1], operands[2]);
  const auto type = data_type(a.dtype);
  if (!type || a.dtype != b.dtype || a.dtype != d.dtype)
    return fail("refused", "f64, f32, f16 or bf16, the same for all");
  for (const auto* o : {&a, &b, &d})
    if (o->shape.size() < 2) return fail("refused", "matrices have two axes or more");
  const auto axis = [](const LibraryOperand& o, bool last) {
    return o.shape[o.shape.size() - (last ? 1 : 2)];
  };
  const std::int64_t m = axis(d, false), n = axis(d, true), k = axis(a, !transpose_a);
  if (axis(a, transpose_a) != m || axis(b, !transpose_b) != n || axis(b, transpose_b) != k)
    return fail("refused", "shapes do not multiply");
  const auto batches = [&](const LibraryOperand& o) {
    std::int64_t count = 1;
    for (std::size_t i = 0; i + 2 < o.shape.size(); ++i) count *= o.shape[i];
    return count;
  };
  const std::int64_t batch = batches(d);
  if ((batches(a) != batch && batches(a) != 1) || (batches(b) != batch && batches(b) != 1))
    return fail("refused", "batches differ");

  int status = lib.handle ? 0 : lib.create(&lib.handle);
  if (status != 0) return fail("crash", fmt::format("cublasLtCreate: status {}", status));
  auto plan = std::make_unique<MatmulPlan>(driver, lib);
  plan->wide = a.dtype == op::DType::f64;
  // The library's first operand is our b.
  plan->from_a = b.address;
  plan->from_b = a.address;
  plan->to = d.address;
  const auto layout = [&](void** out, const LibraryOperand& o, std::int64_t of) {
    const std::int64_t columns = axis(o, true), rows = axis(o, false),
                       stride = of == 1 ? 0 : rows * columns;
    const auto count = static_cast<std::int32_t>(batch);
    if (status == 0)
      status = lib.layout_create(out, *type, static_cast<std::uint64_t>(columns),
                                 static_cast<std::uint64_t>(rows), columns);
    if (status == 0) status = lib.layout_set(*out, lt::layout_batch_count, &count, sizeof count);
    if (status == 0) status = lib.layout_set(*out, lt::layout_batch_offset, &stride, sizeof stride);
  };
  layout(&plan->a, b, batches(b));
  layout(&plan->b, a, batches(a));
  layout(&plan->d, d, batches(d));
  const int compute = plan->wide                          ? lt::compute_64f
                      : tf32 && a.dtype == op::DType::f32 ? lt::compute_32f_fast_tf32
                                                          : lt::compute_32f;
  if (status == 0)
    status = lib.desc_create(&plan->desc, compute, plan->wide ? lt::r_64f : lt::r_32f);
  const std::int32_t op_a = transpose_b ? 1 : 0, op_b = transpose_a ? 1 : 0;
  if (status == 0) status = lib.desc_set(plan->desc, lt::desc_transa, &op_a, sizeof op_a);
  if (status == 0) status = lib.desc_set(plan->desc, lt::desc_transb, &op_b, sizeof op_b);
  void* preference = nullptr;
  const std::size_t most = std::size_t{32} << 20;
  int found = 0;
  if (status == 0) status = lib.preference_create(&preference);
  if (status == 0)
    status = lib.preference_set(preference, lt::preference_max_workspace, &most, sizeof most);
  if (status == 0)
    status = lib.heuristic(lib.handle, plan->desc, plan->a, plan->b, plan->d, plan->d, preference,
                           1, &plan->chosen, &found);
  if (preference) lib.preference_destroy(preference);
  if (status != 0 || found == 0)
    return fail("unsupported", fmt::format("no algorithm (status {})", status));
  if (plan->chosen.workspace_bytes > 0)
    if (const auto got = driver.mem_alloc(&plan->workspace, plan->chosen.workspace_bytes);
        got != abi::success)
      return fail("over_budget", "workspace: " + driver.text(got));
  return plan;
}

Planned<std::unique_ptr<LibraryPlan>> plan_library_step(
    const Driver& driver, const kernel::Library& step,
    const std::vector<LibraryOperand>& operands) {
  if (step.library == "cublaslt" && step.routine == "matmul")
    return plan_cublaslt_matmul(driver, step.settings, operands);
  if (step.library == "cudnn" && step.routine == "convolution_forward")
    return plan_cudnn_convolution(driver, step.settings, operands);
  return tl::unexpected<Fault>(Fault{
      "refused",
      fmt::format(
          "no library routine '{} {}': there is cublaslt matmul and cudnn convolution_forward",
          step.library, step.routine)});
}

}  // namespace mtmc::device::cuda
