// Depth-first search over the members of a component. A condition is asked at the last of its
// members in the search order, for all values of that member at once, so a prefix that breaks it
// is never extended. The order decides how much is visited and cannot be known ahead: a few
// candidates race under a limit that grows until one of them finishes.
#include "tuner/component.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

namespace mtmc::tuner {

namespace {

constexpr std::uint64_t kMaxCells = std::uint64_t{1} << 26;
constexpr std::uint64_t kMaxPrefixes = std::uint64_t{1} << 28;
constexpr std::uint64_t kFirstLimit = std::uint64_t{1} << 17;

enum class Ended { finished, stopped, limit, failed };

class Search {
 public:
  Search(const Domains& domains, std::vector<std::size_t> order,
         const std::vector<const Condition*>& conditions, Effort& effort)
      : domains_(domains),
        order_(std::move(order)),
        at_(order_.size()),
        digits_(domains.values.size(), 0),
        standing_(domains.values.size()) {
    for (std::size_t s = 0; s < standing_.size(); ++s) standing_[s] = domains.numbers[s][0];
    for (const Condition* condition : conditions) {
      std::size_t depth = 0;
      for (std::size_t d = 0; d < order_.size(); ++d)
        if (std::binary_search(condition->members.begin(), condition->members.end(), order_[d]))
          depth = d;
      at_[depth].emplace_back(*condition, domains, order_[depth], effort);
    }
    masks_.resize(order_.size());
    for (std::size_t d = 0; d < order_.size(); ++d)
      masks_[d].resize((domains.values[order_[d]].size() + 63) / 64);
  }

  // Calls `accept(prefix, last)` for each prefix of all members but the last, with the bits of the
  // last member's values that go with it, until it answers false.
  template <class Accept>
  Ended run(std::uint64_t max_prefixes, const Accept& accept) {
    const std::size_t last = order_.size() - 1;
    std::vector<ValueIndex> prefix(order_.size(), 0);
    std::uint64_t prefixes = 0;
    if (!allow(0)) return Ended::failed;
    for (std::size_t depth = 0;;) {
      if (depth == last) {
        if (!accept(prefix, masks_[depth])) return Ended::stopped;
        if (depth == 0) return Ended::finished;
        --depth;
        continue;
      }
      const auto next = take(&masks_[depth]);
      if (!next) {
        if (depth == 0) return Ended::finished;
        --depth;
        continue;
      }
      if (++prefixes > max_prefixes) return Ended::limit;
      const std::size_t slot = order_[depth];
      prefix[depth] = digits_[slot] = static_cast<ValueIndex>(*next);
      standing_[slot] = domains_.numbers[slot][*next];
      ++depth;
      if (!allow(depth)) return Ended::failed;
    }
  }

  const std::vector<std::size_t>& order() const { return order_; }
  const Error& error() const { return *error_; }
  std::vector<Component::Undefined> undefined() const {
    std::vector<Component::Undefined> all;
    for (const auto& filters : at_)
      for (const Filter& f : filters)
        if (f.undefined()) all.push_back({&f.condition(), f.undefined(), f.first_undefined()});
    return all;
  }

 private:
  // Sets the mask of a depth to what all its conditions allow.
  bool allow(std::size_t depth) {
    auto& mask = masks_[depth];
    const std::size_t count = domains_.values[order_[depth]].size();
    std::fill(mask.begin(), mask.end(), ~std::uint64_t{0});
    if (count % 64) mask.back() = (std::uint64_t{1} << (count % 64)) - 1;
    for (Filter& filter : at_[depth]) {
      const std::uint64_t* words = filter.allowed(digits_, standing_);
      if (!words) {
        error_ = filter.error().with(fmt::format(
            "constraint '{}'", filter.condition().expr.text(filter.condition().syntax)));
        return false;
      }
      for (std::size_t w = 0; w < mask.size(); ++w) mask[w] &= words[w];
    }
    return true;
  }

  static std::optional<std::size_t> take(std::vector<std::uint64_t>* mask) {
    for (std::size_t w = 0; w < mask->size(); ++w) {
      std::uint64_t& word = (*mask)[w];
      if (!word) continue;
      const auto bit = static_cast<std::size_t>(std::countr_zero(word));
      word &= word - 1;
      return w * 64 + bit;
    }
    return std::nullopt;
  }

  const Domains& domains_;
  std::vector<std::size_t> order_;
  std::vector<std::vector<Filter>> at_;
  std::vector<ValueIndex> digits_;  // per slot
  std::vector<double> standing_;    // per slot
  std::vector<std::vector<std::uint64_t>> masks_;
  std::optional<Error> error_;
};

// Orders worth trying: the longest list last, where whole runs of values are asked at once; as
// given; and the longest list first.
std::vector<std::vector<std::size_t>> orders(const Domains& domains,
                                             const std::vector<std::size_t>& members) {
  std::size_t longest = 0;
  for (std::size_t m = 1; m < members.size(); ++m)
    if (domains.values[members[m]].size() >= domains.values[members[longest]].size()) longest = m;
  auto last = members, first = members;
  last.erase(last.begin() + static_cast<std::ptrdiff_t>(longest));
  first = last;
  last.push_back(members[longest]);
  first.insert(first.begin(), members[longest]);
  std::vector<std::vector<std::size_t>> all{last};
  for (const auto& order : {members, first})
    if (std::find(all.begin(), all.end(), order) == all.end()) all.push_back(order);
  return all;
}

tl::unexpected<Error> too_many_prefixes() {
  return bad_input(fmt::format(
      "more than {} prefixes of tied parameters to search; add constraints over fewer parameters",
      kMaxPrefixes));
}

// Runs `start`, then `accept`s, over the first order that finishes or stops; answers its search.
template <class Start, class Accept>
Result<Search> race(const Domains& domains, const std::vector<std::size_t>& members,
                    const std::vector<const Condition*>& conditions, const Start& start,
                    const Accept& accept) {
  Effort effort;
  const auto all = orders(domains, members);
  for (std::uint64_t limit = kFirstLimit;; limit = std::min(limit * 16, kMaxPrefixes)) {
    for (const auto& order : all) {
      Search search(domains, order, conditions, effort);
      start();
      switch (search.run(limit, accept)) {
        case Ended::finished:
        case Ended::stopped:
          return search;
        case Ended::failed:
          return tl::unexpected<Error>(search.error());
        case Ended::limit:
          break;
      }
    }
    if (limit == kMaxPrefixes) return too_many_prefixes();
  }
}

}  // namespace

Result<Component> Component::build(const Domains& domains, std::vector<std::size_t> members,
                                   const std::vector<const Condition*>& conditions,
                                   std::vector<Undefined>* undefined) {
  Component component;
  const std::size_t width = members.size();
  auto& cells = component.cells_;
  bool fits = true;
  const auto accept = [&](std::vector<ValueIndex>& prefix, const std::vector<std::uint64_t>& bits) {
    std::size_t count = 0;
    for (const std::uint64_t word : bits) count += static_cast<std::size_t>(std::popcount(word));
    if (count == 0) return true;
    fits = cells.size() + count * width <= kMaxCells;
    if (!fits) return false;
    const std::size_t old = cells.size();
    if (cells.capacity() < old + count * width)
      cells.reserve(std::max(2 * cells.capacity(), old + count * width + 4096));
    cells.resize(old + count * width);
    ValueIndex* out = &cells[old];
    for (std::size_t w = 0; w < bits.size(); ++w)
      for (std::uint64_t word = bits[w]; word; word &= word - 1) {
        prefix[width - 1] = static_cast<ValueIndex>(w * 64 + std::size_t(std::countr_zero(word)));
        std::memcpy(out, prefix.data(), width * sizeof(ValueIndex));
        out += width;
      }
    return true;
  };
  auto search = race(
      domains, members, conditions, [&] { cells.clear(); }, accept);
  if (!search) return tl::unexpected<Error>(search.error());
  if (!fits)
    return bad_input(fmt::format(
        "{} tied parameters have more than {} valid combinations; add constraints or shorten lists",
        width, kMaxCells / width));
  component.rows_ = cells.size() / width;
  component.members_ = search->order();
  *undefined = search->undefined();
  return component;
}

Component Component::of_rows(std::vector<std::size_t> members, std::vector<ValueIndex> cells) {
  Component component;
  component.rows_ = cells.size() / members.size();
  component.members_ = std::move(members);
  component.cells_ = std::move(cells);
  return component;
}

Result<bool> Component::any(const Domains& domains, const std::vector<std::size_t>& members,
                            const std::vector<const Condition*>& conditions) {
  bool found = false;
  auto search = race(
      domains, members, conditions, [] {},
      [&](const std::vector<ValueIndex>&, const std::vector<std::uint64_t>& bits) {
        found = std::any_of(bits.begin(), bits.end(), [](std::uint64_t w) { return w != 0; });
        return !found;
      });
  if (!search) return tl::unexpected<Error>(search.error());
  return found;
}

std::optional<std::uint64_t> Component::find(const ValueIndex* key) const {
  const std::size_t width = members_.size();
  std::uint64_t low = 0, high = rows_;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const ValueIndex* candidate = row(middle);
    std::size_t same = 0;
    while (same < width && candidate[same] == key[same]) ++same;
    if (same == width) return middle;
    if (candidate[same] < key[same])
      low = middle + 1;
    else
      high = middle;
  }
  return std::nullopt;
}

std::vector<std::uint64_t> Component::box(std::uint64_t centre) const {
  std::vector<std::uint64_t> found;
  box(row(centre), 0, 0, rows_, &found);
  return found;
}

// Rows low .. high-1 agree on the digits before `depth`.
void Component::box(const ValueIndex* centre, std::size_t depth, std::uint64_t low,
                    std::uint64_t high, std::vector<std::uint64_t>* found) const {
  if (depth == members_.size()) {
    found->push_back(low);
    return;
  }
  const auto first_at_least = [&](unsigned digit) {
    std::uint64_t a = low, b = high;
    while (a < b) {
      const std::uint64_t middle = a + (b - a) / 2;
      if (row(middle)[depth] < digit)
        a = middle + 1;
      else
        b = middle;
    }
    return a;
  };
  for (unsigned digit = centre[depth] ? centre[depth] - 1u : 0; digit <= centre[depth] + 1u;
       ++digit) {
    const std::uint64_t from = first_at_least(digit), to = first_at_least(digit + 1);
    if (from < to) box(centre, depth + 1, from, to, found);
  }
}

}  // namespace mtmc::tuner
