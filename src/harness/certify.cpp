#include "harness/certify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.hpp"

namespace mtmc::harness {

namespace {

using nlohmann::json;

constexpr double kRoundoff = 0x1p-53;

struct Block {
  std::int64_t first = 0, count = 0;
};

// What of one output is looked at.
struct Sample {
  std::string name;
  int tensor = -1;
  op::DType dtype = op::DType::f32;
  std::vector<std::int64_t> indices;
  std::vector<Block> blocks;
};

double number_in(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "inf") return INFINITY;
  if (value == "-inf") return -INFINITY;
  return NAN;
}

double allowed(op::DType dtype, const op::ReferenceValue& v) {
  if (!op::is_float(dtype)) return 0;
  return kRoundoff * (32 * v.error + 8 * std::fabs(v.value)) + 1e-300;
}

// 0: equal; above 1: too far.
double distance(double got, double expected, double limit) {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return 0;
  if (!std::isfinite(got) || !std::isfinite(expected) || limit <= 0) return INFINITY;
  return std::fabs(got - expected) / limit;
}

Sample choose(const op::Lowering& lowering, const op::Reference& reference, int tensor,
              const CertifyOptions& options) {
  const op::Tensor& t = lowering.tensors[static_cast<std::size_t>(tensor)];
  Sample s{t.name, tensor, t.dtype, {}, {}};
  std::int64_t total = 1;
  for (const auto& e : t.shape) total *= e.evaluate(lowering.dims).value_or(1);
  const std::uint64_t stream = stream_of("certify " + t.name);
  const auto random = [&](std::uint64_t i, std::int64_t below) {
    return static_cast<std::int64_t>(random_bits(options.seed, stream, i) %
                                     static_cast<std::uint64_t>(below));
  };
  if (total <= options.elements) {
    s.indices.resize(static_cast<std::size_t>(total));
    std::iota(s.indices.begin(), s.indices.end(), 0);
  } else {
    s.indices = {0, total - 1};
    for (std::uint64_t i = 0; static_cast<std::int64_t>(s.indices.size()) < options.elements; ++i)
      s.indices.push_back(random(i, total));
    std::sort(s.indices.begin(), s.indices.end());
    s.indices.erase(std::unique(s.indices.begin(), s.indices.end()), s.indices.end());
  }
  // Equal shares of the output; of each as much as the costs allow, from a place within the share.
  const std::int64_t blocks = std::min(options.blocks, total);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t first = total * b / blocks, share = total * (b + 1) / blocks - first;
    std::int64_t count = share;
    while (count > 1 && reference.cost(tensor, count) >
                            options.reference_operations / static_cast<double>(blocks))
      count /= 2;
    const std::int64_t slack = share - count;
    s.blocks.push_back(
        {first + (slack > 0 ? random(1'000'000 + static_cast<std::uint64_t>(b), slack + 1) : 0),
         count});
  }
  return s;
}

json request_for(const op::Operator& op, const std::vector<Sample>& samples,
                 const CertifyOptions& options) {
  json outputs = json::array();
  for (const auto& s : samples) {
    json blocks = json::array();
    for (const auto& b : s.blocks) blocks.push_back({b.first, b.count});
    outputs.push_back({{"name", s.name}, {"indices", s.indices}, {"blocks", blocks}});
  }
  json request = {{"do", "values"},
                  {"operator", op::to_json(op)},
                  {"seed", options.seed},
                  {"outputs", outputs}};
  if (!options.task_file.empty()) {
    request["task_file"] = options.task_file;
    request["source_sha256"] = options.source_sha256;
  }
  return request;
}

class Comparison {
 public:
  explicit Comparison(Certificate& certificate) : certificate_(certificate) {}

  void value(const Sample& s, std::int64_t index, const op::ReferenceValue& ours, double theirs) {
    ++certificate_.elements;
    note(distance(ours.value, theirs, allowed(s.dtype, ours)), [&] {
      return fmt::format("{}[{}]: the reference says {:.17g}, PyTorch {:.17g}", s.name, index,
                         ours.value, theirs);
    });
  }

  void block(const Sample& s, const Block& b, std::span<const op::ReferenceValue> ours, double sum,
             double magnitude) {
    ++certificate_.blocks;
    certificate_.block_elements += b.count;
    long double mine = 0;
    double limit = kRoundoff * (std::log2(static_cast<double>(b.count)) + 2) * magnitude;
    for (const auto& v : ours) {
      mine += v.value;
      limit += allowed(s.dtype, v);
    }
    note(distance(static_cast<double>(mine), sum, limit), [&] {
      return fmt::format("{}[{}..{}]: the reference's sum is {:.17g}, PyTorch's {:.17g}", s.name,
                         b.first, b.first + b.count - 1, static_cast<double>(mine), sum);
    });
  }

 private:
  template <class Text>
  void note(double far, Text text) {
    certificate_.worst = std::max(certificate_.worst, far);
    if (far <= 1) return;
    if (certificate_.holds) certificate_.message = text();
    certificate_.holds = false;
  }
  Certificate& certificate_;
};

}  // namespace

Result<Certificate> certify(const op::Operator& op, Oracle& oracle, const CertifyOptions& options) {
  auto lowering = op::lower(op);
  if (!lowering) return tl::unexpected<Error>(lowering.error());
  auto reference = op::Reference::create_seeded(op, *lowering, lowering->dims, options.seed);
  if (!reference) return tl::unexpected<Error>(reference.error());
  std::vector<Sample> samples;
  for (std::size_t t = 0; t < lowering->tensors.size(); ++t)
    if (lowering->tensors[t].kind == op::Tensor::Kind::output)
      samples.push_back(choose(*lowering, *reference, static_cast<int>(t), options));
  auto answer = oracle.ask(request_for(op, samples, options), options.timeout);
  if (!answer) return tl::unexpected<Error>(answer.error());

  Certificate certificate;
  certificate.holds = true;
  Comparison compare(certificate);
  try {
    for (std::size_t o = 0; o < samples.size(); ++o) {
      const Sample& s = samples[o];
      const json& theirs = answer->at("outputs").at(o);
      auto ours = reference->evaluate(s.tensor, s.indices);
      if (!ours) return tl::unexpected<Error>(ours.error());
      for (std::size_t i = 0; i < s.indices.size(); ++i)
        compare.value(s, s.indices[i], (*ours)[i], number_in(theirs.at("values").at(i)));
      for (std::size_t b = 0; b < s.blocks.size(); ++b) {
        std::vector<std::int64_t> indices(static_cast<std::size_t>(s.blocks[b].count));
        std::iota(indices.begin(), indices.end(), s.blocks[b].first);
        auto block = reference->evaluate(s.tensor, indices);
        if (!block) return tl::unexpected<Error>(block.error());
        const json& sums = theirs.at("sums").at(b);
        compare.block(s, s.blocks[b], *block, number_in(sums.at(0)), number_in(sums.at(1)));
      }
    }
  } catch (const json::exception& e) {
    return internal_error(
        fmt::format("the oracle's answer has another form than expected: {}", e.what()));
  }
  return certificate;
}

}  // namespace mtmc::harness
