#include "search/gpu_check/operators.hpp"

#include <fmt/format.h>

#include <set>

#include "coder/coder.hpp"

namespace mtmc::search {

namespace {

constexpr int kLevels = 4;

// `count` of the list, spread over it, the first always among them.
template <class T>
std::vector<T> spread(std::vector<T> list, std::size_t count) {
  if (list.size() <= count) return list;
  std::vector<T> chosen;
  for (std::size_t i = 0; i < count; ++i)
    chosen.push_back(std::move(list[i * list.size() / count]));
  return chosen;
}

}  // namespace

const std::vector<CheckOperator>& correctness_operators() {
  static const std::vector<CheckOperator> kAll = {
      {"add_f32", "y = a + b; a: f32[M,N]; b: f32[M,N]; M=96; N=136"},
      {"add_f16", "y = a + b; a: f16[M,N]; b: f16[M,N]; M=96; N=136"},
      {"scale_bf16", "y = a * 2.5 + b; a: bf16[M,N]; b: bf16[N]; M=96; N=136"},
      {"integer", "y = a * 3 + b % 7; a: i32[M,N]; b: i32[M,N]; M=64; N=100"},
      {"fused_multiply_add", "y = a * b + c; a: f32[M,N]; b: f32[M,N]; c: f32[N]; M=100; N=128"},
      {"divide_root", "y = sqrt(abs(a)) / (abs(b) + 1); a: f32[M,N]; b: f32[M,N]; M=64; N=128"},
      {"gelu", "y = gelu(x); x: f32[M,N]; M=80; N=128"},
      {"tanh_chain", "y = tanh(x * s + b) * x; x: f32[M,N]; s: f32[N]; b: f32[N]; M=64; N=96"},
      {"double", "y = x * 2 + 1; x: f64[M,N]; M=33; N=65"},
      {"sum_rows", "y = sum(x, 1); x: f32[M,N]; M=64; N=1000"},
      {"sum_columns", "y = sum(x, 0); x: f32[M,N]; M=1000; N=64"},
      {"argmax", "y = argmax(x, 1); x: f32[M,N]; M=48; N=333"},
      {"softmax_f32", "y = softmax(x, -1); x: f32[M,N]; M=48; N=512"},
      {"softmax_f16", "y = softmax(x, -1); x: f16[M,N]; M=48; N=200"},
      {"layer_norm",
       "y = layer_norm(x, [N], w, b); x: f32[M,N]; w: f32[N]; b: f32[N]; M=40; N=384"},
      {"rms_norm_bf16", "y = rms_norm(x, [N], w); x: bf16[M,N]; w: bf16[N]; M=40; N=384"},
      {"matmul_f32", "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=96; N=112; K=80"},
      {"matmul_f16", "y = x @ w; x: f16[M,K]; w: f16[K,N]; M=128; N=128; K=96"},
      {"matmul_bf16", "y = x @ w; x: bf16[M,K]; w: bf16[K,N]; M=128; N=64; K=128"},
      {"matmul_tf32", "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=128; N=128; K=64; precision=tf32"},
      {"gelu_linear",
       "y = gelu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=64; N=96; K=80"},
      {"deep_product", "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=16; N=16; K=4096"},
      {"batched", "y = bmm(a, b); a: f32[B,M,K]; b: f32[B,K,N]; B=3; M=48; N=40; K=56"},
      {"conv2d",
       "y = conv2d(x, w, b, stride=2, padding=1); x: f32[N,C,H,W]; w: f32[O,C,3,3]; b: f32[O]; "
       "N=2; C=5; O=7; H=17; W=19"},
      {"conv_transpose2d",
       "y = conv_transpose2d(x, w, b, stride=2, padding=1); x: f32[2,3,9,11]; w: f32[3,4,3,3]; b: "
       "f32[4]"},
      {"transposed_copy", "y = transpose(x, 0, 1); x: f32[M,N]; M=120; N=72"},
  };
  return kAll;
}

const std::vector<CheckOperator>& cost_operators() {
  static const std::vector<CheckOperator> kAll = {
      {"add", "y = a + b; a: f32[M,N]; b: f32[M,N]; M=4096; N=4096"},
      {"gelu", "y = gelu(x); x: f32[M,N]; M=4096; N=4096"},
      {"chain_f16", "y = tanh(x * s + b) * x; x: f16[M,N]; s: f16[N]; b: f16[N]; M=4096; N=4096"},
      {"sum_rows", "y = sum(x, 1); x: f32[M,N]; M=4096; N=8192"},
      {"sum_columns", "y = sum(x, 0); x: f32[M,N]; M=8192; N=4096"},
      {"softmax", "y = softmax(x, -1); x: f32[M,N]; M=8192; N=2048"},
      {"layer_norm",
       "y = layer_norm(x, [N], w, b); x: f32[M,N]; w: f32[N]; b: f32[N]; M=8192; N=1024"},
      {"matmul_f32", "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=1024; N=1024; K=1024"},
      {"matmul_f16", "y = x @ w; x: f16[M,K]; w: f16[K,N]; M=2048; N=2048; K=1024"},
      {"matmul_tf32",
       "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=1024; N=1024; K=1024; precision=tf32"},
      {"skinny", "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=16; N=4096; K=4096"},
      {"gelu_linear",
       "y = gelu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=512; N=2048; K=1024"},
      {"conv2d",
       "y = conv2d(x, w, b, padding=1); x: f32[N,C,H,W]; w: f32[O,C,3,3]; b: f32[O]; N=8; C=64; "
       "O=64; H=56; W=56"},
  };
  return kAll;
}

Result<CheckTask> check_task(const op::Operator& op, const kernel::DeviceFacts& device,
                             std::size_t per_level, std::size_t configurations) {
  auto region = kernel::make_region(op);
  if (!region) return tl::unexpected<Error>(region.error());
  CheckTask made{std::move(*region), {}};
  auto lowering = op::lower(made.region.op);
  if (!lowering) return tl::unexpected<Error>(lowering.error());
  const auto coder = coder::make_template_coder();
  const coder::Task task{made.region, *lowering, device};
  auto start = coder->start(task);
  if (!start) return tl::unexpected<Error>(start.error());
  if (auto* refusal = std::get_if<coder::Refusal>(&*start)) return bad_input(refusal->reason);
  std::set<std::string> seen;
  std::vector<kernel::Candidate> level{std::get<kernel::Candidate>(std::move(*start))}, all;
  seen.insert(kernel::candidate_id(level.front()));
  for (int depth = 0; depth < kLevels && !level.empty(); ++depth) {
    level = spread(std::move(level), per_level);
    std::vector<std::pair<const kernel::Candidate*, kernel::Step>> steps;
    for (const auto& candidate : level)
      for (auto& step : coder->admissible(task, candidate))
        steps.emplace_back(&candidate, std::move(step));
    // More than are kept: some are refused, some lead to the same candidate.
    std::vector<kernel::Candidate> next;
    for (const auto& [candidate, step] : spread(std::move(steps), 3 * per_level)) {
      auto answer = coder->apply(task, *candidate, step, nullptr);
      if (!answer) return tl::unexpected<Error>(answer.error());
      auto* written = std::get_if<kernel::Candidate>(&*answer);
      if (written && seen.insert(kernel::candidate_id(*written)).second)
        next.push_back(std::move(*written));
    }
    all.insert(all.end(), std::make_move_iterator(level.begin()),
               std::make_move_iterator(level.end()));
    level = std::move(next);
  }
  for (const auto& candidate : all) {
    made.candidates.push_back(candidate);
    for (std::size_t i = 1; i < candidate.ranked.size() && i < configurations; ++i) {
      kernel::Candidate variant = candidate;
      variant.configuration = candidate.ranked[i];
      if (seen.insert(kernel::candidate_id(variant)).second)
        made.candidates.push_back(std::move(variant));
    }
  }
  return made;
}

}  // namespace mtmc::search
