// Retries with doubling, capped, jittered waits around one POST (llm/http_transport), and the
// reply's meaning (llm/chat_protocol). A stream is read when it has ended, however it ended: what
// it is good for here is that a slow model is told from a dead one, and that what arrived of a cut
// one is kept.
#include "llm/http_endpoint.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "llm/chat_protocol.hpp"
#include "llm/dialect.hpp"
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

// At most so many at a time; the others wait.
class Gate {
 public:
  explicit Gate(int places) : free_(places) {}
  struct Pass {
    Gate& gate;
    explicit Pass(Gate& g) : gate(g) {
      std::unique_lock lock(gate.mutex_);
      gate.left_.wait(lock, [this] { return gate.free_ > 0; });
      --gate.free_;
    }
    ~Pass() {
      {
        const std::lock_guard lock(gate.mutex_);
        ++gate.free_;
      }
      gate.left_.notify_one();
    }
    Pass(const Pass&) = delete;
  };

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  int free_;
};

class HttpEndpoint final : public Endpoint {
 public:
  HttpEndpoint(HttpSettings settings, Key key, std::string url, std::string host, Wire wire)
      : settings_(std::move(settings)),
        key_(std::move(key)),
        url_(std::move(url)),
        host_(std::move(host)),
        gate_(settings_.max_concurrent),
        wire_(wire) {}

  std::string name() const override { return host_; }
  Result<Exchange> complete(const Request& request) override;

 private:
  Wire wire() const {
    const std::lock_guard lock(mutex_);
    return wire_;
  }
  // Whether another form of the request is worth sending after this refusal.
  bool adapt(const HttpReply& reply, const Wire& sent, bool with_schema);
  std::chrono::milliseconds backoff(int attempt) const;
  Result<Exchange> read(const Request& request, const HttpReply& reply) const;
  Exchange lost(const Request& request, std::string problem, double latency_ms) const;
  tl::unexpected<Error> failure(const std::string& why) const {
    return unavailable("llm endpoint " + host_ + ": " + one_line(key_.redact(why), 400));
  }

  HttpSettings settings_;
  Key key_;
  std::string url_, host_;
  Gate gate_;
  mutable std::mutex mutex_;
  Wire wire_;
};

bool HttpEndpoint::adapt(const HttpReply& reply, const Wire& sent, bool with_schema) {
  if (reply.status != 400 && reply.status != 422) return false;
  const std::lock_guard lock(mutex_);
  if (!(wire_ == sent)) return true;  // another call has learnt it meanwhile
  return lessen(wire_, reply.body, with_schema);
}

std::chrono::milliseconds HttpEndpoint::backoff(int attempt) const {
  auto wait = settings_.first_backoff;
  for (int i = 0; i < attempt && wait < settings_.max_backoff; ++i) wait *= 2;
  wait = std::min(wait, settings_.max_backoff);
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(wait.count()) * (1 - settings_.jitter() / 2)));
}

Exchange HttpEndpoint::lost(const Request& request, std::string problem, double latency_ms) const {
  Exchange exchange;
  exchange.problem = one_line(key_.redact(problem), 400);
  exchange.model = request.model;
  for (const auto& m : request.messages)
    exchange.prompt_tokens += static_cast<std::int64_t>(m.content.size() / 4 + 1);
  exchange.tokens_estimated = true;
  exchange.latency_ms = latency_ms;
  return exchange;
}

Result<Exchange> HttpEndpoint::read(const Request& request, const HttpReply& reply) const {
  const bool cut = reply.outcome == HttpReply::Outcome::cut;
  if (cut && !reply.event_stream) return lost(request, reply.why, reply.latency_ms);
  auto exchange = reply.event_stream
                      ? parse_chat_stream(request, reply.body, cut ? reply.why : std::string())
                      : parse_chat_reply(request, reply.body);
  if (!exchange && cut) return lost(request, reply.why, reply.latency_ms);
  if (!exchange) return failure(exchange.error().message);
  exchange->latency_ms = reply.latency_ms;
  exchange->answer = key_.redact(exchange->answer);
  exchange->problem = one_line(key_.redact(exchange->problem), 400);
  return exchange;
}

Result<Exchange> HttpEndpoint::complete(const Request& request) {
  using Outcome = HttpReply::Outcome;
  std::chrono::milliseconds throttled{0};
  int attempt = 0;
  for (int throttles = 0;;) {
    const Wire sent = wire();
    const bool with_schema = request.schema && sent.schema != SchemaForm::none;
    HttpReply reply;
    {
      const Gate::Pass pass(gate_);
      reply = http_post(settings_, url_, key_, chat_body(request, sent));
    }
    const bool answered = reply.outcome == Outcome::answered;
    if ((answered || reply.outcome == Outcome::cut) && reply.status == 200)
      return read(request, reply);
    if (reply.outcome == Outcome::lost || reply.outcome == Outcome::cut)
      return lost(request, reply.why, reply.latency_ms);
    if (answered && adapt(reply, sent, with_schema)) continue;

    std::string why = reply.why;
    if (answered) {
      why = fmt::format("HTTP status {}: {}", reply.status, error_in_reply(reply.body));
      if (reply.status >= 300 && reply.status < 400)
        why = fmt::format("HTTP status {}: redirects are not followed, give the final base URL",
                          reply.status);
      if (reply.status == 401 || reply.status == 403)
        why += " (the key comes from MTMC_LLM_KEY, OPENAI_API_KEY or a key file)";
    }
    // No use in waiting: it is the account, not the pace.
    const bool broke = reply.body.find("insufficient_quota") != std::string::npos;
    const bool throttle = answered && !broke &&
                          (reply.status == 429 || (reply.status == 503 && reply.retry_after_s > 0));
    // 504: a gateway lost patience, but the model behind it may still answer, and charge.
    const bool again = reply.outcome == Outcome::no_connection || throttle ||
                       (answered && reply.status >= 500 && reply.status != 504);
    if (!again) return failure(why);
    const std::chrono::seconds asked(reply.retry_after_s);
    if (asked > settings_.max_retry_after)
      return failure(fmt::format("{}; it asks to wait {} s", why, reply.retry_after_s));
    const auto wait =
        std::max<std::chrono::milliseconds>(backoff(throttle ? throttles : attempt), asked);
    if (throttle) {
      ++throttles;
      throttled += wait;
      if (throttled > settings_.max_throttled)
        return failure(fmt::format("{} (throttled {} times)", why, throttles));
    } else if (attempt++ >= settings_.retries) {
      return failure(fmt::format("{} (after {} attempts)", why, attempt));
    }
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
  if (!settings.jitter)
    settings.jitter = [] {
      static thread_local std::mt19937_64 engine{std::random_device{}()};
      return std::uniform_real_distribution<double>()(engine);
    };
  const Dialect* dialect =
      settings.dialect.empty() ? &dialect_for(host, port) : dialect_named(settings.dialect);
  if (!dialect)
    return bad_input("there is no llm dialect '" + one_line(settings.dialect, 40) +
                     "': expected openai, vllm, sglang, llamacpp, ollama or deepseek");
  if (settings.max_concurrent < 1)
    return bad_input("the llm endpoint needs at least one call at a time");
  Wire wire = dialect->wire;
  wire.stream = wire.stream && settings.stream;
  std::string base = settings.base_url;
  while (!base.empty() && base.back() == '/') base.pop_back();
  const std::string named = one_line(host + (port.empty() ? "" : ":" + port));
  return std::unique_ptr<Endpoint>(std::make_unique<HttpEndpoint>(
      std::move(settings), std::move(key), base + "/chat/completions", named, wire));
}

}  // namespace mtmc::llm
