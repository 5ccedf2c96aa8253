// How fast the emulator is, against the same CUDA source on fibres and against plain loops on one
// core, all in one run.
//
//   mtmc-bench-emulator [--json] [--quick] [--rounds N] [--only NAME] [--output FILE]
//
// Prints a table in Markdown, or one JSON object. Times are CPU time, the best of N rounds in which
// all variants run in turn. Outputs are compared first; a wrong one ends the program with 1. Only
// ratios say anything about another machine.
#include <malloc.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
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

emulator::RunOptions with(emulator::Checks checks, bool counters, int threads) {
  emulator::RunOptions options;
  options.checks = checks;
  options.collect_profile = counters;
  options.threads = threads;
  return options;
}

// Bounds, alignment and access rights are always checked.
constexpr const char* kTarget = "counters and shared races";
constexpr const char* kAll = "every check";
constexpr const char* kTwoThreads = "counters and shared races, 2 threads";
const std::vector<Level>& levels() {
  using emulator::Checks;
  static const std::vector<Level> all = {
      {"bounds", with(Checks::bounds, false, 1)},
      {"counters", with(Checks::bounds, true, 1)},
      {kTarget, with(Checks::shared_races, true, 1)},
      {kTwoThreads, with(Checks::shared_races, true, 2)},
      {kAll, with(Checks::all, true, 1)},
  };
  return all;
}

struct Row {
  const Workload* workload = nullptr;
  double decode_ms = 0, fibres_s = INFINITY, scalar_s = INFINITY;
  std::map<std::string, double> seconds;  // by level
  double memory_over_device = 0;  // peak growth of the process over the device's allocations
  Subject::Difference difference;
};

Row measure(const Workload& workload, compiler::Compiler& compiler, int rounds) {
  malloc_trim(0);
  const std::uint64_t before = resident_bytes();
  Subject subject(workload, compiler);
  Row row;
  row.workload = &workload;
  row.decode_ms = subject.decode_ms();
  {
    const bool known = reset_peak_resident();
    subject.emulate(levels()[2].options);
    const double grown = static_cast<double>(peak_resident_bytes()) - static_cast<double>(before);
    row.memory_over_device = known ? grown / static_cast<double>(subject.device_bytes()) : 0;
  }
  row.difference = subject.check();
  for (const Level& level : levels()) row.seconds[level.name] = INFINITY;
  for (int r = 0; r < rounds; ++r) {
    for (const Level& level : levels())
      row.seconds[level.name] = std::min(row.seconds[level.name], subject.emulate(level.options));
    if (workload.fibres != nullptr) row.fibres_s = std::min(row.fibres_s, subject.fibres());
    if (r < 3) row.scalar_s = std::min(row.scalar_s, subject.scalar());
  }
  return row;
}

std::string table(const std::vector<Row>& rows) {
  std::string out = "| kernel | fibres ms | scalar ms |";
  std::string rule = "|---|---|---|";
  for (const Level& level : levels())
    out += fmt::format(" {} ms | x fibres |", level.name), rule += "---|---|";
  out += " decode ms | memory / allocations | largest difference |\n" + rule + "---|---|---|\n";
  for (const Row& row : rows) {
    const bool fibres = row.workload->fibres != nullptr;
    out +=
        fmt::format("| {} | {} | {:.1f} |", row.workload->title,
                    fibres ? fmt::format("{:.1f}", row.fibres_s * 1e3) : "-", row.scalar_s * 1e3);
    for (const Level& level : levels()) {
      const double s = row.seconds.at(level.name);
      out += fmt::format(" {:.1f} | {} |", s * 1e3,
                         fibres ? fmt::format("{:.2f}", row.fibres_s / s) : "-");
    }
    out += fmt::format(" {:.2f} | {:.3f} | {:.1e} |\n", row.decode_ms, row.memory_over_device,
                       row.difference.emulator);
  }
  return out;
}

struct Options {
  bool json = false, quick = false;
  int rounds = 7;
  std::string only, output;
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
    else if (a == "--output")
      options.output = value(i);
    else
      give_up(
          "usage: mtmc-bench-emulator [--json] [--quick] [--rounds N] [--only NAME] [--output "
          "FILE]");
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
  for (const Workload& workload : all)
    if (options.only.empty() || options.only == workload.kernel) {
      rows.push_back(measure(workload, **compiler, options.rounds));
      std::fprintf(stderr, "%s done\n", workload.title);
    }
  std::fputs(table(rows).c_str(), stdout);
}
