#include "search/budget.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace mtmc::search {

Result<Caps> caps_from(std::string_view text) {
  Caps caps;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string_view name = item.substr(0, equals);
    const std::string_view number = item.substr(std::min(equals + 1, item.size()));
    double value = 0;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
    if (read.ec != std::errc() || read.ptr != number.data() + number.size() || number.empty() ||
        !(value >= 0) || value > 1e15)
      return bad_input(fmt::format(
          "budget '{}': expected a number after '=', as in tokens=200000,usd=0.5", item));
    const auto whole = static_cast<std::int64_t>(std::floor(value));
    if (name == "tokens")
      caps.tokens = whole;
    else if (name == "usd")
      caps.usd = value;
    else if (name == "wall_s")
      caps.wall_s = value;
    else if (name == "device_s")
      caps.device_s = value;
    else if (name == "steps")
      caps.steps = whole;
    else
      return bad_input(
          fmt::format("budget has '{}': expected tokens, usd, wall_s, device_s or steps", name));
  }
  return caps;
}

nlohmann::json to_json(const Caps& caps) {
  nlohmann::json form = nlohmann::json::object();
  if (caps.tokens) form["tokens"] = *caps.tokens;
  if (caps.usd) form["usd"] = *caps.usd;
  if (caps.wall_s) form["wall_s"] = *caps.wall_s;
  if (caps.device_s) form["device_s"] = *caps.device_s;
  if (caps.steps) form["steps"] = *caps.steps;
  return form;
}

nlohmann::json to_json(const Spent& s) {
  return {{"calls", s.calls},
          {"prompt_tokens", s.prompt_tokens},
          {"completion_tokens", s.completion_tokens},
          {"cached_tokens", s.cached_tokens},
          {"usd",
           s.unpriced == s.calls && s.calls > 0 ? nlohmann::json(nullptr) : nlohmann::json(s.usd)},
          {"unpriced_calls", s.unpriced},
          {"latency_s", s.latency_s},
          {"wall_s", s.wall_s},
          {"compile_s", s.compile_s},
          {"device_s", s.device_s},
          {"steps", s.steps}};
}

Meter::Meter(Caps caps, Meter* whole, Clock clock)
    : caps_(caps), whole_(whole), clock_(std::move(clock)) {
  if (!clock_) clock_ = [] { return std::chrono::steady_clock::now(); };
  start_ = clock_();
}

double Meter::elapsed_s() const { return std::chrono::duration<double>(clock_() - start_).count(); }

void Meter::add_call(const llm::Exchange& exchange, std::optional<double> usd) {
  ++spent_.calls;
  spent_.prompt_tokens += exchange.prompt_tokens;
  spent_.completion_tokens += exchange.completion_tokens;
  spent_.cached_tokens += exchange.cached_tokens;
  spent_.latency_s += exchange.latency_ms / 1e3;
  spent_.usd += usd.value_or(0);
  spent_.unpriced += usd ? 0 : 1;
  if (whole_) whole_->add_call(exchange, usd);
}

void Meter::add_step() {
  ++spent_.steps;
  if (whole_) whole_->add_step();
}

void Meter::set_times(double compile_s, double device_s) {
  if (whole_)
    whole_->set_times(whole_->spent_.compile_s + compile_s - spent_.compile_s,
                      whole_->spent_.device_s + device_s - spent_.device_s);
  spent_.compile_s = compile_s;
  spent_.device_s = device_s;
}

std::optional<std::string> Meter::exhausted() const {
  if (caps_.tokens && spent_.tokens() >= *caps_.tokens)
    return fmt::format("token budget is used up: {} of {}", spent_.tokens(), *caps_.tokens);
  if (caps_.usd && spent_.usd >= *caps_.usd)
    return fmt::format("money budget is used up: {:.4f} of {:.4f} USD", spent_.usd, *caps_.usd);
  if (caps_.steps && spent_.steps >= *caps_.steps)
    return fmt::format("step budget is used up: {} of {}", spent_.steps, *caps_.steps);
  if (caps_.device_s && spent_.device_s >= *caps_.device_s)
    return fmt::format("device time budget is used up: {:.1f} of {:.1f} s", spent_.device_s,
                       *caps_.device_s);
  if (caps_.wall_s && elapsed_s() >= *caps_.wall_s)
    return fmt::format("time budget is used up: {:.1f} of {:.1f} s", elapsed_s(), *caps_.wall_s);
  if (whole_)
    if (auto why = whole_->exhausted()) return "the sweep's " + *why;
  return std::nullopt;
}

Spent Meter::spent() const {
  Spent spent = spent_;
  spent.wall_s = elapsed_s();
  return spent;
}

}  // namespace mtmc::search
