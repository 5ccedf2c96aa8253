// Cuts an operator into regions, node by node in topological order. A product or convolution (an anchor) joins the newest
// group that produced its operands if that group has no anchor yet, else opens a group of its own; everything else joins
// the newest group among its producers. Groups are numbered as they open, and a node only reads from groups that
// are not newer than its own, so the groups form an acyclic order by construction. A group without an anchor whose only
// reader is one other group is then folded into it (a prologue).
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "kernel/region.hpp"
#include "op/builder.hpp"

namespace mtmc::kernel {

namespace {

using op::Operator;

bool is_anchor(const std::string& name) {
  static constexpr std::array<std::string_view, 12> kAnchors = {
      "matmul", "bmm", "mm", "linear", "addmm", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
      "conv_transpose2d", "conv_transpose3d", "einsum"};
  return std::find(kAnchors.begin(), kAnchors.end(), name) != kAnchors.end();
}

// Group of each node.
std::vector<int> group_nodes(const Operator& op) {
  std::map<int, int> producer;  // value -> node
  std::vector<int> group(op.nodes.size());
  std::vector<bool> anchored;
  for (std::size_t n = 0; n < op.nodes.size(); ++n) {
    int newest = -1;
    for (const auto& operand : op.nodes[n].operands)
      if (auto* v = std::get_if<int>(&operand))
        if (auto it = producer.find(*v); it != producer.end()) newest = std::max(newest, group[it->second]);
    const bool anchor = is_anchor(op.nodes[n].op);
    if (newest < 0 || (anchor && anchored[newest])) {
      newest = static_cast<int>(anchored.size());
      anchored.push_back(false);
    }
    if (anchor) anchored[newest] = true;
    group[n] = newest;
    for (int v : op.nodes[n].results) producer[v] = static_cast<int>(n);
  }
  for (bool changed = true; changed;) {
    changed = false;
    std::map<int, std::set<int>> readers;
    for (std::size_t n = 0; n < op.nodes.size(); ++n)
      for (const auto& operand : op.nodes[n].operands)
        if (auto* v = std::get_if<int>(&operand))
          if (auto it = producer.find(*v); it != producer.end() && group[it->second] != group[n])
            readers[group[it->second]].insert(group[n]);
    for (const auto& [from, to] : readers) {
      if (anchored[from] || to.size() != 1) continue;
      const int into = *to.begin();
      std::replace(group.begin(), group.end(), from, into);
      changed = true;
      break;
    }
  }
  return group;
}

// The nodes of one group as an operator of its own; value i of it was value map[i] of the whole.
Operator extract(const Operator& op, const std::vector<int>& nodes, const std::set<int>& wanted, std::vector<int>& map) {
  Operator out;
  out.dims = op.dims;
  out.precision = op.precision;
  std::map<int, int> index;
  std::set<int> made;
  for (int n : nodes)
    for (int v : op.nodes[n].results) made.insert(v);
  const auto place = [&](int v) {
    if (!index.emplace(v, static_cast<int>(map.size())).second) return;
    map.push_back(v);
    out.values.push_back(op.values[v]);
    if (op.values[v].role == op::Role::intermediate && !made.count(v)) {
      out.values.back().role = op::Role::input;
      out.values.back().distribution = op::default_distribution(op.values[v].dtype);
    }
  };
  for (int n : nodes)
    for (const auto& operand : op.nodes[n].operands)
      if (auto* v = std::get_if<int>(&operand); v && !made.count(*v)) place(*v);
  for (int n : nodes)
    for (int v : op.nodes[n].results) place(v);
  for (int n : nodes) {
    out.nodes.push_back(op.nodes[n]);
    for (auto& operand : out.nodes.back().operands)
      if (auto* v = std::get_if<int>(&operand)) *v = index.at(*v);
    for (int& v : out.nodes.back().results) {
      const int old = v;
      v = index.at(old);
      if (wanted.count(old)) out.outputs.push_back(v);
    }
  }
  return out;
}

}  // namespace

Result<Program> partition(const Operator& op) {
  Program program;
  program.op = op;
  const std::vector<int> group = group_nodes(op);
  std::map<int, std::vector<int>> members;
  for (std::size_t n = 0; n < group.size(); ++n) members[group[n]].push_back(static_cast<int>(n));

  std::set<int> outside(op.outputs.begin(), op.outputs.end());  // values that another group or the caller reads
  std::map<int, int> producer;
  for (std::size_t n = 0; n < op.nodes.size(); ++n)
    for (int v : op.nodes[n].results) producer[v] = static_cast<int>(n);
  for (std::size_t n = 0; n < op.nodes.size(); ++n)
    for (const auto& operand : op.nodes[n].operands)
      if (auto* v = std::get_if<int>(&operand))
        if (auto it = producer.find(*v); it != producer.end() && group[it->second] != group[n]) outside.insert(*v);

  std::map<int, std::string> names;  // program-level name of a value
  for (int v = 0; v < op.inputs(); ++v) names[v] = op.values[v].name;
  for (int v : op.outputs) names[v] = op.values[v].name;
  for (int v : outside)
    if (!names.count(v)) names[v] = "p" + std::to_string(v);

  for (const auto& [id, nodes] : members) {
    std::vector<int> map;
    Operator sub = extract(op, nodes, outside, map);
    auto region = make_region(sub);
    if (!region) return tl::unexpected<Error>(region.error());
    Part part;
    const auto known = std::find_if(program.regions.begin(), program.regions.end(),
                                    [&](const Region& r) { return r.hash == region->hash; });
    part.region = static_cast<int>(known - program.regions.begin());
    // make_region keeps inputs in order of first use, which is the order `extract` placed them in.
    for (int v = 0; v < region->op.inputs(); ++v) part.inputs.push_back(names.at(map[v]));
    for (int v : sub.outputs) part.outputs.push_back(names.at(map[v]));
    if (known == program.regions.end()) program.regions.push_back(std::move(*region));
    program.parts.push_back(std::move(part));
  }
  return program;
}

}  // namespace mtmc::kernel
