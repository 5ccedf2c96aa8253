// T1 files: tuning problems of the autotuning benchmark hub (schema 1.0.0), as far as they describe
// a space. Value lists and conditions are Python expressions; they are parsed, never run.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tuner/space.hpp"

namespace mtmc::tuner {

struct T1Problem {
  std::string kernel_name, kernel_file, language;
  std::vector<Parameter> parameters;
  std::vector<Constraint> constraints;
};

// Reads leniently what the hub's files hold: Values as a text or as a JSON list; Default as a value
// or a list of one, and where it is missing or not in the list the first value; Conditions that are
// missing. What else a file says about kernels and arguments is not looked at. Errors: bad_input.
Result<T1Problem> t1_from_json(const nlohmann::json& form);

// A JSON number, text or boolean as a value; bad_input for anything else.
Result<Value> value_from_json(const nlohmann::json& form);
nlohmann::json to_json(const Value& value);

}  // namespace mtmc::tuner
