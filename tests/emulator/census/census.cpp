// emulator-census LABEL=FILE.ptx...: the instruction forms of PTX files, one a line, with how often
// each label's files contain it, and which of them decode() does not support. scripts/census runs
// it.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "emulator/survey.hpp"

using namespace mtmc::emulator;

namespace {

struct Row {
  std::map<std::string, uint64_t> counts;  // by label
  std::string problem;
};

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, Row> rows;
  std::vector<std::string> labels;
  std::vector<std::string> unreadable;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      std::cerr << "usage: emulator-census LABEL=FILE.ptx...\n";
      return 2;
    }
    const std::string label = argument.substr(0, equals);
    const std::string path = argument.substr(equals + 1);
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    const auto module =
        in ? parse_module(text.str()) : mtmc::Result<Module>(mtmc::bad_input("cannot be read"));
    if (!module) {
      unreadable.push_back(fmt::format("{}: {}", path, module.error().message));
      continue;
    }
    for (const InstructionForm& form : survey(*module)) {
      Row& row = rows[form.opcode];
      row.counts[label] += form.count;
      if (row.problem.empty()) row.problem = form.problem;
    }
  }
  size_t unsupported = 0;
  for (const auto& [opcode, row] : rows) unsupported += !row.problem.empty();
  std::cout << fmt::format("# {} forms, {} of them not supported\n", rows.size(), unsupported);
  std::cout << fmt::format("{:<72}", "# form");
  for (const std::string& label : labels) std::cout << fmt::format(" {:>11}", label);
  std::cout << "\n";
  for (const auto& [opcode, row] : rows) {
    std::cout << fmt::format("{:<72}", opcode);
    for (const std::string& label : labels) {
      const auto count = row.counts.find(label);
      std::cout << fmt::format(" {:>11}", count == row.counts.end() ? 0 : count->second);
    }
    std::cout << (row.problem.empty() ? "\n" : "  " + row.problem + "\n");
  }
  for (const std::string& line : unreadable) std::cout << "! " << line << "\n";
  return unreadable.empty() ? 0 : 1;
}
