// The committed data, and the reading of it.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "search/suite.hpp"

namespace mtmc::search {
namespace {

using Json = nlohmann::json;

const std::string kFolder = MTMC_SOURCE_DIR "/kernelbench";

std::vector<Task> level1() {
  auto tasks = read_level(kFolder, 1);
  if (!tasks) FAIL(tasks.error().message);
  return *tasks;
}

std::string folder_with(const std::string& text) {
  std::string folder = (std::filesystem::temp_directory_path() / "mtmc-suite-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/level1.jsonl") << text;
  return folder;
}

std::string line_of(int level, int number) {
  return Json{{"level", level},
              {"id", number},
              {"name", "n"},
              {"source_sha256", "0"},
              {"notes", Json::array()},
              {"official", {{"nodes", Json::array()}}},
              {"small", {{"nodes", Json::array()}}}}
             .dump() +
         "\n";
}

}  // namespace

TEST_CASE("level 1 is there whole") {
  const auto tasks = level1();
  REQUIRE(tasks.size() == 100);
  std::set<std::string> hashes;
  for (int k = 0; k < 100; ++k) {
    const Task& task = tasks[static_cast<std::size_t>(k)];
    INFO(task.id);
    CHECK(task.number == k + 1);
    CHECK(task.id == "level1/" + std::to_string(k + 1));
    CHECK_FALSE(task.name.empty());
    CHECK(task.source_sha256.size() == 64);
    CHECK(task.source_sha256.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK_FALSE(task.operators.empty());
    hashes.insert(task.source_sha256);
  }
  CHECK(hashes.size() == 100);
  CHECK(std::filesystem::file_size(kFolder + "/level1.jsonl") < 1'000'000);
}

TEST_CASE("official and small forms differ in sizes only") {
  for (const Task& task : level1()) {
    INFO(task.id);
    const Json official = Json::parse(task.official), small = Json::parse(task.small);
    CHECK(official.at("nodes") == small.at("nodes"));
    CHECK(official.at("outputs") == small.at("outputs"));
    REQUIRE(official.at("inputs").size() == small.at("inputs").size());
    for (std::size_t k = 0; k < official.at("inputs").size(); ++k)
      for (const char* field : {"name", "dtype"})
        CHECK(official["inputs"][k][field] == small["inputs"][k][field]);
  }
}

TEST_CASE("every task whose operators are rows is an operator at both scales") {
  std::map<std::string, int> missing;
  int supported = 0;
  for (const Task& task : level1()) {
    const auto names = missing_operators(task);
    for (const auto& name : names) ++missing[name];
    supported += names.empty();
    for (const Shapes shapes : {Shapes::official, Shapes::small}) {
      auto op = read_operator(task, shapes);
      INFO(task.id << " " << name_of(shapes) << ": " << (op ? "" : op.error().message));
      CHECK(op.has_value() == names.empty());
      if (!names.empty() && !op) CHECK(op.error().message.find("unsupported operator") == 0);
      if (!op) continue;
      CHECK_FALSE(op->outputs.empty());
      if (shapes == Shapes::small)
        for (int v = 0; v < static_cast<int>(op->values.size()); ++v)
          CHECK(op->elements(v) <= 10'000'000);
    }
  }
  // Rows are added, never taken away.
  CHECK(supported >= 92);
  for (const auto& [name, count] : missing) {
    INFO(name << " in " << count);
    CHECK(std::set<std::string>{"max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d",
                                "avg_pool2d", "avg_pool3d", "zeros_like",
                                "cross_entropy"}
              .count(name) == 1);
  }
}

TEST_CASE("shapes of some tasks are the suite's") {
  const auto tasks = level1();
  const auto shape_of_output = [&](int number) {
    auto op = read_operator(tasks[static_cast<std::size_t>(number - 1)], Shapes::official);
    if (!op) FAIL(op.error().message);
    return op->shape(op->outputs.at(0));
  };
  using Shape = std::vector<std::int64_t>;
  CHECK(shape_of_output(8) == Shape{8205, 5921});
  CHECK(shape_of_output(11) == Shape{8, 256, 512, 768});
  CHECK(shape_of_output(40) == Shape{16, 64, 256, 256});
  CHECK(shape_of_output(50) == Shape{256, 96, 55, 55});
  CHECK(shape_of_output(72) == Shape{8, 32, 24, 48, 96});
  CHECK(shape_of_output(75) == Shape{16, 64, 257, 766});
  CHECK(shape_of_output(86) == Shape{16, 128, 512, 512});
  CHECK(shape_of_output(97) == Shape{32, 32, 512, 1024});
  CHECK(shape_of_output(99) == Shape{});
}

TEST_CASE("a level without data and lines that are no tasks") {
  auto none = read_level(kFolder, 9);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::unavailable);
  CHECK(none.error().message.find("level 9") != std::string::npos);
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"{\n", "line 1"},
      {line_of(1, 1) + "[]\n", "line 2"},
      {line_of(1, 1) + line_of(1, 1), "line 2"},
      {line_of(2, 1), "line 1"},
      {R"({"level":"one"})", "line 1"},
  };
  for (const auto& [text, where] : bad) {
    const std::string folder = folder_with(text);
    auto tasks = read_level(folder, 1);
    std::filesystem::remove_all(folder);
    INFO(text);
    REQUIRE_FALSE(tasks);
    CHECK(tasks.error().code == ErrorCode::bad_input);
    CHECK(tasks.error().message.find(where) != std::string::npos);
  }
}

TEST_CASE("tasks come by number") {
  const std::string folder = folder_with(line_of(1, 7) + line_of(1, 2));
  auto tasks = read_level(folder, 1);
  std::filesystem::remove_all(folder);
  REQUIRE(tasks);
  CHECK(tasks->at(0).id == "level1/2");
  CHECK(tasks->at(1).id == "level1/7");
}

TEST_CASE("lists of task numbers") {
  CHECK(numbers_in("3") == std::vector<int>{3});
  CHECK(numbers_in("9,1,5-7,6") == std::vector<int>{1, 5, 6, 7, 9});
  for (const char* bad :
       {"", ",", "1,", "a", "1-", "-3", "5-2", "0", "1-2-3", "1 2", "99999999999", "1,2x"}) {
    INFO(bad);
    auto numbers = numbers_in(bad);
    REQUIRE_FALSE(numbers);
    CHECK(numbers.error().code == ErrorCode::bad_input);
  }
}

TEST_CASE("the data's folder is found beside the tool, or in the source tree") {
  CHECK(suite_folder("/nowhere/bin/mtmc") == kFolder);
  std::string root = (std::filesystem::temp_directory_path() / "mtmc-prefix-XXXXXX").string();
  REQUIRE(mkdtemp(root.data()) != nullptr);
  std::filesystem::create_directories(root + "/share/mtmc/kernelbench");
  CHECK(suite_folder(root + "/bin/mtmc") == root + "/share/mtmc/kernelbench");
  std::filesystem::remove_all(root);
}

}  // namespace mtmc::search
