// The cost model against measurement, in two stages: the device's minutes go to measuring alone,
// and modelling, which needs no GPU, comes last (or in a later call, on any machine).
#include <algorithm>

#include "search/gpu_check/agreement.hpp"
#include "search/gpu_check/operators.hpp"
#include "search/gpu_check/stages.hpp"

namespace mtmc::search {

using nlohmann::json;

namespace {

constexpr std::size_t kPerLevel = 3, kConfigurations = 4, kPerOperator = 24;

Result<CheckTask> task_of(const CheckContext& context, const std::string& item) {
  const auto& all = cost_operators();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const CheckOperator& o) { return o.name == item; });
  if (found == all.end()) return internal_error("no operator " + item);
  auto op = op::parse_operator(found->line);
  if (!op) return tl::unexpected<Error>(op.error());
  auto task = check_task(*op, context.bench->facts(), kPerLevel, kConfigurations);
  if (task && task->candidates.size() > kPerOperator) {
    std::vector<kernel::Candidate> chosen;
    for (std::size_t i = 0; i < kPerOperator; ++i)
      chosen.push_back(task->candidates[i * task->candidates.size() / kPerOperator]);
    task->candidates = std::move(chosen);
  }
  return task;
}

std::vector<std::string> operator_names() {
  std::vector<std::string> names;
  for (const auto& o : cost_operators()) names.push_back(o.name);
  return names;
}

// One item's times by candidate, of the device or of the twin.
Result<json> times(CheckContext& context, const std::string& item, Bench::Where where) {
  auto task = task_of(context, item);
  if (!task) return tl::unexpected<Error>(task.error());
  json result = {{"candidates", json::object()}, {"not_correct", json::array()}};
  Look look;
  look.only_stated = true;
  look.reference_operations = 2e7;
  look.timing = harness::TimingProtocol{};
  look.timing->budget_ms = 300;
  context.bench->compile_ahead(task->candidates);
  for (const auto& candidate : task->candidates) {
    auto compiled = context.bench->compile(candidate);
    if (!compiled) return tl::unexpected<Error>(compiled.error());
    const auto* binary = std::get_if<compiler::Binary>(&*compiled);
    if (!binary) continue;
    auto evaluation = context.bench->evaluate(where, task->region, candidate, *binary, look);
    if (!evaluation) return tl::unexpected<Error>(evaluation.error());
    if (auto ok =
            context.bench->remember(where, task->region, candidate, *binary, look, *evaluation);
        !ok)
      return tl::unexpected<Error>(ok.error());
    const auto time =
        where == Bench::Where::device ? evaluation->measured_ns() : evaluation->modelled_ns;
    const std::string id = kernel::candidate_id(candidate);
    if (evaluation->verdict.outcome == harness::Outcome::correct && time && *time > 0)
      result["candidates"][id] = *time;
    else
      result["not_correct"].push_back({{"candidate", id},
                                       {"outcome", harness::name_of(evaluation->verdict.outcome)},
                                       {"message", evaluation->verdict.message}});
  }
  return result;
}

class MeasureStage : public Stage {
 public:
  explicit MeasureStage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "measure"; }
  std::string about() const override {
    return "times of more than 200 candidates, for the cost model";
  }
  double weight() const override { return 5; }
  double minutes() const override { return 5; }
  Result<std::vector<std::string>> items() override {
    if (auto ok = context_.needs_device(); !ok) return tl::unexpected<Error>(ok.error());
    return operator_names();
  }
  Result<json> run(const std::string& item) override {
    return times(context_, item, Bench::Where::device);
  }
  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    std::size_t measured = 0, wrong = 0;
    for (const auto& [item, result] : done) {
      measured += result.value("candidates", json::object()).size();
      wrong += result.value("not_correct", json::array()).size();
    }
    return {{"measured", measured}, {"not_correct", wrong}};
  }

 private:
  CheckContext& context_;
};

class ModelStage : public Stage {
 public:
  explicit ModelStage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "model"; }
  std::string about() const override {
    return "modelled times of the same candidates (no GPU needed), and how the two agree";
  }
  double weight() const override { return 4; }
  double minutes() const override { return 6; }
  // What was measured.
  Result<std::vector<std::string>> items() override {
    std::vector<std::string> all;
    for (const auto& [item, result] : context_.journal->results("measure"))
      if (!result.value("candidates", json::object()).empty()) all.push_back(item);
    return all;
  }
  Result<json> run(const std::string& item) override {
    return times(context_, item, Bench::Where::twin);
  }
  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    std::vector<OperatorPairs> operators;
    for (const auto& [item, modelled] : done) {
      OperatorPairs pairs{item, {}};
      for (const auto& [measured_item, measured] : context_.journal->results("measure")) {
        if (measured_item != item) continue;
        for (const auto& [id, ns] : member(measured, "candidates").items())
          if (const auto& other = modelled.value("candidates", json::object()); other.contains(id))
            pairs.pairs.push_back({id, other[id].get<double>(), ns.get<double>()});
      }
      operators.push_back(std::move(pairs));
    }
    return agreement(operators);
  }

 private:
  CheckContext& context_;
};

}  // namespace

std::unique_ptr<Stage> make_measure_stage(CheckContext& context) {
  return std::make_unique<MeasureStage>(context);
}
std::unique_ptr<Stage> make_model_stage(CheckContext& context) {
  return std::make_unique<ModelStage>(context);
}

}  // namespace mtmc::search
