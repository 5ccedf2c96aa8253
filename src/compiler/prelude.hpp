// The text that every source sees first (prelude.cuh), for the compiler and for exported files.
#pragma once

#include <string_view>
#include <vector>

namespace mtmc::compiler {

inline constexpr std::string_view kPreludeName = "mtmc_prelude.cuh";

std::string_view prelude_text();

// Names of standard headers whose useful part is in the prelude: including them finds an empty
// text instead of a file, so that ordinary CUDA code compiles.
const std::vector<std::string_view>& prelude_headers();

}  // namespace mtmc::compiler
