// A sweep: one run after another over the tasks of a suite. What is done stays done: a sweep that
// was killed at any instant goes on where it was, and the run that was under way resumes by itself.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "search/run.hpp"
#include "search/suite.hpp"
#include "store/sweeps.hpp"

namespace mtmc::search {

// What is known of a task after its run.
struct TaskResult {
  // A verdict's word; "unsupported" too where the task cannot be expressed, "failed" where the tool
  // went wrong.
  std::string outcome;
  std::string verified;  // "full", "sampled", "reduced"; empty without a run
  std::string message;   // one line; why it is not correct
  std::string run_id;    // empty: no run was started
  store::Times start, best;  // modelled or measured, as the device is
  double bound_ns = 0;  // 0: not known

  bool correct() const { return outcome == "correct"; }
  std::optional<double> gain() const;        // over the naive start, in one world; where correct
  std::optional<double> over_bound() const;  // best / bound; where correct
};

struct TaskRow {
  std::string id, name;
  TaskResult result;
  bool known = false;  // an earlier start had done it
};

struct SweepReport {
  std::string sweep_id;
  bool resumed = false;
  std::vector<TaskRow> rows;  // as the tasks came
};

// Where a sweep says how far it is; all calls come from the sweeping thread.
struct SweepWatcher {
  virtual ~SweepWatcher() = default;
  virtual void begins(std::size_t, std::size_t, const Task&) {
  }  // how many rows are done, how many there will be
  virtual void ends(const TaskRow&) {}
};

// Runs one task. Errors: unavailable ends the sweep, everything else is the task's own failure.
using RunTask = std::function<Result<TaskResult>(const Task&)>;

// Runs the tasks that no earlier start of the same identity has done. Errors: unavailable, with the
// task at which the sweep stands; what is done is kept.
Result<SweepReport> sweep(const std::vector<Task>& tasks, const store::SweepIdentity& identity,
                          bool fresh, store::Store& store, const RunTask& run_task,
                          SweepWatcher& watcher);

// A RunTask that runs the operator at `shapes`: a task that is no operator here is "unsupported",
// with the reason.
RunTask run_with(const Settings& settings, Shapes shapes, store::Store& store,
                 const Surroundings& around);

}  // namespace mtmc::search
