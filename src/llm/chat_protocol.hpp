// The chat-completions protocol of OpenAI as text: what is sent, and what may come back.
// Source: OpenAI API reference, "Create chat completion"; spoken alike by vLLM, SGLang, llama.cpp,
// Ollama and DeepSeek.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::llm {

// The body of POST /chat/completions, not streamed. `with_schema` false leaves out response_format.
std::string chat_body(const Request& request, bool with_schema);

// The exchange in a reply of status 200; latency is the caller's to fill in. Errors are
// `unavailable` and do not name the host. A tool call, a refusal or an empty answer is an error;
// wrong usage figures are not (an answer that was paid for is kept): they are estimated.
Result<Exchange> parse_chat_reply(const Request& request, std::string_view body);

// What the server says went wrong, in at most 200 characters on one line: the protocol's error
// message, or the beginning of whatever it sent instead.
std::string error_in_reply(std::string_view body);

}  // namespace mtmc::llm
