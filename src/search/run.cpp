#include "search/run.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/hash.hpp"
#include "coder/llm_coder.hpp"
#include "emulator/cost_model.hpp"
#include "kernel/bound.hpp"
#include "planner/llm_planner.hpp"
#include "search/stored_endpoint.hpp"
#include "store/candidates.hpp"
#include "store/runs.hpp"
#include "store/tree.hpp"

namespace mtmc::search {

namespace {

struct Minds {  // who plans and who codes
  std::unique_ptr<Conversation> conversation;
  std::unique_ptr<StoredEndpoint> planner_endpoint, coder_endpoint;
  std::unique_ptr<coder::Coder> templates, model_coder;
  std::unique_ptr<planner::Planner> planner;
  coder::Coder& coder() { return model_coder ? *model_coder : *templates; }
};

Result<Minds> make_minds(const Settings& settings, store::Store& store, const Surroundings& around, const std::string& run_id, Meter& meter) {
  static const llm::PriceTable no_prices;
  Minds minds;
  minds.templates = coder::make_template_coder();
  minds.planner = settings.planner == "random"     ? planner::make_random_planner(settings.seed)
                  : settings.planner == "one-shot" ? planner::make_one_shot_planner()
                                                   : planner::make_policy_planner();
  if (settings.planner != "llm" && settings.coder != "llm") return minds;
  auto conversation = Conversation::open(store, run_id, !around.fresh, around.prices ? *around.prices : no_prices, meter);
  if (!conversation) return tl::unexpected<Error>(conversation.error());
  minds.conversation = std::make_unique<Conversation>(std::move(*conversation));
  if (settings.planner == "llm") {
    if (!around.planner_endpoint) return unavailable("no endpoint for the planner's language model");
    minds.planner_endpoint = std::make_unique<StoredEndpoint>(*minds.conversation, *around.planner_endpoint);
    planner::LlmPlannerSettings s;
    s.model = settings.planner_model;
    s.temperature = settings.planner_temperature;
    s.seed = static_cast<std::int64_t>(settings.seed);
    minds.planner = std::make_unique<planner::LlmPlanner>(*minds.planner_endpoint, s);
  }
  if (settings.coder == "llm") {
    if (!around.coder_endpoint) return unavailable("no endpoint for the coder's language model");
    minds.coder_endpoint = std::make_unique<StoredEndpoint>(*minds.conversation, *around.coder_endpoint);
    coder::LlmCoderSettings s;
    s.model = settings.coder_model;
    s.temperature = settings.coder_temperature;
    s.seed = static_cast<std::int64_t>(settings.seed);
    minds.model_coder = std::make_unique<coder::LlmCoder>(*minds.coder_endpoint, *minds.templates, s);
  }
  return minds;
}

store::Times times_of(const harness::Evaluation& evaluation) { return {evaluation.modelled_ns, evaluation.measured_ns()}; }

class Run {
 public:
  Run(const op::Operator& op, const Settings& settings, store::Store& store, const Surroundings& around)
      : op_(op), settings_(settings), store_(store), around_(around) {}

  Result<RunReport> go() {
    auto device = device::find_device(settings_.device);
    if (!device) return tl::unexpected<Error>(device.error());
    device_ = std::move(*device);
    auto bound = kernel::bound_ns(op_, device_.facts);
    if (!bound) return tl::unexpected<Error>(bound.error());
    report_.operator_line = op::text(op_);
    report_.device = device_.name;
    report_.bound_ns = *bound;

    store::Runs runs(store_);
    auto begun = runs.begin(operator_record(), identity(), around_.fresh);
    if (!begun) return tl::unexpected<Error>(begun.error());
    report_.run_id = begun->run.id;
    report_.resumed = begun->resumed;
    started_at_ms_ = begun->run.started_at_ms;
    if (around_.began) around_.began(report_.run_id);
    if (begun->resumed && begun->run.state == store::RunState::finished && begun->run.result) {
      recall(*begun->run.result);
      return report_;
    }
    if (auto ok = search(); !ok) {
      // What the run found is in the store; the failure is noted if the store still can.
      if (ok.error().code != ErrorCode::bad_input) (void)runs.fail(report_.run_id, ok.error().message);
      return tl::unexpected<Error>(ok.error());
    }
    if (auto ok = runs.finish(report_.run_id, result_record()); !ok) return tl::unexpected<Error>(ok.error());
    return report_;
  }

 private:
  store::OperatorRecord operator_record() const {
    store::OperatorRecord record{sha256(report_.operator_line), report_.operator_line, op::to_json(op_).dump(), {}};
    for (const auto& node : op_.nodes)
      if (std::find(record.names.begin(), record.names.end(), node.op) == record.names.end()) record.names.push_back(node.op);
    return record;
  }
  store::RunIdentity identity() const {
    return {sha256(report_.operator_line), device_.name, to_json(settings_).dump(), settings_.seed, around_.tool_version};
  }
  void say(const std::string& line) const {
    if (around_.progress) around_.progress(line);
  }

  void recall(const store::RunResult& result) {
    report_.verdict.outcome = harness::outcome_named(result.verdict).value_or(harness::Outcome::crash);
    report_.verdict.verified = harness::verified_named(result.verified);
    report_.message = result.message;
    report_.candidate_id = result.candidate_id;
    report_.bound_ns = result.bound_ns;
    report_.start = result.start;
    report_.best = result.best;
  }

  Result<void> search() {
    auto program = kernel::partition(op_);
    if (!program) return tl::unexpected<Error>(program.error());
    parts_ = program->parts.size();
    Meter meter(settings_.caps, around_.sweep);
    auto minds = make_minds(settings_, store_, around_, report_.run_id, meter);
    if (!minds) return tl::unexpected<Error>(minds.error());
    auto priors = priors_told();
    if (!priors) return tl::unexpected<Error>(priors.error());
    Assessor assessor(store_, settings_, around_.tool, around_.cache_directory, device_.facts.architecture);
    SearchTools tools{*minds->planner, minds->coder(), assessor, store_, report_.run_id, around_.progress, &meter, &*priors};
    const auto count = [&] {
      report_.compiles = assessor.compiles();
      report_.llm_calls = minds->conversation ? minds->conversation->calls() : 0;
      meter.set_times(assessor.compile_s(), assessor.device_s());
      report_.spent = meter.spent();
    };

    auto ceilings = assessor.ceilings();
    if (!ceilings) return tl::unexpected<Error>(ceilings.error());
    if (*ceilings)
      say(fmt::format("device     copies {:.0f} GB/s, fp32 {:.1f}, tf32 {:.1f}, bf16 {:.1f} TFLOP/s (measured once)", (*ceilings)->copy_bytes_per_s / 1e9,
                      (*ceilings)->fp32_flops / 1e12, (*ceilings)->tf32_flops / 1e12, (*ceilings)->bf16_flops / 1e12));
    std::vector<std::unique_ptr<RegionSearch>> searches;
    std::vector<RegionResult> results;
    for (std::size_t r = 0; r < program->regions.size(); ++r) {
      uses_.push_back(std::count_if(program->parts.begin(), program->parts.end(), [&](const kernel::Part& p) { return p.region == static_cast<int>(r); }));
      if (program->regions.size() > 1)
        say(fmt::format("region {} of {}, used {} time(s): {}", r + 1, program->regions.size(), uses_.back(), program->regions[r].text));
      auto made = RegionSearch::make(program->regions[r], device_.facts, settings_, tools);
      if (!made) return tl::unexpected<Error>(made.error());
      searches.push_back(std::move(*made));
      auto begun = searches.back()->begin();
      count();
      if (!begun) return begun;
      if (!searches.back()->begun()) break;
    }
    // Where the bound says that most is left, times how often the region runs, the next step is taken.
    for (;;) {
      std::size_t most = searches.size();
      double headroom = -1;
      if (!searches.back()->begun()) break;
      for (std::size_t r = 0; r < searches.size(); ++r) {
        const double here = static_cast<double>(uses_[r]) * searches[r]->headroom_ns();
        if (here > headroom && searches[r]->open()) most = r, headroom = here;
      }
      if (most == searches.size()) break;
      auto advanced = searches[most]->advance();
      count();
      if (!advanced) return advanced;
    }
    // A beginning that is wrong comes last, and ends it.
    for (std::size_t i = 0; i < searches.size(); ++i) {
      const std::size_t r = searches.back()->begun() ? i : searches.size() - 1 - i;
      auto result = searches[r]->finish();
      count();
      if (!result) return tl::unexpected<Error>(result.error());
      regions_.push_back({program->regions[r].hash, uses_[r], result->best ? result->chosen.candidate_id : ""});
      results.push_back(std::move(*result));
      if (!results.back().best) {
        report_.verdict = results.back().start.evaluation.verdict;
        report_.message = results.back().message;
        return {};
      }
    }
    sum_up(results);
    if (program->parts.size() == 1) {
      report_.verdict = results.front().chosen.evaluation.verdict;
      report_.best = times_of(results.front().chosen.evaluation);
      report_.message = report_.verdict.message;
      return {};
    }
    std::vector<kernel::Candidate> per_part;
    for (const auto& part : program->parts) per_part.push_back(*results[part.region].best);
    auto whole = assessor.assess_program(*program, per_part);
    count();
    if (!whole) return tl::unexpected<Error>(whole.error());
    report_.verdict = whole->evaluation.verdict;
    report_.best = times_of(whole->evaluation);
    report_.message = whole->evaluation.verdict.message;
    say(fmt::format("whole program of {} parts: {}", program->parts.size(), harness::name_of(report_.verdict.outcome)));
    return {};
  }

  Result<std::vector<store::PriorRow>> priors_told() {
    if (settings_.planner != "llm") return std::vector<store::PriorRow>{};
    if (around_.priors) return *around_.priors;
    return store::Tree(store_).priors(device_.facts.architecture, std::string(op::name_of(op_.values.front().dtype)), started_at_ms_);
  }

  void sum_up(const std::vector<RegionResult>& results) {
    double start = 0, costliest = -1;
    for (std::size_t r = 0; r < results.size(); ++r) {
      start += static_cast<double>(uses_[r]) * results[r].start.time_ns();
      const double cost = static_cast<double>(uses_[r]) * results[r].chosen.time_ns();
      if (cost > costliest) report_.candidate_id = results[r].chosen.candidate_id;
      costliest = std::max(costliest, cost);
    }
    (settings_.measures() ? report_.start.measured_ns : report_.start.modelled_ns) = start;
  }

  store::RunResult result_record() const {
    store::RunResult r;
    r.verdict = std::string(harness::name_of(report_.verdict.outcome));
    r.verified = std::string(harness::name_of(report_.verdict.verified));
    r.candidate_id = report_.candidate_id;
    r.bound_ns = report_.bound_ns;
    r.cost_model_version = settings_.measures() ? 0 : emulator::kCostModelVersion;
    r.start = report_.start;
    r.best = report_.best;
    r.compiles = static_cast<std::int64_t>(report_.compiles);
    r.llm_calls = static_cast<std::int64_t>(report_.llm_calls);
    r.message = report_.message;
    const auto& v = report_.verdict;
    r.details_json = nlohmann::json{{"cases", v.cases}, {"only_stated_case", v.only_stated}, {"compared", v.compared}, {"parts", parts_}, {"spent", to_json(report_.spent)}}.dump();
    r.regions = regions_;
    return r;
  }

  const op::Operator& op_;
  const Settings& settings_;
  store::Store& store_;
  const Surroundings& around_;
  device::Available device_;
  RunReport report_;
  std::int64_t started_at_ms_ = 0;
  std::size_t parts_ = 0;           // of the program
  std::vector<std::int64_t> uses_;  // of each region
  std::vector<store::RunRegion> regions_;
};

}  // namespace

Result<RunReport> run_operator(const op::Operator& op, const Settings& settings, store::Store& store, const Surroundings& around) {
  return Run(op, settings, store, around).go();
}

}  // namespace mtmc::search
