// Baselines: what PyTorch took for a suite's task, by the oracle's protocol. Every one is kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/store.hpp"

namespace mtmc::store {

struct BaselineRecord {
  std::string task_id;        // "level1/23"
  std::string operator_json;  // the form that was timed
  std::string device;
  std::string framework;       // "torch 2.6.0, CUDA 12.4, cuDNN 90100"
  std::string mode;            // "eager", "compile"
  std::string precision_json;  // {"matmul_tf32": false, "cudnn_tf32": false}, canonical
  std::string protocol;        // "span/stream/cupti/v1"
  double measured_ns = 0;      // the protocol's statistic
  std::optional<double> busy_ns, wall_ns;
  std::vector<double> samples_ns;
  std::string details_json = "{}";
  std::int64_t created_at_ms = 0;
};

class Baselines {
 public:
  explicit Baselines(Store& store) : connection_(&store.connection()) {}

  // Errors: internal for a time that is none.
  Result<void> put(const BaselineRecord& baseline);
  // The newest of each mode, precision and protocol, for a task on a device.
  Result<std::vector<BaselineRecord>> newest(const std::string& task_id, const std::string& device);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
