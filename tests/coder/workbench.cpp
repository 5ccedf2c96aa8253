#include "coder/workbench.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <span>
#include <stdexcept>

#include "emulator/memory.hpp"
#include "emulator/module.hpp"
#include "emulator/program.hpp"
#include "emulator/run.hpp"
#include "op/operator.hpp"

namespace mtmc::coder::test {

namespace {

constexpr std::uint64_t kSeed = 7;

template <class T>
T must(Result<T> result, const std::string& what) {
  if (!result) throw std::runtime_error(what + ": " + result.error().message);
  return std::move(*result);
}

void must(Result<void> result, const std::string& what) {
  if (!result) throw std::runtime_error(what + ": " + result.error().message);
}

kernel::DeviceFacts h200() {
  kernel::DeviceFacts d;
  d.name = "H200", d.architecture = "sm_90a", d.sms = 132, d.clock_hz = 1.98e9,
  d.dram_bytes_per_s = 4.8e12;
  d.shared_bytes = 49152, d.shared_optin_bytes = 232448, d.shared_per_sm_bytes = 233472,
  d.registers_per_sm = 65536;
  d.max_threads_per_sm = 2048, d.l2_bytes = 50 << 20, d.fp32_flops = 67e12, d.launch_ns = 2000;
  return d;
}

}  // namespace

Problem::Problem(const std::string& line)
    : region(must(kernel::make_region(must(op::parse_operator(line), line)), "region")),
      lowering(must(op::lower(region.op), "lower")),
      device(h200()) {}

kernel::Step parse_step(const std::string& text) {
  kernel::Step step;
  std::vector<std::string> words(1);
  for (char c : text)
    if (c == ' ')
      words.emplace_back();
    else
      words.back() += c;
  step.action = kernel::action_named(words[0]).value();
  if (words.size() > 1) step.part = words[1];
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    step.options[words[i].substr(0, equals)] = std::stoll(words[i].substr(equals + 1));
  }
  return step;
}

kernel::Candidate after(const Problem& problem, const std::vector<std::string>& steps) {
  const auto coder = make_template_coder();
  const auto take = [](Result<Answer> answer, const std::string& what) {
    Answer got = must(std::move(answer), what);
    if (auto* refusal = std::get_if<Refusal>(&got))
      throw std::runtime_error(what + " refused: " + refusal->reason);
    return std::get<kernel::Candidate>(std::move(got));
  };
  kernel::Candidate candidate = take(coder->start(problem.task()), "start");
  for (const auto& step : steps)
    candidate = take(coder->apply(problem.task(), candidate, parse_step(step), nullptr), step);
  return candidate;
}

PtxCompiler::PtxCompiler(const std::string& worker) {
  compiler::CompilerSettings settings;
  settings.tool = worker;
  settings.max_workers = 1;
  settings.allow_unsandboxed = true;
  auto made = compiler::Compiler::create(settings);
  if (made)
    compiler_ = std::move(*made);
  else
    why_not_ = made.error().message;
}

std::string PtxCompiler::ptx(const std::vector<kernel::SourceFile>& sources,
                             const kernel::Configuration& configuration) {
  compiler::CompileRequest request;
  for (const auto& s : sources) request.sources.push_back({s.name, s.text});
  request.architecture = "compute_90a";
  for (const auto& [name, value] : configuration)
    request.defines.emplace_back(name, std::to_string(value));
  auto outcome = must(compiler_->compile(request), "compile");
  if (auto* failure = std::get_if<compiler::CompileFailure>(&outcome))
    throw std::runtime_error(failure->log);
  return std::get<compiler::Binary>(outcome).ptx;
}

namespace {

struct Bench {
  emulator::DeviceMemory memory;
  std::map<std::string, std::pair<std::uint64_t, std::int64_t>> buffers;  // address, bytes

  void allocate(const op::Operator& op, const kernel::ResolvedRecipe& recipe) {
    for (const auto& b : recipe.buffers) {
      const bool input =
          b.role == kernel::BufferRole::input || b.role == kernel::BufferRole::weight;
      const auto address =
          must(memory.allocate(static_cast<std::uint64_t>(b.bytes), 256, b.name,
                               input ? emulator::Access::read_only : emulator::Access::read_write),
               "allocate");
      buffers[b.name] = {address, b.bytes};
      auto bytes = must(memory.span(address, static_cast<std::uint64_t>(b.bytes)), "span");
      if (input) {
        for (int v = 0; v < op.inputs(); ++v)
          if (op.values[static_cast<std::size_t>(v)].name == b.name) fill(op, v, bytes);
      } else {
        std::memset(bytes.data(), 0x3e, bytes.size());  // finite nonsense
        must(memory.track_initialisation(address), "track");
      }
    }
  }

  // Elements are numbered in row-major order of the shape, and lie where the strides say.
  static void fill(const op::Operator& op, int v, std::span<std::byte> bytes) {
    const auto& value = op.values[static_cast<std::size_t>(v)];
    if (value.strides.empty()) return op::fill_input(value, kSeed, 0, bytes);
    const auto shape = op.shape(v);
    const auto size = static_cast<std::size_t>(op::bytes_of(value.dtype));
    std::vector<std::byte> dense(bytes.size());
    op::fill_input(value, kSeed, 0, dense);
    for (std::int64_t i = 0; i < op.elements(v); ++i) {
      std::int64_t rest = i, offset = 0;
      for (std::size_t k = shape.size(); k-- > 0; rest /= shape[k])
        offset += rest % shape[k] * must(value.strides[k].evaluate(op.binding()), "stride");
      std::memcpy(bytes.data() + static_cast<std::size_t>(offset) * size,
                  dense.data() + static_cast<std::size_t>(i) * size, size);
    }
  }

  emulator::LaunchParams params(const kernel::ResolvedLaunch& launch,
                                const emulator::Program& program) const {
    emulator::LaunchParams p;
    for (std::size_t i = 0; i < 3; ++i)
      p.grid[i] = static_cast<std::uint64_t>(launch.grid[i]),
      p.block[i] = static_cast<std::uint32_t>(launch.block[i]);
    p.dynamic_shared_bytes = static_cast<std::uint64_t>(launch.shared_bytes);
    p.arguments.resize(program.parameter_bytes);
    if (launch.args.size() != program.parameters.size())
      throw std::runtime_error("number of arguments of " + launch.kernel);
    for (std::size_t i = 0; i < launch.args.size(); ++i) {
      std::byte* to = p.arguments.data() + program.parameters[i].offset;
      if (auto* b = std::get_if<kernel::ResolvedBufferArg>(&launch.args[i])) {
        const std::uint64_t address =
            buffers.at(b->buffer).first + static_cast<std::uint64_t>(b->offset_bytes);
        std::memcpy(to, &address, 8);
      } else if (auto* s = std::get_if<kernel::ResolvedScalar>(&launch.args[i])) {
        if (static_cast<std::uint32_t>(s->bytes) != program.parameters[i].bytes)
          throw std::runtime_error("size of an argument of " + launch.kernel);
        std::memcpy(to, &s->bits, static_cast<std::size_t>(s->bytes));
      }
    }
    return p;
  }
};

double stored(op::DType dtype, const std::byte* bytes, std::int64_t index) {
  std::uint64_t bits = 0;
  const auto size = static_cast<std::size_t>(op::bytes_of(dtype));
  std::memcpy(&bits, bytes + static_cast<std::size_t>(index) * size, size);
  return op::from_bits(dtype, bits);
}

}  // namespace

Run run(const Problem& problem, const kernel::Candidate& candidate,
        const kernel::Configuration& configuration, const std::string& ptx, const Symbols& dims) {
  Run result;
  const op::Operator op = must(op::rebind(problem.region.op, dims), "rebind");
  Symbols symbols = op.binding();
  for (const auto& [name, value] : configuration) symbols[name] = value;
  problem.device.add_symbols(symbols);
  const auto recipe = must(kernel::resolve(candidate.recipe, symbols), "recipe");
  const auto module = must(emulator::parse_module(ptx), "parse ptx");
  Bench bench;
  bench.allocate(op, recipe);
  for (const auto& step : recipe.run) {
    const auto& launch = std::get<kernel::ResolvedLaunch>(step);
    const auto program = must(emulator::decode(module, launch.kernel), "decode");
    const emulator::DeviceEntry& device = *emulator::find_device("h200");
    emulator::BlockResources block;
    block.threads = static_cast<std::uint32_t>(launch.block[0] * launch.block[1] * launch.block[2]);
    block.shared_bytes =
        program.static_shared_bytes + static_cast<std::uint64_t>(launch.shared_bytes);
    const auto params = bench.params(launch, program);
    emulator::RunOptions options;
    options.checks = emulator::Checks::all;  // no kernel of the coder may be at fault
    options.traced_blocks = emulator::traced_blocks(
        device, params.grid[0] * params.grid[1] * params.grid[2], block);
    auto report = must(emulator::run(program, bench.memory, params, options), "run");
    if (report.fault) {
      result.mismatch = report.fault->text();
      return result;
    }
    result.times.push_back(
        must(emulator::modelled_time(device, report.profile, report.trace, block),
             "model"));
    result.profiles.push_back(report.profile);
  }
  auto reference =
      must(op::Reference::create_seeded(op, problem.lowering, op.binding(), kSeed), "reference");
  for (std::size_t t = 0; t < problem.lowering.tensors.size(); ++t) {
    const auto& tensor = problem.lowering.tensors[t];
    if (tensor.kind != op::Tensor::Kind::output) continue;
    std::int64_t count = 1;
    for (const auto& e : tensor.shape) count *= must(e.evaluate(op.binding()), "shape");
    std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i);
    const auto expected = must(reference.evaluate(static_cast<int>(t), indices), "evaluate");
    const auto [address, bytes] = bench.buffers.at(tensor.name);
    const auto data = must(bench.memory.span(address, static_cast<std::uint64_t>(bytes)), "span");
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const double got = stored(tensor.dtype, data.data(), indices[i]), want = expected[i].value;
      if (std::isnan(want) ? std::isnan(got) : got == want) continue;
      // Four times the first-order bound in the compute type, and the rounding to the stored one.
      const double tolerance =
          4 * expected[i].error * op::unit_roundoff(op::compute_type(tensor.dtype)) +
          2 * std::fabs(want) * op::unit_roundoff(tensor.dtype) + 1e-37 +
          (tensor.dtype == op::DType::f16 ? 6e-8 : 0);
      const double off = std::fabs(got - want) / tolerance;
      result.worst = std::max(result.worst, std::isnan(off) ? INFINITY : off);
      if (!(off <= 1) && result.mismatch.empty())
        result.mismatch = fmt::format("{}[{}] is {}, expected {} within {}", tensor.name,
                                      indices[i], got, want, tolerance);
    }
  }
  return result;
}

}  // namespace mtmc::coder::test
