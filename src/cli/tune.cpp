// mtmc tune: a kernel with tunables, a T1 problem's space, a strategy on a recorded space, or a
// recording in another format.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "device/device.hpp"
#include "search/tune_kernel.hpp"
#include "search/tuning.hpp"
#include "tuner/simulate.hpp"
#include "tuner/t1.hpp"

namespace mtmc::cli {

namespace {

using nlohmann::json;

struct Options {
  Common common;
  std::string kernel, recipe, line, device, warm, t1, simulate, convert, as, out,
      strategy{tuner::kDefaultStrategy};
  bool count = false, quiet = false, fresh = false;
  std::size_t evaluations = 0, seeds = 1, stalled = 0;  // 0: the mode's default, or no rule
  double seconds = 0, target_ns = 0, worth_runs = 0, noise = 0;
  std::uint64_t seed = 1;
};

std::string dump(const json& form) {
  return form.dump(2, ' ', false, json::error_handler_t::replace);
}

json whole_or_real(double v) { return v < 1.8e19 ? json(static_cast<std::uint64_t>(v)) : json(v); }

void tell_notes(const std::vector<std::string>& notes, bool quiet) {
  for (const auto& note : notes)
    if (!quiet) fmt::print(stderr, "mtmc: note: {}\n", note);
}

Result<int> list_strategies(const Options& options) {
  if (options.common.json) {
    json names = json::array();
    for (const auto& s : tuner::strategies())
      names.push_back({{"name", s.name}, {"summary", s.summary}});
    fmt::print("{}\n", dump({{"strategies", names}, {"default", tuner::kDefaultStrategy}}));
  } else {
    for (const auto& s : tuner::strategies()) fmt::print("{:<12} {}\n", s.name, s.summary);
  }
  return 0;
}

Result<int> count(const Options& options) {
  std::vector<std::string> notes;
  auto text = tuner::read_text(options.t1, &notes);
  if (!text) return tl::unexpected<Error>(text.error());
  const json form = json::parse(*text, nullptr, false);
  if (form.is_discarded()) return bad_input(fmt::format("{} is not JSON", options.t1));
  const auto begin = std::chrono::steady_clock::now();
  auto problem = tuner::t1_from_json(form);
  if (!problem) return tl::unexpected<Error>(problem.error().with(options.t1));
  auto space = tuner::Space::build(std::move(problem->parameters), problem->constraints);
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  if (!space) return tl::unexpected<Error>(space.error().with(options.t1));
  tell_notes(notes, options.quiet);
  tell_notes(space->notes(), options.quiet);
  const json out{{"cartesian", whole_or_real(space->cartesian())},
                 {"valid", space->size()},
                 {"construct_ms", ms}};
  if (options.common.json)
    fmt::print("{}\n", dump(out));
  else
    fmt::print("cartesian  {}\nvalid      {}\nconstruct  {:.3f} ms\n", out["cartesian"].dump(),
               space->size(), ms);
  return 0;
}

Result<int> simulate(const Options& options) {
  auto recording = tuner::read_recording(options.simulate);
  if (!recording) return tl::unexpected<Error>(recording.error());
  tell_notes(recording->notes, options.quiet);
  auto space = tuner::recorded_space(*recording);
  if (!space) return tl::unexpected<Error>(space.error().with(options.simulate));
  const std::size_t evaluations = options.evaluations ? options.evaluations : 100;
  auto result = tuner::simulate(*space, options.strategy, evaluations, options.seeds);
  if (!result) return tl::unexpected<Error>(result.error());
  if (options.common.json) {
    fmt::print("{}\n",
               dump({{"strategy", options.strategy},
                     {"evaluations", evaluations},
                     {"seeds", options.seeds},
                     {"fraction_of_optimum", {{"mean", result->mean}, {"ci95", result->ci95}}},
                     {"us_per_evaluation", result->us_per_evaluation},
                     {"configurations", space->space.size()},
                     {"recorded_s", result->recorded_ms / 1000}}));
  } else {
    fmt::print(
        "{} on {} ({} configurations): {:.4f} +- {:.4f} of the optimum after {} evaluations, {} "
        "seeds, {:.1f} us each\n",
        options.strategy, options.simulate, space->space.size(), result->mean, result->ci95,
        evaluations, options.seeds, result->us_per_evaluation);
  }
  return 0;
}

Result<std::string> in_format(const tuner::Recording& recording, const std::string& as) {
  if (as == "t4") return tuner::t4_results(recording);
  if (as == "wisdom") return tuner::wisdom(recording);
  return tuner::kernel_tuner_cache(recording);
}

Result<int> convert(const Options& options) {
  auto recording = tuner::read_recording(options.convert);
  if (!recording) return tl::unexpected<Error>(recording.error());
  tell_notes(recording->notes, options.quiet);
  auto text = in_format(*recording, options.as);
  if (!text) return tl::unexpected<Error>(text.error().with(options.convert));
  if (options.out.empty()) {
    fmt::print("{}", *text);
    return 0;
  }
  if (auto ok = tuner::write_text(options.out, *text); !ok)
    return tl::unexpected<Error>(ok.error());
  return 0;
}

// Best, tried, invalid, time left. One line that renews itself on a terminal; elsewhere a line for
// each new best.
class StatusLine {
 public:
  StatusLine(const Options& options, const char* world)
      : options_(options), world_(world), terminal_(isatty(STDERR_FILENO)) {}
  ~StatusLine() {
    if (shown_) fmt::print(stderr, "\n");
  }
  void show(const tuner::TuneResult& r, const tuner::Space& space) {
    const auto* best = r.best_trial();
    const bool news = best && (!last_best_ || *r.best != *last_best_);
    if (r.best) last_best_ = r.best;
    if (options_.quiet || (!terminal_ && !news)) return;
    std::string line = fmt::format("tune {}", r.trials.size());
    if (options_.evaluations) line += fmt::format("/{}", options_.evaluations);
    line += fmt::format(" tried, {} invalid", r.failures);
    if (best)
      line += fmt::format(", best {:.2f} us ({}) {}", best->measurement.value / 1000, world_,
                          space.text(space.at(best->index)));
    double left = options_.seconds > 0 ? options_.seconds - r.seconds : -1;
    if (options_.evaluations) {
      const double by_count = r.seconds / static_cast<double>(r.trials.size()) *
                              static_cast<double>(options_.evaluations - r.trials.size());
      left = left < 0 ? by_count : std::min(left, by_count);
    }
    if (left >= 0) line += fmt::format(", {:.0f} s left", left);
    if (terminal_)
      fmt::print(stderr, "\r\033[K{}", line);
    else
      fmt::print(stderr, "mtmc: {}\n", line);
    std::fflush(stderr);
    shown_ = terminal_;
  }

 private:
  const Options& options_;
  const char* world_;  // modelled or measured
  bool terminal_, shown_ = false;
  std::optional<std::size_t> last_best_;
};

Result<int> tune(Options options) {
  std::vector<std::string> notes;
  auto source = tuner::read_text(options.kernel, &notes);
  if (!source) return tl::unexpected<Error>(source.error());
  const std::filesystem::path path(options.kernel);
  const std::string recipe = options.recipe.empty()
                                 ? std::filesystem::path(path).replace_extension(".json").string()
                                 : options.recipe;
  auto text = tuner::read_text(recipe, &notes);
  if (!text)
    return tl::unexpected<Error>(
        text.error().with("the kernel's recipe (--recipe names another file)"));
  const json form = json::parse(*text, nullptr, false);
  if (form.is_discarded()) return bad_input(fmt::format("{} is not JSON", recipe));
  auto problem = search::tune_problem(path.filename().string(), *source, form, options.line);
  if (!problem) return tl::unexpected<Error>(problem.error().with(recipe));
  auto device = device::find_device(options.device);
  if (!device) return tl::unexpected<Error>(device.error());

  if (!options.evaluations && options.seconds <= 0 && !options.stalled && options.worth_runs <= 0 &&
      options.target_ns <= 0)
    options.evaluations = 100;
  search::TuneRequest request;
  request.device = device->name;
  request.strategy = options.strategy;
  if (!options.warm.empty()) {
    auto recording = tuner::read_recording(options.warm);
    if (!recording) return tl::unexpected<Error>(recording.error());
    auto starts = search::starts_of(*recording, problem->candidate);
    if (!starts) return tl::unexpected<Error>(starts.error().with(options.warm));
    request.starts = std::move(*starts);
    tell_notes(recording->notes, options.quiet);
    if (!recording->device.empty() && recording->device != device->name)
      tell_notes(
          {fmt::format("{} was recorded on {}; its best configurations are where the search starts",
                       options.warm, recording->device)},
          options.quiet);
  }
  request.seed = options.seed;
  request.relative_noise = options.noise;
  if (options.evaluations) request.stop.max_evaluations = options.evaluations;
  if (options.seconds > 0) request.stop.max_seconds = options.seconds;
  if (options.stalled) request.stop.max_stalled = options.stalled;
  if (options.target_ns > 0) request.stop.target_value = options.target_ns;
  if (options.worth_runs > 0) request.stop.worth_runs = options.worth_runs;
  auto store = open_store(options.common, store::OpenMode::create);
  if (!store) return tl::unexpected<Error>(store.error());
  search::Surroundings around;
  around.tool = tool_path();
  around.cache_directory = cache_directory();
  around.tool_version = kToolVersion;
  around.fresh = options.fresh;
  const char* const world = device->facts.emulated ? "modelled" : "measured";
  Result<search::TuneOutcome> outcome = internal_error("not tuned");
  {
    StatusLine status(options, world);
    request.progress = [&](const tuner::TuneResult& r, const tuner::Space& space) {
      status.show(r, space);
    };
    outcome = search::tune_kernel(*problem, request, *store, around);
  }
  if (!outcome) return tl::unexpected<Error>(outcome.error());
  tell_notes(outcome->space.notes(), options.quiet);
  if (!options.out.empty()) {
    auto written =
        in_format(search::recording_of(*outcome, device->name, path.stem().string()), options.as);
    if (!written && outcome->result.best) return tl::unexpected<Error>(written.error());
    if (written)
      if (auto ok = tuner::write_text(options.out, *written); !ok)
        return tl::unexpected<Error>(ok.error());
  }
  const auto& r = outcome->result;
  const auto* best = r.best_trial();
  if (options.common.json) {
    json out{{"kernel", options.kernel},
             {"device", device->name},
             {"operator", problem->region.text},
             {"strategy", options.strategy},
             {"space",
              {{"cartesian", whole_or_real(outcome->space.cartesian())},
               {"valid", outcome->space.size()}}},
             {"tried", r.trials.size()},
             {"known", outcome->known},
             {"warm_starts", outcome->warm},
             {"invalid", r.failures},
             {"failures", outcome->failures},
             {"stop", tuner::to_string(r.reason)},
             {"seconds", r.seconds},
             {"compiles", outcome->compiles},
             {"evaluations", outcome->evaluations},
             {"twins", outcome->twins},
             {"best", nullptr}};
    if (best) {
      json configuration;
      for (const auto& [name, value] : search::named(outcome->space, best->index))
        configuration[name] = value;
      out["best"] = {{"configuration", configuration},
                     {fmt::format("{}_ns", world), best->measurement.value},
                     {"candidate", outcome->candidate_id}};
    }
    fmt::print("{}\n", dump(out));
  } else {
    fmt::print(
        "kernel     {}\ndevice     {}\nspace      {} valid of {}\ntried      {}, {} invalid, {} "
        "known before; stopped: {}\n",
        options.kernel, device->name, outcome->space.size(),
        whole_or_real(outcome->space.cartesian()).dump(), r.trials.size(), r.failures,
        outcome->known, tuner::to_string(r.reason));
    for (const auto& [word, times] : outcome->failures)
      fmt::print("           {:<16} {}\n", word, times);
    fmt::print("work       {} compiles, {} evaluations, {} taken from a twin\n", outcome->compiles,
               outcome->evaluations, outcome->twins);
    if (best)
      fmt::print("best       {}\n{:<10} {:.3g} us\ncandidate  {}\n",
                 outcome->space.text(outcome->space.at(best->index)), world,
                 best->measurement.value / 1000, outcome->candidate_id);
    else
      fmt::print("best       none is correct\n");
  }
  return best ? 0 : 1;
}

Result<int> choose(const Options& options) {
  if (options.strategy == "list") return list_strategies(options);
  const int modes = !options.kernel.empty() + !options.t1.empty() + !options.simulate.empty() +
                    !options.convert.empty();
  if (modes != 1)
    return bad_input(
        "name one of: a .cu to tune, --t1 FILE, --simulate FILE, --convert FILE (mtmc tune "
        "--help)");
  // A wrong name is told before anything is read.
  bool known = false;
  std::string names;
  for (const auto& s : tuner::strategies()) {
    known |= s.name == options.strategy;
    names += (names.empty() ? "" : ", ") + std::string(s.name);
  }
  if (!known)
    return bad_input(
        fmt::format("no tuning strategy '{}'; there are: {}", options.strategy, names));
  if (!options.t1.empty()) {
    if (!options.count)
      return bad_input(
          "a T1 problem does not say what is right: --count builds its space; to tune its kernel, "
          "name the .cu with a recipe and an operator");
    return count(options);
  }
  if (!options.simulate.empty()) return simulate(options);
  if (!options.convert.empty()) return convert(options);
  return tune(options);
}

}  // namespace

void add_tune(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tune",
                                         "find the fastest correct configuration of a kernel; "
                                         "count, replay and convert tuning spaces");
  command->add_option("kernel", options->kernel,
                      "a .cu whose recipe and tunables lie beside it as .json");
  command->add_option("--recipe", options->recipe,
                      "file with operator, recipe and tunables (docs/tuning.md)");
  command->add_option("--operator", options->line,
                      "what the kernel computes, where the file does not say");
  command->add_option("--device", options->device, "device to tune for (mtmc devices lists them)");
  command->add_option("--warm", options->warm,
                      "recorded trials (cache or T4) of this kernel, also of another device: the "
                      "best are tried first");
  command->add_option("--t1", options->t1, "a T1 problem");
  command->add_flag("--count", options->count, "build the T1 problem's space and count it");
  command->add_option(
      "--simulate", options->simulate,
      "replay a strategy on a recorded space (kernel_tuner cache or T4, .gz or not)");
  command->add_option("--convert", options->convert,
                      "write a recorded space in the format of --as");
  command->add_option("--as", options->as, "cache, t4 or wisdom")
      ->check(CLI::IsMember({"cache", "t4", "wisdom"}))
      ->default_val("cache");
  command->add_option("--out", options->out,
                      "file for the trials or the converted recording; .gz is gzipped");
  command->add_option("--strategy", options->strategy, "search strategy; list names them")
      ->capture_default_str();
  command
      ->add_option("--evaluations", options->evaluations,
                   "stop after so many (default 100 where no other rule is given)")
      ->check(CLI::Range(1, 100000000));
  command->add_option("--seconds", options->seconds, "stop after so long")
      ->check(CLI::PositiveNumber);
  command->add_option("--target-ns", options->target_ns, "stop at a time this low")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--stalled", options->stalled, "stop after so many in a row without improvement")
      ->check(CLI::Range(1, 100000000));
  command
      ->add_option("--worth-runs", options->worth_runs,
                   "stop when an evaluation costs more than it can be expected to save over so "
                   "many runs of the kernel")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--noise", options->noise,
                   "relative noise of times: the earliest within it wins")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--seed", options->seed, "seed of inputs and search")->capture_default_str();
  command->add_option("--seeds", options->seeds, "with --simulate: how many seeds")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--db", options->common.db, "database file");
  command->add_flag("--fresh", options->fresh, "try again what the database knows");
  command->add_flag("--json", options->common.json, "print one JSON object on stdout");
  command->add_flag("--quiet", options->quiet, "no progress and no notes on stderr");
  command->callback([&chosen, options] { chosen = [options] { return choose(*options); }; });
}

}  // namespace mtmc::cli
