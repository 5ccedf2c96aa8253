// Internal: which functions of a module a kernel reaches. Lowering asks for a function by name and
// gets a number; decode() then lowers the functions that were asked for, until none is left.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/module.hpp"

namespace mtmc::emulator {

// Function pointers are handles of their own, equal in every kernel of a module.
inline constexpr uint64_t function_window = 0x730000000000;
inline uint64_t function_handle(size_t module_index) {
  return function_window + 16 * (static_cast<uint64_t>(module_index) + 1);
}

class Linkage {
 public:
  explicit Linkage(const Module& module);

  // Index into Module::functions, -1 for no such function. Aliases are followed.
  int find(std::string_view name) const;
  const Variable* variable(std::string_view name) const;

  // The number of a function in the program, given when it is first asked for.
  uint32_t reach(int module_index);
  // Calls through pointers may reach every function whose address is taken somewhere.
  void reach_pointed();
  void take_address(int module_index);

  const std::vector<int>& reached() const { return reached_; }  // module indices by number
  const std::vector<uint32_t>& pointed() const { return pointed_; }
  int number_of(int module_index) const;  // -1 when it is not reached

  // Filled by lowering.
  std::unordered_map<std::string, uint32_t> shared_places;    // of the module's .shared variables
  std::unordered_map<std::string, uint32_t> variable_places;  // index into Code::variables
  std::vector<std::pair<uint32_t, const Relocation*>> relocations;  // by index of their variable

 private:
  const Module& module_;
  std::unordered_map<std::string_view, int> functions_;
  std::unordered_map<std::string_view, const Variable*> variables_;
  std::unordered_map<int, uint32_t> numbers_;
  std::vector<int> reached_;
  std::vector<int> address_taken_;
  std::unordered_map<int, bool> taken_;
  std::vector<uint32_t> pointed_;
  size_t pointed_done_ = 0;
  bool calls_pointers_ = false;
};

}  // namespace mtmc::emulator
