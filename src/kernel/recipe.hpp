// A Recipe: how a candidate's kernels are run, as data. There is no host code in a candidate.
//
// Sizes, offsets, grids, scalars and conditions are checked expressions over the region's dims, the
// candidate's tunables, repeat symbols and device facts (dev.sms, dev.shared_optin, occupancy(kernel)).
// docs/recipe.md is the same in prose; the JSON form has the same names.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/expr.hpp"
#include "op/types.hpp"

namespace mtmc::kernel {

enum class BufferRole { input, weight, state, output, workspace };
enum class FillKind { none, zero, value, random };

struct Alias {
  std::string buffer;
  Expr offset_bytes;
};

// A buffer of role input, weight, state or output has the name of the region's value that it holds.
struct Buffer {
  std::string name;
  BufferRole role = BufferRole::workspace;
  op::DType dtype = op::DType::f32;
  std::vector<Expr> shape;     // elements; the product times the element size is its size
  std::int64_t alignment = 256;  // bytes
  std::optional<Alias> alias;  // lies inside another workspace buffer
  FillKind fill = FillKind::none;  // workspace and state: before each run; outputs are filled by the harness
  double fill_value = 0;
};

struct BufferArg {
  std::string buffer;
  Expr offset_bytes;
};
struct ScalarArg {
  op::DType dtype = op::DType::i32;
  std::variant<Expr, double> value;  // an expression for integers, a number for floats
};
struct TensorMapArg {
  std::string buffer;
  std::vector<Expr> dims;           // elements, innermost first
  std::vector<Expr> strides_bytes;  // of all dims but the innermost
  std::vector<Expr> box;            // elements
  int swizzle_bytes = 0;            // 0, 32, 64, 128
  bool out_of_bounds_nan = false;   // else zero
};
using Argument = std::variant<BufferArg, ScalarArg, TensorMapArg>;

struct Launch {
  std::string kernel;
  std::vector<Expr> grid{1, 1, 1};     // blocks
  std::vector<Expr> block{256, 1, 1};  // threads
  std::vector<Expr> cluster;           // blocks; empty: none
  bool cooperative = false;
  bool programmatic_dependent = false;
  Expr shared_bytes;  // dynamic
  std::vector<Argument> args;
};
struct Memset {
  std::string buffer;
  Expr offset_bytes, bytes;
  int byte = 0;
};
struct Copy {
  std::string from, to;
  Expr from_offset_bytes, to_offset_bytes, bytes;
};
// A vendor library's routine, labelled as such in every report. Under emulation the reference stands in.
struct Library {
  std::string library;  // "cublaslt", "cudnn"
  std::string routine;  // "matmul", "convolution_forward"
  std::vector<std::string> buffers;
  std::string settings;  // JSON text, the routine's own
};

struct Repeat {
  std::string symbol;  // 0 .. count-1 inside the step's expressions
  Expr count;
};
struct RecipeStep {
  std::variant<Launch, Memset, Copy, Library> what;
  std::optional<Expr> when;  // skipped where it is 0
  std::optional<Repeat> repeat;
};

struct Recipe {
  std::vector<Buffer> buffers;
  std::vector<RecipeStep> prepare;  // once per value of the weights; reported, and charged unless stated otherwise
  std::vector<RecipeStep> run;

  const Buffer* buffer(const std::string& name) const;
};

nlohmann::json to_json(const Recipe& recipe);
Result<Recipe> recipe_from_json(const nlohmann::json& form);

// --- A recipe at one binding: numbers only. ---

struct ResolvedBuffer {
  std::string name;
  BufferRole role;
  op::DType dtype;
  std::vector<std::int64_t> shape;
  std::int64_t bytes = 0, alignment = 256;
  std::optional<std::pair<std::string, std::int64_t>> alias;  // buffer, offset in bytes
  FillKind fill = FillKind::none;
  double fill_value = 0;
};
struct ResolvedBufferArg {
  std::string buffer;
  std::int64_t offset_bytes = 0;
};
struct ResolvedScalar {
  int bytes = 4;
  std::uint64_t bits = 0;
};
struct ResolvedTensorMap {
  std::string buffer;
  op::DType dtype = op::DType::f32;  // the buffer's
  std::int64_t offset_bytes = 0;     // of the first element
  std::vector<std::int64_t> dims, strides_bytes, box;
  int swizzle_bytes = 0;
  bool out_of_bounds_nan = false;
};
struct ResolvedLaunch {
  std::string kernel;
  std::int64_t grid[3], block[3], cluster[3];
  bool cooperative = false, programmatic_dependent = false;
  std::int64_t shared_bytes = 0;
  std::vector<std::variant<ResolvedBufferArg, ResolvedScalar, ResolvedTensorMap>> args;
};
struct ResolvedMemset {
  std::string buffer;
  std::int64_t offset_bytes = 0, bytes = 0;
  int byte = 0;
};
struct ResolvedCopy {
  std::string from, to;
  std::int64_t from_offset_bytes = 0, to_offset_bytes = 0, bytes = 0;
};
using ResolvedStep = std::variant<ResolvedLaunch, ResolvedMemset, ResolvedCopy, Library>;

struct ResolvedRecipe {
  std::vector<ResolvedBuffer> buffers;
  std::vector<ResolvedStep> prepare, run;  // conditions decided, repeats unrolled, aliases replaced by what they lie in
};

// Evaluates every expression. A step count over 65,536, a negative size, a grid outside CUDA's limits, an unknown buffer
// or an access past a buffer's end by memset or copy is bad_input that names the step.
Result<ResolvedRecipe> resolve(const Recipe& recipe, const Symbols& symbols);

}  // namespace mtmc::kernel
