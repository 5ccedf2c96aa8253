// Reductions, softmax and normalisations against loops over their groups of elements.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "op/model.hpp"

using namespace mtmc::op::test;

namespace {

using Group = std::vector<double>;

// The elements that `dims` gather, in row-major order, for each element of the result.
Dense reduce(const Dense& x, std::set<std::size_t> dims, bool keepdim,
             const std::function<double(const Group&)>& f) {
  Index kept, inner, out_shape;
  for (std::size_t d = 0; d < x.shape.size(); ++d) {
    (dims.count(d) ? inner : kept).push_back(x.shape[d]);
    if (!dims.count(d))
      out_shape.push_back(x.shape[d]);
    else if (keepdim)
      out_shape.push_back(1);
  }
  Dense out(out_shape);
  std::size_t next = 0;
  for_each(kept, [&](const Index& k) {
    Group group;
    for_each(inner, [&](const Index& r) {
      Index at;
      for (std::size_t d = 0, a = 0, b = 0; d < x.shape.size(); ++d)
        at.push_back(dims.count(d) ? r[b++] : k[a++]);
      group.push_back(x.at(at));
    });
    out.data[next++] = f(group);
  });
  return out;
}

double sum(const Group& g) {
  double s = 0;
  for (double v : g) s += v;
  return s;
}
double mean(const Group& g) { return sum(g) / static_cast<double>(g.size()); }
double variance(const Group& g, double correction) {
  const double m = mean(g);
  double s = 0;
  for (double v : g) s += (v - m) * (v - m);
  return s / (static_cast<double>(g.size()) - correction);
}
double power_norm(const Group& g, double p) {
  double s = 0;
  for (double v : g) s += std::pow(std::fabs(v), p);
  return std::pow(s, 1 / p);
}
double largest(const Group& g) { return *std::max_element(g.begin(), g.end()); }
double where_largest(const Group& g) {
  return static_cast<double>(std::max_element(g.begin(), g.end()) - g.begin());
}

void check_reduction(const std::string& name, const std::function<double(const Group&)>& f,
                     const std::string& more = "", bool one_dim = false,
                     const std::string& distribution = "normal(0, 1)") {
  const std::string input = "; x: f32[4,3,5] ~ " + distribution;
  const auto run = [&](const std::string& arguments, std::set<std::size_t> dims, bool keepdim) {
    check("y = " + name + "(x" + arguments + more + ")" + input,
          [&](const Inputs& in) { return std::vector{reduce(in.at("x"), dims, keepdim, f)}; });
  };
  run("", {0, 1, 2}, false);
  run(", dim=1", {1}, false);
  run(", dim=-1, keepdim=True", {2}, true);
  run(", dim=0", {0}, false);
  if (one_dim) return;
  run(", dim=[0,2]", {0, 2}, false);
  run(", dim=(-1, 0), keepdim=True", {0, 2}, true);
}

}  // namespace

TEST_CASE("reductions over any dims") {
  check_reduction("sum", sum);
  check_reduction("mean", mean);
  check_reduction("prod", [](const Group& g) {
    double p = 1;
    for (double v : g) p *= v;
    return p;
  });
  check_reduction("amax", largest);
  check_reduction("amin", [](const Group& g) { return *std::min_element(g.begin(), g.end()); });
  check_reduction("max", largest, "", true);
  check_reduction("argmax", where_largest, "", true);
  check_reduction(
      "argmin",
      [](const Group& g) {
        return static_cast<double>(std::min_element(g.begin(), g.end()) - g.begin());
      },
      "", true);
  check_reduction("var", [](const Group& g) { return variance(g, 1); });
  check_reduction(
      "var", [](const Group& g) { return variance(g, 0); }, ", unbiased=False");
  check_reduction(
      "var", [](const Group& g) { return variance(g, 2); }, ", correction=2");
  check_reduction("std", [](const Group& g) { return std::sqrt(variance(g, 1)); });
  check_reduction("norm", [](const Group& g) { return power_norm(g, 2); });
  check_reduction(
      "norm", [](const Group& g) { return power_norm(g, 1); }, ", p=1");
  check_reduction(
      "norm", [](const Group& g) { return power_norm(g, 3); }, ", p=3");
  check_reduction(
      "norm",
      [](const Group& g) {
        double m = 0;
        for (double v : g) m = std::fmax(m, std::fabs(v));
        return m;
      },
      ", p=inf");
  check_reduction(
      "norm",
      [](const Group& g) {
        return static_cast<double>(g.size()) -
               static_cast<double>(std::count(g.begin(), g.end(), 0.0));
      },
      ", p=0", false, "randint(0, 2)");
  check_reduction("logsumexp", [](const Group& g) {
    double s = 0;
    for (double v : g) s += std::exp(v);
    return std::log(s);
  });
  check_reduction(
      "any",
      [](const Group& g) {
        return std::any_of(g.begin(), g.end(), [](double v) { return v != 0; }) ? 1.0 : 0.0;
      },
      "", false, "randint(0, 2)");
  check_reduction(
      "all",
      [](const Group& g) {
        return std::all_of(g.begin(), g.end(), [](double v) { return v != 0; }) ? 1.0 : 0.0;
      },
      "", false, "randint(0, 2)");
}

TEST_CASE("max and min with a dim give values and indices, the first of equals") {
  for (const bool is_max : {true, false})
    check(std::string("v, i = ") + (is_max ? "max" : "min") +
              "(x, dim=1); x: f32[6,9] ~ randint(0, 4)",
          [&](const Inputs& in) {
            const Dense& x = in.at("x");
            Dense v({6}), at({6});
            for (std::int64_t m = 0; m < 6; ++m) {
              std::int64_t best = 0;
              for (std::int64_t n = 1; n < 9; ++n)
                if (is_max ? x.at({m, n}) > x.at({m, best}) : x.at({m, n}) < x.at({m, best}))
                  best = n;
              v.at({m}) = x.at({m, best});
              at.at({m}) = static_cast<double>(best);
            }
            return std::vector{v, at};
          });
}

TEST_CASE("NaN wins every extremum") {
  for (const char* name : {"amax", "amin"}) {
    const auto y = evaluate(std::string("y = ") + name + "(sqrt(x), dim=1); x: f32[4,40]");
    for (double v : y[0].data) CHECK(std::isnan(v));
  }
  Inputs in;
  const auto y = evaluate("y = argmax(sqrt(x), dim=1); x: f32[4,40]", &in);
  for (std::int64_t m = 0; m < 4; ++m) {
    std::int64_t first = 0;
    while (in.at("x").at({m, first}) >= 0) ++first;
    CHECK(y[0].at({m}) == static_cast<double>(first));
  }
}

TEST_CASE("logsumexp and softmax of infinities") {
  const auto minus = evaluate("y = logsumexp(where(x < inf, -inf, x), dim=1); x: f32[3,5]");
  for (double v : minus[0].data) CHECK(v == -INFINITY);
  const auto plus = evaluate("y = logsumexp(where(x < inf, inf, x), dim=1); x: f32[3,5]");
  for (double v : plus[0].data) CHECK(v == INFINITY);
  const auto masked = evaluate("y = softmax(where(x < 0, -inf, x), dim=1); x: f32[3,50]");
  for (std::int64_t m = 0; m < 3; ++m) {
    double total = 0;
    for (std::int64_t n = 0; n < 50; ++n) total += masked[0].at({m, n});
    CHECK(total == Approx(1));
  }
}

TEST_CASE("softmax, softmin and log_softmax along any dim") {
  for (const int dim : {0, 1, 2, -1, -3}) {
    const auto d = static_cast<std::size_t>(dim < 0 ? dim + 3 : dim);
    for (const std::string name : {"softmax", "softmin", "log_softmax"})
      check("y = " + name + "(x, dim=" + std::to_string(dim) + "); x: f32[3,5,7] ~ normal(0, 10)",
            [&](const Inputs& in) {
              const Dense& x = in.at("x");
              const double sign = name == "softmin" ? -1 : 1;
              return std::vector{make(x.shape, [&](const Index& i) {
                double total = 0;
                Index j = i;
                for (j[d] = 0; j[d] < x.shape[d]; ++j[d]) total += std::exp(sign * x.at(j));
                return name == "log_softmax" ? x.at(i) - std::log(total)
                                             : std::exp(sign * x.at(i)) / total;
              })};
            });
  }
}

TEST_CASE("layer_norm and rms_norm over trailing dims") {
  check(
      "y = layer_norm(x, [3,5], w, b, eps=0.01); x: f32[4,3,5] ~ normal(2, 3); w: f32[3,5]; b: "
      "f32[3,5]",
      [](const Inputs& in) {
        const Dense& x = in.at("x");
        return std::vector{make(x.shape, [&](const Index& i) {
          Group g;
          for_each({3, 5}, [&](const Index& r) { g.push_back(x.at({i[0], r[0], r[1]})); });
          return (x.at(i) - mean(g)) / std::sqrt(variance(g, 0) + 0.01) *
                     in.at("w").at({i[1], i[2]}) +
                 in.at("b").at({i[1], i[2]});
        })};
      });
  check("y = layer_norm(x, N, bias=b); x: f32[M,N]; b: f32[N]; M=3; N=7", [](const Inputs& in) {
    const Dense& x = in.at("x");
    return std::vector{make(x.shape, [&](const Index& i) {
      Group g;
      for (std::int64_t n = 0; n < 7; ++n) g.push_back(x.at({i[0], n}));
      return (x.at(i) - mean(g)) / std::sqrt(variance(g, 0) + 1e-5) + in.at("b").at({i[1]});
    })};
  });
  for (const bool stated : {true, false})
    check(std::string("y = rms_norm(x, [N], w") + (stated ? ", eps=1e-3" : "") +
              "); x: f32[M,N]; w: f32[N]; M=5; N=9",
          [&](const Inputs& in) {
            const Dense& x = in.at("x");
            return std::vector{make(x.shape, [&](const Index& i) {
              double s = 0;
              for (std::int64_t n = 0; n < 9; ++n) s += x.at({i[0], n}) * x.at({i[0], n});
              return x.at(i) / std::sqrt(s / 9 + (stated ? 1e-3 : std::ldexp(1, -23))) *
                     in.at("w").at({i[1]});
            })};
          });
}

TEST_CASE("group_norm, batch_norm and instance_norm") {
  const auto statistics = [](const Dense& x, const std::function<bool(const Index&)>& member) {
    Group g;
    for_each(x.shape, [&](const Index& j) {
      if (member(j)) g.push_back(x.at(j));
    });
    return std::pair(mean(g), variance(g, 0));
  };
  const auto model = [&](const Inputs& in, double eps, bool affine,
                         const std::function<bool(const Index&, const Index&)>& together) {
    const Dense& x = in.at("x");
    return std::vector{make(x.shape, [&](const Index& i) {
      const auto [m, v] = statistics(x, [&](const Index& j) { return together(i, j); });
      const double y = (x.at(i) - m) / std::sqrt(v + eps);
      return affine ? y * in.at("w").at({i[1]}) + in.at("b").at({i[1]}) : y;
    })};
  };
  check("y = group_norm(x, 2, w, b); x: f32[2,6,3,2]; w: f32[6]; b: f32[6]", [&](const Inputs& in) {
    return model(in, 1e-5, true, [](const Index& i, const Index& j) {
      return i[0] == j[0] && i[1] / 3 == j[1] / 3;
    });
  });
  check("y = group_norm(x, C, eps=0.1); x: f32[2,C,3]; C=4", [&](const Inputs& in) {
    return model(in, 0.1, false,
                 [](const Index& i, const Index& j) { return i[0] == j[0] && i[1] == j[1]; });
  });
  check("y = batch_norm(x, weight=w, bias=b, training=True); x: f32[3,4,2,5]; w: f32[4]; b: f32[4]",
        [&](const Inputs& in) {
          return model(in, 1e-5, true, [](const Index& i, const Index& j) { return i[1] == j[1]; });
        });
  check("y = batch_norm(x, training=True); x: f32[7,4]", [&](const Inputs& in) {
    return model(in, 1e-5, false, [](const Index& i, const Index& j) { return i[1] == j[1]; });
  });
  check("y = instance_norm(x); x: f32[2,3,4,5]", [&](const Inputs& in) {
    return model(in, 1e-5, false,
                 [](const Index& i, const Index& j) { return i[0] == j[0] && i[1] == j[1]; });
  });
  check(
      "y = batch_norm(x, m, v, w, b); x: f32[2,3,4]; m: f32[3]; v: f32[3] ~ uniform(0.5, 2); w: "
      "f32[3]; b: f32[3]",
      [](const Inputs& in) {
        const Dense& x = in.at("x");
        return std::vector{make(x.shape, [&](const Index& i) {
          const Index c = {i[1]};
          return (x.at(i) - in.at("m").at(c)) / std::sqrt(in.at("v").at(c) + 1e-5) *
                     in.at("w").at(c) +
                 in.at("b").at(c);
        })};
      });
}

TEST_CASE("cumsum and cumprod combine what lies before, itself included") {
  const auto running = [](const Dense& x, std::size_t dim, bool product) {
    Dense out(x.shape);
    std::size_t next = 0;
    for_each(x.shape, [&](const Index& at) {
      double total = product ? 1 : 0;
      Index from = at;
      for (from[dim] = 0; from[dim] <= at[dim]; ++from[dim])
        total = product ? total * x.at(from) : total + x.at(from);
      out.data[next++] = total;
    });
    return out;
  };
  for (std::size_t dim = 0; dim < 3; ++dim)
    for (const bool product : {false, true}) {
      const std::string name = product ? "cumprod" : "cumsum";
      check("y = " + name + "(x, " + std::to_string(dim) + "); x: f32[4,3,5]",
            [&](const Inputs& in) { return std::vector{running(in.at("x"), dim, product)}; });
      check("y = " + name + "(x, dim=" + std::to_string(static_cast<int>(dim) - 3) +
                "); x: i32[4,3,5] ~ randint(0, 5)",
            [&](const Inputs& in) { return std::vector{running(in.at("x"), dim, product)}; });
    }
}
