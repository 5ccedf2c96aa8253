#include "llm/chat_protocol.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "llm/prompt.hpp"

namespace mtmc::llm {

namespace {

using nlohmann::json;

// Parsed as far as 64 levels: a reply of nothing but brackets would take a hundred times its size.
json parse_bounded(std::string_view body) {
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= 64; };
  return json::parse(body, shallow, false);
}

const json& member(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  auto it = object.find(key);
  return it == object.end() ? kNull : *it;
}

std::string words(const json& value, const char* otherwise) {
  return value.is_string() ? value.get<std::string>() : std::string(otherwise);
}

bool count(const json& usage, const char* key, std::int64_t& out) {
  const json& value = member(usage, key);
  if (!value.is_number_integer() || value < 0 || value > 1'000'000'000) return false;
  out = value.get<std::int64_t>();
  return true;
}

std::int64_t estimated_tokens(std::size_t bytes) {
  return static_cast<std::int64_t>(bytes / 4 + 1);
}

}  // namespace

std::string chat_body(const Request& request, bool with_schema) {
  json messages = json::array();
  for (const auto& m : request.messages)
    messages.push_back({{"role", m.role}, {"content", m.content}});
  json body = {{"model", request.model},
               {"messages", messages},
               {"temperature", request.temperature},
               {"stream", false}};
  if (request.max_tokens > 0) body["max_tokens"] = request.max_tokens;
  if (request.seed) body["seed"] = *request.seed;
  if (with_schema && request.schema) {
    // A schema of ours that does not parse would be sent as null, and the server says so.
    auto schema = json::parse(request.schema->json_schema, nullptr, false);
    if (!schema.is_discarded())
      body["response_format"] = {
          {"type", "json_schema"},
          {"json_schema", {{"name", request.schema->name}, {"schema", schema}, {"strict", true}}}};
  }
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Exchange> parse_chat_reply(const Request& request, std::string_view body) {
  const json reply = parse_bounded(body);
  if (reply.is_discarded())
    return unavailable("the reply is not JSON (" + error_in_reply(body) +
                       "): check that the base URL is that of an OpenAI-compatible API");
  if (!reply.is_object()) return unavailable("the reply is not a JSON object");
  if (const json& error = member(reply, "error"); !error.is_null())
    return unavailable("the endpoint reports an error: " + error_in_reply(body));
  const json& choices = member(reply, "choices");
  if (!choices.is_array()) return unavailable("the reply has no list of choices");
  if (choices.empty()) return unavailable("the reply's list of choices is empty");
  const json& message = member(choices[0], "message");
  if (!message.is_object()) return unavailable("the reply's first choice has no message");

  Exchange exchange;
  exchange.finish_reason = words(member(choices[0], "finish_reason"), "");
  const json& content = member(message, "content");
  const json& calls = member(message, "tool_calls");
  if (content.is_null() && calls.is_array() && !calls.empty())
    return unavailable("the model answered with a tool call instead of text");
  if (content.is_null() && member(message, "refusal").is_string())
    return unavailable("the model refused: " +
                       one_line(member(message, "refusal").get_ref<const std::string&>()));
  if (!content.is_string()) return unavailable("the reply's message content is not text");
  exchange.answer = content.get<std::string>();
  if (exchange.answer.find_first_not_of(" \t\r\n") == std::string::npos)
    return unavailable(exchange.finish_reason == "length"
                           ? "the answer is empty (finish reason length): raise max_tokens"
                           : "the answer is empty");
  exchange.model = words(member(reply, "model"), request.model.c_str());

  const json& usage = member(reply, "usage");
  if (!count(usage, "prompt_tokens", exchange.prompt_tokens)) {
    std::size_t bytes = 0;
    for (const auto& m : request.messages) bytes += m.content.size();
    exchange.prompt_tokens = estimated_tokens(bytes);
    exchange.tokens_estimated = true;
  }
  if (!count(usage, "completion_tokens", exchange.completion_tokens)) {
    exchange.completion_tokens = estimated_tokens(exchange.answer.size());
    exchange.tokens_estimated = true;
  }
  return exchange;
}

std::string error_in_reply(std::string_view body) {
  const json reply = parse_bounded(body);
  if (!reply.is_discarded()) {
    const json& error = member(reply, "error");
    if (error.is_string()) return one_line(error.get_ref<const std::string&>());
    if (const json& text = member(error, "message"); text.is_string())
      return one_line(text.get_ref<const std::string&>());
    if (const json& text = member(reply, "message"); text.is_string())
      return one_line(text.get_ref<const std::string&>());
  }
  if (body.empty()) return "no text";
  return "it begins \"" + one_line(body.substr(0, 80), 80) + "\"";
}

}  // namespace mtmc::llm
