// Internal to the operator language: reading a single dim expression, as it stands in JSON.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "base/expr.hpp"

namespace mtmc::op {

// Whole numbers, names, + - * / // % and min, max, ceil_div, align_up; `/` rounds down.
Result<Expr> parse_whole(std::string_view text);

}  // namespace mtmc::op
