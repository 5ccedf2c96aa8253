// The sweep's table and the list of tasks, against goldens; MTMC_UPDATE_GOLDENS=1 rewrites them.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "kernelbench/sweep_fixture.hpp"
#include "report/suite_report.hpp"

namespace mtmc::report {
using namespace search;
namespace {

void check_golden(const std::string& name, const std::string& got) {
  const std::string path = MTMC_SOURCE_DIR "/tests/kernelbench/goldens/" + name;
  if (const char* update = std::getenv("MTMC_UPDATE_GOLDENS"); update && *update == '1')
    std::ofstream(path) << got;
  std::ifstream file(path);
  REQUIRE(file);
  CHECK(got == std::string(std::istreambuf_iterator<char>(file), {}));
}

SweepReport report_of_all_sorts() {
  SweepReport report{"0123456789abcdef0123", true, {}};
  report.rows.push_back(
      {"level1/1", "Square_matrix_multiplication", correct_result(81234, 20308.5, 10000), true});
  report.rows.push_back({"level1/19", "ReLU", correct_result(3200, 3200, 2909.09), false});
  report.rows.back().result.verified = "sampled";
  report.rows.push_back(
      {"level1/23", "Softmax", other_result("mismatch", "y[17] is 0.5, expected 0.25"), false});
  report.rows.push_back({"level1/41", "Max_Pooling_1D",
                         other_result("unsupported", "unsupported operator 'max_pool1d'"), false});
  report.rows.push_back(
      {"level1/89", "cumsum", other_result("unsupported", "unsupported operator 'cumsum'"), false});
  report.rows.push_back(
      {"level1/92", "cumsum_exclusive",
       other_result("unsupported", "unsupported operators 'cumsum', 'zeros_like'"), false});
  report.rows.push_back(
      {"level1/93", "x", other_result("unsupported", "an attribute of an unknown form"), false});
  report.rows.push_back({"level1/95", "a_name_that_is_longer_than_any_column_should_be",
                         other_result("failed", std::string(200, 'z')), false});
  report.rows.push_back({"level1/96", "correct_without_times", other_result("correct", ""), false});
  report.rows.push_back({"level1/97", "slow", correct_result(9.5e7, 4.75e7, 0), false});
  return report;
}

}  // namespace

TEST_CASE("the sweep's table") { check_golden("sweep.txt", sweep_text(report_of_all_sorts())); }

TEST_CASE("the sweep as JSON") {
  check_golden("sweep.json", sweep_json(report_of_all_sorts()).dump(1) + "\n");
}

TEST_CASE("an empty sweep has a table of nothing") {
  const std::string text = sweep_text(SweepReport{"0123456789abcdef0123", false, {}});
  CHECK(text.find("0 of 0 tasks correct") != std::string::npos);
  CHECK(text.find("geometric") == std::string::npos);
}

TEST_CASE("the sweep's summary") {
  const SweepSummary s = summary_of(report_of_all_sorts());
  CHECK(s.tasks == 10);
  CHECK(s.correct == 4);
  CHECK(s.outcomes.at("unsupported") == 4);
  CHECK(s.outcomes.at("mismatch") == 1);
  CHECK(s.unsupported ==
        std::map<std::string, std::size_t>{{"", 1}, {"cumsum", 2}, {"max_pool1d", 1}});
  CHECK(s.modelled.tasks == 3);
  CHECK(s.modelled.mean() == Approx(2.0));  // of 4, 1 and 2
  CHECK(s.measured.tasks == 0);
}

TEST_CASE("a time of a task that is not correct is no gain") {
  TaskResult result = correct_result(400, 100, 50);
  CHECK(result.gain() == 4.0);
  result.outcome = "mismatch";
  CHECK_FALSE(result.gain());
  CHECK_FALSE(result.over_bound());
  result = correct_result(400, 0, 50);
  CHECK_FALSE(result.gain());
}

TEST_CASE("a sweep on a GPU shows what was measured") {
  SweepReport report{"0123456789abcdef0123", false, {{"level1/19", "ReLU", correct_result(0, 0, 1000), false}}};
  report.rows[0].result.start = {std::nullopt, 8000};
  report.rows[0].result.best = {std::nullopt, 2000};
  const std::string text = sweep_text(report);
  CHECK(text.find("BEST MEASURED") != std::string::npos);
  CHECK(text.find("MODELLED") == std::string::npos);
  CHECK(text.find("gain over the naive start, measured: 4.00x") != std::string::npos);
  CHECK(sweep_json(report).at("tasks").at(0).at("best").at("measured_ns") == 2000);
}

TEST_CASE("the list of tasks") {
  auto tasks = read_level(MTMC_SOURCE_DIR "/kernelbench", 1);
  REQUIRE(tasks);
  const std::vector<Task> some = {tasks->at(0), tasks->at(4), tasks->at(85),
                                  fake_task(999, "nothing", {"no_such_operator"})};
  check_golden("list.txt", tasks_text(some));
  const auto json = tasks_json(some);
  CHECK(json.at(0).at("official") == "x0 f32[4096,4096], x1 f32[4096,4096]");
  CHECK(json.at(0).at("supported") == true);
  CHECK(json.at(3).at("unsupported_operators") == std::vector<std::string>{"no_such_operator"});
  CHECK(json.at(3).at("small") == "?");
}

}  // namespace mtmc::report
