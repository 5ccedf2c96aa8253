// Inside src/report: the pieces that several JSON reports are made of.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "store/queries.hpp"

namespace mtmc::report {

// Stored JSON as a value; its text where it cannot be read.
nlohmann::json parsed(const std::string& text);
nlohmann::json text_or_null(const std::string& text);    // null where empty
nlohmann::json number_or_null(double value);             // null for 0 and for what is no number
// {"modelled_ns": ...} and/or {"measured_ns": ...}; absent where not known.
nlohmann::json times_json(const store::Times& times);
// {"modelled": ratio, "measured": ratio}; absent where not known.
nlohmann::json gain_json(const store::RunResult& result);
nlohmann::json bound_ratio_json(const store::RunResult& result);

const char* word_of(store::RunState state);
const char* word_of(store::ItemState state);
// The canonical text of a region in the view; empty where it is not there.
std::string region_text(const store::RunView& view, const std::string& hash);

}  // namespace mtmc::report
