// A Schedule: how a region's primitives are cut into groups, and the template and options of each group. It is what
// actions change and templates write out. (Halide and TVM mean more by the word; here a loop order is an option.)
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc::kernel {

struct Group {
  std::vector<int> primitives;  // indices into the lowering, in its order; the last computes the group's result
  std::string style;            // template: "naive", "pointwise", "row", "matmul", ...
  std::map<std::string, std::int64_t> options;
  bool operator==(const Group&) const = default;
};

struct Schedule {
  std::vector<Group> groups;  // topological; each primitive stands in exactly one group
  bool operator==(const Schedule&) const = default;
};

nlohmann::json to_json(const Schedule& schedule);
Result<Schedule> schedule_from_json(const nlohmann::json& form);

}  // namespace mtmc::kernel
