// The reference beyond single rows: sampling, order, bounds, errors, scans; the drawing of inputs;
// the work.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/rng.hpp"
#include "op/examples.hpp"
#include "op/reference.hpp"

using namespace mtmc;
using namespace mtmc::op;
using namespace mtmc::op::test;

namespace {

struct Bound {
  Operator op;
  Lowering lowering;
  Reference reference;
  int output = -1;
};

Bound bind(const std::string& line, std::uint64_t seed = 1,
           std::int64_t max_bytes = std::int64_t{1} << 30) {
  auto op = parse_operator(line);
  if (!op) FAIL(line << ": " << op.error().message);
  auto lowering = lower(*op);
  REQUIRE(lowering);
  auto reference = Reference::create_seeded(*op, *lowering, lowering->dims, seed, max_bytes);
  REQUIRE(reference);
  Bound b{std::move(*op), std::move(*lowering), std::move(*reference)};
  for (std::size_t t = 0; t < b.lowering.tensors.size() && b.output < 0; ++t)
    if (b.lowering.tensors[t].kind == Tensor::Kind::output) b.output = static_cast<int>(t);
  return b;
}

std::vector<std::int64_t> all_of(const Bound& b) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(
      b.op.elements(b.lowering.tensors[static_cast<std::size_t>(b.output)].value)));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

bool close(const ReferenceValue& a, const ReferenceValue& b) {
  if (std::isnan(a.value) && std::isnan(b.value)) return true;
  return a.value == b.value || std::fabs(a.value - b.value) <= 1e-12 * (1 + std::fabs(a.value));
}

}  // namespace

TEST_CASE("any set of indices in any order gives the same values as all at once") {
  std::uint64_t counter = 0;
  for (const auto& [row, line] : examples()) {
    INFO(line);
    auto full = bind(line), sampled = bind(line);
    const auto all = all_of(full);
    const auto values = full.reference.evaluate(full.output, all);
    if (!values) FAIL(values.error().message);
    for (int round = 0; round < 3; ++round) {
      std::vector<std::int64_t> some;
      for (int k = 0; k < 1 + 2 * round; ++k)
        some.push_back(static_cast<std::int64_t>(random_bits(3, 3, counter++) % all.size()));
      const auto part = sampled.reference.evaluate(sampled.output, some);
      if (!part) FAIL(part.error().message);
      for (std::size_t k = 0; k < some.size(); ++k)
        if (!close((*part)[k], (*values)[static_cast<std::size_t>(some[k])]))
          FAIL("element " << some[k] << ": " << (*part)[k].value << " and "
                          << (*values)[static_cast<std::size_t>(some[k])].value);
    }
    CHECK(full.reference.cost(full.output, static_cast<std::int64_t>(all.size())) > 0);
  }
}

TEST_CASE("block readers and element readers see the same inputs") {
  auto b = bind("y = softmax(x @ w); x: f16[M,K]; w: f16[K,N]; M=9; K=70; N=11");
  auto by_element = Reference::create(b.lowering, b.lowering.dims, [&](int t, std::int64_t k) {
    return input_element(b.op.values[static_cast<std::size_t>(t)], 1, k);
  });
  REQUIRE(by_element);
  const auto all = all_of(b);
  const auto one = b.reference.evaluate(b.output, all), two = by_element->evaluate(b.output, all);
  REQUIRE((one && two));
  for (std::size_t k = 0; k < all.size(); ++k) CHECK((*one)[k].value == (*two)[k].value);
}

TEST_CASE("a float computation of the same formulas stays within the error") {
  // y = softmax(relu(x @ w + b)), done in float, in order.
  auto b = bind(
      "y = softmax(relu(linear(x, w, b))); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=10; K=67; N=100");
  const auto all = all_of(b);
  const auto values = *b.reference.evaluate(b.output, all);
  const auto in = [&](int v, std::int64_t k) {
    return static_cast<float>(input_element(b.op.values[static_cast<std::size_t>(v)], 1, k));
  };
  double worst = 0;
  for (std::int64_t m = 0; m < 10; ++m) {
    std::vector<float> h(100);
    float top = -INFINITY, total = 0;
    for (std::int64_t n = 0; n < 100; ++n) {
      float s = 0;
      for (std::int64_t k = 0; k < 67; ++k) s += in(0, m * 67 + k) * in(1, n * 67 + k);
      h[static_cast<std::size_t>(n)] = std::fmax(s + in(2, n), 0.0f);
      top = std::fmax(top, h[static_cast<std::size_t>(n)]);
    }
    for (float& v : h) total += v = std::exp(v - top);
    for (std::int64_t n = 0; n < 100; ++n) {
      const auto& r = values[static_cast<std::size_t>(m * 100 + n)];
      const double off = std::fabs(h[static_cast<std::size_t>(n)] / total - r.value);
      worst = std::max(worst, off / (r.error * 0x1p-24));
      CHECK(r.error > 0);
    }
  }
  CHECK(worst < 1);
  CHECK(worst > 1e-4);  // the bound is no wild overestimate
}

TEST_CASE("errors: exact things are exact, steps are steps, narrow intermediates are rounded") {
  const auto errors = [](const std::string& line) {
    auto b = bind(line);
    return *b.reference.evaluate(b.output, all_of(b));
  };
  for (const char* line :
       {"y = transpose(relu(x), 0, 1); x: f16[5,7]", "y = argmax(x, 1); x: f32[5,70]",
        "y = amax(x); x: f32[300]", "y = i * 3 + 1; i: i64[9]", "y = sum(i, 0); i: i32[9,3]",
        "y = x > 0; x: f32[40]"})
    for (const auto& v : errors(line)) CHECK(v.error == 0);
  for (const auto& v : errors("y = x + x; x: f32[9]")) CHECK(v.error == Approx(std::fabs(v.value)));
  for (const auto& v : errors("y = exp(x); x: f32[9]")) CHECK(v.error == Approx(2 * v.value));
  {
    auto b = bind("y = sum(abs(x)); x: f32[400]");
    const auto v = (*b.reference.evaluate(b.output, std::vector<std::int64_t>{0}))[0];
    CHECK(v.error == Approx(20 * v.value));
  }
  // 1/3 of anything may lie on either side of a multiple: where x / 3 * 3 is within rounding of x,
  // floor may step.
  bool stepped = false;
  for (const auto& v : errors("y = floor(x / 3 * 3); x: f32[30] ~ randint(0, 9)"))
    stepped |= v.error >= 1;
  CHECK(stepped);
  const auto f32 = errors("y = exp(x * 2); x: f32[64]"), f16 = errors("y = exp(x * 2); x: f16[64]");
  double narrow = 0, wide = 0;
  for (const auto& v : f16) narrow = std::max(narrow, v.error / v.value);
  for (const auto& v : f32) wide = std::max(wide, v.error / v.value);
  CHECK(narrow > 100 * wide);
  auto tf32 = errors("y = a @ b; a: f32[3,64]; b: f32[64,3]; precision=tf32"),
       exact = errors("y = a @ b; a: f32[3,64]; b: f32[64,3]");
  for (std::size_t k = 0; k < tf32.size(); ++k) CHECK(tf32[k].error > 100 * exact[k].error);
  // Two equal maxima of computed values: the index is in doubt.
  bool doubtful = false;
  for (const auto& v : errors("y = argmax(exp(x), 1); x: f32[4,50] ~ randint(0, 2)"))
    doubtful |= v.error > 0;
  CHECK(doubtful);
}

TEST_CASE("a scan reduces up to its point") {
  Lowering l;
  const Expr n = Expr::symbol("N"), i = Expr::symbol("_i0");
  l.dims = {{"N", 1000}};
  l.tensors.push_back({"x", DType::f64, {n}, {}, 0, Tensor::Kind::input});
  l.tensors.push_back({"y", DType::f64, {n}, {}, 1, Tensor::Kind::output});
  Primitive p;
  p.kind = PrimitiveKind::scan;
  p.output = 1;
  p.parallel = {{"_i0", n}};
  p.reduced = {{"_r0", i + Expr(1)}};
  p.combiner = Combiner::sum;
  p.body = Scalar::load(0, {Expr::symbol("_r0")});
  l.primitives.push_back(p);
  auto reference =
      Reference::create(l, l.dims, [](int, std::int64_t k) { return static_cast<double>(k); });
  REQUIRE(reference);
  const std::vector<std::int64_t> at = {999, 0, 3, 700};
  const auto values = reference->evaluate(1, at);
  REQUIRE(values);
  for (std::size_t k = 0; k < at.size(); ++k)
    CHECK((*values)[k].value == static_cast<double>(at[k] * (at[k] + 1) / 2));
}

TEST_CASE("what cannot be evaluated is an error, not a crash") {
  auto b = bind("y = exp(x @ w); x: f32[M,K]; w: f32[K,N]; M=512; K=512; N=512", 1, 1 << 20);
  const std::vector<std::int64_t> one = {0};
  const auto all = all_of(b);
  const auto too_much = b.reference.evaluate(b.output, all);
  REQUIRE_FALSE(too_much);
  CHECK(too_much.error().code == ErrorCode::bad_input);
  CHECK(too_much.error().message.find("more than 1048576") != std::string::npos);
  CHECK_FALSE(b.reference.evaluate(99, one));
  const std::vector<std::int64_t> outside = {512 * 512};
  CHECK_FALSE(b.reference.evaluate(b.output, outside));
  // A hand-made load out of range.
  Lowering l;
  l.tensors.push_back({"x", DType::f32, {Expr(4)}, {}, 0, Tensor::Kind::input});
  l.tensors.push_back({"y", DType::f32, {Expr(4)}, {}, 1, Tensor::Kind::output});
  Primitive p;
  p.output = 1;
  p.parallel = {{"_i0", Expr(4)}};
  p.body = Scalar::load(0, {Expr::symbol("_i0") + Expr(2)});
  l.primitives.push_back(p);
  auto bad = Reference::create(l, {}, [](int, std::int64_t) { return 0.0; });
  REQUIRE(bad);
  const std::vector<std::int64_t> ok = {1}, over = {3};
  CHECK(bad->evaluate(1, ok));
  CHECK_FALSE(bad->evaluate(1, over));
  l.primitives[0].body = Scalar::load(0, {Expr::symbol("Q")});
  auto unknown = Reference::create(l, {}, [](int, std::int64_t) { return 0.0; });
  REQUIRE(unknown);
  CHECK_FALSE(unknown->evaluate(1, ok));
}

TEST_CASE("inputs: every distribution, every dtype, element by element and in bulk") {
  for (const char* dtype :
       {"f64", "f32", "f16", "bf16", "f8e4m3", "f8e5m2", "i64", "i32", "i8", "u8", "bool"})
    for (const char* distribution :
         {"normal(1, 2)", "uniform(-1, 3)", "randint(-5, 6)", "constant(2.75)"}) {
      const auto op = *parse_operator(std::string("y = identity(x); x: ") + dtype + "[10000] ~ " +
                                      distribution);
      const Value& v = op.values[0];
      const auto size = static_cast<std::size_t>(bytes_of(v.dtype));
      std::vector<std::byte> bytes(1000 * size);
      fill_input(v, 5, 77, bytes);
      for (std::size_t k = 0; k < 1000; ++k) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, bytes.data() + k * size, size);
        REQUIRE(from_bits(v.dtype, bits) == input_element(v, 5, 77 + static_cast<std::int64_t>(k)));
      }
    }
  const auto moments = [](const std::string& distribution) {
    const auto op = *parse_operator("y = identity(x); x: f32[9] ~ " + distribution);
    double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    for (std::int64_t k = 0; k < 200000; ++k) {
      const double v = input_element(op.values[0], 9, k);
      sum += v, squares += v * v, low = std::min(low, v), high = std::max(high, v);
    }
    const double mean = sum / 200000;
    return std::array{mean, std::sqrt(squares / 200000 - mean * mean), low, high};
  };
  const auto normal = moments("normal(1, 2)");
  CHECK(normal[0] == Approx(1).margin(0.02));
  CHECK(normal[1] == Approx(2).epsilon(0.01));
  CHECK(normal[3] < 1 + 2 * 3.47);
  const auto uniform = moments("uniform(-1, 3)");
  CHECK(uniform[0] == Approx(1).margin(0.01));
  CHECK(uniform[1] == Approx(4 / std::sqrt(12.0)).epsilon(0.01));
  CHECK((uniform[2] >= -1 && uniform[3] < 3));
  const auto whole = moments("randint(-5, 6)");
  CHECK((whole[2] == -5 && whole[3] == 5));
  const auto a = *parse_operator("y = a + b; a: f32[9]; b: f32[9]");
  CHECK(input_element(a.values[0], 1, 0) != input_element(a.values[1], 1, 0));
  CHECK(input_element(a.values[0], 1, 0) != input_element(a.values[0], 2, 0));
  // The recipe that op/random.cpp states, so that devices can repeat it.
  const std::uint64_t bits = random_bits(1, stream_of("a"), 4);
  double sum = 0;
  for (int k = 0; k < 4; ++k) sum += static_cast<double>(bits >> (16 * k) & 0xffff);
  CHECK(input_element(a.values[0], 1, 4) ==
        static_cast<float>((sum - 131070) *
                           static_cast<double>(static_cast<float>(std::sqrt(3.0))) / 65536));
}

TEST_CASE("work counts what no kernel can avoid") {
  const auto work_of = [](const std::string& line) {
    const auto l = *lower(*parse_operator(line));
    return *work(l, l.dims);
  };
  const auto linear =
      work_of("y = gelu(linear(x, w, b)); x: f16[M,K]; w: f16[N,K]; b: f16[N]; M=8; K=16; N=32");
  CHECK(linear.bytes == 2 * (8 * 16 + 32 * 16 + 32 + 8 * 32));
  CHECK(linear.contraction_operations == 2 * 8 * 16 * 32);
  CHECK(linear.operand == DType::f16);
  CHECK(linear.operations > linear.contraction_operations);
  const auto pointwise = work_of("y = x * 2 + z; x: f32[M]; z: f32; M=100");
  CHECK(pointwise.bytes == 4 * (100 + 1 + 100));
  CHECK(pointwise.operations == 200);
  CHECK(pointwise.contraction_operations == 0);
  CHECK(work_of("y = slice(x, 0, 0, 10); x: f32[1000]").bytes == 4 * (10 + 10));
  CHECK(work_of("y = x + x; x: f32[1000]").bytes == 4 * 2000);
  const auto l = *lower(*parse_operator("y = relu(x); x: f32[M]; M=3"));
  CHECK(work(l, {{"M", 50}})->bytes == 400);
}
