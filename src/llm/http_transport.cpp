// Plain libcurl, one easy handle a call: a call takes seconds, so keeping connections would save
// nothing and cost a lock.
#include "llm/http_transport.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>

namespace mtmc::llm {

namespace {

struct Sink {
  std::string body;
  std::size_t max_bytes;
  bool overflowed = false;
};

// Bytes moved either way, and when that last changed. libcurl's own low-speed limit averages over
// several seconds.
struct Idle {
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
  std::chrono::milliseconds limit;
  curl_off_t moved = 0;
  bool expired = false;
};

int watch(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& idle = *static_cast<Idle*>(user);
  const auto now = std::chrono::steady_clock::now();
  if (received + sent != idle.moved) {
    idle.moved = received + sent;
    idle.last = now;
  }
  idle.expired = now - idle.last > idle.limit;
  return idle.expired ? 1 : 0;
}

std::size_t receive(char* data, std::size_t size, std::size_t count, void* user) {
  auto& sink = *static_cast<Sink*>(user);
  const std::size_t bytes = size * count;
  if (bytes > sink.max_bytes - sink.body.size()) {
    sink.overflowed = true;
    return 0;
  }
  sink.body.append(data, bytes);
  return bytes;
}

struct EasyDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDelete>;

void add(HeaderList& list, const std::string& line) {
  if (curl_slist* longer = curl_slist_append(list.get(), line.c_str())) {
    (void)list.release();
    list.reset(longer);
  }
}

std::string why_it_failed(CURLcode code, const HttpSettings& settings, const Sink& sink,
                          const Idle& idle, const char* detail) {
  if (idle.expired)
    return fmt::format("nothing came for {} ms, the idle time limit", settings.idle_limit.count());
  if (sink.overflowed || code == CURLE_FILESIZE_EXCEEDED)
    return fmt::format("the reply is larger than {} bytes", settings.max_reply_bytes);
  const std::string what = *detail ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return "no reply within the time limit (" + what + ")";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return "the server's certificate is not accepted (" + what + ")";
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return "the connection was cut (" + what + ")";
    default:
      return what;
  }
}

}  // namespace

HttpReply http_post(const HttpSettings& settings, const std::string& url, const Key& key,
                    const std::string& body) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  HttpReply reply;
  const std::unique_ptr<CURL, EasyDelete> handle(curl_easy_init());
  if (!handle) {
    reply.why = "libcurl cannot be initialised";
    return reply;
  }
  HeaderList headers;
  add(headers, "Content-Type: application/json");
  add(headers, "Accept: application/json, text/event-stream");
  add(headers, "Expect:");  // no 100-continue round trip
  if (!key.empty()) add(headers, "Authorization: Bearer " + key.reveal());

  Sink sink{{}, settings.max_reply_bytes};
  Idle idle;
  idle.limit = settings.idle_limit;
  char detail[CURL_ERROR_SIZE] = "";
  CURL* const curl = handle.get();
  const auto set = [curl](CURLoption option, auto value) { curl_easy_setopt(curl, option, value); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_USERAGENT, "mtmc");
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_HEADEROPT,
      static_cast<long>(CURLHEADER_SEPARATE));  // the key is not a proxy's to see
  set(CURLOPT_POSTFIELDS, body.data());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(settings.connect_limit.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(settings.total_limit.count()));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &watch);
  set(CURLOPT_XFERINFODATA, &idle);
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(settings.max_reply_bytes));
  set(CURLOPT_WRITEFUNCTION, &receive);
  set(CURLOPT_WRITEDATA, &sink);
  set(CURLOPT_ERRORBUFFER, detail);
  if (!settings.ca_file.empty()) set(CURLOPT_CAINFO, settings.ca_file.c_str());
  if (settings.proxy) set(CURLOPT_PROXY, settings.proxy->c_str());

  const CURLcode code = curl_easy_perform(curl);
  double seconds = 0;
  curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &seconds);
  reply.latency_ms = seconds * 1e3;
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  reply.status = static_cast<int>(status);
  reply.event_stream = type && std::string_view(type).starts_with("text/event-stream");
  reply.body = std::move(sink.body);
  if (code != CURLE_OK) {
    // TLS and proxy handshakes come after CURLINFO_CONNECT_TIME and before PRETRANSFER.
    curl_off_t sent_us = 0;
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
    using Outcome = HttpReply::Outcome;
    const bool unconnected = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                             code == CURLE_COULDNT_RESOLVE_PROXY ||
                             (code == CURLE_OPERATION_TIMEDOUT && sent_us == 0);
    reply.outcome = unconnected    ? Outcome::no_connection
                    : sent_us == 0 ? Outcome::refused
                    : status == 0  ? Outcome::lost
                                   : Outcome::cut;
    reply.why = key.redact(why_it_failed(code, settings, sink, idle, detail));
    return reply;
  }
  curl_off_t wait_s = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s);
  reply.outcome = HttpReply::Outcome::answered;
  reply.retry_after_s = wait_s;
  return reply;
}

}  // namespace mtmc::llm
