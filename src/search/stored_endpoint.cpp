#include "search/stored_endpoint.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace mtmc::search {

namespace {
// After so many answers in a row that are of no use, the endpoint is at fault and not the model.
constexpr int kMaxUseless = 4;
}  // namespace

llm::Exchange exchange_of(const store::ExchangeRecord& record) {
  llm::Exchange exchange;
  exchange.answer = record.answer;
  exchange.problem = record.problem;
  exchange.model = record.model;
  exchange.prompt_tokens = record.prompt_tokens;
  exchange.completion_tokens = record.completion_tokens;
  exchange.cached_tokens = record.cached_tokens;
  exchange.tokens_estimated = record.tokens_estimated;
  exchange.latency_ms = record.latency_ms;
  exchange.finish_reason = record.finish_reason;
  return exchange;
}

Result<Conversation> Conversation::open(store::Store& store, std::string run_id, bool reuse,
                                        const llm::PriceTable& prices, Meter& meter) {
  Conversation conversation(store, std::move(run_id), reuse, prices, meter);
  if (conversation.run_id_.empty()) return conversation;
  auto before = store::Exchanges(store).of_run(conversation.run_id_);
  if (!before) return tl::unexpected<Error>(before.error());
  for (auto& record : *before) {
    ++conversation.ordinal_;
    if (record.charged) meter.add_call(exchange_of(record), record.price_usd);
    conversation.taken_[record.request_hash].push_back(std::move(record));
  }
  return conversation;
}

Result<void> Conversation::remember(store::ExchangeRecord record) {
  store::Exchanges exchanges(*store_);
  return run_id_.empty() ? exchanges.put(record) : exchanges.put_for(run_id_, ordinal_++, record);
}

Result<llm::Exchange> Conversation::hand_on(llm::Exchange exchange) {
  useless_ = exchange.problem.empty() ? 0 : useless_ + 1;
  if (useless_ >= kMaxUseless)
    return unavailable(fmt::format("the last {} answers of the endpoint were of no use: {}",
                                   useless_, exchange.problem));
  return exchange;
}

Result<llm::Exchange> Conversation::complete(llm::Endpoint& endpoint, const llm::Request& request) {
  store::Exchanges exchanges(*store_);
  store::ExchangeRecord record;
  record.request_hash = llm::request_hash(request);
  record.endpoint = endpoint.name();
  const std::int64_t times = asked_[record.request_hash]++;
  if (auto before = taken_.find(record.request_hash);
      before != taken_.end() && !before->second.empty()) {
    llm::Exchange exchange = exchange_of(before->second.front());
    before->second.pop_front();
    return hand_on(std::move(exchange));
  }
  if (reuse_) {
    auto known = exchanges.find(record.request_hash, record.endpoint, times);
    if (!known) return tl::unexpected<Error>(known.error());
    // What was lost on the way once may arrive the next time.
    if (*known && (*known)->problem.empty()) {
      (*known)->charged = false;
      if (auto ok = remember(**known); !ok) return tl::unexpected<Error>(ok.error());
      return hand_on(exchange_of(**known));
    }
  }
  auto exchange = endpoint.complete(request);
  if (!exchange) return exchange;
  ++calls_;
  auto sample = exchanges.next_sample(record.request_hash, record.endpoint);
  if (!sample) return tl::unexpected<Error>(sample.error());
  record.sample = *sample;
  record.role = request.role;
  record.run_id = run_id_;
  record.model = exchange->model;
  record.request_json =
      llm::to_json(request).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  record.answer = exchange->answer;
  record.problem = exchange->problem;
  record.prompt_tokens = exchange->prompt_tokens;
  record.completion_tokens = exchange->completion_tokens;
  record.cached_tokens = exchange->cached_tokens;
  record.tokens_estimated = exchange->tokens_estimated;
  record.latency_ms = exchange->latency_ms;
  record.price_usd = prices_->usd(request.model, *exchange);
  record.finish_reason = exchange->finish_reason;
  meter_->add_call(*exchange, record.price_usd);
  if (auto ok = remember(std::move(record)); !ok) return tl::unexpected<Error>(ok.error());
  return hand_on(std::move(*exchange));
}

}  // namespace mtmc::search
