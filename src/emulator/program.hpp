// A kernel made ready to run: decoded once, run any number of times from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "emulator/module.hpp"

namespace mtmc::emulator {

struct Code;  // internal: emulator/code.hpp

// Immutable; copies share the code.
struct Program {
  std::string kernel;
  std::vector<Parameter> parameters;
  uint32_t parameter_bytes = 0;
  uint32_t static_shared_bytes = 0;
  uint32_t local_bytes_per_thread = 0;
  uint32_t max_threads_per_block = 0;  // .maxntid; 0 when not given
  uint32_t required_threads[3] = {0, 0, 0};
  uint32_t required_cluster[3] = {0, 0, 0};  // .reqnctapercluster
  uint32_t max_cluster_blocks = 0;           // .maxclusterrank; 0 when not given
  bool explicit_cluster = false;             // must be launched with a cluster
  bool waits_for_blocks = false;  // a loop may wait for another block: no sample of blocks will do
  std::shared_ptr<const Code> code;
};

// Everything the kernel contains must be understood here: an unsupported opcode, modifier or
// operand is a bad_input error "unsupported: <opcode> at PTX line N (source line M)". Nothing is
// skipped.
Result<Program> decode(const Module& module, std::string_view kernel);

}  // namespace mtmc::emulator
