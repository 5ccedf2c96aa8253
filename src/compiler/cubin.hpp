// Resource facts of kernels: read from machine code (ELF) and from the assembler's -v log.
//
// The bytes are the compiler's output for a hostile source, so every offset is checked.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "compiler/compiler.hpp"

namespace mtmc::compiler {

// Everything but the spills, which machine code does not record. Sorted by name.
// Errors: bad_input when the bytes are not a whole 64-bit ELF of machine code.
Result<std::vector<KernelFacts>> facts_from_cubin(std::string_view cubin);

// What the log says of each kernel: registers, spills, stack, shared memory, barriers. By name.
std::vector<KernelFacts> facts_from_log(std::string_view log);

// Takes the spills from the log and everything else from the machine code. Where both speak and
// disagree the machine code holds, and a line about it is added to `remarks`.
void merge_log_facts(std::vector<KernelFacts>& kernels, const std::vector<KernelFacts>& from_log,
                     std::string& remarks);

}  // namespace mtmc::compiler
