// An endpoint against a fault server: waits are noted instead of waited, and what comes back is
// looked at.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "llm/http_endpoint.hpp"

namespace mtmc::llm {

inline const std::string kSecret = "sk-very-secret-0123456789";

struct Client {
  std::vector<std::chrono::milliseconds> waits;
  std::unique_ptr<Endpoint> endpoint;

  explicit Client(const std::string& url, const std::function<void(HttpSettings&)>& change = {}) {
    HttpSettings settings;
    settings.base_url = url;
    settings.proxy = "";
    settings.total_limit = std::chrono::seconds(5);
    settings.jitter = [] { return 0.0; };
    settings.wait = [this](std::chrono::milliseconds wait) { waits.push_back(wait); };
    if (change) change(settings);
    auto made = make_http_endpoint(settings, Key(kSecret));
    REQUIRE(made);
    endpoint = std::move(*made);
  }
};

inline Request hello() {
  Request request;
  request.model = "m";
  request.messages = {{"system", "be brief"}, {"user", "say hi"}};
  return request;
}

// No answer: one line, unavailable, names the host, without the key.
inline std::string failure(Client& client, const Request& request = hello()) {
  const auto exchange = client.endpoint->complete(request);
  REQUIRE_FALSE(exchange);
  const std::string& message = exchange.error().message;
  CHECK(exchange.error().code == ErrorCode::unavailable);
  CHECK(message.find('\n') == std::string::npos);
  CHECK(message.find(client.endpoint->name()) != std::string::npos);
  CHECK(message.find(kSecret) == std::string::npos);
  return message;
}

// What was charged and is of no use: an exchange with one line, without the key, and tokens.
inline std::string problem(Client& client, const Request& request = hello()) {
  const auto exchange = client.endpoint->complete(request);
  REQUIRE(exchange);
  CHECK_FALSE(exchange->problem.empty());
  CHECK(exchange->problem.find('\n') == std::string::npos);
  CHECK(exchange->problem.find(kSecret) == std::string::npos);
  CHECK(exchange->prompt_tokens > 0);
  return exchange->problem;
}

}  // namespace mtmc::llm
