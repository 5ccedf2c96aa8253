// mtmc worker: the child side of compile and evaluate. Not for people.
#include "cli/command.hpp"
#include "compiler/worker.hpp"
#include "harness/evaluator.hpp"

namespace mtmc::cli {

void add_worker(CLI::App& app, Action& chosen) {
  struct Options {
    std::string role, nvrtc, device;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("worker", "serve compile or evaluate requests on stdin (used by mtmc itself)");
  command->group("");  // not listed
  command->add_option("--role", options->role)->required()->check(CLI::IsMember({"compile", "evaluate"}));
  command->add_option("--nvrtc", options->nvrtc);
  command->add_option("--device", options->device);
  command->callback([&chosen, options] {
    chosen = [options]() -> Result<int> {
      if (options->role == "compile") compiler::compile_worker_main(options->nvrtc);
      return harness::evaluate_worker_main(options->device);
    };
  });
}

}  // namespace mtmc::cli
