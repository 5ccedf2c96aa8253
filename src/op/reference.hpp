// The float64 reference: values of any set of output elements, from the primitives alone, with a first-order
// bound on how far an honest kernel may be from them.
//
// Error model: `error` counts unit roundoffs of the compute type, propagated forward: an operation adds |result|,
// a sum of K terms adds sqrt(K) * sum |terms|, functions scale their operand's error by their
// derivative. Inputs are exact (they are read as stored). An intermediate of a narrow type counts its
// rounding as error, whether a kernel stores it or not. Where an operand's error reaches over a step (floor, a comparison, the runner-up
// of an argmax), the error is the step. The harness turns it into a tolerance.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "op/primitive.hpp"

namespace mtmc::op {

struct ReferenceValue {
  double value = 0;
  double error = 0;  // absolute: times unit_roundoff(compute_type(dtype)) for floats, as it is for integers and bool
};

// Element `index` (row-major over the logical shape, whatever the layout) of input tensor `tensor`, as stored.
using InputReader = std::function<double(int tensor, std::int64_t index)>;

// The same for `out.size()` consecutive elements from `first`: far cheaper, as the reference reads in pages.
using InputBlockReader = std::function<void(int tensor, std::int64_t first, std::span<double> out)>;

class Reference {
 public:
  // Evaluates at `dims`, which may differ from the lowering's stated binding. Keeps what it computes of intermediate
  // tensors, so asking again is cheap; memory is bounded by `max_bytes` (over it: a bad_input error that says so).
  static Result<Reference> create(const Lowering& lowering, const Symbols& dims, InputReader reader,
                                  std::int64_t max_bytes = std::int64_t{2} << 30);
  static Result<Reference> create_from_blocks(const Lowering& lowering, const Symbols& dims, InputBlockReader reader,
                                              std::int64_t max_bytes = std::int64_t{2} << 30);
  // Inputs drawn from the distributions of `op` (which `lowering` is of) with `seed`, as input_element() draws them.
  static Result<Reference> create_seeded(const Operator& op, const Lowering& lowering, const Symbols& dims, std::uint64_t seed,
                                         std::int64_t max_bytes = std::int64_t{2} << 30);
  Reference(Reference&&) noexcept;
  ~Reference();

  // Values at row-major indices of an output tensor (any tensor of the lowering, in fact). One thread at a time.
  Result<std::vector<ReferenceValue>> evaluate(int tensor, std::span<const std::int64_t> indices);
  // Scalar operations that evaluating `count` elements of the tensor takes at most; decides full against sampled.
  double cost(int tensor, std::int64_t count) const;

 private:
  struct Impl;
  explicit Reference(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What no kernel can avoid: inputs read once, outputs written once, and the operations of the primitives (a
// multiply-add of a contraction counts 2), at a binding. `contraction_operations` are the share that tensor cores could
// do; `operand` is the narrowest type those multiply.
struct Work {
  double bytes = 0;
  double operations = 0;
  double contraction_operations = 0;
  DType operand = DType::f32;
};
Result<Work> work(const Lowering& lowering, const Symbols& dims);

// Element `index` of an input, drawn from its distribution by the counter RNG and rounded to its type: the same
// number on every device. Normal: sum of four uniforms, scaled (exact arithmetic everywhere, tails to 3.46 sigma).
double input_element(const Value& value, std::uint64_t seed, std::int64_t index);
// The same for a range, as stored bytes (hot: many millions of elements). out.size() == count * bytes_of(dtype).
void fill_input(const Value& value, std::uint64_t seed, std::int64_t first, std::span<std::byte> out);
// The same for a range, as numbers.
void draw_input(const Value& value, std::uint64_t seed, std::int64_t first, std::span<double> out);

}  // namespace mtmc::op
