#include "harness/cases.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace mtmc::harness {

namespace {

constexpr std::int64_t kPrimes[] = {37, 53, 29, 41, 61, 31, 47, 43, 59, 67, 71, 73};

// Sets each dim to the first of its wished values that the operator takes, alone or together with the dims of the same
// stated value (a square matrix multiplied by itself has two names and one size).
Symbols greedy(const op::Operator& op, const std::function<std::vector<std::int64_t>(std::size_t, std::int64_t)>& wishes) {
  Symbols binding = op.binding();
  std::vector<bool> done(op.dims.size());
  for (std::size_t i = 0; i < op.dims.size(); ++i) {
    if (done[i]) continue;
    const auto [name, stated] = op.dims[i];
    for (const std::int64_t wish : wishes(i, stated)) {
      Symbols alone = binding, together = binding;
      alone[name] = wish;
      for (const auto& [other, value] : op.dims)
        if (value == stated) together[other] = wish;
      if (op::rebind(op, alone)) {
        binding = alone;
        break;
      }
      if (op::rebind(op, together)) {
        binding = together;
        for (std::size_t j = i; j < op.dims.size(); ++j) done[j] = done[j] || op.dims[j].second == stated;
        break;
      }
    }
  }
  return binding;
}

double operations_at(const op::Operator& op, const Symbols& dims) {
  auto bound = op::rebind(op, dims);
  if (!bound) return std::numeric_limits<double>::infinity();
  auto lowering = op::lower(*bound);
  if (!lowering) return std::numeric_limits<double>::infinity();
  auto work = op::work(*lowering, lowering->dims);
  return work ? std::max(work->operations, work->bytes) : std::numeric_limits<double>::infinity();
}

// Halves the largest dims that may be halved until the cost is small: what was a multiple of 64 mostly stays one.
Symbols reduced(const op::Operator& op, double small_operations) {
  Symbols binding = op.binding();
  for (int round = 0; round < 64 && operations_at(op, binding) > small_operations; ++round) {
    std::vector<std::pair<std::int64_t, std::string>> order;
    for (const auto& [name, value] : binding) order.emplace_back(value, name);
    std::sort(order.rbegin(), order.rend());
    bool halved = false;
    for (const auto& [value, name] : order) {
      if (value < 16) break;
      Symbols alone = binding, together = binding;
      alone[name] = value / 2;
      for (auto& [other, v] : together)
        if (v == value) v = value / 2;
      const bool works_alone = op::rebind(op, alone).has_value();
      if (!works_alone && !op::rebind(op, together)) continue;
      binding = works_alone ? alone : together;
      halved = true;
      break;
    }
    if (!halved) break;
  }
  return binding;
}

// Below this a type cannot tell numbers apart; kernels may flush f32 denormals.
double smallest_step(op::DType dtype) {
  switch (dtype) {
    case op::DType::f64: return std::numeric_limits<double>::min();
    case op::DType::f16: return std::ldexp(1.0, -24);
    case op::DType::f8e4m3: return std::ldexp(1.0, -9);
    case op::DType::f8e5m2: return std::ldexp(1.0, -16);
    default: return std::numeric_limits<float>::min();  // f32 and bf16
  }
}

}  // namespace

std::vector<Case> make_cases(const op::Operator& op, double small_operations, double whole_operations) {
  std::vector<Case> cases;
  const Symbols stated = op.binding();
  const auto add = [&](const char* name, const Symbols& dims) {
    if (dims == stated || operations_at(op, dims) > small_operations) return;
    for (const auto& c : cases)
      if (c.dims == dims) return;
    cases.push_back({name, dims});
  };
  if (!op.dims.empty()) {
    add("tiny", greedy(op, [](std::size_t i, std::int64_t) {
          const std::int64_t first = 1 + static_cast<std::int64_t>((i + 1) % 3);
          return std::vector<std::int64_t>{first, 1 + first % 3, 1 + (first + 1) % 3, 4, 8};
        }));
    add("odd", greedy(op, [](std::size_t i, std::int64_t stated_value) {
          std::vector<std::int64_t> wishes;
          const std::int64_t prime = kPrimes[i % std::size(kPrimes)];
          if (stated_value > prime) wishes.push_back(prime);
          if (stated_value > 4) wishes.push_back((stated_value - 1) | 1);  // odd, and smaller or equal
          if (stated_value > 8) wishes.push_back(stated_value / 2);
          return wishes;
        }));
    if (operations_at(op, stated) > whole_operations) add("reduced", reduced(op, small_operations));
  }
  cases.push_back({"stated", stated});
  return cases;
}

namespace {
constexpr int kRoundoffs = 16;  // of the compute type, times the reference's error
}  // namespace

std::string tolerance_name() { return std::to_string(kRoundoffs) + "u"; }

double tolerance(op::DType stored, const op::ReferenceValue& reference) {
  if (!op::is_float(stored)) return 0;
  return kRoundoffs * op::unit_roundoff(op::compute_type(stored)) * reference.error +
         2 * op::unit_roundoff(stored) * std::abs(reference.value) + smallest_step(stored);
}

}  // namespace mtmc::harness
