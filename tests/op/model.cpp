#include "op/model.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "op/reference.hpp"

namespace mtmc::op::test {

Dense::Dense(Index s, double fill) : shape(std::move(s)) {
  std::int64_t count = 1;
  for (const auto e : shape) count *= e;
  data.assign(static_cast<std::size_t>(count), fill);
}

std::int64_t Dense::flat(const Index& i) const {
  REQUIRE(i.size() == shape.size());
  std::int64_t at = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    REQUIRE((i[d] >= 0 && i[d] < shape[d]));
    at = at * shape[d] + i[d];
  }
  return at;
}

void for_each(const Index& shape, const std::function<void(const Index&)>& f) {
  Index i(shape.size(), 0);
  while (true) {
    f(i);
    std::size_t d = shape.size();
    while (d > 0 && ++i[d - 1] == shape[d - 1]) i[--d] = 0;
    if (d == 0) return;
  }
}

Dense make(const Index& shape, const std::function<double(const Index&)>& f) {
  Dense out(shape);
  for_each(shape, [&](const Index& i) { out.at(i) = f(i); });
  return out;
}

double seen(const Dense& t, const Index& index) {
  Index i;
  const std::size_t shift = index.size() - t.shape.size();
  for (std::size_t d = 0; d < t.shape.size(); ++d)
    i.push_back(t.shape[d] == 1 ? 0 : index[shift + d]);
  return t.at(i);
}

std::vector<Dense> evaluate(const std::string& line, Inputs* inputs, std::uint64_t seed) {
  const auto op = parse_operator(line);
  if (!op) FAIL(line << ": " << op.error().message);
  const auto lowering = lower(*op);
  if (!lowering) FAIL(line << ": " << lowering.error().message);
  if (inputs)
    for (int v = 0; v < op->inputs(); ++v) {
      const auto& value = op->values[static_cast<std::size_t>(v)];
      Dense drawn(op->shape(v));
      for (std::int64_t k = 0; k < drawn.size(); ++k)
        drawn.data[static_cast<std::size_t>(k)] = input_element(value, seed, k);
      inputs->emplace(value.name, std::move(drawn));
    }
  auto reference = Reference::create(*lowering, lowering->dims, [&](int t, std::int64_t k) {
    return input_element(op->values[static_cast<std::size_t>(t)], seed, k);
  });
  if (!reference) FAIL(line << ": " << reference.error().message);
  std::vector<Dense> out;
  for (const int v : op->outputs) {
    Dense result(op->shape(v));
    int tensor = -1;
    for (std::size_t t = 0; t < lowering->tensors.size(); ++t)
      if (lowering->tensors[t].kind == Tensor::Kind::output && lowering->tensors[t].value == v)
        tensor = static_cast<int>(t);
    REQUIRE(tensor >= 0);
    std::vector<std::int64_t> all(result.data.size());
    std::iota(all.begin(), all.end(), 0);
    const auto values = reference->evaluate(tensor, all);
    if (!values) FAIL(line << ": " << values.error().message);
    for (std::size_t k = 0; k < all.size(); ++k) result.data[k] = (*values)[k].value;
    out.push_back(std::move(result));
  }
  return out;
}

void check(const std::string& line, const Model& model, double tolerance) {
  INFO(line);
  Inputs inputs;
  const auto got = evaluate(line, &inputs);
  const auto expected = model(inputs);
  REQUIRE(got.size() == expected.size());
  for (std::size_t k = 0; k < got.size(); ++k) {
    REQUIRE(got[k].shape == expected[k].shape);
    for (std::size_t e = 0; e < got[k].data.size(); ++e) {
      const double a = got[k].data[e], b = expected[k].data[e];
      if (std::isnan(a) && std::isnan(b)) continue;
      if (a == b) continue;
      if (!(std::fabs(a - b) <= tolerance * (1 + std::fabs(b)))) {
        INFO("output " << k << " element " << e << ": " << a << " expected " << b);
        REQUIRE(false);
      }
    }
  }
  SUCCEED();
}

}  // namespace mtmc::op::test
