// Reading a model's answer: tolerant of the prose around it, strict about what is taken from it.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace mtmc::llm {

// A block between fences of three or more backticks; views into the answer.
struct Block {
  std::string_view info;  // what follows the opening fence, trimmed: "json", "cuda kernel.cu"
  std::string_view body;  // whole lines; ends with a newline unless empty
};

// The answer after a leading <think>...</think>, as models print their reasoning where the server
// does not take it out. A block that is never closed leaves nothing.
std::string_view without_thinking(std::string_view answer);

// The fenced blocks of an answer, in order. A block that is never closed is left out: an answer
// that was cut off must not pass for a whole one.
std::vector<Block> fenced_blocks(std::string_view answer);

// The first JSON object of an answer, in a fence or in plain text. bad_input says what was found
// instead. Objects nested deeper than 64 or longer than `max_bytes` are refused.
Result<nlohmann::json> first_json_object(std::string_view answer, std::size_t max_bytes = 1 << 20);

}  // namespace mtmc::llm
