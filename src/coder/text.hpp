// Small pieces of CUDA text: indented blocks, C names, literals and index expressions.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/expr.hpp"
#include "coder/index_math.hpp"
#include "op/types.hpp"

namespace mtmc::coder {

// Lines with indentation. open("for (...) {") ... close() keeps braces and depth together.
class Block {
 public:
  explicit Block(int depth = 0) : depth_(depth) {}
  void line(const std::string& text);
  void open(const std::string& text);
  void close(const std::string& end = "}");
  void append(const Block& other);  // as it stands
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  int depth_;
  std::string text_;
};

// A C identifier from a name of the operator: "_i0" is i0, a keyword or library name gets a '_'.
std::string c_name(const std::string& name);
// The storage type's spelling: "float", "f16", "unsigned char" for bool. Empty for types that
// templates do not store.
std::string c_type(op::DType dtype);
// A literal of a real type ("0.5f", "INFINITY") or an integer ("3", "5000000000ll").
std::string real_literal(double value, bool wide);
std::string integer_literal(std::int64_t value);

// An index expression in C. Every symbol that occurs is added to `used`; `lane` names a variable
// that is spelled with the lane number added ("(i1 + v)").
std::string c_expr(const Expr& e, const IndexMath& math, std::set<std::string>* used,
                   const std::string& lane = {}, int level = 0);

// What a guard joins by "and"; the two ends of a range of one expression stay together.
std::vector<Expr> conditions(const Expr& guard);

}  // namespace mtmc::coder
