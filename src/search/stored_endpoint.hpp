// An endpoint that remembers: every exchange goes into the store, and a request that was asked
// before is answered from there, so that a resumed run pays for no answer twice.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "llm/endpoint.hpp"
#include "llm/price.hpp"
#include "search/budget.hpp"
#include "store/exchanges.hpp"
#include "store/store.hpp"

namespace mtmc::search {

// The conversation of one run, over all endpoints that it speaks to. Not thread safe (the store
// belongs to one thread). What it is given outlives it.
class Conversation {
 public:
  // `reuse`: answers that other runs have paid for count too. Reads what this run took before it
  // was stopped, and adds what that cost to the meter. An empty run id: for no run.
  static Result<Conversation> open(store::Store& store, std::string run_id, bool reuse,
                                   const llm::PriceTable& prices, Meter& meter);

  Result<llm::Exchange> complete(llm::Endpoint& endpoint, const llm::Request& request);
  std::uint64_t calls() const { return calls_; }  // that reached an endpoint and were answered

 private:
  Conversation(store::Store& store, std::string run_id, bool reuse, const llm::PriceTable& prices,
               Meter& meter)
      : store_(&store),
        run_id_(std::move(run_id)),
        reuse_(reuse),
        prices_(&prices),
        meter_(&meter) {}
  Result<void> remember(store::ExchangeRecord record);
  Result<llm::Exchange> hand_on(llm::Exchange exchange);

  store::Store* store_;
  std::string run_id_;
  bool reuse_;
  const llm::PriceTable* prices_;
  Meter* meter_;
  std::map<std::string, std::deque<store::ExchangeRecord>> taken_;  // by request hash, before
  std::map<std::string, std::int64_t> asked_;                       // request hash -> times
  std::int64_t ordinal_ = 0;                                        // of the run's next exchange
  std::uint64_t calls_ = 0;
  int useless_ = 0;  // answers in a row with a problem
};

// One endpoint of a conversation. Both outlive it.
class StoredEndpoint final : public llm::Endpoint {
 public:
  StoredEndpoint(Conversation& conversation, llm::Endpoint& inner)
      : conversation_(conversation), inner_(inner) {}
  std::string name() const override { return inner_.name(); }
  Result<llm::Exchange> complete(const llm::Request& request) override {
    return conversation_.complete(inner_, request);
  }

 private:
  Conversation& conversation_;
  llm::Endpoint& inner_;
};

// A stored exchange as the conversation had it.
llm::Exchange exchange_of(const store::ExchangeRecord& record);

}  // namespace mtmc::search
