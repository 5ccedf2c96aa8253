// mtmc kernelbench certify: the float64 reference of each task against PyTorch's values.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/kernelbench.hpp"
#include "harness/certify.hpp"
#include "report/table.hpp"

namespace mtmc::cli {

namespace {

struct Options {
  TaskChoice choice;
  bool json = false, quiet = false;
  std::string shapes = "small", python, suite;
  double memory_gb = 4;
  harness::CertifyOptions certify;
};

struct Row {
  const search::Task* task;
  std::string outcome;  // "certified", "differs", "unsupported", "not run"
  std::string message;
  harness::Certificate certificate;
};

// What PyTorch holds at most: every value of the operator as float64, and as much again for what
// its kernels lay out.
double float64_gb(const op::Operator& op) {
  double elements = 0;
  for (int v = 0; v < static_cast<int>(op.values.size()); ++v)
    elements += static_cast<double>(op.elements(v));
  return elements * 16 / 1e9;
}

// The suite's file of a task in a checkout of the suite; empty where there is none.
std::string suite_file(const std::string& folder, const search::Task& task) {
  std::error_code failed;
  const auto level = std::filesystem::path(folder) / fmt::format("level{}", task.level);
  for (auto entry = std::filesystem::directory_iterator(level, failed);
       !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed))
    if (entry->path().filename().string().rfind(fmt::format("{}_", task.number), 0) == 0)
      return entry->path().string();
  return {};
}

Row certify_task(const search::Task& task, harness::Oracle& oracle, const Options& options) {
  Row row{&task, "not run", "", {}};
  auto op = search::read_operator(
      task, options.shapes == "official" ? search::Shapes::official : search::Shapes::small);
  if (!op) {
    row.outcome = "unsupported";
    row.message = op.error().message;
    return row;
  }
  const double needed = float64_gb(*op);
  if (needed > options.memory_gb) {
    row.message =
        fmt::format("takes {:.1f} GB; --memory-gb allows {:.1f}", needed, options.memory_gb);
    return row;
  }
  harness::CertifyOptions how = options.certify;
  if (!options.suite.empty()) {
    how.task_file = suite_file(options.suite, task);
    how.source_sha256 = task.source_sha256;
    if (how.task_file.empty()) {
      row.message = fmt::format("{} has no file of it", options.suite);
      return row;
    }
  }
  auto certificate = harness::certify(*op, oracle, how);
  if (!certificate) {
    row.message = certificate.error().message;
    return row;
  }
  row.certificate = *certificate;
  row.outcome = certificate->holds ? "certified" : "differs";
  row.message = certificate->message;
  return row;
}

nlohmann::json to_json(const std::vector<Row>& rows, const Options& options,
                       const nlohmann::json& oracle) {
  nlohmann::json tasks = nlohmann::json::array();
  for (const auto& r : rows)
    tasks.push_back({{"task", r.task->id},
                     {"name", r.task->name},
                     {"outcome", r.outcome},
                     {"message", r.message},
                     {"elements", r.certificate.elements},
                     {"blocks", r.certificate.blocks},
                     {"block_elements", r.certificate.block_elements},
                     {"worst", r.certificate.worst}});
  return {{"oracle", oracle},
          {"shapes", options.shapes},
          {"seed", options.certify.seed},
          {"computed_by", options.suite.empty() ? "operator form" : "suite's file"},
          {"tasks", tasks}};
}

std::string to_text(const std::vector<Row>& rows, const nlohmann::json& oracle) {
  using Kind = report::Column::Kind;
  report::Table table({{"TASK", Kind::text},
                       {"NAME", Kind::text},
                       {"OUTCOME", Kind::text},
                       {"ELEMENTS", Kind::number},
                       {"IN BLOCKS", Kind::number},
                       {"WORST", Kind::number},
                       {"WHY", Kind::text, true}});
  std::size_t certified = 0, differs = 0;
  for (const auto& r : rows) {
    const auto& c = r.certificate;
    certified += r.outcome == "certified";
    differs += r.outcome == "differs";
    table.add({r.task->id, r.task->name.substr(0, 44), r.outcome,
               c.elements ? std::to_string(c.elements) : "-",
               c.blocks ? std::to_string(c.block_elements) : "-",
               c.elements ? fmt::format("{:.2g}", c.worst) : "-", r.message});
  }
  return table.text({}) + fmt::format(
                              "\n{} of {} certified, {} differ, by PyTorch {} in float64 on the "
                              "CPU. WORST: largest distance / allowed.\n",
                              certified, rows.size(), differs, oracle.value("torch", "?"));
}

Result<int> certify(const Options& options) {
  auto chosen = choose_tasks(options.choice);
  if (!chosen) return tl::unexpected<Error>(chosen.error());
  auto oracle = harness::Oracle::create({harness::oracle_folder(tool_path()), options.python});
  if (!oracle) return tl::unexpected<Error>(oracle.error());
  std::vector<Row> rows;
  bool differs = false;
  for (const auto& task : chosen->tasks) {
    rows.push_back(certify_task(task, *oracle, options));
    differs |= rows.back().outcome == "differs";
    if (!options.quiet)
      fmt::print(stderr, "mtmc: {} {}: {}{}{}\n", task.id, task.name, rows.back().outcome,
                 rows.back().message.empty() ? "" : ": ", rows.back().message);
  }
  if (options.json)
    fmt::print("{}\n", to_json(rows, options, oracle->facts())
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    fmt::print("{}", to_text(rows, oracle->facts()));
  return differs ? 1 : 0;
}

}  // namespace

void add_certify(CLI::App& kernelbench, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = kernelbench.add_subcommand("certify",
                                                 "hold the float64 reference of each task against "
                                                 "PyTorch's values; exit code 1 where one differs");
  add_task_choice(*command, options->choice);
  command->add_option("--shapes", options->shapes, "small or official")
      ->check(CLI::IsMember({"small", "official"}))
      ->capture_default_str();
  command->add_option("--suite", options->suite,
                      "folder of the suite with level<N>/<ID>_*.py: its own files compute (they "
                      "are executed), instead of the operator forms");
  command->add_option(
      "--python", options->python,
      "Python with PyTorch (default: MTMC_PYTHON, else the first python3 in PATH that has it)");
  command->add_option("--seed", options->certify.seed, "seed of inputs and samples")
      ->capture_default_str();
  command
      ->add_option("--memory-gb", options->memory_gb,
                   "leave out tasks whose values take more as float64")
      ->check(CLI::Range(0.001, 10000.0))
      ->capture_default_str();
  command->add_flag("--json", options->json, "print JSON on stdout");
  command->add_flag("--quiet", options->quiet, "no progress on stderr");
  command->callback([&chosen, options] { chosen = [options] { return certify(*options); }; });
}

}  // namespace mtmc::cli
