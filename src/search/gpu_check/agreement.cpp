#include "search/gpu_check/agreement.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/statistics.hpp"

namespace mtmc::search {

using nlohmann::json;

json agreement(const std::vector<OperatorPairs>& operators) {
  json rows = json::array();
  std::vector<double> ranks, regrets, ratios;
  for (const auto& o : operators) {
    if (o.pairs.empty()) continue;
    std::vector<double> modelled, measured;
    for (const auto& p : o.pairs) {
      modelled.push_back(p.modelled_ns);
      measured.push_back(p.measured_ns);
      ratios.push_back(p.modelled_ns / p.measured_ns);
    }
    json row = {{"operator", o.name}, {"candidates", o.pairs.size()}};
    const auto chosen = std::min_element(modelled.begin(), modelled.end()) - modelled.begin();
    const double best = *std::min_element(measured.begin(), measured.end());
    const double regret = measured[static_cast<std::size_t>(chosen)] / best - 1;
    row["top1_regret"] = regret;
    if (o.pairs.size() >= 3) {
      ranks.push_back(harness::spearman(modelled, measured));
      regrets.push_back(regret);
      row["spearman"] = ranks.back();
    }
    rows.push_back(std::move(row));
  }
  json summary = {{"candidates", ratios.size()}, {"operators", rows.size()}, {"by_operator", rows}};
  if (!ranks.empty()) {
    summary["median_spearman"] = harness::median(ranks);
    summary["worst_spearman"] = *std::min_element(ranks.begin(), ranks.end());
    summary["median_top1_regret"] = harness::median(regrets);
    summary["worst_top1_regret"] = *std::max_element(regrets.begin(), regrets.end());
  }
  if (!ratios.empty())
    for (const auto& [name, fraction] :
         {std::pair{"p05", 0.05}, {"p25", 0.25}, {"p50", 0.5}, {"p75", 0.75}, {"p95", 0.95}})
      summary[std::string("modelled_over_measured_") + name] = harness::quantile(ratios, fraction);
  return summary;
}

}  // namespace mtmc::search
