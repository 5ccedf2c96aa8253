// What a machine offers to this tool: each part with what was found, and what to do where it is not
// there.
//
// The checks change nothing and send nothing; an endpoint is asked for one token only where one is
// named.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/endpoint_options.hpp"

namespace mtmc::cli {

// present: it works. limited: it works in part. absent: it does not, and runs do without it.
// broken: runs cannot do without it.
enum class PartState { present, limited, absent, broken };
std::string_view name_of(PartState state);

struct Part {
  std::string name;
  PartState state = PartState::absent;
  std::string found;  // one line: what is there, or why it is not
  std::string to_do;  // one line; empty where there is nothing to do
};

struct DoctorOptions {
  std::string tool;      // path of the executable
  std::string database;  // empty: the default one
  std::string python;    // as the oracle takes it
  EndpointChoice endpoint;
};

std::vector<Part> examine(const DoctorOptions& options);
nlohmann::json to_json(const std::vector<Part>& parts);

// An unpacked bundle is whole: <root>/MANIFEST lists every file with its SHA-256, as sha256sum
// writes it. Where there is no manifest this is no bundle, and nothing is said.
std::vector<Part> examine_bundle(const std::string& root);

}  // namespace mtmc::cli
