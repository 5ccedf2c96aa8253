// The kernel nouns as they stand in prompts; everything that is data is fenced, capped and cleaned
// here.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernel/candidate.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/step.hpp"

namespace mtmc::llm {

// A few lines of facts: name, limits, rates. Marks an emulated device's times as modelled.
std::string render_device(const kernel::DeviceFacts& device);
// One line a group: "g1 row primitives 2 3 4 options warps=4"; says so where there is no schedule.
std::string render_schedule(const kernel::Candidate& candidate);
// The unit in a fence with numbered lines, then the headers as far as `max_bytes` goes. A header for
// which `known` has words (markdown, from prompts/) is shown by those instead of its text.
using KnownHeader = std::function<std::string(const kernel::SourceFile&)>;
std::string render_sources(const kernel::Candidate& candidate, std::size_t max_bytes,
                           const KnownHeader& known = {});
// "- `split g0 ways=4`: expected gain 1.20" lines.
std::string render_steps(const std::vector<kernel::Step>& steps, std::size_t max_steps);

}  // namespace mtmc::llm
