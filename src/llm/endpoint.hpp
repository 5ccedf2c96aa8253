// The one seam to language models: a chat request in, one exchange out.
//
// Implementations: HTTP (llm/http_endpoint.hpp), replay of a recording (llm/recording.hpp), a queue of
// answers for tests (llm/fake_endpoint.hpp). Every endpoint may be called from several threads at
// once.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc::llm {

struct Message {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
  bool operator==(const Message&) const = default;
};

// The shape that an answer should have, for endpoints that can hold a model to it.
struct AnswerSchema {
  std::string name;         // "steps"
  std::string json_schema;  // JSON text
  bool operator==(const AnswerSchema&) const = default;
};

struct Request {
  std::string role;  // who asks: "planner", "coder", "translator"; not sent, no part of identity
  std::string model;
  std::vector<Message> messages;
  double temperature = 0.2;  // 0 to 2
  int max_tokens = 4096;     // of the answer; 0: the endpoint's own limit
  std::optional<std::int64_t> seed;
  std::optional<AnswerSchema> schema;
  bool operator==(const Request&) const = default;
};

struct Exchange {
  std::string answer;  // the assistant's text, UTF-8; empty only with a problem
  // Why the answer cannot be used although it was probably charged for ("the model answered with a
  // tool call instead of text"); empty: it can. What arrived of it is in `answer`.
  std::string problem;
  std::string model;  // as the endpoint names it
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
  std::int64_t cached_tokens = 0;  // of prompt_tokens: served from the endpoint's cache
  bool tokens_estimated = false;  // the endpoint did not say; 4 characters a token
  double latency_ms = 0;          // of the attempt that was answered
  std::string finish_reason;      // as it came: "stop", "length", ...
  bool operator==(const Exchange&) const = default;
};

class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // Host and protocol, or "recording"; for messages and tables. Never holds a key.
  virtual std::string name() const = 0;
  // Blocks. Errors are `unavailable`, one line, and name the endpoint: no answer can be had there
  // now. An answer that is of no use is an Exchange with a problem.
  virtual Result<Exchange> complete(const Request& request) = 0;
};

nlohmann::json to_json(const Request& request);
nlohmann::json to_json(const Exchange& exchange);
Result<Request> request_from_json(const nlohmann::json& form);
Result<Exchange> exchange_from_json(const nlohmann::json& form);

// SHA-256 of the request's canonical JSON without the role: equal requests, equal hashes.
std::string request_hash(const Request& request);

}  // namespace mtmc::llm
