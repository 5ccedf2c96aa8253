// Inside src/store: the nodes of a run as records.
#pragma once

#include <string>
#include <vector>

#include "store/connection.hpp"
#include "store/records.hpp"

namespace mtmc::store {

std::vector<NodeRecord> nodes_of(SQLite::Database& database, const std::string& run_id);

}  // namespace mtmc::store
