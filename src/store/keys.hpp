// Identity: keys by content, so that equal work is found again and databases can be merged.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "store/records.hpp"

namespace mtmc::store {

// SHA-256 over the fields with their lengths: ("ab", "c") and ("a", "bc") differ.
std::string content_key(std::initializer_list<std::string_view> fields);

std::string run_key(const RunIdentity& identity);
std::string sweep_key(const SweepIdentity& identity);

// What a verdict depends on. `recipe`, `cases` and `tolerance` are canonical texts or hashes.
struct VerdictIdentity {
  std::string binary_hash, recipe, cases, tolerance, device;
  std::int64_t harness_version = 0;
};
std::string verdict_key(const VerdictIdentity& identity);

// A node is the way to it: region, parent node and step, so a resumed search finds its own again.
// `attempt` tells repeats of one step apart (another sample of a model's answer).
std::string node_id(std::string_view region_hash, std::string_view parent_id,
                    std::string_view step_key, std::int64_t attempt = 0);

// 32 random hexadecimal digits, for what has no content of its own (runs, sweeps, measurements).
std::string random_id();

}  // namespace mtmc::store
