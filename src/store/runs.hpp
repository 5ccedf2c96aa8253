// Runs: one generate-operator each, found again by what was asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

class Runs {
 public:
  explicit Runs(Store& store) : connection_(&store.connection()) {}

  // `resumed`: the run was there before. Finished, it has its result; otherwise its nodes are in the
  // tree and the search goes on. A run that failed is running again.
  struct Begun {
    RunRecord run;
    bool resumed = false;
  };
  // The newest run with this identity; a new one where there is none or `fresh` is set. Stores the
  // operator as well. REQUIRES: identity.operator_hash == op.hash.
  Result<Begun> begin(const OperatorRecord& op, const RunIdentity& identity, bool fresh);

  // The regions and candidates that the result names must be stored. Finishing again replaces.
  Result<void> finish(const std::string& run_id, const RunResult& result);
  // An operational failure: the next begin() of the same identity tries again.
  Result<void> fail(const std::string& run_id, const std::string& message);

  Result<std::optional<RunRecord>> find(const std::string& run_id);
  Result<std::optional<OperatorRecord>> operator_of(const std::string& operator_hash);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
