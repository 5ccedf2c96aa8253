// The oracle's client and the certificate, through a fake oracle that needs Python and nothing
// else; and the real one where there is a PyTorch.
#include "harness/oracle.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/certify.hpp"

using namespace mtmc;
using namespace mtmc::harness;

namespace {

namespace fs = std::filesystem;

const std::string kReal = MTMC_SOURCE_DIR "/kernelbench/oracle";

// A copy of the fake oracle in a mood; Python finds the real one's rng.py.
struct Fake {
  explicit Fake(const std::string& mood) {
    char name[] = "/tmp/mtmc-oracle-XXXXXX";
    folder = mkdtemp(name);
    fs::copy_file(MTMC_SOURCE_DIR "/tests/harness/fake_oracle/__main__.py",
                  folder + "/__main__.py");
    std::ofstream(folder + "/mood") << mood;
    setenv("PYTHONPATH", kReal.c_str(), 1);
  }
  ~Fake() {
    unsetenv("PYTHONPATH");
    fs::remove_all(folder);
  }
  Oracle open() const {
    auto oracle = Oracle::create({folder, ""});
    INFO((oracle ? "" : oracle.error().message));
    REQUIRE(oracle);
    return std::move(*oracle);
  }
  std::string folder;
};

op::Operator parse(const char* line) {
  auto o = op::parse_operator(line);
  INFO((o ? "" : o.error().message));
  REQUIRE(o);
  return *o;
}

const char* kTwice = "y = x * 2; x: f32[M,N]; M=37; N=53";

}  // namespace

TEST_CASE("a reference that is right is certified, by elements and by blocks") {
  const Fake fake("right");
  Oracle oracle = fake.open();
  auto certificate = certify(parse(kTwice), oracle, {});
  INFO((certificate ? certificate->message : certificate.error().message));
  REQUIRE(certificate);
  CHECK(certificate->holds);
  CHECK(certificate->worst <= 1);
  CHECK(certificate->elements > 700);
  CHECK(certificate->blocks == 16);
  CHECK(certificate->block_elements == 37 * 53);
}

TEST_CASE("one element that is off by 1e-9 is found, and named") {
  const Fake fake("off");
  Oracle oracle = fake.open();
  CertifyOptions options;
  options.elements = 4096;  // all
  auto certificate = certify(parse(kTwice), oracle, options);
  REQUIRE(certificate);
  CHECK_FALSE(certificate->holds);
  CHECK_THAT(certificate->message, Catch::Contains("y[980]"));

  options.elements = 2;  // both ends: a block's sum tells
  certificate = certify(parse(kTwice), oracle, options);
  REQUIRE(certificate);
  CHECK_FALSE(certificate->holds);
  CHECK_THAT(certificate->message, Catch::Contains("sum"));
}

TEST_CASE("an oracle that cannot answer is an error, never a certificate") {
  SECTION("it says so") {
    const Fake fake("right");
    Oracle oracle = fake.open();
    auto answer = oracle.ask({{"do", "juggle"}}, std::chrono::seconds(60));
    REQUIRE_FALSE(answer);
    CHECK_THAT(answer.error().message, Catch::Contains("juggle"));
    CHECK(certify(parse(kTwice), oracle, {}).has_value());  // and goes on
  }
  SECTION("it dies") {
    const Fake fake("dies");
    Oracle oracle = fake.open();
    auto certificate = certify(parse(kTwice), oracle, {});
    REQUIRE_FALSE(certificate);
    CHECK(certificate.error().code == ErrorCode::unavailable);
    CHECK_THAT(certificate.error().message, Catch::Contains("exit code 7"));
  }
  SECTION("it hangs") {
    const Fake fake("hangs");
    Oracle oracle = fake.open();
    auto answer = oracle.ask({{"do", "values"}}, std::chrono::milliseconds(50));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::unavailable);
  }
  SECTION("Python has no PyTorch") {
    const Fake fake("absent");
    auto oracle = Oracle::create({fake.folder, ""});
    REQUIRE_FALSE(oracle);
    CHECK(oracle.error().code == ErrorCode::unavailable);
    CHECK_THAT(oracle.error().message, Catch::Contains("no PyTorch"));
  }
  SECTION("there is no such Python, or no oracle") {
    auto oracle = Oracle::create({kReal, "/nowhere/python3"});
    REQUIRE_FALSE(oracle);
    CHECK(oracle.error().code == ErrorCode::unavailable);
    CHECK_THAT(oracle.error().message, Catch::Contains("/nowhere/python3"));
    oracle = Oracle::create({"/nowhere", ""});
    REQUIRE_FALSE(oracle);
    CHECK_THAT(oracle.error().message, Catch::Contains("/nowhere"));
  }
}

TEST_CASE("what the oracle's RNG is held against: the tool's own draws") {
  const std::string path = MTMC_SOURCE_DIR "/tests/kernelbench/goldens/draws.json";
  nlohmann::json rows = nlohmann::json::array();
  for (const char* line :
       {"f32 ~ normal(0, 1)", "f32 ~ normal(-3.25, 0.1)", "f64 ~ normal(0, 1)",
        "f16 ~ normal(0, 1)", "bf16 ~ normal(0, 3)", "f32 ~ uniform(0, 1)",
        "f32 ~ uniform(-0.017, 0.017)", "bf16 ~ uniform(-1, 1)", "f16 ~ uniform(0, 0.0001)",
        "i32 ~ randint(-5, 1000)", "i64 ~ randint(0, 4096)", "u8 ~ randint(0, 255)", "bool",
        "f32 ~ constant(2.5)"}) {
    for (const std::uint64_t seed : {std::uint64_t{1}, std::uint64_t{0xfedcba9876543210}}) {
      std::string text = line;
      text.insert(text.find(' ') == text.npos ? text.size() : text.find(' '), "[8]");
      const auto op = parse(("y = identity(ln_weight); ln_weight: " + text).c_str());
      nlohmann::json values = nlohmann::json::array(), indices = nlohmann::json::array();
      for (const std::int64_t i : std::initializer_list<std::int64_t>{
               0, 1, 2, 3, 4, 5, 6, 7, 1000003, 2147483648, 1099511627775}) {
        indices.push_back(i);
        values.push_back(op::input_element(op.values[0], seed, i));
      }
      auto input = op::to_json(op)["inputs"][0];
      rows.push_back({{"dtype", input["dtype"]},
                      {"name", input["name"]},
                      {"distribution", input["distribution"]},
                      {"seed", seed},
                      {"indices", indices},
                      {"values", values}});
    }
  }
  std::string text = "[\n";
  for (const auto& row : rows) text += row.dump() + (&row == &rows.back() ? "\n" : ",\n");
  text += "]\n";
  if (const char* update = std::getenv("MTMC_UPDATE_GOLDENS"); update && *update == '1')
    std::ofstream(path) << text;
  std::ifstream file(path);
  std::stringstream golden;
  golden << file.rdbuf();
  INFO(path << " is missing or differs; MTMC_UPDATE_GOLDENS=1 rewrites it");
  CHECK(golden.str() == text);
}

TEST_CASE("the real oracle certifies what its rows are translated to") {
  auto oracle = Oracle::create({kReal, ""});
  if (!oracle) {
    WARN("not run: " << oracle.error().message);
    return;
  }
  for (const char* line :
       {"y = gelu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=33; N=20; K=47",
        "y = layer_norm(x, [N], w, b); x: f32[M,N]; w: f32[N]; b: f32[N]; M=9; N=130",
        "v, i = max(x, dim=1); x: f32[M,N]; M=12; N=70",
        "y = conv_transpose2d(x, w, b, stride=2, padding=1); x: f32[2,3,7,9]; w: f32[3,4,3,3]; b: "
        "f32[4]",
        "y = where(x > 0, x, 0 - 1) + scalar(M); x: f32[M]; M=77",
        "y = logsumexp(clamp(x, -1, 1), [0, 2]); x: f32[4,5,6]",
        "y = maximum(x, 0) + minimum(x, 0.5) % 0.3; x: f32[100]",
        "y = var(x, dim=[1]) + std(x, dim=[1], unbiased=False); x: f32[6,50]",
        "y = cat([x, flip(x, [0])], 1) ; x: f32[5,6]",
        "y = rms_norm(x, [N], w); x: f32[M,N]; w: f32[N]; M=7; N=40",
        "y = batch_norm(x, None, None, w, b, training=True); x: f32[4,5,6]; w: f32[5]; b: f32[5]",
        "y = einsum('bij,bjk->bik', a, b); a: f32[2,5,6]; b: f32[2,6,4]",
        "y = softmax(x); x: f16[8,30]",
        "y = mish(x) + celu(x, 0.7) + hardshrink(x) + softplus(x, 2) + logsigmoid(x) + "
        "threshold(x, 0.1, 3) ; x: f32[200]",
        "y = sum(x, dtype=f64); x: i32[50]", "y = tril(x, -1) @ triu(x, 1); x: f32[N,N]; N=23",
        "y = slice(x, 1, 2, 9, 3) * select(w, 0, 1); x: f32[4,10]; w: f32[2,3]"}) {
    INFO(line);
    auto certificate = certify(parse(line), *oracle, {});
    INFO((certificate ? certificate->message : certificate.error().message));
    REQUIRE(certificate);
    CHECK(certificate->holds);
  }
}
