// Reads a suite's data file line by line. The operator forms stay text until a task is run: a task
// with an operator that this tool does not know is a task all the same, and is listed and reported
// as such.
#include "search/suite.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "op/table.hpp"

namespace mtmc::search {

namespace {

using Json = nlohmann::json;

constexpr int kLargestNumber = 100000;

Result<Task> read_task(const std::string& line) {
  const Json form = Json::parse(line, nullptr, false);
  if (form.is_discarded()) return bad_input("it is not JSON");
  try {
    Task task;
    form.at("level").get_to(task.level);
    form.at("id").get_to(task.number);
    form.at("name").get_to(task.name);
    form.at("source_sha256").get_to(task.source_sha256);
    form.at("notes").get_to(task.notes);
    task.id = fmt::format("level{}/{}", task.level, task.number);
    task.official = form.at("official").dump();
    task.small = form.at("small").dump();
    for (const Json& node : form.at("official").at("nodes")) {
      const auto name = node.at("op").get<std::string>();
      if (std::find(task.operators.begin(), task.operators.end(), name) == task.operators.end())
        task.operators.push_back(name);
    }
    return task;
  } catch (const Json::exception& e) {
    return bad_input(e.what());
  }
}

Result<int> number_in(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 ||
      number > kLargestNumber)
    return bad_input(
        fmt::format("'{}' is no task number; expected something like 1,2,5-9", text.substr(0, 40)));
  return number;
}

}  // namespace

std::string_view name_of(Shapes shapes) {
  return shapes == Shapes::official ? "official" : "small";
}

Result<std::vector<Task>> read_level(const std::string& folder, int level) {
  const std::string path = fmt::format("{}/level{}.jsonl", folder, level);
  std::ifstream file(path);
  if (!file) return unavailable(fmt::format("level {} has no data: cannot read {}", level, path));
  std::vector<Task> tasks;
  std::set<int> numbers;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    auto task = read_task(line);
    if (!task)
      return tl::unexpected<Error>(task.error().with(fmt::format("{}, line {}", path, number)));
    if (task->level != level || !numbers.insert(task->number).second)
      return bad_input(fmt::format("{}, line {}: task {} is of another level or there twice", path,
                                   number, task->id));
    tasks.push_back(std::move(*task));
  }
  if (file.bad()) return unavailable(fmt::format("cannot read {} to its end", path));
  std::sort(tasks.begin(), tasks.end(),
            [](const Task& a, const Task& b) { return a.number < b.number; });
  return tasks;
}

std::string suite_folder(const std::string& tool) {
  const auto installed =
      std::filesystem::path(tool).parent_path().parent_path() / "share/mtmc/kernelbench";
  std::error_code ignored;
  if (std::filesystem::is_directory(installed, ignored)) return installed.string();
  return MTMC_KERNELBENCH_FOLDER;
}

Result<std::vector<int>> numbers_in(std::string_view text) {
  std::set<int> numbers;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    const std::string_view part = text.substr(start, comma - start);
    const std::size_t dash = part.find('-');
    auto first = number_in(part.substr(0, dash));
    auto last = dash == part.npos ? first : number_in(part.substr(dash + 1));
    if (!first || !last) return tl::unexpected<Error>((first ? last : first).error());
    if (*last < *first)
      return bad_input(fmt::format("'{}' counts down; expected something like 5-9", part));
    for (int n = *first; n <= *last; ++n) numbers.insert(n);
    start = comma + 1;
  }
  return std::vector<int>(numbers.begin(), numbers.end());
}

std::vector<std::string> missing_operators(const Task& task) {
  std::vector<std::string> missing;
  for (const auto& name : task.operators)
    if (!op::find_row(name)) missing.push_back(name);
  return missing;
}

Result<op::Operator> read_operator(const Task& task, Shapes shapes) {
  const auto missing = missing_operators(task);
  if (!missing.empty())
    return bad_input(fmt::format("unsupported operator{} '{}'", missing.size() > 1 ? "s" : "",
                                 fmt::join(missing, "', '")));
  const Json form = Json::parse(task.form(shapes), nullptr, false);
  if (form.is_discarded()) return bad_input("the task's operator form is not JSON");
  return op::from_json(form);
}

}  // namespace mtmc::search
