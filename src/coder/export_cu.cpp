// Order of the file: prelude, tunables, device code with its in-memory headers put in place of
// their #include lines, host support, the loop nest, and main(). Numbers of the recipe are resolved
// here, so main() has no expressions.
#include "coder/export_cu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "coder/export_host.hpp"
#include "coder/templates.hpp"
#include "coder/text.hpp"
#include "compiler/prelude.hpp"
#include "op/reference.hpp"

namespace mtmc::coder {

namespace {

constexpr std::uint64_t kSeed = 1;
constexpr double kFullOperations = 2e9;  // of the loop nest; above it a sample is checked
constexpr int kSample = 1000;

// A source with its in-memory headers in place, each once.
std::string inlined(const kernel::Candidate& candidate, const std::string& text,
                    std::set<std::string>& done) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t start = line.find_first_not_of(" \t");
    if (start != std::string::npos && line.compare(start, 12, "#pragma once") == 0) continue;
    if (start != std::string::npos && line.compare(start, 8, "#include") == 0) {
      const auto file = std::find_if(candidate.sources.begin(), candidate.sources.end(),
                                     [&](const kernel::SourceFile& f) {
                                       return line.find("\"" + f.name + "\"") != std::string::npos;
                                     });
      if (file != candidate.sources.end()) {
        if (done.insert(file->name).second)
          out += fmt::format("// --- {}\n", file->name) + inlined(candidate, file->text, done);
        continue;
      }
    }
    out += line + "\n";
  }
  return out;
}

std::string dims3(const std::int64_t (&v)[3]) {
  return fmt::format("dim3({}, {}, {})", v[0], v[1], v[2]);
}

Result<std::string> steps_text(const std::vector<kernel::ResolvedStep>& steps) {
  std::string text;
  for (const auto& step : steps) {
    if (auto* launch = std::get_if<kernel::ResolvedLaunch>(&step)) {
      std::string args;
      text += "  {\n";
      for (std::size_t i = 0; i < launch->args.size(); ++i) {
        const auto& a = launch->args[i];
        if (auto* b = std::get_if<kernel::ResolvedBufferArg>(&a)) {
          text += fmt::format("    char* a{} = device_{} + {};\n", i, c_name(b->buffer),
                              b->offset_bytes);
        } else if (auto* s = std::get_if<kernel::ResolvedScalar>(&a)) {
          text += fmt::format("    const uint64_t a{} = {}ull;  // the low {} bytes\n", i, s->bits,
                              s->bytes);
        } else {
          return bad_input(
              fmt::format("launch of {}: tensor maps cannot be exported", launch->kernel));
        }
        args += fmt::format("{}(void*)&a{}", i ? ", " : "", i);
      }
      text += fmt::format(
          "    void* args[] = {{{}}};\n    launch((const void*)&{}, {}, {}, {}, {}, {}, {}, "
          "args);\n  }}\n",
          args, launch->kernel, dims3(launch->grid), dims3(launch->block), dims3(launch->cluster),
          launch->shared_bytes, launch->cooperative ? "true" : "false",
          launch->programmatic_dependent ? "true" : "false");
    } else if (auto* m = std::get_if<kernel::ResolvedMemset>(&step)) {
      text += fmt::format("  check(cudaMemset(device_{} + {}, {}, {}));\n", c_name(m->buffer),
                          m->offset_bytes, m->byte, m->bytes);
    } else if (auto* c = std::get_if<kernel::ResolvedCopy>(&step)) {
      text += fmt::format(
          "  check(cudaMemcpy(device_{} + {}, device_{} + {}, {}, cudaMemcpyDeviceToDevice));\n",
          c_name(c->to), c->to_offset_bytes, c_name(c->from), c->from_offset_bytes, c->bytes);
    } else {
      return bad_input("library steps cannot be exported");
    }
  }
  return text;
}

constexpr const char* kRuntime = R"(#ifndef MTMC_HOST_ONLY
static void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  printf("failed: %s\n", cudaGetErrorString(status));
  exit(1);
}

static void launch(const void* kernel, dim3 grid, dim3 block, dim3 cluster, size_t shared, bool cooperative, bool dependent,
                   void** args) {
  if (shared > 0) check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared));
  cudaLaunchAttribute attributes[3];
  cudaLaunchConfig_t config = {};
  config.gridDim = grid, config.blockDim = block, config.dynamicSmemBytes = shared, config.attrs = attributes;
  if (cluster.x * cluster.y * cluster.z > 1) {
    auto& a = attributes[config.numAttrs++];
    a.id = cudaLaunchAttributeClusterDimension;
    a.val.clusterDim.x = cluster.x, a.val.clusterDim.y = cluster.y, a.val.clusterDim.z = cluster.z;
  }
  if (cooperative) attributes[config.numAttrs].id = cudaLaunchAttributeCooperative, attributes[config.numAttrs++].val.cooperative = 1;
  if (dependent) {
    auto& a = attributes[config.numAttrs++];
    a.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    a.val.programmaticStreamSerializationAllowed = 1;
  }
  check(cudaLaunchKernelExC(&config, kernel, args));
}
#endif

)";

}  // namespace

Result<std::string> export_cu(const Task& task, const kernel::Candidate& candidate) {
  const auto& op = task.region.op;
  const auto& lowering = task.lowering;
  Symbols symbols = lowering.dims;
  for (const auto& [name, value] : candidate.configuration) symbols[name] = value;
  task.device.add_symbols(symbols);
  auto recipe = kernel::resolve(candidate.recipe, symbols);
  if (!recipe) return tl::unexpected<Error>(recipe.error().with("export"));
  auto nest = reference_text(op, lowering, kSeed);
  if (!nest) return tl::unexpected<Error>(nest.error().with("export"));
  auto cost = op::work(lowering, lowering.dims);
  if (!cost) return tl::unexpected<Error>(cost.error().with("export"));
  const bool full = cost->operations <= kFullOperations;

  std::string file =
      fmt::format("// {}\n// nvcc -std=c++17 -arch={} FILE.cu && ./a.out\n", task.region.text,
                  task.device.architecture.empty() ? "native" : task.device.architecture);
  file += "#ifndef MTMC_HOST_ONLY\n#include <cuda_runtime.h>\n#endif\n#include <cstdio>\n\n";
  file += std::string(compiler::prelude_text()) + "\n#ifndef MTMC_HOST_ONLY\n";
  for (const auto& [name, value] : candidate.configuration)
    file += fmt::format("#define {} {}\n", name, value);
  std::set<std::string> done = {candidate.sources[0].name};
  file += inlined(candidate, candidate.sources[0].text, done) + "#endif  // MTMC_HOST_ONLY\n\n";
  std::string support(host_check_text());
  if (const auto once = support.find("#pragma once\n"); once != std::string::npos)
    support.erase(once, 13);
  file += support + "\n" + *nest + "\n" + kRuntime;

  std::string device, free_text, checks, prints;
  for (const auto& b : recipe->buffers) {
    const std::string name = "device_" + c_name(b.name);
    const bool input = b.role == kernel::BufferRole::input ||
                       b.role == kernel::BufferRole::weight || b.role == kernel::BufferRole::state;
    if (b.alias) {
      device += fmt::format("  char* {} = device_{} + {};\n", name, c_name(b.alias->first),
                            b.alias->second);
      continue;
    }
    device += fmt::format("  char* {} = nullptr;\n  check(cudaMalloc((void**)&{}, {}));\n", name,
                          name, std::max<std::int64_t>(b.bytes, 1));
    if (input)
      device +=
          fmt::format("  check(cudaMemcpy({}, host_{}.data(), {}, cudaMemcpyHostToDevice));\n",
                      name, c_name(b.name), b.bytes);
    else if (b.fill == kernel::FillKind::zero)
      device += fmt::format("  check(cudaMemset({}, 0, {}));\n", name, b.bytes);
    else if (b.fill == kernel::FillKind::value)
      return bad_input(fmt::format("export: buffer {} is filled with a value", b.name));
    else
      device += fmt::format("  check(cudaMemset({}, 0x3e, {}));\n", name, b.bytes);
    free_text += fmt::format("  cudaFree({});\n", name);
  }
  for (const auto& t : lowering.tensors) {
    if (t.kind != op::Tensor::Kind::output) continue;
    std::int64_t count = 1;
    for (const auto& e : t.shape) count *= e.evaluate(lowering.dims).value_or(0);
    const std::string name = c_name(t.name), type = c_type(t.dtype);
    if (!t.strides.empty())
      return bad_input(fmt::format("export: output {} is not row-major", t.name));
    const bool narrow = t.dtype == op::DType::f16 || t.dtype == op::DType::bf16;
    const std::string pick =
        full
            ? "i"
            : fmt::format("i == 0 ? 0 : i == 1 ? {0} - 1 : (long long)(reference::mix(i) % {0}ull)",
                          count);
    const std::int64_t checked = full ? count : std::min<std::int64_t>(count, kSample);
    checks += fmt::format(
        "  {{\n    std::vector<{0}> got({1});\n    check(cudaMemcpy(got.data(), device_{2}, {3}, "
        "cudaMemcpyDeviceToHost));\n"
        "    for (long long i = 0; i < {4}; ++i) {{\n      const long long at = {5};\n      "
        "compare(\"{6}\", at, (double){7}got[at], at_{2}(at), {8}, {9});\n    }}\n  }}\n",
        type, count, name, count * op::bytes_of(t.dtype), checked, pick, t.name,
        narrow ? "(float)" : "", real_literal(op::unit_roundoff(t.dtype), true),
        t.dtype == op::DType::f16 ? "6e-8" : "1e-37");
    prints += fmt::format(
        "  for (long long i = 0; i < {0}; ++i) {{\n    const long long at = i == 0 ? 0 : i == 1 ? "
        "{1} - 1 : (long long)(reference::mix(i) % {1}ull);\n"
        "    const Value value = at_{2}(at);\n    printf(\"{3} %lld %.17g\\n\", at, value.v);\n  "
        "}}\n",
        std::min<std::int64_t>(count, 200), count, name, t.name);
  }
  auto prepare = steps_text(recipe->prepare), run = steps_text(recipe->run);
  for (const auto* steps : {&prepare, &run})
    if (!*steps) return tl::unexpected<Error>(steps->error().with("export"));
  file += fmt::format(
      "#ifndef MTMC_HOST_ONLY\nstatic long long checked = 0, wrong = 0;\nstatic double worst = "
      "0;\n\n"
      "// Four times the first-order bound, and the rounding to the stored type.\n"
      "static void compare(const char* name, long long at, double got, reference::Value want, "
      "double u, double least) {{\n"
      "  ++checked;\n  if (got == want.v || (std::isnan(got) && std::isnan(want.v))) return;\n"
      "  const double tolerance = 4 * want.e + 2 * u * std::fabs(want.v) + least, off = "
      "std::fabs(got - want.v) / tolerance;\n"
      "  if (off > worst) worst = off;\n  if (off <= 1) return;\n"
      "  if (wrong++ == 0) printf(\"%s[%lld] is %.9g, expected %.9g within %.3g\\n\", name, at, "
      "got, want.v, tolerance);\n}}\n\n"
      "int main() {{\n  using namespace reference;\n  make_inputs();\n{}{}{}  "
      "check(cudaDeviceSynchronize());\n{}{}"
      "  printf(\"%s: %lld elements checked, %lld wrong, worst %.3g of the tolerance\\n\", wrong ? "
      "\"MISMATCH\" : \"correct\", checked, wrong, worst);\n"
      "  return wrong ? 1 : 0;\n}}\n#else\nint main() {{\n  using namespace reference;\n  "
      "make_inputs();\n{}  return 0;\n}}\n#endif\n",
      device, *prepare, *run, checks, free_text, prints);
  return file;
}

}  // namespace mtmc::coder
