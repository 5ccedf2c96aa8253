#include "llm/recording.hpp"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "llm/budget.hpp"
#include "llm/fake_endpoint.hpp"
#include "llm/fault_server.hpp"

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

TEST_CASE("a recorded conversation replays, repeats in order, and nothing else") {
  TempFile file;
  FakeEndpoint fake({"one", "two\n\"quoted\"", "one again"});
  std::vector<Exchange> said;
  {
    auto recording = make_recording_endpoint(fake, file.path);
    REQUIRE(recording);
    for (const char* what : {"a", "b", "a"}) said.push_back(*(*recording)->complete(ask(what)));
    CHECK_FALSE((*recording)->complete(ask("c")));
  }
  auto replay = make_recorded_endpoint(file.path);
  REQUIRE(replay);
  CHECK(*(*replay)->complete(ask("a")) == said[0]);
  CHECK(*(*replay)->complete(ask("a")) == said[2]);
  CHECK(*(*replay)->complete(ask("b")) == said[1]);
  const auto more = (*replay)->complete(ask("b"));
  REQUIRE_FALSE(more);
  CHECK(more.error().code == ErrorCode::unavailable);
  CHECK(more.error().message.find("no further answer") != std::string::npos);
  const auto unknown = (*replay)->complete(ask("c"));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find(request_hash(ask("c")).substr(0, 12)) != std::string::npos);
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
}

TEST_CASE("a broken recording names its line") {
  const std::string line = GENERATE("nonsense", "{}", R"({"format":2,"request":{},"exchange":{}})",
                                    R"({"format":1,"request":{"model":3},"exchange":{}})");
  TempFile file;
  std::ofstream(file.path) << "\n" << line << "\n";
  const auto replay = make_recorded_endpoint(file.path);
  REQUIRE_FALSE(replay);
  CHECK(replay.error().code == ErrorCode::bad_input);
  CHECK(replay.error().message.find("line 2") != std::string::npos);
  CHECK_FALSE(make_recorded_endpoint("/nonexistent/x"));
  CHECK_FALSE(make_recorded_endpoint("/"));
  FakeEndpoint fake;
  CHECK_FALSE(make_recording_endpoint(fake, "/nonexistent/x"));
}

TEST_CASE("the key is in no recording") {
  const std::string secret = "sk-planted-secret";
  TempFile file;
  FaultServer server({says(200, good_reply("hi"))});
  HttpSettings settings;
  settings.base_url = server.url();
  settings.proxy = "";
  auto http = make_http_endpoint(settings, Key(secret));
  REQUIRE(http);
  auto recording = make_recording_endpoint(**http, file.path);
  REQUIRE(recording);
  REQUIRE((*recording)->complete(ask("x")));
  CHECK(server.authorization.find(secret) != std::string::npos);
  CHECK(file.text().find("\"hi\"") != std::string::npos);
  CHECK(file.text().find(secret) == std::string::npos);
}

TEST_CASE("a budget ends calls and tokens, and counts what failed") {
  FakeEndpoint fake({std::string(400, 'x'), "b"});
  SECTION("calls") {
    BudgetedEndpoint budgeted(fake, Budget{.max_calls = 3}, Spent{.calls = 1});
    CHECK(budgeted.complete(ask("a")));
    CHECK(budgeted.complete(ask("a")));
    const auto over = budgeted.complete(ask("a"));
    REQUIRE_FALSE(over);
    CHECK(over.error().message.find("3 of 3 calls") != std::string::npos);
    CHECK(fake.requests().size() == 2);
  }
  SECTION("tokens") {
    BudgetedEndpoint budgeted(fake, Budget{.max_tokens = 100});
    CHECK(budgeted.complete(ask("a")));
    CHECK(budgeted.spent().completion_tokens == 100);
    CHECK_FALSE(budgeted.complete(ask("a")));
    CHECK(fake.requests().size() == 1);
  }
  SECTION("failures") {
    FakeEndpoint empty;
    BudgetedEndpoint budgeted(empty, Budget{.max_calls = 1});
    CHECK_FALSE(budgeted.complete(ask("a")));
    CHECK(budgeted.complete(ask("a")).error().message.find("budget") != std::string::npos);
    CHECK(empty.requests().size() == 1);
  }
}

}  // namespace
}  // namespace mtmc::llm
