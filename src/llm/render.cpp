#include "llm/render.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "llm/prompt.hpp"

namespace mtmc::llm {

std::string render_device(const kernel::DeviceFacts& d) {
  std::string out = fmt::format(
      "{} ({}), {} SMs at {:.2f} GHz, DRAM {:.0f} GB/s, L2 {} KiB\n"
      "shared memory: {} KiB a block static, {} KiB opt-in, {} KiB an SM; {} registers and {} "
      "threads an SM\n"
      "peak Tflop/s: f32 {:.1f}, f64 {:.1f}, tf32 {:.1f}, f16 {:.1f} (0: none); one launch costs "
      "at "
      "least {:.1f} us\n",
      one_line(d.name), one_line(d.architecture), d.sms, d.clock_hz / 1e9, d.dram_bytes_per_s / 1e9,
      d.l2_bytes >> 10, d.shared_bytes >> 10, d.shared_optin_bytes >> 10,
      d.shared_per_sm_bytes >> 10, d.registers_per_sm, d.max_threads_per_sm, d.fp32_flops / 1e12,
      d.fp64_flops / 1e12, d.tf32_flops / 1e12, d.f16_flops / 1e12, d.launch_ns / 1e3);
  if (d.emulated) out += "times are modelled by an emulator of this device\n";
  return out;
}

std::string render_schedule(const kernel::Candidate& candidate) {
  if (!candidate.schedule) return "no schedule: the code was edited as text\n";
  std::string out;
  int index = 0;
  for (const auto& group : candidate.schedule->groups) {
    out +=
        fmt::format("g{} {} primitives {}", index++, group.style, fmt::join(group.primitives, " "));
    if (!group.options.empty()) out += " options";
    for (const auto& [name, value] : group.options) out += fmt::format(" {}={}", name, value);
    out += "\n";
  }
  return fence("text", out, 8000);
}

std::string render_sources(const kernel::Candidate& candidate, std::size_t max_bytes,
                           const KnownHeader& known) {
  std::string out;
  std::size_t left = max_bytes;
  for (const auto& source : candidate.sources) {
    const std::string name = one_line(source.name, 80);
    if (&source != &candidate.sources.front() && known) {
      if (const std::string words = known(source); !words.empty()) {
        out += words + "\n";
        continue;
      }
    }
    if (&source != &candidate.sources.front() && source.text.size() > left) {
      out += fmt::format("{}: {} bytes, not shown; includable, not editable\n\n", name,
                         source.text.size());
      continue;
    }
    out += fmt::format(
        "{}:\n{}\n", name,
        fence("cuda", numbered(source.text, std::max<std::size_t>(left, 2000)), 2 * max_bytes));
    left -= std::min(left, source.text.size());
  }
  return out;
}

std::string render_steps(const std::vector<kernel::Step>& steps, std::size_t max_steps) {
  std::string out;
  for (std::size_t i = 0; i < std::min(steps.size(), max_steps); ++i)
    out += fmt::format("- `{}`: expected gain {:.2f}\n", one_line(steps[i].key()),
                       steps[i].expected_gain);
  if (steps.size() > max_steps)
    out += fmt::format("({} more are not shown)\n", steps.size() - max_steps);
  return out;
}

}  // namespace mtmc::llm
