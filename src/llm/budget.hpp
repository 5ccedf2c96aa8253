// A cap on what may be spent on an endpoint.
#pragma once

#include <cstdint>
#include <limits>
#include <mutex>
#include <string>

#include "llm/endpoint.hpp"

namespace mtmc::llm {

struct Budget {
  std::int64_t max_calls = std::numeric_limits<std::int64_t>::max();
  std::int64_t max_tokens = std::numeric_limits<std::int64_t>::max();  // sent and received together
};
struct Spent {
  std::int64_t calls = 0;  // failed ones count: they may have been charged
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
  double latency_ms = 0;
};

// Passes requests on to `inner` (which must outlive it) while the budget lasts; after that
// `unavailable`, without a call. The token cap is checked before a call, so the last one may
// overshoot by what it costs itself.
class BudgetedEndpoint final : public Endpoint {
 public:
  // `already`: what a run that is being resumed has spent.
  BudgetedEndpoint(Endpoint& inner, Budget budget, Spent already = {});
  std::string name() const override;
  Result<Exchange> complete(const Request& request) override;
  Spent spent() const;

 private:
  Endpoint& inner_;
  const Budget budget_;
  mutable std::mutex mutex_;
  Spent spent_;
};

}  // namespace mtmc::llm
