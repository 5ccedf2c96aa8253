// An independent answer to "what does this opcode compute", from the opcode's text alone:
// registers, a PTX text and a scalar model. opcode_table_test.cpp holds every row of the
// instruction table to it. Integers are 128-bit arithmetic, floating point is slow_float.hpp,
// approximations are the C library's f64 functions with the bound that numeric_approx.hpp states.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mtmc::emulator::oracle {

using Bits = std::uint64_t;
using Model = std::function<Bits(const Bits*)>;

struct Form {
  std::string text;                // PTX over %a, %b, %c, %e and %d
  std::vector<std::string> types;  // of %a, %b, ...: the register's type
  std::string result;              // of %d
  Model model;
  // How far a result may be from the model's: `steps` of the format (ulp), or `absolute`.
  double steps = 0, absolute = 0;
  std::function<bool(const Bits*)> unstated =
      nullptr;  // operands for which nothing is promised, if any
};

struct Opcode {
  std::string text;
  std::vector<std::string> parts;

  explicit Opcode(const std::string& opcode);
  const std::string& base() const { return parts.front(); }
  const std::string& type() const { return parts.back(); }
  bool has(std::string_view modifier) const;
};

// The families; nullopt when the opcode is not theirs.
std::optional<Form> integer_form(const Opcode& op);
std::optional<Form> float_form(const Opcode& op);
std::optional<Form> conversion_form(const Opcode& op);
std::optional<Form> compare_form(const Opcode& op);
std::optional<Form> video_form(const Opcode& op);
std::optional<Form> helper_form(const Opcode& op);  // rows that lowering makes itself

inline int width_of(const std::string& type) {
  if (type == "pred") return 1;
  if (type.ends_with("x2")) return type.starts_with("f32") ? 64 : 32;
  if (type.starts_with("bf16")) return 16;
  return std::stoi(type.substr(1));
}
inline Bits ones(int bits) { return bits >= 64 ? ~Bits{0} : (Bits{1} << bits) - 1; }

// "op %d, %a, ..." for as many operands as there are types.
std::string plain_text(const std::string& opcode, size_t operands);

}  // namespace mtmc::emulator::oracle
