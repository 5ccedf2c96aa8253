// Plain language to an operator line, by a model. What comes back is parsed like any other line: a
// model can name an operator here and nothing else.
#pragma once

#include <optional>
#include <string>

#include "llm/endpoint.hpp"
#include "op/operator.hpp"

namespace mtmc::planner {

// Whether a text was meant as plain language: it has neither an assignment nor typed inputs.
bool is_plain_language(const std::string& text);

struct Translation {
  op::Operator op;
  std::string line;   // canonical
  std::string model;  // that answered
};

struct TranslatorSettings {
  std::string model;
  double temperature = 0.2;
  int max_tokens = 1024;
  std::optional<std::int64_t> seed = {};
};

// Asks once, and once more with the parser's message where the line cannot be read; then bad_input
// with that message. The endpoint's failure is an error as it came.
Result<Translation> translate(llm::Endpoint& endpoint, const TranslatorSettings& settings,
                              const std::string& text);

// What an operator line looks like, in a few lines; for people and prompts.
std::string operator_syntax();

}  // namespace mtmc::planner
