#include "search/priors.hpp"

#include <nlohmann/json.hpp>

namespace mtmc::search {

using nlohmann::json;

json to_json(const std::vector<store::PriorRow>& priors) {
  json list = json::array();
  for (const auto& p : priors)
    list.push_back({{"action", p.action},
                    {"bottleneck", p.bottleneck},
                    {"tried", p.tried},
                    {"correct", p.correct},
                    {"gains", {p.low, p.middle, p.high}},
                    {"failures", p.failures}});
  return list;
}

Result<std::vector<store::PriorRow>> priors_from_json(const json& form) try {
  std::vector<store::PriorRow> priors;
  for (const auto& row : form) {
    store::PriorRow p;
    row.at("action").get_to(p.action);
    row.at("bottleneck").get_to(p.bottleneck);
    row.at("tried").get_to(p.tried);
    row.at("correct").get_to(p.correct);
    row.at("gains").at(0).get_to(p.low);
    row.at("gains").at(1).get_to(p.middle);
    row.at("gains").at(2).get_to(p.high);
    row.at("failures").get_to(p.failures);
    priors.push_back(std::move(p));
  }
  return priors;
} catch (const json::exception& e) {
  return bad_input(std::string("priors cannot be read: ") + e.what());
}

}  // namespace mtmc::search
