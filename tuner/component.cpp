// Depth-first search over the members of a component in their given order. A condition is checked
// at the last member it uses, so a prefix that breaks it is never extended. Rows come out in
// lexicographic order, which makes the way back from a row to its number a binary search.
// Not done: reordering members to prune earlier.
#include "tuner/component.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cstring>

namespace mtmc::tuner {

namespace {

constexpr std::uint64_t kMaxCells = std::uint64_t{1} << 26;
constexpr std::uint64_t kMaxPrefixes = std::uint64_t{1} << 28;

class Search {
 public:
  Search(const std::vector<std::vector<std::int64_t>>& values,
         const std::vector<std::size_t>& members, const std::vector<const Condition*>& conditions)
      : values_(values), members_(members), at_(members.size()), current_(values.size()) {
    for (std::size_t p = 0; p < values.size(); ++p) current_[p] = values[p][0];
    for (const Condition* condition : conditions) {
      const auto last = std::lower_bound(members.begin(), members.end(), condition->members.back());
      at_[static_cast<std::size_t>(last - members.begin())].push_back(condition);
    }
  }

  // Calls `accept(row)` for each valid row until it answers false; false where the limit on
  // prefixes was met first.
  template <class Accept>
  bool run(const Accept& accept) {
    const std::size_t count = members_.size();
    std::vector<ValueIndex> row(count, 0);
    std::vector<std::uint32_t> next(count, 0);
    std::uint64_t prefixes = 0;
    for (std::size_t depth = 0;;) {
      const auto& list = values_[members_[depth]];
      if (next[depth] >= list.size()) {
        next[depth] = 0;
        if (depth == 0) return true;
        --depth;
        continue;
      }
      if (++prefixes > kMaxPrefixes) return false;
      row[depth] = static_cast<ValueIndex>(next[depth]);
      current_[members_[depth]] = list[next[depth]++];
      if (!holds(at_[depth])) continue;
      if (depth + 1 < count)
        ++depth;
      else if (!accept(row))
        return true;
    }
  }

  std::vector<Component::Undefined> undefined;

 private:
  bool holds(const std::vector<const Condition*>& conditions) {
    for (const Condition* condition : conditions) {
      std::int64_t value = 0;
      if (!condition->program.run(current_.data(), &value)) {
        note_undefined(*condition);
        return false;
      }
      if (value == 0) return false;
    }
    return true;
  }

  void note_undefined(const Condition& condition) {
    for (auto& known : undefined)
      if (known.source == condition.source) {
        ++known.prefixes;
        return;
      }
    undefined.push_back({condition.source, 1, current_, condition.expr});
  }

  const std::vector<std::vector<std::int64_t>>& values_;
  const std::vector<std::size_t>& members_;
  std::vector<std::vector<const Condition*>> at_;
  std::vector<std::int64_t> current_;
};

tl::unexpected<Error> too_many_prefixes() {
  return bad_input(fmt::format(
      "more than {} prefixes of tied parameters to search; add constraints over fewer parameters",
      kMaxPrefixes));
}

}  // namespace

Result<Component> Component::build(const std::vector<std::vector<std::int64_t>>& values,
                                   std::vector<std::size_t> members,
                                   const std::vector<const Condition*>& conditions) {
  Component component;
  Search search(values, members, conditions);
  bool fits = true;
  const bool finished = search.run([&](const std::vector<ValueIndex>& row) {
    fits = component.cells_.size() + row.size() <= kMaxCells;
    if (fits) component.cells_.insert(component.cells_.end(), row.begin(), row.end());
    return fits;
  });
  if (!finished) return too_many_prefixes();
  if (!fits)
    return bad_input(fmt::format(
        "{} tied parameters have more than {} valid combinations; add constraints or shorten lists",
        members.size(), kMaxCells / members.size()));
  component.cells_.shrink_to_fit();
  component.rows_ = component.cells_.size() / members.size();
  component.members_ = std::move(members);
  component.undefined_ = std::move(search.undefined);
  return component;
}

Result<bool> Component::any(const std::vector<std::vector<std::int64_t>>& values,
                            const std::vector<std::size_t>& members,
                            const std::vector<const Condition*>& conditions) {
  bool found = false;
  Search search(values, members, conditions);
  const bool finished = search.run([&](const std::vector<ValueIndex>&) {
    found = true;
    return false;
  });
  if (!finished) return too_many_prefixes();
  return found;
}

std::optional<std::uint64_t> Component::find(const ValueIndex* key) const {
  const std::size_t width = members_.size();
  std::uint64_t low = 0, high = rows_;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const ValueIndex* candidate = row(middle);
    const auto [mine, theirs] = std::mismatch(candidate, candidate + width, key);
    if (mine == candidate + width) return middle;
    if (*mine < *theirs)
      low = middle + 1;
    else
      high = middle;
  }
  return std::nullopt;
}

}  // namespace mtmc::tuner
