// Bodies become straight-line programs (equal subtrees once) whose steps run over a whole block of
// lanes, so that the cost of interpreting is paid per block. Index expressions become affine forms;
// what is not affine stays a small tree.
#include "op/lane_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "op/algebra.hpp"

namespace mtmc::op {

struct IndexProgram::Tree {
  Expr::Kind kind = Expr::Kind::constant;
  IndexProgram leaf;  // for what is affine again below
  bool is_leaf = false;
  std::vector<std::shared_ptr<const Tree>> args;

  bool is_uniform(const Lanes& lanes) const {
    if (is_leaf) return leaf.is_uniform(lanes);
    return std::all_of(args.begin(), args.end(),
                       [&](const auto& a) { return a->is_uniform(lanes); });
  }
  std::int64_t uniform(const Lanes& lanes) const;
  void evaluate(const Lanes& lanes, std::int64_t* out) const;
};

namespace {

using K = Expr::Kind;

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  if (b == 0 || (b == -1 && a == INT64_MIN)) return 0;
  const std::int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
std::int64_t wrapped_mul(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
std::int64_t wrapped_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

std::int64_t apply(K kind, std::int64_t a, std::int64_t b) {
  switch (kind) {
    case K::add:
      return wrapped_add(a, b);
    case K::sub:
      return wrapped_add(a, wrapped_mul(b, -1));
    case K::mul:
      return wrapped_mul(a, b);
    case K::div:
      return floor_quotient(a, b);
    case K::mod:
      return wrapped_add(a, wrapped_mul(-1, wrapped_mul(b, floor_quotient(a, b))));
    case K::ceil_div:
      return wrapped_mul(-1, floor_quotient(wrapped_mul(a, -1), b));
    case K::align_up:
      return wrapped_mul(b, wrapped_mul(-1, floor_quotient(wrapped_mul(a, -1), b)));
    case K::equal:
      return a == b;
    case K::not_equal:
      return a != b;
    case K::less:
      return a < b;
    case K::less_equal:
      return a <= b;
    case K::greater:
      return a > b;
    case K::greater_equal:
      return a >= b;
    case K::logical_and:
      return a != 0 && b != 0;
    case K::logical_or:
      return a != 0 || b != 0;
    case K::min:
      return std::min(a, b);
    case K::max:
      return std::max(a, b);
    default:
      return 0;
  }
}

}  // namespace

std::int64_t IndexProgram::Tree::uniform(const Lanes& lanes) const {
  if (is_leaf) return leaf.uniform_part(lanes);
  if (kind == K::negate) return wrapped_mul(-1, args[0]->uniform(lanes));
  if (kind == K::logical_not) return args[0]->uniform(lanes) == 0;
  if (kind == K::select) return args[args[0]->uniform(lanes) ? 1 : 2]->uniform(lanes);
  std::int64_t v = args[0]->uniform(lanes);
  for (std::size_t k = 1; k < args.size(); ++k) v = apply(kind, v, args[k]->uniform(lanes));
  return v;
}

void IndexProgram::Tree::evaluate(const Lanes& lanes, std::int64_t* out) const {
  const std::size_t n = lanes.count;
  if (is_uniform(lanes)) {
    std::fill_n(out, n, uniform(lanes));
    return;
  }
  if (is_leaf) {
    leaf.evaluate(lanes, out);
    return;
  }
  args[0]->evaluate(lanes, out);
  if (kind == K::negate || kind == K::logical_not) {
    for (std::size_t l = 0; l < n; ++l)
      out[l] = kind == K::negate ? wrapped_mul(-1, out[l]) : out[l] == 0;
    return;
  }
  std::int64_t other[kLanes];
  if (kind == K::select) {
    std::int64_t condition[kLanes];
    std::copy_n(out, n, condition);
    args[1]->evaluate(lanes, out);
    args[2]->evaluate(lanes, other);
    for (std::size_t l = 0; l < n; ++l)
      if (!condition[l]) out[l] = other[l];
    return;
  }
  for (std::size_t k = 1; k < args.size(); ++k) {
    if (args[k]->is_uniform(lanes))
      std::fill_n(other, n, args[k]->uniform(lanes));
    else
      args[k]->evaluate(lanes, other);
    for (std::size_t l = 0; l < n; ++l) out[l] = apply(kind, out[l], other[l]);
  }
}

Result<IndexProgram> IndexProgram::create(const Expr& e, const std::vector<std::string>& axes,
                                          const Symbols& dims) {
  IndexProgram p;
  p.coefficients_.assign(axes.size(), 0);
  const auto sub = [&](std::size_t k) { return create(e.args()[k], axes, dims); };
  switch (e.kind()) {
    case K::constant:
      p.constant_ = e.value();
      return p;
    case K::symbol: {
      const auto axis = std::find(axes.begin(), axes.end(), e.name());
      if (axis != axes.end()) {
        p.coefficients_[static_cast<std::size_t>(axis - axes.begin())] = 1;
        return p;
      }
      const auto dim = dims.find(e.name());
      if (dim == dims.end()) return bad_input(fmt::format("dim '{}' has no value", e.name()));
      p.constant_ = dim->second;
      return p;
    }
    case K::add:
    case K::sub: {
      auto a = sub(0), b = sub(1);
      if (!a) return a;
      if (!b) return b;
      a->add_scaled(*b, e.kind() == K::add ? 1 : -1);
      return a;
    }
    case K::negate: {
      auto a = sub(0);
      if (a) p.add_scaled(*a, -1);
      return a ? Result<IndexProgram>(p) : a;
    }
    case K::mul: {
      auto a = sub(0), b = sub(1);
      if (!a) return a;
      if (!b) return b;
      const auto constant = [](const IndexProgram& q) {
        return q.trees_.empty() && std::all_of(q.coefficients_.begin(), q.coefficients_.end(),
                                               [](std::int64_t c) { return c == 0; });
      };
      if (constant(*a)) std::swap(*a, *b);
      if (constant(*b)) {
        p.add_scaled(*a, b->constant_);
        return p;
      }
      break;
    }
    default:
      break;
  }
  auto tree = std::make_shared<Tree>();
  tree->kind = e.kind();
  bool constant = true;
  for (std::size_t k = 0; k < e.args().size(); ++k) {
    auto a = sub(k);
    if (!a) return a;
    auto leaf = std::make_shared<Tree>();
    leaf->is_leaf = true;
    constant = constant && a->trees_.empty() &&
               std::all_of(a->coefficients_.begin(), a->coefficients_.end(),
                           [](std::int64_t c) { return c == 0; });
    leaf->leaf = std::move(*a);
    tree->args.push_back(std::move(leaf));
  }
  if (constant)
    p.constant_ = tree->uniform(Lanes{1, std::vector<Lanes::AxisValue>(axes.size())});
  else
    p.trees_.emplace_back(std::move(tree), 1);
  return p;
}

void IndexProgram::add_scaled(const IndexProgram& other, std::int64_t factor) {
  constant_ = wrapped_add(constant_, wrapped_mul(other.constant_, factor));
  if (coefficients_.size() < other.coefficients_.size())
    coefficients_.resize(other.coefficients_.size());
  for (std::size_t k = 0; k < other.coefficients_.size(); ++k)
    coefficients_[k] = wrapped_add(coefficients_[k], wrapped_mul(other.coefficients_[k], factor));
  for (const auto& [tree, c] : other.trees_) trees_.emplace_back(tree, wrapped_mul(c, factor));
}

bool IndexProgram::is_uniform(const Lanes& lanes) const {
  for (std::size_t k = 0; k < coefficients_.size(); ++k)
    if (coefficients_[k] != 0 && lanes.axes[k].varying) return false;
  return std::all_of(trees_.begin(), trees_.end(),
                     [&](const auto& t) { return t.first->is_uniform(lanes); });
}

std::int64_t IndexProgram::uniform_part(const Lanes& lanes) const {
  std::int64_t sum = constant_;
  for (std::size_t k = 0; k < coefficients_.size(); ++k)
    if (!lanes.axes[k].varying)
      sum = wrapped_add(sum, wrapped_mul(coefficients_[k], lanes.axes[k].uniform));
  for (const auto& [tree, c] : trees_)
    if (tree->is_uniform(lanes)) sum = wrapped_add(sum, wrapped_mul(c, tree->uniform(lanes)));
  return sum;
}

void IndexProgram::evaluate(const Lanes& lanes, std::int64_t* out) const {
  const std::size_t n = lanes.count;
  std::fill_n(out, n, uniform_part(lanes));
  for (std::size_t k = 0; k < coefficients_.size(); ++k) {
    const std::int64_t* axis = lanes.axes[k].varying;
    const auto c = static_cast<std::uint64_t>(coefficients_[k]);
    if (c == 0 || !axis) continue;
    for (std::size_t l = 0; l < n; ++l)
      out[l] = static_cast<std::int64_t>(static_cast<std::uint64_t>(out[l]) +
                                         c * static_cast<std::uint64_t>(axis[l]));
  }
  for (const auto& [tree, c] : trees_) {
    if (tree->is_uniform(lanes)) continue;
    std::int64_t values[kLanes];
    tree->evaluate(lanes, values);
    for (std::size_t l = 0; l < n; ++l) out[l] = wrapped_add(out[l], wrapped_mul(c, values[l]));
  }
}

struct LaneProgram::Compiler {
  LaneProgram& program;
  const std::vector<std::string>& axes;
  const Symbols& dims;
  const std::vector<std::vector<std::int64_t>>& shapes;
  const LaneLoader& loader;
  std::map<std::string, int> known;  // equal subtrees by what they are made of

  int push(const std::string& key, Step step, bool exact) {
    const int id = static_cast<int>(program.steps_.size());
    program.steps_.push_back(std::move(step));
    program.exact_.push_back(exact);
    known.emplace(key, id);
    return id;
  }

  Result<int> compile(const Scalar& s) {
    Step step;
    step.kind = s.kind();
    std::string key;
    bool exact = true;
    if (s.kind() == Scalar::Kind::call || s.kind() == Scalar::Kind::select ||
        s.kind() == Scalar::Kind::cast) {
      for (std::size_t k = 0; k < s.args().size(); ++k) {
        auto arg = compile(s.args()[k]);
        if (!arg) return arg;
        step.args[k] = *arg;
        exact = exact && program.exact_[static_cast<std::size_t>(*arg)];
      }
      if (s.kind() == Scalar::Kind::call) {
        step.function = s.function();
        exact = exact && (program.unit_ == 0 || is_exact_function(s.function()));
      }
      if (s.kind() == Scalar::Kind::cast)
        step.dtype = s.dtype();  // an exact operand is rounded alike by all
      key = fmt::format("{}/{}/{}/{}/{}/{}", static_cast<int>(s.kind()),
                        static_cast<int>(step.function), static_cast<int>(step.dtype), step.args[0],
                        step.args[1], step.args[2]);
    } else {
      key = s.text();
    }
    if (auto it = known.find(key); it != known.end()) return it->second;
    if (s.kind() == Scalar::Kind::constant) step.constant = s.value();
    if (s.kind() == Scalar::Kind::index) {
      auto index = IndexProgram::create(s.at()[0], axes, dims);
      if (!index) return tl::unexpected<Error>(index.error());
      step.index = std::move(*index);
    }
    if (s.kind() == Scalar::Kind::load) {
      if (auto ok = add_load(s); !ok) return tl::unexpected<Error>(ok.error());
      step.load = program.loads_.size() - 1;
      program.loads_.back().target = static_cast<int>(program.steps_.size());
      exact = loader.is_exact(s.tensor());
    }
    return push(key, std::move(step), exact);
  }

  Result<void> add_load(const Scalar& s) {
    if (s.tensor() < 0 || s.tensor() >= static_cast<int>(shapes.size()))
      return bad_input("a load of no tensor");
    const auto& shape = shapes[static_cast<std::size_t>(s.tensor())];
    if (shape.size() != s.at().size())
      return bad_input(fmt::format("a load with {} indices of a tensor with {} dimensions",
                                   s.at().size(), shape.size()));
    Load load;
    load.tensor = s.tensor();
    load.otherwise = s.value();
    load.at = *IndexProgram::create(Expr(0), axes, dims);
    std::int64_t stride = 1;
    for (std::size_t d = shape.size(); d-- > 0;) {
      auto index = IndexProgram::create(s.at()[d], axes, dims);
      if (!index) return tl::unexpected<Error>(index.error());
      load.at.add_scaled(*index, stride);
      stride *= shape[d];
    }
    if (s.guard()) {
      auto guard = IndexProgram::create(*s.guard(), axes, dims);
      if (!guard) return tl::unexpected<Error>(guard.error());
      load.guarded = true;
      load.guard = std::move(*guard);
    }
    program.loads_.push_back(std::move(load));
    return {};
  }
};

Result<LaneProgram> LaneProgram::create(const Scalar& body, const std::vector<std::string>& axes,
                                        const Symbols& dims,
                                        const std::vector<std::vector<std::int64_t>>& shapes,
                                        double unit, const LaneLoader& loader) {
  LaneProgram p;
  p.unit_ = unit;
  Compiler compiler{p, axes, dims, shapes, loader, {}};
  const auto root = compiler.compile(body);
  if (!root) return tl::unexpected<Error>(root.error());
  if (*root + 1 != static_cast<int>(p.steps_.size()))
    return internal_error("the body's result is not its last step");
  p.storage_.resize(p.steps_.size() * 2 * kLanes);
  p.offsets_.resize(kLanes);
  p.mask_.resize(kLanes);
  const Step& last = p.steps_.back();
  if (last.kind == Scalar::Kind::call && last.function == Function::mul) {
    const Step& a = p.steps_[static_cast<std::size_t>(last.args[0])];
    const Step& b = p.steps_[static_cast<std::size_t>(last.args[1])];
    p.is_product_ = a.kind == Scalar::Kind::load && b.kind == Scalar::Kind::load &&
                    !p.loads_[a.load].guarded && !p.loads_[b.load].guarded;
    p.product_ = {a.load, b.load};
  }
  return p;
}

bool LaneProgram::run(const Lanes& lanes, LaneLoader& loader, Block& out) {
  const std::size_t n = lanes.count;
  for (std::size_t k = 0; k < steps_.size(); ++k) {
    const Step& s = steps_[k];
    const int id = static_cast<int>(k);
    double* r = values_of(id);
    double* er = exact_[k] ? nullptr : errors_of(id);
    const auto value = [&](int arg) { return values_of(s.args[arg]); };
    const auto error = [&](int arg) -> double* {
      return exact_[static_cast<std::size_t>(s.args[arg])] ? nullptr : errors_of(s.args[arg]);
    };
    switch (s.kind) {
      case Scalar::Kind::constant:
        std::fill_n(r, n, s.constant);
        break;
      case Scalar::Kind::index:
        s.index.evaluate(lanes, offsets_.data());
        for (std::size_t l = 0; l < n; ++l) r[l] = static_cast<double>(offsets_[l]);
        break;
      case Scalar::Kind::load: {
        const Load& load = loads_[s.load];
        const std::int64_t* mask = nullptr;
        if (load.guarded) {
          load.guard.evaluate(lanes, mask_.data());
          mask = mask_.data();
          std::fill_n(r, n, load.otherwise);
          if (er) std::fill_n(er, n, 0.0);
        } else if (load.at.is_uniform(lanes)) {
          offsets_[0] = load.at.uniform_part(lanes);
          if (!loader.load(load.tensor, offsets_.data(), nullptr, 1, r, er)) return false;
          std::fill_n(r + 1, n - 1, r[0]);
          if (er) std::fill_n(er + 1, n - 1, er[0]);
          break;
        }
        load.at.evaluate(lanes, offsets_.data());
        if (!loader.load(load.tensor, offsets_.data(), mask, n, r, er)) return false;
        break;
      }
      case Scalar::Kind::call:
        if (arity(s.function) == 1)
          apply_unary(s.function, n, unit_, value(0), error(0), r, er);
        else
          apply_binary(s.function, n, unit_, value(0), error(0), value(1), error(1), r, er);
        break;
      case Scalar::Kind::select:
        for (std::size_t l = 0; l < n; ++l) {
          const bool first = value(0)[l] != 0;
          r[l] = value(first ? 1 : 2)[l];
          if (!er) continue;
          const double* e1 = error(1);
          const double* e2 = error(2);
          er[l] = first ? (e1 ? e1[l] : 0) : (e2 ? e2[l] : 0);
          if (const double* ec = error(0); ec && ec[l] >= 1 && std::isfinite(r[l])) {
            const double gap =
                std::fabs(value(1)[l] - value(2)[l]) + (e1 ? e1[l] : 0) + (e2 ? e2[l] : 0);
            er[l] = std::isnan(gap) ? er[l] : gap;
          }
        }
        break;
      case Scalar::Kind::cast: {
        const double* a = value(0);
        const double* ea = error(0);
        const double narrow =
            is_float(s.dtype) && unit_roundoff(s.dtype) > unit_ ? unit_roundoff(s.dtype) : 0;
        for (std::size_t l = 0; l < n; ++l) {
          r[l] = round_to(s.dtype, a[l]);
          if (!er) continue;
          const double e = ea ? ea[l] : 0;
          if (!is_float(s.dtype))
            er[l] = e == 0 ? 0
                           : std::max(std::fabs(round_to(s.dtype, a[l] + e) - r[l]),
                                      std::fabs(round_to(s.dtype, a[l] - e) - r[l]));
          else
            er[l] = e == 0 ? 0 : e + 2 * narrow * std::fabs(r[l]);
          if (!std::isfinite(r[l])) er[l] = 0;
        }
        break;
      }
    }
  }
  const int last = static_cast<int>(steps_.size()) - 1;
  out = {values_of(last), exact_.back() ? nullptr : errors_of(last)};
  return true;
}

}  // namespace mtmc::op
