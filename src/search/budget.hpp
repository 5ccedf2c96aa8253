// What a run or a sweep may spend, and what it has spent.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::search {

struct Caps {
  std::optional<std::int64_t> tokens;  // sent and received together
  std::optional<double> usd;
  std::optional<double> wall_s, device_s;  // device: seconds in which candidates were run
  std::optional<std::int64_t> steps;       // steps that reached the compiler

  bool any() const { return tokens || usd || wall_s || device_s || steps; }
};
// "tokens=200000,usd=0.5,wall_s=600,device_s=60,steps=24", any of them. bad_input says what it
// read.
Result<Caps> caps_from(std::string_view text);
nlohmann::json to_json(const Caps& caps);

struct Spent {
  std::int64_t calls = 0, prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
  double usd = 0;
  std::int64_t unpriced = 0;  // calls whose price is not known; they are not in usd
  double latency_s = 0;       // waiting for models
  double wall_s = 0, compile_s = 0, device_s = 0;
  std::int64_t steps = 0;

  std::int64_t tokens() const { return prompt_tokens + completion_tokens; }
};
nlohmann::json to_json(const Spent& spent);

// Counts one run, and passes every count on to the sweep's meter where there is one. A cap is
// looked at before something is begun: the last call or step may overshoot by what it costs itself.
// Wall and device time count from this start of the program; tokens, money and steps also hold what
// a resumed run spent before. Not thread safe.
class Meter {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  explicit Meter(Caps caps = {}, Meter* whole = nullptr, Clock clock = {});

  // `usd` absent: the price is not known.
  void add_call(const llm::Exchange& exchange, std::optional<double> usd);
  void add_step();
  void set_times(double compile_s, double device_s);  // in all, so far

  // Which cap is reached, "token budget is used up: 5210 of 5000"; absent: none. The sweep's, too.
  std::optional<std::string> exhausted() const;
  Spent spent() const;

 private:
  double elapsed_s() const;

  Caps caps_;
  Meter* whole_;
  Clock clock_;
  std::chrono::steady_clock::time_point start_;
  Spent spent_;
};

}  // namespace mtmc::search
