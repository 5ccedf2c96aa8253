// From the text of an opcode to its class. Problem: what an instruction costs depends on base, type
// and space, in that order. Method: split at the dots, then one rule per base; the rules say what
// ptxas makes of the instruction, not which handler runs it.
#include "emulator/issue_class.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace mtmc::emulator {
namespace {

using Parts = std::vector<std::string_view>;

Parts split(std::string_view opcode) {
  Parts parts;
  for (;;) {
    const std::size_t dot = opcode.find('.');
    parts.push_back(opcode.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    opcode.remove_prefix(dot + 1);
  }
}

bool has(const Parts& parts, std::string_view word) {
  return std::find(parts.begin() + 1, parts.end(), word) != parts.end();
}
// "shared" also as "shared::cta" and "shared::cluster".
bool in_space(const Parts& parts, std::string_view space) {
  return std::any_of(parts.begin() + 1, parts.end(), [&](std::string_view p) {
    return p == space || (p.starts_with(space) && p.substr(space.size()).starts_with("::"));
  });
}
bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_half(std::string_view type) { return one_of(type, {"f16", "f16x2", "bf16", "bf16x2"}); }
bool is_wide_integer(std::string_view type) { return one_of(type, {"s64", "u64", "b64"}); }
bool is_integer(std::string_view type) {
  return type.size() >= 2 && (type[0] == 's' || type[0] == 'u' || type[0] == 'b') &&
         type[1] >= '0' && type[1] <= '9';
}
bool is_float32(std::string_view type) { return type == "f32" || type == "f32x2"; }

IssueClass memory_class(const Parts& parts, IssueClass global, IssueClass shared,
                        IssueClass local) {
  if (in_space(parts, "shared")) return shared;
  if (in_space(parts, "local")) return local;
  if (in_space(parts, "param") || in_space(parts, "const")) return IssueClass::load_constant;
  return global;
}

IssueClass conversion_class(const Parts& parts) {
  if (parts.size() < 3) return IssueClass::conversion_half;
  const std::string_view to = parts[parts.size() - 2], from = parts.back();
  if (is_integer(to) && is_integer(from)) return IssueClass::conversion_half;
  const bool between_kinds = is_integer(to) || is_integer(from);
  if (to == "f64" || from == "f64") return IssueClass::conversion64;
  if (between_kinds) {
    return is_wide_integer(to) || is_wide_integer(from) ? IssueClass::conversion64
                                                        : IssueClass::conversion;
  }
  if (one_of(parts[1], {"rni", "rzi", "rmi", "rpi"})) return IssueClass::conversion;
  return IssueClass::conversion_half;
}

IssueClass division_class(const Parts& parts) {
  const std::string_view type = parts.back();
  if (type == "f64") return IssueClass::divide_f64;
  if (is_integer(type)) {
    return is_wide_integer(type) ? IssueClass::divide_integer64 : IssueClass::divide_integer;
  }
  return has(parts, "approx") ? IssueClass::special : IssueClass::divide_f32;
}

IssueClass arithmetic_class(const Parts& parts, bool multiplies) {
  const std::string_view type = parts.back();
  if (is_float32(type)) return IssueClass::fp32;
  if (type == "f64") return IssueClass::fp64;
  if (is_half(type)) return IssueClass::fp16;
  if (is_wide_integer(type)) {
    return multiplies ? IssueClass::integer64_multiply : IssueClass::integer64;
  }
  return multiplies ? IssueClass::integer_multiply : IssueClass::integer;
}

std::optional<ComputeKind> tensor_kind(std::string_view type) {
  if (type == "f16" || type == "f16x2") return ComputeKind::f16_tensor;
  if (type == "bf16") return ComputeKind::bf16_tensor;
  if (type == "tf32") return ComputeKind::tf32_tensor;
  if (type == "f64") return ComputeKind::fp64_tensor;
  if (one_of(type, {"e4m3", "e5m2"})) return ComputeKind::fp8_tensor;
  if (one_of(type, {"s8", "u8", "s4", "u4", "b1"})) return ComputeKind::int8_tensor;
  return std::nullopt;
}

// "m16n8k16" into its three numbers.
bool parse_shape(std::string_view text, std::array<std::uint32_t, 3>& shape) {
  for (int i = 0; i < 3; ++i) {
    if (text.empty() || text[0] != "mnk"[i]) return false;
    const char* const end = text.data() + text.size();
    const auto [next, error] = std::from_chars(text.data() + 1, end, shape[i]);
    if (error != std::errc() || shape[i] == 0 || shape[i] > 1024) return false;
    text.remove_prefix(static_cast<std::size_t>(next - text.data()));
  }
  return text.empty();
}

}  // namespace

IssueClass issue_class_of(std::string_view opcode) {
  const Parts parts = split(opcode);
  const std::string_view base = parts[0], type = parts.back();
  if (type == "pred" && !one_of(base, {"vote", "bar", "barrier"})) return IssueClass::compare;
  if (base == "ld" || base == "ldu") {
    return memory_class(parts, IssueClass::load_global, IssueClass::load_shared,
                        IssueClass::load_local);
  }
  if (base == "st") {
    return memory_class(parts, IssueClass::store_global, IssueClass::store_shared,
                        IssueClass::store_local);
  }
  if (one_of(base, {"atom", "red", "multimem"})) {
    return in_space(parts, "shared") ? IssueClass::atomic_shared : IssueClass::atomic_global;
  }
  if (base == "cp") {
    return one_of(type, {"wait_all", "commit_group", "wait_group", "read"}) ||
                   has(parts, "wait_group") || has(parts, "mbarrier")
               ? IssueClass::barrier
               : IssueClass::async_copy;
  }
  if (base == "st_async" || base == "tensormap") return IssueClass::other;
  if (one_of(base, {"mov", "cvta", "mapa", "getctarank"})) return IssueClass::move;
  if (one_of(base, {"setp", "set", "testp", "isspacep"})) return IssueClass::compare;
  if (one_of(base, {"selp", "slct"})) return IssueClass::select;
  if (base == "cvt") return conversion_class(parts);
  if (one_of(base, {"ex2", "lg2", "sin", "cos", "tanh"})) return IssueClass::special;
  if (one_of(base, {"div", "rem", "rcp", "sqrt", "rsqrt"})) return division_class(parts);
  if (one_of(base, {"mul", "mad", "madc"})) return arithmetic_class(parts, true);
  if (one_of(base, {"mul24", "mad24", "dp4a", "dp2a"})) return IssueClass::integer_multiply;
  if (one_of(base, {"popc", "clz", "bfind", "brev", "fns"})) return IssueClass::bit_count;
  if (one_of(base, {"add", "sub", "addc", "subc", "fma",  "min",   "max",     "neg", "abs",
                    "sad", "and", "or",   "xor",  "not",  "cnot",  "shl",     "shr", "shf",
                    "bfe", "bfi", "prmt", "lop3", "bmsk", "szext", "copysign"})) {
    return arithmetic_class(parts, false);
  }
  if (one_of(base,
             {"vadd",  "vsub",  "vabsdiff", "vmin",   "vmax",   "vshl",      "vshr",      "vmad",
              "vset",  "vadd2", "vadd4",    "vsub2",  "vsub4",  "vabsdiff2", "vabsdiff4", "vmin2",
              "vmin4", "vmax2", "vmax4",    "vavrg2", "vavrg4", "vset2",     "vset4"})) {
    return IssueClass::divide_integer;  // emulated by a sequence since Maxwell
  }
  if (one_of(base, {"shfl", "vote", "match", "redux", "activemask", "elect"})) {
    return IssueClass::shuffle;
  }
  if (one_of(base, {"bar", "barrier", "mbarrier", "membar", "fence"})) return IssueClass::barrier;
  if (one_of(base, {"bra", "brx", "call", "ret", "exit", "trap", "brkpt"})) {
    return IssueClass::control;
  }
  if (one_of(base, {"ldmatrix", "stmatrix", "movmatrix"})) return IssueClass::matrix_load;
  if (base == "mma") return IssueClass::matrix;
  if (base == "wmma" && parts.size() > 1) {
    return parts[1] == "mma" ? IssueClass::matrix : IssueClass::matrix_load;
  }
  if (base == "wgmma" && parts.size() > 1) {
    return parts[1] == "mma_async" ? IssueClass::matrix : IssueClass::barrier;
  }
  return IssueClass::other;
}

std::uint32_t access_bytes_of(std::string_view opcode) {
  const Parts parts = split(opcode);
  const std::string_view type = parts.back();
  std::uint32_t bits = 0;
  const std::size_t digits = type.find_first_of("0123456789");
  if (digits == std::string_view::npos) return 0;
  std::from_chars(type.data() + digits, type.data() + type.size(), bits);
  const std::uint32_t count = has(parts, "v8")   ? 8
                              : has(parts, "v4") ? 4
                              : has(parts, "v2") ? 2
                                                 : 1;
  return bits > 128 ? 0 : bits / 8 * count;
}

// mma.sync.aligned.shape.row.col.d.a.b.c, wmma.mma.sync.aligned.row.col.shape.d.c for f16 and
// .d.a.b.c for the rest, wgmma.mma_async.sync.aligned.shape.d.a.b; sparse ones have .sp.
std::optional<MatrixWork> matrix_work_of(std::string_view opcode) {
  if (issue_class_of(opcode) != IssueClass::matrix) return std::nullopt;
  const Parts parts = split(opcode);
  std::array<std::uint32_t, 3> shape{};
  std::size_t at = 1;
  while (at < parts.size() && !parse_shape(parts[at], shape)) ++at;
  if (at == parts.size()) return std::nullopt;
  std::vector<std::string_view> types;
  for (std::size_t i = at + 1; i < parts.size(); ++i) {
    if (tensor_kind(parts[i]) || parts[i] == "f32" || parts[i] == "s32") types.push_back(parts[i]);
  }
  if (types.size() < 2) return std::nullopt;
  const std::string_view factor =
      parts[0] == "wmma" && types.size() == 2 ? std::string_view("f16") : types[1];
  const auto kind = tensor_kind(factor);
  if (!kind) return std::nullopt;
  std::uint32_t operations = 2 * shape[0] * shape[1] * shape[2];
  if (parts[0] == "wgmma") operations /= 4;
  const bool sparse = std::any_of(parts.begin() + 1, parts.end(),
                                  [](std::string_view p) { return p.starts_with("sp"); });
  if (sparse) operations /= 2;
  return MatrixWork{*kind, operations};
}

const char* issue_class_name(IssueClass value) {
  static constexpr std::array<const char*, kIssueClassCount> kNames = {"fp32",
                                                                       "fp16",
                                                                       "fp64",
                                                                       "integer",
                                                                       "integer_multiply",
                                                                       "integer64",
                                                                       "integer64_multiply",
                                                                       "bit_count",
                                                                       "compare",
                                                                       "select",
                                                                       "move",
                                                                       "conversion",
                                                                       "conversion_half",
                                                                       "conversion64",
                                                                       "special",
                                                                       "divide_f32",
                                                                       "divide_f64",
                                                                       "divide_integer",
                                                                       "divide_integer64",
                                                                       "load_global",
                                                                       "store_global",
                                                                       "load_shared",
                                                                       "store_shared",
                                                                       "load_local",
                                                                       "store_local",
                                                                       "load_constant",
                                                                       "atomic_global",
                                                                       "atomic_shared",
                                                                       "async_copy",
                                                                       "shuffle",
                                                                       "barrier",
                                                                       "control",
                                                                       "matrix",
                                                                       "matrix_load",
                                                                       "other"};
  return kNames[static_cast<std::size_t>(value)];
}

const char* compute_kind_name(ComputeKind kind) {
  static constexpr std::array<const char*, kComputeKindCount> kNames = {
      "fp32",        "fp64",       "fp16",        "tf32_tensor", "f16_tensor",
      "bf16_tensor", "fp8_tensor", "int8_tensor", "fp64_tensor"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace mtmc::emulator
