#include "coder/schedule_ops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "coder/group_code.hpp"

namespace mtmc::coder {

namespace {

using kernel::Action;
using kernel::Group;
using kernel::Schedule;
using kernel::Step;

const op::Primitive& primitive(const ScheduleTask& task, int p) {
  return task.lowering.primitives[static_cast<std::size_t>(p)];
}

bool has_reduction(const ScheduleTask& task, const Group& g) {
  return std::any_of(g.primitives.begin(), g.primitives.end(),
                     [&](int p) { return !primitive(task, p).reduced.empty(); });
}

Result<GroupCode> written(const ScheduleTask& task, const Group& g) {
  if (make_scope(task.lowering, g.primitives).stored.empty())
    return bad_input("the group stores nothing");
  return write_group(GroupTask{task.lowering, g, 0, task.device});
}

// Tensors that a group reads from outside.
std::set<int> reads(const ScheduleTask& task, const Group& g) {
  std::set<int> list;
  for (int p : g.primitives)
    primitive(task, p).body.visit_loads([&](const op::Scalar& s) { list.insert(s.tensor()); });
  for (int p : g.primitives) list.erase(primitive(task, p).output);
  return list;
}
bool writes(const ScheduleTask& task, const Group& g, const std::set<int>& tensors) {
  return std::any_of(g.primitives.begin(), g.primitives.end(),
                     [&](int p) { return tensors.count(primitive(task, p).output) != 0; });
}

// Topological order by dependencies, first come first; nullopt where merged groups would wait for
// each other.
std::optional<Schedule> ordered(const ScheduleTask& task, std::vector<Group> groups) {
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return a.primitives.back() < b.primitives.back();
  });
  Schedule out;
  std::set<int> ready;
  for (std::size_t t = 0; t < task.lowering.tensors.size(); ++t)
    if (task.lowering.producer(static_cast<int>(t)) < 0) ready.insert(static_cast<int>(t));
  while (!groups.empty()) {
    const auto next = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      const auto needs = reads(task, g);
      return std::includes(ready.begin(), ready.end(), needs.begin(), needs.end());
    });
    if (next == groups.end()) return std::nullopt;
    for (int p : next->primitives) ready.insert(primitive(task, p).output);
    out.groups.push_back(std::move(*next));
    groups.erase(next);
  }
  return out;
}

// Two groups as one, in the first style that can write it.
Result<Group> merged(const ScheduleTask& task, const Group& a, const Group& b) {
  Group g;
  std::merge(a.primitives.begin(), a.primitives.end(), b.primitives.begin(), b.primitives.end(),
             std::back_inserter(g.primitives));
  int reductions = 0;
  for (int p : g.primitives) reductions += !primitive(task, p).reduced.empty();
  std::vector<std::string> styles;
  if (reductions == 0)
    styles = {"pointwise"};
  else if (a.style == "matmul" || b.style == "matmul")
    styles = {"matmul"};
  else if (reductions == 1 && a.style != "row" && b.style != "row") {
    const auto kind = [&] {
      for (int p : g.primitives)
        if (!primitive(task, p).reduced.empty()) return primitive(task, p).kind;
      return op::PrimitiveKind::map;
    }();
    styles = kind == op::PrimitiveKind::contraction ? std::vector<std::string>{"naive"}
                                                    : std::vector<std::string>{"row", "naive"};
  } else {
    styles = {"row"};
  }
  std::string why;
  for (const auto& style : styles) {
    g.style = style;
    g.options.clear();
    for (const auto* from : {&a, &b})
      if (from->style == style)
        for (const auto& [name, value] : from->options)
          if (name != "split" || style == "matmul") g.options[name] = value;
    auto code = written(task, g);
    if (code) return g;
    why += (why.empty() ? "" : "; ") + style + ": " + code.error().message;
  }
  return bad_input(why);
}

Result<Schedule> fuse_pair(const ScheduleTask& task, const Schedule& schedule, std::size_t i,
                           std::size_t j) {
  auto g = merged(task, schedule.groups[i], schedule.groups[j]);
  if (!g) return tl::unexpected<Error>(g.error());
  std::vector<Group> groups;
  for (std::size_t k = 0; k < schedule.groups.size(); ++k)
    if (k != i && k != j) groups.push_back(schedule.groups[k]);
  groups.push_back(std::move(*g));
  auto out = ordered(task, std::move(groups));
  if (!out) return bad_input("another group stands between the two");
  return std::move(*out);
}

bool connected(const ScheduleTask& task, const Group& a, const Group& b) {
  const auto need_b = reads(task, b), need_a = reads(task, a);
  if (writes(task, a, need_b)) return true;
  // Siblings: same reads, and nothing to do but share them.
  std::vector<int> common;
  std::set_intersection(need_a.begin(), need_a.end(), need_b.begin(), need_b.end(),
                        std::back_inserter(common));
  return !common.empty() && has_reduction(task, a) == has_reduction(task, b);
}

// Fusing a map into a product or a window computes it once for every time it is read: worth it for
// views alone.
bool worthwhile(const ScheduleTask& task, const Group& a, const Group& b) {
  const bool heavy = std::any_of(b.primitives.begin(), b.primitives.end(), [&](int p) {
    const auto kind = primitive(task, p).kind;
    return kind == op::PrimitiveKind::contraction || kind == op::PrimitiveKind::window ||
           kind == op::PrimitiveKind::scan;
  });
  if (!heavy) return true;
  return std::all_of(a.primitives.begin(), a.primitives.end(), [&](int p) {
    return primitive(task, p).body.operations() == 0 || !primitive(task, p).reduced.empty();
  });
}

Schedule fuse_all(const ScheduleTask& task, Schedule schedule) {
  std::set<std::vector<int>> refused;  // pairs by their primitives
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < schedule.groups.size() && !changed; ++i)
      for (std::size_t j = i + 1; j < schedule.groups.size() && !changed; ++j) {
        const Group &a = schedule.groups[i], &b = schedule.groups[j];
        if (!connected(task, a, b) || !worthwhile(task, a, b)) continue;
        std::vector<int> key = a.primitives;
        key.push_back(-1);
        key.insert(key.end(), b.primitives.begin(), b.primitives.end());
        if (refused.count(key)) continue;
        if (auto next = fuse_pair(task, schedule, i, j)) {
          schedule = std::move(*next);
          changed = true;
        } else {
          refused.insert(key);
        }
      }
  }
  return schedule;
}

std::optional<std::size_t> group_named(const Schedule& schedule, const std::string& part) {
  for (std::size_t i = 0; i < schedule.groups.size(); ++i)
    if (part == fmt::format("g{}", i)) return i;
  return std::nullopt;
}

std::int64_t option(const Step& step, const char* name, std::int64_t otherwise) {
  auto it = step.options.find(name);
  return it == step.options.end() ? otherwise : it->second;
}

bool mentions(const GroupCode& code, const char* text) {
  return code.text.find(text) != std::string::npos;
}

// The group after an action other than fuse.
Result<Group> changed(const ScheduleTask& task, Group g, const Step& step) {
  const bool reduces = has_reduction(task, g);
  const auto set = [&](const char* name, std::int64_t value) -> Result<Group> {
    if (g.options.count(name) && g.options[name] == value)
      return bad_input(fmt::format("{} is {} already", name, value));
    g.options[name] = value;
    auto code = written(task, g);
    if (!code) return tl::unexpected<Error>(code.error());
    return g;
  };
  switch (step.action) {
    case Action::tile: {
      if (g.style != "naive" || !reduces)
        return bad_input("tile is for naive groups with a reduction");
      std::string why;
      for (const char* style : {"matmul", "row"}) {
        g.style = style;
        g.options.clear();
        auto code = written(task, g);
        if (code) return g;
        why += (why.empty() ? "" : "; ") + std::string(style) + ": " + code.error().message;
      }
      return bad_input(why);
    }
    case Action::vectorize: {
      const std::int64_t vector = option(step, "vector", 4);
      if (g.options.count("mma")) return bad_input("operands of tensor cores are vectors already");
      if (vector != 2 && vector != 4 && vector != 8) return bad_input("vector is 2, 4 or 8");
      if (g.style == "naive" && reduces)
        return bad_input("a serial loop over a reduction has no neighbours; tile it first");
      if (g.style == "row" && g.options.count("columns"))
        return bad_input("neighbouring threads take neighbouring rows already");
      if (g.style == "naive") g.style = "pointwise";
      auto next = set("vector", vector);
      if (!next) return next;
      auto code = written(task, *next);
      const bool uses =
          g.style == "matmul" ? mentions(*code, "kVector = 4") : mentions(*code, "<V>(");
      if (!uses ||
          (g.style == "row" && !mentions(*code, "fetch<V>(") && !mentions(*code, "put<V>(")))
        return bad_input("no access has neighbours in memory");
      return next;
    }
    case Action::stage: {
      if (g.options.count("pipeline")) return bad_input("a ring has its stages");
      if (g.style == "matmul") return set("stages", 2);
      if (g.style != "row") return bad_input("stage is for row and matmul groups");
      if (g.options.count("split")) return bad_input("a split reduction reads its row once");
      auto code = written(task, g);
      if (!code) return tl::unexpected<Error>(code.error());
      if (!mentions(*code, "_s[V]")) return bad_input("no value is used by more than one pass");
      auto next = set("stage", 1);
      if (!next) return next;
      auto staged = written(task, *next);
      for (const auto& text : staged->constraints) {
        auto e = Expr::parse(text);
        Symbols symbols = task.lowering.dims;
        for (const auto& [name, value] : staged->ranked.front()) symbols[name] = value;
        if (e && e->evaluate(symbols).value_or(1) == 0)
          return bad_input("a row is longer than a block's registers");
      }
      return next;
    }
    case Action::reorder:
      if (g.style == "matmul") return set("group", 1);
      if (g.style == "row") {
        if (g.options.count("split")) return bad_input("a split reduction keeps its order");
        const auto& p = *std::find_if(g.primitives.begin(), g.primitives.end(),
                                      [&](int x) { return !primitive(task, x).reduced.empty(); });
        std::vector<Expr> rows;
        for (const auto& a : primitive(task, p).parallel) rows.push_back(a.extent);
        if (stated(task.lowering, product_of(rows)) < 32)
          return bad_input("fewer rows than a warp has threads");
        g.options.erase("vector");
        return set("columns", 1);
      }
      return bad_input("reorder is for row and matmul groups");
    case Action::split: {
      const std::int64_t ways = option(step, "ways", 8);
      if (g.style == "matmul") {
        if (ways < 2 || ways > 128) return bad_input("ways is 2 to 128");
        return set("split", ways);
      }
      if (g.style == "row") {
        if (ways < 2 || ways > 1024) return bad_input("ways is 2 to 1024");
        g.options.erase("stage");
        if (g.options.count("columns")) return bad_input("columns are not split");
        return set("split", ways);
      }
      return bad_input("split is for row and matmul groups");
    }
    case Action::tensorize:
      if (g.style != "matmul") return bad_input("tensorize is for matmul groups; tile it first");
      g.options.erase("vector");
      return set("mma", 1);
    case Action::swizzle:
      if (!g.options.count("mma")) return bad_input("swizzle is for tiles of tensor cores");
      if (g.options.count("pipeline")) return bad_input("a ring's tiles are permuted already");
      return set("swizzle", 1);
    case Action::pipeline:
      if (!g.options.count("mma")) return bad_input("pipeline is for tiles of tensor cores");
      for (const char* replaced : {"stages", "swizzle"}) g.options.erase(replaced);
      return set("pipeline", 1);
    case Action::persist:
      if (g.style != "pointwise") return bad_input("persist is for pointwise groups");
      return set("persist", 1);
    default:
      return bad_input(
          fmt::format("the templates have no action '{}'", kernel::name_of(step.action)));
  }
}

}  // namespace

Result<Schedule> transform(const ScheduleTask& task, const Schedule& schedule, const Step& step) {
  if (step.action == Action::fuse) {
    if (step.part == "*") {
      Schedule next = fuse_all(task, schedule);
      if (next == schedule) return bad_input("no two groups can be fused");
      return next;
    }
    const auto plus = step.part.find('+');
    if (plus == std::string::npos)
      return bad_input(fmt::format("fuse: part '{}', expected 'g0+g1' or '*'", step.part));
    auto i = group_named(schedule, step.part.substr(0, plus)),
         j = group_named(schedule, step.part.substr(plus + 1));
    if (!i || !j || *i >= *j)
      return bad_input(fmt::format("fuse: part '{}', expected two groups of g0 to g{}, in order",
                                   step.part, schedule.groups.size() - 1));
    if (!connected(task, schedule.groups[*i], schedule.groups[*j]))
      return bad_input("the groups share nothing");
    return fuse_pair(task, schedule, *i, *j);
  }
  auto i = group_named(schedule, step.part);
  if (!i)
    return bad_input(
        fmt::format("part '{}', expected one of g0 to g{}", step.part, schedule.groups.size() - 1));
  auto g = changed(task, schedule.groups[*i], step);
  if (!g) return tl::unexpected<Error>(g.error());
  Schedule next = schedule;
  next.groups[*i] = std::move(*g);
  if (next == schedule) return bad_input("the step changes nothing");
  return next;
}

std::vector<Step> admissible_steps(const ScheduleTask& task, const Schedule& schedule) {
  std::vector<Step> steps;
  const auto offer = [&](Action action, std::string part,
                         std::map<std::string, std::int64_t> options, double gain,
                         const char* hint) {
    Step step{action, std::move(part), std::move(options), hint, gain};
    if (transform(task, schedule, step)) steps.push_back(std::move(step));
  };
  const std::size_t count = schedule.groups.size();
  if (count > 1) {
    offer(Action::fuse, "*", {}, 1.0 + 0.4 * static_cast<double>(count - 1),
          "fuse every pair of groups that can be one kernel");
    if (count > 2)
      for (std::size_t i = 0; i < count && steps.size() < 16; ++i)
        for (std::size_t j = i + 1; j < count && steps.size() < 16; ++j)
          if (connected(task, schedule.groups[i], schedule.groups[j]))
            offer(Action::fuse, fmt::format("g{}+g{}", i, j), {},
                  worthwhile(task, schedule.groups[i], schedule.groups[j]) ? 1.3 : 0.6,
                  "keep the tensor between the two in registers");
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Group& g = schedule.groups[i];
    const std::string part = fmt::format("g{}", i);
    const bool reduces = has_reduction(task, g);
    if (g.style == "naive" && reduces) {
      const bool product = std::any_of(g.primitives.begin(), g.primitives.end(), [&](int p) {
        return primitive(task, p).kind == op::PrimitiveKind::contraction;
      });
      offer(Action::tile, part, {}, product ? 6 : 3,
            product ? "shared-memory tiles and a micro tile per thread"
                    : "a warp or block for each row");
    }
    const int narrow = [&] {
      int bytes = 8;
      for (int t : reads(task, g))
        bytes =
            std::min(bytes, op::bytes_of(task.lowering.tensors[static_cast<std::size_t>(t)].dtype));
      return bytes;
    }();
    if (!g.options.count("vector")) {
      if (narrow <= 2 && g.style != "matmul")
        offer(Action::vectorize, part, {{"vector", 8}}, 1.5, "16-byte accesses of narrow elements");
      offer(Action::vectorize, part, {{"vector", 4}}, g.style == "matmul" ? 1.4 : 1.3,
            "neighbours in one access");
    }
    offer(Action::stage, part, {}, g.style == "matmul" ? 1.2 : 1.5,
          g.style == "matmul" ? "double buffering through registers" : "rows stay in registers");
    offer(Action::reorder, part, {}, 1.05,
          g.style == "matmul" ? "blocks in groups that share operands in L2"
                              : "neighbouring threads on neighbouring rows");
    if (!g.options.count("split")) {
      if (g.style == "matmul") {
        // As many ways as fill the machine with 64 x 64 tiles of the result, and a quarter of them.
        std::vector<Expr> extents;
        for (const auto& a : primitive(task, g.primitives.back()).parallel) extents.push_back(a.extent);
        const double tiles =
            std::max(1.0, static_cast<double>(stated(task.lowering, product_of(extents))) / 4096);
        const double idle = (task.device && task.device->sms > 0 ? task.device->sms : 132) / tiles;
        std::int64_t fill = 4;
        while (fill < 128 && 2.0 * static_cast<double>(fill) <= idle) fill *= 2;
        for (std::int64_t ways : {fill, fill / 4}) {
          if (ways < 4) continue;
          offer(Action::split, part, {{"ways", ways}},
                1.1 + std::max(0.0, std::log2(std::min(idle, static_cast<double>(ways)))),
                "parts of the reduction on more blocks");
        }
      } else {
        offer(Action::split, part, {{"ways", 128}}, 1.1, "parts of the reduction on more blocks");
      }
    }
    if (g.style == "matmul" && !g.options.count("mma"))
      offer(Action::tensorize, part, {}, 4, "tensor cores with f32 sums");
    offer(Action::swizzle, part, {}, 1.1, "tiles without padding and without bank conflicts");
    offer(Action::pipeline, part, {}, 1.5,
          "a ring of tiles that asynchronous copies fill ahead of the tensor cores");
    offer(Action::persist, part, {}, 1.02, "a grid-stride loop over a fixed number of blocks");
  }
  return steps;
}

}  // namespace mtmc::coder
