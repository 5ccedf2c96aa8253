#include "search/stored_endpoint.hpp"

#include <nlohmann/json.hpp>

#include "store/exchanges.hpp"

namespace mtmc::search {

Result<llm::Exchange> StoredEndpoint::complete(const llm::Request& request) {
  store::Exchanges exchanges(store_);
  store::ExchangeRecord record;
  record.request_hash = llm::request_hash(request);
  record.endpoint = inner_.name();
  record.sample = asked_[record.request_hash]++;
  if (reuse_) {
    auto known = exchanges.find(record.request_hash, record.endpoint, record.sample);
    if (!known) return tl::unexpected<Error>(known.error());
    if (*known) {
      llm::Exchange exchange;
      exchange.answer = (*known)->answer;
      exchange.model = (*known)->model;
      exchange.prompt_tokens = (*known)->prompt_tokens;
      exchange.completion_tokens = (*known)->completion_tokens;
      exchange.latency_ms = (*known)->latency_ms;
      exchange.finish_reason = (*known)->finish_reason;
      return exchange;
    }
  }
  auto exchange = inner_.complete(request);
  if (!exchange) return exchange;
  ++calls_;
  record.run_id = run_id_;
  record.model = exchange->model;
  record.request_json = llm::to_json(request).dump();
  record.answer = exchange->answer;
  record.prompt_tokens = exchange->prompt_tokens;
  record.completion_tokens = exchange->completion_tokens;
  record.latency_ms = exchange->latency_ms;
  record.finish_reason = exchange->finish_reason;
  if (auto ok = exchanges.put(record); !ok) return tl::unexpected<Error>(ok.error());
  return exchange;
}

}  // namespace mtmc::search
