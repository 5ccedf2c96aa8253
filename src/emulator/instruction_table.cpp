// The table of plain instructions: one row for each opcode that is a function of registers alone.
#include <algorithm>

#include "emulator/code.hpp"
#include "emulator/vector_rows.hpp"

namespace mtmc::emulator {

const InstructionTable& InstructionTable::get() {
  static const InstructionTable table = [] {
    InstructionTable t;
    add_integer_instructions(t);
    add_float_instructions(t);
    add_half_instructions(t);
    add_special_float_instructions(t);
    add_conversion_instructions(t);
    add_integer_conversion_instructions(t);
    add_small_float_instructions(t);
    add_width_instructions(t);
    add_compare_instructions(t);
    use_vector_rows(t);
    return t;
  }();
  return table;
}

const TableEntry* InstructionTable::find(std::string_view opcode) const {
  const auto found = entries_.find(std::string(opcode));
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<std::string> InstructionTable::opcodes() const {
  std::vector<std::string> keys;
  for (const auto& [key, entry] : entries_) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace mtmc::emulator
