#include "kernel/schedule.hpp"

#include "kernel/json_reader.hpp"

namespace mtmc::kernel {

nlohmann::json to_json(const Schedule& schedule) {
  nlohmann::json groups = nlohmann::json::array();
  for (const auto& g : schedule.groups)
    groups.push_back({{"primitives", g.primitives}, {"style", g.style}, {"options", g.options}});
  return {{"groups", groups}};
}

Result<Schedule> schedule_from_json(const nlohmann::json& form) {
  JsonReader r("schedule");
  Schedule schedule;
  for (const auto& g : r.items(form, "groups", 4096)) {
    Group group;
    for (const auto& p : r.items(g, "primitives", 4096)) {
      if (p.is_number_integer() && p.get<std::int64_t>() >= 0 && p.get<std::int64_t>() < (1 << 20))
        group.primitives.push_back(p.get<int>());
      else
        r.fail("primitives", "indices of primitives");
    }
    group.style = r.name(g, "style");
    if (const auto& options = r.member(g, "options"); options.is_object())
      for (const auto& [name, value] : options.items()) {
        if (value.is_number_integer()) group.options[name] = value.get<std::int64_t>();
        else r.fail("options", "integers");
      }
    schedule.groups.push_back(std::move(group));
  }
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return schedule;
}

}  // namespace mtmc::kernel
