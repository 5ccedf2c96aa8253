#include "harness/cases.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace mtmc;
using namespace mtmc::harness;

namespace {
op::Operator parse(const char* line) {
  auto o = op::parse_operator(line);
  INFO((o ? "" : o.error().message));
  REQUIRE(o);
  return *o;
}
const Case* find(const std::vector<Case>& cases, const std::string& name) {
  for (const auto& c : cases)
    if (c.name == name) return &c;
  return nullptr;
}
}  // namespace

TEST_CASE("cases are tiny, odd and stated, the stated one last") {
  auto cases = make_cases(parse("y = softmax(x, -1); x: f32[M,N]; M=1024; N=4096"), 1e9, 1e9);
  REQUIRE(cases.size() == 3);
  CHECK(cases.back().name == "stated");
  CHECK(cases.back().dims.at("M") == 1024);
  const Case* odd = find(cases, "odd");
  REQUIRE(odd);
  for (const auto& [name, value] : odd->dims) CHECK(value % 2 == 1);
  const Case* tiny = find(cases, "tiny");
  REQUIRE(tiny);
  for (const auto& [name, value] : tiny->dims) CHECK(value <= 3);
}

TEST_CASE("literal dims leave the stated case alone") {
  auto cases = make_cases(parse("y = relu(x); x: f32[64,64]"), 1e9, 1e9);
  REQUIRE(cases.size() == 1);
  CHECK(cases[0].name == "stated");
}

TEST_CASE("dims that the operator ties together are rebound together") {
  // K and L meet in the product; one alone cannot change.
  auto cases = make_cases(parse("y = x @ w; x: f32[M,K]; w: f32[L,N]; M=64; K=128; L=128; N=32"), 1e9, 1e9);
  const Case* odd = find(cases, "odd");
  REQUIRE(odd);
  CHECK(odd->dims.at("K") == odd->dims.at("L"));
  CHECK(odd->dims.at("K") != 128);
}

TEST_CASE("a binding that the operator refuses is moved, not run") {
  auto cases = make_cases(parse("y = group_norm(x, 8); x: f32[N,C,L]; N=4; C=64; L=100"), 1e9, 1e9);
  for (const auto& c : cases) CHECK(op::rebind(parse("y = group_norm(x, 8); x: f32[N,C,L]; N=4; C=64; L=100"), c.dims));
}

TEST_CASE("a stated case that is too large gets a reduced one") {
  auto cases = make_cases(parse("y = x @ w; x: f32[M,K]; w: f32[K,N]; M=8192; K=8192; N=8192"), 4e8, 4e8);
  const Case* reduced = find(cases, "reduced");
  REQUIRE(reduced);
  const auto& d = reduced->dims;
  CHECK(2.0 * static_cast<double>(d.at("M") * d.at("N") * d.at("K")) <= 4e8);
  CHECK(d.at("M") >= 128);
}

TEST_CASE("tolerance follows dtype and the reference's error bound") {
  CHECK(tolerance(op::DType::i64, {5, 100}) == 0);
  const double f32 = tolerance(op::DType::f32, {1, 10});
  CHECK(f32 == Approx(16 * 10 * std::ldexp(1, -24) + 2 * std::ldexp(1, -24)).epsilon(1e-6));
  // f16 adds the rounding of what is stored, not of what is computed.
  CHECK(tolerance(op::DType::f16, {1, 10}) == Approx(16 * 10 * std::ldexp(1, -24) + 2 * std::ldexp(1, -11) + std::ldexp(1, -24)).epsilon(1e-6));
}
