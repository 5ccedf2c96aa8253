// Opens the database for reading, asks one question, prints the answer.
#include "cli/query.hpp"

#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "report/query_report.hpp"
#include "report/run_report.hpp"

namespace mtmc::cli {

namespace {

Result<store::Store> open_for_reading(const QueryOptions& options) {
  std::string path = options.database;
  if (path.empty()) {
    auto standard = store::default_path();
    if (!standard) return tl::unexpected<Error>(standard.error());
    path = *standard;
  }
  return store::Store::open(path, store::OpenMode::read_only);
}

report::TextOptions text_options(std::FILE* out) {
  const char* no_colour = std::getenv("NO_COLOR");
  return {isatty(fileno(out)) != 0 && (!no_colour || !*no_colour)};
}

Result<void> print(const std::string& text, std::FILE* out) {
  if (std::fwrite(text.data(), 1, text.size(), out) != text.size() || std::fflush(out) != 0)
    return unavailable("the report could not be written: check where the output goes");
  return {};
}

// Text or JSON of the same records, whichever was asked for.
template <class Text, class Json>
Result<void> answer(const QueryOptions& options, std::FILE* out, Text text, Json json) {
  return print(options.json ? report::json_text(json()) : text(text_options(out)), out);
}

}  // namespace

Result<void> query_list(const QueryOptions& options, std::FILE* out) {
  auto store = open_for_reading(options);
  if (!store) return tl::unexpected<Error>(store.error());
  auto rows = store::Queries(*store).list(options.filter);
  if (!rows) return tl::unexpected<Error>(rows.error());
  return answer(
      options, out, [&](const auto& style) { return report::list_text(*rows, style); },
      [&] { return report::list_json(*rows); });
}

Result<void> query_best(const QueryOptions& options, std::FILE* out) {
  auto store = open_for_reading(options);
  if (!store) return tl::unexpected<Error>(store.error());
  auto rows = store::Queries(*store).best(options.filter);
  if (!rows) return tl::unexpected<Error>(rows.error());
  return answer(
      options, out, [&](const auto& style) { return report::best_text(*rows, style); },
      [&] { return report::best_json(*rows); });
}

Result<void> query_show(const QueryOptions& options, std::FILE* out) {
  auto store = open_for_reading(options);
  if (!store) return tl::unexpected<Error>(store.error());
  store::Queries queries(*store);
  auto found = queries.find(options.id);
  if (!found) return tl::unexpected<Error>(found.error());
  switch (found->kind) {
    case store::IdKind::run: {
      auto view = queries.run(found->id);
      if (!view) return tl::unexpected<Error>(view.error());
      report::Invocation made;
      if (view->run.result) {
        made.compiles = view->run.result->compiles;
        made.llm_calls = view->run.result->llm_calls;
      }
      return answer(
          options, out, [&](const auto& style) { return report::run_tree_text(*view, style); },
          [&] { return report::run_json(*view, made); });
    }
    case store::IdKind::candidate: {
      auto view = queries.candidate(found->id);
      if (!view) return tl::unexpected<Error>(view.error());
      return answer(
          options, out, [&](const auto& style) { return report::candidate_text(*view, style); },
          [&] { return report::candidate_json(*view); });
    }
    case store::IdKind::sweep: {
      auto view = queries.sweep(found->id);
      if (!view) return tl::unexpected<Error>(view.error());
      return answer(
          options, out, [&](const auto& style) { return report::sweep_text(*view, style); },
          [&] { return report::sweep_json(*view); });
    }
  }
  return internal_error("an id of an unknown kind: " + found->id);
}

}  // namespace mtmc::cli
