// Building a space evaluates each constraint once per prefix. Walking the expression tree with a
// map of names costs about a microsecond each time; here the tree becomes a flat postfix program
// whose names are array slots. `and`, `or` and `select` become jumps, so that a guarded division
// stays unevaluated exactly where Expr::evaluate leaves it.
#include "tuner/constraint.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::size_t kStack = 256;

// Quotient towards negative infinity; false where there is none.
bool floor_quotient(std::int64_t a, std::int64_t b, std::int64_t* q) {
  if (b == 0 || (b == -1 && a == std::numeric_limits<std::int64_t>::min())) return false;
  *q = a / b;
  if (a % b != 0 && (a < 0) != (b < 0)) --*q;
  return true;
}

bool ceil_quotient(std::int64_t a, std::int64_t b, std::int64_t* q) {
  if (!floor_quotient(a, b, q)) return false;
  *q += a % b != 0 ? 1 : 0;
  return true;
}

}  // namespace

Result<Constraint> Constraint::parse(std::string text) {
  auto expr = Expr::parse(text);
  if (!expr) return tl::unexpected<Error>(expr.error().with("constraint"));
  return Constraint{std::move(text), std::move(*expr)};
}

Result<std::vector<Constraint>> parse_constraints(const std::vector<std::string>& texts) {
  std::vector<Constraint> all;
  for (const auto& text : texts) {
    auto one = Constraint::parse(text);
    if (!one) return tl::unexpected<Error>(one.error());
    all.push_back(std::move(*one));
  }
  return all;
}

Result<Program> Program::compile(const Expr& expr, const Slots& slots) {
  Program program;
  auto depth = program.emit(expr, slots, 0);
  if (!depth) return tl::unexpected<Error>(depth.error());
  return program;
}

std::size_t Program::put(Code code, std::int64_t operand) {
  steps_.push_back({code, operand});
  return steps_.size() - 1;
}

void Program::land(std::size_t jump) {
  steps_[jump].operand = static_cast<std::int64_t>(steps_.size());
}

Program::Code Program::code_of(Expr::Kind kind) {
  using Kind = Expr::Kind;
  switch (kind) {
    case Kind::constant:
      return Code::constant;
    case Kind::symbol:
      return Code::slot;
    case Kind::add:
      return Code::add;
    case Kind::sub:
      return Code::sub;
    case Kind::mul:
      return Code::mul;
    case Kind::div:
      return Code::div;
    case Kind::mod:
      return Code::mod;
    case Kind::negate:
      return Code::negate;
    case Kind::equal:
      return Code::equal;
    case Kind::not_equal:
      return Code::not_equal;
    case Kind::less:
      return Code::less;
    case Kind::less_equal:
      return Code::less_equal;
    case Kind::greater:
      return Code::greater;
    case Kind::greater_equal:
      return Code::greater_equal;
    case Kind::logical_and:
      return Code::skip_if_zero;
    case Kind::logical_or:
      return Code::skip_if_one;
    case Kind::logical_not:
      return Code::logical_not;
    case Kind::min:
      return Code::min;
    case Kind::max:
      return Code::max;
    case Kind::ceil_div:
      return Code::ceil_div;
    case Kind::align_up:
      return Code::align_up;
    case Kind::select:
      return Code::jump_if_zero;
  }
  MTMC_CHECK(false, "an expression kind without a program step");
  return Code::constant;
}

// Appends the steps that leave the value of `expr` at stack position `depth`; answers the highest
// position that they use.
Result<std::size_t> Program::emit(const Expr& expr, const Slots& slots, std::size_t depth) {
  using Kind = Expr::Kind;
  if (depth >= kStack)
    return bad_input(fmt::format("expression nested beyond {} operands", kStack));
  const Code code = code_of(expr.kind());
  if (expr.kind() == Kind::constant) {
    put(code, expr.value());
    return depth;
  }
  if (expr.kind() == Kind::symbol) {
    const auto it = slots.find(expr.name());
    if (it == slots.end()) return bad_input(fmt::format("unknown name '{}'", expr.name()));
    put(code, static_cast<std::int64_t>(it->second));
    return depth;
  }
  const auto& args = expr.args();
  auto high = emit(args[0], slots, depth);
  if (!high) return high;
  const auto then = [&](const Expr& arg, std::size_t at) {
    auto used = emit(arg, slots, at);
    if (used)
      *high = std::max(*high, *used);
    else
      high = used;
    return high.has_value();
  };
  switch (expr.kind()) {
    case Kind::negate:
    case Kind::logical_not:
      put(code);
      return high;
    case Kind::logical_and:
    case Kind::logical_or: {
      put(Code::to_bool);
      const std::size_t skip = put(code);
      if (!then(args[1], depth)) return high;
      put(Code::to_bool);
      land(skip);
      return high;
    }
    case Kind::select: {
      const std::size_t to_else = put(code);
      if (!then(args[1], depth)) return high;
      const std::size_t to_end = put(Code::jump);
      land(to_else);
      if (!then(args[2], depth)) return high;
      land(to_end);
      return high;
    }
    default:
      break;
  }
  for (std::size_t i = 1; i < args.size(); ++i) {
    if (!then(args[i], depth + 1)) return high;
    put(code);
  }
  return high;
}

bool Program::run(const std::int64_t* values, std::int64_t* value) const {
  std::int64_t stack[kStack];
  std::int64_t* top = stack - 1;
  const Step* const steps = steps_.data();
  const std::size_t count = steps_.size();
  for (std::size_t at = 0; at < count; ++at) {
    const Step& step = steps[at];
    switch (step.code) {
      case Code::constant:
        *++top = step.operand;
        continue;
      case Code::slot:
        *++top = values[step.operand];
        continue;
      case Code::logical_not:
        *top = *top == 0;
        continue;
      case Code::to_bool:
        *top = *top != 0;
        continue;
      case Code::negate:
        if (__builtin_sub_overflow(std::int64_t{0}, *top, top)) return false;
        continue;
      case Code::skip_if_zero:
        if (*top == 0)
          at = static_cast<std::size_t>(step.operand) - 1;
        else
          --top;
        continue;
      case Code::skip_if_one:
        if (*top != 0)
          at = static_cast<std::size_t>(step.operand) - 1;
        else
          --top;
        continue;
      case Code::jump_if_zero:
        if (*top-- == 0) at = static_cast<std::size_t>(step.operand) - 1;
        continue;
      case Code::jump:
        at = static_cast<std::size_t>(step.operand) - 1;
        continue;
      default:
        break;
    }
    const std::int64_t b = *top--;
    const std::int64_t a = *top;
    std::int64_t q = 0;
    switch (step.code) {
      case Code::add:
        if (__builtin_add_overflow(a, b, top)) return false;
        break;
      case Code::sub:
        if (__builtin_sub_overflow(a, b, top)) return false;
        break;
      case Code::mul:
        if (__builtin_mul_overflow(a, b, top)) return false;
        break;
      case Code::div:
        if (!floor_quotient(a, b, top)) return false;
        break;
      case Code::mod:
        if (!floor_quotient(a, b, &q)) return false;
        q = a % b;
        *top = q != 0 && (q < 0) != (b < 0) ? q + b : q;
        break;
      case Code::ceil_div:
        if (!ceil_quotient(a, b, top)) return false;
        break;
      case Code::align_up:
        if (!ceil_quotient(a, b, &q) || __builtin_mul_overflow(q, b, top)) return false;
        break;
      case Code::min:
        *top = std::min(a, b);
        break;
      case Code::max:
        *top = std::max(a, b);
        break;
      case Code::equal:
        *top = a == b;
        break;
      case Code::not_equal:
        *top = a != b;
        break;
      case Code::less:
        *top = a < b;
        break;
      case Code::less_equal:
        *top = a <= b;
        break;
      case Code::greater:
        *top = a > b;
        break;
      default:
        *top = a >= b;
        break;
    }
  }
  *value = *top;
  return true;
}

}  // namespace mtmc::tuner
