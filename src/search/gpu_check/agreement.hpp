// How well the cost model agrees with measurement: pure arithmetic over pairs of times.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace mtmc::search {

struct TimePair {
  std::string candidate;  // id
  double modelled_ns = 0, measured_ns = 0;
};

// Candidates of one operator. Within an operator only the order and the choice matter to a search;
// across operators the size of the error does.
struct OperatorPairs {
  std::string name;
  std::vector<TimePair> pairs;
};

// {candidates, operators, median_spearman, worst_spearman, median_top1_regret, worst_top1_regret,
// ratio quantiles of modelled / measured, by_operator: [...]}. Regret: how much slower (0.1: 10 %)
// the candidate is that the model likes best than the best measured one. Operators with fewer than
// three candidates have no rank and are left out of those medians.
nlohmann::json agreement(const std::vector<OperatorPairs>& operators);

}  // namespace mtmc::search
