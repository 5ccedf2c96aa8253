// One item is one operator: its candidates are judged on the device as a run would judge them, all
// cases.
#include <fmt/format.h>

#include "search/gpu_check/operators.hpp"
#include "search/gpu_check/stages.hpp"

namespace mtmc::search {

using nlohmann::json;

namespace {

constexpr std::size_t kPerLevel = 3;

class CorrectnessStage : public Stage {
 public:
  explicit CorrectnessStage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "correctness"; }
  std::string about() const override {
    return "candidates of every family and of the suite's small tasks, judged on the device";
  }
  double weight() const override { return 6; }
  double minutes() const override { return 6; }

  Result<std::vector<std::string>> items() override {
    if (auto ok = context_.needs_device(); !ok) return tl::unexpected<Error>(ok.error());
    std::vector<std::string> all;
    for (const auto& o : correctness_operators()) all.push_back(o.name);
    for (const auto& task : context_.tasks)
      if (missing_operators(task).empty()) all.push_back(task.id);
    return all;
  }

  Result<json> run(const std::string& item) override {
    auto op = operator_of(item);
    if (!op) return tl::unexpected<Error>(op.error());
    auto program = kernel::partition(*op);
    if (!program) return tl::unexpected<Error>(program.error());
    json outcomes = json::object(), wrong = json::array();
    for (const auto& region : program->regions) {
      auto task = check_task(region.op, context_.bench->facts(), kPerLevel, 1);
      if (!task) return tl::unexpected<Error>(task.error());
      context_.bench->compile_ahead(task->candidates);
      for (const auto& candidate : task->candidates) {
        auto judged = judge(task->region, candidate);
        if (!judged) return tl::unexpected<Error>(judged.error());
        const std::string outcome(harness::name_of(judged->outcome));
        outcomes[outcome] = outcomes.value(outcome, 0) + 1;
        if (judged->outcome != harness::Outcome::correct)
          wrong.push_back({{"candidate", kernel::candidate_id(candidate)},
                           {"outcome", outcome},
                           {"message", judged->message}});
      }
    }
    return json{{"operator", op::text(*op)}, {"outcomes", outcomes}, {"not_correct", wrong}};
  }

  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    std::map<std::string, int> outcomes;
    for (const auto& [item, result] : done)
      for (const auto& [outcome, count] : member(result, "outcomes").items())
        outcomes[outcome] += count.get<int>();
    int all = 0;
    for (const auto& [outcome, count] : outcomes) all += count;
    json out = {{"candidates", all}};
    for (const auto& [outcome, count] : outcomes) out[outcome] = count;
    return out;
  }

 private:
  Result<op::Operator> operator_of(const std::string& item) const {
    for (const auto& o : correctness_operators())
      if (o.name == item) return op::parse_operator(o.line);
    for (const auto& task : context_.tasks)
      if (task.id == item) return read_operator(task, Shapes::small);
    return internal_error("no operator " + item);
  }

  Result<harness::Verdict> judge(const kernel::Region& region, const kernel::Candidate& candidate) {
    auto binary = context_.bench->compile(candidate);
    if (!binary) return tl::unexpected<Error>(binary.error());
    if (const auto* why = std::get_if<std::string>(&*binary)) {
      harness::Verdict verdict;
      verdict.outcome = harness::Outcome::compile_error;
      verdict.message = *why;
      return verdict;
    }
    const Look look;
    const auto& code = std::get<compiler::Binary>(*binary);
    auto evaluation = context_.bench->evaluate(Bench::Where::device, region, candidate, code, look);
    if (!evaluation) return tl::unexpected<Error>(evaluation.error());
    if (auto ok = context_.bench->remember(Bench::Where::device, region, candidate, code, look,
                                           *evaluation);
        !ok)
      return tl::unexpected<Error>(ok.error());
    return evaluation->verdict;
  }

  CheckContext& context_;
};

}  // namespace

std::unique_ptr<Stage> make_correctness_stage(CheckContext& context) {
  return std::make_unique<CorrectnessStage>(context);
}

}  // namespace mtmc::search
