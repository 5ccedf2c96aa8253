#include "emulator/survey.hpp"

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

std::string normalised(std::string_view opcode) {
  std::string result;
  while (!opcode.empty()) {
    const size_t dot = opcode.find('.', 1);
    const std::string_view part = opcode.substr(0, dot);
    opcode = dot == std::string_view::npos ? std::string_view{} : opcode.substr(dot);
    const bool hint = part.starts_with(".L1::") || part.starts_with(".L2::");
    if (!hint || part == ".L2::cache_hint") result += part;
  }
  return result;
}

}  // namespace

std::vector<InstructionForm> survey(const Module& module) {
  std::map<std::string, InstructionForm> forms;
  Linkage linkage(module);
  for (const Function& function : module.functions) {
    Code code;
    Lowering lowering(module, function, linkage, code);
    lowering.survey = [&](const Instruction& in, const std::string& problem) {
      InstructionForm& form = forms[normalised(in.opcode)];
      form.count += 1;
      if (form.problem.empty()) form.problem = problem;
    };
    try {
      lowering.run();
    } catch (const DecodeError& error) {  // what stands before the first instruction
      forms[".func"] = {".func", forms[".func"].count + 1, error.message};
    }
  }
  std::vector<InstructionForm> result;
  for (auto& [opcode, form] : forms) {
    form.opcode = opcode;
    result.push_back(std::move(form));
  }
  return result;
}

}  // namespace mtmc::emulator
