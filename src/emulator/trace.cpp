#include "emulator/trace.hpp"

#include <algorithm>
#include <set>

namespace mtmc::emulator {

// An even stride would meet the grid's own periods (every 16th tile of a row of 32), so the choice
// is pseudo-random: splitmix64 on a counter.
std::vector<uint64_t> blocks_to_trace(uint64_t total, uint64_t wave, uint64_t count) {
  if (total == 0) return {};
  const uint64_t window = std::clamp<uint64_t>(wave, 1, total);
  const uint64_t wanted = std::clamp<uint64_t>(count, 1, window);
  const uint64_t first = (total - window) / 2;
  std::set<uint64_t> chosen;
  if (wanted == window) {
    for (uint64_t b = 0; b < window; ++b) chosen.insert(first + b);
  }
  for (uint64_t k = 1; chosen.size() < wanted; ++k) {
    uint64_t z = k * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    chosen.insert(first + (z ^ (z >> 31)) % window);
  }
  return {chosen.begin(), chosen.end()};
}

}  // namespace mtmc::emulator
