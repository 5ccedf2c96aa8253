// Retries with doubling, capped waits around one POST (llm/http_transport), and the reply's meaning
// (llm/chat_protocol). Not done: streaming, jitter, a limit on concurrent calls.
#include "llm/http_endpoint.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "llm/chat_protocol.hpp"
#include "llm/http_transport.hpp"
#include "llm/prompt.hpp"

namespace mtmc::llm {

namespace {

struct UrlDelete {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK || !text) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

bool is_loopback(const std::string& host) {
  // An address, not a name that merely begins like one ("127.example.org").
  const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "[::1]" || (numeric && host.rfind("127.", 0) == 0);
}

class HttpEndpoint final : public Endpoint {
 public:
  HttpEndpoint(HttpSettings settings, Key key, std::string url, std::string host)
      : settings_(std::move(settings)),
        key_(std::move(key)),
        url_(std::move(url)),
        host_(std::move(host)) {}

  std::string name() const override { return host_; }
  Result<Exchange> complete(const Request& request) override;

 private:
  // How long to wait before the next attempt; negative: the server asks for longer than we wait.
  std::chrono::milliseconds wait_before_retry(const HttpReply& reply, int attempt) const;
  tl::unexpected<Error> failure(const std::string& why) const {
    return unavailable("llm endpoint " + host_ + ": " + one_line(key_.redact(why), 400));
  }

  HttpSettings settings_;
  Key key_;
  std::string url_, host_;
  std::atomic<bool> schema_accepted_{true};
};

std::chrono::milliseconds HttpEndpoint::wait_before_retry(const HttpReply& reply,
                                                          int attempt) const {
  const std::chrono::seconds asked(reply.retry_after_s);
  if (asked > settings_.max_retry_after) return std::chrono::milliseconds(-1);
  auto wait = settings_.first_backoff;
  for (int i = 0; i < attempt && wait < settings_.max_backoff; ++i) wait *= 2;
  return std::max<std::chrono::milliseconds>(std::min(wait, settings_.max_backoff), asked);
}

Result<Exchange> HttpEndpoint::complete(const Request& request) {
  for (int attempt = 0;; ++attempt) {
    const bool with_schema = request.schema && schema_accepted_;
    const HttpReply reply = http_post(settings_, url_, key_, chat_body(request, with_schema));
    const bool answered = reply.outcome == HttpReply::Outcome::answered;
    if (answered && reply.status == 200) {
      auto exchange = parse_chat_reply(request, reply.body);
      if (!exchange) return failure(exchange.error().message);
      exchange->latency_ms = reply.latency_ms;
      return exchange;
    }
    if (answered && with_schema && (reply.status == 400 || reply.status == 422) &&
        reply.body.find("response_format") != std::string::npos) {
      schema_accepted_ = false;
      continue;
    }
    // 504: a gateway lost patience, but the model behind it may still answer, and charge.
    const bool again =
        reply.outcome == HttpReply::Outcome::no_connection ||
        (answered && (reply.status == 429 || (reply.status >= 500 && reply.status != 504)));
    std::string why = reply.why;
    if (answered) {
      why = fmt::format("HTTP status {}: {}", reply.status, error_in_reply(reply.body));
      if (reply.status >= 300 && reply.status < 400)
        why = fmt::format("HTTP status {}: redirects are not followed, give the final base URL",
                          reply.status);
      if (reply.status == 401 || reply.status == 403)
        why += " (the key comes from MTMC_LLM_KEY, OPENAI_API_KEY or a key file)";
    }
    if (!again) return failure(why);
    const auto wait = wait_before_retry(reply, attempt);
    if (wait.count() < 0)
      return failure(fmt::format("{}; it asks to wait {} s", why, reply.retry_after_s));
    if (attempt >= settings_.retries)
      return failure(fmt::format("{} (after {} attempts)", why, attempt + 1));
    settings_.wait(wait);
  }
}

}  // namespace

Result<std::unique_ptr<Endpoint>> make_http_endpoint(HttpSettings settings, Key key) {
  const std::unique_ptr<CURLU, UrlDelete> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, settings.base_url.c_str(), 0) != CURLUE_OK)
    return bad_input(
        "the llm base URL cannot be read: expected one like https://api.openai.com/v1");
  const std::string scheme = part(url.get(), CURLUPART_SCHEME);
  const std::string host = part(url.get(), CURLUPART_HOST);
  const std::string port = part(url.get(), CURLUPART_PORT);
  if (scheme != "http" && scheme != "https")
    return bad_input("the llm base URL has scheme '" + one_line(scheme, 20) +
                     "': expected http or https");
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty())
    return bad_input("the llm base URL holds a user or password: put the key into MTMC_LLM_KEY");
  if (!part(url.get(), CURLUPART_QUERY).empty() || !part(url.get(), CURLUPART_FRAGMENT).empty())
    return bad_input("the llm base URL has a query or fragment: expected one that ends in a path");
  if (scheme == "http" && !key.empty() && !is_loopback(host) && !settings.key_over_plain_http)
    return bad_input("the key would go unencrypted to " + one_line(host) +
                     ": use an https base URL");
  if (!settings.wait)
    settings.wait = [](std::chrono::milliseconds wait) { std::this_thread::sleep_for(wait); };
  std::string base = settings.base_url;
  while (!base.empty() && base.back() == '/') base.pop_back();
  const std::string named = one_line(host + (port.empty() ? "" : ":" + port));
  return std::unique_ptr<Endpoint>(std::make_unique<HttpEndpoint>(
      std::move(settings), std::move(key), base + "/chat/completions", named));
}

}  // namespace mtmc::llm
