// The float64 loop nest of an exported file: C++ text from primitives, one function per tensor.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "op/operator.hpp"
#include "op/primitive.hpp"

namespace mtmc::coder {

// Defines, in namespace reference: the dims, `host_<tensor>` with an input's stored elements,
// make_inputs(), and `Value at_<tensor>(i64 flat)` for each output. Needs templates/host_check.hpp
// before it.
Result<std::string> reference_text(const op::Operator& op, const op::Lowering& lowering,
                                   std::uint64_t seed);

}  // namespace mtmc::coder
