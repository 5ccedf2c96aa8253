// What generate-operator prints at its end, for a person.
#pragma once

#include <string>
#include <vector>

#include "search/run.hpp"

namespace mtmc::search {

// `db` is what --db said, so that the query line finds the run again; empty: the default.
std::string report_text(const RunReport& report, const std::vector<std::string>& exported, const std::string& db);

}  // namespace mtmc::search
