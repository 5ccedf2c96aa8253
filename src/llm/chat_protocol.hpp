// The chat-completions protocol of OpenAI as text: what is sent, and what may come back, at once or
// as a stream of server-sent events.
// Source: OpenAI API reference, "Create chat completion"; spoken alike by vLLM, SGLang, llama.cpp,
// Ollama and DeepSeek, up to what llm/dialect.hpp lists. WHATWG HTML, "Server-sent events".
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "llm/dialect.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::llm {

// The body of POST /chat/completions.
std::string chat_body(const Request& request, const Wire& wire);

// The exchange in a reply of status 200; latency is the caller's to fill in. An answer that cannot
// be used (tool call, refusal, no choices, empty) is an Exchange with a problem: it was charged.
// Wrong usage figures are estimated. Bytes that are not UTF-8 become U+FFFD. `unavailable`: the
// reply is not of this protocol at all, or reports an error; it does not name the host.
Result<Exchange> parse_chat_reply(const Request& request, std::string_view body);

// The same of a stream (content type text/event-stream) as far as it came. `cut`: why it ended
// before its end, empty where it did not; what had arrived then is an Exchange with that problem,
// or `unavailable` where nothing had.
Result<Exchange> parse_chat_stream(const Request& request, std::string_view body,
                                   const std::string& cut);

// What the server says went wrong, in at most 200 characters on one line: the protocol's error
// message, or the beginning of whatever it sent instead.
std::string error_in_reply(std::string_view body);

}  // namespace mtmc::llm
