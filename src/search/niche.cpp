#include "search/niche.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace mtmc::search {

namespace {

bool mentions(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* w) { return text.find(w) != std::string::npos; });
}

int log2_of(double ratio) {
  return ratio > 1 ? static_cast<int>(std::lround(std::log2(ratio))) : 0;
}

}  // namespace

std::string niche_of(const kernel::Candidate& candidate, const Symbols& symbols) {
  int path = 0;
  if (!candidate.sources.empty()) {
    const std::string& unit = candidate.sources.front().text;
    path = (mentions(unit, {"__shared__"}) ? 1 : 0) |
           (mentions(unit, {"cp.async", "memcpy_async"}) ? 2 : 0) |
           (mentions(unit, {"float4", "float2", "int4", "uint4", "int2", "uint2"}) ? 4 : 0) |
           (mentions(unit, {"mma.sync", "wgmma", "ldmatrix"}) ? 8 : 0);
  }
  Symbols bound = symbols;
  for (const auto& [name, value] : candidate.configuration) bound[name] = value;
  for (const auto& step : candidate.recipe.run)
    if (const auto* launch = std::get_if<kernel::Launch>(&step.what))
      bound["occupancy(" + launch->kernel + ")"] = 1;
  const auto recipe = kernel::resolve(candidate.recipe, bound);
  if (!recipe) return fmt::format("m{}", path);
  double outputs = 0, threads = 1;
  std::int64_t widest_block = 1;
  int launches = 0;
  for (const auto& buffer : recipe->buffers) {
    if (buffer.role != kernel::BufferRole::output) continue;
    double elements = 1;
    for (auto extent : buffer.shape) elements *= static_cast<double>(extent);
    outputs = std::max(outputs, elements);
  }
  for (const auto& step : recipe->run) {
    const auto* launch = std::get_if<kernel::ResolvedLaunch>(&step);
    if (!launch) continue;
    ++launches;
    const std::int64_t block = launch->block[0] * launch->block[1] * launch->block[2];
    const double all = static_cast<double>(block) * static_cast<double>(launch->grid[0]) *
                       static_cast<double>(launch->grid[1]) * static_cast<double>(launch->grid[2]);
    if (all <= threads) continue;
    threads = all;
    widest_block = block;
  }
  return fmt::format("t{} m{} p{}.{}", log2_of(outputs / threads), path, std::min(launches, 4),
                     log2_of(static_cast<double>(widest_block)));
}

std::vector<std::size_t> worth_expanding(const std::vector<Standing>& nodes, int beam,
                                         int diverse) {
  std::vector<std::size_t> order(nodes.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return nodes[a].time_ns < nodes[b].time_ns;
  });
  std::vector<std::size_t> chosen;
  std::set<std::string> niches;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool in_beam = i < static_cast<std::size_t>(std::max(beam, 0));
    if (!in_beam && (diverse <= 0 || niches.count(nodes[order[i]].niche))) continue;
    if (!in_beam) --diverse;
    niches.insert(nodes[order[i]].niche);
    if (nodes[order[i]].open) chosen.push_back(order[i]);
  }
  return chosen;
}

}  // namespace mtmc::search
