#include "tuner/condition.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/python.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::size_t kMaxTableWords = std::size_t{1} << 20;

}  // namespace

void Domains::add(std::string name, std::vector<Value> list) {
  SlotRange range{0, 0, true, true};
  std::vector<double> as_numbers(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_number()) {
      range.numeric = false;
      continue;
    }
    as_numbers[i] = list[i].real();
    range.integer &= list[i].is_integer();
    range.low = i ? std::min(range.low, as_numbers[i]) : as_numbers[i];
    range.high = i ? std::max(range.high, as_numbers[i]) : as_numbers[i];
  }
  slots.emplace(name, names.size());
  names.push_back(std::move(name));
  values.push_back(std::move(list));
  numbers.push_back(std::move(as_numbers));
  ranges.push_back(range);
}

Result<bool> evaluate(const Condition& condition, const Domains& domains,
                      const std::vector<ValueIndex>& digits, std::int64_t* steps, bool* fatal) {
  *fatal = false;
  if (condition.syntax == Syntax::python) {
    PythonNames names;
    for (const auto& name : condition.expr.symbols()) {
      const std::size_t slot = domains.slots.find(name)->second;
      names.emplace(name, domains.values[slot][digits[slot]]);
    }
    auto value = python_evaluate(condition.expr, names, steps);
    if (value) return value->truth();
    *fatal = value.error().kind != PythonFailure::Kind::zero_division;
    return bad_input(value.error().message);
  }
  Symbols symbols;
  for (const auto& name : condition.expr.symbols()) {
    const std::size_t slot = domains.slots.find(name)->second;
    symbols.emplace(name, domains.values[slot][digits[slot]].integer());
  }
  *steps -= static_cast<std::int64_t>(condition.expr.size());
  if (*steps < 0) {
    *fatal = true;
    return bad_input("more work than a constraint may cost");
  }
  auto value = condition.expr.evaluate(symbols);
  if (!value) return tl::unexpected<Error>(value.error());
  return *value != 0;
}

Filter::Filter(const Condition& condition, const Domains& domains, std::size_t running,
               Effort& effort)
    : condition_(condition),
      domains_(domains),
      running_(running),
      words_((domains.values[running].size() + 63) / 64),
      effort_(effort),
      lanes_(Lanes::compile(condition.expr, condition.syntax, domains.slots, domains.ranges,
                            running)) {
  std::size_t entries = 1;
  for (const std::size_t slot : condition.members) {
    if (slot == running) continue;
    others_.push_back(slot);
    if (entries <= kMaxTableWords) entries *= domains.values[slot].size();
  }
  truth_.resize(domains.values[running].size());
  if (entries * words_ <= kMaxTableWords) {
    table_.resize(entries * words_);
    known_.resize(entries);
  } else {
    scratch_words_.resize(words_);
  }
}

const std::uint64_t* Filter::allowed(const std::vector<ValueIndex>& digits,
                                     const std::vector<double>& standing) {
  if (known_.empty())
    return compute(digits, standing, scratch_words_.data()) ? scratch_words_.data() : nullptr;
  std::size_t entry = 0;
  for (const std::size_t slot : others_)
    entry = entry * domains_.values[slot].size() + digits[slot];
  std::uint64_t* words = &table_[entry * words_];
  if (!known_[entry]) {
    if (!compute(digits, standing, words)) return nullptr;
    known_[entry] = 1;
  }
  return words;
}

bool Filter::compute(const std::vector<ValueIndex>& digits, const std::vector<double>& standing,
                     std::uint64_t* words) {
  const std::size_t n = truth_.size();
  if (lanes_) {
    effort_.lane_steps -= static_cast<std::int64_t>(n * lanes_->operations());
    if (effort_.lane_steps < 0) {
      error_ = bad_input("more work than the constraints of a space may cost").value();
      return false;
    }
    lanes_->run(standing.data(), domains_.numbers[running_].data(), n, &scratch_, truth_.data());
  } else if (!walk_trees(digits)) {
    return false;
  }
  std::fill(words, words + words_, 0);
  for (std::size_t k = 0; k < n; ++k) {
    words[k / 64] |= static_cast<std::uint64_t>(truth_[k] == 1) << (k % 64);
    if (truth_[k] != 2) continue;
    if (undefined_++ > 0) continue;
    first_undefined_ = digits;
    first_undefined_[running_] = static_cast<ValueIndex>(k);
  }
  return true;
}

bool Filter::walk_trees(const std::vector<ValueIndex>& digits) {
  std::vector<ValueIndex> own = digits;
  for (std::size_t k = 0; k < truth_.size(); ++k) {
    own[running_] = static_cast<ValueIndex>(k);
    bool fatal = false;
    const auto value = evaluate(condition_, domains_, own, &effort_.tree_steps, &fatal);
    if (!value && fatal) {
      std::string where;
      for (const std::size_t slot : condition_.members)
        where += fmt::format("{}{}={}", where.empty() ? "" : " ", domains_.names[slot],
                             domains_.values[slot][own[slot]].text());
      error_ = value.error().with(fmt::format("at {}", where));
      return false;
    }
    truth_[k] = value ? *value : 2;
  }
  return true;
}

}  // namespace mtmc::tuner
