// mtmc kernelbench: the suite's tasks, and a run of each.
#include <sys/ioctl.h>
#include <unistd.h>
#include <chrono>
#include <cstdio>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/hash.hpp"
#include "cli/endpoint_options.hpp"
#include "cli/kernelbench.hpp"
#include "device/device.hpp"
#include "report/suite_report.hpp"
#include "search/sweep.hpp"

namespace mtmc::cli {

namespace {

struct Options {
  Common common;
  TaskChoice choice;
  std::string shapes = "small", device;
  bool fresh = false, quiet = false;
  search::Settings settings;
  EndpointOptions endpoint;
};

// The state of a sweep on stderr: on a terminal one line that is written over, elsewhere a line for
// each task.
class Watcher : public search::SweepWatcher {
 public:
  explicit Watcher(bool quiet) : quiet_(quiet), live_(!quiet && isatty(STDERR_FILENO)) {}

  void begins(std::size_t done, std::size_t total, const search::Task& task) override {
    place_ = fmt::format("task {}/{}", done + 1, total);
    name_ = task.id + " " + task.name;
    say("");
  }
  // What the run under way says of itself.
  void say(const std::string& what) {
    if (live_)
      draw(fmt::format("{}, {} correct so far, {}, {:.40}{}{}", place_, correct_, elapsed(), name_,
                       what.empty() ? "" : ": ", what));
  }
  void ends(const search::TaskRow& row) override {
    correct_ += row.result.correct();
    ++done_;
    if (live_ || quiet_ || row.known) return;
    fmt::print(stderr, "mtmc: {} {}: {}{}{}, {} of {} correct so far, {}\n", place_, name_,
               row.result.outcome, row.result.message.empty() ? "" : ": ", row.result.message,
               correct_, done_, elapsed());
  }
  void clear() {
    if (live_) fmt::print(stderr, "\r\033[K");
  }

 private:
  void draw(std::string line) {
    winsize size{};
    const std::size_t columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
    if (line.size() >= columns) line = line.substr(0, columns - 4) + "...";
    fmt::print(stderr, "\r\033[K{}", line);
    std::fflush(stderr);
  }
  std::string elapsed() const {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start_)
            .count();
    return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }

  const bool quiet_, live_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string place_, name_;
  std::size_t correct_ = 0, done_ = 0;
};

Result<int> list(const Options& options) {
  auto chosen = choose_tasks(options.choice);
  if (!chosen) return tl::unexpected<Error>(chosen.error());
  if (options.common.json)
    fmt::print("{}\n", report::tasks_json(chosen->tasks).dump());
  else
    fmt::print("{}", report::tasks_text(chosen->tasks));
  return 0;
}

Result<int> sweep(const Options& options) {
  auto chosen = choose_tasks(options.choice);
  if (!chosen) return tl::unexpected<Error>(chosen.error());
  auto device = device::find_device(options.device);
  if (!device) return tl::unexpected<Error>(device.error());
  search::Settings settings = options.settings;
  settings.device = device->name;
  if (!options.endpoint.record.empty())
    return bad_input("--record is for one run; mtmc export RUN --as recording writes that of a sweep's run");
  auto models = open_models(options.endpoint, settings);
  if (!models) return tl::unexpected<Error>(models.error());
  auto whole = search::caps_from(options.endpoint.sweep_budget);
  if (!whole) return tl::unexpected<Error>(whole.error());
  search::Meter meter(*whole);
  auto store = open_store(options.common, store::OpenMode::create);
  if (!store) return tl::unexpected<Error>(store.error());

  const auto shapes =
      options.shapes == "official" ? search::Shapes::official : search::Shapes::small;
  store::SweepIdentity identity;
  identity.name = "kernelbench";
  identity.device = settings.device;
  identity.settings_json =
      nlohmann::json{{"shapes", search::name_of(shapes)},
                     {"levels", std::set<int>(options.choice.levels.begin(), options.choice.levels.end())},
                     {"data", chosen->data_hash},
                     {"settings", search::to_json(settings)}}
          .dump();
  identity.seed = settings.seed;
  identity.tool_version = kToolVersion;

  Watcher watcher(options.quiet);
  search::Surroundings around;
  around.tool = tool_path();
  around.cache_directory = cache_directory();
  around.tool_version = kToolVersion;
  around.fresh = options.fresh;
  models->put_into(around);
  around.sweep = &meter;
  around.progress = [&watcher](const std::string& line) { watcher.say(line); };
  auto report = search::sweep(chosen->tasks, identity, options.fresh, *store,
                              search::run_with(settings, shapes, *store, around), watcher);
  watcher.clear();
  if (!report)
    return tl::unexpected<Error>(
        report.error().with("the sweep stands, and goes on when it is started again"));
  if (options.common.json)
    fmt::print("{}\n", report::sweep_json(*report).dump());
  else
    fmt::print("{}", report::sweep_text(*report));
  return 0;
}

void add_choice(CLI::App& command, Options& options) {
  add_task_choice(command, options.choice);
  command.add_flag("--json", options.common.json, "print JSON on stdout");
}

}  // namespace

Result<ChosenTasks> choose_tasks(const TaskChoice& choice) {
  const std::string folder =
      choice.data.empty() ? search::suite_folder(tool_path()) : choice.data;
  std::vector<search::Task> tasks;
  for (const int level : std::set<int>(choice.levels.begin(), choice.levels.end())) {
    auto read = search::read_level(folder, level);
    if (!read) return tl::unexpected<Error>(read.error());
    tasks.insert(tasks.end(), std::make_move_iterator(read->begin()),
                 std::make_move_iterator(read->end()));
  }
  std::string forms;
  for (const auto& task : tasks) forms += task.id + '\n' + task.official + '\n' + task.small + '\n';
  const std::string hash = sha256(forms);
  if (choice.ids.empty()) return ChosenTasks{std::move(tasks), hash};
  auto numbers = search::numbers_in(choice.ids);
  if (!numbers) return tl::unexpected<Error>(numbers.error().with("--ids"));
  std::set<int> wanted(numbers->begin(), numbers->end()), found;
  std::erase_if(tasks, [&](const search::Task& task) {
    if (!wanted.count(task.number)) return true;
    found.insert(task.number);
    return false;
  });
  for (const int number : wanted)
    if (!found.count(number)) return bad_input(fmt::format("--ids: there is no task {}", number));
  return ChosenTasks{std::move(tasks), hash};
}

void add_task_choice(CLI::App& command, TaskChoice& choice) {
  command.add_option("--level", choice.levels, "levels of the suite, 1 or 1,2")
      ->delimiter(',')
      ->check(CLI::Range(1, 9))
      ->capture_default_str();
  command.add_option("--ids", choice.ids, "tasks of each level: 1,2,5-9 (default: all)");
  command.add_option("--data", choice.data,
                     "folder of level<N>.jsonl (default: the one that came with the tool)");
}

void add_kernelbench(CLI::App& app, Action& chosen) {
  CLI::App* command =
      app.add_subcommand("kernelbench", "the KernelBench suite: its tasks, and a run of each");
  command->require_subcommand(1);

  auto for_list = std::make_shared<Options>();
  CLI::App* list_command = command->add_subcommand(
      "list", "the suite's tasks: operators, shapes, and whether they are supported");
  add_choice(*list_command, *for_list);
  list_command->callback([&chosen, for_list] { chosen = [for_list] { return list(*for_list); }; });

  auto options = std::make_shared<Options>();
  auto& s = options->settings;
  // A sweep of a hundred small tasks should take minutes: few steps, one configuration each, small cases.
  s.max_steps = 6;
  s.tune_evaluations = 0;
  s.ranked = 1;
  s.limits.reference_operations = 2e7;
  s.limits.emulated_operations = 5e7;
  s.limits.sampled_elements = 2048;
  s.limits.sampled_blocks = 12;
  CLI::App* sweep_command = command->add_subcommand(
      "sweep", "generate a kernel for each task; started again, it goes on where it was");
  add_choice(*sweep_command, *options);
  sweep_command->add_option("--shapes", options->shapes, "small (for the emulator) or official")
      ->check(CLI::IsMember({"small", "official"}))
      ->capture_default_str();
  sweep_command->add_option("--device", options->device,
                            "device to generate for (mtmc devices lists them)");
  sweep_command->add_option("--db", options->common.db, "database file");
  sweep_command->add_flag("--fresh", options->fresh,
                          "start anew although an equal sweep is in the database");
  sweep_command->add_flag("--quiet", options->quiet, "no progress on stderr");
  add_endpoint_options(*sweep_command, options->endpoint, s);
  sweep_command->add_option("--sweep-budget", options->endpoint.sweep_budget,
                            "caps of the whole sweep, as --budget has them; spent, it stops and goes on when started with more");
  sweep_command->add_option("--seed", s.seed, "seed of inputs, samples and search")
      ->capture_default_str();
  sweep_command
      ->add_option("--max-steps", s.max_steps, "steps of each region that may reach the compiler")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  sweep_command
      ->add_option("--tune", s.tune_evaluations, "configurations that the tuner may try; 0: none")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  sweep_command->callback([&chosen, options] { chosen = [options] { return sweep(*options); }; });

  add_certify(*command, chosen);
}

}  // namespace mtmc::cli
