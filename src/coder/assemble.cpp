// The unit is one file: a line of identity, the width of indices, the templates in use, and each
// group's text. Workspace buffers hold tensors that one group writes and another reads, in the
// dtype the lowering gives them.
#include "coder/assemble.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "coder/group_code.hpp"
#include "coder/templates.hpp"

namespace mtmc::coder {

std::vector<TemplateFile> template_closure(const std::set<std::string>& names) {
  std::set<std::string> wanted = names;
  const auto& all = template_files();
  for (std::size_t i = all.size(); i-- > 0;) {
    if (!wanted.count(std::string(all[i].name))) continue;
    for (const auto& other : all)
      if (all[i].text.find(fmt::format("#include \"{}\"", other.name)) != std::string_view::npos)
        wanted.insert(std::string(other.name));
  }
  std::vector<TemplateFile> list;
  for (const auto& file : all)
    if (wanted.count(std::string(file.name))) list.push_back(file);
  return list;
}

kernel::Schedule naive_schedule(const op::Lowering& lowering) {
  kernel::Schedule schedule;
  for (std::size_t p = 0; p < lowering.primitives.size(); ++p)
    schedule.groups.push_back({{static_cast<int>(p)}, "naive", {}});
  return schedule;
}

namespace {

kernel::BufferRole role_of(const op::Operator& op, const op::Tensor& tensor) {
  if (tensor.kind == op::Tensor::Kind::output) return kernel::BufferRole::output;
  if (tensor.kind == op::Tensor::Kind::intermediate) return kernel::BufferRole::workspace;
  if (tensor.value >= 0 && tensor.value < static_cast<int>(op.values.size())) {
    const auto role = op.values[static_cast<std::size_t>(tensor.value)].role;
    if (role == op::Role::weight) return kernel::BufferRole::weight;
    if (role == op::Role::inout) return kernel::BufferRole::state;
  }
  return kernel::BufferRole::input;
}

// Starting points of all groups together: the i-th of each, or its last.
std::vector<kernel::Configuration> rank(const std::vector<GroupCode>& groups) {
  std::size_t count = 1;
  for (const auto& g : groups) count = std::max(count, g.ranked.size());
  std::vector<kernel::Configuration> list;
  for (std::size_t i = 0; i < count && i < 8; ++i) {
    kernel::Configuration c;
    for (const auto& g : groups) {
      const auto& mine = g.ranked[std::min(i, g.ranked.size() - 1)];
      c.insert(mine.begin(), mine.end());
    }
    if (std::find(list.begin(), list.end(), c) == list.end()) list.push_back(std::move(c));
  }
  return list;
}

}  // namespace

Result<kernel::Candidate> assemble(const op::Operator& op, const op::Lowering& lowering,
                                   const kernel::Schedule& schedule,
                                   const kernel::DeviceFacts* device) {
  kernel::Candidate candidate;
  std::vector<int> seen(lowering.primitives.size(), 0);
  for (const auto& g : schedule.groups)
    for (int p : g.primitives) {
      if (p < 0 || p >= static_cast<int>(seen.size()) || seen[static_cast<std::size_t>(p)]++)
        return bad_input(fmt::format("schedule: primitive {} is not one of {}, or stands twice", p,
                                     seen.size()));
    }
  if (std::count(seen.begin(), seen.end(), 0))
    return bad_input("schedule: not every primitive is in a group");
  std::vector<GroupCode> groups;
  std::set<std::string> headers = {"copy.cuh"};
  std::set<int> crossing;  // intermediate tensors in memory
  bool wide_index = false;
  for (std::size_t i = 0; i < schedule.groups.size(); ++i) {
    const auto& group = schedule.groups[i];
    const Scope scope = make_scope(lowering, group.primitives);
    wide_index |= scope.wide_index;
    if (scope.stored.empty()) continue;  // computes what nothing reads
    for (int t : scope.stored)
      if (lowering.tensors[static_cast<std::size_t>(t)].kind == op::Tensor::Kind::intermediate)
        crossing.insert(t);
    for (int t : scope.stored)
      if (c_type(lowering.tensors[static_cast<std::size_t>(t)].dtype).empty())
        return bad_input(
            fmt::format("templates do not store {}",
                        op::name_of(lowering.tensors[static_cast<std::size_t>(t)].dtype)));
    GroupTask task{lowering, group, static_cast<int>(i), device};
    auto code = write_group(task);
    if (!code)
      return tl::unexpected<Error>(code.error().with(task.prefix() + " (" + group.style + ")"));
    headers.insert(code->headers.begin(), code->headers.end());
    groups.push_back(std::move(*code));
  }
  std::string unit = fmt::format("#define MTMC_INDEX {}\n", wide_index ? "long long" : "int");
  for (const auto& file : template_closure(headers))
    unit += fmt::format("#include \"{}\"\n", file.name);
  for (const auto& g : groups) unit += "\n" + g.text;
  candidate.sources.push_back({"kernel.cu", unit});
  for (const auto& file : template_closure(headers))
    candidate.sources.push_back({std::string(file.name), std::string(file.text)});

  for (std::size_t t = 0; t < lowering.tensors.size(); ++t) {
    const auto& tensor = lowering.tensors[t];
    if (tensor.kind == op::Tensor::Kind::intermediate && !crossing.count(static_cast<int>(t)))
      continue;
    kernel::Buffer buffer;
    buffer.name = buffer_name(lowering, static_cast<int>(t));
    buffer.role = role_of(op, tensor);
    buffer.dtype = tensor.dtype;
    buffer.shape = tensor.shape;
    candidate.recipe.buffers.push_back(std::move(buffer));
  }
  for (const auto& g : groups) {
    candidate.recipe.buffers.insert(candidate.recipe.buffers.end(), g.workspace.begin(),
                                    g.workspace.end());
    candidate.recipe.run.insert(candidate.recipe.run.end(), g.steps.begin(), g.steps.end());
    candidate.tunables.insert(candidate.tunables.end(), g.tunables.begin(), g.tunables.end());
    candidate.constraints.insert(candidate.constraints.end(), g.constraints.begin(),
                                 g.constraints.end());
  }
  candidate.ranked = rank(groups);
  candidate.configuration = candidate.ranked.front();
  candidate.schedule = schedule;
  candidate.written_by = "template";
  return candidate;
}

}  // namespace mtmc::coder
