// mtmc generate-operator: one line in, one proven kernel out. Plain language becomes a line first.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <unistd.h>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/endpoint_options.hpp"
#include "cli/export_kernel.hpp"
#include "device/device.hpp"
#include "llm/recording.hpp"
#include "planner/translate.hpp"
#include "search/run.hpp"
#include "search/stored_endpoint.hpp"
#include "search/trajectories.hpp"
#include "report/run_report.hpp"

namespace mtmc::cli {

namespace {

struct Options {
  Common common;
  std::string line, device, export_to;
  bool fresh = false, no_export = false, quiet = false;
  search::Settings settings;
  EndpointOptions endpoint;
};

// The operator: the argument itself, "-" for standard input, or a JSON form (it begins with '{').
Result<op::Operator> read_operator(std::string text) {
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') {
    const auto form = nlohmann::json::parse(text, nullptr, false);
    if (form.is_discarded()) return bad_input("the operator's JSON form cannot be read: it is not JSON");
    return op::from_json(form);
  }
  return op::parse_operator(text);
}

// The line that a model makes of plain language; shown, and stored with what was asked.
Result<op::Operator> translated(const Options& options, store::Store& store) {
  std::string model;
  auto endpoint = open_any_endpoint(options.endpoint, model);
  if (!endpoint) return tl::unexpected<Error>(endpoint.error());
  if (!*endpoint)
    return unavailable("this is no operator line, and there is no endpoint to translate plain language: say --endpoint URL --model NAME, or write a line such as  " +
                       planner::operator_syntax().substr(0, planner::operator_syntax().find('\n')));
  auto prices = llm::PriceTable::load(options.endpoint.prices);
  if (!prices) return tl::unexpected<Error>(prices.error());
  search::Meter meter;
  auto conversation = search::Conversation::open(store, "", !options.fresh, *prices, meter);
  if (!conversation) return tl::unexpected<Error>(conversation.error());
  search::StoredEndpoint stored(*conversation, **endpoint);
  planner::TranslatorSettings settings;
  settings.model = model;
  settings.seed = static_cast<std::int64_t>(options.settings.seed);
  auto translation = planner::translate(stored, settings, options.line);
  if (!translation) return tl::unexpected<Error>(translation.error());
  if (auto ok = store::Exchanges(store).put_translation({options.line, translation->line, translation->model, 0}); !ok)
    return tl::unexpected<Error>(ok.error());
  fmt::print(stderr, "mtmc: understood  {}\n", translation->line);
  return std::move(translation->op);
}

// Ctrl-C and failures included: what was said is in the store, and goes into the recording from there.
Result<void> record(const Options& options, store::Store& store, const std::string& run_id) {
  if (options.endpoint.record.empty() || run_id.empty()) return {};
  auto recording = search::recording_of(store, run_id);
  if (!recording) return tl::unexpected<Error>(recording.error());
  return llm::write_recording(options.endpoint.record, *recording);
}

// Operator, device and settings of the run that a recording is of.
Result<void> take_from_recording(Options& options) {
  auto recording = llm::read_recording(options.endpoint.replay);
  if (!recording) return tl::unexpected<Error>(recording.error());
  const auto run = nlohmann::json::parse(recording->run_json, nullptr, false);
  if (!run.is_object() || !run.contains("operator") || !run["operator"].is_string())
    return bad_input("llm recording " + options.endpoint.replay + " does not say of which operator it is: name the operator");
  options.line = run["operator"].get<std::string>();
  options.settings = search::settings_from_json(run.value("settings", nlohmann::json::object()));
  if (options.device.empty()) options.device = options.settings.device;
  return {};
}

Result<int> generate(Options options) {
  if (options.line.empty() && !options.endpoint.replay.empty()) {
    if (auto ok = take_from_recording(options); !ok) return tl::unexpected<Error>(ok.error());
  }
  const bool plain = planner::is_plain_language(options.line);
  Result<op::Operator> op = bad_input("");
  if (!plain) {
    op = read_operator(options.line);
    if (!op) return tl::unexpected<Error>(op.error());
  }
  auto device = device::find_device(options.device);
  if (!device) return tl::unexpected<Error>(device.error());
  search::Settings settings = options.settings;
  settings.device = device->name;
  auto models = open_models(options.endpoint, settings);
  if (!models) return tl::unexpected<Error>(models.error());
  auto store = open_store(options.common, store::OpenMode::create);
  if (!store) return tl::unexpected<Error>(store.error());
  if (plain) {
    op = translated(options, *store);
    if (!op) return tl::unexpected<Error>(op.error());
  }

  search::Surroundings around;
  around.tool = tool_path();
  around.cache_directory = cache_directory();
  around.tool_version = kToolVersion;
  models->put_into(around);
  std::string run_id;
  around.began = [&run_id](const std::string& id) { run_id = id; };
  around.fresh = options.fresh;
  if (!options.quiet) around.progress = [](const std::string& line) { fmt::print(stderr, "mtmc: {}\n", line); };
  auto report = search::run_operator(*op, settings, *store, around);
  auto recorded = record(options, *store, run_id);
  if (report && !recorded) return tl::unexpected<Error>(recorded.error());
  if (!report) return tl::unexpected<Error>(report.error());

  const bool correct = report->verdict.outcome == harness::Outcome::correct;
  std::vector<std::string> exported;
  if (correct && !options.no_export) {
    std::string folder = options.export_to;
    if (folder.empty()) {
      auto db = database_path(options.common);
      if (!db) return tl::unexpected<Error>(db.error());
      folder = (std::filesystem::absolute(*db).parent_path() / "kernels").string();
    }
    auto files = export_run(*store, report->run_id, folder);
    if (!files) return tl::unexpected<Error>(files.error());
    exported = std::move(*files);
  }
  auto view = store::Queries(*store).run(report->run_id);
  if (!view) return tl::unexpected<Error>(view.error());
  const report::Invocation invocation{report->resumed, static_cast<std::int64_t>(report->compiles), static_cast<std::int64_t>(report->llm_calls)};
  if (options.common.json) {
    nlohmann::json out = report::run_json(*view, invocation);
    out["exported"] = exported;
    fmt::print("{}", report::json_text(out));
  } else {
    fmt::print("{}", report::run_text(*view, invocation));
    for (const auto& file : exported) fmt::print("exported   {}\n", file);
    fmt::print("again      mtmc query show {}{}\n", report->run_id.substr(0, 12), options.common.db.empty() ? "" : " --db " + options.common.db);
  }
  return correct ? 0 : 1;
}

}  // namespace

void add_generate(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("generate-operator", "generate, prove and tune a CUDA kernel for one operator");
  command->add_option("operator", options->line, "the operator's line, its JSON form, - for standard input, or plain language where there is an endpoint; with --replay alone: the recording's");
  command->add_option("--device", options->device, "device to generate for (mtmc devices lists them)");
  command->add_option("--db", options->common.db, "database file");
  command->add_flag("--json", options->common.json, "print one JSON object on stdout");
  command->add_flag("--fresh", options->fresh, "start anew although an equal run is in the database");
  command->add_flag("--quiet", options->quiet, "no progress on stderr");
  command->add_option("--export", options->export_to, "folder for the exported .cu (default: kernels/ beside the database)");
  command->add_flag("--no-export", options->no_export, "write no .cu");
  auto& s = options->settings;
  command->add_option("--seed", s.seed, "seed of inputs, samples and search")->capture_default_str();
  command->add_option("--max-steps", s.max_steps, "steps of each region that may reach the compiler")->check(CLI::Range(0, 1000))->capture_default_str();
  command->add_option("--tune", s.tune_evaluations, "configurations that the tuner may try; 0: none")->check(CLI::Range(0, 10000))->capture_default_str();
  add_endpoint_options(*command, options->endpoint, s);
  command->callback([&chosen, options] { chosen = [options] { return generate(*options); }; });
}

}  // namespace mtmc::cli
