// Standalone .cu files of what the store holds.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/store.hpp"

namespace mtmc::cli {

// Each is kernels, a main() that makes the same inputs, and a float64 loop nest that it checks itself against.
//
// Writes a file for each region of a finished run into `folder`, which is made; gives their paths. Files are replaced.
Result<std::vector<std::string>> export_run(store::Store& store, const std::string& run_id, const std::string& folder);

}  // namespace mtmc::cli
