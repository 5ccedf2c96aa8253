#include "llm/recording.hpp"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "llm/price.hpp"

namespace mtmc::llm {
namespace {

struct TempFile {
  std::string path =
      (std::filesystem::temp_directory_path() / ("mtmc_recording_" + std::to_string(getpid())))
          .string();
  TempFile() { std::filesystem::remove(path); }
  ~TempFile() { std::filesystem::remove(path); }
  std::string text() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

Request ask(const std::string& what) {
  Request request;
  request.model = "m";
  request.messages = {{"user", what}};
  return request;
}

RecordedExchange said(const std::string& role, const std::string& what, const std::string& answer) {
  RecordedExchange e;
  e.request = ask(what);
  e.request.role = role;
  e.exchange.answer = answer;
  e.exchange.model = "m-1";
  e.exchange.prompt_tokens = 5;
  e.exchange.cached_tokens = 2;
  e.exchange.latency_ms = 1.5;
  return e;
}

Recording conversation() {
  Recording recording;
  recording.run_json = R"({"operator":"y = relu(x); x: f32[4]"})";
  recording.exchanges = {said("planner", "a", "one"), said("coder", "b", "two\n\"quoted\""),
                         said("planner", "a", "one again")};
  recording.exchanges[1].exchange.problem = "the stream was cut";
  return recording;
}

TEST_CASE("a recording comes back from its file as it was, readable by its owner alone") {
  TempFile file;
  const Recording written = conversation();
  REQUIRE(write_recording(file.path, written));
  REQUIRE(write_recording(file.path, written));
  using std::filesystem::perms;
  CHECK((std::filesystem::status(file.path).permissions() &
         (perms::group_all | perms::others_all)) == perms::none);
  CHECK_FALSE(std::filesystem::exists(file.path + ".part"));
  const auto read = read_recording(file.path);
  REQUIRE(read);
  CHECK(read->run_json == written.run_json);
  REQUIRE(read->exchanges.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(read->exchanges[i].request == written.exchanges[i].request);
    CHECK(read->exchanges[i].exchange == written.exchanges[i].exchange);
  }
}

TEST_CASE("a recorded conversation replays, repeats in order, and nothing else") {
  const Recording recording = conversation();
  auto replay = make_recorded_endpoint(recording, "r.jsonl");
  CHECK(*replay->complete(ask("a")) == recording.exchanges[0].exchange);
  CHECK(*replay->complete(ask("a")) == recording.exchanges[2].exchange);
  CHECK(*replay->complete(ask("b")) == recording.exchanges[1].exchange);
  const auto more = replay->complete(ask("b"));
  REQUIRE_FALSE(more);
  CHECK(more.error().code == ErrorCode::unavailable);
  CHECK(more.error().message.find("no further answer") != std::string::npos);
  const auto unknown = replay->complete(ask("c"));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find(request_hash(ask("c")).substr(0, 12)) != std::string::npos);
  CHECK(unknown.error().message.find('\n') == std::string::npos);
}

TEST_CASE("a request that is missing is shown beside the one that was recorded") {
  Request close = ask("first line\nsecond line");
  close.role = "planner";
  Recording recording;
  recording.exchanges = {said("planner", "first line\nsecond word", "x")};
  const auto missing = make_recorded_endpoint(recording, "r.jsonl")->complete(close);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find("has 'second line' where 'second word' was recorded") !=
        std::string::npos);
}

TEST_CASE("by order, a role gets its next answer, whatever it asks") {
  auto replay = make_recorded_endpoint(conversation(), "r.jsonl", Match::order);
  Request request = ask("quite another prompt");
  request.role = "planner";
  CHECK(replay->complete(request)->answer == "one");
  CHECK(replay->complete(request)->answer == "one again");
  CHECK_FALSE(replay->complete(request));
  request.role = "coder";
  CHECK(replay->complete(request)->answer == "two\n\"quoted\"");
}

TEST_CASE("a request's hash depends on everything in it") {
  const Request base = ask("x");
  std::vector<Request> others(6, base);
  others[0].model = "n";
  others[1].messages[0].role = "system";
  others[2].temperature = 0;
  others[3].max_tokens = 1;
  others[4].seed = 1;
  others[5].schema = AnswerSchema{"a", "{}"};
  CHECK(request_hash(base) == request_hash(ask("x")));
  CHECK(request_hash(base).size() == 64);
  for (const auto& other : others) CHECK(request_hash(other) != request_hash(base));
  Request roled = base;  // who asks changes nothing in what is sent
  roled.role = "planner";
  CHECK(request_hash(roled) == request_hash(base));
}

TEST_CASE("a broken recording names its line") {
  const std::string line = GENERATE("nonsense", "{}", R"({"request":{},"exchange":{}})",
                                    R"({"request":{"model":3},"exchange":{}})");
  TempFile file;
  std::ofstream(file.path) << R"({"format":2,"run":{}})"
                           << "\n\n"
                           << line << "\n";
  const auto recording = read_recording(file.path);
  REQUIRE_FALSE(recording);
  CHECK(recording.error().code == ErrorCode::bad_input);
  CHECK(recording.error().message.find("line 3") != std::string::npos);
  std::ofstream(file.path) << R"({"format":1,"request":{},"exchange":{}})"
                           << "\n";
  CHECK(read_recording(file.path).error().message.find("format 2") != std::string::npos);
  std::ofstream(file.path) << "";
  CHECK_FALSE(read_recording(file.path));
  CHECK_FALSE(read_recording("/nonexistent/x"));
  CHECK_FALSE(read_recording("/"));
  CHECK_FALSE(write_recording("/nonexistent/x", {}));
}

TEST_CASE("prices: the longest name that fits, a user's own first, cached tokens apart") {
  auto table = PriceTable::parse("# comment\nmodel-a\t2\t0.5\t8\nmodel-a-mini 1 1 1\n", "t");
  REQUIRE(table);
  Exchange exchange;
  exchange.prompt_tokens = 1'000'000;
  exchange.cached_tokens = 400'000;
  exchange.completion_tokens = 500'000;
  CHECK(*table->usd("model-a-2025", exchange) == Approx(0.6 * 2 + 0.4 * 0.5 + 0.5 * 8));
  CHECK(*table->usd("model-a-mini", exchange) == Approx(1.5));
  CHECK_FALSE(table->usd("another", exchange));
  exchange.model = "model-a-mini";  // the one that answered
  CHECK(*table->usd("alias", exchange) == Approx(1.5));
  for (const char* bad : {"m 1 2", "m 1 2 x", "m 1 2 3 4", "m -1 2 3"})
    CHECK(PriceTable::parse(bad, "t").error().message.find("t line 1") == 0);
  const auto known = PriceTable::load("");
  REQUIRE(known);
  CHECK(known->find("gpt-4o-mini-2024-07-18")->output == 0.6);
  CHECK_FALSE(PriceTable::load("/nonexistent/prices"));
}

}  // namespace
}  // namespace mtmc::llm
