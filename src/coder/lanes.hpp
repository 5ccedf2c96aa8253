// V neighbours along one variable of a domain: which loads become vector accesses, which are the
// same for all V, and which stay one by one. Writes the statements before, inside and after a loop
// over the lanes.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "coder/scalar_cuda.hpp"

namespace mtmc::coder {

class LaneWriter {
 public:
  // `lane` is the variable (an IndexMath name) along which neighbours lie; `depth` the indentation
  // of the statements.
  LaneWriter(Scope& scope, std::string lane, int depth);

  // Values that are there before: staged loads by Access::key, and tensors.
  std::map<std::string, CValue> staged;
  std::function<std::optional<CValue>(int tensor, const std::vector<Expr>& at)> known_tensor;
  std::set<std::string> reserved;  // names that are taken

  // Calls `body` twice: once to learn the loads, once to write. It emits the statements of one
  // lane.
  void run(const std::function<void(Emitter&, bool writing)>& body);
  // To be called from `body` in both calls: stores the value of a lane.
  void store(Emitter& emitter, bool writing, int tensor, const Expr& offset, const CValue& value);

  // The same: gathers the lanes' values in an array, for the statement that `then` gives behind the
  // loop; its emitter is of the first lane.
  void collect(Emitter& emitter, const std::string& type, const std::string& name,
               const std::string& text,
               const std::function<std::string(const std::string& array, Emitter& plain)>& then);

  // Expressions over dims that must be multiples of V for vector access, besides the alignment of
  // the lane variable.
  const std::vector<Expr>& divisors() const { return divisors_; }
  // The loop, complete; "V" and "v" are its names.
  void write(Block& block) const;
  bool has_vectors() const { return has_vectors_; }
  const std::set<std::string>& used() const { return used_; }
  const std::optional<std::string>& error() const { return error_; }
  // Loads from outside that `body` asked for, in order.
  const std::vector<Access>& accesses() const { return accesses_; }
  // Loads that are not the same for all lanes are left to the lanes, one by one.
  bool scalar_only = false;

 private:
  bool vectorizable(const Access& access) const;
  void add_divisors(const Expr& offset);

  Scope& scope_;
  std::string lane_;
  int depth_;
  Block before_, inside_, after_;
  std::vector<Expr> divisors_;
  std::vector<Access> accesses_;
  std::set<std::string> used_;
  std::optional<std::string> error_;
  bool has_vectors_ = false;
};

}  // namespace mtmc::coder
