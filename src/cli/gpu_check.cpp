// mtmc gpu-check: everything that needs a GPU, within minutes, resumable; and merging what it
// found.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/command.hpp"
#include "cli/doctor.hpp"
#include "device/cuda/probe.hpp"
#include "report/run_report.hpp"
#include "search/gpu_check/stages.hpp"
#include "store/transfer.hpp"

namespace mtmc::cli {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Options {
  double minutes = 10;
  std::string out = "gpu-check", device, python, data, merge;
  std::vector<std::string> stages;
  bool dry_run = false, json = false, quiet = false;
  std::uint64_t seed = 1;
  Common common;
};

std::string slug(const std::string& name) {
  std::string s;
  for (const char c : name)
    s += std::isalnum(static_cast<unsigned char>(c))
             ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
             : '-';
  return s;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text << std::flush;
  if (!file) return unavailable("cannot write " + path + ": choose another folder with --out");
  return {};
}

// What is checked: the GPU that is asked for, or, where it is not here, what earlier calls checked
// into this folder.
struct Subject {
  std::string device, missing;  // missing: why it is not here
  kernel::DeviceFacts facts;
};

std::string journal_path(const Options& options, const std::string& device) {
  return fmt::format("{}/journal-{}.jsonl", options.out, slug(device));
}

Result<Subject> subject_of(const Options& options) {
  auto found = device::find_device(options.device.empty() ? "cuda" : options.device);
  if (found && !found->facts.emulated) return Subject{found->name, "", found->facts};
  if (found)
    return bad_input(fmt::format("{} is emulated; gpu-check is for real devices", found->name));
  Subject absent{"none", found.error().message, device::available_devices().front().facts};
  std::error_code failed;
  for (auto entry = fs::directory_iterator(options.out, failed);
       !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (name.rfind("journal-", 0) != 0 || name == "journal-none.jsonl") continue;
    std::ifstream file(entry->path());
    std::string line;
    std::getline(file, line);
    const json head = json::parse(line, nullptr, false);
    if (head.is_object() && head.contains("subject"))
      absent.device = head["subject"].value("device", absent.device);
  }
  if (auto twin = device::find_device(search::twin_of(absent.device, "")); twin)
    absent.facts = twin->facts;
  return absent;
}

void keep_chosen(search::Stages& stages, const std::vector<std::string>& chosen) {
  if (chosen.empty()) return;
  std::erase_if(stages, [&](const auto& s) {
    return std::find(chosen.begin(), chosen.end(), s->name()) == chosen.end();
  });
}

Result<int> merge(const Options& options) {
  const std::string path =
      fs::is_directory(options.merge) ? options.merge + "/evidence.json" : options.merge;
  std::ifstream file(path);
  if (!file) return bad_input("cannot read " + path);
  auto store = open_store(options.common, store::OpenMode::create);
  if (!store) return tl::unexpected<Error>(store.error());
  auto merged = store::merge_evidence(*store, json::parse(file, nullptr, false));
  if (!merged) return tl::unexpected<Error>(merged.error().with(path));
  fmt::print("{} of {} rows were new to {}\n", merged->added, merged->rows, store->path());
  return 0;
}

Result<int> check(const Options& options) {
  auto subject = subject_of(options);
  if (!subject) return tl::unexpected<Error>(subject.error());
  auto tasks = search::read_level(
      options.data.empty() ? search::suite_folder(tool_path()) : options.data, 1);
  if (!tasks) return tl::unexpected<Error>(tasks.error());

  search::CheckContext context;
  context.tasks = std::move(*tasks);
  context.oracle_settings = {harness::oracle_folder(tool_path()), options.python};
  context.seed = options.seed;
  context.no_device = subject->missing;
  context.doctor = [&] {
    return to_json(examine({tool_path(), options.common.db, options.python, {}}));
  };
  search::Stages stages = search::all_stages(context);
  keep_chosen(stages, options.stages);
  if (stages.empty()) return bad_input("--stages names no stage; --dry-run lists them");
  if (options.dry_run) {
    if (options.json)
      fmt::print("{}", report::json_text(search::plan_json(stages, options.minutes)));
    else
      fmt::print("{}", search::plan_text(stages, options.minutes));
    return 0;
  }

  std::error_code failed;
  fs::create_directories(options.out, failed);
  if (failed)
    return unavailable(fmt::format("cannot make {} ({}): choose another folder with --out",
                                   options.out, failed.message()));
  auto journal = search::Journal::open(
      journal_path(options, subject->device),
      {{"device", subject->device}, {"tool", kToolVersion}, {"seed", options.seed}});
  if (!journal) return tl::unexpected<Error>(journal.error());
  auto store = store::Store::open(options.out + "/check.db");
  if (!store) return tl::unexpected<Error>(store.error());
  search::Bench bench(*store, {tool_path(), cache_directory(), subject->device, options.seed},
                      subject->facts,
                      search::twin_of(subject->device, subject->facts.architecture));
  context.bench = &bench;
  context.journal = &*journal;

  const auto clock = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
               .count() /
           60;
  };
  const auto say = [&](const std::string& line) {
    if (!options.quiet) fmt::print(stderr, "mtmc: {}\n", line);
  };
  auto report = search::run_check(stages, *journal, options.minutes, clock, say);
  if (!report) return tl::unexpected<Error>(report.error());
  json written = search::to_json(*report);
  written["subject"] = journal->subject();
  written["driver"] = device::cuda::probe().driver.version;
  if (auto ok = write_file(fmt::format("{}/report-{}.json", options.out, slug(subject->device)),
                           report::json_text(written));
      !ok)
    return tl::unexpected<Error>(ok.error());
  auto evidence = store::export_evidence(*store);
  if (!evidence) return tl::unexpected<Error>(evidence.error());
  if (auto ok = write_file(options.out + "/evidence.json", evidence->dump() + "\n"); !ok)
    return tl::unexpected<Error>(ok.error());
  if (options.json)
    fmt::print("{}", report::json_text(written));
  else
    fmt::print("{}", search::report_text(*report));
  return report->lacking() ? 3 : 0;
}

}  // namespace

void add_gpu_check(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("gpu-check",
                         "check everything that needs a GPU, within minutes; called again, it goes "
                         "on where it stopped; exit code 3 where something is missing");
  command->add_option("--minutes", options->minutes, "stop after so many")
      ->check(CLI::Range(0.01, 10000.0))
      ->capture_default_str();
  command->add_option("--out", options->out, "folder for journal, report and evidence")
      ->capture_default_str();
  command->add_flag("--dry-run", options->dry_run,
                    "print the plan with its minutes and do nothing");
  command->add_option("--device", options->device,
                      "which GPU (mtmc devices lists them; default: the first)");
  command->add_option("--stages", options->stages, "only these, by name")->delimiter(',');
  command->add_option(
      "--python", options->python,
      "Python with PyTorch (default: MTMC_PYTHON, else the first python3 in PATH that has it)");
  command->add_option("--data", options->data,
                      "folder of level1.jsonl (default: the one that came with the tool)");
  command->add_option("--seed", options->seed, "seed of inputs")->capture_default_str();
  command->add_option("--merge", options->merge,
                      "merge what a check wrote (a folder or its evidence.json) into the database, "
                      "and do nothing else");
  command->add_option("--db", options->common.db, "database file, for --merge and the doctor");
  command->add_flag("--json", options->json, "print JSON on stdout");
  command->add_flag("--quiet", options->quiet, "no progress on stderr");
  command->callback([&chosen, options] {
    chosen = [options] { return options->merge.empty() ? check(*options) : merge(*options); };
  });
}

}  // namespace mtmc::cli
