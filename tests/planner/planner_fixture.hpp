// A state to plan from: a row softmax region as three naive groups, without parsing or lowering
// anything.
#pragma once

#include <string>

#include "kernel/candidate.hpp"
#include "planner/planner.hpp"

namespace mtmc::planner {

struct Fixture {
  kernel::Region region;
  kernel::DeviceFacts device;
  kernel::Candidate candidate;
  State state;

  Fixture() {
    region.text = "y0 = softmax(x0, -1); x0: f32[d0,d1]; d0=64; d1=1024";
    device.name = "NVIDIA H200";
    device.architecture = "sm_90a";
    device.sms = 132;
    candidate.sources = {{"kernel.cu", "extern \"C\" __global__ void g0() {}\n"}};
    candidate.schedule = kernel::Schedule{{{{0}, "naive", {}}, {{1, 2}, "row", {{"warps", 4}}}}};
    state.region = &region;
    state.device = &device;
    state.candidate = &candidate;
    state.time_ns = 30'000;
    state.bound_ns = 10'000;
    state.bottleneck = Bottleneck::dram;
    state.profile = "g0: dram 0.9, issue 0.3";
    state.admissible = {step(kernel::Action::vectorize, "g0", {{"width", 4}}),
                        step(kernel::Action::fuse, "g0+g1"),
                        step(kernel::Action::vectorize, "g0", {{"width", 2}}),
                        step(kernel::Action::specialize, "g1")};
  }
  static kernel::Step step(kernel::Action action, std::string part,
                           std::map<std::string, std::int64_t> options = {}, double gain = 1) {
    kernel::Step s;
    s.action = action;
    s.part = std::move(part);
    s.options = std::move(options);
    s.expected_gain = gain;
    return s;
  }
};

}  // namespace mtmc::planner
