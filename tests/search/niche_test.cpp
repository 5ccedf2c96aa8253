#include "search/niche.hpp"

#include <catch2/catch.hpp>

namespace mtmc::search {
namespace {

using Order = std::vector<std::size_t>;

TEST_CASE("the fastest come first, and then the fastest of another kind") {
  const std::vector<Standing> nodes = {
      {30, "a", true}, {10, "a", true}, {20, "a", true}, {40, "b", true}, {50, "c", true}};
  CHECK(worth_expanding(nodes, 1, 0) == Order{1});
  CHECK(worth_expanding(nodes, 2, 0) == Order{1, 2});
  CHECK(worth_expanding(nodes, 2, 1) == Order{1, 2, 3});
  CHECK(worth_expanding(nodes, 1, 2) == Order{1, 3, 4});
  CHECK(worth_expanding(nodes, 9, 1) == Order{1, 2, 0, 3, 4});
  CHECK(worth_expanding({}, 2, 1).empty());
}

TEST_CASE("a closed node keeps its place: what is slower does not move up") {
  const std::vector<Standing> nodes = {
      {10, "a", false}, {20, "a", true}, {30, "a", true}, {40, "b", true}};
  CHECK(worth_expanding(nodes, 1, 0).empty());
  CHECK(worth_expanding(nodes, 2, 0) == Order{1});
  CHECK(worth_expanding(nodes, 1, 1) == Order{3});
}

kernel::Candidate candidate(const std::string& unit, const char* grid, std::int64_t block) {
  kernel::Candidate c;
  c.sources = {{"kernel.cu", unit}};
  kernel::Buffer out;
  out.name = "y0";
  out.role = kernel::BufferRole::output;
  out.shape = {*Expr::parse("d0")};
  c.recipe.buffers = {out};
  kernel::Launch launch;
  launch.kernel = "k";
  launch.grid = {*Expr::parse(grid), Expr(1), Expr(1)};
  launch.block = {Expr(block), Expr(1), Expr(1)};
  c.recipe.run = {{launch, std::nullopt, std::nullopt}};
  return c;
}

TEST_CASE("kinds differ by tiling, memory path and parallel shape") {
  const Symbols at = {{"d0", 4096}};
  const std::string plain = niche_of(candidate("x", "ceil_div(d0, 256)", 256), at);
  CHECK(plain == niche_of(candidate("y = other text", "ceil_div(d0, 256)", 256), at));
  CHECK(plain != niche_of(candidate("x", "ceil_div(d0, 1024)", 256), at));  // four outputs a thread
  CHECK(plain != niche_of(candidate("__shared__ float s[1];", "ceil_div(d0, 256)", 256), at));
  CHECK(plain != niche_of(candidate("float4 v;", "ceil_div(d0, 256)", 256), at));
  CHECK(plain != niche_of(candidate("x", "ceil_div(d0, 64)", 64), at));
  CHECK_FALSE(niche_of(candidate("x", "no_such_dim", 64), at).empty());
}

}  // namespace
}  // namespace mtmc::search
