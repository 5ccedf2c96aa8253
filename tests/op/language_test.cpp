// The language: what good lines become (canonical text and primitives), what bad ones are told, and
// the JSON form.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/rng.hpp"
#include "op/examples.hpp"
#include "op/primitive.hpp"
#include "op/table.hpp"

using namespace mtmc;
using namespace mtmc::op;
using namespace mtmc::op::test;
using nlohmann::json;

namespace {

const char* const kGood[] = {
    "y = relu(x); x: f32[4]",
    "y = gelu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K] weight; b: f32[N] weight; M=1024; N=8192; "
    "K=8192",
    "y = softmax(x); x: f16[M,N]; M=3; N=5",
    "y = log_softmax(x, 0); x: f32[M,N]; M=3; N=5",
    "y = layer_norm(x, [N]); x: f32[M,N]; M=64; N=1024",
    "y = x * 2 + 1 - -x ** 2 / 3; x: f32[3]",
    "y = 2 ** -1 * x % 3 // 2; x: f32[3]",
    "h = a @ b\ny = relu(h)\nreturn h, y\na: f32[M,K]\nb: f32[K,N]\nM=2\nN=3\nK=4",
    "y = conv2d(x, w, stride=2, padding=1); x: f32[N,C,H,W]; w: f32[O,C,3,3]; N=2; C=3; H=8; W=9; "
    "O=4",
    "y = linear(x, w); x: f32[M, K]; w: f32[N, K]; M = 8; K = 4*M; N = K / 2 + 1",
    "v, i = max(x, dim=1); x: f32[M,N] ~ uniform(-1, 1); M=2; N=3",
    "y = sum(where(isnan(x), 0, x), None, True); x: f64[3,4]",
    "y = matmul(a, b); a: f32[8,8] inout ~ constant(0.5); b: f32[8,8] strides [16,1]; "
    "precision=tf32x3",
    "y = to(x > 1e-5, f16); x: bf16[2,3,4] channels_last",
    "y = clamp(x, -inf, max=nan); x: f32[1]",
    "y = cat((a, b,), 1); a: f8e4m3[2,2]; b: f8e5m2[2,1]",
    "y = x; x: bool[3]",
    "y = add(relu(x), tanh(x)) + (exp(x) - 1); x: f32[3]",
    "y = linear(weight=exp(w), input=tanh(x)); x: f32[2,3]; w: f32[4,3]",
    "y = reshape(permute(reshape(x, [B, S, H, D]), [0,2,1,3]), [B*H, S, D]); x: f32[B,S,H*D]; B=2; "
    "S=3; H=4; D=5",
    "y = x + s; x: f16[3]; s: f32",
    "y = x * N; x: f32[N]; N=3",
    "y = i / 2; i: i32[4]",
    "y = (i + 1) * 2.5; i: i64[4] ~ randint(-3, 3)",
};

const char* const kBad[] = {
    "",
    ";;",
    "y",
    "y =",
    "y = ;",
    "= x",
    "y = sofmax(x); x: f32[3]",
    "y = relu(x; x: f32[3]",
    "y = relu x; x: f32[3]",
    "y = relu(z); x: f32[3]",
    "y = relu(xx); x: f32[3]",
    "y = relu(x)",
    "y = relu(x); x: f31[3]",
    "y = relu(x); x: float[3]",
    "y = relu(x); x: f32[M]",
    "y = relu(x); x: f32[M, N]; N=3; M1=4",
    "y = relu(x); x: f32[0]",
    "y = relu(x); x: f32[M]; M=0",
    "y = relu(x); x: f32[M-5]; M=3",
    "y = relu(x); x: f32[M,M]; M=1099511627776",
    "y = relu(x); x: f32[99999999999999999999]",
    "y = relu(x); x: f32[M*M]; M=1000000000000",
    "y = relu(x); x: f32[3]; z: f32[3]",
    "y = relu(x); x: f32[3]; x: f32[4]",
    "y = relu(x); y = exp(x); x: f32[3]",
    "y = relu(x); x: f32[3]; M=4",
    "y = relu(x); x: f32[3]; M=4; M=5",
    "y = relu(x); x: f32[3] ~ gauss(0,1)",
    "y = relu(x); x: f32[3] ~ normal(0)",
    "y = relu(x); x: f32[3] ~ normal(0, -1)",
    "y = relu(x); x: i32[3] ~ randint(5, 5)",
    "y = relu(x); x: f32[3] weigth",
    "y = relu(x); x: f32[3] strides [1,1]",
    "y = relu(x); x: f32[3,4] strides [1,1]",
    "y = relu(x); x: f32[3,4] channels_last",
    "y = relu(x, 3); x: f32[3]",
    "y = relu(x, inplace=True); x: f32[3]",
    "y = softmax(x, dim=2); x: f32[3,4]",
    "y = softmax(x, dimm=1); x: f32[3,4]",
    "y = softmax(x, dim=1.5); x: f32[3,4]",
    "y = softmax(x, dim=0, 1); x: f32[3,4]",
    "y = softmax(x, 0, dim=1); x: f32[3,4]",
    "y = softmax(x); x: i32[3,4]",
    "y = sum(x, dim=[0,0]); x: f32[3,4]",
    "y = sum(x, keepdim=1); x: f32[3,4]",
    "y = a + b; a: f32[M]; b: f32[N]; M=3; N=4",
    "y = a @ b; a: f32[3,4]; b: f32[3,4]",
    "y = linear(x, w); x: f32[2,3]; w: f32[4,5]",
    "y = linear(x); x: f32[2,3]",
    "y = bmm(a, b); a: f32[2,3]; b: f32[3,2]",
    "y = conv2d(x, w); x: f32[1,3,8,8]; w: f32[4,2,3,3]",
    "y = conv2d(x, w); x: f32[1,3,2,2]; w: f32[4,3,3,3]",
    "y = conv2d(x, w, padding='some'); x: f32[1,3,8,8]; w: f32[4,3,3,3]",
    "y = conv2d(x, w, stride=0); x: f32[1,3,8,8]; w: f32[4,3,3,3]",
    "y = conv2d(x, w, groups=2); x: f32[1,4,8,8]; w: f32[3,2,3,3]",
    "y = layer_norm(x, [5]); x: f32[3,4]",
    "y = layer_norm(x, [4], w); x: f32[3,4]; w: f32[3]",
    "y = group_norm(x, 3); x: f32[2,4,5]",
    "y = reshape(x, [5, -1]); x: f32[3,4]",
    "y = reshape(x, [-1, -1]); x: f32[3,4]",
    "y = permute(x, [0, 0]); x: f32[3,4]",
    "y = slice(x, 0, 3, 3); x: f32[3,4]",
    "y = expand(x, [5, 4]); x: f32[3,4]",
    "y = cat([a, b], dim=0); a: f32[3,4]; b: f32[3,5]",
    "y = einsum('ij,jk->iq', a, b); a: f32[2,3]; b: f32[3,4]",
    "y = einsum('ii->i', a); a: f32[3,3]",
    "y = gelu(x, approximate='fast'); x: f32[3]",
    "y = to(x, f99); x: f32[3]",
    "y = x < 1 < 2; x: f32[3]",
    "y = 3x; x: f32[3]",
    "y = 2.5",
    "y = relu(2)",
    "y = x $ 2; x: f32[3]",
    "y = \xc3\xa9(x); x: f32[3]",
    "y = gelu(x, 'tanh); x: f32[3]",
    "a, b = relu(x); x: f32[3]",
    "a = relu(x); return b; x: f32[3]",
    "a = relu(x); return x; x: f32[3]",
    "a = relu(x); b = exp(x); return b; x: f32[3]",
    "a = exp(b); b = relu(x); x: f32[3]",
    "y = relu(x); x: f32[3]; precision=fp8",
    "y = relu(x); x: f32[3]; K = 4 * Q",
    "y = relu(x); x: f32[M]; M = N; N = M",
    "y = relu(x); x: f32[M/0]; M=3",
    "y = relu(_x); _x: f32[3]",
    "y = add(a, b); a: bool[3]; b: bool[3]",
    "y = relu(x) = exp(x); x: f32[3]",
    "y = relu(x), exp(x); x: f32[3]",
    "return y",
    "y = 1e999 * x; x: f32[3]",
};

std::string nested(int depth) {
  std::string line = "x";
  for (int k = 0; k < depth; ++k) line = "relu(" + line + ")";
  return "y = " + line + "; x: f32[3]";
}

void require_same(const Operator& a, const Operator& b) {
  REQUIRE(text(a) == text(b));
  REQUIRE(to_json(a) == to_json(b));
  REQUIRE(a.values.size() == b.values.size());
  for (std::size_t v = 0; v < a.values.size(); ++v) {
    REQUIRE(a.values[v].name == b.values[v].name);
    REQUIRE(a.values[v].dtype == b.values[v].dtype);
    REQUIRE(a.values[v].shape == b.values[v].shape);
    REQUIRE(a.values[v].strides == b.values[v].strides);
    REQUIRE(a.values[v].role == b.values[v].role);
    REQUIRE(a.values[v].distribution == b.values[v].distribution);
  }
  REQUIRE(a.outputs == b.outputs);
  REQUIRE(a.dims == b.dims);
  REQUIRE(lower(a)->text() == lower(b)->text());
}

}  // namespace

TEST_CASE("good lines: canonical text and lowering") {
  std::string all;
  for (const char* line : kGood) {
    INFO(line);
    const auto op = parse_operator(line);
    if (!op) FAIL(op.error().message);
    const auto lowering = lower(*op);
    REQUIRE(lowering);
    all += "# " + std::string(line) + "\n" + text(*op) + "\n" + lowering->text() + "\n";
    const auto again = parse_operator(text(*op));
    if (!again) FAIL(text(*op) << ": " << again.error().message);
    require_same(*op, *again);
  }
  compare_with_golden("good_lines.txt", all);
}

TEST_CASE("bad lines: one clear line that points at the character") {
  std::string all;
  static_assert(std::size(kBad) >= 60);
  for (const char* line : kBad) {
    INFO(line);
    const auto op = parse_operator(line);
    REQUIRE_FALSE(op);
    CHECK(op.error().code == ErrorCode::bad_input);
    const auto& message = op.error().message;
    CHECK(message.starts_with("character "));
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.size() < 300);
    all += std::string(line) + "\n  " + message + "\n";
  }
  compare_with_golden("bad_lines.txt", all);
}

TEST_CASE("limits: depth, length, and chains of operators") {
  CHECK(parse_operator(nested(200)));
  const auto deep = parse_operator(nested(300));
  REQUIRE_FALSE(deep);
  CHECK(deep.error().message.find("nested deeper than 256") != std::string::npos);
  std::string chain = "y = x";
  for (int k = 0; k < 300; ++k) chain += " + x";
  CHECK_FALSE(parse_operator(chain + "; x: f32[3]"));
  CHECK_FALSE(parse_operator("y = " + std::string(10000, '(')));
  CHECK_FALSE(parse_operator("y = " + std::string(10000, '-') + "x; x: f32[3]"));
  CHECK_FALSE(parse_operator("y = " + std::string(10000, '[')));
  const auto longer = parse_operator(std::string(70000, ' '));
  REQUIRE_FALSE(longer);
  CHECK(longer.error().message == "the text has 70000 characters; at most 65536");
}

TEST_CASE("every row has an example that survives text and JSON") {
  std::set<std::string> seen;
  for (const auto& [row, line] : examples()) {
    INFO(line);
    const auto op = parse_operator(line);
    if (!op) FAIL(op.error().message);
    bool uses = false;
    for (const auto& node : op->nodes) uses |= node.op == row;
    CHECK(uses);
    seen.insert(row);
    const auto from_text = parse_operator(text(*op));
    if (!from_text) FAIL(text(*op) << ": " << from_text.error().message);
    require_same(*op, *from_text);
    const auto from_form = from_json(json::parse(to_json(*op).dump()));
    if (!from_form) FAIL(from_form.error().message);
    require_same(*op, *from_form);
  }
  for (const auto& row : table()) {
    INFO(row.name);
    CHECK(seen.count(row.name) == 1);
  }
}

TEST_CASE(
    "anonymous results out of nesting order, or too deep to nest, get statements of their own") {
  json form = to_json(*parse_operator("y = linear(tanh(x), exp(w)); x: f32[2,3]; w: f32[4,3]"));
  auto& nodes = form["nodes"];
  std::swap(nodes[0], nodes[1]);
  nodes[0]["results"][0] = "_0";
  nodes[1]["results"][0] = "_1";
  nodes[2]["operands"] = {"_1", "_0"};
  const auto swapped = from_json(form);
  if (!swapped) FAIL(swapped.error().message);
  CHECK(text(*swapped) ==
        "_0 = exp(w); _1 = tanh(x); y = linear(_1, _0); x: f32[2, 3]; w: f32[4, 3]");
  require_same(*swapped, *parse_operator(text(*swapped)));

  form = to_json(*parse_operator("y = relu(x); x: f32[2]"));
  json chain = json::array();
  for (int k = 0; k < 600; ++k)
    chain.push_back({{"op", "relu"},
                     {"operands", {k ? "_" + std::to_string(k - 1) : "x"}},
                     {"results", {k == 599 ? "y" : "_" + std::to_string(k)}}});
  form["nodes"] = chain;
  const auto deep = from_json(form);
  if (!deep) FAIL(deep.error().message);
  const auto again = parse_operator(text(*deep));
  if (!again) FAIL(again.error().message);
  require_same(*deep, *again);
}

TEST_CASE("rebinding infers again, and is the same operator at those sizes") {
  for (const auto& [row, line] : examples()) {
    INFO(line);
    const auto op = parse_operator(line);
    REQUIRE(op);
    const auto same = rebind(*op, {});
    if (!same) FAIL(same.error().message);
    require_same(*op, *same);
    for (const auto& [name, value] : op->dims) {
      const auto bound = rebind(*op, {{name, value + 4}});
      if (!bound) continue;  // the names cannot take it: broadcast partners, groups
      CHECK(bound->binding().at(name) == value + 4);
      auto a = *lower(*op), b = *lower(*bound);
      a.dims = b.dims;
      CHECK(a.text() == b.text());
    }
  }
  const auto op = *parse_operator("y = x + b; x: f32[M,N]; b: f32[K]; M=3; N=5; K=5");
  CHECK_FALSE(rebind(op, {{"N", 6}}));
  CHECK(rebind(op, {{"N", 6}, {"K", 6}}));
  CHECK_FALSE(rebind(op, {{"Q", 6}}));
  CHECK_FALSE(rebind(op, {{"M", 0}}));
  // At N=1 the stated lowering would still index both by one axis, but K=1 alone would need another
  // lowering.
  CHECK_FALSE(rebind(op, {{"K", 1}}));
  CHECK(rebind(op, {{"M", 1}, {"N", 1}, {"K", 1}}));
  const auto derived = *parse_operator("y = reshape(x, [K]); x: f32[M,2]; M=3; K=2*M");
  REQUIRE(rebind(derived, {{"M", 8}}));
  CHECK(rebind(derived, {{"M", 8}})->shape(1) == std::vector<std::int64_t>{16});
}

TEST_CASE("hostile JSON is refused") {
  const json good = to_json(*parse_operator("y = softmax(x, dim=1); x: f32[M,N]; M=3; N=5"));
  REQUIRE(from_json(good));
  // Every place in the form, replaced by every kind of thing.
  const std::vector<json> things = {nullptr,
                                    true,
                                    -1,
                                    1e300,
                                    "",
                                    "x",
                                    "no such",
                                    "M * M * M",
                                    std::string(2000, 'M'),
                                    json::array(),
                                    json::object(),
                                    json::array({nullptr}),
                                    std::uint64_t{1} << 63,
                                    "1/0",
                                    "((((("};
  std::vector<json::json_pointer> places;
  const json flat = good.flatten();
  for (const auto& [path, value] : flat.items()) places.emplace_back(path);
  for (const char* path : {"", "/dims", "/dims/0", "/inputs", "/inputs/0", "/inputs/0/shape",
                           "/inputs/0/distribution", "/nodes", "/nodes/0", "/nodes/0/operands",
                           "/nodes/0/attributes", "/nodes/0/results", "/outputs"})
    places.emplace_back(path);
  int refused = 0;
  for (const auto& place : places) {
    for (const auto& thing : things) {
      json form = good;
      form[place] = thing;
      const auto op = from_json(form);
      if (op)
        CHECK(parse_operator(text(*op)));
      else {
        CHECK(op.error().code == ErrorCode::bad_input);
        ++refused;
      }
    }
    if (place.empty()) continue;
    json form = good;
    json& parent = form[place.parent_pointer()];
    if (parent.is_object())
      parent.erase(place.back());
    else
      parent.erase(parent.begin());
    if (const auto op = from_json(form)) CHECK(parse_operator(text(*op)));
  }
  CHECK(refused > 200);
  json form = good;
  form["nodes"][0]["results"][0] = "_7";
  CHECK_FALSE(from_json(form));
  form = good;
  form["nodes"] = json::array();
  for (int k = 0; k < 5000; ++k) form["nodes"].push_back(good["nodes"][0]);
  CHECK_FALSE(from_json(form));
}

TEST_CASE("fuzz: random bytes and mutated lines never crash") {
  std::uint64_t counter = 0;
  const auto random = [&](std::uint64_t below) { return random_bits(7, 1, counter++) % below; };
  const std::string alphabet = "xyMNK=;:,()[]+-*/%@<>~ \n0123456789.ef'_";
  for (int round = 0; round < 3000; ++round) {
    std::string line;
    for (std::uint64_t k = 0, n = random(60); k < n; ++k)
      line += round % 2 ? static_cast<char>(random(256)) : alphabet[random(alphabet.size())];
    if (const auto op = parse_operator(line)) CHECK(parse_operator(text(*op)));
  }
  int accepted = 0;
  for (int round = 0; round < 6000; ++round) {
    const auto& all = examples();
    std::string line = round % 3 ? all[random(all.size())].line : kGood[random(std::size(kGood))];
    for (std::uint64_t k = 0, n = round % 2 ? 1 : 1 + random(3); k < n && !line.empty(); ++k) {
      const std::size_t at = random(line.size());
      switch (random(6)) {
        case 4:
          line[at] =
              line[at] >= '0' && line[at] <= '9' ? static_cast<char>('0' + random(10)) : line[at];
          break;
        case 0:
          line[at] = static_cast<char>(random(256));
          break;
        case 1:
          line.erase(at, 1 + random(4));
          break;
        case 2:
          line.insert(at, 1, alphabet[random(alphabet.size())]);
          break;
        default: {
          const std::string& other = all[random(all.size())].line;
          const std::size_t from = random(other.size());
          line.insert(at, other.substr(from, 1 + random(8)));
        }
      }
    }
    const auto op = parse_operator(line);
    if (!op) {
      CHECK(op.error().message.find('\n') == std::string::npos);
      continue;
    }
    ++accepted;
    INFO(line);
    REQUIRE(lower(*op));
    const auto again = parse_operator(text(*op));
    if (!again) FAIL(text(*op) << ": " << again.error().message);
    CHECK(text(*again) == text(*op));
    const auto form = from_json(to_json(*op));
    if (!form) FAIL(form.error().message);
    CHECK(text(*form) == text(*op));
  }
  CHECK(accepted > 300);
}

TEST_CASE("every row is named in docs/operator-language.md, with its signature") {
  std::ifstream file(std::string(MTMC_SOURCE_DIR) + "/docs/operator-language.md");
  REQUIRE(file);
  std::stringstream page;
  page << file.rdbuf();
  for (const auto& row : table()) {
    INFO("`" << row.name << "(" << row.signature << ")`");
    CHECK(page.str().find("`" + row.name + "(" + row.signature + ")`") != std::string::npos);
    for (const auto& alias : row.aliases)
      CHECK(page.str().find("`" + alias + "`") != std::string::npos);
  }
}
