// Primitives: what operators lower to, and all that the rest of the house knows of them.
//
// A primitive computes one tensor: for every point of its parallel axes (which are the tensor's
// dimensions, in order) it combines `body` over its reduced axes, in increasing order for those combiners that
// care. A map has no reduced axes. The kinds are names for shapes of this one form, so that a template can match
// them: a contraction is a sum of products of two loads; a window is a reduction whose loads step with
// the parallel axes; a scan is a reduction up to the parallel point.
//
// Axis names: "_i0", "_i1", ... parallel, "_r0", ... reduced; dims keep their own names, which begin with a
// letter. Extents, index maps and guards are expressions over dims and axes; in range by construction
// wherever the guard holds.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/expr.hpp"
#include "op/operator.hpp"
#include "op/scalar.hpp"

namespace mtmc::op {

enum class PrimitiveKind { map, reduce, contraction, scan, window, gather };
std::string_view name_of(PrimitiveKind kind);

// `argmax` and `argmin` give the position in the (row-major) reduced domain of the first best element, a NaN
// winning over everything, as PyTorch does; `max` and `min` propagate NaN.
enum class Combiner { none, sum, prod, max, min, argmax, argmin };
std::string_view name_of(Combiner combiner);
double identity_of(Combiner combiner);

struct Axis {
  std::string name;
  Expr extent;
};

struct Tensor {
  std::string name;         // an input's or output's name in the operator; intermediates are "t7"
  DType dtype = DType::f32;  // as stored, when it is stored; statistics of narrow floats are f32
  std::vector<Expr> shape;
  std::vector<Expr> strides;  // elements; empty: row-major contiguous
  int value = -1;             // the operator's value that this is; -1: internal to a lowering
  enum class Kind { input, intermediate, output } kind = Kind::intermediate;
};

struct Primitive {
  PrimitiveKind kind = PrimitiveKind::map;
  int output = -1;              // tensor
  std::vector<Axis> parallel;   // one per dimension of the output
  std::vector<Axis> reduced;
  Combiner combiner = Combiner::none;
  Scalar body = Scalar::constant(0);
  std::string origin;           // the operator row it came from, for messages and tables
  std::string text() const;
};

// A whole operator as primitives in topological order. Tensor ids index `tensors`; inputs come first.
struct Lowering {
  std::vector<Tensor> tensors;
  std::vector<Primitive> primitives;
  Symbols dims;  // the stated binding
  // What contractions of f32 operands may compute in; the reference's error bound allows for it.
  Precision precision = Precision::exact;

  int producer(int tensor) const;            // primitive that computes it, -1 for inputs
  std::vector<int> consumers(int tensor) const;  // primitives that load it
  std::string text() const;                  // canonical, one primitive a line
};

// Cannot fail for an Operator that was made by this module; a row whose lowering is missing is bad_input that
// names the operator row ("unsupported operator 'x'").
Result<Lowering> lower(const Operator& op);

}  // namespace mtmc::op
