// Evidence as a file: what one database knows of candidates, verdicts, times and baselines, to be
// merged into another.
//
// Rows are keyed by content or by random ids, so merging twice changes nothing, and what the target
// already has stays. Runs, sweeps and model exchanges stay where they are.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/error.hpp"
#include "store/store.hpp"

namespace mtmc::store {

Result<nlohmann::json> export_evidence(Store& store);

struct Merged {
  std::int64_t rows = 0;   // in the file
  std::int64_t added = 0;  // that the database did not have
};
// All or nothing. Errors: bad_input for what is no such file, or is of a newer tool.
Result<Merged> merge_evidence(Store& store, const nlohmann::json& evidence);

}  // namespace mtmc::store
