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
  json form = json::parse(body, shallow, false);
  // Broken UTF-8 is replaced only where it is what stands in the way.
  if (form.is_discarded()) form = json::parse(valid_utf8(body), shallow, false);
  return form;
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

bool blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

// What the two forms of a reply have in common, and what is wrong with it.
struct Heard {
  std::string text, reasoning, refusal, finish_reason, model;
  bool tool_call = false, wrong_content = false;
  json usage;

  void message(const json& m) {  // a message, or a delta of one
    const json& content = member(m, "content");
    if (content.is_string())
      text += content.get_ref<const std::string&>();
    else if (content.is_array())  // parts, as some servers send them
      for (const json& part : content) text += words(member(part, "text"), "");
    else if (!content.is_null())
      wrong_content = true;
    const json& calls = member(m, "tool_calls");
    tool_call = tool_call || (calls.is_array() && !calls.empty());
    refusal += words(member(m, "refusal"), "");
    for (const char* key : {"reasoning_content", "reasoning"})
      reasoning += words(member(m, key), "");
  }

  Exchange exchange(const Request& request, const std::string& cut) const {
    Exchange out;
    out.answer = text;
    out.finish_reason = finish_reason;
    out.model = model.empty() ? request.model : model;
    if (!cut.empty())
      out.problem = cut;
    else if (wrong_content)
      out.problem = "the reply's message content is not text";
    else if (blank(text) && tool_call)
      out.problem = "the model answered with a tool call instead of text";
    else if (blank(text) && !refusal.empty())
      out.problem = "the model refused: " + one_line(refusal);
    else if (blank(text))
      out.problem = finish_reason == "length"
                        ? "the answer is empty (finish reason length): raise the limit of tokens"
                        : "the answer is empty";
    if (!count(usage, "prompt_tokens", out.prompt_tokens)) {
      std::size_t bytes = 0;
      for (const auto& m : request.messages) bytes += m.content.size();
      out.prompt_tokens = estimated_tokens(bytes);
      out.tokens_estimated = true;
    }
    if (!count(usage, "completion_tokens", out.completion_tokens)) {
      out.completion_tokens = estimated_tokens(text.size() + reasoning.size());
      out.tokens_estimated = true;
    }
    if (!count(member(usage, "prompt_tokens_details"), "cached_tokens", out.cached_tokens))
      count(usage, "prompt_cache_hit_tokens", out.cached_tokens);  // DeepSeek's word for it
    out.cached_tokens = std::min(out.cached_tokens, out.prompt_tokens);
    return out;
  }
};

Exchange unusable(const Request& request, std::string problem, const json& usage = {}) {
  Heard heard;
  heard.usage = usage;
  return heard.exchange(request, problem);
}

json response_format(const AnswerSchema& wanted, SchemaForm form) {
  // A schema of ours that does not parse would be sent as null, and the server says so.
  const auto schema = json::parse(wanted.json_schema, nullptr, false);
  if (form == SchemaForm::none || schema.is_discarded()) return {};
  if (form == SchemaForm::json_object) return {{"type", "json_object"}};
  if (form == SchemaForm::json_object_schema) return {{"type", "json_object"}, {"schema", schema}};
  return {{"type", "json_schema"},
          {"json_schema", {{"name", wanted.name}, {"schema", schema}, {"strict", true}}}};
}

}  // namespace

std::string chat_body(const Request& request, const Wire& wire) {
  json messages = json::array();
  for (const auto& m : request.messages)
    messages.push_back({{"role", m.role}, {"content", m.content}});
  json body = {{"model", request.model}, {"messages", messages}, {"stream", wire.stream}};
  if (wire.stream && wire.stream_usage) body["stream_options"] = {{"include_usage", true}};
  if (wire.temperature) body["temperature"] = request.temperature;
  if (request.max_tokens > 0 && wire.tokens != TokenField::none)
    body[wire.tokens == TokenField::max_tokens ? "max_tokens" : "max_completion_tokens"] =
        request.max_tokens;
  if (request.seed && wire.seed) body["seed"] = *request.seed;
  if (request.schema)
    if (json format = response_format(*request.schema, wire.schema); !format.is_null())
      body["response_format"] = std::move(format);
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
  const json& usage = member(reply, "usage");
  const json& choices = member(reply, "choices");
  if (!choices.is_array()) return unavailable("the reply has no list of choices");
  if (choices.empty()) return unusable(request, "the reply's list of choices is empty", usage);
  const json& message = member(choices[0], "message");
  if (!message.is_object())
    return unusable(request, "the reply's first choice has no message", usage);
  Heard heard;
  heard.message(message);
  heard.finish_reason = words(member(choices[0], "finish_reason"), "");
  heard.model = words(member(reply, "model"), "");
  heard.usage = usage;
  return heard.exchange(request, "");
}

Result<Exchange> parse_chat_stream(const Request& request, std::string_view body,
                                   const std::string& cut) {
  Heard heard;
  std::string problem = cut;
  bool done = false, any = false;
  for (std::size_t at = 0; at < body.size() && !done;) {
    const std::size_t end = std::min(body.find('\n', at), body.size());
    std::string_view line = body.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.substr(0, 5) != "data:") continue;  // comments (": keep-alive"), event names, ids
    line.remove_prefix(5);
    if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line == "[DONE]") {
      done = true;
      break;
    }
    const json chunk = parse_bounded(line);
    if (!chunk.is_object()) {
      if (problem.empty()) problem = "an event of the stream is not JSON";
      continue;
    }
    if (const json& error = member(chunk, "error"); !error.is_null()) {
      problem = "the endpoint reports an error: " + error_in_reply(line);
      break;
    }
    any = true;
    if (heard.model.empty()) heard.model = words(member(chunk, "model"), "");
    if (const json& usage = member(chunk, "usage"); usage.is_object()) heard.usage = usage;
    const json& choices = member(chunk, "choices");
    if (!choices.is_array() || choices.empty()) continue;
    heard.message(member(choices[0], "delta"));
    if (const json& finish = member(choices[0], "finish_reason"); finish.is_string())
      heard.finish_reason = finish.get<std::string>();
  }
  // Whole without its end mark, if the model said that it was finished.
  if (!done && problem.empty() && heard.finish_reason.empty())
    problem = "the stream ended before its end mark";
  if (!any) return unavailable(problem.empty() ? "the stream holds no answer" : problem);
  if (done || !heard.finish_reason.empty()) problem.clear();
  return heard.exchange(request, problem);
}

std::string error_in_reply(std::string_view body) {
  const json reply = parse_bounded(body);
  if (!reply.is_discarded()) {
    const json& error = member(reply, "error");
    if (error.is_string()) return one_line(error.get_ref<const std::string&>());
    if (const json& text = member(error, "message"); text.is_string())
      return one_line(text.get_ref<const std::string&>());
    for (const char* key : {"message", "detail"})  // vLLM's old form; FastAPI's
      if (const json& text = member(reply, key); text.is_string())
        return one_line(text.get_ref<const std::string&>());
  }
  if (body.empty()) return "no text";
  return "it begins \"" + one_line(body.substr(0, 80), 80) + "\"";
}

}  // namespace mtmc::llm
