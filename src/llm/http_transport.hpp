// One POST over libcurl, with every limit set; no retries and no meaning.
#pragma once

#include <cstdint>
#include <string>

#include "llm/http_endpoint.hpp"

namespace mtmc::llm {

struct HttpReply {
  enum class Outcome { answered, no_connection, failed } outcome = Outcome::failed;
  int status = 0;                  // answered
  std::int64_t retry_after_s = 0;  // answered; 0: not said
  std::string body;                // answered
  std::string why;                 // otherwise; holds no header that was sent
  double latency_ms = 0;
};

HttpReply http_post(const HttpSettings& settings, const std::string& url, const Key& key,
                    const std::string& body);

}  // namespace mtmc::llm
