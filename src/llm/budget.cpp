#include "llm/budget.hpp"

#include <fmt/format.h>

namespace mtmc::llm {

BudgetedEndpoint::BudgetedEndpoint(Endpoint& inner, Budget budget, Spent already)
    : inner_(inner), budget_(budget), spent_(already) {}

std::string BudgetedEndpoint::name() const { return inner_.name(); }

Spent BudgetedEndpoint::spent() const {
  const std::lock_guard lock(mutex_);
  return spent_;
}

Result<Exchange> BudgetedEndpoint::complete(const Request& request) {
  {
    const std::lock_guard lock(mutex_);
    const std::int64_t tokens = spent_.prompt_tokens + spent_.completion_tokens;
    if (spent_.calls >= budget_.max_calls)
      return unavailable(
          fmt::format("llm budget is used up: {} of {} calls", spent_.calls, budget_.max_calls));
    if (tokens >= budget_.max_tokens)
      return unavailable(
          fmt::format("llm budget is used up: {} of {} tokens", tokens, budget_.max_tokens));
    ++spent_.calls;  // before the call, so that concurrent callers cannot exceed the cap
  }
  auto exchange = inner_.complete(request);
  if (exchange) {
    const std::lock_guard lock(mutex_);
    spent_.prompt_tokens += exchange->prompt_tokens;
    spent_.completion_tokens += exchange->completion_tokens;
    spent_.latency_ms += exchange->latency_ms;
  }
  return exchange;
}

}  // namespace mtmc::llm
