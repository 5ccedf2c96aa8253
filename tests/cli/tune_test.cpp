// mtmc tune from outside: the contract that scripts rely on, what it is fed badly, and a kernel
// tuned through the real workers.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/run_tool.hpp"

using mtmc::test::has_nvrtc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string t1(const std::string& parameters, const std::string& conditions = "") {
  return "{\"ConfigurationSpace\": {\"TuningParameters\": [" + parameters + "], \"Conditions\": [" +
         conditions + "]}}";
}

std::string cache(int rows) {
  std::string text =
      R"({"device_name": "Made Up 1", "kernel_name": "scale", "problem_size": 64, "tune_params_keys": ["BLOCK", "ITEMS"], "tune_params": {"BLOCK": [32, 64, 128, 256], "ITEMS": [1, 2, 4, 8]}, "objective": "time", "cache": {)";
  for (int i = 0; i < rows; ++i) {
    const int block = 32 << (i % 4), items = 1 << (i / 4 % 4);
    text += (i ? ", " : "") +
            ("\"" + std::to_string(block) + "," + std::to_string(items) +
             "\": {\"BLOCK\": " + std::to_string(block) + ", \"ITEMS\": " + std::to_string(items) +
             ", \"time\": " + std::to_string(1.0 + (i * 7) % 16) + "}");
  }
  return text + "}}";
}

const char* const kSource = R"(extern "C" __global__ void scale(const float* x, float* y, int n) {
  const int first = blockIdx.x * BLOCK * ITEMS + threadIdx.x;
#pragma unroll 1
  for (int k = 0; k < ITEMS; ++k) {
    const int i = first + k * BLOCK;
    if (i < n) y[i] = 2.0f * x[i] + (BLOCK == 64 ? 1.5f : 1.0f);
  }
}
)";
const char* const kForm = R"form({"operator": "y = x * 2 + 1; x: f32[N]; N=3000",
  "recipe": {"buffers": [{"name": "x0", "role": "input", "dtype": "f32", "shape": ["d0"]}, {"name": "y0", "role": "output", "dtype": "f32", "shape": ["d0"]}],
             "run": [{"launch": {"kernel": "scale", "grid": ["ceil_div(d0, BLOCK * ITEMS)"], "block": ["BLOCK"],
                                 "args": [{"buffer": "x0"}, {"buffer": "y0"}, {"scalar": "i32", "value": "d0"}]}}]},
  "tunables": [{"name": "BLOCK", "values": [64, 32, 128, 256, 2048]}, {"name": "ITEMS", "values": [1, 2, 4, 8]}]})form";

}  // namespace

TEST_CASE("tune --t1 --count prints cartesian, valid and construct_ms") {
  Home home;
  write(
      home.file("p.json"),
      t1(R"j({"Name": "a", "Type": "int", "Values": "[2**i for i in range(5)]", "Default": 1}, {"Name": "b", "Values": [1, 2, 3]})j",
         R"({"Expression": "2 <= a * b <= 16 and a / b >= 1", "Parameters": ["a", "b"]})"));
  const auto r = run_tool("tune --t1 p.json --count --json", home.path());
  INFO(r.err);
  REQUIRE(r.exit_code == 0);
  const auto out = json::parse(r.out);
  CHECK(out["cartesian"] == 15);
  CHECK(out["valid"] == 8);
  CHECK(out["construct_ms"].get<double>() > 0);
  CHECK(out.size() == 3);
}

TEST_CASE("tune --simulate prints what a strategy found") {
  Home home;
  write(home.file("c.json"), cache(16));
  const auto r = run_tool(
      "tune --simulate c.json --strategy random --evaluations 4 --seeds 50 --json", home.path());
  INFO(r.err);
  REQUIRE(r.exit_code == 0);
  const auto out = json::parse(r.out);
  CHECK(out["strategy"] == "random");
  CHECK(out["evaluations"] == 4);
  CHECK(out["seeds"] == 50);
  CHECK(out["fraction_of_optimum"]["mean"].get<double>() > 0.2);
  CHECK(out["fraction_of_optimum"]["mean"].get<double>() < 0.95);
  CHECK(out["fraction_of_optimum"]["ci95"].get<double>() > 0);
  CHECK(out["us_per_evaluation"].get<double>() > 0);
  const auto all =
      run_tool("tune --simulate c.json --evaluations 100 --seeds 2 --json", home.path());
  CHECK(json::parse(all.out)["strategy"] == "portfolio");
  CHECK(json::parse(all.out)["fraction_of_optimum"]["mean"] == 1.0);
  const auto names = json::parse(run_tool("tune --strategy list --json", home.path()).out);
  CHECK(names["default"] == "portfolio");
  CHECK(names["strategies"].size() == 8);
}

TEST_CASE("tune --convert writes the other formats, and they read back") {
  Home home;
  write(home.file("c.json"), cache(16));
  REQUIRE(run_tool("tune --convert c.json --as t4 --out t4.json.gz", home.path()).exit_code == 0);
  REQUIRE(run_tool("tune --convert t4.json.gz --as cache --out back.json", home.path()).exit_code ==
          0);
  const std::string arguments = " --strategy exhaustive --evaluations 5 --json";
  const auto a = json::parse(run_tool("tune --simulate c.json" + arguments, home.path()).out);
  const auto b = json::parse(run_tool("tune --simulate back.json" + arguments, home.path()).out);
  CHECK(a["fraction_of_optimum"] == b["fraction_of_optimum"]);
  CHECK(run_tool("tune --convert c.json --as wisdom", home.path())
            .out.find("\"tunable_parameters\"") != std::string::npos);
}

TEST_CASE("what tune is fed badly is one line and exit code 2, or the documented reading") {
  Home home;
  const auto problem = [&](const std::string& text) {
    write(home.file("p.json"), text);
    return run_tool("tune --t1 p.json --count --json", home.path());
  };
  const std::string a = R"({"Name": "a", "Values": "[0, 1, 2, 4]"})",
                    b = R"({"Name": "b", "Values": "[1, 2]"})";
  struct Row {
    std::string text, says;
  };
  for (const Row& row :
       {Row{t1(a, R"({"Expression": "zzz > 1"})"), "zzz"},
        Row{t1(a, R"({"Expression": "a > 7"})"), "empty tuning space"},
        Row{t1(a, R"({"Expression": "a >"})"), "expected"},
        Row{t1(a, R"j({"Expression": "open('x')"})j"), "function"}, Row{t1(a + "," + a), "twice"},
        Row{t1(R"j({"Name": "a", "Values": "range(10**12)"})j"), "range of more than"},
        Row{t1(R"({"Name": "a", "Values": "[1, 1]"})"), "twice"},
        Row{t1(a, R"({"Expression": "a * 2**62 > 3"})"), "beyond 64 bits"},
        Row{t1(""), "at least one"}, Row{"{", "not JSON"}, Row{"", "not JSON"}, Row{"[]", "T1"}}) {
    const auto r = problem(row.text);
    INFO(row.text << " -> " << r.err);
    CHECK(r.exit_code == 2);
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    CHECK(r.err.find(row.says) != std::string::npos);
    CHECK(r.out.empty());
  }
  // Division by zero in one configuration: that one is not valid, and a note says so.
  const auto zero = problem(t1(a + "," + b, R"({"Expression": "4 % a == 0"})"));
  CHECK(json::parse(zero.out)["valid"] == 6);
  CHECK(zero.err.find("no value for 1 combinations") != std::string::npos);
  // 10^18 points, counted and not written out.
  std::string many;
  for (int p = 0; p < 6; ++p)
    many += (p ? "," : "") +
            ("{\"Name\": \"p" + std::to_string(p) + "\", \"Values\": \"range(1000)\"}");
  const auto huge = json::parse(problem(t1(many, R"({"Expression": "p0 < 500"})")).out);
  CHECK(huge["cartesian"] == 1000000000000000000ull);
  CHECK(huge["valid"] == 500000000000000000ull);

  write(home.file("c.json"), cache(16));
  write(home.file("t1.json"), t1(a));
  for (const char* arguments :
       {"tune", "tune --t1 p.json", "tune --simulate c.json --strategy best",
        "tune --simulate c.json --evaluations 0", "tune --simulate nowhere.json",
        "tune --simulate t1.json", "tune --simulate c.json --convert c.json",
        "tune --convert c.json --as xml", "tune nowhere.cu", "tune c.json",
        "tune --simulate c.json --seeds -1", "tune --t1 . --count"}) {
    const auto r = run_tool(arguments, home.path());
    INFO(arguments << " -> " << r.err);
    CHECK(r.exit_code == 2);
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
  }
}

TEST_CASE(
    "a kernel is tuned by its verdicts: what is fastest and wrong never wins, and a second call "
    "goes on from the store") {
  if (!has_nvrtc()) return;
  Home home;
  write(home.file("scale.cu"), kSource);
  write(home.file("scale.json"), kForm);
  const auto first = run_tool("tune scale.cu --evaluations 8 --db db --json --quiet", home.path());
  INFO(first.err);
  REQUIRE(first.exit_code == 0);
  const auto a = json::parse(first.out);
  // 2048 threads are more than a block may have: a constraint of the space, never compiled.
  CHECK(a["space"]["valid"] == 16);
  CHECK(a["tried"] == 8);
  CHECK(a["known"] == 0);
  CHECK(a["failures"]["mismatch"].get<int>() >= 1);  // the default is one of the wrong ones
  CHECK(a["best"]["configuration"]["BLOCK"] != 64);
  const auto second = json::parse(
      run_tool("tune scale.cu --evaluations 16 --db db --json --quiet --as t4 --out trials.json",
               home.path())
          .out);
  CHECK(second["known"] == 8);
  CHECK(second["tried"] == 16);
  CHECK(second["evaluations"].get<int>() + second["twins"].get<int>() == 8);
  CHECK(second["failures"]["mismatch"] == 4);
  const auto third = json::parse(
      run_tool("tune scale.cu --evaluations 16 --db db --json --quiet", home.path()).out);
  CHECK(third["known"] == 16);
  CHECK(third["compiles"] == 0);
  CHECK(third["best"] == second["best"]);
  // Another shape starts where this one ended; so does a file of trials. Another kernel's file is
  // refused.
  std::string other = kForm;
  other.replace(other.find("N=3000"), 6, "N=5000");
  write(home.file("other.json"), other);
  CHECK(json::parse(
            run_tool("tune scale.cu --recipe other.json --evaluations 5 --db db --json --quiet",
                     home.path())
                .out)["warm_starts"] == 3);
  const auto warm = json::parse(
      run_tool("tune scale.cu --evaluations 5 --db fresh --warm trials.json --json --quiet",
               home.path())
          .out);
  CHECK(warm["warm_starts"] == 3);
  CHECK(warm["best"]["modelled_ns"] == second["best"]["modelled_ns"]);
  write(
      home.file("stranger.json"),
      R"({"kernel_name": "gemm", "tune_params": {"MWG": [1]}, "cache": {"1": {"MWG": 1, "time": 3}}})");
  const auto stranger =
      run_tool("tune scale.cu --evaluations 5 --db fresh --warm stranger.json", home.path());
  CHECK(stranger.exit_code == 2);
  CHECK(stranger.err.find("another kernel") != std::string::npos);
}

TEST_CASE("a kernel of which no configuration is right is exit code 1") {
  if (!has_nvrtc()) return;
  Home home;
  std::string source = kSource;
  source.replace(source.find("2.0f"), 4, "3.0f");
  write(home.file("scale.cu"), source);
  write(home.file("scale.json"), kForm);
  const auto r = run_tool("tune scale.cu --evaluations 4 --db db --json --quiet", home.path());
  CHECK(r.exit_code == 1);
  CHECK(json::parse(r.out)["best"].is_null());
  CHECK(run_tool("tune scale.cu --operator 'y = sofmax(x)' --db db", home.path()).exit_code == 2);
}
