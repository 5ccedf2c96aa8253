// mtmc export: kernels out of the database, as files that stand alone.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/export_kernel.hpp"
#include "coder/export_cu.hpp"
#include "device/device.hpp"
#include "search/trajectories.hpp"
#include "store/candidates.hpp"
#include "store/queries.hpp"
#include "store/runs.hpp"

namespace mtmc::cli {

namespace {

namespace fs = std::filesystem;

// Written beside and moved into place: a reader never sees half a file.
Result<void> write_file(const fs::path& path, const std::string& text) {
  const fs::path temporary = path.string() + ".part";
  {
    std::ofstream out(temporary, std::ios::binary);
    out << text;
    out.close();
    if (!out) return unavailable(fmt::format("cannot write {}; choose another folder with --export or --out", temporary.string()));
  }
  std::error_code error;
  fs::rename(temporary, path, error);
  if (error) return unavailable(fmt::format("cannot write {}: {}", path.string(), error.message()));
  return {};
}

// A name a person recognises: the first operator row of the region and the candidate's digits.
std::string file_name(const op::Operator& op, const std::string& id) {
  std::string name = op.nodes.empty() ? "kernel" : op.nodes.front().op;
  return name + "-" + id.substr(0, 12) + ".cu";
}

struct Loaded {
  kernel::Region region;
  kernel::Candidate candidate;
};

Result<Loaded> load(store::Store& store, const std::string& candidate_id) {
  store::Candidates candidates(store);
  auto record = candidates.find(candidate_id);
  if (!record) return tl::unexpected<Error>(record.error());
  if (!*record) return bad_input(fmt::format("no candidate {}", candidate_id));
  auto region = candidates.region((*record)->region_hash);
  if (!region) return tl::unexpected<Error>(region.error());
  if (!*region) return internal_error("a candidate without its region");
  auto op = op::parse_operator((*region)->text);
  if (!op) return tl::unexpected<Error>(op.error().with("region " + (*region)->hash));
  auto canonical = kernel::make_region(*op);
  if (!canonical) return tl::unexpected<Error>(canonical.error());
  auto form = nlohmann::json::parse((*record)->json, nullptr, false);
  auto candidate = kernel::candidate_from_json(form);
  if (!candidate) return tl::unexpected<Error>(candidate.error());
  return Loaded{std::move(*canonical), std::move(*candidate)};
}

Result<std::string> text_of(const Loaded& loaded, const std::string& device_name) {
  auto device = device::find_device(device_name);
  if (!device) return tl::unexpected<Error>(device.error());
  auto lowering = op::lower(loaded.region.op);
  if (!lowering) return tl::unexpected<Error>(lowering.error());
  return coder::export_cu({loaded.region, *lowering, device->facts}, loaded.candidate);
}

Result<void> make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return unavailable(fmt::format("cannot make folder {}: {}", folder, error.message()));
  return {};
}

struct Options {
  Common common;
  std::string id, as = "cu", out = ".", device;
};

// A run's trajectories or recording; the file's path, or empty where it went to standard output.
Result<std::string> export_words(store::Store& store, const std::string& run_id, const Options& options) {
  const bool recording = options.as == "recording";
  const std::string path = (fs::path(options.out) / fmt::format("{}.{}.jsonl", run_id.substr(0, 12), options.as)).string();
  if (recording) {
    if (options.out == "-") return bad_input("a recording goes into a file: name a folder with --out");
    auto made = search::recording_of(store, run_id);
    if (!made) return tl::unexpected<Error>(made.error());
    if (auto ok = make_folder(options.out); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = llm::write_recording(path, *made); !ok) return tl::unexpected<Error>(ok.error());
    return path;
  }
  auto text = search::trajectories_of(store, run_id);
  if (!text) return tl::unexpected<Error>(text.error());
  if (options.out == "-") {
    fmt::print("{}", *text);
    return std::string();
  }
  if (auto ok = make_folder(options.out); !ok) return tl::unexpected<Error>(ok.error());
  if (auto ok = write_file(path, *text); !ok) return tl::unexpected<Error>(ok.error());
  return path;
}

Result<int> export_command(const Options& options) {
  auto store = open_store(options.common, store::OpenMode::read_only);
  if (!store) return tl::unexpected<Error>(store.error());
  auto found = store::Queries(*store).find(options.id);
  if (!found) return tl::unexpected<Error>(found.error());
  std::vector<std::string> files;
  if (options.as != "cu") {
    if (found->kind != store::IdKind::run) return bad_input(fmt::format("{} is no run: only runs have {}", options.id, options.as));
    auto written = export_words(*store, found->id, options);
    if (!written) return tl::unexpected<Error>(written.error());
    if (!written->empty()) fmt::print("{}\n", *written);
    return 0;
  }
  if (found->kind == store::IdKind::run) {
    auto written = export_run(*store, found->id, options.out);
    if (!written) return tl::unexpected<Error>(written.error());
    files = std::move(*written);
  } else if (found->kind == store::IdKind::candidate) {
    auto loaded = load(*store, found->id);
    if (!loaded) return tl::unexpected<Error>(loaded.error());
    auto text = text_of(*loaded, options.device);
    if (!text) return tl::unexpected<Error>(text.error());
    if (options.out == "-") {
      fmt::print("{}", *text);
      return 0;
    }
    if (auto ok = make_folder(options.out); !ok) return tl::unexpected<Error>(ok.error());
    files.push_back((fs::path(options.out) / file_name(loaded->region.op, found->id)).string());
    if (auto ok = write_file(files.back(), *text); !ok) return tl::unexpected<Error>(ok.error());
  } else {
    return bad_input(fmt::format("{} is a sweep; export one of its runs or candidates", options.id));
  }
  for (const auto& file : files) fmt::print("{}\n", file);
  return 0;
}

}  // namespace

Result<std::vector<std::string>> export_run(store::Store& store, const std::string& run_id, const std::string& folder) {
  auto run = store::Runs(store).find(run_id);
  if (!run) return tl::unexpected<Error>(run.error());
  if (!*run || !(*run)->result) return bad_input(fmt::format("run {} has no result to export", run_id));
  if (auto ok = make_folder(folder); !ok) return tl::unexpected<Error>(ok.error());
  std::vector<std::string> files;
  for (const auto& region : (*run)->result->regions) {
    if (region.candidate_id.empty()) continue;
    auto loaded = load(store, region.candidate_id);
    if (!loaded) return tl::unexpected<Error>(loaded.error());
    auto text = text_of(*loaded, (*run)->identity.device);
    if (!text) return tl::unexpected<Error>(text.error());
    files.push_back((fs::path(folder) / file_name(loaded->region.op, region.candidate_id)).string());
    if (auto ok = write_file(files.back(), *text); !ok) return tl::unexpected<Error>(ok.error());
  }
  if (files.empty()) return bad_input(fmt::format("run {} has no correct candidate to export", run_id));
  return files;
}

void add_export(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("export", "write a kernel of the database as one standalone .cu, or a run's steps or conversation");
  command->add_option("id", options->id, "a run or candidate, or the first six or more digits of it")->required();
  command->add_option("--as", options->as, "form")->check(CLI::IsMember({"cu", "trajectories", "recording"}))->capture_default_str();
  command->add_option("--out", options->out, "folder, or - for standard output (candidates and trajectories)")->capture_default_str();
  command->add_option("--device", options->device, "device whose facts the recipe is resolved with (candidates only)");
  command->add_option("--db", options->common.db, "database file");
  command->callback([&chosen, options] { chosen = [options] { return export_command(*options); }; });
}

}  // namespace mtmc::cli
