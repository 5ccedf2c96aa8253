#include "llm/http_endpoint.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "llm/client.hpp"
#include "llm/fault_server.hpp"

namespace mtmc::llm {
namespace {

using namespace std::chrono_literals;

TEST_CASE("an answer comes back with its model, tokens and finish reason") {
  FaultServer server({says(200, good_reply("hi"))});
  Client client(server.url() + "/");
  Request request = hello();
  request.seed = 7;
  request.schema = AnswerSchema{"steps", R"({"type":"object"})"};
  const auto exchange = client.endpoint->complete(request);
  REQUIRE(exchange);
  CHECK(exchange->answer == "hi");
  CHECK(exchange->model == "m-served");
  CHECK(exchange->prompt_tokens == 7);
  CHECK(exchange->completion_tokens == 3);
  CHECK_FALSE(exchange->tokens_estimated);
  CHECK(exchange->finish_reason == "stop");
  CHECK(exchange->latency_ms > 0);
  const auto body = nlohmann::json::parse(server.bodies.at(0));
  CHECK(server.paths.at(0) == "/v1/chat/completions");
  CHECK(server.authorization == "Bearer " + kSecret);
  CHECK(body["messages"][1]["content"] == "say hi");
  CHECK(body["seed"] == 7);
  CHECK(body["max_tokens"] == 4096);
  CHECK(body["response_format"]["json_schema"]["schema"]["type"] == "object");
  CHECK(server.bodies.at(0).find(kSecret) == std::string::npos);
}

TEST_CASE("missing or absurd token counts are estimated, and the answer is kept") {
  const std::string usage =
      GENERATE("", R"(,"usage":{"prompt_tokens":-1,"completion_tokens":"x"})");
  FaultServer server({says(200, R"({"choices":[{"message":{"content":"hello"}}])" + usage + "}")});
  Client client(server.url());
  const auto exchange = client.endpoint->complete(hello());
  REQUIRE(exchange);
  CHECK(exchange->tokens_estimated);
  CHECK(exchange->completion_tokens == 2);
  CHECK(exchange->model == "m");
}

TEST_CASE("throttling and server errors are waited out") {
  SECTION("429 with Retry-After") {
    const std::string after = GENERATE("0", "3");
    FaultServer server({[after](const httplib::Request&, httplib::Response& r) {
                          r.status = 429;
                          r.set_header("Retry-After", after);
                        },
                        says(200, good_reply("ok"))});
    Client client(server.url());
    CHECK(client.endpoint->complete(hello()));
    REQUIRE(client.waits.size() == 1);
    CHECK(client.waits[0] == (after == "3" ? 3000ms : 500ms));
  }
  SECTION("500 twice, with doubling waits") {
    FaultServer server({says(500, "x"), says(503, "x"), says(200, good_reply("ok"))});
    Client client(server.url());
    CHECK(client.endpoint->complete(hello()));
    CHECK(client.waits == std::vector<std::chrono::milliseconds>{500ms, 1000ms});
  }
  SECTION("not for ever, and never longer than the cap") {
    FaultServer server({says(500, R"({"error":{"message":"overloaded"}})")});
    Client client(server.url(), [](HttpSettings& s) { s.max_backoff = 600ms; });
    const std::string message = failure(client);
    CHECK(message.find("overloaded") != std::string::npos);
    CHECK(message.find("5 attempts") != std::string::npos);
    CHECK(client.waits.size() == 4);
    CHECK(client.waits.back() == 600ms);
  }
  SECTION("not when it asks for an hour") {
    FaultServer server({[](const httplib::Request&, httplib::Response& r) {
      r.status = 429;
      r.set_header("Retry-After", "3600");
    }});
    Client client(server.url());
    CHECK(failure(client).find("3600 s") != std::string::npos);
    CHECK(server.requests() == 1);
  }
}

TEST_CASE("what may have been charged, or will not change, is not repeated") {
  const int status = GENERATE(400, 401, 404, 504, 302);
  FaultServer server({[status](const httplib::Request&, httplib::Response& r) {
    r.status = status;
    if (status == 302) r.set_header("Location", "http://127.0.0.1:1/elsewhere");
    r.set_content(R"({"error":{"message":"no `thing`\nhere, )" + kSecret + R"("}})",
                  "application/json");
  }});
  Client client(server.url());
  const std::string message = failure(client);
  CHECK(message.find(std::to_string(status)) != std::string::npos);
  if (status == 401) CHECK(message.find("MTMC_LLM_KEY") != std::string::npos);
  if (status == 302) CHECK(message.find("redirects are not followed") != std::string::npos);
  CHECK(server.requests() == 1);
  CHECK(client.waits.empty());
}

TEST_CASE("a reply that is no answer is one clear line") {
  struct Row {
    const char* body;
    const char* expected;
  };
  const Row row = GENERATE(
      Row{"<html><body>Sign in</body></html>", "not JSON (it begins \"<html><body>Sign in"},
      Row{"{\"choices\":[", "not JSON"}, Row{"", "not JSON (no text)"},
      Row{"[]", "not a JSON object"},
      Row{R"({"choices":{}})", "no list of choices"}, Row{R"({})", "no list of choices"},
      Row{R"({"error":{"message":"model is gone"}})", "model is gone"});
  CAPTURE(row.body);
  FaultServer server({says(200, row.body, "text/plain")});
  Client client(server.url());
  CHECK(failure(client).find(row.expected) != std::string::npos);
  CHECK(server.requests() == 1);
}

TEST_CASE("a reply of a million brackets is not JSON, and no harm") {
  const bool closed = GENERATE(false, true);
  const std::size_t depth = 1'000'000;
  FaultServer server(
      {says(200, std::string(depth, '[') + (closed ? std::string(depth, ']') : ""))});
  Client client(server.url());
  CHECK(failure(client).find("JSON") != std::string::npos);
}

TEST_CASE("a reply over the cap is dropped while it arrives") {
  const bool chunked = GENERATE(false, true);
  FaultServer server({[chunked](const httplib::Request&, httplib::Response& r) {
    const std::string block(1 << 16, 'x');
    if (!chunked) return r.set_content(block, "text/plain");
    r.set_chunked_content_provider("text/plain", [block](std::size_t, httplib::DataSink& sink) {
      return sink.write(block.data(), block.size());
    });
  }});
  Client client(server.url(), [](HttpSettings& s) { s.max_reply_bytes = 10000; });
  CHECK(problem(client).find("larger than 10000 bytes") != std::string::npos);
  CHECK(server.requests() == 1);
}

TEST_CASE("a cut connection and a slow answer are not repeated") {
  SECTION("cut") {
    FaultServer server({FaultServer::cuts()});
    Client client(server.url());
    CHECK(problem(client).find("connection was cut") != std::string::npos);
    CHECK(server.requests() == 1);
  }
  SECTION("slow, total limit") {
    Stall stall;
    FaultServer slow({stall.handler()});
    Client client(slow.url(), [](HttpSettings& s) { s.total_limit = 1s; });
    CHECK(problem(client).find("time limit") != std::string::npos);
    CHECK(slow.requests() == 1);
    stall.release();
  }
  SECTION("slow, idle limit") {
    Stall stall;
    FaultServer slow({stall.handler()});
    Client client(slow.url(), [](HttpSettings& s) {
      s.idle_limit = 1s;
      s.total_limit = 60s;
    });
    CHECK(problem(client).find("idle time limit") != std::string::npos);
    CHECK(slow.requests() == 1);
    stall.release();
  }
}

TEST_CASE("an endpoint that is not there is tried again, then named") {
  int port = 0;
  {
    FaultServer gone({says(200, "")});
    port = std::stoi(gone.url().substr(std::string("http://127.0.0.1:").size()));
  }
  Client client("http://127.0.0.1:" + std::to_string(port) + "/v1");
  CHECK(failure(client).find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
  CHECK(client.waits.size() == 4);
}

TEST_CASE("a server without structured output is asked once more without it, and remembered") {
  const auto refusal = says(400, R"({"error":{"message":"response_format is not supported"}})");
  FaultServer server({refusal, refusal, refusal, says(200, good_reply("{}"))});
  Client client(server.url());
  Request request = hello();
  request.schema = AnswerSchema{"steps", R"({"type":"object"})"};
  CHECK(client.endpoint->complete(request));
  CHECK(client.endpoint->complete(request));
  REQUIRE(server.requests() == 5);
  CHECK(server.bodies[0].find("json_schema") != std::string::npos);
  CHECK(server.bodies[1].find("json_object") != std::string::npos);
  CHECK(server.bodies[3].find("response_format") == std::string::npos);
  CHECK(server.bodies[4].find("response_format") == std::string::npos);
}

TEST_CASE("requests go through a proxy") {
  FaultServer proxy({says(200, good_reply("via"))});
  const std::string proxy_url = proxy.url().substr(0, proxy.url().size() - 3);
  Client client("http://127.0.0.1:1/v1", [&](HttpSettings& s) { s.proxy = proxy_url; });
  const auto exchange = client.endpoint->complete(hello());
  REQUIRE(exchange);
  CHECK(exchange->answer == "via");
}

TEST_CASE("base URLs that cannot be used are refused before anything is sent") {
  struct Row {
    const char* url;
    const char* expected;
  };
  const Row row = GENERATE(
      Row{"", "cannot be read"}, Row{"api.openai.com/v1", "cannot be read"},
      Row{"file:///etc/passwd", "expected http or https"},
      Row{"ftp://a/b", "expected http or https"},
      Row{"https://user:pw@host/v1", "user or password"}, Row{"https://host/v1?key=1", "query"},
      Row{"http://example.org/v1", "unencrypted"}, Row{"http://127.example.org/v1", "unencrypted"});
  CAPTURE(row.url);
  HttpSettings settings;
  settings.base_url = row.url;
  const auto made = make_http_endpoint(settings, Key(kSecret));
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::bad_input);
  CHECK(made.error().message.find(row.expected) != std::string::npos);
  CHECK(made.error().message.find("pw") == std::string::npos);
}

TEST_CASE("without a key no authorization is sent, and plain HTTP is fine anywhere") {
  FaultServer server({says(200, good_reply("hi"))});
  HttpSettings settings;
  settings.base_url = server.url();
  settings.proxy = "";
  auto endpoint = make_http_endpoint(settings, Key());
  REQUIRE(endpoint);
  CHECK((*endpoint)->complete(hello()));
  CHECK(server.authorization.empty());
  settings.base_url = "http://gpu-box.example.org:8000/v1";
  CHECK(make_http_endpoint(settings, Key()));
}

}  // namespace
}  // namespace mtmc::llm
