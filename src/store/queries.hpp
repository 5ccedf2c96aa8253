// Questions that people ask: what was run, what is best, and all about one id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

// Empty texts match everything. All comparisons ignore case.
struct Filter {
  // A row of the operator table that the operator uses ("softmax"), whole word; anything that is not
  // one word ("softmax(x, 1)") matches a part of the operator's line.
  std::string op = {};
  std::string device = {};  // a part of the device's name
  // "correct", ..., or the state of a run without a verdict: "running", "failed". Not used by best.
  std::string verdict = {};
  std::int64_t limit = 20;  // rows, at least 1
};

struct RunRow {
  RunRecord run;
  std::string operator_line;
};

// The best correct run of each operator on each device, by one of the two kinds of time. Runs
// whose candidates were refuted later (a newer verdict says otherwise) are left out, and so are
// modelled times of an older cost model where there are newer ones.
struct BestRows {
  std::vector<RunRow> modelled;
  std::vector<RunRow> measured;
};

enum class IdKind { run, candidate, sweep };
struct FoundId {
  IdKind kind = IdKind::run;
  std::string id;
};

struct RunView {
  RunRecord run;
  OperatorRecord op;
  std::vector<RegionRecord> regions;  // of the result, then others that the tree names
  std::vector<NodeRecord> nodes;      // in the order of trying
};
struct CandidateView {
  CandidateRecord candidate;
  RegionRecord region;
  std::vector<CandidateRecord> lineage;  // from the beginning to the candidate itself
  std::vector<VerdictRecord> verdicts;   // newest first, as are the times
  std::vector<ModelledTime> modelled;
  std::vector<MeasuredTime> measured;
};
struct SweepRow {
  SweepItem item;
  std::optional<RunRow> run;
};
struct SweepView {
  SweepRecord sweep;
  std::vector<SweepRow> rows;
};

class Queries {
 public:
  explicit Queries(Store& store) : connection_(&store.connection()) {}

  Result<std::vector<RunRow>> list(const Filter& filter);  // newest first
  Result<BestRows> best(const Filter& filter);             // by operator's line and device

  // The run, candidate or sweep whose id begins with `prefix`: at least 6 hexadecimal digits.
  // bad_input: too short, not hexadecimal, nothing found, or several (the message lists them).
  Result<FoundId> find(const std::string& prefix);

  // Everything about one id, read at one instant. bad_input: there is no such id.
  Result<RunView> run(const std::string& id);
  Result<CandidateView> candidate(const std::string& id);
  Result<SweepView> sweep(const std::string& id);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
