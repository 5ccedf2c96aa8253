// Source: cupti_profiler_host.h and cupti_range_profiler.h of CUDA 12.6 to 13. The older event and
// metric interfaces are gone from CUDA 13. Reading counters needs a permission that administrators
// give; CUPTI says so when the profiler is enabled.
#include "device/cuda/cuda_counters.hpp"

#include <fmt/format.h>

#include "device/cuda/cupti.hpp"

namespace mtmc::device::cuda {

struct ProfilerHost::Functions {
  int (*initialize)(abi::ProfilerInitialize*);
  int (*chips)(abi::HostGetSupportedChips*);
  int (*open)(abi::HostInitialize*);
  int (*close)(abi::HostObjectOnly*);
  int (*add)(abi::HostConfigAddMetrics*);
  int (*image_size)(abi::HostGetConfigImageSize*);
  int (*image)(abi::HostGetConfigImage*);
  int (*passes)(abi::HostGetNumOfPasses*);
  int (*evaluate)(abi::HostEvaluate*);
  const CuptiLibrary* cupti;
};

struct CudaCounters::Functions {
  int (*chip_name)(abi::GetChipName*);
  int (*enable)(abi::RangeEnable*);
  int (*disable)(abi::RangeProfilerOnly*);
  int (*data_size)(abi::RangeGetCounterDataSize*);
  int (*data_initialize)(abi::RangeCounterDataInitialize*);
  int (*configure)(abi::RangeSetConfig*);
  int (*start)(abi::RangeProfilerOnly*);
  int (*push)(abi::RangePush*);
  int (*pop)(abi::RangeProfilerOnly*);
  int (*stop)(abi::RangeStop*);
  int (*decode)(abi::RangeDecode*);
};

Result<ProfilerHost> ProfilerHost::open() {
  static const auto load = []() -> Result<Functions> {
    auto cupti = cupti_library();
    if (!cupti) return tl::unexpected<Error>(cupti.error());
    Functions f{};
    f.cupti = *cupti;
    bool whole = true;
    const auto need = [&](auto& function, const char* name) {
      function = (*cupti)->library.find<std::decay_t<decltype(function)>>(name);
      whole = whole && function;
    };
    need(f.initialize, "cuptiProfilerInitialize");
    need(f.chips, "cuptiProfilerHostGetSupportedChips");
    need(f.open, "cuptiProfilerHostInitialize");
    need(f.close, "cuptiProfilerHostDeinitialize");
    need(f.add, "cuptiProfilerHostConfigAddMetrics");
    need(f.image_size, "cuptiProfilerHostGetConfigImageSize");
    need(f.image, "cuptiProfilerHostGetConfigImage");
    need(f.passes, "cuptiProfilerHostGetNumOfPasses");
    need(f.evaluate, "cuptiProfilerHostEvaluateToGpuValues");
    if (!whole)
      return unavailable((*cupti)->library.path() +
                         " has no range profiler; CUPTI of CUDA 12.6 or later has");
    return f;
  };
  static const Result<Functions> loaded = load();
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  // Fails without a driver, which the host side does not need.
  abi::ProfilerInitialize initialize;
  loaded->initialize(&initialize);
  return ProfilerHost(&*loaded);
}

Result<std::vector<std::string>> ProfilerHost::chips() const {
  abi::HostGetSupportedChips params;
  if (const int status = functions_->chips(&params); status != abi::cupti_success)
    return unavailable("CUPTI lists no chips: " + functions_->cupti->text(status));
  return std::vector<std::string>(params.chip_names, params.chip_names + params.chip_count);
}

Result<void*> ProfilerHost::object(const std::string& chip) const {
  abi::HostInitialize params;
  params.chip_name = chip.c_str();
  if (const int status = functions_->open(&params); status != abi::cupti_success)
    return unavailable(
        fmt::format("CUPTI does not know the chip {}: {}", chip, functions_->cupti->text(status)));
  return params.host_object;
}

void ProfilerHost::close(void* host_object) const {
  abi::HostObjectOnly params;
  params.host_object = host_object;
  functions_->close(&params);
}

bool ProfilerHost::chip_has(const std::string& chip, const std::string& metric) const {
  auto host_object = object(chip);
  if (!host_object) return false;
  const char* name = metric.c_str();
  abi::HostConfigAddMetrics params;
  params.host_object = *host_object;
  params.metric_names = &name;
  params.metric_count = 1;
  const bool has = functions_->add(&params) == abi::cupti_success;
  close(*host_object);
  return has;
}

Result<ProfilerHost::Plan> ProfilerHost::plan(const std::string& chip,
                                              const std::vector<std::string>& metrics) const {
  auto host_object = object(chip);
  if (!host_object) return tl::unexpected<Error>(host_object.error());
  std::vector<const char*> names;
  for (const auto& m : metrics) names.push_back(m.c_str());
  Plan plan;
  abi::HostConfigAddMetrics add;
  add.host_object = *host_object;
  add.metric_names = names.data();
  add.metric_count = names.size();
  int status = functions_->add(&add);
  abi::HostGetConfigImageSize size;
  size.host_object = *host_object;
  if (status == abi::cupti_success) status = functions_->image_size(&size);
  plan.image.resize(size.image_size);
  abi::HostGetConfigImage image;
  image.host_object = *host_object;
  image.image_size = plan.image.size();
  image.image = plan.image.data();
  if (status == abi::cupti_success) status = functions_->image(&image);
  abi::HostGetNumOfPasses passes;
  passes.image_size = plan.image.size();
  passes.image = plan.image.data();
  if (status == abi::cupti_success) status = functions_->passes(&passes);
  plan.passes = passes.pass_count;
  close(*host_object);
  if (status != abi::cupti_success)
    return unavailable("CUPTI cannot plan the counters: " + functions_->cupti->text(status));
  return plan;
}

Result<std::vector<double>> ProfilerHost::evaluate(const std::string& chip,
                                                   const std::vector<std::string>& metrics,
                                                   const std::vector<std::uint8_t>& data) const {
  auto host_object = object(chip);
  if (!host_object) return tl::unexpected<Error>(host_object.error());
  std::vector<const char*> names;
  for (const auto& m : metrics) names.push_back(m.c_str());
  std::vector<double> values(metrics.size());
  abi::HostEvaluate params;
  params.host_object = *host_object;
  params.counter_data = data.data();
  params.counter_data_size = data.size();
  params.metric_names = names.data();
  params.metric_count = names.size();
  params.values = values.data();
  const int status = functions_->evaluate(&params);
  close(*host_object);
  if (status != abi::cupti_success)
    return unavailable("CUPTI cannot evaluate the counters: " + functions_->cupti->text(status));
  return values;
}

CudaCounters::CudaCounters(CudaDevice& device) : device_(device) {}

CudaCounters::~CudaCounters() {
  if (!profiler_ || !device_.usable()) return;
  abi::RangeProfilerOnly params;
  params.profiler = profiler_;
  functions_->disable(&params);
}

// Enables the profiler on the device's context; the first thing that needs the permission.
Result<void> CudaCounters::open() {
  if (profiler_) return {};
  if (!refusal_.empty()) return unavailable(refusal_);
  const auto refuse = [&](const std::string& why) -> Result<void> {
    refusal_ = "no hardware counters: " + why;
    return unavailable(refusal_);
  };
  auto host = ProfilerHost::open();
  if (!host) return refuse(host.error().message);
  host_ = std::make_unique<ProfilerHost>(*host);
  auto cupti = cupti_library();
  functions_ = std::make_unique<Functions>();
  bool whole = true;
  const auto need = [&](auto& function, const char* name) {
    function = (*cupti)->library.find<std::decay_t<decltype(function)>>(name);
    whole = whole && function;
  };
  need(functions_->chip_name, "cuptiDeviceGetChipName");
  need(functions_->enable, "cuptiRangeProfilerEnable");
  need(functions_->disable, "cuptiRangeProfilerDisable");
  need(functions_->data_size, "cuptiRangeProfilerGetCounterDataSize");
  need(functions_->data_initialize, "cuptiRangeProfilerCounterDataImageInitialize");
  need(functions_->configure, "cuptiRangeProfilerSetConfig");
  need(functions_->start, "cuptiRangeProfilerStart");
  need(functions_->push, "cuptiRangeProfilerPushRange");
  need(functions_->pop, "cuptiRangeProfilerPopRange");
  need(functions_->stop, "cuptiRangeProfilerStop");
  need(functions_->decode, "cuptiRangeProfilerDecodeData");
  if (!whole)
    return refuse((*cupti)->library.path() +
                  " has no range profiler; CUPTI of CUDA 12.6 or later has");
  abi::GetChipName chip;
  chip.device_index = static_cast<std::size_t>(device_.handle());
  if (const int status = functions_->chip_name(&chip); status != abi::cupti_success)
    return refuse((*cupti)->text(status));
  chip_ = chip.chip_name;
  metrics_ =
      resolve_counters([&](const std::string& metric) { return host_->chip_has(chip_, metric); });
  if (metrics_.empty())
    return refuse(fmt::format("CUPTI {} has no metrics for {}", (*cupti)->version_text(), chip_));
  abi::RangeEnable enable;
  enable.context = device_.context();
  const int status = functions_->enable(&enable);
  if (status == abi::cupti_insufficient_privileges ||
      status == abi::cupti_virtualized_device_insufficient_privileges)
    return refuse(
        "not permitted; run as root, or let the administrator set the module option "
        "NVreg_RestrictProfilingToAdminUsers=0");
  if (status != abi::cupti_success) return refuse((*cupti)->text(status));
  profiler_ = enable.profiler;
  return {};
}

Result<void> CudaCounters::permitted() { return open(); }

Result<CounterReport> CudaCounters::count(std::span<const BoundStep> steps) {
  if (auto ok = open(); !ok) return tl::unexpected<Error>(ok.error());
  const auto text = [](int status) { return (*cupti_library())->text(status); };
  CounterReport report;
  std::vector<std::string> counters, metrics;
  for (const auto& [counter, metric] : metrics_) {
    counters.push_back(counter);
    metrics.push_back(metric);
  }
  for (const auto& alias : counter_aliases())
    if (!metrics_.count(std::string(alias.name))) report.absent.emplace_back(alias.name);
  auto plan = host_->plan(chip_, metrics);
  if (!plan) return tl::unexpected<Error>(plan.error());
  for (const auto& step : steps) {
    auto ready = device_.prepare(step);
    if (!ready) return tl::unexpected<Error>(ready.error());
    if (*ready) {
      report.fault = std::move(*ready);
      return report;
    }
  }

  std::vector<const char*> names;
  for (const auto& m : metrics) names.push_back(m.c_str());
  abi::RangeGetCounterDataSize size;
  size.profiler = profiler_;
  size.metric_names = names.data();
  size.metric_count = names.size();
  int status = functions_->data_size(&size);
  std::vector<std::uint8_t> data(size.counter_data_size);
  abi::RangeCounterDataInitialize initialize;
  initialize.profiler = profiler_;
  initialize.counter_data_size = data.size();
  initialize.counter_data = data.data();
  if (status == abi::cupti_success) status = functions_->data_initialize(&initialize);

  abi::RangeSetConfig config;
  config.profiler = profiler_;
  config.config_size = plan->image.size();
  config.config = plan->image.data();
  config.counter_data_size = data.size();
  config.counter_data = data.data();
  abi::RangeProfilerOnly only;
  only.profiler = profiler_;
  abi::RangePush push;
  push.profiler = profiler_;
  push.name = "run";
  abi::RangeStop stop;
  constexpr int kMostPasses = 64;
  while (status == abi::cupti_success && !stop.all_passes_submitted &&
         report.passes < kMostPasses) {
    ++report.passes;
    // Where the next pass begins is what the last stop said.
    config.pass_index = stop.pass_index;
    config.target_nesting_level =
        report.passes == 1 ? 1 : static_cast<std::uint16_t>(stop.target_nesting_level);
    stop = {};
    stop.profiler = profiler_;
    status = functions_->configure(&config);
    if (status == abi::cupti_success) status = functions_->start(&only);
    if (status == abi::cupti_success) status = functions_->push(&push);
    if (status != abi::cupti_success) break;
    for (const auto& step : steps) {
      auto submitted = device_.submit(step);
      if (!submitted) return tl::unexpected<Error>(submitted.error());
      if (*submitted) report.fault = std::move(*submitted);
      if (report.fault) break;
    }
    auto judged = device_.judge_status(
        report.fault ? abi::success : device_.driver().stream_synchronize(device_.stream()), steps);
    if (!judged) return tl::unexpected<Error>(judged.error());
    if (*judged) report.fault = std::move(*judged);
    if (report.fault) return report;
    status = functions_->pop(&only);
    if (status == abi::cupti_success) status = functions_->stop(&stop);
  }
  abi::RangeDecode decode;
  decode.profiler = profiler_;
  if (status == abi::cupti_success) status = functions_->decode(&decode);
  if (status != abi::cupti_success) return unavailable("no hardware counters: " + text(status));
  auto values = host_->evaluate(chip_, metrics, data);
  if (!values) return tl::unexpected<Error>(values.error());
  for (std::size_t i = 0; i < counters.size(); ++i)
    for (const auto& alias : counter_aliases())
      if (alias.name == counters[i]) report.values[counters[i]] = (*values)[i] * alias.scale;
  const auto read = report.values.find("dram_read_bytes"),
             written = report.values.find("dram_write_bytes");
  if (read != report.values.end() && written != report.values.end())
    report.values["dram_bytes"] = read->second + written->second;
  return report;
}

}  // namespace mtmc::device::cuda
