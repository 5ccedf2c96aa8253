// The whole tool against an endpoint on this machine: plain language, faults in the middle, and the
// key, which is nowhere but in its header.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/run_tool.hpp"
#include "llm/fault_server.hpp"

using namespace mtmc;
using mtmc::llm::FaultServer;
using mtmc::llm::Handler;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {

const std::string kSecret = "sk-planted-0123456789abcdef";
const std::string kKey = "MTMC_LLM_KEY=" + kSecret;

// A reply with an answer of any text.
Handler answers(const std::string& text) {
  return llm::says(
      200,
      json{{"model", "served"},
           {"choices",
            {{{"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", "stop"}}}},
           {"usage", {{"prompt_tokens", 100}, {"completion_tokens", 10}}}}
          .dump());
}
Handler steps(const std::string& key) {
  return answers(R"({"steps":[{"key":")" + key + R"(","expected_gain":2,"risk":0,"hint":""}]})");
}

std::string generate(const FaultServer& server, const std::string& line,
                     const std::string& more = "") {
  return "generate-operator '" + line + "' --db db --tune 0 --planner llm --coder llm --endpoint " +
         server.url() + " --model gpt-4o-mini --json --width 1 " + more;
}
const char* const kRow = "y = softmax(x, -1); x: f32[M,N]; M=16; N=48";

// Every file below a folder that holds the text.
std::vector<std::string> files_with(const std::string& folder, const std::string& text) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(in), {}};
    if (all.find(text) != std::string::npos) found.push_back(entry.path().string());
  }
  return found;
}

}  // namespace

TEST_CASE("plain language without an endpoint says so and shows the syntax") {
  Home home;
  const auto r = run_tool(
      "generate-operator 'fused GEMM with bias and GELU, 4096 square, half precision' --db db",
      home.path());
  CHECK(r.exit_code == 3);
  CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
  CHECK(r.err.find("--endpoint") != std::string::npos);
  CHECK(r.err.find("x: f32[M,K]") != std::string::npos);
}

TEST_CASE(
    "plain language becomes a line that is shown, run and stored; asked again it costs nothing") {
  if (!mtmc::test::has_nvrtc()) return;
  FaultServer server({answers("{\"operator\": \"" + std::string(kRow) + "\"}")});
  Home home;
  const std::string command =
      "generate-operator 'row softmax, 16 by 48' --db db --tune 0 --max-steps 2 --endpoint " +
      server.url() + " --model m --json --no-export --quiet";
  const auto r = run_tool(command, home.path(), "", kKey);
  INFO(r.err);
  REQUIRE(r.exit_code == 0);
  CHECK(r.err.find("understood  y = softmax(x); x: f32[M, N]; M=16; N=48") != std::string::npos);
  CHECK(json::parse(r.out)["verdict"] == "correct");
  CHECK(run_tool(command, home.path(), "", kKey).exit_code == 0);
  CHECK(server.requests() == 1);
  CHECK(files_with(home.path(), "row softmax, 16 by 48").size() >= 1);
}

TEST_CASE("the key is in no log, error, recording, database, cache or exported file") {
  if (!mtmc::test::has_nvrtc()) return;
  Home home;
  SECTION("a run that goes well") {
    FaultServer server({steps("fuse *"), answers("TEMPLATE: fuse *"), steps("stop")});
    const auto r =
        run_tool(generate(server, kRow, "--record talk.jsonl --export out"), home.path(), "", kKey);
    INFO(r.err);
    REQUIRE(r.exit_code == 0);
    CHECK(server.authorization == "Bearer " + kSecret);
    const json run = json::parse(r.out);
    CHECK(run["details"]["spent"]["usd"] > 0);
    CHECK((r.out + r.err).find(kSecret) == std::string::npos);
    REQUIRE(std::filesystem::exists(home.file("talk.jsonl")));
    REQUIRE(run_tool("export " + run["run"].get<std::string>() + " --as trajectories --db db",
                     home.path())
                .exit_code == 0);
  }
  SECTION("a server that quotes it in an error") {
    FaultServer server({llm::says(401, R"({"error":{"message":"bad key )" + kSecret + R"("}})")});
    const auto r = run_tool(generate(server, kRow), home.path(), "", kKey);
    CHECK(r.exit_code == 3);
    CHECK(r.err.find("[key]") != std::string::npos);
    CHECK((r.out + r.err).find(kSecret) == std::string::npos);
  }
  SECTION("a model that quotes it in its answer") {
    FaultServer server({steps("fuse *"), answers("REFUSE: your key is " + kSecret), steps("stop")});
    const auto r = run_tool(generate(server, kRow, "--record talk.jsonl"), home.path(), "", kKey);
    INFO(r.err);
    CHECK(r.exit_code == 0);
    CHECK((r.out + r.err).find(kSecret) == std::string::npos);
    CHECK(files_with(home.path(), "your key is [key]").size() >= 1);
  }
  CHECK(files_with(home.path(), kSecret).empty());
}

TEST_CASE(
    "a fault in the middle costs one answer: the run goes on, or stops in a line and resumes") {
  if (!mtmc::test::has_nvrtc()) return;
  Home home;
  SECTION("an answer of no use is asked for once more") {
    const Handler tool_call =
        llm::says(200, R"({"choices":[{"message":{"content":null,"tool_calls":[{"id":"a"}]}}]})");
    FaultServer server(
        {tool_call, steps("fuse *"),
         FaultServer::streams({"data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}"}, true),
         answers("TEMPLATE: fuse *"), steps("stop")});
    const auto r = run_tool(generate(server, kRow, "--no-export --beam 1"), home.path());
    INFO(r.err);
    REQUIRE(r.exit_code == 0);
    const json run = json::parse(r.out);
    CHECK(run["steps"].back()["outcome"] == "correct");
    CHECK(run["details"]["spent"]["calls"] == server.requests());
  }
  SECTION("an endpoint that goes away stops it, and nothing is paid for twice") {
    FaultServer server({steps("fuse *"),
                        llm::says(402, R"({"error":{"message":"Insufficient Balance"}})"),
                        answers("TEMPLATE: fuse *"), steps("stop")});
    const auto r = run_tool(generate(server, kRow, "--no-export --quiet --beam 1"), home.path());
    CHECK(r.exit_code == 3);
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    CHECK(r.err.find("Insufficient Balance") != std::string::npos);
    const auto again =
        run_tool(generate(server, kRow, "--no-export --quiet --beam 1"), home.path());
    INFO(again.err);
    REQUIRE(again.exit_code == 0);
    const json run = json::parse(again.out);
    CHECK(run["resumed"] == true);
    CHECK(run["llm_calls"] == server.requests() - 2);  // the first plan came out of the database
  }
}
