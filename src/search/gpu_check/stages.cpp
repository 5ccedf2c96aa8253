#include "search/gpu_check/stages.hpp"

#include <algorithm>

#include "base/rng.hpp"

namespace mtmc::search {

using nlohmann::json;

namespace {

constexpr std::size_t kBaselineSample = 40;

class DoctorStage : public Stage {
 public:
  explicit DoctorStage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "doctor"; }
  std::string about() const override { return "what this machine has, and what it lacks"; }
  double weight() const override { return 1; }
  double minutes() const override { return 0.5; }
  Result<std::vector<std::string>> items() override { return std::vector<std::string>{"doctor"}; }
  Result<json> run(const std::string&) override { return context_.doctor(); }
  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    json absent = json::array();
    if (!done.empty())
      for (const auto& part : done.back().second.value("parts", json::array()))
        if (part.value("state", "") != "present")
          absent.push_back(part.value("part", "") + ": " + part.value("found", ""));
    return {{"absent_or_limited", absent}};
  }

 private:
  CheckContext& context_;
};

}  // namespace

Result<harness::Oracle*> CheckContext::ready_oracle() {
  if (!oracle) {
    auto made = harness::Oracle::create(oracle_settings);
    if (!made) return tl::unexpected<Error>(made.error());
    oracle.emplace(std::move(*made));
  }
  if (oracle->facts().value("device", std::string()).empty())
    return unavailable(
        "PyTorch in " + oracle->facts().value("python", std::string("this Python")) +
        " has no GPU: install one built for CUDA, or name another Python with --python");
  return &*oracle;
}

Result<void> CheckContext::needs_device() const {
  if (no_device.empty()) return {};
  return unavailable(no_device);
}

const json& member(const json& object, const char* key) {
  static const json kNone = json::object();
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::vector<const Task*> baseline_order(const std::vector<Task>& tasks) {
  std::vector<const Task*> order;
  for (const auto& task : tasks) order.push_back(&task);
  // One of every stretch of the suite, which is sorted by kind: a seeded place within it.
  std::vector<const Task*> sample, others;
  const std::size_t stretches = std::min(kBaselineSample, order.size());
  std::size_t next = 0;
  for (std::size_t s = 0; s < stretches; ++s) {
    const std::size_t first = s * order.size() / stretches,
                      end = (s + 1) * order.size() / stretches;
    const std::size_t chosen = first + random_bits(40, stream_of("baselines"), s) % (end - first);
    for (; next < end; ++next) (next == chosen ? sample : others).push_back(order[next]);
  }
  sample.insert(sample.end(), others.begin(), others.end());
  return sample;
}

std::unique_ptr<Stage> make_doctor_stage(CheckContext& context) {
  return std::make_unique<DoctorStage>(context);
}

Stages all_stages(CheckContext& context) {
  Stages stages;
  for (auto make : {make_doctor_stage, make_timing_stage, make_correctness_stage, make_twin_stage,
                    make_measure_stage, make_baseline_stage, make_tf32_stage, make_model_stage})
    stages.push_back(make(context));
  return stages;
}

}  // namespace mtmc::search
