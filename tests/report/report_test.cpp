#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "report/format.hpp"
#include "report/query_report.hpp"
#include "report/run_report.hpp"
#include "report/records.hpp"

namespace mtmc::report {
namespace {

// Compares with a file under goldens/; MTMC_UPDATE_GOLDENS=1 writes it instead.
void check_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(MTMC_SOURCE_DIR) + "/tests/report/goldens/" + name;
  if (const char* update = std::getenv("MTMC_UPDATE_GOLDENS"); update && *update == '1') {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  INFO(path << " is missing or differs; MTMC_UPDATE_GOLDENS=1 rewrites it");
  REQUIRE(file);
  std::stringstream expected;
  expected << file.rdbuf();
  CHECK(text == expected.str());
}

// Nothing that a terminal would obey.
void check_safe(const std::string& text) {
  for (char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n';
    REQUIRE_FALSE(control);
  }
}

TEST_CASE("times have three digits and a unit", "[report]") {
  CHECK(format_ns(0.0) == "0.00 ns");
  CHECK(format_ns(1.0) == "1.00 ns");
  CHECK(format_ns(812.3) == "812 ns");
  CHECK(format_ns(999.4) == "999 ns");
  CHECK(format_ns(999.6) == "1.00 us");
  CHECK(format_ns(12'400.0) == "12.4 us");
  CHECK(format_ns(99'960.0) == "100 us");
  CHECK(format_ns(3.214e6) == "3.21 ms");
  CHECK(format_ns(1.5e12) == "1500 s");
  CHECK(format_ns(std::nullopt) == "-");
  CHECK(format_ns(NAN) == "-");
}

TEST_CASE("ratios", "[report]") {
  CHECK(format_ratio(1.2399) == "1.24x");
  CHECK(format_ratio(15.32) == "15.3x");
  CHECK(format_ratio(250.4) == "250x");
  CHECK(format_ratio(0) == "-");
  CHECK(format_ratio(INFINITY) == "-");
  CHECK(ratio_of(10.0, 0.0) == 0);
  CHECK(ratio_of(10.0, std::nullopt) == 0);
  CHECK(ratio_of(10.0, 4.0) == 2.5);
}

TEST_CASE("times of day", "[report]") {
  CHECK(format_time(1'767'225'600'000) == "2026-01-01 00:00");
  CHECK(format_time(0) == "-");
}

TEST_CASE("texts from outside become one harmless line", "[report]") {
  CHECK(one_line("a\nb\tc\x1b[31md\x7f") == "a b c [31md ");
  CHECK(one_line("gr\xc3\xb6\xc3\x9f"
                 "e") == "gr\xc3\xb6\xc3\x9f"
                         "e");
  CHECK(one_line("\xc2\x9b"
                 "31m") == " 31m");            // C1 control sequence introducer
  CHECK(one_line("\xe2\x80\xae"
                 "abc") == " abc");            // right-to-left override
  CHECK(one_line("\xc0\xaf\xff\xed\xa0\x80") == "??????");  // overlong, no lead, surrogate
  CHECK(one_line("\xe2\x82") == "??");         // cut off
  CHECK(one_line("\xf0\x9f\x9a\x80!") == "\xf0\x9f\x9a\x80!");
  CHECK(one_line("abcdefghij", 10) == "abcdefghij");
  CHECK(one_line("abcdefghijk", 10) == "abcdefg...");
  CHECK(one_line("\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6", 5) == "\xc3\xb6\xc3\xb6...");
  CHECK(width_of("gr\xc3\xb6\xc3\x9f") == 4);
  CHECK(short_id("0123456789abcdef") == "0123456789ab");
}

TEST_CASE("a table aligns by characters and hides what is empty", "[report]") {
  Table table({{"A"}, {"N", Column::Kind::number}, {"GONE", Column::Kind::text, true},
               {"O", Column::Kind::outcome}});
  table.add({"\xc3\xb6", "1", "", "correct"});
  table.add({"abc", "100", "-", "race"});
  CHECK(table.text({}, 1) ==
        " A      N  O\n"
        " \xc3\xb6      1  correct\n"
        " abc  100  race\n");
  CHECK(table.text({true}) ==
        "A      N  O\n"
        "\xc3\xb6      1  \x1b[32mcorrect\x1b[0m\n"
        "abc  100  \x1b[31mrace\x1b[0m\n");
}

TEST_CASE("the object of generate-operator keeps its contract", "[report]") {
  const nlohmann::json object = run_json(finished_view(), {false, 5, 2});
  CHECK(object["operator"] == finished_view().op.line);
  CHECK(object["device"] == "emulated NVIDIA H200");
  CHECK(object["verdict"] == "correct");
  CHECK(object["verified"] == "sampled");
  CHECK(object["candidate"] == digits('d'));
  CHECK(object["bound_ns"] == 10'000.0);
  CHECK(object["start"]["modelled_ns"] == 190'000.0);
  CHECK(object["best"]["modelled_ns"] == 12'400.0);
  CHECK_FALSE(object["best"].contains("measured_ns"));
  CHECK(object["compiles"] == 5);
  CHECK(object["llm_calls"] == 2);
  CHECK(object["resumed"] == false);
  REQUIRE(object["steps"].size() == 4);  // beginnings are no steps
  CHECK(object["steps"][0]["action"] == "fuse");
  CHECK(object["steps"][0]["part"] == "g0+g1");
  CHECK(object["steps"][0]["outcome"] == "correct");
  CHECK(object["steps"][0]["gain"] == 2.0);
  CHECK(object["steps"][0]["kept"] == true);
  CHECK(object["steps"][1]["gain"].is_null());
  CHECK(object["steps"][1]["kept"] == false);
  CHECK(object["steps"][2]["kept"] == true);
  CHECK(object["steps"][3]["kept"] == false);
  check_golden("run.json", json_text(object));

  const nlohmann::json again = run_json(finished_view(), {true, 0, 0});
  CHECK(again["resumed"] == true);
  CHECK(again["compiles"] == 0);
  CHECK(again["steps"] == object["steps"]);

  const nlohmann::json failed = run_json(failed_view(), {});
  CHECK(failed["verdict"].is_null());
  CHECK(failed["candidate"].is_null());
  CHECK(failed["state"] == "failed");
}

TEST_CASE("broken texts do not break JSON", "[report]") {
  store::RunView view = finished_view();
  view.op.line = "y = \xff";
  view.run.identity.settings_json = "{broken";
  view.nodes[1].step_json = "[]";
  const auto back = nlohmann::json::parse(json_text(run_json(view, {})));
  CHECK(back["operator"] == "y = \xef\xbf\xbd");
  CHECK(back["settings"] == "{broken");
  CHECK(back["steps"][0]["action"] == "fuse");
  CHECK(back["steps"][0]["part"] == "g0+g1");
}

TEST_CASE("a tree that bites its own tail still ends", "[report]") {
  store::RunView view = finished_view();
  view.nodes[1].parent_id = "n3";
  CHECK(run_tree_text(view).find("start") != std::string::npos);
  CHECK(run_json(view, {})["steps"].size() == 4);
}

TEST_CASE("run reports look as they should", "[report]") {
  const std::string summary = run_text(finished_view(), {false, 5, 0});
  check_safe(summary);
  check_golden("run.txt", summary);
  const std::string tree = run_tree_text(finished_view());
  check_safe(tree);
  check_golden("run_tree.txt", tree);
  check_golden("run_failed.txt", run_text(failed_view(), {}));
  CHECK(run_text(finished_view(), {true, 0, 0}).find("0 compiles, 0 model calls, resumed") !=
        std::string::npos);
}

TEST_CASE("lists look as they should", "[report]") {
  const std::string list = list_text(some_rows());
  check_safe(list);
  check_golden("list.txt", list);
  check_golden("list.json", json_text(list_json(some_rows())));
  CHECK(list_text({}) == "no runs\n");
  // Only modelled times: no column for measured ones.
  const std::string modelled = list_text({some_rows()[1]});
  CHECK(modelled.find("MODELLED") != std::string::npos);
  CHECK(modelled.find("MEASURED") == std::string::npos);
}

TEST_CASE("best keeps modelled and measured apart", "[report]") {
  const auto rows = some_rows();
  const store::BestRows best{{rows[1]}, {rows[0]}};
  const std::string text = best_text(best);
  check_safe(text);
  check_golden("best.txt", text);
  check_golden("best.json", json_text(best_json(best)));
  CHECK(best_text({}) == "no correct runs\n");
}

TEST_CASE("a candidate looks as it should", "[report]") {
  const std::string text = candidate_text(candidate_view());
  check_safe(text);
  check_golden("candidate.txt", text);
  check_golden("candidate.json", json_text(candidate_json(candidate_view())));
}

TEST_CASE("a sweep ends in a table and totals", "[report]") {
  const std::string text = sweep_text(sweep_view());
  check_safe(text);
  check_golden("sweep.txt", text);
  const auto object = sweep_json(sweep_view());
  CHECK(object["outcomes"]["correct"] == 2);
  CHECK(object["outcomes"]["unsupported"] == 1);
  // 190 / 12.4 and 190 / 100.
  CHECK(object["geometric_mean_gain"]["modelled"].get<double>() ==
        Approx(std::sqrt(15.3226 * 1.9)).epsilon(1e-4));
  CHECK_FALSE(object["geometric_mean_gain"].contains("measured"));
}

}  // namespace
}  // namespace mtmc::report
