// Order of work: find the form, make the new texts, put them together with the old candidate's
// JSON, and let kernel/candidate_from_json and kernel/resolve judge the rest. The first thing that
// is wrong ends it with a reason.
#include "coder/llm_answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "coder/llm_edits.hpp"
#include "llm/answer.hpp"
#include "llm/prompt.hpp"

namespace mtmc::coder {

namespace {

using kernel::Candidate;
using kernel::SourceFile;
using nlohmann::json;

constexpr std::size_t kMaxFiles = 16, kMaxTotalBytes = 512 << 10, kMaxTunables = 16;

struct Failed {
  std::string reason;
};
[[noreturn]] void fail(std::string reason) { throw Failed{std::move(reason)}; }

bool plain_name(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), plain) &&
         (name.ends_with(".cu") || name.ends_with(".cuh"));
}

bool macro_name(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && name[0] >= 'A' && name[0] <= 'Z' &&
         std::all_of(name.begin(), name.end(), plain);
}

// Whole files: fences whose info is "cuda NAME"; "cuda" alone is the unit.
std::vector<SourceFile> whole_files(const std::vector<llm::Block>& blocks, const Candidate& from) {
  std::vector<SourceFile> files;
  for (const auto& block : blocks) {
    const std::size_t space = std::min(block.info.find(' '), block.info.size());
    const std::string_view language = block.info.substr(0, space);
    if (language != "cuda" && language != "cu" && language != "cpp" && language != "c++") continue;
    std::string name(block.info.substr(std::min(space + 1, block.info.size())));
    if (name.empty()) name = from.sources.front().name;
    for (const auto& file : files)
      if (file.name == name) fail("file '" + llm::one_line(name, 80) + "' is given twice");
    files.push_back({name, std::string(block.body)});
  }
  return files;
}

json settings_block(const std::vector<llm::Block>& blocks) {
  json settings = json::object();
  bool found = false;
  for (const auto& block : blocks) {
    if (block.info.substr(0, block.info.find(' ')) != "json") continue;
    if (found) fail("there is more than one json block");
    found = true;
    auto form = llm::first_json_object(block.body);
    if (!form) fail("json block: " + form.error().message);
    for (const auto& [key, value] : form->items())
      if (key != "recipe" && key != "tunables" && key != "constraints" && key != "configuration")
        fail("json block has member '" + llm::one_line(key, 40) +
             "', expected recipe, tunables, constraints or configuration");
    settings = std::move(*form);
  }
  return settings;
}

void check_sources(const std::vector<SourceFile>& sources) {
  if (sources.size() > kMaxFiles) fail(fmt::format("there are more than {} files", kMaxFiles));
  std::vector<std::string> names;
  std::size_t bytes = 0;
  for (const auto& source : sources) {
    names.push_back(source.name);
    bytes += source.text.size();
  }
  if (bytes > kMaxTotalBytes)
    fail(fmt::format("the sources have {} bytes, at most {}", bytes, kMaxTotalBytes));
  for (const auto& source : sources) {
    if (llm::clean(source.text, source.text.size() * 3 + 3) != source.text)
      fail(source.name + " has control or hidden characters");
    if (const std::string line = forbidden_include(source.text, names); !line.empty())
      fail(source.name +
           " reaches for a file that is not the candidate's: " + llm::one_line(line, 80));
  }
}

bool same_buffer(const kernel::Buffer& a, const kernel::Buffer& b) {
  return a.name == b.name && a.role == b.role && a.dtype == b.dtype && a.shape == b.shape &&
         a.alias.has_value() == b.alias.has_value() && a.fill == b.fill &&
         a.fill_value == b.fill_value;
}

void check_interface(const Candidate& from, const Candidate& to) {
  const auto outside = [](const Candidate& c) {
    std::vector<const kernel::Buffer*> list;
    for (const auto& b : c.recipe.buffers)
      if (b.role != kernel::BufferRole::workspace) list.push_back(&b);
    return list;
  };
  const auto before = outside(from), after = outside(to);
  const bool same =
      std::is_permutation(before.begin(), before.end(), after.begin(), after.end(),
                          [](const auto* a, const auto* b) { return same_buffer(*a, *b); });
  if (!same) fail("the recipe's inputs, weights, states and outputs must stay as they are");
}

void check_recipe(const Candidate& candidate, const Task& task, const kernel::Step& step) {
  Symbols symbols = task.lowering.dims;
  task.device.add_symbols(symbols);
  for (const auto& tunable : candidate.tunables) {
    if (!macro_name(tunable.name) || symbols.count(tunable.name))
      fail("tunable '" + tunable.name + "' needs a name of its own, in capitals, like TILE_M");
    const auto value = candidate.configuration.at(tunable.name);
    if (std::find(tunable.values.begin(), tunable.values.end(), value) == tunable.values.end())
      fail(fmt::format("configuration has {}={}, which is not among its values", tunable.name,
                       value));
    symbols[tunable.name] = value;
  }
  if (candidate.tunables.size() > kMaxTunables)
    fail(fmt::format("there are more than {} tunables", kMaxTunables));
  if (candidate.configuration.size() != candidate.tunables.size())
    fail("configuration must have exactly one value for each tunable");

  for (const auto* list : {&candidate.recipe.prepare, &candidate.recipe.run})
    for (const auto& entry : *list) {
      if (std::holds_alternative<kernel::Library>(entry.what) &&
          step.action != kernel::Action::library)
        fail("a library step may only come from the action library");
      const auto* launch = std::get_if<kernel::Launch>(&entry.what);
      if (!launch) continue;
      const bool known = std::any_of(
          candidate.sources.begin(), candidate.sources.end(),
          [&](const auto& s) { return s.text.find(launch->kernel) != std::string::npos; });
      if (!known) fail("the recipe launches '" + launch->kernel + "', which no source defines");
      // Known only after compiling; any legal value will do to see whether the recipe resolves.
      symbols["occupancy(" + launch->kernel + ")"] = 1;
    }
  for (const auto& constraint : candidate.constraints) {
    const auto holds =
        Expr::parse(constraint).and_then([&](const Expr& e) { return e.evaluate(symbols); });
    if (!holds) fail("constraint " + constraint + ": " + holds.error().message);
    if (*holds == 0) fail("the configuration breaks the constraint " + constraint);
  }
  if (const auto resolved = kernel::resolve(candidate.recipe, symbols); !resolved)
    fail("recipe: " + resolved.error().message);
}

Candidate build(const std::string& answer, const Task& task, const Candidate& from,
                const kernel::Step& step) {
  const auto blocks = llm::fenced_blocks(answer);
  auto edits = read_edits(answer, from.sources.front().name);
  if (!edits) fail(edits.error().message);
  auto files = whole_files(blocks, from);
  if (!edits->empty() && !files.empty()) fail("the answer has both edits and whole files");
  const json settings = settings_block(blocks);
  if (edits->empty() && files.empty() && settings.empty())
    fail("the answer has neither edit blocks nor complete ```cuda files");

  std::vector<SourceFile> sources = from.sources;
  if (auto applied = apply_edits(*edits, sources); !applied) fail(applied.error().message);
  for (auto& file : files) {
    if (!plain_name(file.name))
      fail("file name '" + llm::one_line(file.name, 80) +
           "': expected a plain name that ends in .cu or .cuh");
    auto old = std::find_if(sources.begin(), sources.end(),
                            [&](const auto& s) { return s.name == file.name; });
    if (old == sources.end())
      sources.push_back(std::move(file));
    else
      old->text = std::move(file.text);
  }
  check_sources(sources);

  json form = kernel::to_json(from);
  form.erase("schedule");
  form.erase("ranked");
  form.update(settings);
  form["sources"] = json::array();
  for (const auto& source : sources)
    form["sources"].push_back({{"name", source.name}, {"text", source.text}});
  auto candidate = kernel::candidate_from_json(form);
  if (!candidate) fail(candidate.error().message);
  candidate->ranked = {candidate->configuration};
  check_interface(from, *candidate);
  check_recipe(*candidate, task, step);
  if (kernel::candidate_id(*candidate) == kernel::candidate_id(from))
    fail("the answer changes nothing");
  return std::move(*candidate);
}

}  // namespace

ReadAnswer read_answer(const std::string& answer, const Task& task, const Candidate& from,
                       const kernel::Step& step) {
  ReadAnswer read;
  const std::size_t first = answer.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && answer.compare(first, 7, "REFUSE:") == 0) {
    read.declined = true;
    const std::size_t why = answer.find_first_not_of(" \t\r\n", first + 7);
    const std::size_t end = answer.find_last_not_of(" \t\r\n") + 1;
    read.reason = "the model declined: " +
                  (why == std::string::npos ? "no reason given"
                                            : llm::one_line(answer.substr(why, end - why), 400));
    return read;
  }
  try {
    read.candidate = build(answer, task, from, step);
  } catch (const Failed& failed) {
    read.reason = llm::one_line(failed.reason, 600);
  } catch (const json::exception& e) {
    read.reason = "json block: " + llm::one_line(e.what(), 400);
  }
  return read;
}

}  // namespace mtmc::coder
