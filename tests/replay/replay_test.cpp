// Real conversations, held once with a model behind an endpoint and committed as they were: each is
// run again through the whole tool, and takes the same steps to the same outcomes. What a step
// brought is in results/; times are not compared here, so that a better model of time does not
// fail.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/run_tool.hpp"
#include "llm/recording.hpp"

using namespace mtmc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const fs::path kFolder = fs::path(MTMC_SOURCE_DIR) / "tests" / "replay";

// Quick ones that have edits and whole files between them.
#ifdef MTMC_REPLAY_ALL
const std::vector<std::string> kChosen = [] {
  std::vector<std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder))
    if (entry.path().extension() == ".jsonl")
      all.push_back(fs::relative(entry.path(), kFolder).string());
  std::sort(all.begin(), all.end());
  return all;
}();
#else
const std::vector<std::string> kChosen = {"cumsum.jsonl", "layer_norm.jsonl",
                                          "one_shot/gemm_bias_gelu.jsonl"};
#endif

json replay(const std::string& recording, const Home& home, const std::string& more = "") {
  const auto r = run_tool(
      "generate-operator --replay '" + recording + "' --db db --quiet --no-export --json " + more,
      home.path());
  INFO(r.err);
  REQUIRE(r.exit_code <= 1);
  return json::parse(r.out);
}

std::string outcomes(const json& run) {
  std::string text;
  for (const auto& step : run["steps"])
    text += fmt::format("  {}: {}{}\n", step["key"].get<std::string>(),
                        step["outcome"].get<std::string>(), step["kept"] == true ? ", kept" : "");
  return fmt::format("{}\n", run["verdict"].get<std::string>()) + text;
}

// outcomes.txt: a block for each recording, "name: verdict" and its steps.
std::map<std::string, std::string> read_outcomes() {
  std::map<std::string, std::string> blocks;
  std::ifstream file(kFolder / "outcomes.txt");
  std::string line, name;
  while (std::getline(file, line)) {
    const auto colon = line.find(": ");
    if (line.starts_with("  "))
      blocks[name] += line + "\n";
    else if (colon != std::string::npos)
      blocks[name = line.substr(0, colon)] = line.substr(colon + 2) + "\n";
  }
  return blocks;
}
void write_outcomes(const std::map<std::string, std::string>& blocks) {
  std::ofstream file(kFolder / "outcomes.txt");
  for (const auto& [name, block] : blocks) file << name << ": " << block;
}

}  // namespace

TEST_CASE("a recorded conversation replays to the outcomes that it had, with no network") {
  if (!mtmc::test::has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  auto known = read_outcomes();
  for (const auto& name : kChosen) {
    CAPTURE(name);
    Home home;
    const std::string path = (kFolder / name).string();
    const auto recording = llm::read_recording(path);
    REQUIRE(recording);
    const json run = replay(path, home);
    CHECK(run["llm_calls"] == recording->exchanges.size());  // every answer was needed
    if (std::getenv("MTMC_UPDATE_GOLDENS")) known[name] = outcomes(run);
    CHECK(outcomes(run) == known[name]);
    // A kernel that was taken in the end may cost 20,000 tokens of output.
    CHECK(run["verdict"] == "correct");
    CHECK(run["details"]["spent"]["completion_tokens"] <= 20000);
    CHECK(run["details"]["spent"]["calls"] == recording->exchanges.size());
  }
  if (std::getenv("MTMC_UPDATE_GOLDENS")) write_outcomes(known);
}

#ifndef MTMC_REPLAY_ALL
TEST_CASE("a replay that lacks a request fails loudly, and what it had is kept") {
  if (!mtmc::test::has_nvrtc()) return;
  Home home;
  const auto recording = llm::read_recording((kFolder / "cumsum.jsonl").string());
  REQUIRE(recording);
  llm::Recording cut = *recording;
  cut.exchanges.resize(3);
  REQUIRE(llm::write_recording(home.file("cut.jsonl"), cut));
  const auto r =
      run_tool("generate-operator --replay cut.jsonl --db db --quiet --no-export", home.path());
  CHECK(r.exit_code == 3);
  CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
  const std::string role = recording->exchanges[3].request.role;
  CHECK(r.err.find("llm recording cut.jsonl has no " + role + " request") != std::string::npos);
  // The same run goes on where it was, with the three answers out of the database.
  REQUIRE(llm::write_recording(home.file("cut.jsonl"), *recording));
  const json run = replay("cut.jsonl", home);
  CHECK(run["verdict"] == "correct");
  CHECK(run["llm_calls"] == recording->exchanges.size() - 3);
  CHECK(run["details"]["spent"]["calls"] == recording->exchanges.size());
}

TEST_CASE("trajectories and the conversation come out of the database as they went in") {
  if (!mtmc::test::has_nvrtc()) return;
  Home home;
  const std::string path = (kFolder / "cumsum.jsonl").string();
  const json run = replay(path, home, "--record again.jsonl");
  const auto before = llm::read_recording(path),
             after = llm::read_recording(home.file("again.jsonl"));
  REQUIRE(after);
  REQUIRE(before->exchanges.size() == after->exchanges.size());
  for (std::size_t i = 0; i < before->exchanges.size(); ++i) {
    CHECK(after->exchanges[i].request == before->exchanges[i].request);
    CHECK(after->exchanges[i].exchange == before->exchanges[i].exchange);
  }
  const std::string id = run["run"].get<std::string>();
  const auto out = run_tool("export " + id + " --as trajectories --out - --db db", home.path());
  REQUIRE(out.exit_code == 0);
  std::istringstream lines(out.out);
  std::string line;
  int number = 0;
  std::set<std::string> reached;  // a step starts where nothing has led yet, or an earlier one led
  while (std::getline(lines, line)) {
    const json t = json::parse(line);
    CHECK(t["number"] == number++);
    CHECK(t["run"] == id);
    CHECK(t["state"]["candidate"]["sources"].size() >= 1);
    CHECK(t["state"]["admissible"].size() >= 1);
    CHECK(t["action"]["action"].is_string());
    if (t["outcome"] == "correct") {
      CHECK(t["reward_staged"] == (t["gain"] > 1 ? 1.0 : 0.5));
      CHECK(t["reward_log_gain"].get<double>() == Approx(std::log(t["gain"].get<double>())));
    }
    const auto from = t["state"]["candidate"]["id"].get<std::string>();
    if (reached.empty()) reached.insert(from);
    CHECK(reached.count(from) == 1);
    reached.insert(t["next"]["id"].get<std::string>());
  }
  const auto tuned = std::count_if(run["steps"].begin(), run["steps"].end(),
                                   [](const json& step) { return step["action"] == "tune"; });
  CHECK(number == static_cast<int>(run["steps"].size()) - static_cast<int>(tuned));
  CHECK(run_tool("export " + id + " --as recording --db db", home.path()).exit_code == 0);
  CHECK(run_tool("export " + run["candidate"].get<std::string>() + " --as trajectories --db db",
                 home.path())
            .exit_code == 2);
}

TEST_CASE("a budget ends a run with what stands, in one line") {
  if (!mtmc::test::has_nvrtc()) return;
  Home home;
  const json run = replay((kFolder / "cumsum.jsonl").string(), home, "--budget steps=2");
  CHECK(run["verdict"] == "correct");
  CHECK(run["details"]["spent"]["steps"] == 2);
  const auto r =
      run_tool("generate-operator --replay '" + (kFolder / "cumsum.jsonl").string() +
                   "' --db db --no-export --budget tokens=3000",
               home.path());
  CHECK(r.exit_code == 0);
  CHECK(r.err.find("token budget is used up") != std::string::npos);
  CHECK(run_tool("generate-operator 'y = relu(x); x: f32[4]' --budget coins=1", home.path())
            .exit_code == 2);
}
#endif
