// mtmc emulate: one kernel file under its recipe on the emulator. Says what went wrong and where,
// what was counted, and how long the device is modelled to take. No GPU, no operator, no reference.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/hash.hpp"
#include "cli/command.hpp"
#include "device/emulated/emulation.hpp"
#include "kernel/recipe.hpp"
#include "op/types.hpp"
#include "tuner/recording.hpp"

namespace mtmc::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kFirstValues = 8;  // of each output that a report shows

struct Options {
  std::string kernel, recipe, architecture, device;
  std::string check = "all";
  std::vector<std::string> dims, defines, inputs, outputs;
  bool strict = false, fast_math = false, exact_matrix = false, json = false;
  int threads = 1;
  std::uint64_t budget = 0, seed = 1;
  std::int64_t blocks = 0;
  std::size_t lines = 10;
};

// "NAME=VALUE" lists.
Result<std::vector<std::pair<std::string, std::string>>> pairs(
    const std::vector<std::string>& texts, const char* option) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& text : texts) {
    const auto at = text.find('=');
    if (at == 0 || at == std::string::npos || at + 1 == text.size())
      return bad_input(fmt::format("{} takes NAME=VALUE, not '{}'", option, text));
    result.emplace_back(text.substr(0, at), text.substr(at + 1));
  }
  return result;
}

Result<std::int64_t> integer(const std::string& text, const std::string& name) {
  std::size_t used = 0;
  try {
    const long long value = std::stoll(text, &used);
    if (used == text.size()) return static_cast<std::int64_t>(value);
  } catch (const std::exception&) {
  }
  return bad_input(fmt::format("{} is '{}', which is no integer", name, text));
}

// "none" does not count either; bounds are always looked at, since they protect this process too.
emulator::Checks checks_of(const std::string& level) {
  if (level == "all") return emulator::Checks::all;
  if (level == "races") return emulator::Checks::shared_races;
  return emulator::Checks::bounds;
}

Result<emulator::MatrixArithmetic> exact_arithmetic(const emulator::DeviceEntry& entry) {
  const int capability = entry.compute_major * 10 + entry.compute_minor;
  if (capability == 90) return emulator::MatrixArithmetic::hopper;
  if (capability == 89) return emulator::MatrixArithmetic::ada;
  if (capability == 80) return emulator::MatrixArithmetic::ampere;
  return bad_input(fmt::format("how the tensor cores of {} round is not known", entry.name));
}

// --device names a row of the table; else the first row of --arch; else the first row.
Result<const emulator::DeviceEntry*> choose_device(const Options& options) {
  if (!options.device.empty()) {
    if (const auto* entry = emulator::find_device(options.device)) return entry;
    return bad_input(fmt::format("no device '{}' can be emulated; there are: {}", options.device,
                                 emulator::device_aliases()));
  }
  if (options.architecture.empty()) return &emulator::device_table().front();
  std::string known;
  for (const auto& entry : emulator::device_table()) {
    if (options.architecture == entry.architecture) return &entry;
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", entry.architecture, entry.alias);
  }
  return bad_input(fmt::format(
      "no emulated device has architecture '{}': name one with --device, or an architecture of: {}",
      options.architecture, known));
}

Result<compiler::Binary> compile(const Options& options, const std::string& text,
                                 const std::string& architecture,
                                 const std::vector<std::pair<std::string, std::string>>& defines) {
  if (std::filesystem::path(options.kernel).extension() == ".ptx") {
    compiler::Binary binary;
    binary.architecture = architecture;
    binary.ptx = text;
    return binary;
  }
  compiler::CompilerSettings settings;
  settings.tool = tool_path();
  settings.cache_directory = cache_directory();
  settings.max_workers = 1;
  auto compiler = compiler::Compiler::create(settings);
  if (!compiler) return tl::unexpected<Error>(compiler.error());
  compiler::CompileRequest request;
  request.sources = {{std::filesystem::path(options.kernel).filename().string(), text}};
  request.architecture = architecture;
  request.defines = defines;
  request.strict = options.strict;
  request.fast_math = options.fast_math;
  request.line_info = true;
  auto outcome = (*compiler)->compile(request);
  if (!outcome) return tl::unexpected<Error>(outcome.error());
  if (auto* binary = std::get_if<compiler::Binary>(&*outcome)) return std::move(*binary);
  const auto& d = std::get<compiler::CompileFailure>(*outcome).diagnostics.front();
  return bad_input(
      fmt::format("{}:{}: {}", d.file.empty() ? options.kernel : d.file, d.line, d.message));
}

// The recipe itself, or a form that holds it with tunables and a configuration (docs/tuning.md):
// then these are symbols and macros as if named by --define, which wins.
struct Form {
  kernel::Recipe recipe;
  std::map<std::string, std::int64_t> configuration;
};

Result<Form> read_form(const std::string& path) {
  auto text = tuner::read_text(path, nullptr);
  if (!text) return tl::unexpected<Error>(text.error());
  const json form = json::parse(*text, nullptr, false);
  if (!form.is_object()) return bad_input(fmt::format("{} holds no JSON object", path));
  Form result;
  const bool whole = form.contains("recipe");
  auto recipe = kernel::recipe_from_json(whole ? form["recipe"] : form);
  if (!recipe) return tl::unexpected<Error>(recipe.error().with(path));
  result.recipe = std::move(*recipe);
  if (!whole) return result;
  for (const auto& t : form.value("tunables", json::array()))
    if (t.is_object() && t.contains("name") && t["name"].is_string() && t.contains("values") &&
        t["values"].is_array() && !t["values"].empty() && t["values"][0].is_number_integer())
      result.configuration[t["name"].get<std::string>()] = t["values"][0].get<std::int64_t>();
  if (form.contains("configuration") && form["configuration"].is_object())
    for (const auto& [name, value] : form["configuration"].items())
      if (value.is_number_integer()) result.configuration[name] = value.get<std::int64_t>();
  return result;
}

json number(op::DType dtype, std::uint64_t bits) {
  const double value = op::from_bits(dtype, bits);
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (op::is_float(dtype)) return value;
  return static_cast<std::int64_t>(value);
}

json output_json(const device::EmulationOutput& output) {
  json first = json::array();
  const auto size = static_cast<std::size_t>(op::bytes_of(output.dtype));
  for (std::size_t i = 0; i < kFirstValues && (i + 1) * size <= output.bytes.size(); ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, output.bytes.data() + i * size, size);
    first.push_back(number(output.dtype, bits));
  }
  return {{"hash", sha256(output.bytes)}, {"first", std::move(first)}};
}

json fault_json(const emulator::Fault& fault) {
  return {{"kind", emulator::fault_identifier(fault.kind)},
          {"kernel", fault.kernel},
          {"block", fault.block},
          {"thread", fault.thread},
          {"file", fault.file},
          {"line", fault.line},
          {"ptx_line", fault.ptx_line},
          {"address", fault.address},
          {"message", fault.message}};
}

json occupancy_json(const device::EmulatedLaunch& launch) {
  return {{"fraction", launch.occupancy.fraction},
          {"blocks_per_sm", launch.occupancy.blocks_per_sm},
          {"warps_per_sm", launch.occupancy.warps_per_sm},
          {"limiter", emulator::occupancy_limiter_name(launch.occupancy.limiter)},
          {"registers_per_thread", launch.block.registers_per_thread},
          {"shared_bytes", launch.block.shared_bytes}};
}

json parts_json(const device::ModelledTime& time) {
  json parts = json::object();
  for (const auto& part : device::kModelledParts) parts[part.name] = time.*part.value;
  return parts;
}

// What kernels printed, launch by launch, and how many calls of printf the limit left out.
std::pair<std::string, std::uint64_t> printed(const device::Emulation& done) {
  std::pair<std::string, std::uint64_t> result;
  for (const auto& launch : done.launches) {
    result.first += launch.report.printed;
    result.second += launch.report.printed_dropped;
  }
  return result;
}

json lines_json(const device::Emulation& done) {
  json lines = json::array();
  for (const auto& line : done.lines)
    lines.push_back({{"file", line.file},
                     {"line", line.line},
                     {"warp_instructions", line.warp_instructions},
                     {"global_sectors", line.global_sectors},
                     {"shared_wavefronts", line.shared_wavefronts}});
  return lines;
}

// The hottest lines, with their text where they are the kernel file's own.
void print_lines(const device::Emulation& done, const Options& options, const std::string& text) {
  const std::size_t shown = std::min(options.lines, done.lines.size());
  if (shown == 0) return;
  std::vector<std::string> source;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) source.push_back(line);
  const auto unit = std::filesystem::path(options.kernel).filename().string();
  double total = 0;
  for (const auto& line : done.lines) total += static_cast<double>(line.warp_instructions);
  fmt::print("hot lines  share  instructions  sectors  wavefronts\n");
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& line = done.lines[i];
    const bool own = line.file == unit && line.line >= 1 && line.line <= source.size();
    std::string code = own ? source[line.line - 1] : "";
    code.erase(0, code.find_first_not_of(" \t"));
    fmt::print("{:15.1f}%  {:>12}  {:>7}  {:>10}  {}{}{}\n",
               100 * static_cast<double>(line.warp_instructions) / total, line.warp_instructions,
               line.global_sectors, line.shared_wavefronts,
               line.line == 0 ? "(no line)" : fmt::format("{}:{}", line.file, line.line),
               code.empty() ? "" : "  ", code);
  }
}

// Not to be summed over launches.
bool is_fraction(const std::string& name) { return name == "occupancy" || name.ends_with("_rate"); }

// Totals at the top, each launch beneath. Occupancy is that of the launch that takes longest.
json report_json(const emulator::DeviceEntry& entry, const std::string& architecture,
                 const device::Emulation& done) {
  json faults = json::array();
  for (const auto& fault : done.faults) faults.push_back(fault_json(fault));
  json counters = json::object(), parts = json::object(), launches = json::array();
  double total_ns = 0;
  for (const auto& record : done.records) {
    json one{{"kernel", record.kernel},
             {"blocks_run", record.blocks_run},
             {"blocks_total", record.blocks_total},
             {"counters", record.counters}};
    for (const auto& [name, value] : record.counters)
      if (!is_fraction(name)) counters[name] = counters.value(name, 0.0) + value;
    if (record.modelled) {
      one["modelled_ns"] = record.modelled->total_ns;
      one["modelled_parts"] = parts_json(*record.modelled);
      total_ns += record.modelled->total_ns;
      for (const auto& [name, value] : one["modelled_parts"].items())
        parts[name] = parts.value(name, 0.0) + value.get<double>();
    }
    launches.push_back(std::move(one));
  }
  const device::EmulatedLaunch* longest = nullptr;
  for (const auto& launch : done.launches)
    if (!longest || (launch.modelled && (!longest->modelled ||
                                         launch.modelled->total_ns > longest->modelled->total_ns)))
      longest = &launch;
  json outputs = json::object();
  for (const auto& output : done.outputs) outputs[output.name] = output_json(output);
  const auto [text, dropped] = printed(done);
  return {{"device", entry.name},
          {"architecture", architecture},
          {"printed", text},
          {"printed_dropped", dropped},
          {"faults", std::move(faults)},
          {"counters", std::move(counters)},
          {"lines", lines_json(done)},
          {"occupancy", longest ? occupancy_json(*longest) : json(nullptr)},
          {"modelled_ns", done.records.empty() ? json(nullptr) : json(total_ns)},
          {"modelled_parts", std::move(parts)},
          {"launches", std::move(launches)},
          {"outputs", std::move(outputs)}};
}

void print_report(const json& report, const device::Emulation& done, const Options& options,
                  const std::string& source) {
  const auto [text, dropped] = printed(done);
  fmt::print("{}{}", text, text.empty() || text.back() == '\n' ? "" : "\n");
  if (dropped) fmt::print("({} more calls of printf)\n", dropped);
  for (const auto& fault : done.faults) fmt::print("fault      {}\n", fault.text());
  for (std::size_t i = 0; i < done.records.size(); ++i) {
    const auto& record = done.records[i];
    fmt::print("{:<10} {} of {} blocks", record.kernel, record.blocks_run, record.blocks_total);
    if (record.modelled) {
      fmt::print(", modelled {:.0f} ns (uncalibrated):", record.modelled->total_ns);
      for (const auto& [name, value] : report["launches"][i]["modelled_parts"].items())
        fmt::print(" {} {:.0f}", name.substr(0, name.size() - 3), value.get<double>());
    }
    fmt::print("\n");
    for (const auto& [name, value] : record.counters) fmt::print("  {:<28} {:.15g}\n", name, value);
  }
  print_lines(done, options, source);
  if (report["occupancy"].is_object())
    fmt::print("occupancy  {:.2f}, {} blocks on an SM, limited by {}\n",
               report["occupancy"]["fraction"].get<double>(),
               report["occupancy"]["blocks_per_sm"].get<int>(),
               report["occupancy"]["limiter"].get<std::string>());
  for (const auto& [name, value] : report["outputs"].items())
    fmt::print("{:<10} sha256 {} first {}\n", name, value["hash"].get<std::string>().substr(0, 16),
               value["first"].dump());
}

Result<int> run(const Options& options) {
  auto entry = choose_device(options);
  if (!entry) return tl::unexpected<Error>(entry.error());
  const std::string architecture =
      options.architecture.empty() ? (*entry)->architecture : options.architecture;
  auto form = read_form(options.recipe);
  if (!form) return tl::unexpected<Error>(form.error());
  auto text = tuner::read_text(options.kernel, nullptr);
  if (!text) return tl::unexpected<Error>(text.error());

  device::EmulationRequest request;
  std::map<std::string, std::string> macros;
  for (const auto& [name, value] : form->configuration) {
    request.symbols[name] = value;
    macros[name] = std::to_string(value);
  }
  auto dims = pairs(options.dims, "--dim");
  auto defines = pairs(options.defines, "--define");
  auto inputs = pairs(options.inputs, "--input");
  auto outputs = pairs(options.outputs, "--output");
  for (const auto* list : {&dims, &defines, &inputs, &outputs})
    if (!*list) return tl::unexpected<Error>(list->error());
  for (const auto& [name, value] : *dims) {
    auto number = integer(value, "--dim " + name);
    if (!number) return tl::unexpected<Error>(number.error());
    request.symbols[name] = *number;
  }
  for (const auto& [name, value] : *defines) {
    macros[name] = value;
    if (auto number = integer(value, name)) request.symbols[name] = *number;
  }
  for (const auto& [name, path] : *inputs) {
    auto bytes = tuner::read_text(path, nullptr);
    if (!bytes) return tl::unexpected<Error>(bytes.error());
    request.contents[name] = std::move(*bytes);
  }
  auto binary = compile(options, *text, architecture, {macros.begin(), macros.end()});
  if (!binary) return tl::unexpected<Error>(binary.error());
  request.binary = std::move(*binary);
  request.recipe = std::move(form->recipe);
  request.settings.run.checks = checks_of(options.check);
  request.settings.run.collect_profile = options.check != "none";
  if (options.exact_matrix) {
    auto arithmetic = exact_arithmetic(**entry);
    if (!arithmetic) return tl::unexpected<Error>(arithmetic.error());
    request.settings.run.matrix_arithmetic = *arithmetic;
  }
  request.seed = options.seed;
  request.run.seed = options.seed;
  request.run.threads = options.threads;
  request.run.instruction_budget = options.budget;
  request.run.max_blocks = options.blocks;

  auto done = device::emulate(**entry, request);
  if (!done) return tl::unexpected<Error>(done.error());
  // The compiler's worker lives in "/", and that is where its sources seem to lie.
  const auto unit = std::filesystem::path(options.kernel).filename().string();
  for (auto& fault : done->faults) {
    if (fault.file == "/" + unit) fault.file = unit;
    for (std::size_t at; (at = fault.message.find(" /" + unit + ":")) != std::string::npos;)
      fault.message.erase(at + 1, 1);
  }
  for (auto& line : done->lines)
    if (line.file == "/" + unit) line.file = unit;
  for (const auto& [name, path] : *outputs) {
    const auto found =
        std::find_if(done->outputs.begin(), done->outputs.end(),
                     [&, &wanted = name](const auto& o) { return o.name == wanted; });
    if (found == done->outputs.end())
      return bad_input(fmt::format("the recipe has no output '{}'", name));
    if (auto ok = tuner::write_text(path, found->bytes); !ok)
      return tl::unexpected<Error>(ok.error());
  }
  const json report = report_json(**entry, architecture, *done);
  if (options.json)
    fmt::print("{}\n", report.dump(2, ' ', false, json::error_handler_t::replace));
  else
    print_report(report, *done, options, *text);
  return done->faults.empty() ? 0 : 1;
}

}  // namespace

void add_emulate(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "emulate", "run a kernel file without a GPU: faults, counters, occupancy, modelled time");
  command->add_option("kernel", options->kernel, "a .cu file, or a .ptx file")->required();
  command->add_option("--recipe", options->recipe, "how it is run: docs/recipe.md")->required();
  command->add_option("--arch", options->architecture, "architecture to compile for, e.g. sm_90a");
  command->add_option("--device", options->device, "device to model (mtmc devices lists them)");
  command
      ->add_option("--check", options->check,
                   "none (no counters either), bounds, races (of shared memory) or all")
      ->check(CLI::IsMember({"none", "bounds", "races", "all"}))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "host threads; changes no result")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--budget", options->budget, "warp instructions of one launch; 0: 2^32");
  command
      ->add_option("--blocks", options->blocks,
                   "run a sample of so many blocks of each launch; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--lines", options->lines, "hottest source lines to print; --json has all")
      ->capture_default_str();
  command->add_option("--dim", options->dims, "NAME=INTEGER: a symbol of the recipe");
  command->add_option("--define", options->defines,
                      "NAME=VALUE: a macro; an integer is a symbol too");
  command->add_option("--input", options->inputs, "NAME=FILE: raw bytes of a buffer; else drawn");
  command->add_option("--output", options->outputs,
                      "NAME=FILE: where to write an output's raw bytes");
  command->add_option("--seed", options->seed, "seed of drawn inputs")->capture_default_str();
  command->add_flag("--strict", options->strict, "no contraction of a * b + c");
  command->add_flag("--fast-math", options->fast_math, "compile with --use_fast_math");
  command->add_flag("--exact-matrix", options->exact_matrix,
                    "matrix products bit by bit as the device's tensor cores are known to round");
  command->add_flag("--json", options->json, "print JSON");
  command->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace mtmc::cli
