// The tuner's memory, and the bounds that the searches are measured against.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

// Rows are keyed by what they are about; storing one again replaces it.
class Tuning {
 public:
  explicit Tuning(Store& store) : connection_(&store.connection()) {}

  Result<void> put_trial(const TrialRecord& trial);
  // All that was tried for a family on a device by a protocol, failures included, by configuration.
  Result<std::vector<TrialRecord>> trials(const std::string& family, const std::string& device,
                                          const std::string& protocol);

  // The fastest correct trials of each other family that begins with `kernel` and of each other device: at most `most` of each,
  // fastest first. Configurations that did well elsewhere are where to start here.
  Result<std::vector<TrialRecord>> kin(const std::string& kernel, const std::string& family,
                                       const std::string& device, std::int64_t most);

  Result<void> put_bound(const BoundRecord& bound);
  Result<std::optional<BoundRecord>> bound(const std::string& region_hash,
                                           const std::string& device, std::int64_t version);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
