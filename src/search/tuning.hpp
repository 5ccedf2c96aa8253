// A candidate's tunables for the tuner: as a space, and as a bench that judges them with the
// search's own compiler, workers and memory.
#pragma once

#include <optional>

#include "search/assess.hpp"
#include "tuner/tune.hpp"

namespace mtmc::search {

// Constraints may speak of dims and device facts. What CUDA and the device limit (threads of a
// block, dynamic shared memory) and the recipe says through tunables alone joins them as further
// constraints.
Result<tuner::Space> tuning_space(const op::Operator& op, const kernel::DeviceFacts& device,
                                  const kernel::Candidate& candidate);

// A configuration of the space, by its tunables' names; and back: nullopt where the space does not
// hold it.
kernel::Configuration named(const tuner::Space& space, std::uint64_t index);
std::optional<std::uint64_t> index_of(const tuner::Space& space,
                                      const kernel::Configuration& configuration);

class CandidateBench : public tuner::Bench {
 public:
  // All outlive it; `assessor` was started where anything is prepared ahead.
  CandidateBench(Assessor& assessor, const kernel::Region& region,
                 const kernel::Candidate& candidate, const tuner::Space& space, Origin origin)
      : assessor_(assessor),
        region_(region),
        candidate_(candidate),
        space_(space),
        origin_(std::move(origin)) {}

  void prepare(std::uint64_t index) override { assessor_.prepare(at(index)); }
  // Only what the harness calls correct is a success.
  tuner::Measurement measure(std::uint64_t index) override;

  kernel::Candidate at(std::uint64_t index) const;
  // Of the last measure(): what the harness said; none after an operational failure.
  const std::optional<Assessment>& last() const { return last_; }
  // An operational failure; the run should stop.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  Assessor& assessor_;
  const kernel::Region& region_;
  const kernel::Candidate& candidate_;
  const tuner::Space& space_;
  Origin origin_;
  std::optional<Assessment> last_;
  std::optional<Error> failure_;
};

}  // namespace mtmc::search
