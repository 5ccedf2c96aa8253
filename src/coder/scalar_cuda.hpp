// Scalar bodies as CUDA statements: values by demand, each named once.
//
// A Scope is one group of a schedule: which tensors it computes itself, and how names and types are
// spelled. An Emitter writes the statements of one point of a domain into a Block: a load of a
// tensor from outside becomes a fetch, a load of a tensor of the group becomes that tensor's own
// body at the loaded index (so views vanish and maps are fused), a reduction of the group becomes a
// serial loop. Hooks supply values that are already there: fragments, statistics, accumulators.
// Types: comparisons are bool, integers compute as long long, everything else as the scope's real
// type.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coder/index_math.hpp"
#include "coder/text.hpp"
#include "op/primitive.hpp"

namespace mtmc::coder {

struct Scope {
  const op::Lowering* lowering = nullptr;
  std::set<int> inside;     // tensors that the group computes
  std::vector<int> stored;  // those of them that others read, in order
  bool wide_real = false;   // double
  bool narrow_results = false;  // everything stored is f16 or bf16
  bool wide_index = false;  // long long
  IndexMath math;
  std::map<int, std::string> pointers;  // tensors from outside or stored: the C name of the pointer

  std::string real() const { return wide_real ? "double" : "float"; }
  const op::Primitive& producer(int tensor) const;
  // Element offset of an index list in a tensor, simplified.
  Expr offset(int tensor, const std::vector<Expr>& at) const;
};

Scope make_scope(const op::Lowering& lowering, const std::vector<int>& primitives);

enum class CType { boolean, integer, real };

struct CValue {
  std::string text;
  CType type = CType::real;
  int level = 9;  // C precedence of the text: 9 primary, 6 product, 5 sum, 4 and 3 comparison, 2
                  // and, 1 or, 0 ?:
  std::optional<double> constant;
};

// A load from outside at a point: one element of memory, or `otherwise` where the guard is 0.
struct Access {
  int tensor = -1;
  Expr offset;
  std::optional<Expr> guard;
  double otherwise = 0;
  std::string key() const;
};

using AxisMap = std::map<std::string, Expr, std::less<>>;

class Emitter {
 public:
  Emitter(Scope& scope, Block& block) : scope_(scope), block_(&block) {}

  // Values already there. `access` is asked for loads from outside, `tensor` for tensors of the
  // group.
  std::function<std::optional<CValue>(const Access&)> known_access;
  std::function<std::optional<CValue>(int tensor, const std::vector<Expr>& at)> known_tensor;
  std::string lane;  // variable that stands for V neighbours; empty: none
  std::function<void(const Access&)> on_access;  // told of each load that no hook supplied

  CValue tensor(int tensor, const std::vector<Expr>& at,
                const std::optional<Expr>& guard = std::nullopt, double otherwise = 0);
  CValue access(const Access& access);
  CValue body(const op::Scalar& scalar, const AxisMap& axes, const std::optional<Expr>& guard);

  std::string index(const Expr& e, int level = 0) {
    return c_expr(e, scope_.math, &used_, lane, level);
  }
  // "pointer + (offset)" of a tensor from outside or stored: one 64-bit addition, whatever the offset.
  std::string address(int tensor, const Expr& offset);
  std::string as(const CValue& value, CType type, int level = 0);
  std::string type_name(CType type) const;
  void statement(const std::string& text) { block_->line(text); }
  void statements(const std::string& lines);  // each indented as the block is
  // Names `value` with a constant local, unless it is a name or a literal already.
  CValue named(const CValue& value, const std::string& hint);
  std::string fresh(const std::string& hint);
  void reserve(const std::string& name) { names_.insert(name); }
  // Type of a tensor's elements in registers.
  CType type_of(int tensor) const;
  // A fresh variable for a serial loop, known to the index arithmetic.
  std::string loop_variable(const Expr& extent);

  const std::set<std::string>& used() const {
    return used_;
  }  // dims and variables that were spelled
  const std::optional<std::string>& error() const { return error_; }
  int reductions() const { return reductions_; }  // serial loop nests written

 private:
  CValue call(const op::Scalar& s, const std::vector<CValue>& args);
  CValue load(const op::Scalar& s, const AxisMap& axes, const std::optional<Expr>& guard);
  CValue reduction(const op::Primitive& p, const std::vector<Expr>& at,
                   const std::optional<Expr>& guard);
  CValue walk(const op::Scalar& s, const AxisMap& axes, const std::optional<Expr>& guard,
              const std::map<std::string, int>& repeats, std::map<std::string, CValue>& shared);

  Scope& scope_;
  Block* block_;
  std::map<std::string, CValue> memo_;
  std::set<std::string> names_;
  std::set<std::string> used_;
  std::optional<std::string> error_;
  int loops_ = 0;
  int reductions_ = 0;
};

// Joins neighbouring variables of `vars` where all `forms` (offsets and guards) stay linear in the
// joined one. The result gives the old variables as expressions over the new ones.
AxisMap join_axes(Scope& scope, std::vector<std::string>& vars, std::vector<Expr> forms);
void use_symbols(const Expr& e, std::set<std::string>& into);

// acc = combine(acc, v) for a plain combiner, as a statement; not for argmax and argmin.
std::string combine_statement(op::Combiner combiner, const std::string& acc,
                              const std::string& value);
// The combiner's neutral element.
std::string identity_literal(op::Combiner combiner, CType type, bool wide_real);
bool is_arg(op::Combiner combiner);

}  // namespace mtmc::coder
