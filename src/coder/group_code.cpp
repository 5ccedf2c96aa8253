// What all styles share: names, kernel signatures, and the choice of a style's writer.
#include "coder/group_code.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mtmc::coder {

std::int64_t GroupTask::option(const std::string& name, std::int64_t otherwise) const {
  auto it = group.options.find(name);
  return it == group.options.end() ? otherwise : it->second;
}

const op::Primitive& GroupTask::last() const {
  return lowering.primitives[static_cast<std::size_t>(group.primitives.back())];
}

std::string GroupTask::kernel_name(const std::string& suffix) const {
  std::string name = prefix() + "_" + (last().origin.empty() ? "map" : c_name(last().origin));
  return suffix.empty() ? name : name + "_" + suffix;
}

std::string buffer_name(const op::Lowering& lowering, int tensor) {
  const auto& t = lowering.tensors[static_cast<std::size_t>(tensor)];
  if (t.kind != op::Tensor::Kind::intermediate) return t.name;
  std::string name = fmt::format("ws{}", tensor);
  const auto taken = [&] {
    return std::any_of(lowering.tensors.begin(), lowering.tensors.end(),
                       [&](const op::Tensor& other) { return other.name == name; });
  };
  while (taken()) name += "_";
  return name;
}

Expr product_of(const std::vector<Expr>& extents) {
  Expr total(1);
  for (const auto& e : extents) total = total * e;
  return total;
}

std::int64_t stated(const op::Lowering& lowering, const Expr& e, std::int64_t otherwise) {
  return e.evaluate(lowering.dims).value_or(otherwise);
}

void decode(Block& block, const std::string& linear, const std::vector<std::string>& vars,
            const Scope& scope, const std::set<std::string>& wanted, std::set<std::string>& used) {
  std::vector<std::string> open;  // variables that have more than one value
  for (const auto& v : vars)
    if (!scope.math.extent(v).is_constant(1)) open.push_back(v);
  std::string rest = linear;
  for (std::size_t k = open.size(); k-- > 0;) {
    const bool any_left = std::any_of(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(k),
                                      [&](const std::string& v) { return wanted.count(v) != 0; });
    const std::string extent = c_expr(scope.math.extent(open[k]), scope.math, &used, {}, 7);
    if (k == 0) {
      if (wanted.count(open[0]))
        block.line(fmt::format("const index_t {} = {};", c_name(open[0]), rest));
      break;
    }
    if (wanted.count(open[k]))
      block.line(fmt::format("const index_t {} = {} % {};", c_name(open[k]), rest, extent));
    if (!any_left) break;
    const std::string next = fmt::format("{}_{}", linear, k);
    if (k == 1) {
      rest = fmt::format("{} / {}", rest, extent);
    } else {
      block.line(fmt::format("const index_t {} = {} / {};", next, rest, extent));
      rest = next;
    }
  }
}

Signature::Signature(const Scope& scope, const std::set<std::string>& used)
    : wide_index_(scope.wide_index) {
  const auto add = [&](int t, bool output) {
    const auto& tensor = scope.lowering->tensors[static_cast<std::size_t>(t)];
    pointers_.push_back({c_type(tensor.dtype), scope.pointers.at(t),
                         buffer_name(*scope.lowering, t), !output, output});
  };
  for (const auto& [t, name] : scope.pointers)
    if (!scope.inside.count(t)) add(t, false);
  for (int t : scope.stored) add(t, true);
  for (const auto& [name, value] : scope.lowering->dims)
    if (used.count(name)) dims_.push_back(name);
}

void Signature::add_pointer(const std::string& type, const std::string& name,
                            const std::string& buffer, bool is_const) {
  pointers_.push_back({type, name, buffer, is_const, false});
}
void Signature::drop_outputs() {
  std::erase_if(pointers_, [](const Pointer& p) { return p.is_output; });
}

std::string Signature::parameters() const {
  std::string s;
  for (const auto& p : pointers_)
    s += fmt::format("{}{}{}* __restrict__ {}", s.empty() ? "" : ", ", p.is_const ? "const " : "",
                     p.type, p.name);
  for (const auto& d : dims_) s += fmt::format("{}index_t {}", s.empty() ? "" : ", ", c_name(d));
  return s;
}
std::string Signature::fields() const {
  std::string s;
  for (const auto& p : pointers_)
    s += fmt::format("  {}{}* __restrict__ {};\n", p.is_const ? "const " : "", p.type, p.name);
  if (!dims_.empty()) {
    s += "  index_t ";
    for (std::size_t i = 0; i < dims_.size(); ++i) s += (i ? ", " : "") + c_name(dims_[i]);
    s += ";\n";
  }
  return s;
}
std::string Signature::names() const {
  std::string s;
  for (const auto& p : pointers_) s += (s.empty() ? "" : ", ") + p.name;
  for (const auto& d : dims_) s += (s.empty() ? "" : ", ") + c_name(d);
  return s;
}
std::vector<kernel::Argument> Signature::arguments() const {
  std::vector<kernel::Argument> args;
  for (const auto& p : pointers_) args.push_back(kernel::BufferArg{p.buffer, Expr(0)});
  for (const auto& d : dims_)
    args.push_back(
        kernel::ScalarArg{wide_index_ ? op::DType::i64 : op::DType::i32, Expr::symbol(d)});
  return args;
}

Result<GroupCode> write_group(const GroupTask& task) {
  if (task.group.style == "naive") return write_naive(task);
  if (task.group.style == "pointwise") return write_pointwise(task);
  if (task.group.style == "row") return write_row(task);
  if (task.group.style == "matmul") return write_matmul(task);
  return bad_input(fmt::format("unknown group style '{}', expected naive, pointwise, row or matmul",
                               task.group.style));
}

}  // namespace mtmc::coder
