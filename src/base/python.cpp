// A tree walk. Speed matters little here: the tuner compiles what it evaluates often and comes
// here for lists, texts and what does not compile.
#include "base/python.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace mtmc {

namespace {

using Kind = Expr::Kind;
using Outcome = tl::expected<Value, PythonFailure>;
constexpr double kExactInteger = 9007199254740992.0;  // 2^53

tl::unexpected<PythonFailure> failure(PythonFailure::Kind kind, std::string message) {
  return tl::unexpected<PythonFailure>({kind, std::move(message)});
}
tl::unexpected<PythonFailure> unusable(std::string message) {
  return failure(PythonFailure::Kind::unusable, std::move(message));
}
tl::unexpected<PythonFailure> zero_division(const Value& a) {
  return failure(PythonFailure::Kind::zero_division,
                 fmt::format("division of {} by zero", a.text()));
}
tl::unexpected<PythonFailure> overflow(const Value& a, const Value& b) {
  return failure(PythonFailure::Kind::overflow,
                 fmt::format("{} and {} give a number beyond 64 bits", a.text(), b.text()));
}

const char* type_name(const Value& v) {
  return v.is_bool()      ? "bool"
         : v.is_integer() ? "int"
         : v.is_real()    ? "float"
         : v.is_string()  ? "str"
                          : "list";
}

Outcome real_result(double r, const Value& a, const Value& b) {
  if (!std::isfinite(r)) return overflow(a, b);
  return Value(r);
}

Outcome integer_arithmetic(Kind kind, const Value& left, const Value& right) {
  const std::int64_t a = left.integer(), b = right.integer();
  std::int64_t r = 0;
  bool lost = false;
  switch (kind) {
    case Kind::add:
      lost = __builtin_add_overflow(a, b, &r);
      break;
    case Kind::sub:
      lost = __builtin_sub_overflow(a, b, &r);
      break;
    case Kind::mul:
      lost = __builtin_mul_overflow(a, b, &r);
      break;
    case Kind::true_div:
      if (b == 0) return zero_division(left);
      if (std::abs(left.real()) > kExactInteger || std::abs(right.real()) > kExactInteger)
        return overflow(left, right);  // Python divides exactly and rounds once
      return Value(left.real() / right.real());
    case Kind::power: {
      if (b < 0) {
        if (a == 0) return zero_division(Value(1));
        return real_result(std::pow(left.real(), right.real()), left, right);
      }
      r = 1;
      std::int64_t base = a;
      for (std::int64_t e = b; e > 0 && !lost; e >>= 1) {
        if (e & 1) lost = __builtin_mul_overflow(r, base, &r);
        if (e > 1 && (base > 1 || base < -1) && !lost)
          lost = __builtin_mul_overflow(base, base, &base);
        else if (base == -1)
          base = 1;
      }
      break;
    }
    default:
      if (b == 0) return zero_division(left);
      if (b == -1) {  // the one quotient that overflows
        if (kind == Kind::mod) return Value(0);
        lost = __builtin_sub_overflow(std::int64_t{0}, a, &r);
        break;
      }
      r = a % b;
      if (r != 0 && (r < 0) != (b < 0)) r += b;
      if (kind == Kind::div) {
        const std::int64_t q = a / b;
        r = a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
      }
  }
  if (lost) return overflow(left, right);
  return Value(r);
}

Outcome arithmetic(Kind kind, const Value& left, const Value& right) {
  if (kind == Kind::add && left.is_list() && right.is_list()) {
    if (left.list().size() + right.list().size() > kMaxListElements)
      return unusable(fmt::format("a list of more than {} elements", kMaxListElements));
    Value::List joined = left.list();
    joined.insert(joined.end(), right.list().begin(), right.list().end());
    return Value(std::move(joined));
  }
  if (kind == Kind::add && left.is_string() && right.is_string())
    return left.string().size() + right.string().size() > kMaxListElements
               ? Outcome(unusable("a text that is too long"))
               : Outcome(Value(left.string() + right.string()));
  if (!left.is_number() || !right.is_number())
    return unusable(
        fmt::format("cannot compute with {} and {}", type_name(left), type_name(right)));
  if (left.is_integer() && right.is_integer()) return integer_arithmetic(kind, left, right);
  // Python converts integers to reals here and refuses those that are too large to be exact only
  // beyond the range of a double; rounding is the same.
  const double a = left.real(), b = right.real();
  switch (kind) {
    case Kind::add:
      return real_result(a + b, left, right);
    case Kind::sub:
      return real_result(a - b, left, right);
    case Kind::mul:
      return real_result(a * b, left, right);
    case Kind::true_div:
      if (b == 0) return zero_division(left);
      return real_result(a / b, left, right);
    case Kind::power:
      if (a == 0 && b < 0) return zero_division(Value(1));
      if (a < 0 && b != std::floor(b)) return unusable("a negative number to a broken power");
      return real_result(std::pow(a, b), left, right);
    default: {
      if (b == 0) return zero_division(left);
      double m = std::fmod(a, b);
      if (m != 0 && (b < 0) != (m < 0)) m += b;
      if (kind == Kind::mod) return Value(m == 0 ? std::copysign(0.0, b) : m);
      double q = (a - std::fmod(a, b)) / b;
      if (std::fmod(a, b) != 0 && (b < 0) != (std::fmod(a, b) < 0)) q -= 1;
      double floor = std::floor(q);
      if (q - floor > 0.5) floor += 1;
      return real_result(floor, left, right);
    }
  }
}

Outcome compared(Kind kind, const Value& a, const Value& b) {
  if (kind == Kind::equal) return Value(a == b);
  if (kind == Kind::not_equal) return Value(!(a == b));
  const bool numbers = a.is_number() && b.is_number();
  if (!numbers && !(a.is_string() && b.is_string()) && !(a.is_list() && b.is_list()))
    return unusable(fmt::format("cannot order {} and {}", type_name(a), type_name(b)));
  switch (kind) {
    case Kind::less:
      return Value(a < b);
    case Kind::less_equal:
      return Value(!(b < a));
    case Kind::greater:
      return Value(b < a);
    default:
      return Value(!(a < b));
  }
}

class Evaluator {
 public:
  Evaluator(const PythonNames& names, std::int64_t* steps) : outer_(names), steps_(steps) {}

  Outcome value(const Expr& e) {
    if (--*steps_ < 0) return unusable("more work than an expression may cost");
    const auto& a = e.args();
    switch (e.kind()) {
      case Kind::constant:
        return Value(e.value());
      case Kind::boolean:
        return Value(e.value() != 0);
      case Kind::real:
        return Value(e.real_value());
      case Kind::text:
        return Value(e.name());
      case Kind::symbol:
        return named(e.name());
      case Kind::list:
        return list(a);
      case Kind::comprehension:
      case Kind::comprehensions: {
        Value::List out;
        if (auto failed = comprehend(e, &out)) return tl::unexpected(std::move(*failed));
        return Value(std::move(out));
      }
      case Kind::logical_not: {
        auto v = value(a[0]);
        return v ? Outcome(Value(!v->truth())) : v;
      }
      case Kind::logical_and:
      case Kind::logical_or: {
        auto v = value(a[0]);
        if (!v || v->truth() == (e.kind() == Kind::logical_or)) return v;
        return value(a[1]);
      }
      case Kind::select: {
        auto c = value(a[0]);
        return c ? value(a[c->truth() ? 1 : 2]) : c;
      }
      case Kind::negate: {
        auto v = value(a[0]);
        if (v && v->is_real()) return Value(-v->real());
        return v ? arithmetic(Kind::sub, Value(0), *v) : v;
      }
      case Kind::min:
      case Kind::max:
        return extreme(e.kind(), a);
      case Kind::abs:
      case Kind::to_int:
      case Kind::to_float:
        return converted(e.kind(), a[0]);
      case Kind::sum:
      case Kind::len:
      case Kind::to_list:
        return aggregate(e.kind(), a[0]);
      case Kind::range:
        return range(a);
      default:
        break;
    }
    if (a.size() != 2) return unusable("a function that Python does not have");
    auto left = value(a[0]);
    if (!left) return left;
    auto right = value(a[1]);
    if (!right) return right;
    switch (e.kind()) {
      case Kind::add:
      case Kind::sub:
      case Kind::mul:
      case Kind::div:
      case Kind::mod:
      case Kind::true_div:
      case Kind::power:
        return arithmetic(e.kind(), *left, *right);
      case Kind::contains:
        return contained(*left, *right);
      case Kind::equal:
      case Kind::not_equal:
      case Kind::less:
      case Kind::less_equal:
      case Kind::greater:
      case Kind::greater_equal:
        return compared(e.kind(), *left, *right);
      default:
        return unusable("a function that Python does not have");
    }
  }

 private:
  Outcome named(const std::string& name) const {
    for (auto it = bound_.rbegin(); it != bound_.rend(); ++it)
      if (*it->first == name) return it->second;
    const auto it = outer_.find(name);
    if (it == outer_.end()) return unusable(fmt::format("unknown name '{}'", name));
    return it->second;
  }

  Outcome list(const std::vector<Expr>& elements) {
    Value::List out;
    out.reserve(elements.size());
    for (const Expr& e : elements) {
      auto v = value(e);
      if (!v) return v;
      out.push_back(std::move(*v));
    }
    return Value(std::move(out));
  }

  std::optional<PythonFailure> comprehend(const Expr& e, Value::List* out) {
    const auto& a = e.args();
    auto iterable = value(a[1]);
    if (!iterable) return iterable.error();
    if (!iterable->is_list())
      return PythonFailure{PythonFailure::Kind::unusable,
                           fmt::format("cannot iterate over {}", type_name(*iterable))};
    bound_.emplace_back(&e.name(), Value());
    for (const Value& item : iterable->list()) {
      bound_.back().second = item;
      bool wanted = true;
      for (std::size_t i = 2; wanted && i < a.size(); ++i) {
        auto condition = value(a[i]);
        if (!condition) return condition.error();
        wanted = condition->truth();
      }
      if (!wanted) continue;
      if (e.kind() == Kind::comprehensions) {
        if (auto failed = comprehend(a[0], out)) return failed;
      } else {
        auto v = value(a[0]);
        if (!v) return v.error();
        out->push_back(std::move(*v));
      }
      if (out->size() > kMaxListElements)
        return PythonFailure{PythonFailure::Kind::unusable,
                             fmt::format("a list of more than {} elements", kMaxListElements)};
    }
    bound_.pop_back();
    return std::nullopt;
  }

  Outcome extreme(Kind kind, const std::vector<Expr>& args) {
    auto all = args.size() == 1 ? value(args[0]) : list(args);
    if (!all) return all;
    // max(filter_width) of a T1 file is the largest value of a list; of a number it is the number.
    if (args.size() == 1 && all->is_number()) return all;
    if (!all->is_list() || all->list().empty()) return unusable("min or max of nothing");
    Value best = all->list()[0];
    for (const Value& v : all->list()) {
      auto better =
          kind == Kind::min ? compared(Kind::less, v, best) : compared(Kind::less, best, v);
      if (!better) return better;
      if (better->truth()) best = v;
    }
    return best;
  }

  Outcome converted(Kind kind, const Expr& arg) {
    auto v = value(arg);
    if (!v) return v;
    if (!v->is_number()) return unusable(fmt::format("a number is needed, got {}", type_name(*v)));
    if (kind == Kind::to_float) return Value(v->real());
    if (kind == Kind::to_int) {
      if (v->is_integer()) return Value(v->integer());
      if (std::abs(v->real()) >= 0x1p63) return overflow(*v, *v);
      return Value(static_cast<std::int64_t>(v->real()));
    }
    if (v->is_real()) return Value(std::abs(v->real()));
    if (v->integer() == std::numeric_limits<std::int64_t>::min()) return overflow(*v, *v);
    return Value(std::abs(v->integer()));
  }

  Outcome aggregate(Kind kind, const Expr& arg) {
    auto v = value(arg);
    if (!v) return v;
    if (kind == Kind::len && v->is_string()) return Value(std::int64_t(v->string().size()));
    if (!v->is_list()) return unusable(fmt::format("a list is needed, got {}", type_name(*v)));
    if (kind == Kind::len) return Value(static_cast<std::int64_t>(v->list().size()));
    if (kind == Kind::to_list) return v;
    Outcome total = Value(0);
    for (const Value& item : v->list()) {
      total = arithmetic(Kind::add, *total, item);
      if (!total) return total;
    }
    return total;
  }

  Outcome range(const std::vector<Expr>& args) {
    std::int64_t numbers[3] = {0, 0, 1};
    for (std::size_t i = 0; i < args.size(); ++i) {
      auto v = value(args[i]);
      if (!v) return v;
      if (!v->is_integer()) return unusable(fmt::format("range takes int, got {}", type_name(*v)));
      numbers[args.size() == 1 ? 1 : i] = v->integer();
    }
    const auto [first, end, step] = numbers;
    if (step == 0) return unusable("range with step 0");
    const __int128 distance = step > 0 ? __int128{end} - first : __int128{first} - end;
    const __int128 width = step > 0 ? __int128{step} : -__int128{step};
    const __int128 count = distance <= 0 ? 0 : (distance + width - 1) / width;
    if (count > static_cast<__int128>(kMaxListElements))
      return unusable(fmt::format("a range of more than {} elements", kMaxListElements));
    Value::List out;
    out.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(count); ++i)
      out.emplace_back(first + i * step);
    return Value(std::move(out));
  }

  Outcome contained(const Value& item, const Value& all) {
    if (all.is_string() && item.is_string())
      return Value(all.string().find(item.string()) != std::string::npos);
    if (!all.is_list()) return unusable(fmt::format("'in' needs a list, got {}", type_name(all)));
    *steps_ -= static_cast<std::int64_t>(all.list().size());
    return Value(std::find(all.list().begin(), all.list().end(), item) != all.list().end());
  }

  const PythonNames& outer_;
  std::vector<std::pair<const std::string*, Value>> bound_;  // variables of comprehensions
  std::int64_t* steps_;
};

}  // namespace

tl::expected<Value, PythonFailure> python_evaluate(const Expr& expr, const PythonNames& names,
                                                   std::int64_t* steps) {
  std::int64_t own = std::int64_t{1} << 22;
  return Evaluator(names, steps ? steps : &own).value(expr);
}

Result<Value::List> python_list(std::string_view text) {
  auto expr = Expr::parse(text, Syntax::python);
  if (!expr) return tl::unexpected<Error>(expr.error());
  auto value = python_evaluate(*expr, {});
  if (!value) return bad_input(fmt::format("'{}': {}", text.substr(0, 120), value.error().message));
  if (!value->is_list())
    return bad_input(fmt::format("'{}' is no list of values", text.substr(0, 120)));
  return value->list();
}

}  // namespace mtmc
