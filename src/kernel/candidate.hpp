// A Candidate: device code and a closed recipe for one Region.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "kernel/recipe.hpp"
#include "kernel/schedule.hpp"

namespace mtmc::kernel {

struct SourceFile {
  std::string name;  // "kernel.cu"; a plain file name
  std::string text;
};

// A number that the tuner may choose: a macro in the sources and a symbol in the recipe.
struct Tunable {
  std::string name;
  std::vector<std::int64_t> values;  // legal values, ordered
};
// A value for each tunable.
using Configuration = std::map<std::string, std::int64_t>;

struct Candidate {
  std::vector<SourceFile> sources;  // the first is the unit, the others in-memory headers
  Recipe recipe;
  std::vector<Tunable> tunables;
  std::vector<std::string> constraints;  // expressions over tunables, dims and device facts
  Configuration configuration;           // the one that is judged
  // Ranked starting points for the tuner and for the first look at a node, best first, at most 8; the first is `configuration`.
  std::vector<Configuration> ranked;
  std::optional<Schedule> schedule;  // lost when free text is edited
  std::string written_by;            // "template", or the endpoint's model
};

nlohmann::json to_json(const Candidate& candidate);
Result<Candidate> candidate_from_json(const nlohmann::json& form);

// Identity: SHA-256 over sources, recipe and configuration; who wrote it and its schedule do not count.
std::string candidate_id(const Candidate& candidate);

}  // namespace mtmc::kernel
