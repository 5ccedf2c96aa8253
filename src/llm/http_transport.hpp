// One POST over libcurl, with every limit set; no retries and no meaning.
#pragma once

#include <cstdint>
#include <string>

#include "llm/http_endpoint.hpp"

namespace mtmc::llm {

struct HttpReply {
  // answered: whole. cut: status and a part of the body came. lost: the request was sent, or may
  // have been, and nothing came. refused: nothing of the request can have been answered.
  enum class Outcome { answered, no_connection, cut, lost, refused } outcome = Outcome::refused;
  int status = 0;                  // answered, cut
  std::int64_t retry_after_s = 0;  // answered; 0: not said
  bool event_stream = false;       // the body is text/event-stream
  std::string body;                // answered, cut
  std::string why;                 // otherwise; holds no header that was sent
  double latency_ms = 0;
};

HttpReply http_post(const HttpSettings& settings, const std::string& url, const Key& key,
                    const std::string& body);

}  // namespace mtmc::llm
