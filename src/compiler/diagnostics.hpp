// A compiler's log as places and messages.
#pragma once

#include <string_view>
#include <vector>

#include "compiler/compiler.hpp"

namespace mtmc::compiler {

// At most 100 diagnostics, in the order of the log; lines that are none (source excerpts, carets,
// instantiation notes, ptxas information) are left out.
std::vector<Diagnostic> parse_diagnostics(std::string_view log);

}  // namespace mtmc::compiler
