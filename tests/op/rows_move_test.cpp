// Operators that move elements, and casts.
#include <catch2/catch.hpp>
#include <cmath>

#include "op/model.hpp"
#include "op/types.hpp"

using namespace mtmc::op::test;

namespace {

// A result that has the input's elements in the input's order.
void check_same_order(const std::string& call, const Index& from, const Index& to) {
  std::string shape;
  for (const auto e : from) shape += (shape.empty() ? "" : ",") + std::to_string(e);
  check("y = " + call + "; x: f32[" + shape + "]", [&](const Inputs& in) {
    Dense y(to);
    y.data = in.at("x").data;
    return std::vector{y};
  });
}

void check_index(const std::string& call, const Index& to,
                 const std::function<Index(const Index&)>& from) {
  check("y = " + call + "; x: f32[4,3,5]", [&](const Inputs& in) {
    return std::vector{make(to, [&](const Index& i) { return in.at("x").at(from(i)); })};
  });
}

}  // namespace

TEST_CASE("reshapes keep row-major order, whatever splits and merges") {
  check_same_order("reshape(x, [12])", {3, 4}, {12});
  check_same_order("reshape(x, [4, 3])", {3, 4}, {4, 3});
  check_same_order("view(x, 2, -1, 5)", {4, 3, 5}, {2, 6, 5});
  check_same_order("reshape(x, [3, 10, 4])", {2, 6, 5, 2}, {3, 10, 4});
  check_same_order("reshape(x, [4, 1, 3, 1, 5, 1])", {4, 3, 5}, {4, 1, 3, 1, 5, 1});
  check_same_order("reshape(x, [])", {1, 1}, {});
  check_same_order("flatten(x)", {4, 3, 5}, {60});
  check_same_order("flatten(x, 1)", {4, 3, 5}, {4, 15});
  check_same_order("flatten(x, 0, 1)", {4, 3, 5}, {12, 5});
  check_same_order("squeeze(x)", {1, 3, 1, 5}, {3, 5});
  check_same_order("squeeze(x, 2)", {1, 3, 1, 5}, {1, 3, 5});
  check_same_order("squeeze(x, [0, 1])", {1, 3, 1, 5}, {3, 1, 5});
  check_same_order("unsqueeze(x, 1)", {3, 5}, {3, 1, 5});
  check_same_order("unsqueeze(x, -1)", {3, 5}, {3, 5, 1});
}

TEST_CASE("transpositions, slices and stretches") {
  check_index("transpose(x, 0, -1)", {5, 3, 4}, [](const Index& i) {
    return Index{i[2], i[1], i[0]};
  });
  check_index("permute(x, [2, 0, 1])", {5, 4, 3}, [](const Index& i) {
    return Index{i[1], i[2], i[0]};
  });
  check_index("permute(x, 2, 0, 1)", {5, 4, 3}, [](const Index& i) {
    return Index{i[1], i[2], i[0]};
  });
  check_index("slice(x, 2, 1, 5, 2)", {4, 3, 2}, [](const Index& i) {
    return Index{i[0], i[1], 1 + 2 * i[2]};
  });
  check_index("slice(x, dim=0, start=-3)", {3, 3, 5}, [](const Index& i) {
    return Index{i[0] + 1, i[1], i[2]};
  });
  check_index("slice(x, dim=2, end=-1, step=3)", {4, 3, 2}, [](const Index& i) {
    return Index{i[0], i[1], 3 * i[2]};
  });
  check_index("slice(x, dim=1, start=-100, end=100)", {4, 3, 5}, [](const Index& i) { return i; });
  check_index("narrow(x, 0, 1, 2)", {2, 3, 5}, [](const Index& i) {
    return Index{i[0] + 1, i[1], i[2]};
  });
  check_index("select(x, 1, -1)", {4, 5}, [](const Index& i) { return Index{i[0], 2, i[1]}; });
  check_index("flip(x, [0, 2])", {4, 3, 5}, [](const Index& i) {
    return Index{3 - i[0], i[1], 4 - i[2]};
  });
  check_index("expand(unsqueeze(x, 0), [2, -1, 3, 5])", {2, 4, 3, 5}, [](const Index& i) {
    return Index{i[1], i[2], i[3]};
  });
  check("y = t(x); x: f32[3,5]", [](const Inputs& in) {
    return std::vector{make({5, 3}, [&](const Index& i) { return in.at("x").at({i[1], i[0]}); })};
  });
  check("y = triu(x, 1); x: f32[4,5]", [](const Inputs& in) {
    return std::vector{
        make({4, 5}, [&](const Index& i) { return i[1] - i[0] >= 1 ? in.at("x").at(i) : 0; })};
  });
  check("y = tril(x); x: f32[2,4,4]", [](const Inputs& in) {
    return std::vector{
        make({2, 4, 4}, [&](const Index& i) { return i[2] <= i[1] ? in.at("x").at(i) : 0; })};
  });
}

TEST_CASE("cat, stack and chunk") {
  check("y = cat([a, b, c], dim=1); a: f32[2,3]; b: f32[2,1]; c: f32[2,4]", [](const Inputs& in) {
    return std::vector{make({2, 8}, [&](const Index& i) {
      if (i[1] < 3) return in.at("a").at(i);
      if (i[1] < 4) return in.at("b").at({i[0], 0});
      return in.at("c").at({i[0], i[1] - 4});
    })};
  });
  check("y = stack([a, b, a], -1); a: f32[2,3]; b: f32[2,3]", [](const Inputs& in) {
    return std::vector{make({2, 3, 3}, [&](const Index& i) {
      return in.at(i[2] == 1 ? "b" : "a").at({i[0], i[1]});
    })};
  });
  check("a, b, c = chunk(x, 3, dim=1); x: f32[2,8]", [](const Inputs& in) {
    const auto part = [&](std::int64_t first, std::int64_t count) {
      return make({2, count}, [&, first](const Index& i) {
        return in.at("x").at({i[0], first + i[1]});
      });
    };
    return std::vector{part(0, 3), part(3, 3), part(6, 2)};
  });
}

TEST_CASE("casts round floats, cut towards zero to integers, and test against zero for bool") {
  check(
      "y = to(x, f16); x: f32[40] ~ normal(0, 100)",
      [](const Inputs& in) {
        return std::vector{make({40}, [&](const Index& i) {
          const double v = in.at("x").at(i), step = std::ldexp(1.0, std::ilogb(v) - 10);
          return std::rint(v / step) * step;
        })};
      },
      0);
  check(
      "y = cast(x, i32); x: f32[40] ~ normal(0, 5)",
      [](const Inputs& in) {
        return std::vector{
            make({40}, [&](const Index& i) { return std::trunc(in.at("x").at(i)); })};
      },
      0);
  check(
      "y = to(x, bool); x: i32[40] ~ randint(-1, 2)",
      [](const Inputs& in) {
        return std::vector{
            make({40}, [&](const Index& i) { return in.at("x").at(i) != 0 ? 1.0 : 0.0; })};
      },
      0);
}
