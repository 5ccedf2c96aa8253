// The text is put here by the build (CMakeLists.txt), from the file that tests compile as C++.

#include "compiler/prelude.hpp"

namespace mtmc::compiler {

std::string_view prelude_text() {
  static constexpr char kText[] =
#include "prelude_text.inc"
      ;
  return {kText, sizeof kText - 1};
}

const std::vector<std::string_view>& prelude_headers() {
  static const std::vector<std::string_view> kNames = {
      "assert.h", "cassert",  "cfloat", "climits",  "cmath",    "cstddef",        "cstdint",
      "float.h",  "limits.h", "math.h", "stddef.h", "stdint.h", "cuda_runtime.h", "cuda.h"};
  return kNames;
}

}  // namespace mtmc::compiler
