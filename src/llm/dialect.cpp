#include "llm/dialect.hpp"

#include <string>

namespace mtmc::llm {

namespace {

constexpr Wire kPlain;
constexpr Wire with(SchemaForm schema, TokenField tokens, bool seed = true) {
  Wire wire;
  wire.schema = schema;
  wire.tokens = tokens;
  wire.seed = seed;
  return wire;
}

constexpr Dialect kDialects[] = {
    {"openai", with(SchemaForm::json_schema, TokenField::max_completion_tokens),
     "max_tokens is deprecated there, and refused by reasoning models"},
    {"vllm", kPlain, "guided decoding behind response_format"},
    {"sglang", kPlain, "xgrammar behind response_format"},
    {"llamacpp", kPlain, "a grammar is made of the schema"},
    {"ollama", kPlain, "structured outputs since 0.5"},
    {"deepseek", with(SchemaForm::json_object, TokenField::max_tokens, false),
     "JSON mode without a schema, and no seed"},
};

bool names(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

}  // namespace

std::span<const Dialect> dialects() { return kDialects; }

const Dialect* dialect_named(std::string_view name) {
  for (const auto& d : kDialects)
    if (d.name == name) return &d;
  return nullptr;
}

const Dialect& dialect_for(std::string_view host, std::string_view port) {
  if (host == "api.deepseek.com") return *dialect_named("deepseek");
  if (host == "api.openai.com") return *dialect_named("openai");
  if (port == "11434") return *dialect_named("ollama");
  // Local servers know max_tokens; what else they are is found out by what they refuse.
  return *dialect_named("vllm");
}

bool lessen(Wire& wire, std::string_view refusal, bool schema_was_sent) {
  if (wire.stream && wire.stream_usage && names(refusal, "stream_options")) {
    wire.stream_usage = false;
    return true;
  }
  if (wire.tokens == TokenField::max_tokens && names(refusal, "max_completion_tokens")) {
    wire.tokens = TokenField::max_completion_tokens;
    return true;
  }
  if (wire.tokens == TokenField::max_completion_tokens && names(refusal, "max_completion_tokens")) {
    wire.tokens = TokenField::none;
    return true;
  }
  if (schema_was_sent && wire.schema != SchemaForm::none &&
      (names(refusal, "response_format") || names(refusal, "json_schema") ||
       names(refusal, "json_object") || names(refusal, "grammar"))) {
    wire.schema = static_cast<SchemaForm>(static_cast<int>(wire.schema) + 1);
    return true;
  }
  if (wire.temperature && names(refusal, "temperature")) {
    wire.temperature = false;
    return true;
  }
  if (wire.seed && names(refusal, "seed")) {
    wire.seed = false;
    return true;
  }
  if (wire.stream && names(refusal, "stream")) {
    wire.stream = false;
    return true;
  }
  return false;
}

}  // namespace mtmc::llm
