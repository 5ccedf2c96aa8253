// Every row of the operator table: naive, fused, and with every option that applies, against the
// reference.
#include <catch2/catch.hpp>

#include "coder/schedule_ops.hpp"
#include "coder/workbench.hpp"
#include "op/examples.hpp"

using namespace mtmc;
using namespace mtmc::coder::test;

TEST_CASE("every operator row is right on the emulator") {
  PtxCompiler nvrtc(MTMC_COMPILE_WORKER);
  if (!nvrtc.available()) {
    WARN("skipped: " << nvrtc.why_not());
    return;
  }
  for (const auto& example : op::test::examples())
    for (const bool everything : {false, true}) {
      INFO(example.line << (everything ? " with every option" : " naive"));
      const Problem problem(example.line);
      std::vector<std::string> steps;
      if (everything) {
        auto schedule = *after(problem, {}).schedule;
        const auto attempt = [&](const std::string& step) {
          auto next =
              coder::transform({problem.lowering, &problem.device}, schedule, parse_step(step));
          if (!next) return;
          schedule = *next;
          steps.push_back(step);
        };
        attempt("fuse *");
        for (std::size_t g = 0; g < schedule.groups.size(); ++g)
          for (const char* action : {"tile", "vectorize", "stage", "reorder", "persist"})
            attempt(std::string(action) + " g" + std::to_string(g));
        if (steps.empty()) continue;
      }
      const auto candidate = after(problem, steps);
      const Run result =
          run(problem, candidate, candidate.configuration,
              nvrtc.ptx(candidate.sources, candidate.configuration), problem.region.op.binding());
      CHECK(result.mismatch == "");
    }
}
