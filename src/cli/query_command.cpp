// The command line of `mtmc query`; what it prints is in query.cpp.
#include "cli/command.hpp"
#include "cli/query.hpp"

namespace mtmc::cli {

void add_query(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<QueryOptions>();
  CLI::App* query = app.add_subcommand("query", "ask the database what was generated, and how good it is");
  query->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, Result<void> (*run)(const QueryOptions&, std::FILE*)) {
    CLI::App* command = query->add_subcommand(name, help);
    command->add_option("--db", options->database, "database file");
    command->add_flag("--json", options->json, "print JSON");
    command->callback([&chosen, options, run] {
      chosen = [options, run]() -> Result<int> {
        auto done = run(*options, stdout);
        if (!done) return tl::unexpected<Error>(done.error());
        return 0;
      };
    });
    return command;
  };
  const auto add_filter = [&](CLI::App* command) {
    command->add_option("--op", options->filter.op, "operator: a row's name, or a part of the line");
    command->add_option("--device", options->filter.device, "part of the device's name");
    command->add_option("--limit", options->filter.limit, "rows at the most")->capture_default_str();
  };
  CLI::App* list = add("list", "runs, newest first", query_list);
  add_filter(list);
  list->add_option("--verdict", options->filter.verdict, "only runs with this verdict or state");
  add_filter(add("best", "the best correct kernel of each operator on each device", query_best));
  add("show", "everything about one run, candidate or sweep", query_show)
      ->add_option("id", options->id, "its id, or the first six or more digits of it")
      ->required();
}

}  // namespace mtmc::cli
