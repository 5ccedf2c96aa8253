// Ceilings of real devices.
#pragma once

#include <optional>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

class Ceilings {
 public:
  explicit Ceilings(Store& store) : connection_(&store.connection()) {}

  // Storing again under a key replaces the row.
  Result<void> put(const CeilingsRecord& ceilings);
  Result<std::optional<CeilingsRecord>> find(const CeilingsKey& key);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
