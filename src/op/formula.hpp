// Short spellings for writing scalar bodies in the family files.
#pragma once

#include "op/scalar.hpp"

namespace mtmc::op::formula {

inline Scalar num(double v) { return Scalar::constant(v); }
inline Scalar call(Function f, const Scalar& a) { return Scalar::call(f, {a}); }
inline Scalar call(Function f, const Scalar& a, const Scalar& b) { return Scalar::call(f, {a, b}); }
inline Scalar select(const Scalar& c, const Scalar& a, const Scalar& b) {
  return Scalar::select(c, a, b);
}
inline Scalar max(const Scalar& a, const Scalar& b) { return call(Function::max, a, b); }
inline Scalar min(const Scalar& a, const Scalar& b) { return call(Function::min, a, b); }
inline Scalar exp(const Scalar& a) { return call(Function::exp, a); }
inline Scalar abs(const Scalar& a) { return call(Function::abs, a); }
inline Scalar greater(const Scalar& a, const Scalar& b) { return call(Function::greater, a, b); }
inline Scalar less(const Scalar& a, const Scalar& b) { return call(Function::less, a, b); }

}  // namespace mtmc::op::formula
