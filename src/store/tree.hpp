// The search's memory: the tree of a run, node by node, and what a policy can be trained from.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

class Tree {
 public:
  explicit Tree(Store& store) : connection_(&store.connection()) {}

  // Stored again under the same run and id, a node replaces its earlier self. Its parent and its
  // candidate must be stored.
  Result<void> put(const NodeRecord& node);
  // Of one run, in the order of trying; a resumed search reads them back.
  Result<std::vector<NodeRecord>> nodes(const std::string& run_id);

  Result<void> put_transition(const TransitionRecord& transition);
  Result<std::vector<TransitionRecord>> transitions(const std::string& run_id);

  // What runs that had finished by `before_ms` brought, by action and bottleneck, for operators of
  // this dtype on this architecture. A fixed moment, so that a resumed run is told what it was told
  // the first time.
  Result<std::vector<PriorRow>> priors(const std::string& architecture, const std::string& dtype,
                                       std::int64_t before_ms);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
