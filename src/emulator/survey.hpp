// Which forms of instructions a module is made of, and which of them decode() does not support: the
// census of a body of kernels, and the whole list for someone who asks why a kernel is refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/module.hpp"

namespace mtmc::emulator {

struct InstructionForm {
  std::string opcode;  // with its modifiers, cache hints (.L1::, .L2::) left out
  uint64_t count = 0;  // in the text of the module
  // What decode() says about the first one that it refuses, "" when it takes them all.
  std::string problem;
};

// In the order of opcodes. Functions are surveyed one by one, called or not.
std::vector<InstructionForm> survey(const Module& module);

}  // namespace mtmc::emulator
