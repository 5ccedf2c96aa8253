#include "emulator/linkage.hpp"

namespace mtmc::emulator {

Linkage::Linkage(const Module& module) : module_(module) {
  for (size_t i = 0; i < module.functions.size(); ++i) {
    functions_.try_emplace(module.functions[i].name, static_cast<int>(i));
  }
  for (const Variable& variable : module.variables) {
    variables_.try_emplace(variable.name, &variable);
  }
  for (const Variable& variable : module.variables) {
    for (const Relocation& relocation : variable.relocations) {
      const int function = find(relocation.symbol);
      if (function >= 0) take_address(function);
    }
  }
}

int Linkage::find(std::string_view name) const {
  for (int hops = 0; hops < 8; ++hops) {
    const auto alias = module_.aliases.find(name);
    if (alias == module_.aliases.end()) break;
    name = alias->second;
  }
  const auto found = functions_.find(name);
  return found == functions_.end() ? -1 : found->second;
}

const Variable* Linkage::variable(std::string_view name) const {
  const auto found = variables_.find(name);
  return found == variables_.end() ? nullptr : found->second;
}

uint32_t Linkage::reach(int module_index) {
  const auto [number, inserted] =
      numbers_.try_emplace(module_index, static_cast<uint32_t>(reached_.size()));
  if (inserted) reached_.push_back(module_index);
  return number->second;
}

void Linkage::take_address(int module_index) {
  const Function& function = module_.functions[static_cast<size_t>(module_index)];
  if (!function.defined || function.is_entry) return;
  if (!taken_.try_emplace(module_index, true).second) return;
  address_taken_.push_back(module_index);
  if (calls_pointers_) reach_pointed();
}

void Linkage::reach_pointed() {
  calls_pointers_ = true;
  for (; pointed_done_ < address_taken_.size(); ++pointed_done_) {
    pointed_.push_back(reach(address_taken_[pointed_done_]));
  }
}

int Linkage::number_of(int module_index) const {
  const auto found = numbers_.find(module_index);
  return found == numbers_.end() ? -1 : static_cast<int>(found->second);
}

}  // namespace mtmc::emulator
