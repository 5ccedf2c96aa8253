// Operators that move elements: each is one map whose index map carries the move, so that fusion
// can fold it into its reader's loads. A reshape splits both shapes into the smallest groups of
// equal product; axes that pass unchanged keep their names, merged ones are taken apart with / and
// %, split ones are put together with strides.
#include <fmt/format.h>

#include <algorithm>

#include "op/algebra.hpp"
#include "op/emitter.hpp"
#include "op/formula.hpp"

namespace mtmc::op {
namespace {

using namespace formula;
using Shape = std::vector<Expr>;
using ShapeRule = std::function<Result<Shape>(const Call&)>;
using IndexRule = std::function<Shape(const Call&, const Shape& result)>;

const Shape& input_shape(const Call& call) { return call.value("input").shape; }

// A row whose result is its input at other places.
Row move(std::string name, std::string signature, ShapeRule shape, IndexRule index,
         std::vector<std::string> aliases = {}) {
  Row row;
  row.name = std::move(name);
  row.signature = std::move(signature);
  row.aliases = std::move(aliases);
  row.infer = [shape = std::move(shape)](const Call& call) -> InferResult {
    if (!call.is_tensor("input")) return bad_input("needs a tensor");
    auto made = shape(call);
    if (!made) return tl::unexpected<Error>(made.error());
    return std::vector<Inferred>{{call.value("input").dtype, std::move(*made)}};
  };
  row.lower = [index = std::move(index)](Emitter& e) -> Result<void> {
    const auto target = e.result();
    e.map(target, e.operand("input", index(e.call(), target.shape)));
    return {};
  };
  return row;
}

Result<std::size_t> dim_of(const Call& call, std::string_view name, std::size_t rank) {
  const auto axis = axis_in(*call.integer(name), static_cast<int>(rank));
  if (!axis) return tl::unexpected<Error>(axis.error());
  if (rank == 0) return bad_input("needs a tensor with dimensions");
  return static_cast<std::size_t>(*axis);
}
std::size_t checked_dim(const Call& call, std::string_view name, std::size_t rank) {
  return *dim_of(call, name, rank);
}

Expr flat_index(const Shape& shape, std::size_t first, std::size_t last, std::size_t axis) {
  Expr flat(0);
  for (std::size_t d = first; d < last; ++d) flat = flat * shape[d] + axis_i(axis + d - first);
  return simplify(flat);
}

}  // namespace

// Where element `_i*` of `to` lies in `from`, which holds as many elements in row-major order.
Shape reshape_index(const Shape& from, const Shape& to) {
  Shape at(from.size(), Expr(0));
  std::size_t f = 0, t = 0;
  while (f < from.size() || t < to.size()) {
    if (f < from.size() && from[f].is_constant(1)) {
      ++f;
      continue;
    }
    if (t < to.size() && to[t].is_constant(1)) {
      ++t;
      continue;
    }
    if (f == from.size() || t == to.size()) break;  // what is left has extent 1 at this binding
    // Smallest ends at which the products agree; both whole rests when they do so nowhere
    // symbolically.
    std::size_t f_end = from.size(), t_end = to.size();
    bool found = false;
    for (std::size_t i = f + 1; i <= from.size() && !found; ++i)
      for (std::size_t j = t + 1; j <= to.size() && !found; ++j)
        if (same(product({from.begin() + static_cast<std::ptrdiff_t>(f),
                          from.begin() + static_cast<std::ptrdiff_t>(i)}),
                 product({to.begin() + static_cast<std::ptrdiff_t>(t),
                          to.begin() + static_cast<std::ptrdiff_t>(j)}))) {
          f_end = i;
          t_end = j;
          found = true;
        }
    const Expr flat = flat_index(to, t, t_end, t);
    Expr stride(1);
    for (std::size_t i = f_end; i-- > f;) {
      Expr index = floor_div(flat, stride);
      if (i != f) index = mod(index, from[i]);
      at[i] = simplify(index);
      stride = simplify(stride * from[i]);
    }
    f = f_end;
    t = t_end;
  }
  return at;
}

namespace {

Result<Shape> completed(const Call& call, Shape shape) {
  const Shape& from = input_shape(call);
  const Expr total = product(from);
  std::int64_t known = 1;
  std::ptrdiff_t hole = -1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const std::int64_t extent = call.at_binding(shape[d]);
    if (extent == -1) {
      if (hole >= 0) return bad_input("-1 is in the shape twice");
      hole = static_cast<std::ptrdiff_t>(d);
    } else if (extent < 1) {
      return bad_input(
          fmt::format("extent {} is {}; every extent must be at least 1", shape[d].text(), extent));
    } else if (__builtin_mul_overflow(known, extent, &known)) {
      return bad_input("more than 2^40 elements");
    }
  }
  const std::int64_t elements = call.at_binding(total);
  if (hole >= 0 && elements % known == 0) {
    shape[static_cast<std::size_t>(hole)] = Expr(1);
    const Expr others = product(shape);
    shape[static_cast<std::size_t>(hole)] =
        exact_quotient(total, others).value_or(simplify(floor_div(total, others)));
    return shape;
  }
  if (hole >= 0 || known != elements)
    return bad_input(fmt::format("shape {} does not hold the {} elements of {}",
                                 shape_text(call, shape), elements, shape_text(call, from)));
  return shape;
}

Shape by_reshape(const Call& call, const Shape& result) {
  return reshape_index(input_shape(call), result);
}

Result<Shape> flattened(const Call& call) {
  const Shape& from = input_shape(call);
  if (from.empty()) return Shape{Expr(1)};
  const auto first = dim_of(call, "start_dim", from.size()),
             last = dim_of(call, "end_dim", from.size());
  if (!first) return tl::unexpected<Error>(first.error());
  if (!last) return tl::unexpected<Error>(last.error());
  if (*first > *last) return bad_input("start_dim comes after end_dim");
  Shape shape(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(*first));
  shape.push_back(product({from.begin() + static_cast<std::ptrdiff_t>(*first),
                           from.begin() + static_cast<std::ptrdiff_t>(*last + 1)}));
  shape.insert(shape.end(), from.begin() + static_cast<std::ptrdiff_t>(*last + 1), from.end());
  return shape;
}

Result<std::vector<std::size_t>> permutation(const Call& call) {
  const std::size_t rank = input_shape(call).size();
  const auto stated = *call.shape("dims");
  std::vector<std::size_t> dims;
  for (const auto& e : stated) {
    const auto axis = axis_in(call.at_binding(e), static_cast<int>(rank));
    if (!axis) return tl::unexpected<Error>(axis.error());
    dims.push_back(static_cast<std::size_t>(*axis));
  }
  auto sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  bool whole = dims.size() == rank;
  for (std::size_t d = 0; whole && d < rank; ++d) whole = sorted[d] == d;
  if (!whole) return bad_input(fmt::format("dims must list each of the {} dims once", rank));
  return dims;
}

std::vector<std::size_t> swapped(const Call& call) {
  std::vector<std::size_t> dims(input_shape(call).size());
  for (std::size_t d = 0; d < dims.size(); ++d) dims[d] = d;
  std::swap(dims[checked_dim(call, "dim0", dims.size())],
            dims[checked_dim(call, "dim1", dims.size())]);
  return dims;
}

Shape permuted_shape(const Call& call, const std::vector<std::size_t>& dims) {
  Shape shape;
  for (const std::size_t d : dims) shape.push_back(input_shape(call)[d]);
  return shape;
}
Shape permuted_index(const std::vector<std::size_t>& dims) {
  Shape at(dims.size());
  for (std::size_t k = 0; k < dims.size(); ++k) at[dims[k]] = axis_i(k);
  return at;
}

// squeeze: the dims that go. Without a list, all of extent 1; listed ones only where they have it.
Result<std::vector<bool>> squeezed(const Call& call) {
  const Shape& from = input_shape(call);
  std::vector<bool> gone(from.size());
  const auto listed = call.shape("dim");
  if (!listed) {
    for (std::size_t d = 0; d < from.size(); ++d) gone[d] = call.at_binding(from[d]) == 1;
    return gone;
  }
  for (const auto& e : *listed) {
    const auto axis = axis_in(call.at_binding(e), static_cast<int>(from.size()));
    if (!axis) return tl::unexpected<Error>(axis.error());
    const auto d = static_cast<std::size_t>(*axis);
    if (d < from.size()) gone[d] = call.at_binding(from[d]) == 1;
  }
  return gone;
}

Result<Shape> expanded(const Call& call) {
  const Shape& from = input_shape(call);
  Shape to = *call.shape("sizes");
  if (to.size() < from.size()) return bad_input("sizes has fewer entries than the tensor has dims");
  const std::size_t shift = to.size() - from.size();
  for (std::size_t d = 0; d < to.size(); ++d) {
    const std::int64_t wanted = call.at_binding(to[d]);
    if (d < shift) {
      if (wanted < 1)
        return bad_input(fmt::format("size {} is {}; it must be at least 1", d, wanted));
      continue;
    }
    const std::int64_t have = call.at_binding(from[d - shift]);
    if (wanted == -1 || wanted == have)
      to[d] = from[d - shift];
    else if (have != 1 || wanted < 1)
      return bad_input(fmt::format("shape {} does not expand to {}", shape_text(call, from),
                                   shape_text(call, to)));
  }
  return to;
}

struct Window {
  std::size_t dim;
  Expr start, length, step;
};

// start and end as Python clamps them; what depends on dims stays symbolic where it lies inside.
Result<Window> sliced(const Call& call) {
  const Shape& from = input_shape(call);
  const auto dim = dim_of(call, "dim", from.size());
  if (!dim) return tl::unexpected<Error>(dim.error());
  const Expr& extent = from[*dim];
  const std::int64_t size = call.at_binding(extent);
  const auto bound = [&](const Expr& e) {
    const std::int64_t v = call.at_binding(e);
    if (v < -size) return Expr(0);
    if (v >= size) return extent;
    return v < 0 ? simplify(extent + e) : e;
  };
  const Expr start = bound(*call.expression("start"));
  const auto stated_end = call.expression("end");
  const Expr end = stated_end ? bound(*stated_end) : extent;
  const Expr step = *call.expression("step");
  if (call.at_binding(step) < 1)
    return bad_input(fmt::format("step is {}; it must be at least 1", call.at_binding(step)));
  if (call.at_binding(end) <= call.at_binding(start))
    return bad_input(fmt::format("the slice from {} to {} is empty", call.at_binding(start),
                                 call.at_binding(end)));
  return Window{*dim, start, simplify(ceil_div(simplify(end - start), step)), step};
}

Result<Window> narrowed(const Call& call) {
  const auto dim = dim_of(call, "dim", input_shape(call).size());
  if (!dim) return tl::unexpected<Error>(dim.error());
  const Expr& extent = input_shape(call)[*dim];
  Expr start = *call.expression("start");
  if (call.at_binding(start) < 0) start = simplify(extent + start);
  const Expr length = *call.expression("length");
  const std::int64_t first = call.at_binding(start), count = call.at_binding(length);
  if (first < 0 || count < 1 || first + count > call.at_binding(extent))
    return bad_input(fmt::format("start {} and length {} are not inside extent {}", first, count,
                                 call.at_binding(extent)));
  return Window{*dim, start, length, Expr(1)};
}

Row windowed(std::string name, std::string signature, Result<Window> (*window)(const Call&)) {
  return move(
      std::move(name), std::move(signature),
      [window](const Call& call) -> Result<Shape> {
        const auto w = window(call);
        if (!w) return tl::unexpected<Error>(w.error());
        Shape shape = input_shape(call);
        shape[w->dim] = w->length;
        return shape;
      },
      [window](const Call& call, const Shape& result) {
        const auto w = window(call);
        Shape at = axes_i(result.size());
        at[w->dim] = at[w->dim] * w->step + w->start;
        return at;
      });
}

Result<Expr> selected(const Call& call) {
  const auto dim = dim_of(call, "dim", input_shape(call).size());
  if (!dim) return tl::unexpected<Error>(dim.error());
  const Expr& extent = input_shape(call)[*dim];
  const Expr index = *call.expression("index");
  const std::int64_t v = call.at_binding(index), size = call.at_binding(extent);
  if (v < -size || v >= size)
    return bad_input(fmt::format("index {} is not in extent {}", v, size));
  return v < 0 ? simplify(extent + index) : index;
}

// cat and stack: which operand an element comes from is a chain of comparisons along `dim`.
InferResult infer_joined(const Call& call, bool stacked) {
  const auto parts = call.list_of_tensors();
  const Shape first = call.values()[static_cast<std::size_t>(parts[0])].shape;
  const auto dim = dim_of(call, "dim", first.size() + (stacked ? 1 : 0));
  if (!dim) return tl::unexpected<Error>(dim.error());
  DType dtype = call.values()[static_cast<std::size_t>(parts[0])].dtype;
  Expr extent(0);
  for (int v : parts) {
    const Value& value = call.values()[static_cast<std::size_t>(v)];
    dtype = promote(dtype, value.dtype);
    bool fits = value.shape.size() == first.size();
    for (std::size_t d = 0; fits && d < first.size(); ++d)
      fits =
          (!stacked && d == *dim) || call.at_binding(value.shape[d]) == call.at_binding(first[d]);
    if (!fits)
      return bad_input(fmt::format("shapes {} and {} do not go together along dim {}",
                                   shape_text(call, first), shape_text(call, value.shape), *dim));
    extent = simplify(extent + (stacked ? Expr(1) : value.shape[*dim]));
  }
  Shape shape = first;
  if (stacked)
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(*dim), extent);
  else
    shape[*dim] = extent;
  return std::vector<Inferred>{{dtype, shape}};
}

Result<void> lower_joined(Emitter& e, bool stacked) {
  const auto parts = e.call().list_of_tensors();
  const auto target = e.result();
  const std::size_t dim = checked_dim(e.call(), "dim", target.shape.size());
  std::vector<Expr> starts;
  Expr end(0);
  for (int v : parts) {
    starts.push_back(end);
    end = simplify(end +
                   (stacked ? Expr(1) : e.call().values()[static_cast<std::size_t>(v)].shape[dim]));
  }
  std::optional<Scalar> body;
  for (std::size_t k = parts.size(); k-- > 0;) {
    Shape at = axes_i(target.shape.size());
    std::optional<Expr> guard;
    if (k + 1 < parts.size()) guard = Expr::make(Expr::Kind::less, {axis_i(dim), starts[k + 1]});
    if (k > 0) {
      const Expr after = Expr::make(Expr::Kind::greater_equal, {axis_i(dim), starts[k]});
      guard = guard ? Expr::make(Expr::Kind::logical_and, {after, *guard}) : after;
    }
    if (stacked)
      at.erase(at.begin() + static_cast<std::ptrdiff_t>(dim));
    else
      at[dim] = at[dim] - starts[k];
    const Scalar load = e.value_at(parts[k], at, guard);
    body = body
               ? select(less(Scalar::index(axis_i(dim)), Scalar::index(starts[k + 1])), load, *body)
               : load;
  }
  e.map(target, *body);
  return {};
}

struct Chunks {
  std::size_t dim;
  std::int64_t size, count, extent;
};
Result<Chunks> chunks(const Call& call) {
  const auto dim = dim_of(call, "dim", input_shape(call).size());
  if (!dim) return tl::unexpected<Error>(dim.error());
  const std::int64_t extent = call.at_binding(input_shape(call)[*dim]),
                     wanted = *call.integer("chunks");
  if (wanted < 1 || wanted > 256)
    return bad_input(fmt::format("chunks is {}; it must be between 1 and 256", wanted));
  const std::int64_t size = (extent + wanted - 1) / wanted;
  return Chunks{*dim, size, (extent + size - 1) / size, extent};
}

// The size of one chunk: symbolic where it divides evenly for all values, else as bound.
Expr chunk_size(const Call& call, const Chunks& c) {
  const auto even = exact_quotient(input_shape(call)[c.dim], *call.expression("chunks"));
  if (even && call.at_binding(*even) == c.size) return *even;
  return c.extent % *call.integer("chunks") == 0
             ? simplify(floor_div(input_shape(call)[c.dim], *call.expression("chunks")))
             : Expr(c.size);
}

Row cast_row() {
  Row row{"to", "input, dtype: dtype", nullptr, nullptr, {"cast"}};
  row.infer = [](const Call& call) -> InferResult {
    if (!call.is_tensor("input")) return bad_input("needs a tensor");
    return std::vector<Inferred>{{*call.dtype("dtype"), call.value("input").shape}};
  };
  row.lower = [](Emitter& e) -> Result<void> {
    const auto target = e.result();
    const DType from = e.call().value("input").dtype;
    Scalar x = e.operand("input", axes_i(target.shape.size()));
    if (target.dtype == DType::boolean)
      x = call(Function::not_equal, x, num(0));
    else if (is_float(from) && !is_float(target.dtype))
      x = Scalar::cast(target.dtype, call(Function::trunc, x));
    else if (from != target.dtype)
      x = Scalar::cast(target.dtype, x);
    e.map(target, x);
    return {};
  };
  return row;
}

Row triangle(std::string name, Function keep) {
  Row row = move(
      std::move(name), "input, diagonal: integer = 0",
      [](const Call& call) -> Result<Shape> {
        if (input_shape(call).size() < 2) return bad_input("needs at least two dimensions");
        return input_shape(call);
      },
      nullptr);
  row.lower = [keep](Emitter& e) -> Result<void> {
    const auto target = e.result();
    const std::size_t rank = target.shape.size();
    const Expr offset = simplify(axis_i(rank - 1) - axis_i(rank - 2));
    e.map(target,
          select(call(keep, Scalar::index(offset), Scalar::index(*e.call().expression("diagonal"))),
                 e.operand("input", axes_i(rank)), num(0)));
    return {};
  };
  return row;
}

}  // namespace

std::vector<Row> move_rows() {
  std::vector<Row> rows;
  rows.push_back(move(
      "transpose", "input, dim0: integer, dim1: integer",
      [](const Call& call) -> Result<Shape> {
        for (const auto name : {"dim0", "dim1"})
          if (auto d = dim_of(call, name, input_shape(call).size()); !d)
            return tl::unexpected<Error>(d.error());
        return permuted_shape(call, swapped(call));
      },
      [](const Call& call, const Shape&) { return permuted_index(swapped(call)); }));
  rows.push_back(move(
      "t", "input",
      [](const Call& call) -> Result<Shape> {
        if (input_shape(call).size() != 2) return bad_input("needs two dimensions");
        return permuted_shape(call, {1, 0});
      },
      [](const Call&, const Shape&) {
        return permuted_index({1, 0});
      }));
  rows.push_back(move(
      "permute", "input, dims: shape",
      [](const Call& call) -> Result<Shape> {
        const auto dims = permutation(call);
        if (!dims) return tl::unexpected<Error>(dims.error());
        return permuted_shape(call, *dims);
      },
      [](const Call& call, const Shape&) { return permuted_index(*permutation(call)); }));
  rows.push_back(move("reshape", "input, shape: shape",
                      [](const Call& call) { return completed(call, *call.shape("shape")); },
                      by_reshape, {"view"}));
  rows.push_back(move("flatten", "input, start_dim: integer = 0, end_dim: integer = -1", flattened,
                      by_reshape));
  rows.push_back(move(
      "squeeze", "input, dim: shape = None",
      [](const Call& call) -> Result<Shape> {
        const auto gone = squeezed(call);
        if (!gone) return tl::unexpected<Error>(gone.error());
        Shape shape;
        for (std::size_t d = 0; d < gone->size(); ++d)
          if (!(*gone)[d]) shape.push_back(input_shape(call)[d]);
        return shape;
      },
      [](const Call& call, const Shape&) {
        const auto gone = *squeezed(call);
        Shape at;
        std::size_t axis = 0;
        for (const bool is_gone : gone) at.push_back(is_gone ? Expr(0) : axis_i(axis++));
        return at;
      }));
  rows.push_back(move(
      "unsqueeze", "input, dim: integer",
      [](const Call& call) -> Result<Shape> {
        Shape shape = input_shape(call);
        const auto d = dim_of(call, "dim", shape.size() + 1);
        if (!d) return tl::unexpected<Error>(d.error());
        shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(*d), Expr(1));
        return shape;
      },
      [](const Call& call, const Shape& result) {
        Shape at = axes_i(result.size());
        at.erase(at.begin() + static_cast<std::ptrdiff_t>(checked_dim(call, "dim", result.size())));
        return at;
      }));
  rows.push_back(move("expand", "input, sizes: shape", expanded, nullptr));
  rows.back().lower = [](Emitter& e) -> Result<void> {
    const auto target = e.result();
    e.map(target, e.broadcast("input", target.shape));
    return {};
  };
  rows.push_back(windowed(
      "slice",
      "input, dim: integer = 0, start: integer = 0, end: integer = None, step: integer = 1",
      sliced));
  rows.push_back(
      windowed("narrow", "input, dim: integer, start: integer, length: integer", narrowed));
  rows.push_back(move(
      "select", "input, dim: integer, index: integer",
      [](const Call& call) -> Result<Shape> {
        if (auto index = selected(call); !index) return tl::unexpected<Error>(index.error());
        Shape shape = input_shape(call);
        shape.erase(shape.begin() +
                    static_cast<std::ptrdiff_t>(checked_dim(call, "dim", shape.size())));
        return shape;
      },
      [](const Call& call, const Shape& result) {
        Shape at = axes_i(result.size());
        at.insert(
            at.begin() + static_cast<std::ptrdiff_t>(checked_dim(call, "dim", result.size() + 1)),
            *selected(call));
        return at;
      }));
  rows.push_back(move(
      "flip", "input, dims: shape",
      [](const Call& call) -> Result<Shape> {
        const auto dims = *call.shape("dims");
        for (const auto& e : dims)
          if (auto d = axis_in(call.at_binding(e), static_cast<int>(input_shape(call).size())); !d)
            return tl::unexpected<Error>(d.error());
        return input_shape(call);
      },
      [](const Call& call, const Shape& result) {
        Shape at = axes_i(result.size());
        const auto dims = *call.shape("dims");
        for (const auto& e : dims) {
          const auto d = static_cast<std::size_t>(
              *axis_in(call.at_binding(e), static_cast<int>(result.size())));
          if (d < at.size()) at[d] = result[d] - Expr(1) - axis_i(d);
        }
        return at;
      }));
  rows.push_back(triangle("triu", Function::greater_equal));
  rows.push_back(triangle("tril", Function::less_equal));
  rows.push_back({"cat",
                  "tensors: tensors, dim: integer = 0",
                  [](const Call& c) { return infer_joined(c, false); },
                  [](Emitter& e) { return lower_joined(e, false); },
                  {"concat"}});
  rows.push_back({"stack", "tensors: tensors, dim: integer = 0",
                  [](const Call& c) { return infer_joined(c, true); },
                  [](Emitter& e) { return lower_joined(e, true); }});
  Row chunk{"chunk", "input, chunks: integer, dim: integer = 0", nullptr, nullptr};
  chunk.infer = [](const Call& call) -> InferResult {
    if (!call.is_tensor("input")) return bad_input("needs a tensor");
    const auto c = chunks(call);
    if (!c) return tl::unexpected<Error>(c.error());
    const Expr size = chunk_size(call, *c);
    std::vector<Inferred> out;
    for (std::int64_t k = 0; k < c->count; ++k) {
      Shape shape = input_shape(call);
      shape[c->dim] = k + 1 < c->count || c->extent % c->size == 0
                          ? size
                          : simplify(shape[c->dim] - Expr(c->size * (c->count - 1)));
      out.push_back({call.value("input").dtype, std::move(shape)});
    }
    return out;
  };
  chunk.lower = [](Emitter& e) -> Result<void> {
    const auto c = *chunks(e.call());
    const Expr size = chunk_size(e.call(), c);
    for (std::size_t k = 0; e.wants(k); ++k) {
      const auto target = e.result(k);
      Shape at = axes_i(target.shape.size());
      at[c.dim] = at[c.dim] + size * Expr(static_cast<std::int64_t>(k));
      e.map(target, e.operand("input", at));
    }
    return {};
  };
  rows.push_back(std::move(chunk));
  rows.push_back(cast_row());
  return rows;
}

}  // namespace mtmc::op
