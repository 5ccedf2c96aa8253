#include "op/examples.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "op/table.hpp"

namespace mtmc::op::test {

const std::vector<Example>& examples() {
  static const std::vector<Example> all = [] {
    std::vector<Example> out;
    const std::string x = "; x: f32[M,N]; M=5; N=7", xy = "; x: f32[M,N]; y: f16[N]; M=5; N=7";
    for (const char* name :
         {"exp",         "log",        "log2",       "exp2",       "log1p",       "expm1",
          "sqrt",        "rsqrt",      "reciprocal", "sin",        "cos",         "erf",
          "abs",         "neg",        "sign",       "floor",      "ceil",        "round",
          "trunc",       "square",     "identity",   "isnan",      "logical_not", "relu",
          "relu6",       "leaky_relu", "elu",        "selu",       "celu",        "gelu",
          "silu",        "sigmoid",    "tanh",       "softplus",   "softsign",    "hardtanh",
          "hardsigmoid", "hardswish",  "mish",       "logsigmoid", "hardshrink",  "softshrink",
          "tanhshrink",  "sum",        "prod",       "mean",       "amax",        "amin",
          "argmax",      "argmin",     "any",        "all",        "var",         "std",
          "norm",        "logsumexp",  "softmax",    "softmin",    "log_softmax", "flatten",
          "triu",        "tril",       "t",          "squeeze",    "slice"})
      out.push_back({name, std::string("r = ") + name + "(x)" + x});
    for (const char* name :
         {"add", "sub", "mul", "div", "floor_divide", "remainder", "pow", "maximum", "minimum",
          "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"})
      out.push_back({name, std::string("r = ") + name + "(x, y)" + xy});
    const auto add = [&](std::string row, std::string line) {
      out.push_back({std::move(row), std::move(line)});
    };
    add("add", "r = add(x, 2.5, alpha=-3) + (x - M)" + x);
    add("gelu", "r = gelu(x, approximate='tanh')" + x);
    add("where", "r = where(x > 0, x, -inf)" + x);
    add("masked_fill", "r = masked_fill(x, x > y, 0)" + xy);
    add("clamp", "r = clamp(x, max=y)" + xy);
    add("clamp_min", "r = clamp_min(x, 0.25)" + x);
    add("clamp_max", "r = clamp_max(x, 1e-3)" + x);
    add("lerp", "r = lerp(x, y, 0.1)" + xy);
    add("scalar", "r = x * (M * N - 1)" + x);
    add("threshold", "r = threshold(x, 0.5, -1)" + x);
    add("max", "v, i = max(x, dim=1, keepdim=True)" + x);
    add("min", "v = min(x, 0)" + x);
    add("sum", "r = sum(x, [0, -1], keepdim=True, dtype=f64)" + x);
    add("norm", "r = norm(x, p=inf, dim=0)" + x);
    add("var", "r = var(x, 1, correction=0)" + x);
    add("softmax", "r = softmax(x, 0, dtype=f32); x: bf16[M,N,3]; M=4; N=2");
    add("layer_norm", "r = layer_norm(x, [N], w, b, eps=1e-6); w: f32[N]; b: f32[N]" + x);
    add("rms_norm", "r = rms_norm(x, [N])" + x);
    add("group_norm",
        "r = group_norm(x, 2, w, b); x: f16[N,C,H]; w: f16[C]; b: f16[C]; N=3; C=4; H=5");
    add("batch_norm",
        "r = batch_norm(x, m, v); x: f32[N,C,H]; m: f32[C]; v: f32[C] ~ uniform(0.5, 2); N=3; C=4; "
        "H=5");
    add("batch_norm", "r = batch_norm(x, training=True); x: f32[N,C]; N=3; C=4");
    add("instance_norm", "r = instance_norm(x, eps=0.1); x: f32[N,C,H]; N=3; C=4; H=5");
    add("cumsum", "r = cumsum(x, 1)" + x);
    add("cumprod", "r = cumprod(x, dim=-2, dtype=f64); x: f32[2,M,N]; M=5; N=3");
    add("matmul", "r = x @ w; x: f32[B,M,K]; w: f32[K,N] weight; B=2; M=3; N=4; K=5");
    add("matmul", "r = a @ b; a: f32[K]; b: f32[K]; K=5; precision=tf32");
    add("mm", "r = mm(a, b); a: f16[M,K]; b: f16[K,M]; M=3; K=5");
    add("bmm", "r = bmm(a, b); a: bf16[B,M,K]; b: bf16[B,K,N]; B=2; M=3; K=5; N=4");
    add("mv", "r = mv(a, b); a: f64[M,K]; b: f64[K]; M=3; K=5");
    add("dot", "r = dot(a, b); a: f32[K]; b: f32[K]; K=5");
    add("linear", "r = linear(x, w, b); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=3; N=4; K=5");
    add("linear", "r = linear(x, w); x: f32[M,K]; w: f32[N,K]; M=3; N=4; K=5");
    add("addmm",
        "r = addmm(c, a, b, alpha=0.5); c: f32[N]; a: f32[M,K]; b: f32[K,N]; M=3; N=4; K=5");
    add("baddbmm",
        "r = baddbmm(c, a, b, beta=0); c: f32[1]; a: f32[B,M,K]; b: f32[B,K,N]; B=2; M=3; N=4; "
        "K=5");
    add("outer", "r = outer(a, b); a: f32[M]; b: f32[N]; M=3; N=4");
    add("einsum",
        "r = einsum('bik, kj -> bij', a, b); a: f32[B,M,K]; b: f32[K,N]; B=2; M=3; N=4; K=5");
    add("conv1d",
        "r = conv1d(x, w, b, stride=2, padding=1); x: f32[N,C,L]; w: f32[O,C,3]; b: f32[O]; N=2; "
        "C=3; O=4; L=9");
    add("conv2d",
        "r = conv2d(x, w, padding=same, groups=C); x: f32[N,C,H,W] channels_last; w: f32[C,1,3,3]; "
        "N=2; C=3; H=5; W=6");
    add("conv3d",
        "r = conv3d(x, w, dilation=[1,2,1]); x: f32[N,C,4,5,H]; w: f32[2,C,2,2,2]; N=1; C=2; H=6");
    add("conv_transpose1d",
        "r = conv_transpose1d(x, w, stride=2, output_padding=1); x: f32[N,C,L]; w: f32[C,2,3]; "
        "N=2; C=3; L=5");
    add("conv_transpose2d",
        "r = conv_transpose2d(x, w, groups=3, padding=1); x: f32[2,3,H,W]; w: f32[3,2,3,3]; H=5; "
        "W=4");
    add("conv_transpose3d",
        "r = conv_transpose3d(x, w, stride=2); x: f32[1,C,2,H,2]; w: f32[C,2,2,2,2]; C=2; H=3");
    add("transpose", "r = transpose(x, 0, -1); x: i32[M,N,3]; M=4; N=2");
    add("permute", "r = permute(x, [2,0,1]); x: u8[M,N,3]; M=4; N=2");
    add("reshape", "r = reshape(x, [B, H, -1]); x: f32[B, H*D]; B=2; H=3; D=5");
    add("unsqueeze", "r = unsqueeze(x, 1)" + x);
    add("expand", "r = expand(x, [3, M, -1])" + x);
    add("slice", "r = slice(x, 1, N/2, step=2)" + x);
    add("narrow", "r = narrow(x, 1, 1, N - 2)" + x);
    add("select", "r = select(x, 0, -1)" + x);
    add("flip", "r = flip(x, [1])" + x);
    add("cat", "r = cat([x, relu(x), y], dim=0); y: f32[2,N]" + x);
    add("stack", "r = stack([x, x], 1)" + x);
    add("chunk", "a, b = chunk(x, 2, dim=1); x: f32[M, 2*N]; M=3; N=4");
    add("to", "r = to(x, i8)" + x);
    // Shapes of graphs: sharing, several outputs, nesting in and out of order.
    add("mul", "h = relu(x); r = h * h + sigmoid(h)" + x);
    add("exp", "a = exp(x); b = sum(a, 1, keepdim=True); return a, b" + x);
    add("div",
        "r = linear(input=tanh(x), weight=exp(w)) / softmax(x @ t(w)); x: f32[M,K]; w: f32[N,K]; "
        "M=3; N=4; K=5");
    return out;
  }();
  return all;
}

void compare_with_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(MTMC_SOURCE_DIR) + "/tests/op/goldens/" + name;
  if (std::getenv("MTMC_UPDATE_GOLDENS")) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  INFO(path << " (MTMC_UPDATE_GOLDENS=1 rewrites it)");
  REQUIRE(file);
  std::stringstream golden;
  golden << file.rdbuf();
  std::istringstream expected(golden.str()), found(text);
  std::string e, f;
  for (int line = 1;; ++line) {
    const bool more_e = static_cast<bool>(std::getline(expected, e)),
               more_f = static_cast<bool>(std::getline(found, f));
    if (!more_e && !more_f) break;
    INFO("line " << line);
    REQUIRE((more_e ? e : "the end") == (more_f ? f : "the end"));
  }
}

}  // namespace mtmc::op::test
