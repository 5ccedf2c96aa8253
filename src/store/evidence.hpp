// Evidence: verdicts and times of candidates. The memo that makes nothing be paid for twice.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

// Lookups answer nothing on a miss. Times are finite and not negative; internal otherwise.
class Evidence {
 public:
  explicit Evidence(Store& store) : connection_(&store.connection()) {}

  // A verdict or modelled time that is stored again under its key replaces the earlier one.
  Result<void> put_verdict(const VerdictRecord& verdict);
  Result<std::optional<VerdictRecord>> verdict(const std::string& key);

  Result<void> put_modelled(const ModelledTime& time);
  Result<std::optional<ModelledTime>> modelled(const ModelledKey& key);

  // Every measurement is kept; measured() answers the newest with this key.
  Result<void> put_measured(const MeasuredTime& time);
  Result<std::optional<MeasuredTime>> measured(const MeasuredKey& key);

  // The fastest correct candidate for a region (whose hash holds shapes and dtypes) on a device:
  // by the cost model's version, or by the measuring protocol. Correct means: the newest harness
  // version that judged this binary there said `correct` and nothing that refutes it (a mismatch, a
  // race, ...; a timeout or a budget does not). Ties go to the smaller id.
  Result<std::optional<BestCandidate>> best_modelled(const std::string& region_hash,
                                                     const std::string& device,
                                                     std::int64_t cost_model_version);
  Result<std::optional<BestCandidate>> best_measured(const std::string& region_hash,
                                                     const std::string& device,
                                                     const std::string& protocol);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
