#include "kernel/recipe.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace mtmc;
using namespace mtmc::kernel;
using nlohmann::json;

namespace {

const char* kSplitK = R"json({
  "buffers": [
    {"name": "x0", "role": "input", "dtype": "f32", "shape": ["d0", "d1"], "alignment": 256},
    {"name": "y0", "role": "output", "dtype": "f16", "shape": ["d0"], "alignment": 256},
    {"name": "partial", "role": "workspace", "dtype": "f32", "shape": ["WAYS", "d0"], "alignment": 16, "fill": "zero"},
    {"name": "low", "role": "workspace", "dtype": "f32", "shape": ["d0"], "alignment": 16, "alias": {"buffer": "partial", "offset_bytes": "4 * d0"}}],
  "prepare": [],
  "run": [
    {"memset": {"buffer": "partial", "offset_bytes": 0, "bytes": "WAYS * d0 * 4", "byte": 0}},
    {"launch": {"kernel": "pass", "grid": ["ceil_div(d0, 256)", "WAYS"], "block": [256], "shared_bytes": "dev.shared_optin / 2",
                "args": [{"buffer": "x0"}, {"buffer": "partial", "offset_bytes": "i * 4"}, {"scalar": "i32", "value": "d1"}, {"scalar": "f32", "value": 0.5}]},
     "when": "d0 > 1", "repeat": {"symbol": "i", "count": 3}},
    {"copy": {"from": "partial", "from_offset_bytes": 0, "to": "low", "to_offset_bytes": 0, "bytes": "d0 * 4"}}]})json";

Recipe recipe(const std::string& text) {
  auto r = recipe_from_json(json::parse(text));
  INFO((r ? "" : r.error().message));
  REQUIRE(r);
  return *r;
}
const Symbols kSymbols = {{"d0", 1000}, {"d1", 37}, {"WAYS", 4}, {"dev.shared_optin", 232448}};

std::string refusal(json form, const Symbols& symbols = kSymbols) {
  auto r = recipe_from_json(form);
  if (!r) return r.error().message;
  auto resolved = resolve(*r, symbols);
  REQUIRE_FALSE(resolved);
  CHECK(resolved.error().code == ErrorCode::bad_input);
  return resolved.error().message;
}
json with(const char* pointer, json value) {
  json form = json::parse(kSplitK);
  form[json::json_pointer(pointer)] = std::move(value);
  return form;
}

}  // namespace

TEST_CASE("a recipe's JSON form round-trips") {
  const Recipe r = recipe(kSplitK);
  CHECK(to_json(recipe(to_json(r).dump())) == to_json(r));
  CHECK(r.buffer("low")->alias->buffer == "partial");
}

TEST_CASE("what lies in an alias is found in the buffer around it, so devices need not know aliases") {
  auto r = resolve(recipe(kSplitK), kSymbols);
  REQUIRE(r);
  const auto& copy = std::get<ResolvedCopy>(r->run.back());
  CHECK(copy.to == "partial");
  CHECK(copy.to_offset_bytes == 4000);
  json form = json::parse(kSplitK);
  form["run"][1]["launch"]["args"][1] = {{"buffer", "low"}, {"offset_bytes", 8}};
  r = resolve(recipe(form.dump()), kSymbols);
  REQUIRE(r);
  const auto& argument = std::get<ResolvedBufferArg>(std::get<ResolvedLaunch>(r->run[1]).args[1]);
  CHECK(argument.buffer == "partial");
  CHECK(argument.offset_bytes == 4008);
}

TEST_CASE("resolving evaluates, repeats and decides conditions") {
  auto r = resolve(recipe(kSplitK), kSymbols);
  REQUIRE(r);
  REQUIRE(r->run.size() == 5);
  const auto& second = std::get<ResolvedLaunch>(r->run[2]);
  CHECK(second.grid[0] == 4);
  CHECK(second.grid[1] == 4);
  CHECK(second.shared_bytes == 116224);
  CHECK(std::get<ResolvedBufferArg>(second.args[1]).offset_bytes == 4);
  CHECK(std::get<ResolvedScalar>(second.args[2]).bits == 37);
  CHECK(std::get<ResolvedScalar>(second.args[3]).bits == 0x3f000000u);
  CHECK(r->buffers[1].bytes == 2000);
  auto one = kSymbols;
  one["d0"] = 1;
  auto small = resolve(recipe(kSplitK), one);
  REQUIRE(small);
  CHECK(small->run.size() == 2);
}

TEST_CASE("resolving refuses what a device would have to trust") {
  CHECK(refusal(with("/run/1/launch/grid/0", "d0 - 1000")).find("'d0 - 1000' is 0, expected 1") != std::string::npos);
  CHECK(refusal(with("/run/1/launch/grid/0", "1 / (d0 - 1000)")).find("by zero") != std::string::npos);
  CHECK(refusal(with("/run/1/launch/grid/1", 70000)).find("expected 1 to 65535") != std::string::npos);
  CHECK(refusal(with("/run/1/launch/block", json::array({1024, 2}))).find("at most 1024") != std::string::npos);
  CHECK(refusal(with("/run/0/memset/bytes", "WAYS * d0 * 4 + 1")).find("bytes 0 to 16001 of 'partial'") != std::string::npos);
  CHECK(refusal(with("/run/0/memset/buffer", "gone")).find("unknown buffer 'gone'") != std::string::npos);
  CHECK(refusal(with("/run/1/repeat/count", 100000)).find("expected 0 to 65536") != std::string::npos);
  CHECK(refusal(with("/run/1/launch/args/2/value", "d1 * 4294967296")).find("expected -2147483648 to 2147483647") != std::string::npos);
  CHECK(refusal(with("/run/1/launch/args/0/buffer", "x9")).find("unknown buffer 'x9'") != std::string::npos);
  CHECK(refusal(with("/buffers/3/alias/offset_bytes", "WAYS * d0 * 4")).find("past 'partial'") != std::string::npos);
  CHECK(refusal(with("/buffers/3/alias/buffer", "x0")).find("is not one") != std::string::npos);
  CHECK(refusal(with("/buffers/0/shape/0", "d0 * 9223372036854775807")).find("overflow") != std::string::npos);
  CHECK(refusal(with("/buffers/0/shape/0", "0 - 4")).find("expected 0") != std::string::npos);
  CHECK(refusal(with("/run", json::array())).find("nothing to run") != std::string::npos);
}

TEST_CASE("reading a recipe treats it as hostile") {
  CHECK(refusal(with("/buffers/0/name", "../x")).find("plain name") != std::string::npos);
  CHECK(refusal(with("/buffers/0/dtype", "f128")).find("a dtype") != std::string::npos);
  CHECK(refusal(with("/buffers/0/alignment", 3)).find("power of two") != std::string::npos);
  CHECK(refusal(with("/buffers/1/name", "x0")).find("two buffers are named") != std::string::npos);
  CHECK(refusal(with("/run/0", json{{"shell", "rm"}})).find("launch, memset, copy or library") != std::string::npos);
  CHECK(refusal(with("/run/1/launch/grid/0", "exec(1)")).find("expected an expression") != std::string::npos);
  CHECK(refusal(with("/run/1/launch/args", json::array_t(65, json{{"buffer", "x0"}}))).find("at most 64") != std::string::npos);
  CHECK(refusal(json::array()).find("expected an object") != std::string::npos);
  CHECK(refusal(json{{"buffers", 3}}).find("expected a list") != std::string::npos);
}
