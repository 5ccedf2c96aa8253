// Products and convolutions against nested loops; transposed convolutions against scattering.
#include <catch2/catch.hpp>

#include "op/model.hpp"

using namespace mtmc::op::test;

namespace {

struct Geometry {
  Index stride, before, after, dilation;
  std::int64_t groups = 1;
};

Dense convolve(const Dense& x, const Dense& w, const Dense* bias, const Geometry& g) {
  const std::size_t spatial = x.shape.size() - 2;
  Index shape = {x.shape[0], w.shape[0]};
  for (std::size_t d = 0; d < spatial; ++d)
    shape.push_back(
        (x.shape[2 + d] + g.before[d] + g.after[d] - g.dilation[d] * (w.shape[2 + d] - 1) - 1) /
            g.stride[d] +
        1);
  const std::int64_t out_per_group = w.shape[0] / g.groups;
  return make(shape, [&](const Index& o) {
    double sum = bias ? bias->at({o[1]}) : 0;
    for_each(Index(w.shape.begin() + 1, w.shape.end()), [&](const Index& k) {
      Index i = {o[0], o[1] / out_per_group * w.shape[1] + k[0]}, wi = {o[1], k[0]};
      for (std::size_t d = 0; d < spatial; ++d) {
        i.push_back(o[2 + d] * g.stride[d] + k[1 + d] * g.dilation[d] - g.before[d]);
        wi.push_back(k[1 + d]);
        if (i.back() < 0 || i.back() >= x.shape[2 + d]) return;
      }
      sum += x.at(i) * w.at(wi);
    });
    return sum;
  });
}

Dense scatter(const Dense& x, const Dense& w, const Geometry& g, const Index& extra) {
  const std::size_t spatial = x.shape.size() - 2;
  const std::int64_t per_group = w.shape[1], in_per_group = x.shape[1] / g.groups;
  Index shape = {x.shape[0], per_group * g.groups};
  for (std::size_t d = 0; d < spatial; ++d)
    shape.push_back((x.shape[2 + d] - 1) * g.stride[d] - 2 * g.before[d] +
                    g.dilation[d] * (w.shape[2 + d] - 1) + extra[d] + 1);
  Dense y(shape);
  for_each(x.shape, [&](const Index& i) {
    for_each(Index(w.shape.begin() + 1, w.shape.end()), [&](const Index& k) {
      Index o = {i[0], i[1] / in_per_group * per_group + k[0]}, wi = {i[1], k[0]};
      for (std::size_t d = 0; d < spatial; ++d) {
        o.push_back(i[2 + d] * g.stride[d] + k[1 + d] * g.dilation[d] - g.before[d]);
        wi.push_back(k[1 + d]);
        if (o.back() < 0 || o.back() >= y.shape[2 + d]) return;
      }
      y.at(o) += x.at(i) * w.at(wi);
    });
  });
  return y;
}

}  // namespace

TEST_CASE("matmul follows torch.matmul's ranks") {
  const auto batched = [](const Inputs& in) {
    const Dense& a = in.at("a");
    const Dense& b = in.at("b");
    return std::vector{make({2, 3, 4, 5}, [&](const Index& i) {
      double s = 0;
      for (std::int64_t k = 0; k < 6; ++k) s += a.at({i[0], 0, i[2], k}) * b.at({i[1], k, i[3]});
      return s;
    })};
  };
  check("y = a @ b; a: f32[2,1,4,6]; b: f32[3,6,5]", batched);
  check("y = matmul(a, b); a: f16[2,1,4,6]; b: f16[3,6,5]", batched);
  check("y = a @ b; a: f32[7]; b: f32[7]", [](const Inputs& in) {
    double s = 0;
    for (std::int64_t k = 0; k < 7; ++k) s += in.at("a").at({k}) * in.at("b").at({k});
    return std::vector{make({}, [&](const Index&) { return s; })};
  });
  const auto matrix_vector = [](const Inputs& in) {
    return std::vector{make({3}, [&](const Index& i) {
      double s = 0;
      for (std::int64_t k = 0; k < 7; ++k) s += in.at("a").at({i[0], k}) * in.at("b").at({k});
      return s;
    })};
  };
  check("y = a @ b; a: f32[3,7]; b: f32[7]", matrix_vector);
  check("y = mv(a, b); a: f32[3,7]; b: f32[7]", matrix_vector);
  check("y = a @ b; a: f32[7]; b: f32[2,7,3]", [](const Inputs& in) {
    return std::vector{make({2, 3}, [&](const Index& i) {
      double s = 0;
      for (std::int64_t k = 0; k < 7; ++k) s += in.at("a").at({k}) * in.at("b").at({i[0], k, i[1]});
      return s;
    })};
  });
  check("y = dot(a, b); a: f32[9]; b: f32[9]", [](const Inputs& in) {
    double s = 0;
    for (std::int64_t k = 0; k < 9; ++k) s += in.at("a").at({k}) * in.at("b").at({k});
    return std::vector{make({}, [&](const Index&) { return s; })};
  });
}

TEST_CASE("mm, bmm, linear, addmm, baddbmm, outer, einsum") {
  check("y = mm(a, t(b)); a: f32[3,70]; b: f32[5,70]", [](const Inputs& in) {
    return std::vector{make({3, 5}, [&](const Index& i) {
      double s = 0;
      for (std::int64_t k = 0; k < 70; ++k)
        s += in.at("a").at({i[0], k}) * in.at("b").at({i[1], k});
      return s;
    })};
  });
  check("y = bmm(a, transpose(b, 1, 2)); a: f32[2,3,4]; b: f32[2,5,4]", [](const Inputs& in) {
    return std::vector{make({2, 3, 5}, [&](const Index& i) {
      double s = 0;
      for (std::int64_t k = 0; k < 4; ++k)
        s += in.at("a").at({i[0], i[1], k}) * in.at("b").at({i[0], i[2], k});
      return s;
    })};
  });
  check("y = linear(x, w, b); x: f32[2,3,67]; w: f32[5,67]; b: f32[5]", [](const Inputs& in) {
    return std::vector{make({2, 3, 5}, [&](const Index& i) {
      double s = in.at("b").at({i[2]});
      for (std::int64_t k = 0; k < 67; ++k)
        s += in.at("x").at({i[0], i[1], k}) * in.at("w").at({i[2], k});
      return s;
    })};
  });
  const auto addmm = [](const Inputs& in) {
    return std::vector{make({2, 3}, [&](const Index& i) {
      double s = 0;
      for (std::int64_t k = 0; k < 4; ++k) s += in.at("a").at({i[0], k}) * in.at("b").at({k, i[1]});
      return 0.5 * in.at("c").at({i[1]}) + 2 * s;
    })};
  };
  check("y = addmm(c, a, b, beta=0.5, alpha=2); c: f32[3]; a: f32[2,4]; b: f32[4,3]", addmm);
  check("y = baddbmm(c, a, b); c: f32[5,1,3]; a: f32[5,2,4]; b: f32[5,4,3]", [](const Inputs& in) {
    return std::vector{make({5, 2, 3}, [&](const Index& i) {
      double s = in.at("c").at({i[0], 0, i[2]});
      for (std::int64_t k = 0; k < 4; ++k)
        s += in.at("a").at({i[0], i[1], k}) * in.at("b").at({i[0], k, i[2]});
      return s;
    })};
  });
  check("y = outer(a, b); a: f32[3]; b: f32[4]", [](const Inputs& in) {
    return std::vector{make(
        {3, 4}, [&](const Index& i) { return in.at("a").at({i[0]}) * in.at("b").at({i[1]}); })};
  });
  check("y = einsum('bijl,lk->bijk', a, b); a: f32[2,3,4,5]; b: f32[5,6]", [](const Inputs& in) {
    return std::vector{make({2, 3, 4, 6}, [&](const Index& i) {
      double s = 0;
      for (std::int64_t l = 0; l < 5; ++l)
        s += in.at("a").at({i[0], i[1], i[2], l}) * in.at("b").at({l, i[3]});
      return s;
    })};
  });
  check("y = einsum('ij->ji', [a]); a: f32[2,3]", [](const Inputs& in) {
    return std::vector{make({3, 2}, [&](const Index& i) { return in.at("a").at({i[1], i[0]}); })};
  });
}

TEST_CASE("convolutions with stride, padding, dilation and groups") {
  check(
      "y = conv1d(x, w, b, stride=2, padding=3, dilation=2); x: f32[2,4,17]; w: f32[6,4,5]; b: "
      "f32[6]",
      [](const Inputs& in) {
        return std::vector{convolve(in.at("x"), in.at("w"), &in.at("b"), {{2}, {3}, {3}, {2}, 1})};
      });
  check(
      "y = conv2d(x, w, b, stride=[2,1], padding=[1,2], dilation=[1,2], groups=2); x: "
      "f32[2,4,9,8]; w: f32[6,2,3,3]; b: f32[6]",
      [](const Inputs& in) {
        return std::vector{
            convolve(in.at("x"), in.at("w"), &in.at("b"), {{2, 1}, {1, 2}, {1, 2}, {1, 2}, 2})};
      });
  check("y = conv2d(x, w, groups=C); x: f32[1,C,5,6]; w: f32[2*C,1,2,3]; C=3",
        [](const Inputs& in) {
          return std::vector{
              convolve(in.at("x"), in.at("w"), nullptr, {{1, 1}, {0, 0}, {0, 0}, {1, 1}, 3})};
        });
  check("y = conv2d(x, w, padding='same', dilation=3); x: f32[1,2,7,9]; w: f32[3,2,2,3]",
        [](const Inputs& in) {
          return std::vector{
              convolve(in.at("x"), in.at("w"), nullptr, {{1, 1}, {1, 3}, {2, 3}, {3, 3}, 1})};
        });
  check("y = conv3d(x, w, b, padding=1, stride=2); x: f32[1,2,5,4,3]; w: f32[3,2,3,3,2]; b: f32[3]",
        [](const Inputs& in) {
          return std::vector{convolve(in.at("x"), in.at("w"), &in.at("b"),
                                      {{2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 1})};
        });
  check("y = conv2d(x, w, padding=valid); x: f32[1,2,4,4] channels_last; w: f32[2,2,4,4]",
        [](const Inputs& in) {
          return std::vector{
              convolve(in.at("x"), in.at("w"), nullptr, {{1, 1}, {0, 0}, {0, 0}, {1, 1}, 1})};
        });
}

TEST_CASE("transposed convolutions scatter") {
  check(
      "y = conv_transpose1d(x, w, stride=3, padding=1, output_padding=2, dilation=2); x: "
      "f32[2,4,5]; w: f32[4,3,4]",
      [](const Inputs& in) {
        return std::vector{scatter(in.at("x"), in.at("w"), {{3}, {1}, {1}, {2}, 1}, {2})};
      });
  check(
      "y = conv_transpose2d(x, w, stride=[2,1], padding=[1,0], groups=2); x: f32[1,4,3,5]; w: "
      "f32[4,3,3,2]",
      [](const Inputs& in) {
        return std::vector{
            scatter(in.at("x"), in.at("w"), {{2, 1}, {1, 0}, {1, 0}, {1, 1}, 2}, {0, 0})};
      });
  check("y = conv_transpose3d(x, w, stride=2); x: f32[1,2,2,3,2]; w: f32[2,3,2,2,3]",
        [](const Inputs& in) {
          return std::vector{scatter(in.at("x"), in.at("w"),
                                     {{2, 2, 2}, {0, 0, 0}, {0, 0, 0}, {1, 1, 1}, 1}, {0, 0, 0})};
        });
}
