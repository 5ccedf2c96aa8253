// An endpoint for tests: a queue of answers, and a list of what was asked.
#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "llm/endpoint.hpp"

namespace mtmc::llm {

class FakeEndpoint final : public Endpoint {
 public:
  explicit FakeEndpoint(std::vector<std::string> answers = {})
      : answers_(answers.begin(), answers.end()) {}

  std::string name() const override { return "fake"; }
  Result<Exchange> complete(const Request& request) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (answers_.empty()) return unavailable("llm endpoint fake: no answer left");
    Exchange exchange;
    exchange.answer = std::move(answers_.front());
    answers_.pop_front();
    exchange.model = "fake-1";
    exchange.finish_reason = "stop";
    for (const auto& m : request.messages)
      exchange.prompt_tokens += static_cast<std::int64_t>(m.content.size() / 4);
    exchange.completion_tokens = static_cast<std::int64_t>(exchange.answer.size() / 4);
    return exchange;
  }
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> answers_;
  std::vector<Request> requests_;
};

}  // namespace mtmc::llm
