// Bodies become nested calls of host_check.hpp's functions; a tensor's function computes one
// element and keeps it.
#include "coder/export_host.hpp"

#include <fmt/format.h>

#include "coder/scalar_cuda.hpp"
#include "coder/text.hpp"

namespace mtmc::coder {

namespace {

using op::DType;
using op::Scalar;

struct HostWriter {
  const op::Operator& op;
  const op::Lowering& lowering;
  std::string text;
  std::optional<std::string> error;

  const op::Tensor& tensor(int t) const { return lowering.tensors[static_cast<std::size_t>(t)]; }

  static std::string rounding(DType dtype) { return fmt::format("round_{}", op::name_of(dtype)); }

  std::string expr(const Expr& e, const IndexMath& math, int level = 0) {
    return c_expr(e, math, nullptr, {}, level);
  }

  std::string scalar(const Scalar& s, const IndexMath& math) {
    switch (s.kind()) {
      case Scalar::Kind::constant:
        return fmt::format("number({})", real_literal(s.value(), true));
      case Scalar::Kind::index:
        return fmt::format("number((double)({}))", expr(s.at()[0], math));
      case Scalar::Kind::load: {
        std::string call = fmt::format("t{}(", s.tensor());
        for (std::size_t k = 0; k < s.at().size(); ++k)
          call += (k ? ", " : "") + expr(math.simplify(s.at()[k]), math);
        call += ")";
        if (s.guard())
          call = fmt::format("(({}) ? {} : number({}))", expr(*s.guard(), math), call,
                             real_literal(s.value(), true));
        return call;
      }
      case Scalar::Kind::select:
        return fmt::format("op_select({}, {}, {})", scalar(s.args()[0], math),
                           scalar(s.args()[1], math), scalar(s.args()[2], math));
      case Scalar::Kind::cast:
        if (c_type(s.dtype()).empty())
          error = fmt::format("the check does not round to {}", op::name_of(s.dtype()));
        return fmt::format("cast({}, {}, {})", rounding(s.dtype()),
                           real_literal(op::unit_roundoff(s.dtype()), true),
                           scalar(s.args()[0], math));
      case Scalar::Kind::call: {
        std::string call = fmt::format("op_{}(", op::name_of(s.function()));
        for (std::size_t k = 0; k < s.args().size(); ++k)
          call += (k ? ", " : "") + scalar(s.args()[k], math);
        return call + ")";
      }
    }
    return "number(0)";
  }

  std::string parameters(std::size_t count) const {
    std::string s;
    for (std::size_t k = 0; k < count; ++k) s += fmt::format("{}i64 i{}", k ? ", " : "", k);
    return s;
  }
  // Row-major position of i0, i1, ... whatever the layout, or the element offset where `strides`
  // are the tensor's.
  std::string flat(int t, bool in_memory) {
    const auto& x = tensor(t);
    IndexMath math;
    Expr total(0), stride(1);
    for (std::size_t k = x.shape.size(); k-- > 0;) {
      const Expr axis = Expr::symbol(fmt::format("i{}", k));
      total = axis * (in_memory && !x.strides.empty() ? x.strides[k] : stride) + total;
      stride = stride * x.shape[k];
    }
    return expr(math.simplify(total), math);
  }
  std::string count(int t) {
    IndexMath math;
    Expr total(1);
    for (const auto& e : tensor(t).shape) total = total * e;
    return expr(math.simplify(total), math);
  }
  void input(int t);
  void primitive(const op::Primitive& p);
};

void HostWriter::input(int t) {
  const auto& x = tensor(t);
  const std::string name = c_name(x.name), type = c_type(x.dtype);
  if (type.empty()) error = fmt::format("the check does not read {}", op::name_of(x.dtype));
  text += fmt::format("static std::vector<{}> host_{}(static_cast<size_t>({}));\n", type, name,
                      count(t));
  const bool narrow = x.dtype == DType::f16 || x.dtype == DType::bf16;
  text += fmt::format("static Value t{}({}) {{ return {{(double){}host_{}[{}], 0}}; }}\n\n", t,
                      parameters(x.shape.size()), narrow ? "(float)" : "", name, flat(t, true));
}

void HostWriter::primitive(const op::Primitive& p) {
  const int t = p.output;
  IndexMath math;
  AxisMap none;
  for (const auto& a : p.parallel) math.add_variable(a.name, a.extent);
  for (const auto& a : p.reduced) math.add_variable(a.name, a.extent);
  text += fmt::format(
      "// {}\nstatic Value t{}({}) {{\n  static Memo memo({});\n  const i64 at = {};\n  Value "
      "out;\n"
      "  if (memo.find(at, out)) return out;\n",
      tensor(t).name, t, parameters(p.parallel.size()), count(t), flat(t, false));
  // The axes of a primitive are named _i0, _i1, ... in order; others get a name of their own.
  for (std::size_t k = 0; k < p.parallel.size(); ++k)
    if (c_name(p.parallel[k].name) != fmt::format("i{}", k))
      text += fmt::format("  const i64 {} = i{};\n", c_name(p.parallel[k].name), k);
  const DType dtype = tensor(t).dtype;
  // What a narrow tensor loses when it is stored counts as error, since a kernel may store it or
  // not.
  const bool narrow = dtype == DType::f16 || dtype == DType::bf16;
  const std::string stored = narrow && tensor(t).kind == op::Tensor::Kind::intermediate
                                 ? fmt::format("  out.e += {} * std::fabs(out.v);\n",
                                               real_literal(op::unit_roundoff(dtype), true))
                                 : "";
  if (p.reduced.empty()) {
    text += fmt::format("  out = {};\n{}  return memo.keep(at, out);\n}}\n\n", scalar(p.body, math),
                        stored);
    return;
  }
  text += fmt::format("  Combiner acc({});\n", identity_literal(p.combiner, CType::real, true));
  std::string indent = "  ";
  for (const auto& a : p.reduced) {
    text += fmt::format("{0}for (i64 {1} = 0; {1} < {2}; ++{1})\n", indent, c_name(a.name),
                        expr(a.extent, math, 5));
    indent += "  ";
  }
  const bool high = p.combiner == op::Combiner::max || p.combiner == op::Combiner::argmax;
  const bool best = high || p.combiner == op::Combiner::min || p.combiner == op::Combiner::argmin;
  if (best)
    text += fmt::format("{}acc.best({}, {});\n", indent, scalar(p.body, math), high ? "1" : "-1");
  else
    text += fmt::format("{}acc.{}({});\n", indent,
                        p.combiner == op::Combiner::prod ? "prod" : "sum", scalar(p.body, math));
  const char* finish = is_arg(p.combiner)                ? "finish_position"
                       : p.combiner == op::Combiner::sum ? "finish_sum"
                                                         : "finish";
  text += fmt::format("  out = acc.{}();\n{}  return memo.keep(at, out);\n}}\n\n", finish, stored);
}

const char* draw_of(op::Distribution::Kind kind) {
  switch (kind) {
    case op::Distribution::Kind::normal:
      return "draw_normal";
    case op::Distribution::Kind::uniform:
      return "draw_uniform";
    case op::Distribution::Kind::randint:
      return "draw_randint";
    case op::Distribution::Kind::constant:
      return "draw_constant";
  }
  return "draw_normal";
}

}  // namespace

Result<std::string> reference_text(const op::Operator& op, const op::Lowering& lowering,
                                   std::uint64_t seed) {
  HostWriter w{op, lowering, {}, {}};
  w.text = "namespace reference {\n\n";
  for (const auto& [name, value] : lowering.dims)
    w.text += fmt::format("static const i64 {} = {};\n", c_name(name), value);
  w.text += "\n";
  std::string fills;
  bool wide = true;
  for (std::size_t t = 0; t < lowering.tensors.size(); ++t) {
    const auto& x = lowering.tensors[t];
    if (op::is_float(x.dtype) && x.dtype != DType::f64) wide = false;
    if (x.kind != op::Tensor::Kind::input) continue;
    w.input(static_cast<int>(t));
    if (x.value < 0 || x.value >= static_cast<int>(op.values.size()))
      return internal_error("an input without a value");
    const auto& value = op.values[static_cast<std::size_t>(x.value)];
    const bool narrow = x.dtype == DType::f16 || x.dtype == DType::bf16;
    // Elements are numbered in row-major order of the shape, and lie where the strides say.
    std::string place = "i", axes;
    if (!x.strides.empty()) {
      place = w.flat(static_cast<int>(t), true);
      axes = "      i64 rest = i;\n";
      for (std::size_t k = x.shape.size(); k-- > 0;) {
        IndexMath math;
        const std::string extent = c_expr(x.shape[k], math, nullptr, {}, 7);
        axes +=
            fmt::format("      const i64 i{} = rest % {};\n      rest /= {};\n", k, extent, extent);
      }
    }
    fills += fmt::format(
        "  {{\n    const uint64_t key = key_of(\"{0}\", {1}ull);\n    for (size_t i = 0; i < "
        "host_{2}.size(); ++i) {{\n{9}"
        "      host_{2}[{10}] = ({3}){4}{5}({6}(key, i, {7}, {8}));\n    }}\n  }}\n",
        value.name, seed, c_name(x.name), c_type(x.dtype), narrow ? "(float)" : "",
        HostWriter::rounding(x.dtype), draw_of(value.distribution.kind),
        real_literal(value.distribution.a, true), real_literal(value.distribution.b, true), axes,
        place);
  }
  for (const auto& p : lowering.primitives) w.primitive(p);
  w.text += fmt::format("static void make_inputs() {{\n  unit = {};\n{}}}\n\n",
                        wide ? "1.1102230246251565e-16" : "5.9604644775390625e-08", fills);
  for (std::size_t t = 0; t < lowering.tensors.size(); ++t) {
    const auto& x = lowering.tensors[t];
    if (x.kind != op::Tensor::Kind::output) continue;
    // Row-major position to axes.
    std::string body, args;
    for (std::size_t k = x.shape.size(); k-- > 0;) {
      IndexMath math;
      const std::string extent = c_expr(x.shape[k], math, nullptr, {}, 7);
      body += fmt::format("  const i64 i{} = flat % {};\n  flat /= {};\n", k, extent, extent);
    }
    for (std::size_t k = 0; k < x.shape.size(); ++k) args += fmt::format("{}i{}", k ? ", " : "", k);
    w.text += fmt::format("static Value at_{}(i64 flat) {{\n{}  return t{}({});\n}}\n\n",
                          c_name(x.name), body, t, args);
  }
  w.text += "}  // namespace reference\n";
  if (w.error) return bad_input(*w.error);
  return w.text;
}

}  // namespace mtmc::coder
