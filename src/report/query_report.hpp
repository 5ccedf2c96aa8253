// What `mtmc query` and the end of a sweep print. Pure functions of what the store holds.
//
// Modelled and measured times never share a column: tables have one of each kind and leave out the
// one that is empty, `best` has a section for each.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "report/table.hpp"
#include "store/queries.hpp"

namespace mtmc::report {

std::string list_text(const std::vector<store::RunRow>& rows, const TextOptions& options = {});
nlohmann::json list_json(const std::vector<store::RunRow>& rows);  // an array

std::string best_text(const store::BestRows& rows, const TextOptions& options = {});
nlohmann::json best_json(const store::BestRows& rows);  // {"modelled": [...], "measured": [...]}

std::string candidate_text(const store::CandidateView& view, const TextOptions& options = {});
nlohmann::json candidate_json(const store::CandidateView& view);

// A row for each task, then a line of totals by outcome and the geometric mean of the gains.
std::string sweep_text(const store::SweepView& view, const TextOptions& options = {});
nlohmann::json sweep_json(const store::SweepView& view);

}  // namespace mtmc::report
