#include "device/emulated/emulation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "device/draw.hpp"

namespace mtmc::device {
namespace {

using kernel::BufferRole;
using kernel::FillKind;

class Session {
 public:
  Session(const emulator::DeviceEntry& entry, const EmulationRequest& request)
      : request_(request), settings_(request.settings) {
    settings_.on_launch = [this](const EmulatedLaunch& launch) {
      done_.launches.push_back(launch);
    };
    device_ = make_emulated_device(entry, settings_);
  }

  Result<Emulation> run() {
    auto module = device_->load(request_.binary);
    if (!module) return tl::unexpected<Error>(module.error());
    Symbols symbols = request_.symbols;
    device_->facts().add_symbols(symbols);
    for (const auto& k : request_.binary.kernels) {
      if (const int blocks = device_->occupancy(*module, k.name, 256); blocks > 0) {
        symbols["occupancy(" + k.name + ")"] = blocks;
      }
    }
    auto recipe = kernel::resolve(request_.recipe, symbols);
    if (!recipe) return tl::unexpected<Error>(recipe.error().with("recipe"));
    if (auto ok = place(*recipe); !ok) return tl::unexpected<Error>(ok.error());
    std::vector<BoundStep> steps;
    for (const auto* list : {&recipe->prepare, &recipe->run}) {
      for (const auto& step : *list) steps.push_back({&step, *module, &buffers_, &*recipe});
    }
    auto report = device_->run(steps, request_.run);
    if (!report) return tl::unexpected<Error>(report.error());
    done_.records = std::move(report->launches);
    for (const auto& launch : done_.launches) {
      const auto& faults = launch.report.faults;
      done_.faults.insert(done_.faults.end(), faults.begin(), faults.end());
    }
    // What was refused before any launch has no place in a kernel.
    if (report->fault && done_.faults.empty()) {
      emulator::Fault fault;
      fault.kind = report->fault->kind == "unsupported" ? emulator::FaultKind::unsupported
                                                        : emulator::FaultKind::launch_error;
      fault.message = report->fault->text;
      done_.faults.push_back(std::move(fault));
    }
    if (auto ok = read_outputs(*recipe); !ok) return tl::unexpected<Error>(ok.error());
    if (settings_.run.collect_profile) count_lines();
    return std::move(done_);
  }

 private:
  Result<void> place(const kernel::ResolvedRecipe& recipe) {
    for (const auto& [name, bytes] : request_.contents) {
      const bool known = std::any_of(recipe.buffers.begin(), recipe.buffers.end(),
                                     [&](const auto& b) { return b.name == name; });
      if (!known) return bad_input(fmt::format("the recipe has no buffer '{}'", name));
    }
    for (const auto& b : recipe.buffers) {
      if (b.alias) continue;
      const bool writable = b.role != BufferRole::input && b.role != BufferRole::weight;
      auto buffer = device_->allocate({b.name, b.bytes, b.alignment, writable, false});
      if (!buffer) return tl::unexpected<Error>(buffer.error());
      buffers_[b.name] = *buffer;
      if (auto ok = fill(b, *buffer); !ok) return ok;
    }
    return {};
  }

  Result<void> fill(const kernel::ResolvedBuffer& b, int buffer) {
    const auto given = request_.contents.find(b.name);
    if (given != request_.contents.end()) {
      if (static_cast<std::int64_t>(given->second.size()) != b.bytes) {
        return bad_input(fmt::format("buffer '{}' has {} bytes, its contents {}", b.name, b.bytes,
                                     given->second.size()));
      }
      return device_->write(buffer, 0, std::as_bytes(std::span(given->second)));
    }
    const bool drawn = b.role == BufferRole::input || b.role == BufferRole::weight;
    if (b.fill == FillKind::none && !drawn) return {};
    op::Value value{b.name, b.dtype, {}, op::Role::input, {}, {}};
    using Kind = op::Distribution::Kind;
    if (b.fill == FillKind::zero) {
      value.distribution = {Kind::constant, 0, 0};
    } else if (b.fill == FillKind::value) {
      value.distribution = {Kind::constant, b.fill_value, 0};
    } else if (!op::is_float(b.dtype)) {
      value.distribution = {Kind::randint, 0, b.dtype == op::DType::boolean ? 2.0 : 100.0};
    }
    return draw(*device_, buffer, b.bytes, value, request_.seed);
  }

  Result<void> read_outputs(const kernel::ResolvedRecipe& recipe) {
    for (const auto& b : recipe.buffers) {
      if (b.role != BufferRole::output && b.role != BufferRole::state) continue;
      EmulationOutput output{b.name, b.dtype, std::string(static_cast<std::size_t>(b.bytes), '\0')};
      if (auto ok = device_->read(buffers_.at(b.name), 0,
                                  std::as_writable_bytes(std::span(output.bytes)));
          !ok) {
        return ok;
      }
      done_.outputs.push_back(std::move(output));
    }
    return {};
  }

  void count_lines() {
    std::map<std::pair<std::string, std::uint32_t>, emulator::LineCounts> all;
    for (const auto& launch : done_.launches) {
      for (const auto& line : launch.report.profile.lines) {
        auto& sum = all[{line.file, line.line}];
        sum.file = line.file;
        sum.line = line.line;
        sum.warp_instructions += line.warp_instructions;
        sum.global_sectors += line.global_sectors;
        sum.shared_wavefronts += line.shared_wavefronts;
      }
    }
    for (auto& [place, line] : all) done_.lines.push_back(std::move(line));
    std::stable_sort(done_.lines.begin(), done_.lines.end(), [](const auto& a, const auto& b) {
      return a.warp_instructions > b.warp_instructions;
    });
  }

  const EmulationRequest& request_;
  EmulationSettings settings_;
  std::unique_ptr<Device> device_;
  std::map<std::string, int> buffers_;
  Emulation done_;
};

}  // namespace

Result<Emulation> emulate(const emulator::DeviceEntry& entry, const EmulationRequest& request) {
  return Session(entry, request).run();
}

}  // namespace mtmc::device
