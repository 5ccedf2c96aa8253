// Sweeps: many tasks, one run each, resumable task by task.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

class Sweeps {
 public:
  explicit Sweeps(Store& store) : connection_(&store.connection()) {}

  struct Begun {
    SweepRecord sweep;
    std::vector<SweepItem> items;  // in the order of task_ids
    bool resumed = false;
  };
  // The newest sweep with this identity; a new one where there is none or `fresh` is set. Tasks that
  // an earlier start did not know are appended as pending, and the sweep is running again; items
  // that are done stay done. Task ids are distinct.
  Result<Begun> begin(const SweepIdentity& identity, const std::vector<std::string>& task_ids,
                      bool fresh);

  // Replaces what is known of a task of the sweep.
  Result<void> set(const std::string& sweep_id, const SweepItem& item);
  // Errors: internal while items are not done.
  Result<void> finish(const std::string& sweep_id);

  Result<std::optional<SweepRecord>> find(const std::string& sweep_id);
  Result<std::vector<SweepItem>> items(const std::string& sweep_id);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
