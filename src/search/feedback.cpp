// Only the first wrong elements are known (at most eight, in row-major order), so a pattern is a
// hint and is worded as one.
#include "search/feedback.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace mtmc::search {

namespace {

using harness::Mismatch;

// The operator at the sizes of the case that the message names.
std::optional<op::Operator> at_failing_case(const std::string& message, const op::Operator& op,
                                            const harness::JudgeLimits& limits) {
  for (const auto& c :
       harness::make_cases(op, limits.reference_operations, limits.emulated_operations)) {
    if (!message.starts_with("case " + c.name + ":")) continue;
    auto bound = op::rebind(op, c.dims);
    if (bound) return std::move(*bound);
  }
  return std::nullopt;
}

std::vector<std::int64_t> coordinates(std::int64_t index, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> at(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    at[d] = index % shape[d];
    index /= shape[d];
  }
  return at;
}

std::string values_pattern(const std::vector<Mismatch>& first) {
  const auto all = [&](auto test) { return std::all_of(first.begin(), first.end(), test); };
  if (all([](const Mismatch& m) { return m.got == 0; })) return "all of them are 0\n";
  if (all([](const Mismatch& m) { return std::isnan(m.got); })) return "all of them are NaN\n";
  if (all([](const Mismatch& m) { return std::isinf(m.got); })) return "all of them are infinite\n";
  if (first.size() < 3) return {};
  const double ratio = first[0].got / first[0].expected, shift = first[0].got - first[0].expected;
  if (std::isfinite(ratio) && std::abs(ratio - 1) > 1e-3 && all([&](const Mismatch& m) {
        return std::abs(m.got - ratio * m.expected) <= 1e-3 * std::abs(m.got);
      }))
    return fmt::format("all of them are {:.4g} times what was expected\n", ratio);
  if (std::isfinite(shift) && all([&](const Mismatch& m) {
        return std::abs(m.got - m.expected - shift) <= 1e-3 * std::abs(shift);
      }))
    return fmt::format("all of them are off by {:.4g}\n", shift);
  if (all([](const Mismatch& m) {
        return std::abs(m.got - m.expected) <= 1e-2 * std::abs(m.expected);
      }))
    return "all of them are off by less than 1 %: precision, or a term left out\n";
  return {};
}

std::string place_pattern(const std::vector<std::vector<std::int64_t>>& at,
                          const std::vector<std::int64_t>& shape) {
  if (at.size() < 2) return {};
  std::string out;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const std::int64_t v = at[0][d];
    const bool same = std::all_of(at.begin(), at.end(), [&](const auto& c) { return c[d] == v; });
    if (same && shape[d] > 1)
      out += fmt::format("all of them have coordinate {} of dimension {}{}\n", v, d,
                         v == shape[d] - 1 ? ", the last" : "");
  }
  // Neighbours along the last dimension that are a fixed distance apart.
  const std::size_t last = shape.size() - 1;
  const std::int64_t step = at[1][last] - at[0][last];
  bool regular = at.size() >= 3 && step > 1;
  for (std::size_t i = 1; i < at.size() && regular; ++i)
    regular = at[i][last] - at[i - 1][last] == step;
  if (regular) out += fmt::format("they are {} apart along the last dimension\n", step);
  return out;
}

}  // namespace

std::string feedback_text(const harness::Evaluation& evaluation, const op::Operator& op,
                          const harness::JudgeLimits& limits, std::size_t max_bytes) {
  const auto& verdict = evaluation.verdict;
  std::string text = fmt::format("{}: {}\n", harness::name_of(verdict.outcome), verdict.message);
  const auto bound = at_failing_case(verdict.message, op, limits);
  if (bound) {
    text += "sizes of that case:";
    for (const auto& [name, value] : bound->dims) text += fmt::format(" {}={}", name, value);
    text += "\n";
  }
  std::vector<std::vector<std::int64_t>> places;
  std::vector<std::int64_t> shape;
  for (const auto& m : verdict.first) {
    std::string where = fmt::format("{}", m.index);
    if (bound)
      for (const int v : bound->outputs)
        if (bound->values[static_cast<std::size_t>(v)].name == m.output &&
            !bound->shape(v).empty()) {
          shape = bound->shape(v);
          places.push_back(coordinates(m.index, shape));
          where = fmt::format("{}", fmt::join(places.back(), ","));
        }
    text += fmt::format("{}[{}]: got {:.9g}, expected {:.9g}, tolerance {:.3g}\n", m.output, where,
                        m.got, m.expected, m.tolerance);
  }
  if (!verdict.first.empty()) text += values_pattern(verdict.first);
  if (!places.empty() && places.size() == verdict.first.size())
    text += place_pattern(places, shape);
  return text.substr(0, max_bytes);
}

}  // namespace mtmc::search
