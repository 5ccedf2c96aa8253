// Killed at any instant, started again: the run goes on, ends as an undisturbed one does, and the database is whole.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/run_tool.hpp"
#include "store/store.hpp"

using mtmc::test::has_nvrtc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {
const std::string kRun =
    "generate-operator 'y = gelu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=64; N=96; K=80' --db db --max-steps 5 --tune 2 "
    "--quiet --json --no-export";
}

TEST_CASE("a run that is killed again and again resumes and ends as if nothing had been") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home undisturbed, home;
  const auto whole = run_tool(kRun, undisturbed.path());
  INFO(whole.err);
  REQUIRE(whole.exit_code == 0);
  int killed = 0;
  for (const char* seconds : {"0.2", "0.5", "0.9", "1.4"}) {
    // The tool's path stands behind the environment that `timeout` is given here.
    const auto r = run_tool(kRun, home.path(), "", std::string("timeout -s KILL ") + seconds);
    killed += r.exit_code != 0 ? 1 : 0;
    auto store = mtmc::store::Store::open(home.file("db"));
    if (!store) continue;  // killed before there was a database
    auto ok = store->check_integrity();
    INFO((ok ? "" : ok.error().message));
    CHECK(ok.has_value());
  }
  CHECK(killed > 0);
  const auto last = run_tool(kRun, home.path());
  INFO(last.err);
  REQUIRE(last.exit_code == 0);
  const json a = json::parse(whole.out), b = json::parse(last.out);
  CHECK(b["resumed"] == true);
  CHECK(b["candidate"] == a["candidate"]);
  CHECK(b["best"] == a["best"]);
  CHECK(b["steps"] == a["steps"]);
  CHECK(b["compiles"] <= a["compiles"]);
}
