// One group of a schedule as CUDA text and recipe steps. Every style has a write function with this
// result.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "coder/scalar_cuda.hpp"
#include "kernel/candidate.hpp"
#include "kernel/device_facts.hpp"

namespace mtmc::coder {

using RunStep = decltype(kernel::Recipe::run)::value_type;

struct GroupCode {
  std::string text;
  std::set<std::string> headers;  // templates that the text includes: "pointwise.cuh"
  std::vector<RunStep> steps;
  std::vector<kernel::Buffer> workspace;  // the group's own, besides tensors between groups
  std::vector<kernel::Tunable> tunables;
  std::vector<std::string> constraints;
  std::vector<kernel::Configuration> ranked;  // over the tunables, best first; never empty
};

struct GroupTask {
  const op::Lowering& lowering;
  const kernel::Group& group;
  int index = 0;  // of the group: names begin with "g<index>"
  const kernel::DeviceFacts* device = nullptr;

  std::string prefix() const { return "g" + std::to_string(index); }
  std::string macro(const std::string& name) const {
    return "G" + std::to_string(index) + "_" + name;
  }
  std::int64_t option(const std::string& name, std::int64_t otherwise = 0) const;
  const op::Primitive& last() const;
  // "g0_softmax": the prefix and the operator row that the group's result comes from.
  std::string kernel_name(const std::string& suffix = {}) const;
};

// The recipe's name of a tensor's buffer.
std::string buffer_name(const op::Lowering& lowering, int tensor);

// A kernel's parameters: the pointers of a scope (inputs const), extra pointers, and the dims that
// its text uses.
class Signature {
 public:
  Signature(const Scope& scope, const std::set<std::string>& used);
  // A pointer that is no tensor of the lowering, before the dims.
  void add_pointer(const std::string& type, const std::string& name, const std::string& buffer,
                   bool is_const);
  void drop_outputs();  // of a kernel that only writes partial results

  std::string parameters()
      const;                   // "const float* __restrict__ x0, float* __restrict__ y0, index_t d0"
  std::string fields() const;  // "const float* x0;\n..." indented by two
  std::string names() const;   // "x0, y0, d0"
  std::vector<kernel::Argument> arguments() const;

 private:
  struct Pointer {
    std::string type, name, buffer;
    bool is_const = false, is_output = false;
  };
  std::vector<Pointer> pointers_;
  std::vector<std::string> dims_;
  bool wide_index_;
};

Expr product_of(const std::vector<Expr>& extents);
// Value at the stated binding, or `otherwise`.
std::int64_t stated(const op::Lowering& lowering, const Expr& e, std::int64_t otherwise = 0);
// Statements that decode `linear` (a C name) into variables, outermost first, each with its extent.
void decode(Block& block, const std::string& linear, const std::vector<std::string>& vars,
            const Scope& scope, const std::set<std::string>& wanted, std::set<std::string>& used);

Result<GroupCode> write_pointwise(const GroupTask& task);
Result<GroupCode> write_naive(const GroupTask& task);
Result<GroupCode> write_row(const GroupTask& task);
Result<GroupCode> write_matmul(const GroupTask& task);
Result<GroupCode> write_group(const GroupTask& task);

}  // namespace mtmc::coder
