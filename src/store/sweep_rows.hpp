// Inside src/store: sweeps and their items as records.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/connection.hpp"
#include "store/records.hpp"

namespace mtmc::store {

std::optional<SweepRecord> sweep_with_id(SQLite::Database& database, const std::string& id);
std::vector<SweepItem> items_of(SQLite::Database& database, const std::string& sweep_id);

}  // namespace mtmc::store
