// Internal to the reference: a primitive's body compiled for one binding and run over blocks of
// lanes. A lane is a point of the iteration domain; each axis is one number for all lanes or an
// array with one per lane.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "op/primitive.hpp"

namespace mtmc::op {

inline constexpr std::size_t kLanes = 512;

struct Lanes {
  struct AxisValue {
    std::int64_t uniform = 0;
    const std::int64_t* varying = nullptr;  // when set, one per lane
  };
  std::size_t count = 0;
  std::vector<AxisValue> axes;
};

// An index expression: constant + sum of coefficient * axis + sum of coefficient * tree.
class IndexProgram {
 public:
  // `axes` names the axes in order; everything else must be bound by `dims`.
  static Result<IndexProgram> create(const Expr& e, const std::vector<std::string>& axes,
                                     const Symbols& dims);

  void add_scaled(const IndexProgram& other, std::int64_t factor);
  void evaluate(const Lanes& lanes, std::int64_t* out) const;
  // The value where all axes are uniform, taking varying ones as 0.
  std::int64_t uniform_part(const Lanes& lanes) const;
  std::int64_t coefficient(std::size_t axis) const { return coefficients_[axis]; }
  bool is_affine() const { return trees_.empty(); }
  bool is_uniform(const Lanes& lanes) const;

  struct Tree;

 private:
  std::int64_t constant_ = 0;
  std::vector<std::int64_t> coefficients_;
  std::vector<std::pair<std::shared_ptr<const Tree>, std::int64_t>> trees_;
};

// What a program reads tensors through.
class LaneLoader {
 public:
  virtual ~LaneLoader() = default;
  // Values and (unless null) absolute errors of elements at[0..count); lanes whose mask is 0 are
  // left alone. False: failed.
  virtual bool load(int tensor, const std::int64_t* at, const std::int64_t* mask, std::size_t count,
                    double* values, double* errors) = 0;
  virtual bool is_exact(int tensor) const = 0;
};

class LaneProgram {
 public:
  struct Load {
    int tensor = -1;
    IndexProgram at;  // flat, row-major
    bool guarded = false;
    IndexProgram guard;
    double otherwise = 0;
    int target = 0;
  };

  // `unit` is the unit roundoff in which the body computes; shapes are those of all tensors at the
  // binding.
  static Result<LaneProgram> create(const Scalar& body, const std::vector<std::string>& axes,
                                    const Symbols& dims,
                                    const std::vector<std::vector<std::int64_t>>& shapes,
                                    double unit, const LaneLoader& loader);
  // Values and errors of the body; the pointers are good until the next run. errors is null when
  // all are 0.
  struct Block {
    const double* values = nullptr;
    const double* errors = nullptr;
  };
  bool run(const Lanes& lanes, LaneLoader& loader, Block& out);

  const std::vector<Load>& loads() const { return loads_; }
  bool is_exact() const { return exact_.back(); }
  // The body is the product of two unguarded loads; `which` are their places in loads().
  bool is_product() const { return is_product_; }
  std::pair<std::size_t, std::size_t> product_operands() const { return product_; }

 private:
  struct Step {
    Scalar::Kind kind = Scalar::Kind::constant;
    Function function = Function::neg;
    DType dtype = DType::f32;
    int args[3] = {-1, -1, -1};
    double constant = 0;
    std::size_t load = 0;
    IndexProgram index;
  };
  struct Compiler;

  double* values_of(int step) {
    return storage_.data() + static_cast<std::size_t>(step) * 2 * kLanes;
  }
  double* errors_of(int step) { return values_of(step) + kLanes; }

  std::vector<Step> steps_;  // the last is the result
  std::vector<bool> exact_;
  std::vector<Load> loads_;
  std::vector<double> storage_;
  std::vector<std::int64_t> offsets_, mask_;
  double unit_ = 0;
  bool is_product_ = false;
  std::pair<std::size_t, std::size_t> product_;
};

// One function over lanes, values and absolute first-order errors. `errors` null: operands exact
// and the result is.
void apply_unary(Function f, std::size_t count, double unit, const double* a, const double* ea,
                 double* r, double* er);
void apply_binary(Function f, std::size_t count, double unit, const double* a, const double* ea,
                  const double* b, const double* eb, double* r, double* er);
bool is_exact_function(Function f);  // exact operands give an exact result

}  // namespace mtmc::op
