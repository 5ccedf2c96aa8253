// PyTorch's side: baselines of the suite's tasks, and what TF32 does to its convolutions.
#include <algorithm>

#include "search/gpu_check/stages.hpp"
#include "store/baselines.hpp"

namespace mtmc::search {

using nlohmann::json;

namespace {

constexpr std::chrono::minutes kPatience{5};
constexpr double kSecondsEach = 2;

bool is_convolution(const Task& task) {
  return std::any_of(task.operators.begin(), task.operators.end(),
                     [](const std::string& o) { return o.rfind("conv", 0) == 0; });
}

const Task* find(const std::vector<Task>& tasks, const std::string& id) {
  const auto found =
      std::find_if(tasks.begin(), tasks.end(), [&](const Task& t) { return t.id == id; });
  return found == tasks.end() ? nullptr : &*found;
}

// What the oracle says of a task. Its own failure (memory, an operator that PyTorch lacks) is not
// this stage's end.
Result<json> ask(CheckContext& context, json request, const Task& task) {
  auto oracle = context.ready_oracle();
  if (!oracle) return tl::unexpected<Error>(oracle.error());
  request["operator"] = json::parse(task.official);
  request["seed"] = context.seed;
  auto answer = (*oracle)->ask(request, kPatience);
  if (!answer) return internal_error(answer.error().message);
  return answer;
}

class BaselineStage : public Stage {
 public:
  explicit BaselineStage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "baselines"; }
  std::string about() const override {
    return "PyTorch eager and torch.compile, 40 tasks at official sizes, then the others";
  }
  double weight() const override { return 6; }
  double minutes() const override { return 20; }

  Result<std::vector<std::string>> items() override {
    if (auto oracle = context_.ready_oracle(); !oracle)
      return tl::unexpected<Error>(oracle.error());
    std::vector<std::string> ids;
    for (const Task* task : baseline_order(context_.tasks)) ids.push_back(task->id);
    return ids;
  }

  // Exact f32 first, which is what our kernels are held to; convolutions also as PyTorch runs them
  // unasked (cuDNN's TF32).
  Result<json> run(const std::string& item) override {
    const Task& task = *find(context_.tasks, item);
    json result = json::object();
    for (const bool tf32 : {false, true}) {
      if (tf32 && !is_convolution(task)) continue;
      auto answer = ask(context_,
                        {{"do", "times"},
                         {"seconds", kSecondsEach},
                         {"precision", {{"matmul_tf32", false}, {"cudnn_tf32", tf32}}},
                         {"modes", tf32 ? json{"eager"} : json{"eager", "compile"}}},
                        task);
      if (!answer) return tl::unexpected<Error>(answer.error());
      if (auto ok = remember(task, *answer); !ok) return tl::unexpected<Error>(ok.error());
      for (auto& [mode, time] : (*answer)["times"].items()) time.erase("samples_ns");
      result[tf32 ? "cudnn_tf32" : "exact"] = std::move(*answer);
    }
    return result;
  }

  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    std::size_t eager = 0, compiled = 0;
    std::vector<double> ratios;
    for (const auto& [item, result] : done) {
      const json exact = result.value("exact", json::object()),
                 times = exact.value("times", json::object());
      eager += times.contains("eager");
      compiled += times.contains("compile");
      if (const auto& ratio = exact.value("compile_over_eager", json()); ratio.is_array())
        ratios.push_back(ratio[0].get<double>());
    }
    json out = {{"eager", eager}, {"compile", compiled}};
    if (!ratios.empty()) out["median_compile_over_eager_time"] = harness::median(ratios);
    return out;
  }

 private:
  Result<void> remember(const Task& task, const json& answer) {
    const json& facts = context_.oracle->facts();
    for (const auto& [mode, time] : member(answer, "times").items()) {
      store::BaselineRecord record;
      record.task_id = task.id;
      record.operator_json = task.official;
      record.device = context_.bench->device();
      record.framework = "torch " + facts.value("torch", std::string("?")) + ", CUDA " +
                         facts.value("cuda", std::string("?")) + ", cuDNN " +
                         std::to_string(facts.value("cudnn", 0));
      record.mode = mode;
      record.precision_json = answer.value("precision", json::object()).dump();
      record.protocol = time.value("protocol", "");
      record.measured_ns = time.value("time_ns", 0.0);
      if (time.contains("busy_ns")) record.busy_ns = time["busy_ns"].get<double>();
      if (time.contains("wall_ns")) record.wall_ns = time["wall_ns"].get<double>();
      record.samples_ns = time.value("samples_ns", std::vector<double>());
      record.details_json = json{{"low_ns", time.value("low_ns", 0.0)},
                                 {"high_ns", time.value("high_ns", 0.0)},
                                 {"settled", answer.value("settled", false)},
                                 {"note", answer.value("note", "")}}
                                .dump();
      if (auto ok = store::Baselines(context_.bench->store()).put(record); !ok) return ok;
    }
    return {};
  }

  CheckContext& context_;
};

class Tf32Stage : public Stage {
 public:
  explicit Tf32Stage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "tf32"; }
  std::string about() const override {
    return "cuDNN with TF32 against exact f32 at 1e-4, on the suite's convolutions";
  }
  double weight() const override { return 2; }
  double minutes() const override { return 3; }

  Result<std::vector<std::string>> items() override {
    if (auto oracle = context_.ready_oracle(); !oracle)
      return tl::unexpected<Error>(oracle.error());
    std::vector<std::string> ids;
    for (const auto& task : context_.tasks)
      if (is_convolution(task)) ids.push_back(task.id);
    return ids;
  }
  Result<json> run(const std::string& item) override {
    return ask(context_, {{"do", "tf32_distance"}, {"atol", 1e-4}, {"rtol", 1e-4}},
               *find(context_.tasks, item));
  }
  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    std::size_t looked_at = 0, outside = 0;
    double largest = 0;
    for (const auto& [item, result] : done) {
      if (!result.contains("outside")) continue;
      ++looked_at;
      outside += result["outside"].get<std::int64_t>() > 0;
      largest = std::max(largest, result.value("fraction", 0.0));
    }
    return {{"convolutions", looked_at},
            {"with_elements_beyond_1e-4", outside},
            {"largest_fraction_beyond", largest}};
  }

 private:
  CheckContext& context_;
};

}  // namespace

std::unique_ptr<Stage> make_baseline_stage(CheckContext& context) {
  return std::make_unique<BaselineStage>(context);
}
std::unique_ptr<Stage> make_tf32_stage(CheckContext& context) {
  return std::make_unique<Tf32Stage>(context);
}

}  // namespace mtmc::search
