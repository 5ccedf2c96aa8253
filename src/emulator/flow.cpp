// Basic blocks and their order. Problem: divergent lanes should meet again as early as they can,
// and the text order of NVRTC's blocks is not topological. Method: reverse post-order in which a
// loop's blocks come before its exits (the depth-first search visits exits first), so "lowest place
// first" drains a loop before what follows it. Dominators on bitsets, natural loops from back
// edges; irreducible edges are simply not loops: order is a heuristic only.
#include <algorithm>

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

class BitMatrix {
 public:
  BitMatrix(size_t rows, size_t columns, bool value)
      : words_((columns + 63) / 64), bits_(rows * words_, value ? ~uint64_t{0} : 0) {}
  uint64_t* row(size_t r) { return bits_.data() + r * words_; }
  bool test(size_t r, size_t c) { return (row(r)[c / 64] >> (c % 64) & 1) != 0; }
  void set(size_t r, size_t c) { row(r)[c / 64] |= uint64_t{1} << (c % 64); }
  size_t words() const { return words_; }

 private:
  size_t words_;
  std::vector<uint64_t> bits_;
};

std::vector<int> post_order(const Flow& flow, const std::vector<std::vector<int>>& successors) {
  std::vector<int> post;
  std::vector<char> seen(flow.nodes.size(), 0);
  std::vector<std::pair<int, size_t>> stack{{0, 0}};
  seen[0] = 1;
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (next < successors[node].size()) {
      const int s = successors[node][next++];
      if (seen[s] == 0) {
        seen[s] = 1;
        stack.emplace_back(s, 0);
      }
    } else {
      post.push_back(node);
      stack.pop_back();
    }
  }
  return post;
}

}  // namespace

Flow build_flow(const std::vector<Lowered>& code, const std::vector<uint32_t>& labels) {
  Flow flow;
  const auto count = static_cast<uint32_t>(code.size());
  std::vector<char> leader(count + 1, 0);
  leader[0] = 1;
  for (uint32_t i = 0; i < count; ++i) {
    if (code[i].kind == Lowered::Kind::plain) continue;
    leader[i + 1] = 1;
    if (code[i].kind == Lowered::Kind::branch) leader[labels[code[i].label]] = 1;
    for (const int32_t label : code[i].targets) leader[labels[label]] = 1;
  }
  std::vector<int> node_of(count + 1, -1);
  for (uint32_t i = 0; i < count; ++i) {
    if (leader[i] != 0) flow.nodes.push_back({i, i, {}});
    flow.nodes.back().last = i + 1;
    node_of[i] = static_cast<int>(flow.nodes.size()) - 1;
  }
  // Running or jumping off the end is an exit: an empty last node stands for it.
  flow.nodes.push_back({count, count, {}});
  node_of[count] = static_cast<int>(flow.nodes.size()) - 1;
  for (auto& node : flow.nodes) {
    if (node.first == node.last) continue;
    const Lowered& l = code[node.last - 1];
    const bool conditional = l.guard >= 0;
    if (l.kind == Lowered::Kind::branch) {
      node.successors.push_back(node_of[labels[l.label]]);
      if (conditional) node.successors.push_back(node_of[node.last]);
    } else if (l.kind == Lowered::Kind::table) {
      for (const int32_t label : l.targets) node.successors.push_back(node_of[labels[label]]);
    } else if (l.kind == Lowered::Kind::leave) {
      continue;
    } else if (l.kind == Lowered::Kind::finish) {
      if (conditional) node.successors.push_back(node_of[node.last]);
    } else {
      node.successors.push_back(node_of[node.last]);
    }
  }
  const size_t n = flow.nodes.size();
  std::vector<std::vector<int>> successors(n);
  for (size_t b = 0; b < n; ++b) successors[b] = flow.nodes[b].successors;
  std::vector<int> order = post_order(flow, successors);
  std::reverse(order.begin(), order.end());

  std::vector<std::vector<int>> predecessors(n);
  for (const int b : order) {
    for (const int s : successors[b]) predecessors[s].push_back(b);
  }
  size_t edges = 0;
  for (const auto& list : successors) edges += list.size();
  // Dominators and loops; very large or tangled functions keep plain reverse post-order.
  constexpr size_t max_nodes = 4096, max_edges = 16384, max_loops = 4096;
  constexpr int max_passes = 256;
  if (n <= max_nodes && edges <= max_edges) {
    BitMatrix dominators(n, n, true);
    std::fill(dominators.row(0), dominators.row(0) + dominators.words(), 0);
    dominators.set(0, 0);
    int passes = 0;
    for (bool changed = true; changed && passes < max_passes; ++passes) {
      changed = false;
      for (const int b : order) {
        if (b == 0) continue;
        std::vector<uint64_t> meet(dominators.words(), ~uint64_t{0});
        for (const int p : predecessors[b]) {
          for (size_t w = 0; w < meet.size(); ++w) meet[w] &= dominators.row(p)[w];
        }
        meet[static_cast<size_t>(b) / 64] |= uint64_t{1} << (b % 64);
        if (!std::equal(meet.begin(), meet.end(), dominators.row(b))) {
          std::copy(meet.begin(), meet.end(), dominators.row(b));
          changed = true;
        }
      }
    }
    // depth_in[b] counts, for each loop of b, whether a successor shares it.
    std::vector<std::vector<char>> loops;
    for (const int b : order) {
      for (const int head : successors[b]) {
        if (!dominators.test(b, head) || loops.size() >= max_loops) continue;
        std::vector<char> members(n, 0);
        members[head] = 1;
        std::vector<int> work{b};
        while (!work.empty()) {
          const int x = work.back();
          work.pop_back();
          if (members[x] != 0) continue;
          members[x] = 1;
          for (const int p : predecessors[x]) work.push_back(p);
        }
        loops.push_back(std::move(members));
      }
    }
    for (const int b : order) {
      const auto shared = [&](int s) {
        int depth = 0;
        for (const auto& loop : loops) depth += loop[b] != 0 && loop[s] != 0;
        return depth;
      };
      std::stable_sort(successors[b].begin(), successors[b].end(),
                       [&](int x, int y) { return shared(x) < shared(y); });
    }
    order = post_order(flow, successors);
    std::reverse(order.begin(), order.end());
  }
  flow.order = std::move(order);
  return flow;
}

}  // namespace mtmc::emulator
