// mtmc doctor: what is there, what is not, what to do.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/doctor.hpp"
#include "report/run_report.hpp"

namespace mtmc::cli {

namespace {

Result<int> doctor(const DoctorOptions& options, bool json) {
  const std::vector<Part> parts = examine(options);
  const nlohmann::json report = to_json(parts);
  const bool ready = report["ready"];
  if (json) {
    fmt::print("{}", report::json_text(report));
    return ready ? 0 : 3;
  }
  for (const auto& p : parts) {
    fmt::print("{:<9} {:<8} {}\n", p.name, name_of(p.state), p.found);
    if (!p.to_do.empty()) fmt::print("{:<18}   {}\n", "", p.to_do);
  }
  if (ready)
    fmt::print("\nready: times will be {}\n", report["times"].get<std::string>());
  else
    fmt::print("\nnot ready: what is broken above comes first\n");
  return ready ? 0 : 3;
}

}  // namespace

void add_doctor(CLI::App& app, Action& chosen) {
  struct Chosen {
    DoctorOptions doctor;
    bool json = false;
  };
  auto options = std::make_shared<Chosen>();
  CLI::App* command = app.add_subcommand("doctor",
                                         "what this machine has for the tool, what it lacks, and "
                                         "what to do; exit code 3 where a run cannot start");
  command->add_option("--db", options->doctor.database, "database file");
  command->add_option(
      "--python", options->doctor.python,
      "Python with PyTorch (default: MTMC_PYTHON, else the first python3 in PATH that has it)");
  command->add_option("--endpoint", options->doctor.endpoint.url,
                      "a language model's base URL: it is asked for one token");
  command->add_option("--model", options->doctor.endpoint.model, "model to ask for");
  command->add_option("--key-file", options->doctor.endpoint.key_file,
                      "file with the endpoint's key");
  command->add_flag("--json", options->json, "print JSON on stdout");
  command->callback([&chosen, options] {
    options->doctor.tool = tool_path();
    chosen = [options] { return doctor(options->doctor, options->json); };
  });
}

}  // namespace mtmc::cli
