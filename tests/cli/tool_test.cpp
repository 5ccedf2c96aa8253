// The contract that scripts rely on, from outside: exit codes, one line on stderr, one object on stdout.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/run_tool.hpp"

using mtmc::test::has_nvrtc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {
int lines(const std::string& text) { return static_cast<int>(std::count(text.begin(), text.end(), '\n')); }

const char* kSmall = "'y = softmax(x, -1); x: f32[M,N]; M=16; N=48' --db db --max-steps 3 --tune 0 --quiet --json";
}  // namespace

TEST_CASE("bad input is one line that points at the character, exit code 2, and nothing written") {
  struct Row {
    const char *line, *says;
  };
  for (const Row& row : {Row{"y = sofmax(x); x: f32[4]", "sofmax"}, Row{"y = relu(x; x: f32[4]", "expected"}, Row{"y = relu(x); x: f31[4]", "f31"},
                         Row{"y = relu(z); x: f32[4]", "z"}, Row{"y = x @ w; x: f32[4,5]; w: f32[6,7]", "5"}, Row{"y = relu(x); x: f32[0]", "0"},
                         Row{"y = relu(x); x: f32[9223372036854775807,9]", "character"}, Row{"", "expected"}}) {
    Home home;
    const auto r = run_tool("generate-operator '" + std::string(row.line) + "'", home.path());
    INFO(row.line << ": " << r.err);
    CHECK(r.exit_code == 2);
    CHECK(lines(r.err) == 1);
    CHECK(r.err.find(row.says) != std::string::npos);
    CHECK(r.out.empty());
    CHECK_FALSE(std::filesystem::exists(home.file("data")));
    CHECK_FALSE(std::filesystem::exists(home.file("cache")));
  }
}

TEST_CASE("unknown options and subcommands are bad input") {
  Home home;
  CHECK(run_tool("generate-operator 'y = relu(x); x: f32[4]' --frobnicate", home.path()).exit_code == 2);
  CHECK(run_tool("frobnicate", home.path()).exit_code == 2);
  CHECK(run_tool("", home.path()).exit_code == 2);
  CHECK(run_tool("--help", home.path()).exit_code == 0);
  CHECK(run_tool("--version", home.path()).out.find("mtmc ") == 0);
}

TEST_CASE("what the run needs and is not there is one line and exit code 3") {
  Home home;
  const std::string op = "generate-operator 'y = relu(x); x: f32[4]' ";
  SECTION("no such device") {
    const auto r = run_tool(op + "--device gtx1", home.path());
    CHECK(r.exit_code == 3);
    CHECK(lines(r.err) == 1);
    CHECK(r.err.find("H200") != std::string::npos);
  }
  SECTION("a database that is none") {
    std::ofstream(home.file("db")) << "this is not a database, and it is long enough to be looked at as one";
    const auto r = run_tool(op + "--db db", home.path());
    CHECK(r.exit_code == 3);
    CHECK(lines(r.err) == 1);
  }
  SECTION("a model without an endpoint") {
    const auto r = run_tool(op + "--planner llm --model m --quiet", home.path());
    CHECK(r.exit_code == 3);
    CHECK(lines(r.err) == 1);
  }
  SECTION("an endpoint that nobody answers at") {
    if (!has_nvrtc()) return;
    const auto r = run_tool("generate-operator 'y = exp(x) * 2 + x; x: f32[M]; M=4096' --db db --planner llm --model m --endpoint http://127.0.0.1:9/v1 --quiet", home.path());
    CHECK(r.exit_code == 3);
    CHECK(lines(r.err) == 1);
    CHECK(run_tool("query list --db db", home.path()).exit_code == 0);
  }
  SECTION("no NVRTC") {
    const auto r = run_tool(op + "--db db --quiet", home.path(), "", "MTMC_NVRTC=/nowhere");
    CHECK(r.exit_code == 3);
    CHECK(lines(r.err) == 1);
    CHECK(r.err.find("NVRTC") != std::string::npos);
  }
}

TEST_CASE("a run prints the contract's object; the same command again compiles nothing") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  const auto first = run_tool(std::string("generate-operator ") + kSmall, home.path());
  INFO(first.err << first.out);
  REQUIRE(first.exit_code == 0);
  const json r = json::parse(first.out);
  for (const char* key : {"operator", "device", "verdict", "verified", "candidate", "bound_ns", "start", "best", "steps", "compiles", "llm_calls", "resumed"})
    CHECK(r.contains(key));
  CHECK(r["verdict"] == "correct");
  CHECK(r["verified"] == "full");
  CHECK(r["resumed"] == false);
  CHECK(r["compiles"] > 0);
  CHECK(r["best"]["modelled_ns"] > 0);
  CHECK(r["best"]["modelled_ns"] <= r["start"]["modelled_ns"]);
  CHECK_FALSE(r["best"].contains("measured_ns"));
  for (const auto& step : r["steps"])
    for (const char* key : {"action", "part", "outcome", "gain"}) CHECK(step.contains(key));
  REQUIRE(r["exported"].size() == 1);
  CHECK(std::filesystem::exists(r["exported"][0].get<std::string>()));

  const auto second = run_tool(std::string("generate-operator ") + kSmall, home.path());
  REQUIRE(second.exit_code == 0);
  const json again = json::parse(second.out);
  CHECK(again["resumed"] == true);
  CHECK(again["compiles"] == 0);
  CHECK(again["candidate"] == r["candidate"]);
  CHECK(again["best"] == r["best"]);

  const auto fresh = run_tool(std::string("generate-operator ") + kSmall + " --fresh", home.path());
  REQUIRE(fresh.exit_code == 0);
  CHECK(json::parse(fresh.out)["best"] == r["best"]);  // repeatable
  CHECK(json::parse(fresh.out)["resumed"] == false);

  const std::string id = r["run"].get<std::string>().substr(0, 10);
  for (const std::string& query : {std::string("list"), std::string("best --op softmax"), "show " + id, "show " + r["candidate"].get<std::string>().substr(0, 10)}) {
    const auto q = run_tool("query " + query + " --db db --json", home.path());
    INFO(query << ": " << q.err);
    CHECK(q.exit_code == 0);
    CHECK_FALSE(json::parse(q.out, nullptr, false).is_discarded());
    const std::string text = run_tool("query " + query + " --db db", home.path()).out;
    INFO(text);
    CHECK((text.find("modelled") != std::string::npos || text.find("MODELLED") != std::string::npos));
    CHECK(text.find("measured ") == std::string::npos);  // nothing was
  }
}
