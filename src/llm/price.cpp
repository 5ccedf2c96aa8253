#include "llm/price.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <utility>

namespace mtmc::llm {

// Written by cmake/EmbedText.cmake.
std::span<const std::pair<std::string_view, std::string_view>> embedded_prices();

namespace {

const Price* longest(const std::vector<Price>& prices, std::string_view model) {
  const Price* best = nullptr;
  for (const auto& p : prices)
    if (model.starts_with(p.model) && (!best || p.model.size() > best->model.size())) best = &p;
  return best;
}

}  // namespace

Result<PriceTable> PriceTable::parse(std::string_view text, const std::string& name) {
  PriceTable table;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line[0] == '#' || line.find_first_not_of(" \t\r") == std::string::npos)
      continue;
    std::istringstream fields(line);
    Price p;
    const bool read = static_cast<bool>(fields >> p.model >> p.input >> p.cached_input >> p.output);
    std::string rest;
    if (!read || (fields >> rest) || !(p.input >= 0) || !(p.cached_input >= 0) ||
        !(p.output >= 0) || !std::isfinite(p.input + p.cached_input + p.output))
      return bad_input(
          fmt::format("{} line {}: expected a model and three prices: input, cached input, output",
                      name, number));
    table.own_.push_back(std::move(p));
  }
  return table;
}

Result<PriceTable> PriceTable::load(const std::string& file) {
  PriceTable table;
  auto known = parse(embedded_prices()[0].second, "prices.tsv");
  if (!known) return known;
  if (!file.empty()) {
    std::ifstream in(file);
    if (!in) return bad_input("cannot read price table " + file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto own = parse(text, "price table " + file);
    if (!own) return own;
    table.own_ = std::move(own->own_);
  }
  table.known_ = std::move(known->own_);
  return table;
}

const Price* PriceTable::find(std::string_view model) const {
  if (const Price* p = longest(own_, model)) return p;
  return longest(known_, model);
}

std::optional<double> PriceTable::usd(const std::string& asked, const Exchange& exchange) const {
  const Price* p = find(asked);
  if (!p) p = find(exchange.model);
  if (!p) return std::nullopt;
  const auto fresh = static_cast<double>(exchange.prompt_tokens - exchange.cached_tokens);
  return (fresh * p->input + static_cast<double>(exchange.cached_tokens) * p->cached_input +
          static_cast<double>(exchange.completion_tokens) * p->output) /
         1e6;
}

}  // namespace mtmc::llm
