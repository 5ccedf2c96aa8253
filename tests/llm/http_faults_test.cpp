// Streams, dialects, throttling, limits and TLS: every fault has its documented outcome
// (docs/llm.md).
#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "llm/certificate.hpp"
#include "llm/client.hpp"
#include "llm/dialect.hpp"
#include "llm/fault_server.hpp"

namespace mtmc::llm {
namespace {

using namespace std::chrono_literals;
using Waits = std::vector<std::chrono::milliseconds>;

TEST_CASE("an answer that cannot be used is kept with what is wrong with it: it was charged") {
  struct Row {
    const char* body;
    const char* expected;
  };
  const Row row = GENERATE(
      Row{R"({"choices":[]})", "choices is empty"}, Row{R"({"choices":[3]})", "has no message"},
      Row{R"({"choices":[{"message":{"content":7}}]})", "content is not text"},
      Row{R"({"choices":[{"message":{"content":null,"tool_calls":[{"id":"a"}]}}]})", "tool call"},
      Row{R"({"choices":[{"message":{"content":null,"refusal":"I will not"}}]})", "I will not"},
      Row{R"({"choices":[{"message":{"content":" "},"finish_reason":"length"}]})",
          "limit of tokens"},
      Row{R"({"choices":[{"message":{"content":"","reasoning_content":"hm"}}]})", "is empty"});
  CAPTURE(row.body);
  FaultServer server({says(200, row.body)});
  Client client(server.url());
  CHECK(problem(client).find(row.expected) != std::string::npos);
  CHECK(server.requests() == 1);
}

TEST_CASE("bytes that are not UTF-8 are replaced, and the answer is kept") {
  FaultServer server({says(200, "{\"choices\":[{\"message\":{\"content\":\"a\xff\xfe\"}}]}")});
  Client client(server.url());
  const auto exchange = client.endpoint->complete(hello());
  REQUIRE(exchange);
  CHECK(exchange->answer == "a\xef\xbf\xbd\xef\xbf\xbd");
}

std::string event(const std::string& content, const std::string& more = "") {
  return R"(data: {"model":"m-served","choices":[{"index":0,"delta":{"content":")" + content +
         "\"}" + more + "}]}";
}
const std::string kStop = R"(,"finish_reason":"stop")";
const std::string kUsage =
    R"(data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}})";

TEST_CASE("a stream is put together, with its usage, whatever stands between its events") {
  FaultServer server({FaultServer::streams(
      {": keep-alive", R"(data: {"choices":[{"delta":{"role":"assistant"}}]})", event("he"),
       "event: x", event("llo", kStop), kUsage, "data: [DONE]", event("after the end")})});
  Client client(server.url());
  const auto exchange = client.endpoint->complete(hello());
  REQUIRE(exchange);
  CHECK(exchange->problem.empty());
  CHECK(exchange->answer == "hello");
  CHECK(exchange->finish_reason == "stop");
  CHECK(exchange->model == "m-served");
  CHECK(exchange->prompt_tokens == 7);
  CHECK(exchange->completion_tokens == 3);
  CHECK(exchange->cached_tokens == 4);
  CHECK_FALSE(exchange->tokens_estimated);
  const auto body = nlohmann::json::parse(server.bodies.at(0));
  CHECK(body["stream"] == true);
  CHECK(body["stream_options"]["include_usage"] == true);
}

TEST_CASE("a stream that is cut, wrong or an error keeps what came, and is not repeated") {
  SECTION("cut") {
    FaultServer server({FaultServer::streams({event("half an ans")}, true)});
    Client client(server.url());
    const auto exchange = client.endpoint->complete(hello());
    REQUIRE(exchange);
    CHECK(exchange->answer == "half an ans");
    CHECK(exchange->problem.find("cut") != std::string::npos);
    CHECK(exchange->tokens_estimated);
    CHECK(server.requests() == 1);
    CHECK(client.waits.empty());
  }
  SECTION("cut behind the model's own end: whole") {
    FaultServer server({FaultServer::streams({event("all", kStop)}, true)});
    Client client(server.url());
    const auto exchange = client.endpoint->complete(hello());
    REQUIRE(exchange);
    CHECK(exchange->problem.empty());
  }
  SECTION("ended without an end") {
    FaultServer server({FaultServer::streams({event("ab")})});
    Client client(server.url());
    CHECK(problem(client).find("before its end mark") != std::string::npos);
  }
  SECTION("an error in the middle") {
    FaultServer server(
        {FaultServer::streams({event("ab"), R"(data: {"error":{"message":"out of memory"}})"})});
    Client client(server.url());
    CHECK(problem(client).find("out of memory") != std::string::npos);
  }
  SECTION("an error at once is no answer") {
    FaultServer server({FaultServer::streams({R"(data: {"error":{"message":"no such model"}})"})});
    Client client(server.url());
    CHECK(failure(client).find("no such model") != std::string::npos);
  }
  SECTION("not JSON") {
    FaultServer server({FaultServer::streams({event("ab"), "data: {oops"})});
    Client client(server.url());
    CHECK(problem(client).find("not JSON") != std::string::npos);
  }
}

nlohmann::json sent_as(const std::string& dialect) {
  FaultServer server({says(200, good_reply("x"))});
  Client client(server.url(), [&](HttpSettings& s) { s.dialect = dialect; });
  Request request = hello();
  request.seed = 3;
  request.schema = AnswerSchema{"steps", R"({"type":"object"})"};
  REQUIRE(client.endpoint->complete(request));
  return nlohmann::json::parse(server.bodies.at(0));
}

TEST_CASE("each dialect is spoken as its server has it") {
  CHECK(sent_as("openai").contains("max_completion_tokens"));
  CHECK_FALSE(sent_as("openai").contains("max_tokens"));
  CHECK(sent_as("vllm")["max_tokens"] == 4096);
  CHECK(sent_as("llamacpp")["response_format"]["type"] == "json_schema");
  CHECK(sent_as("deepseek")["response_format"] == nlohmann::json{{"type", "json_object"}});
  CHECK_FALSE(sent_as("deepseek").contains("seed"));
  CHECK(sent_as("sglang")["seed"] == 3);
  CHECK(sent_as("ollama")["stream"] == true);
  CHECK(dialect_for("api.deepseek.com", "").name == "deepseek");
  CHECK(dialect_for("localhost", "11434").name == "ollama");
  HttpSettings settings;
  settings.base_url = "http://127.0.0.1:1/v1";
  settings.dialect = "klingon";
  CHECK(make_http_endpoint(settings, Key()).error().code == ErrorCode::bad_input);
}

TEST_CASE("what a server refuses by name is left out, step by step, and for good") {
  const auto refuses = [](const std::string& what) {
    return says(400, R"({"error":{"message":"unknown field )" + what + "\"}}");
  };
  FaultServer server({refuses("stream_options"), refuses("response_format"), refuses("grammar"),
                      refuses("json_object"), refuses("temperature"),
                      refuses("max_completion_tokens instead"), says(200, good_reply("at last"))});
  Client client(server.url());
  Request request = hello();
  request.schema = AnswerSchema{"steps", R"({"type":"object"})"};
  const auto exchange = client.endpoint->complete(request);
  REQUIRE(exchange);
  CHECK(exchange->answer == "at last");
  const auto last = nlohmann::json::parse(server.bodies.back());
  for (const char* gone : {"stream_options", "response_format", "temperature", "max_tokens"})
    CHECK_FALSE(last.contains(gone));
  CHECK(last.contains("max_completion_tokens"));
  CHECK(client.waits.empty());
  REQUIRE(client.endpoint->complete(request));
  CHECK(nlohmann::json::parse(server.bodies.back()) == last);

  FaultServer stubborn({refuses("this request")});
  Client other(stubborn.url());
  CHECK(failure(other).find("400") != std::string::npos);
  CHECK(stubborn.requests() == 1);
}

TEST_CASE("throttling is not failure, and an empty account is not throttling") {
  const auto busy = [](const httplib::Request&, httplib::Response& r) {
    r.status = 429;
    r.set_header("Retry-After", "2");
  };
  SECTION("more throttles than retries") {
    FaultServer server({busy, busy, busy, says(200, good_reply("ok"))});
    Client client(server.url(), [](HttpSettings& s) { s.retries = 0; });
    CHECK(client.endpoint->complete(hello()));
    CHECK(client.waits == Waits{2000ms, 2000ms, 2000ms});
  }
  SECTION("not without end") {
    FaultServer server({busy});
    Client client(server.url(), [](HttpSettings& s) { s.max_throttled = 5s; });
    CHECK(failure(client).find("throttled 3 times") != std::string::npos);
    CHECK(client.waits.size() == 2);
  }
  SECTION("no money") {
    FaultServer server(
        {says(429, R"({"error":{"code":"insufficient_quota","message":"pay first"}})")});
    Client client(server.url());
    CHECK(failure(client).find("pay first") != std::string::npos);
    CHECK(server.requests() == 1);
  }
}

TEST_CASE("waits are shortened at random, never below what the server asks") {
  FaultServer server({says(500, "x"),
                      [](const httplib::Request&, httplib::Response& r) {
                        r.status = 503;
                        r.set_header("Retry-After", "1");
                      },
                      says(200, good_reply("ok"))});
  Client client(server.url(), [](HttpSettings& s) { s.jitter = [] { return 1.0; }; });
  CHECK(client.endpoint->complete(hello()));
  CHECK(client.waits == Waits{250ms, 1000ms});
}

TEST_CASE("no more calls are under way than allowed") {
  std::atomic<int> now{0}, most{0}, good{0};
  FaultServer server({[&](const httplib::Request&, httplib::Response& r) {
    const int here = ++now;
    int before = most;
    while (here > before && !most.compare_exchange_weak(before, here)) {
    }
    std::this_thread::yield();
    --now;
    r.set_content(good_reply("x"), "application/json");
  }});
  Client client(server.url(), [](HttpSettings& s) { s.max_concurrent = 2; });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 4; ++k) good += client.endpoint->complete(hello()).has_value();
    });
  for (auto& t : threads) t.join();
  CHECK(good == 32);
  CHECK(most <= 2);
}

TEST_CASE("a redirect loop is not followed") {
  FaultServer server({[](const httplib::Request& request, httplib::Response& r) {
    r.status = 307;
    r.set_header("Location", request.path);
  }});
  Client client(server.url());
  CHECK(failure(client).find("redirects are not followed") != std::string::npos);
  CHECK(server.requests() == 1);
}

TEST_CASE("HTTPS is spoken to a certificate that holds, and to no other") {
  struct Row {
    int first_day, last_day;
    const char* name;
    bool trusted;
    const char* expected;  // empty: it holds
  };
  const Row row = GENERATE(Row{-1, 30, "IP:127.0.0.1", true, ""},
                           Row{-1, 30, "IP:127.0.0.1", false, "certificate"},
                           Row{-60, -30, "IP:127.0.0.1", true, "expired"},
                           Row{-1, 30, "DNS:example.org", true, "certificate"});
  const Certificate certificate(row.first_day, row.last_day, row.name);
  FaultServer server({says(200, good_reply("hi"))},
                     std::make_unique<httplib::SSLServer>(certificate.x509(), certificate.key()));
  Client client(server.url("https"), [&](HttpSettings& s) {
    if (row.trusted) s.ca_file = certificate.pem_file();
  });
  if (!*row.expected) {
    const auto exchange = client.endpoint->complete(hello());
    REQUIRE(exchange);
    CHECK(exchange->answer == "hi");
    return;
  }
  CHECK(failure(client).find(row.expected) != std::string::npos);
  CHECK(server.requests() == 0);
  CHECK(client.waits.empty());
}

}  // namespace
}  // namespace mtmc::llm
