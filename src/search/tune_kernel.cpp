#include "search/tune_kernel.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/hash.hpp"
#include "device/device.hpp"
#include "emulator/cost_model.hpp"
#include "search/tuning.hpp"
#include "store/tuning.hpp"

namespace mtmc::search {

namespace {

using nlohmann::json;

constexpr std::int64_t kKinTrials = 3;  // of each other device and shape

// What is tuned, whatever shape and device: all of the candidate but its configuration.
std::string kernel_key(const kernel::Candidate& candidate) {
  json form = kernel::to_json(candidate);
  for (const char* key : {"schedule", "written_by", "ranked", "configuration"}) form.erase(key);
  return sha256(form.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string protocol(const harness::JudgeLimits& l, std::uint64_t seed, bool measures) {
  if (measures) return fmt::format("measured/h{}", harness::kHarnessVersion);
  return fmt::format("modelled/v{}/h{}/{} {} {} {} {} {} {}", emulator::kCostModelVersion,
                     harness::kHarnessVersion, seed, l.reference_operations, l.emulated_operations,
                     l.sampled_elements, l.sampled_blocks, l.instruction_budget, l.memory_bytes);
}

struct Known {
  std::string outcome;
  std::optional<double> time_ns;
};

// Answers from the store where it can, and remembers what it had to find out.
class RememberingBench : public tuner::Bench {
 public:
  RememberingBench(CandidateBench& inner, std::map<std::uint64_t, Known> known,
                   std::function<Result<void>(std::uint64_t, const Assessment&)> remember)
      : inner_(inner), known_(std::move(known)), remember_(std::move(remember)) {}

  void prepare(std::uint64_t index) override {
    if (!known_.contains(index)) inner_.prepare(index);
  }
  tuner::Measurement measure(std::uint64_t index) override {
    if (const auto it = known_.find(index); it != known_.end()) {
      ++answered;
      note(it->second.outcome);
      return it->second.time_ns ? tuner::Measurement::success(*it->second.time_ns)
                                : tuner::Measurement::failure();
    }
    const auto measurement = inner_.measure(index);
    if (!inner_.last()) {
      failure = inner_.failure();
      return measurement;
    }
    answered += inner_.last()->from_store;
    note(std::string(harness::name_of(inner_.last()->evaluation.verdict.outcome)));
    if (auto ok = remember_(index, *inner_.last()); !ok) failure = ok.error();
    return measurement;
  }

  std::size_t answered = 0;
  std::map<std::string, std::size_t> failures;
  std::vector<std::string> outcomes;
  std::optional<Error> failure;

 private:
  void note(const std::string& outcome) {
    outcomes.push_back(outcome);
    if (outcome != "correct") ++failures[outcome];
  }

  CandidateBench& inner_;
  const std::map<std::uint64_t, Known> known_;  // read by preparing threads, so it never changes
  std::function<Result<void>(std::uint64_t, const Assessment&)> remember_;
};

std::optional<std::uint64_t> index_of_json(const tuner::Space& space, const std::string& text) {
  const json form = json::parse(text, nullptr, false);
  if (!form.is_object()) return std::nullopt;
  kernel::Configuration configuration;
  for (const auto& [name, value] : form.items())
    if (value.is_number_integer()) configuration[name] = value.get<std::int64_t>();
  return index_of(space, configuration);
}

}  // namespace

Result<TuneProblem> tune_problem(const std::string& source_name, const std::string& source,
                                 const json& form, const std::string& line) {
  if (!form.is_object()) return bad_input("the recipe's file holds no JSON object");
  std::string operator_line = line;
  if (operator_line.empty() && form.contains("operator") && form["operator"].is_string())
    operator_line = form["operator"].get<std::string>();
  if (operator_line.empty())
    return bad_input(
        "nothing says what is right: name the operator that the kernel computes, in the file or "
        "with --operator");
  auto op = op::parse_operator(operator_line);
  if (!op) return tl::unexpected<Error>(op.error());
  auto region = kernel::make_region(*op);
  if (!region) return tl::unexpected<Error>(region.error());

  json whole = form;
  whole.erase("operator");
  whole["sources"] = json::array({{{"name", source_name}, {"text", source}}});
  whole["written_by"] = "user";
  if (!whole.contains("configuration") && whole.contains("tunables") &&
      whole["tunables"].is_array()) {
    whole["configuration"] = json::object();
    for (const auto& t : whole["tunables"])
      if (t.is_object() && t.contains("name") && t["name"].is_string() && t.contains("values") &&
          t["values"].is_array() && !t["values"].empty())
        whole["configuration"][t["name"].get<std::string>()] = t["values"][0];
  }
  auto candidate = kernel::candidate_from_json(whole);
  if (!candidate) return tl::unexpected<Error>(candidate.error());
  if (candidate->tunables.empty())
    return bad_input("there is nothing to tune: the file names no tunables");
  return TuneProblem{std::move(*region), std::move(*candidate)};
}

Result<std::vector<kernel::Configuration>> starts_of(const tuner::Recording& recording,
                                                     const kernel::Candidate& candidate) {
  for (const auto& t : candidate.tunables)
    if (std::none_of(recording.parameters.begin(), recording.parameters.end(),
                     [&](const tuner::Parameter& p) { return p.name == t.name; }))
      return bad_input(fmt::format("recorded for another kernel ('{}'): it has no parameter '{}'",
                                   recording.kernel, t.name));
  std::vector<const tuner::RecordedTrial*> correct;
  for (const auto& t : recording.trials)
    if (t.invalidity == tuner::Invalidity::correct) correct.push_back(&t);
  std::stable_sort(correct.begin(), correct.end(), [&](const auto* a, const auto* b) {
    return recording.higher_is_better ? a->value > b->value : a->value < b->value;
  });
  correct.resize(std::min<std::size_t>(correct.size(), kKinTrials));
  std::vector<kernel::Configuration> starts;
  for (const auto* t : correct) {
    kernel::Configuration start;
    for (const auto& tunable : candidate.tunables)
      for (std::size_t p = 0; p < recording.parameters.size(); ++p) {
        if (recording.parameters[p].name != tunable.name) continue;
        if (!t->configuration[p].is_integer())
          return bad_input(fmt::format("recorded for another kernel ('{}'): '{}' is {}, no integer",
                                       recording.kernel, tunable.name, t->configuration[p].text()));
        start[tunable.name] = t->configuration[p].integer();
      }
    starts.push_back(std::move(start));
  }
  return starts;
}

Result<TuneOutcome> tune_kernel(const TuneProblem& problem, const TuneRequest& request,
                                store::Store& store, const Surroundings& around) {
  auto device = device::find_device(request.device);
  if (!device) return tl::unexpected<Error>(device.error());
  auto space = tuning_space(problem.region.op, device->facts, problem.candidate);
  if (!space) return tl::unexpected<Error>(space.error());

  Settings settings;
  settings.device = device->name;
  settings.seed = request.seed;
  settings.limits = request.limits;
  Assessor assessor(store, settings, around.tool, around.cache_directory,
                    device->facts.architecture);
  if (auto ready = assessor.start(); !ready) return tl::unexpected<Error>(ready.error());

  const std::string kernel = kernel_key(problem.candidate),
                    family = kernel + "/" + problem.region.hash;
  const std::string how = protocol(request.limits, request.seed, settings.measures());
  store::Tuning tuning(store);
  auto trials = tuning.trials(family, device->name, how);
  if (!trials) return tl::unexpected<Error>(trials.error());
  std::map<std::uint64_t, Known> known;
  for (const auto& t : *trials)
    if (const auto index = index_of_json(*space, t.configuration_json))
      // Whether a measured time still stands is the assessor's memory's to say: it knows driver and
      // protocol.
      if (!around.fresh && !settings.measures())
        known[*index] = {t.outcome, t.outcome == "correct" ? t.time.modelled_ns : std::nullopt};
  auto kin = tuning.kin(kernel, family, device->name, kKinTrials);
  if (!kin) return tl::unexpected<Error>(kin.error());

  TuneOutcome outcome{std::move(*space), {}, 0, 0, {}, {}, 0, 0, 0, {}};
  tuner::StrategyOptions options;
  options.seed = request.seed;
  if (request.stop.max_evaluations) options.budget = *request.stop.max_evaluations;
  if (const auto index = index_of(outcome.space, problem.candidate.configuration))
    options.first.push_back(*index);
  for (const auto& ranked : problem.candidate.ranked)
    if (const auto index = index_of(outcome.space, ranked)) options.first.push_back(*index);
  for (const auto& start : request.starts)
    if (const auto index = index_of(outcome.space, start)) {
      options.first.push_back(*index);
      ++outcome.warm;
    }
  for (const auto& t : *kin)
    if (const auto index = index_of_json(outcome.space, t.configuration_json))
      if (std::find(options.first.begin(), options.first.end(), *index) == options.first.end()) {
        options.first.push_back(*index);
        ++outcome.warm;
      }
  auto strategy = tuner::make_strategy(request.strategy, outcome.space, options);
  if (!strategy) return tl::unexpected<Error>(strategy.error());

  CandidateBench inner(assessor, problem.region, problem.candidate, outcome.space, {"", "tune"});
  RememberingBench bench(
      inner, std::move(known), [&](std::uint64_t index, const Assessment& a) -> Result<void> {
        const std::string word(harness::name_of(a.evaluation.verdict.outcome));
        if (word == "timeout" || word == "crash") return {};  // may be another one the next time
        store::TrialRecord record{
            family, device->name, how,           json(named(outcome.space, index)).dump(),
            word,   {},           a.candidate_id};
        if (a.correct())
          (settings.measures() ? record.time.measured_ns : record.time.modelled_ns) = a.time_ns();
        return tuning.put_trial(record);
      });
  tuner::TuneSettings loop;
  loop.stop = request.stop;
  loop.relative_noise = request.relative_noise;
  loop.ahead = 2;
  loop.stop.should_stop = [&] {
    return bench.failure || (request.stop.should_stop && request.stop.should_stop());
  };
  loop.progress = [&](const tuner::TuneResult& so_far) {
    if (request.progress) request.progress(so_far, outcome.space);
  };
  outcome.result = tuner::tune(outcome.space, **strategy, bench, loop);
  if (bench.failure) return tl::unexpected<Error>(*bench.failure);
  outcome.known = bench.answered;
  outcome.failures = std::move(bench.failures);
  outcome.outcomes = std::move(bench.outcomes);
  outcome.compiles = assessor.compiles();
  outcome.evaluations = assessor.evaluations();
  outcome.twins = assessor.twins();
  if (const auto* best = outcome.result.best_trial())
    outcome.candidate_id = kernel::candidate_id(inner.at(best->index));
  return outcome;
}

tuner::Recording recording_of(const TuneOutcome& outcome, const std::string& device,
                              const std::string& kernel) {
  tuner::Recording recording;
  recording.device = device;
  recording.kernel = kernel;
  recording.parameters = outcome.space.parameters();
  for (std::size_t i = 0; i < outcome.result.trials.size(); ++i) {
    const auto& trial = outcome.result.trials[i];
    tuner::RecordedTrial t;
    t.configuration = outcome.space.at(trial.index);
    const std::string& word = outcome.outcomes[i];
    using tuner::Invalidity;
    t.invalidity = trial.measurement.ok                         ? Invalidity::correct
                   : word == "compile_error"                    ? Invalidity::compile
                   : word == "timeout"                          ? Invalidity::timeout
                   : word == "mismatch" || word == "non_finite" ? Invalidity::correctness
                                                                : Invalidity::runtime;
    t.value = trial.measurement.ok ? trial.measurement.value / 1e6 : 0;
    recording.trials.push_back(std::move(t));
  }
  return recording;
}

}  // namespace mtmc::search
