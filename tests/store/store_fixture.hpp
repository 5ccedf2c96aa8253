// A folder that goes away with its test, and records to fill a store with.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include "base/hash.hpp"
#include "store/candidates.hpp"
#include "store/evidence.hpp"
#include "store/exchanges.hpp"
#include "store/keys.hpp"
#include "store/queries.hpp"
#include "store/runs.hpp"
#include "store/store.hpp"
#include "store/sweeps.hpp"
#include "store/tree.hpp"
#include "store/tuning.hpp"

namespace mtmc::store {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "mtmc-store-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A clock that moves one second at each look.
inline OpenOptions ticking() {
  OpenOptions options;
  options.now_ms = [now = std::int64_t{1'700'000'000'000}]() mutable { return now += 1000; };
  return options;
}

template <class T>
T good(Result<T> result) {
  if (!result) FAIL(result.error().message);
  return std::move(*result);
}
inline void good(Result<void> result) {
  if (!result) FAIL(result.error().message);
}

inline Store memory_store() { return good(Store::open(":memory:", OpenMode::create, ticking())); }

inline OperatorRecord operator_record(const std::string& name) {
  const std::string line = "y = " + name + "(x); x: f32[M]; M=64";
  return {sha256(line), line, "{}", {name}};
}

inline RunIdentity identity_of(const OperatorRecord& op, std::uint64_t seed = 0,
                               const std::string& device = "emulated NVIDIA H200") {
  return {op.hash, device, "{}", seed, "0.1.0"};
}

inline RegionRecord region_record(const std::string& text) { return {sha256(text), text}; }

inline CandidateRecord candidate_record(const RegionRecord& region, const std::string& salt,
                                        const std::string& parent = "") {
  return {sha256("candidate " + salt), region.hash, R"({"sources":[]})", parent,
          parent.empty() ? "start" : "tile g0", "template", 0};
}

inline VerdictRecord verdict_record(const std::string& candidate, const std::string& outcome,
                                    std::int64_t harness_version = 1,
                                    const std::string& device = "emulated NVIDIA H200") {
  VerdictRecord v;
  v.candidate_id = candidate;
  v.binary_hash = sha256("binary of " + candidate);
  v.device = device;
  v.harness_version = harness_version;
  v.outcome = outcome;
  v.verified = outcome == "correct" ? "full" : "none";
  v.message = outcome == "correct" ? "" : outcome + " at y[3]";
  v.worst = 0.25;
  v.key = verdict_key({v.binary_hash, "recipe", "stated", "1e-5", device, harness_version});
  return v;
}

inline ModelledTime modelled_time(const std::string& candidate, double ns,
                                  std::int64_t version = 1) {
  ModelledTime t;
  t.key = {candidate, sha256("binary of " + candidate), "emulated NVIDIA H200", version};
  t.modelled_ns = ns;
  t.launch_ns = 1000;
  t.l2_ns = ns / 2;
  t.dram_ns = ns - 1000;
  return t;
}

inline RunResult correct_result(const std::string& candidate, const std::string& region,
                                double start_ns, double best_ns, double bound_ns) {
  RunResult r;
  r.verdict = "correct";
  r.verified = "full";
  r.candidate_id = candidate;
  r.bound_ns = bound_ns;
  r.cost_model_version = 1;
  r.start.modelled_ns = start_ns;
  r.best.modelled_ns = best_ns;
  r.compiles = 5;
  r.regions = {{region, 1, candidate}};
  return r;
}

}  // namespace mtmc::store
