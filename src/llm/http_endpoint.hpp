// An OpenAI-compatible chat endpoint over HTTP (libcurl).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "llm/endpoint.hpp"
#include "llm/key.hpp"

namespace mtmc::llm {

struct HttpSettings {
  std::string base_url;  // "https://api.openai.com/v1"; "/chat/completions" is added
  std::chrono::milliseconds connect_limit{10'000};
  // A model thinks in silence when it does not stream, so silence is allowed for long. Noticed
  // within a second.
  std::chrono::milliseconds idle_limit{300'000};
  std::chrono::milliseconds total_limit{900'000};  // of one attempt
  std::size_t max_reply_bytes = std::size_t{8} << 20;
  int retries = 4;  // after the first attempt
  std::chrono::milliseconds first_backoff{500}, max_backoff{20'000};
  std::chrono::seconds max_retry_after{120};  // asked to wait longer than that, it gives up
  // Absent: http_proxy, https_proxy, all_proxy and no_proxy of the environment. Empty: no proxy.
  std::optional<std::string> proxy;
  // A key goes over plain HTTP to this machine only, unless this is set.
  bool key_over_plain_http = false;
  // How waiting is done; for tests.
  std::function<void(std::chrono::milliseconds)> wait;
};

// Checks the settings; sends nothing yet. bad_input where the URL cannot be used (scheme, user
// info, query) or would carry the key unencrypted to another machine.
//
// Attempts are repeated only where an answer was hardly charged for: no connection, 429 (Retry-After
// is honoured) and 5xx except 504. A time limit, a cut connection or an unusable reply is not
// repeated. Redirects are refused. TLS certificates are verified. A server that rejects
// `response_format` is asked again without it, and never again with it.
Result<std::unique_ptr<Endpoint>> make_http_endpoint(HttpSettings settings, Key key);

}  // namespace mtmc::llm
