// A plain tensor for models in tests: row-major float64, loops, nothing clever, nothing shared with
// the code under test but the text of the operator and the drawing of inputs.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

namespace mtmc::op::test {

using Index = std::vector<std::int64_t>;

struct Dense {
  Index shape;
  std::vector<double> data;

  Dense() = default;
  explicit Dense(Index s, double fill = 0);
  std::int64_t size() const { return static_cast<std::int64_t>(data.size()); }
  double& at(const Index& i) { return data[static_cast<std::size_t>(flat(i))]; }
  double at(const Index& i) const { return data[static_cast<std::size_t>(flat(i))]; }
  std::int64_t flat(const Index& i) const;
};

void for_each(const Index& shape, const std::function<void(const Index&)>& f);
// Fills a tensor of a shape from a function of the index.
Dense make(const Index& shape, const std::function<double(const Index&)>& f);
// The element that `index` of a broadcast result sees of `t`.
double seen(const Dense& t, const Index& index);

using Inputs = std::map<std::string, Dense>;
using Model = std::function<std::vector<Dense>(const Inputs&)>;

// Parses and lowers the line, draws its inputs, evaluates every output in full, and compares with
// the model: shapes exactly, values to within `tolerance` of 1 + |value|.
void check(const std::string& line, const Model& model, double tolerance = 1e-9);

// Values of output `k` in full, and the line's inputs as drawn.
std::vector<Dense> evaluate(const std::string& line, Inputs* inputs = nullptr,
                            std::uint64_t seed = 1);

}  // namespace mtmc::op::test
