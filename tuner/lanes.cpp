// Interval arithmetic while compiling, flat loops while running. Sources: nothing beyond textbook
// interval arithmetic; exactness of quotients below is argued at each.
#include "tuner/lanes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mtmc::tuner {

namespace {

using Kind = Expr::Kind;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kExact = 4503599627370496.0;  // 2^52: sums of two stay exact
constexpr double kFinite = 1e150;              // products of two stay finite

// Quotient and remainder towards negative infinity of exact integers with |a|, |b| <= 2^52. The
// rounded quotient may be off by one; the remainder of the guess, exact below 2^53, tells.
inline double floor_quotient(double a, double b) {
  const auto guess = static_cast<double>(static_cast<std::int64_t>(a / b));
  const double r = a - guess * b;
  if (r == 0) return guess;
  if ((r < 0) != (b < 0)) return guess - 1;
  return std::abs(r) >= std::abs(b) ? guess + 1 : guess;
}
inline double floor_div(double a, double b) {
  return b == 0 || b != b || a != a ? kNan : floor_quotient(a, b);
}
inline double ceil_div(double a, double b) {
  if (b == 0 || b != b || a != a) return kNan;
  const double q = floor_quotient(a, b);
  return q * b == a ? q : q + 1;
}
inline double floor_mod(double a, double b) {
  if (b == 0 || b != b || a != a) return kNan;
  return a - floor_quotient(a, b) * b;
}
inline double real_mod(double a, double b) {  // Python's
  if (b == 0 || b != b || a != a) return kNan;
  const double m = std::fmod(a, b);
  return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}
inline bool none(double v) { return v != v; }

template <class F>
inline void binary(std::size_t n, const double* a, bool va, const double* b, bool vb, double* out,
                   F f) {
  if (va && vb) {
    for (std::size_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
  } else if (va) {
    const double y = *b;
    for (std::size_t i = 0; i < n; ++i) out[i] = f(a[i], y);
  } else {
    const double x = *a;
    for (std::size_t i = 0; i < n; ++i) out[i] = f(x, b[vb ? i : 0]);
  }
}

}  // namespace

struct Lanes::Build {
  struct Made {
    std::uint32_t reg = 0;
    double low = 0, high = 0;
    bool integer = true, partial = false, varying = false;
    bool has_zero() const { return low <= 0 && high >= 0; }
    double magnitude() const { return std::max(std::abs(low), std::abs(high)); }
  };

  Syntax syntax;
  const Slots& slots;
  const std::vector<SlotRange>& ranges;
  std::size_t running;
  std::vector<Step> steps;

  std::optional<Made> put(Step step, Made made) {
    if (!(made.magnitude() <= (made.integer ? kExact : kFinite)) || steps.size() > 4096) return {};
    made.reg = static_cast<std::uint32_t>(steps.size());
    step.varying = made.varying;
    step.partial = made.partial;
    steps.push_back(step);
    return made;
  }

  std::optional<Made> emit(const Expr& e) {
    const auto& a = e.args();
    switch (e.kind()) {
      case Kind::constant:
      case Kind::boolean: {
        const auto v = static_cast<double>(e.value());
        return put({Code::constant, false, false, 0, 0, 0, v}, {0, v, v, true, false, false});
      }
      case Kind::real: {
        const double v = e.real_value();
        return put({Code::constant, false, false, 0, 0, 0, v}, {0, v, v, false, false, false});
      }
      case Kind::symbol: {
        const std::size_t slot = slots.find(e.name())->second;
        const SlotRange& r = ranges[slot];
        if (!r.numeric) return {};
        return put({Code::slot, false, false, static_cast<std::uint32_t>(slot), 0, 0, 0},
                   {0, r.low, r.high, r.integer, false, slot == running});
      }
      case Kind::negate: {
        auto x = emit(a[0]);
        if (!x) return {};
        return put({Code::negate, false, false, x->reg, 0, 0, 0},
                   {0, -x->high, -x->low, x->integer, x->partial, x->varying});
      }
      case Kind::abs: {
        auto x = emit(a[0]);
        if (!x) return {};
        return put({Code::absolute, false, false, x->reg, 0, 0, 0},
                   {0, x->has_zero() ? 0 : std::min(std::abs(x->low), std::abs(x->high)),
                    x->magnitude(), x->integer, x->partial, x->varying});
      }
      case Kind::logical_not: {
        auto x = emit(a[0]);
        if (!x) return {};
        return put({Code::logical_not, false, false, x->reg, 0, 0, 0},
                   {0, 0, 1, true, x->partial, x->varying});
      }
      case Kind::select: {
        auto c = emit(a[0]);
        if (!c) return {};
        auto x = emit(a[1]);
        if (!x) return {};
        auto y = emit(a[2]);
        if (!y) return {};
        return put(
            {Code::select, false, false, c->reg, x->reg, y->reg, 0},
            {0, std::min(x->low, y->low), std::max(x->high, y->high), x->integer && y->integer,
             c->partial || x->partial || y->partial, c->varying || x->varying || y->varying});
      }
      case Kind::contains:
        return contains(a[0], a[1]);
      case Kind::min:
      case Kind::max:
        if (a.size() == 1 && syntax == Syntax::python && a[0].kind() == Kind::list)
          return fold(e.kind(), a[0].args());
        return fold(e.kind(), a);
      default:
        break;
    }
    if (a.size() != 2) return {};
    auto x = emit(a[0]);
    if (!x) return {};
    auto y = emit(a[1]);
    if (!y) return {};
    return operation(e.kind(), *x, *y);
  }

  std::optional<Made> fold(Kind kind, const std::vector<Expr>& args) {
    if (args.empty() || (args.size() == 1 && syntax == Syntax::python)) return {};
    auto all = emit(args[0]);
    for (std::size_t i = 1; all && i < args.size(); ++i) {
      auto next = emit(args[i]);
      all = next ? operation(kind, *all, *next) : next;
    }
    return all;
  }

  // x in [1, 2, n]: one comparison each.
  std::optional<Made> contains(const Expr& item, const Expr& list) {
    if (list.kind() != Kind::list || list.args().empty()) return {};
    auto x = emit(item);
    if (!x) return {};
    std::optional<Made> any;
    for (const Expr& element : list.args()) {
      auto y = emit(element);
      auto same = y ? operation(Kind::equal, *x, *y) : y;
      // Not `or`: Python makes the whole list first, so an element without a value spoils all.
      any = !same ? same : any ? operation(Kind::max, *any, *same) : same;
      if (!any) return {};
    }
    return any;
  }

  std::optional<Made> logical(bool is_and, const Made& x, const Made& y) {
    Made made{0, 0, 1, true, x.partial || y.partial, x.varying || y.varying};
    const bool values = syntax == Syntax::python;
    if (values) {  // an operand, not a truth value
      made.low = std::min(x.low, y.low);
      made.high = std::max(x.high, y.high);
      made.integer = x.integer && y.integer;
    }
    const Code code = is_and   ? values ? Code::and_value : Code::and_bool
                      : values ? Code::or_value
                               : Code::or_bool;
    return put({code, false, false, x.reg, y.reg, 0, 0}, made);
  }

  std::optional<Made> operation(Kind kind, const Made& x, const Made& y) {
    Made made{0, 0, 1, true, x.partial || y.partial, x.varying || y.varying};
    const bool integers = x.integer && y.integer;
    const auto corners = [&](auto f) {
      const double c[] = {f(x.low, y.low), f(x.low, y.high), f(x.high, y.low), f(x.high, y.high)};
      made.low = *std::min_element(c, c + 4);
      made.high = *std::max_element(c, c + 4);
      made.integer = integers;
    };
    const auto put2 = [&](Code code) {
      return put({code, false, false, x.reg, y.reg, 0, 0}, made);
    };
    switch (kind) {
      case Kind::add:
        corners([](double p, double q) { return p + q; });
        return put2(Code::add);
      case Kind::sub:
        corners([](double p, double q) { return p - q; });
        return put2(Code::sub);
      case Kind::mul:
        corners([](double p, double q) { return p * q; });
        return put2(Code::mul);
      case Kind::true_div: {
        made.partial |= y.has_zero();
        double least = std::min(std::abs(y.low), std::abs(y.high));
        if (y.integer) least = std::max(least, 1.0);
        if (y.has_zero()) least = y.integer ? 1 : 0;
        if (least == 0) return {};
        made.high = x.magnitude() / least;
        made.low = -made.high;
        made.integer = false;
        return put2(Code::true_div);
      }
      case Kind::div:
      case Kind::ceil_div:
        if (!integers) return {};
        made.partial |= y.has_zero();
        made.high = x.magnitude() + 1;
        made.low = -made.high;
        return put2(kind == Kind::div ? Code::floor_div : Code::ceil_div);
      case Kind::align_up:
        if (!integers) return {};
        made.partial |= y.has_zero();
        made.high = x.magnitude() + y.magnitude();
        made.low = -made.high;
        return put2(Code::align_up);
      case Kind::mod:
        made.partial |= y.has_zero();
        made.high = y.magnitude();
        made.low = y.low < 0 ? -made.high : 0;
        made.integer = integers;
        return put2(integers ? Code::mod : Code::real_mod);
      case Kind::min:
        made.low = std::min(x.low, y.low), made.high = std::min(x.high, y.high);
        made.integer = integers;
        return put2(Code::min);
      case Kind::max:
        made.low = std::max(x.low, y.low), made.high = std::max(x.high, y.high);
        made.integer = integers;
        return put2(Code::max);
      case Kind::equal:
        return put2(Code::equal);
      case Kind::not_equal:
        return put2(Code::not_equal);
      case Kind::less:
        return put2(Code::less);
      case Kind::less_equal:
        return put2(Code::less_equal);
      case Kind::greater:
        return put2(Code::greater);
      case Kind::greater_equal:
        return put2(Code::greater_equal);
      case Kind::logical_and:
        return logical(true, x, y);
      case Kind::logical_or:
        return logical(false, x, y);
      default:
        return {};  // powers, and what yields lists
    }
  }
};

std::optional<Lanes> Lanes::compile(const Expr& expr, Syntax syntax, const Slots& slots,
                                    const std::vector<SlotRange>& ranges, std::size_t varying) {
  Build build{syntax, slots, ranges, varying, {}};
  if (!build.emit(expr)) return std::nullopt;
  Lanes lanes;
  lanes.steps_ = std::move(build.steps);
  return lanes;
}

void Lanes::run(const double* standing, const double* running, std::size_t n,
                std::vector<double>* scratch, std::uint8_t* truth) const {
  const std::size_t count = steps_.size();
  if (scratch->size() < count * n) scratch->resize(count * n);
  double* const base = scratch->data();
  const auto at = [&](std::uint32_t reg) -> const double* {
    const Step& s = steps_[reg];
    if (s.code == Code::slot) return s.varying ? running : standing + s.a;
    if (s.code == Code::constant) return &s.constant;
    return base + reg * n;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const Step& s = steps_[i];
    if (s.code == Code::slot || s.code == Code::constant) continue;
    double* out = base + i * n;
    const std::size_t lanes = s.varying ? n : 1;
    const double* x = at(s.a);
    const bool vx = steps_[s.a].varying;
    switch (s.code) {
      case Code::negate:
        for (std::size_t k = 0; k < lanes; ++k) out[k] = -x[k];
        continue;
      case Code::absolute:
        for (std::size_t k = 0; k < lanes; ++k) out[k] = std::abs(x[k]);
        continue;
      case Code::logical_not:
        for (std::size_t k = 0; k < lanes; ++k) out[k] = none(x[k]) ? kNan : x[k] == 0;
        continue;
      case Code::select: {
        const double *y = at(s.b), *z = at(s.c);
        const bool vy = steps_[s.b].varying, vz = steps_[s.c].varying;
        for (std::size_t k = 0; k < lanes; ++k) {
          const double c = x[vx ? k : 0];
          out[k] = none(c) ? kNan : c != 0 ? y[vy ? k : 0] : z[vz ? k : 0];
        }
        continue;
      }
      default:
        break;
    }
    const double* y = at(s.b);
    const bool vy = steps_[s.b].varying;
    const auto each = [&](auto f) { binary(lanes, x, vx, y, vy, out, f); };
    // A comparison of what may not exist: the sum is NaN where either is, and 0 times it is 0
    // elsewhere.
    const auto compare = [&](auto f) {
      if (s.partial)
        each([&](double p, double q) { return (f(p, q) ? 1.0 : 0.0) + 0.0 * (p + q); });
      else
        each([&](double p, double q) { return f(p, q) ? 1.0 : 0.0; });
    };
    switch (s.code) {
      case Code::add:
        each([](double p, double q) { return p + q; });
        break;
      case Code::sub:
        each([](double p, double q) { return p - q; });
        break;
      case Code::mul:
        each([](double p, double q) { return p * q; });
        break;
      case Code::true_div:
        each([](double p, double q) { return q == 0 ? kNan : p / q; });
        break;
      case Code::floor_div:
        each([](double p, double q) { return floor_div(p, q); });
        break;
      case Code::ceil_div:
        each([](double p, double q) { return ceil_div(p, q); });
        break;
      case Code::align_up:
        each([](double p, double q) { return ceil_div(p, q) * q; });
        break;
      case Code::mod:
        each([](double p, double q) { return floor_mod(p, q); });
        break;
      case Code::real_mod:
        each([](double p, double q) { return real_mod(p, q); });
        break;
      case Code::min:
        each([](double p, double q) { return none(p) || none(q) ? kNan : q < p ? q : p; });
        break;
      case Code::max:
        each([](double p, double q) { return none(p) || none(q) ? kNan : p < q ? q : p; });
        break;
      case Code::equal:
        compare([](double p, double q) { return p == q; });
        break;
      case Code::not_equal:
        compare([](double p, double q) { return p != q; });
        break;
      case Code::less:
        compare([](double p, double q) { return p < q; });
        break;
      case Code::less_equal:
        compare([](double p, double q) { return p <= q; });
        break;
      case Code::greater:
        compare([](double p, double q) { return p > q; });
        break;
      case Code::greater_equal:
        compare([](double p, double q) { return p >= q; });
        break;
      // What the first operand decides does not ask whether the second exists.
      case Code::and_value:
        each([](double p, double q) { return p == 0 || none(p) ? p : q; });
        break;
      case Code::or_value:
        each([](double p, double q) { return p != 0 ? p : q; });
        break;
      case Code::and_bool:
        each([](double p, double q) {
          return p == 0 || none(p) ? p : none(q) ? kNan : q != 0 ? 1.0 : 0.0;
        });
        break;
      default:  // or_bool
        each([](double p, double q) {
          return none(p) ? kNan : p != 0 ? 1.0 : none(q) ? kNan : q != 0 ? 1.0 : 0.0;
        });
    }
  }
  const auto last = static_cast<std::uint32_t>(count - 1);
  const double* result = at(last);
  const bool varies = steps_[last].varying;
  for (std::size_t k = 0; k < n; ++k) {
    const double v = result[varies ? k : 0];
    truth[k] = v != v ? 2 : v != 0;
  }
}

}  // namespace mtmc::tuner
