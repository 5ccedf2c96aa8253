// The store's sweep items say what is done; a task that was under way counts as not done, and its
// run continues by its own identity. Times of tasks that were done before come from their runs.
#include "search/sweep.hpp"

#include <map>

#include "store/runs.hpp"

namespace mtmc::search {

namespace {

Result<TaskResult> known_result(const store::SweepItem& item, store::Store& store) {
  TaskResult result;
  result.outcome = item.outcome;
  result.message = item.message;
  result.run_id = item.run_id;
  if (item.run_id.empty()) return result;
  auto run = store::Runs(store).find(item.run_id);
  if (!run) return tl::unexpected<Error>(run.error());
  if (!*run || !(*run)->result) return result;
  const store::RunResult& found = *(*run)->result;
  result.verified = found.verified;
  result.start = found.start;
  result.best = found.best;
  result.bound_ns = found.bound_ns;
  return result;
}

TaskResult refusal(std::string outcome, std::string message) {
  TaskResult result;
  result.outcome = std::move(outcome);
  result.message = std::move(message);
  return result;
}

TaskResult result_of(const RunReport& report) {
  TaskResult result;
  result.outcome = std::string(harness::name_of(report.verdict.outcome));
  result.verified = std::string(harness::name_of(report.verdict.verified));
  if (!result.correct())
    result.message = report.message.empty() ? report.verdict.message : report.message;
  result.run_id = report.run_id;
  result.start = report.start;
  result.best = report.best;
  result.bound_ns = report.bound_ns;
  return result;
}

}  // namespace

std::optional<double> TaskResult::gain() const {
  const auto of = [](const std::optional<double>& from, const std::optional<double>& to) {
    return from && to && *to > 0 ? std::optional<double>(*from / *to) : std::nullopt;
  };
  if (!correct()) return std::nullopt;
  const auto measured = of(start.measured_ns, best.measured_ns);
  return measured ? measured : of(start.modelled_ns, best.modelled_ns);
}

std::optional<double> TaskResult::over_bound() const {
  const auto best_ns = best.measured_ns ? best.measured_ns : best.modelled_ns;
  if (!correct() || !best_ns || !(bound_ns > 0)) return std::nullopt;
  return *best_ns / bound_ns;
}

Result<SweepReport> sweep(const std::vector<Task>& tasks, const store::SweepIdentity& identity,
                          bool fresh, store::Store& store, const RunTask& run_task,
                          SweepWatcher& watcher) {
  store::Sweeps sweeps(store);
  std::vector<std::string> ids;
  for (const auto& task : tasks) ids.push_back(task.id);
  auto begun = sweeps.begin(identity, ids, fresh);
  if (!begun) return tl::unexpected<Error>(begun.error());
  std::map<std::string, store::SweepItem> items;
  for (auto& item : begun->items) items.emplace(item.task_id, item);

  SweepReport report{begun->sweep.id, begun->resumed, {}};
  for (const auto& task : tasks) {
    store::SweepItem& item = items.at(task.id);
    TaskRow row{task.id, task.name, {}, item.state == store::ItemState::done};
    const auto fail = [&](const Error& e) {
      return tl::unexpected<Error>(e.with("task " + task.id));
    };
    if (row.known) {
      auto result = known_result(item, store);
      if (!result) return fail(result.error());
      row.result = std::move(*result);
    } else {
      watcher.begins(report.rows.size(), tasks.size(), task);
      item = {task.id, store::ItemState::running, "", "", ""};
      if (auto ok = sweeps.set(report.sweep_id, item); !ok) return fail(ok.error());
      auto result = run_task(task);
      if (!result && result.error().code == ErrorCode::unavailable) return fail(result.error());
      row.result = result ? std::move(*result) : refusal("failed", result.error().message);
      item = {task.id, store::ItemState::done, row.result.run_id, row.result.outcome,
              row.result.message};
      if (auto ok = sweeps.set(report.sweep_id, item); !ok) return fail(ok.error());
    }
    watcher.ends(row);
    report.rows.push_back(std::move(row));
  }
  // An earlier start may have had more tasks than this one; the sweep is finished when all are
  // done.
  for (const auto& [id, item] : items)
    if (item.state != store::ItemState::done) return report;
  if (auto ok = sweeps.finish(report.sweep_id); !ok) return tl::unexpected<Error>(ok.error());
  return report;
}

RunTask run_with(const Settings& settings, Shapes shapes, store::Store& store,
                 const Surroundings& around) {
  return [settings, shapes, &store, around](const Task& task) -> Result<TaskResult> {
    if (around.sweep)
      if (const auto why = around.sweep->exhausted()) return unavailable("the sweep's " + *why);
    auto op = read_operator(task, shapes);
    if (!op) return refusal("unsupported", op.error().message);
    auto report = run_operator(*op, settings, store, around);
    if (!report) return tl::unexpected<Error>(report.error());
    return result_of(*report);
  };
}

}  // namespace mtmc::search
