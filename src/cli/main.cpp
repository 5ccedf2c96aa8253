// The tool. One file per subcommand; this one parses and maps errors to exit codes.
#include <cstdio>
#include <csignal>

#include "cli/command.hpp"

namespace {

int run(int argc, char** argv) {
  using namespace mtmc;
  CLI::App app{"macro thinking, micro coding: from one line that says what a tensor operator computes to a fast CUDA kernel, proven right", "mtmc"};
  app.set_version_flag("--version", std::string("mtmc ") + cli::kToolVersion);
  app.require_subcommand(1);
  cli::Action chosen;
  cli::add_generate(app, chosen);
  cli::add_query(app, chosen);
  cli::add_export(app, chosen);
  cli::add_kernelbench(app, chosen);
  cli::add_tune(app, chosen);
  cli::add_emulate(app, chosen);
  cli::add_devices(app, chosen);
  cli::add_doctor(app, chosen);
  cli::add_gpu_check(app, chosen);
  cli::add_worker(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    std::fprintf(stderr, "mtmc: %s (mtmc --help lists what there is)\n", e.what());
    return 2;
  }
  auto code = chosen();
  if (code) return *code;
  std::fprintf(stderr, "mtmc: %s\n", code.error().message.c_str());
  return cli::exit_code(code.error().code);
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away (`mtmc query list | head`) ends a write, not the process.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mtmc: internal error: %s\n", e.what());
    return 4;
  }
}
