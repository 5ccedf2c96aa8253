#include "kernel/region.hpp"

#include <catch2/catch.hpp>

#include "op/primitive.hpp"

using namespace mtmc;
using namespace mtmc::kernel;

namespace {
op::Operator parse(const char* line) {
  auto o = op::parse_operator(line);
  INFO((o ? "" : o.error().message));
  REQUIRE(o);
  return *o;
}
Program cut(const char* line) {
  auto p = partition(parse(line));
  INFO((p ? "" : p.error().message));
  REQUIRE(p);
  return *p;
}
}  // namespace

TEST_CASE("a region's text does not depend on names") {
  auto a = make_region(parse("y = relu(x + b); x: f32[M,N]; b: f32[N]; M=64; N=128"));
  auto b = make_region(parse("out = relu(inp + bias); bias: f32[C]; inp: f32[R,C]; C=128; R=64"));
  REQUIRE(a);
  REQUIRE(b);
  CHECK(a->text == b->text);
  CHECK(a->hash == b->hash);
  auto other = make_region(parse("y = relu(x + b); x: f32[M,N]; b: f32[N]; M=64; N=256"));
  CHECK(other->hash != a->hash);
  // The canonical text is the operator language itself.
  auto again = op::parse_operator(a->text);
  REQUIRE(again);
  CHECK(make_region(*again)->hash == a->hash);
}

TEST_CASE("an operator without a product, or with one, is one region") {
  CHECK(cut("y = softmax(x, -1); x: f32[M,N]; M=4; N=8").parts.size() == 1);
  CHECK(cut("y = gelu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=4; N=8; K=16").parts.size() == 1);
  CHECK(cut("y = relu(x) @ tanh(w); x: f32[M,K]; w: f32[K,N]; M=4; N=8; K=16").parts.size() == 1);
}

TEST_CASE("a three-layer MLP is three parts of two regions") {
  const Program p = cut(
      "h = relu(linear(x, w1, b1)); g = relu(linear(h, w2, b2)); y = linear(g, w3, b3);"
      "x: f32[B,D]; w1: f32[D,D]; b1: f32[D]; w2: f32[D,D]; b2: f32[D]; w3: f32[C,D]; b3: f32[C]; B=32; D=64; C=10");
  REQUIRE(p.parts.size() == 3);
  CHECK(p.regions.size() == 2);
  CHECK(p.parts[0].region == p.parts[1].region);
  CHECK(p.parts[2].region != p.parts[0].region);
  CHECK(p.parts[0].inputs == std::vector<std::string>{"x", "w1", "b1"});
  CHECK(p.parts[1].inputs[0] == p.parts[0].outputs[0]);
  CHECK(p.parts[2].inputs[0] == p.parts[1].outputs[0]);
  CHECK(p.parts[2].outputs == std::vector<std::string>{"y"});
}

TEST_CASE("parts come in an order in which everything is made before it is read") {
  const Program p = cut(
      "a = x @ w; b = a @ w; c = tanh(a) @ w; y = b + c; x: f32[N,N]; w: f32[N,N]; N=16");
  std::vector<std::string> made = {"x", "w"};
  for (const auto& part : p.parts) {
    for (const auto& name : part.inputs) CHECK(std::find(made.begin(), made.end(), name) != made.end());
    made.insert(made.end(), part.outputs.begin(), part.outputs.end());
  }
  CHECK(std::find(made.begin(), made.end(), "y") != made.end());
}
