// mtmc worker: the child side of compile and evaluate. Not for people.
#include <cstdlib>

#include "base/worker.hpp"
#include "cli/command.hpp"
#include "compiler/worker.hpp"
#include "device/cuda/probe.hpp"
#include "harness/evaluator.hpp"

namespace mtmc::cli {

namespace {

// Whether hardware counters of GPU `ordinal` are permitted can be known only with a context, and that stays: so it is a
// process's whole job. Its hello is the answer.
int counters_worker_main(const std::string& ordinal) {
  auto channel = claim_standard_channel();
  if (!channel) return 3;
  auto permitted = device::cuda::probe_counters(std::atoi(ordinal.c_str()));
  if (!permitted) return refuse_to_serve(channel->out, "counters", permitted.error().message);
  return serve(channel->in, channel->out, "counters", [](const nlohmann::json&) { return nlohmann::json(); });
}

}  // namespace

void add_worker(CLI::App& app, Action& chosen) {
  struct Options {
    std::string role, nvrtc, device;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("worker", "serve compile or evaluate requests on stdin (used by mtmc itself)");
  command->group("");  // not listed
  command->add_option("--role", options->role)->required()->check(CLI::IsMember({"compile", "evaluate", "counters"}));
  command->add_option("--nvrtc", options->nvrtc);
  command->add_option("--device", options->device);
  command->callback([&chosen, options] {
    chosen = [options]() -> Result<int> {
      if (options->role == "compile") compiler::compile_worker_main(options->nvrtc);
      if (options->role == "counters") return counters_worker_main(options->device);
      return harness::evaluate_worker_main(options->device);
    };
  });
}

}  // namespace mtmc::cli
