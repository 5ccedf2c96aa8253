// Inside src/store: rows of verdicts and times as records, for the facets that read them.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "store/connection.hpp"
#include "store/records.hpp"

namespace mtmc::store {

inline constexpr char kVerdictColumns[] =
    "SELECT key, candidate_id, binary_hash, device, harness_version, outcome, verified, message, "
    "worst, details_json, created_at_ms FROM verdicts ";
inline VerdictRecord read_verdict(Cursor& c) {
  return {c.text(), c.text(), c.text(), c.text(), c.integer(), c.text(),
          c.text(), c.text(), c.real(), c.text(), c.integer()};
}

// Outcomes that show a candidate to be wrong. The others (a timeout, a budget, a part that a device
// lacks) say nothing about what it computes, and do not outweigh a verdict that says `correct`.
inline constexpr char kRefuting[] =
    "('mismatch', 'non_finite', 'launch_error', 'out_of_bounds', 'misaligned', 'race', 'deadlock')";

inline constexpr char kModelledColumns[] =
    "SELECT candidate_id, binary_hash, device, cost_model_version, modelled_ns, launch_ns, issue_ns, "
    "shared_ns, latency_ns, l2_ns, dram_ns, tail_ns, counters_json, created_at_ms FROM modelled_times ";
inline ModelledTime read_modelled(Cursor& c) {
  return {{c.text(), c.text(), c.text(), c.integer()},
          c.real(), c.real(), c.real(), c.real(), c.real(), c.real(), c.real(), c.real(),
          c.text(), c.integer()};
}

// Samples are doubles in the byte order of x86 and ARM (little endian), one blob a timing.
inline std::string blob_of(const std::vector<double>& samples) {
  std::string bytes(samples.size() * sizeof(double), '\0');
  if (!samples.empty()) std::memcpy(bytes.data(), samples.data(), bytes.size());
  return bytes;
}
inline std::vector<double> samples_of(const std::string& bytes) {
  std::vector<double> samples(bytes.size() / sizeof(double));
  if (!samples.empty()) std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(double));
  return samples;
}

inline constexpr char kMeasuredColumns[] =
    "SELECT candidate_id, binary_hash, device, driver, protocol, measured_ns, busy_ns, span_ns, "
    "wall_ns, samples, details_json, created_at_ms FROM measured_times ";
inline MeasuredTime read_measured(Cursor& c) {
  return {{c.text(), c.text(), c.text(), c.text(), c.text()},
          c.real(), c.maybe_real(), c.maybe_real(), c.maybe_real(),
          samples_of(c.bytes()), c.text(), c.integer()};
}

}  // namespace mtmc::store
