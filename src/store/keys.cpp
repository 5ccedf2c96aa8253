// Keys are hashes of tagged, length-prefixed fields. The tag ("run", "verdict", ...) keeps keys of
// different kinds apart; changing a key's fields needs another tag, or old rows would be found.
#include "store/keys.hpp"

#include <random>

#include "base/hash.hpp"

namespace mtmc::store {

std::string content_key(std::initializer_list<std::string_view> fields) {
  std::string bytes;
  for (std::string_view field : fields) {
    bytes += std::to_string(field.size());
    bytes += ':';
    bytes += field;
  }
  return sha256(bytes);
}

std::string run_key(const RunIdentity& identity) {
  return content_key({"run", identity.operator_hash, identity.device, identity.settings_json,
                      std::to_string(identity.seed), identity.tool_version});
}

std::string sweep_key(const SweepIdentity& identity) {
  return content_key({"sweep", identity.name, identity.device, identity.settings_json,
                      std::to_string(identity.seed), identity.tool_version});
}

std::string verdict_key(const VerdictIdentity& identity) {
  return content_key({"verdict", identity.binary_hash, identity.recipe, identity.cases,
                      identity.tolerance, identity.device,
                      std::to_string(identity.harness_version)});
}

std::string node_id(std::string_view region_hash, std::string_view parent_id,
                    std::string_view step_key, std::int64_t attempt) {
  return content_key({"node", region_hash, parent_id, step_key, std::to_string(attempt)});
}

std::string random_id() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device source;  // getrandom or the CPU's generator
  std::string id;
  for (int word = 0; word < 4; ++word) {
    std::uint32_t bits = source();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) id += kDigits[bits & 15];
  }
  return id;
}

}  // namespace mtmc::store
