#include "llm/endpoint.hpp"

#include <nlohmann/json.hpp>

#include "base/hash.hpp"

namespace mtmc::llm {

namespace {

using nlohmann::json;

// A member of the wanted type, or the default where it is absent; a wrong type throws, and the
// from_json functions turn that into an Error.
template <class T>
T member(const json& form, const char* key, T otherwise) {
  auto it = form.find(key);
  return it == form.end() || it->is_null() ? otherwise : it->get<T>();
}

}  // namespace

json to_json(const Request& request) {
  json messages = json::array();
  for (const auto& m : request.messages)
    messages.push_back({{"role", m.role}, {"content", m.content}});
  json form = {{"model", request.model},
               {"messages", messages},
               {"temperature", request.temperature},
               {"max_tokens", request.max_tokens}};
  if (!request.role.empty()) form["role"] = request.role;
  if (request.seed) form["seed"] = *request.seed;
  if (request.schema)
    form["schema"] = {{"name", request.schema->name}, {"json_schema", request.schema->json_schema}};
  return form;
}

json to_json(const Exchange& exchange) {
  json form = {{"answer", exchange.answer},
               {"model", exchange.model},
               {"prompt_tokens", exchange.prompt_tokens},
               {"completion_tokens", exchange.completion_tokens},
               {"tokens_estimated", exchange.tokens_estimated},
               {"latency_ms", exchange.latency_ms},
               {"finish_reason", exchange.finish_reason}};
  if (!exchange.problem.empty()) form["problem"] = exchange.problem;
  if (exchange.cached_tokens > 0) form["cached_tokens"] = exchange.cached_tokens;
  return form;
}

Result<Request> request_from_json(const json& form) try {
  Request request;
  request.role = member(form, "role", std::string());
  request.model = form.at("model").get<std::string>();
  for (const auto& m : form.at("messages"))
    request.messages.push_back(
        {m.at("role").get<std::string>(), m.at("content").get<std::string>()});
  request.temperature = member(form, "temperature", request.temperature);
  request.max_tokens = member(form, "max_tokens", request.max_tokens);
  if (auto it = form.find("seed"); it != form.end()) request.seed = it->get<std::int64_t>();
  if (auto it = form.find("schema"); it != form.end())
    request.schema =
        AnswerSchema{it->at("name").get<std::string>(), it->at("json_schema").get<std::string>()};
  return request;
} catch (const json::exception& e) {
  return bad_input(std::string("not a chat request: ") + e.what());
}

Result<Exchange> exchange_from_json(const json& form) try {
  Exchange exchange;
  exchange.answer = form.at("answer").get<std::string>();
  exchange.problem = member(form, "problem", std::string());
  exchange.model = member(form, "model", std::string());
  exchange.cached_tokens = member(form, "cached_tokens", std::int64_t{0});
  exchange.prompt_tokens = member(form, "prompt_tokens", std::int64_t{0});
  exchange.completion_tokens = member(form, "completion_tokens", std::int64_t{0});
  exchange.tokens_estimated = member(form, "tokens_estimated", false);
  exchange.latency_ms = member(form, "latency_ms", 0.0);
  exchange.finish_reason = member(form, "finish_reason", std::string());
  return exchange;
} catch (const json::exception& e) {
  return bad_input(std::string("not an exchange: ") + e.what());
}

std::string request_hash(const Request& request) {
  json form = to_json(request);
  form.erase("role");
  return sha256(form.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace mtmc::llm
