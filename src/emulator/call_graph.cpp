#include "emulator/call_graph.hpp"

#include <algorithm>

namespace mtmc::emulator {

CallOrder order_calls(const std::vector<CallNode>& nodes) {
  const auto count = static_cast<uint32_t>(nodes.size());
  CallOrder result;
  result.cycle.assign(count, 0);
  result.recursive.assign(count, 0);
  result.depth.assign(count, 0);
  std::vector<uint32_t> index(count, 0), low(count, 0), stack;
  std::vector<char> on_stack(count, 0);
  struct Visit {
    uint32_t node;
    size_t next;
  };
  uint32_t counter = 0, cycles = 0;
  std::vector<Visit> visits;
  for (uint32_t root = 0; root < count; ++root) {
    if (index[root] != 0) continue;
    visits.push_back({root, 0});
    while (!visits.empty()) {
      const uint32_t node = visits.back().node;
      if (visits.back().next == 0 && index[node] == 0) {
        index[node] = low[node] = ++counter;
        stack.push_back(node);
        on_stack[node] = 1;
      }
      if (visits.back().next < nodes[node].callees.size()) {
        const uint32_t callee = nodes[node].callees[visits.back().next++];
        if (callee == node) result.recursive[node] = 1;
        if (index[callee] == 0) {
          visits.push_back({callee, 0});
        } else if (on_stack[callee] != 0) {
          low[node] = std::min(low[node], index[callee]);
        }
        continue;
      }
      visits.pop_back();
      if (!visits.empty()) {
        low[visits.back().node] = std::min(low[visits.back().node], low[node]);
      }
      if (low[node] != index[node]) continue;
      // The nodes above this one on the stack are one cycle.
      ++cycles;
      size_t members = 0;
      for (uint32_t member = ~0u; member != node; ++members) {
        member = stack.back();
        stack.pop_back();
        on_stack[member] = 0;
        result.cycle[member] = cycles;
        result.order.push_back(member);
        if (members > 0 || member != node) result.recursive[member] = 1;
      }
      if (members > 1) result.recursive[node] = 1;
    }
  }
  for (const uint32_t node : result.order) {
    result.any_recursive = result.any_recursive || result.recursive[node] != 0;
    uint64_t deepest = 0;
    for (const uint32_t callee : nodes[node].callees) {
      deepest = std::max(deepest, result.depth[callee]);
    }
    result.depth[node] = (nodes[node].frame_bytes + 15) / 16 * 16 + deepest;
  }
  return result;
}

}  // namespace mtmc::emulator
