// Where NVRTC may be. Nothing is loaded here.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc::compiler {

// What the search looks at, so that tests can give their own.
struct NvrtcSearch {
  std::string override_path;            // $MTMC_NVRTC: a library or its folder; nothing else then
  std::vector<std::string> cuda_homes;  // $CUDA_HOME, $CUDA_PATH
  std::vector<std::string> library_paths;  // $LD_LIBRARY_PATH
  std::string system_root = "/usr/local";  // cuda*/lib64 below it
  // Python environments: $VIRTUAL_ENV, $CONDA_PREFIX, .venv above the tool, the user's and the system's
  std::vector<std::string> environments;
  std::string tool;                       // libraries in ../lib of its folder

  static NvrtcSearch from_process(const std::string& tool);
};

// Candidates to try, best first: files that exist, then names for the dynamic linker.
// Errors: unavailable when the override holds no NVRTC.
Result<std::vector<std::string>> nvrtc_candidates(const NvrtcSearch& search);

}  // namespace mtmc::compiler
