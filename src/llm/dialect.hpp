// What servers that speak OpenAI's chat completions understand differently, as data.
//
// A dialect is where a conversation with a server begins. Whatever it then rejects by name is sent
// in the next lesser form (`lessen`), so that a server of an unknown make is talked to as well.
// Sources: API references of OpenAI, DeepSeek, vLLM, SGLang, llama.cpp (tools/server/README) and
// Ollama (docs/openai).
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mtmc::llm {

// How a server is asked to hold an answer to a schema, from most to least.
enum class SchemaForm {
  json_schema,         // response_format {type: json_schema, json_schema: {name, schema, strict}}
  json_object_schema,  // response_format {type: json_object, schema}: llama-cpp-python
  json_object,         // response_format {type: json_object}: DeepSeek
  none,
};
enum class TokenField { max_tokens, max_completion_tokens, none };

// What is put into a request. All of it is optional for a server.
struct Wire {
  SchemaForm schema = SchemaForm::json_schema;
  TokenField tokens = TokenField::max_tokens;
  bool stream = true;
  bool stream_usage = true;  // stream_options {include_usage}
  bool temperature = true;   // reasoning models of OpenAI take none
  bool seed = true;
  bool operator==(const Wire&) const = default;
};

struct Dialect {
  std::string_view name;
  Wire wire;
  std::string_view why;
};

// "openai", "vllm", "sglang", "llamacpp", "ollama", "deepseek".
std::span<const Dialect> dialects();
// By name; null where there is none.
const Dialect* dialect_named(std::string_view name);
// The one that a host and port point at ("api.deepseek.com", port 11434); otherwise openai.
const Dialect& dialect_for(std::string_view host, std::string_view port);

// Whether a server's refusal (the text of a 400 or 422) names something that `wire` sends; that
// becomes the next lesser form. Ends after a few calls: nothing ever grows.
bool lessen(Wire& wire, std::string_view refusal, bool schema_was_sent);

}  // namespace mtmc::llm
