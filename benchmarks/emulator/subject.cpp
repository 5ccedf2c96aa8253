#include "emulator/subject.hpp"

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

#include "emulator/measure.hpp"
#include "emulator/module.hpp"

namespace mtmc::bench {

std::span<const std::pair<std::string_view, std::string_view>> kernel_sources();

namespace {

compiler::Binary binary_of(const Workload& workload, compiler::Compiler& compiler) {
  compiler::CompileRequest request;
  const std::string file = std::string(workload.kernel) + ".cu";
  for (const auto& [name, text] : kernel_sources())
    if (name == file) request.sources = {{file, std::string(text)}};
  if (request.sources.empty()) give_up("no source " + file);
  request.architecture = "sm_80";
  request.line_info = true;
  const auto outcome = compiler.compile(request);
  if (!outcome) give_up(file + ": " + outcome.error().message);
  if (const auto* failure = std::get_if<compiler::CompileFailure>(&*outcome))
    give_up(file + ": " + failure->log);
  return std::get<compiler::Binary>(*outcome);
}

// Reproducible values in [-1, 1).
void fill(char* to, const Buffer& buffer, std::uint32_t seed) {
  std::uint32_t state = 12345 + seed * 7919;
  for (std::size_t i = 0; i < buffer.elements; ++i) {
    state = state * 1664525u + 1013904223u;
    const float value = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
    if (buffer.bytes == 4)
      std::memcpy(to + i * 4, &value, 4);
    else {
      const auto half = static_cast<_Float16>(value);
      std::memcpy(to + i * 2, &half, 2);
    }
  }
}

}  // namespace

void give_up(const std::string& message) {
  std::fprintf(stderr, "mtmc-bench-emulator: %s\n", message.c_str());
  std::exit(1);
}

Subject::Subject(const Workload& workload, compiler::Compiler& compiler) : workload_(workload) {
  const compiler::Binary binary = binary_of(workload, compiler);
  for (const auto& kernel : binary.kernels)
    if (kernel.name == workload.kernel) registers_ = static_cast<std::uint32_t>(kernel.registers);
  decode_ms_ = 1e9;
  for (int i = 0; i < 5; ++i) {
    const CpuTimer timer;
    const auto module = emulator::parse_module(binary.ptx);
    if (!module) give_up(module.error().message);
    auto program = emulator::decode(*module, workload.kernel);
    if (!program) give_up(program.error().message);
    decode_ms_ = std::min(decode_ms_, timer.seconds() * 1e3);
    program_ = std::move(*program);
  }

  malloc_trim(0);
  resident_before_ = bench::resident_bytes();
  memory_ = std::make_unique<emulator::DeviceMemory>();
  std::uint32_t seed = 0;
  for (const Buffer& b : workload.buffers) {
    const std::uint64_t bytes = b.elements * static_cast<std::uint64_t>(b.bytes);
    const auto address =
        memory_->allocate(bytes, 256, "buffer " + std::to_string(seed),
                          b.output ? emulator::Access::read_write : emulator::Access::read_only);
    if (!address) give_up(address.error().message);
    addresses_.push_back(*address);
    auto* host = reinterpret_cast<char*>(memory_->span(*address, bytes).value().data());
    host_.push_back(host);
    if (!b.output) fill(host, b, ++seed);
  }

  for (int d = 0; d < 3; ++d) {
    params_.grid[d] = workload.shape.grid[d];
    params_.block[d] = workload.shape.block[d];
  }
  params_.dynamic_shared_bytes = workload.dynamic_shared_bytes;
  params_.arguments.resize(program_.parameter_bytes);
  std::size_t i = 0;
  for (const auto& parameter : program_.parameters) {
    std::byte* to = params_.arguments.data() + parameter.offset;
    if (i < addresses_.size())
      std::memcpy(to, &addresses_[i], 8);
    else
      std::memcpy(to, &workload.integers.at(i - addresses_.size()), 4);
    ++i;
  }
}

std::uint64_t Subject::device_bytes() const { return memory_->used_bytes(); }

emulator::BlockResources Subject::block_resources() const {
  const auto& block = workload_.shape.block;
  return {block[0] * block[1] * block[2], registers_,
          program_.static_shared_bytes + std::uint64_t{workload_.dynamic_shared_bytes}};
}

emulator::LaunchReport Subject::launch(const emulator::RunOptions& options) {
  auto report = emulator::run(program_, *memory_, params_, options);
  if (!report) give_up(std::string(workload_.title) + ": " + report.error().message);
  if (report->fault) give_up(std::string(workload_.title) + ": " + report->fault->text());
  return std::move(*report);
}

double Subject::emulate(const emulator::RunOptions& options) {
  const CpuTimer timer;
  launch(options);
  return timer.seconds();
}

double Subject::fibres() {
  const CpuTimer timer;
  workload_.fibres(workload_.shape, host_.data(), workload_.integers.data());
  return timer.seconds();
}

double Subject::scalar() {
  const CpuTimer timer;
  workload_.scalar(host_.data(), workload_.integers.data());
  return timer.seconds();
}

void Subject::take_outputs(std::vector<std::vector<char>>& to) const {
  to.clear();
  for (std::size_t i = 0; i < host_.size(); ++i) {
    const Buffer& b = workload_.buffers[i];
    if (!b.output) continue;
    const std::size_t bytes = b.elements * static_cast<std::size_t>(b.bytes);
    to.emplace_back(static_cast<char*>(host_[i]), static_cast<char*>(host_[i]) + bytes);
    std::memset(host_[i], 0xff, bytes);  // what the next peer does not write is NaN
  }
}

double Subject::largest_difference(const std::vector<std::vector<char>>& outputs,
                                   const std::vector<std::vector<char>>& reference) const {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    for (std::size_t at = 0; at < outputs[i].size(); at += 4) {
      float x, y;
      std::memcpy(&x, outputs[i].data() + at, 4);
      std::memcpy(&y, reference[i].data() + at, 4);
      const double d = std::fabs(static_cast<double>(x) - static_cast<double>(y));
      difference = std::isnan(d) ? INFINITY : std::max(difference, d);
      largest = std::max(largest, std::fabs(static_cast<double>(y)));
    }
  return difference / largest;
}

Subject::Difference Subject::check() {
  std::vector<std::vector<char>> reference, outputs;
  Difference result;
  take_outputs(reference);
  scalar();
  take_outputs(reference);
  emulate({});
  take_outputs(outputs);
  result.emulator = largest_difference(outputs, reference);
  if (workload_.fibres != nullptr) {
    fibres();
    take_outputs(outputs);
    result.fibres = largest_difference(outputs, reference);
  }
  // Not <=, so that NaN counts as wrong.
  if (!(std::max(result.emulator, result.fibres) <= workload_.tolerance))
    give_up(std::string(workload_.title) + ": outputs differ by " +
            std::to_string(result.emulator) + " (emulator) and " + std::to_string(result.fibres) +
            " (fibres) of their largest value");
  return result;
}

}  // namespace mtmc::bench
