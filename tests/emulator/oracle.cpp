#include "emulator/oracle.hpp"

#include <algorithm>

namespace mtmc::emulator::oracle {

Opcode::Opcode(const std::string& opcode) : text(opcode) {
  size_t at = 0;
  while (at <= opcode.size()) {
    const size_t dot = std::min(opcode.find('.', at), opcode.size());
    parts.push_back(opcode.substr(at, dot - at));
    at = dot + 1;
  }
}

bool Opcode::has(std::string_view modifier) const {
  return std::find(parts.begin() + 1, parts.end(), modifier) != parts.end();
}

std::string plain_text(const std::string& opcode, size_t operands) {
  static const char* const names[] = {", %a", ", %b", ", %c", ", %e"};
  std::string text = opcode + " %d";
  for (size_t i = 0; i < operands; ++i) text += names[i];
  return text + ";";
}

}  // namespace mtmc::emulator::oracle
