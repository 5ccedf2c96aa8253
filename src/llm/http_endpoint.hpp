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
  std::string dialect;   // a name of llm/dialect.hpp; empty: by host and port
  bool stream = true;    // where the dialect has it; a server may answer in one piece all the same
  std::chrono::milliseconds connect_limit{10'000};
  // Nothing sent or received, noticed within a second. Long, because a model may think in silence
  // before its first word.
  std::chrono::milliseconds idle_limit{300'000};
  std::chrono::milliseconds total_limit{900'000};  // of one attempt
  std::size_t max_reply_bytes = std::size_t{8} << 20;
  int retries = 4;  // after the first attempt; waiting for a throttled endpoint does not count
  std::chrono::milliseconds first_backoff{500}, max_backoff{20'000};
  std::chrono::seconds max_retry_after{120};  // asked to wait longer than that, it gives up
  std::chrono::seconds max_throttled{900};    // waited for one answer in all because of throttling
  int max_concurrent = 4;                     // calls under way at a time; the others wait
  // Absent: http_proxy, https_proxy, all_proxy and no_proxy of the environment. Empty: no proxy.
  std::optional<std::string> proxy;
  std::string ca_file;  // PEM; further certificates to trust. Empty: the system's
  // A key goes over plain HTTP to this machine only, unless this is set.
  bool key_over_plain_http = false;
  // How waiting is done, and where jitter comes from (0 to 1); for tests.
  std::function<void(std::chrono::milliseconds)> wait;
  std::function<double()> jitter;
};

// Checks the settings; sends nothing yet. bad_input where the URL cannot be used (scheme, user
// info, query) or would carry the key unencrypted to another machine.
//
// Attempts are repeated only where an answer was hardly charged for: no connection, 429
// (Retry-After is honoured) and 5xx except 504; waits double to a cap, and are shortened by up to
// half at random. A time limit, a cut connection or an unusable reply is not repeated: once a
// request was sent and anything but a refusal came of it, it may have been charged, and the caller
// gets an Exchange with a problem. Redirects are refused. TLS certificates are verified. What a
// server rejects by name (response_format, stream_options, ...) is sent in a lesser form, and never
// again otherwise.
Result<std::unique_ptr<Endpoint>> make_http_endpoint(HttpSettings settings, Key key);

}  // namespace mtmc::llm
