// Priors as JSON: what a recording holds of the database that it was made with, so that it can be
// replayed beside any other.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "base/error.hpp"
#include "store/records.hpp"

namespace mtmc::search {

nlohmann::json to_json(const std::vector<store::PriorRow>& priors);
Result<std::vector<store::PriorRow>> priors_from_json(const nlohmann::json& form);

}  // namespace mtmc::search
