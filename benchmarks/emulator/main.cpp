// How fast the emulator is, against the same CUDA source on fibres and against plain loops on one
// core, all in one run.
//
//   mtmc-bench-emulator [--json] [--quick] [--rounds N] [--only KERNEL] [--portable FILE]
//
// Prints tables in Markdown, or one JSON object. Times are CPU time, the best of N rounds in which
// all variants run in turn; outputs are compared first, and a wrong one ends the program with 1.
// --portable names the JSON that a build with MTMC_EMULATOR_ISA=x86-64 printed on this machine.
// Only ratios say anything about another machine.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compiler/worker.hpp"
#include "emulator/cost_model.hpp"
#include "emulator/measure.hpp"
#include "emulator/subject.hpp"

namespace {

using namespace mtmc;
using namespace mtmc::bench;
using Json = nlohmann::ordered_json;

struct Level {
  const char* name;
  emulator::RunOptions options;
};

emulator::RunOptions with(emulator::Checks checks, bool counters, int threads,
                          emulator::MatrixArithmetic arithmetic) {
  emulator::RunOptions options;
  options.checks = checks;
  options.collect_profile = counters;
  options.threads = threads;
  options.matrix_arithmetic = arithmetic;
  return options;
}

// Bounds, alignment and access rights are checked at every level.
constexpr const char* kBounds = "bounds";
constexpr const char* kCounters = "+ counters";
constexpr const char* kRaces = "+ shared races";
constexpr const char* kRacesTwo = "the same, 2 threads";
constexpr const char* kAll = "every check";
constexpr const char* kExact = "shared races, exact mma";  // of kernels with mma

const std::vector<Level>& levels() {
  using emulator::Checks;
  constexpr auto chain = emulator::MatrixArithmetic::fma_chain;
  static const std::vector<Level> all = {
      {kBounds, with(Checks::bounds, false, 1, chain)},
      {kCounters, with(Checks::bounds, true, 1, chain)},
      {kRaces, with(Checks::shared_races, true, 1, chain)},
      {kRacesTwo, with(Checks::shared_races, true, 2, chain)},
      {kAll, with(Checks::all, true, 1, chain)},
      {kExact, with(Checks::shared_races, true, 1, emulator::MatrixArithmetic::ampere)},
  };
  return all;
}
bool applies(const Level& level, const Workload& workload) {
  return std::strcmp(level.name, kExact) != 0 || std::strcmp(workload.kernel, "hgemm") == 0;
}

struct Row {
  const Workload* workload = nullptr;
  double decode_ms = 0, fibres_s = INFINITY, scalar_s = INFINITY;
  std::map<std::string, double> seconds;  // by level
  // Growth of the process at its peak over the device's allocations.
  double memory_over_device = 0, memory_of_every_check = 0;
  Subject::Difference difference;

  bool has_fibres() const { return workload->fibres != nullptr; }
  double over_fibres(const std::string& level) const { return fibres_s / seconds.at(level); }
};

Row measure(const Workload& workload, compiler::Compiler& compiler, int rounds) {
  Subject subject(workload, compiler);
  Row row;
  row.workload = &workload;
  row.decode_ms = subject.decode_ms();
  const auto memory = [&](const char* level) {
    if (!reset_peak_resident()) return 0.0;
    for (const Level& l : levels())
      if (std::strcmp(l.name, level) == 0) subject.emulate(l.options);
    const auto peak = static_cast<double>(peak_resident_bytes());
    return (peak - static_cast<double>(subject.resident_before())) /
           static_cast<double>(subject.device_bytes());
  };
  row.memory_over_device = memory(kRaces);
  row.memory_of_every_check = memory(kAll);
  row.difference = subject.check();
  for (const Level& level : levels()) row.seconds[level.name] = INFINITY;
  for (int r = 0; r < rounds; ++r) {
    for (const Level& level : levels()) {
      if (!applies(level, workload)) continue;
      double& best = row.seconds[level.name];
      best = std::min(best, subject.emulate(level.options));
    }
    if (row.has_fibres()) row.fibres_s = std::min(row.fibres_s, subject.fibres());
    if (r < 3) row.scalar_s = std::min(row.scalar_s, subject.scalar());
  }
  return row;
}

struct Modelled {
  double seconds = 0, modelled_ms = 0;
  int blocks = 0;
};
Modelled model_large_product(compiler::Compiler& compiler) {
  Modelled result;
  Subject subject(large_product(), compiler);
  const emulator::DeviceEntry& device = *emulator::find_device("h200");
  const auto block = subject.block_resources();
  // Eight that run at the same time, which are traced, and the corners of the grid.
  const std::uint64_t wave =
      emulator::occupancy(device, block).blocks_per_sm * static_cast<std::uint64_t>(device.sms);
  emulator::RunOptions options;
  options.traced_blocks = emulator::blocks_to_trace(1024, wave, 8);
  std::set<std::uint64_t> blocks(options.traced_blocks.begin(), options.traced_blocks.end());
  blocks.insert({0, 1023});
  options.blocks.assign(blocks.begin(), blocks.end());
  result.blocks = static_cast<int>(blocks.size());
  const CpuTimer timer;
  const auto report = subject.launch(options);
  const auto time = emulator::modelled_time(device, report.profile, report.trace, block);
  if (!time) give_up(time.error().message);
  result.seconds = timer.seconds();
  result.modelled_ms = time->total_ns * 1e-6;
  return result;
}

struct Target {
  std::string what;
  double value, limit;
  bool at_least;
  bool met() const { return at_least ? value >= limit : value <= limit; }
};

std::vector<Target> targets(const std::vector<Row>& rows, const Modelled& modelled,
                            double portable) {
  std::vector<Target> out;
  std::map<std::string, const Row*> by_kernel;
  for (const Row& row : rows) by_kernel[row.workload->kernel] = &row;
  for (const char* name : {"sgemm", "sgemm_tile32", "softmax"}) {
    if (!by_kernel.count(name)) continue;
    const Row& row = *by_kernel[name];
    const std::string title = row.workload->title;
    out.push_back({title + ": counters and shared races, times as fast as fibres",
                   row.over_fibres(kRaces), 2.2, true});
    out.push_back(
        {title + ": every check, times as fast as fibres", row.over_fibres(kAll), 1.4, true});
    out.push_back({title + ": two threads, times as fast as one",
                   row.seconds.at(kRaces) / row.seconds.at(kRacesTwo), 1.8, true});
  }
  if (by_kernel.count("hgemm") && by_kernel.count("sgemm")) {
    const double sgemm = by_kernel["sgemm"]->seconds.at(kRaces);
    const Row& hgemm = *by_kernel["hgemm"];
    out.push_back({"mma GEMM, time over SGEMM's", hgemm.seconds.at(kRaces) / sgemm, 0.7, false});
    out.push_back(
        {"exact mma GEMM, time over SGEMM's", hgemm.seconds.at(kExact) / sgemm, 1.8, false});
  }
  double decode = 0, memory = 0;
  for (const Row& row : rows) {
    decode = std::max(decode, row.decode_ms);
    memory = std::max(memory, row.memory_over_device);
  }
  out.push_back({"parsing and decoding a kernel, ms", decode, 5, false});
  out.push_back({"peak memory over device allocations", memory, 1.1, false});
  if (portable > 0) out.push_back({"portable build, time over this one's", portable, 8, false});
  if (modelled.seconds > 0)
    out.push_back({"SGEMM 4096^3 modelled from a sample of blocks, s", modelled.seconds, 1, false});
  return out;
}

// The other build's time over this one's, each over its own run's fibres: the worst kernel.
double portable_ratio(const std::string& file, const std::vector<Row>& rows) {
  std::ifstream in(file);
  const Json other = Json::parse(in, nullptr, false);
  if (other.is_discarded()) give_up(file + " is not JSON");
  double worst = 0;
  for (const Row& row : rows)
    for (const Json& kernel : other.at("kernels"))
      if (row.has_fibres() && kernel.at("kernel") == row.workload->kernel)
        worst = std::max(worst, row.over_fibres(kRaces) /
                                    kernel.at("times_as_fast_as_fibres").at(kRaces).get<double>());
  return worst;
}

std::string tables(const std::vector<Row>& rows, const std::vector<Target>& goals,
                   const Modelled& modelled) {
  std::string out = "Times as fast as the same source on fibres:\n\n| kernel |";
  std::string rule = "|---|";
  for (const Level& level : levels()) out += fmt::format(" {} |", level.name), rule += "---|";
  out += " plain loops |\n" + rule + "---|\n";
  for (const Row& row : rows) {
    out += fmt::format("| {} |", row.workload->title);
    for (const Level& level : levels())
      out += row.has_fibres() && applies(level, *row.workload)
                 ? fmt::format(" {:.2f} |", row.over_fibres(level.name))
                 : " - |";
    out += row.has_fibres() ? fmt::format(" {:.1f} |\n", row.fibres_s / row.scalar_s) : " - |\n";
  }
  out += "\nCPU milliseconds:\n\n| kernel |";
  for (const Level& level : levels()) out += fmt::format(" {} |", level.name);
  out +=
      " fibres | plain loops | decode | memory / allocations | the same, every check | largest "
      "difference |\n" +
      rule + "---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    out += fmt::format("| {} |", row.workload->title);
    for (const Level& level : levels())
      out += applies(level, *row.workload)
                 ? fmt::format(" {:.1f} |", row.seconds.at(level.name) * 1e3)
                 : " - |";
    out += row.has_fibres() ? fmt::format(" {:.1f} |", row.fibres_s * 1e3) : " - |";
    out += fmt::format(" {:.1f} | {:.2f} | {:.3f} | {:.3f} | {:.1e} |\n", row.scalar_s * 1e3,
                       row.decode_ms, row.memory_over_device, row.memory_of_every_check,
                       row.difference.emulator);
  }
  out += "\n| target | limit | here | met |\n|---|---|---|---|\n";
  for (const Target& t : goals)
    out +=
        fmt::format("| {} | {} {} | {:.2f} | {} |\n", t.what, t.at_least ? "at least" : "at most",
                    t.limit, t.value, t.met() ? "yes" : "no");
  if (modelled.seconds > 0)
    out += fmt::format("\nSGEMM 4096^3 from {} of 1024 blocks: modelled {:.2f} ms on an H200.\n",
                       modelled.blocks, modelled.modelled_ms);
  const MachineFacts m = machine_facts();
  out += fmt::format("\n{}, {} threads, {}, {}; the peers with -O3 -march=native.\n", m.cpu,
                     m.threads, m.kernel, m.compiler);
  return out;
}

Json json(const std::vector<Row>& rows, const std::vector<Target>& goals, const Modelled& modelled,
          int rounds) {
  const MachineFacts m = machine_facts();
  Json out;
  out["machine"] = {{"cpu", m.cpu},           {"vector_flags", m.vector_flags},
                    {"threads", m.threads},   {"kernel", m.kernel},
                    {"compiler", m.compiler}, {"governor", "unknown"}};
  out["rounds"] = rounds;
  for (const Row& row : rows) {
    Json kernel = {{"kernel", row.workload->kernel},
                   {"title", row.workload->title},
                   {"decode_ms", row.decode_ms},
                   {"memory_over_allocations", row.memory_over_device},
                   {"memory_over_allocations_every_check", row.memory_of_every_check},
                   {"largest_difference", row.difference.emulator},
                   {"scalar_ms", row.scalar_s * 1e3}};
    if (row.has_fibres()) kernel["fibres_ms"] = row.fibres_s * 1e3;
    for (const Level& level : levels()) {
      if (!applies(level, *row.workload)) continue;
      kernel["ms"][level.name] = row.seconds.at(level.name) * 1e3;
      if (row.has_fibres())
        kernel["times_as_fast_as_fibres"][level.name] = row.over_fibres(level.name);
      kernel["time_over_plain_loops"][level.name] = row.seconds.at(level.name) / row.scalar_s;
    }
    out["kernels"].push_back(std::move(kernel));
  }
  if (modelled.seconds > 0)
    out["modelled_4096"] = {{"seconds", modelled.seconds},
                            {"blocks_run", modelled.blocks},
                            {"modelled_ms", modelled.modelled_ms}};
  for (const Target& t : goals)
    out["targets"].push_back({{"what", t.what},
                              {t.at_least ? "at_least" : "at_most", t.limit},
                              {"value", t.value},
                              {"met", t.met()}});
  return out;
}

struct Options {
  bool json = false, quick = false;
  int rounds = 7;
  std::string only, portable;
};

Options parse(int count, char** arguments) {
  Options options;
  const auto value = [&](int& i) -> std::string {
    if (i + 1 == count) give_up(std::string(arguments[i]) + " needs a value");
    return arguments[++i];
  };
  for (int i = 1; i < count; ++i) {
    const std::string a = arguments[i];
    if (a == "--json")
      options.json = true;
    else if (a == "--quick")
      options.quick = true;
    else if (a == "--rounds")
      options.rounds = std::max(1, std::atoi(value(i).c_str()));
    else if (a == "--only")
      options.only = value(i);
    else if (a == "--portable")
      options.portable = value(i);
    else
      give_up(
          "usage: mtmc-bench-emulator [--json] [--quick] [--rounds N] [--only KERNEL] "
          "[--portable FILE]");
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) {
  // The compiler starts this program again as its worker.
  if (count == 6 && std::strcmp(arguments[1], "worker") == 0)
    compiler::compile_worker_main(arguments[5]);
  const Options options = parse(count, arguments);
  auto compiler = compiler::Compiler::create({});
  if (!compiler) give_up(compiler.error().message);
  std::vector<Row> rows;
  const std::vector<Workload> all = workloads(options.quick);
  for (const Workload& workload : all) {
    if (!options.only.empty() && options.only != workload.kernel) continue;
    rows.push_back(measure(workload, **compiler, options.rounds));
    std::fprintf(stderr, "%s\n", workload.title);
  }
  if (rows.empty()) give_up("no kernel " + options.only);
  Modelled modelled;
  if (options.only.empty()) modelled = model_large_product(**compiler);
  const double portable = options.portable.empty() ? 0 : portable_ratio(options.portable, rows);
  const auto goals = targets(rows, modelled, portable);
  if (options.json)
    std::puts(json(rows, goals, modelled, options.rounds).dump(2).c_str());
  else
    std::fputs(tables(rows, goals, modelled).c_str(), stdout);
}
