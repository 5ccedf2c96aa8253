// Record and replay: whole conversations as a text file, one JSON object a line
// {"format": 1, "request": {...}, "exchange": {...}}, in the order in which they were held.
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::llm {

// Answers from the recording at `path` (at most 256 MiB) and reaches no network. A request that was
// recorded several times is answered in that order; a request that the recording lacks, or holds
// fewer times than it is asked, is `unavailable` and names the request's hash: a replay never makes
// an answer up. A line that cannot be read is bad_input and names the line.
Result<std::unique_ptr<Endpoint>> make_recorded_endpoint(const std::string& path);

// Passes requests on to `inner` (which must outlive it) and appends each exchange to `path`,
// flushed before the answer is handed on. Failed calls are not recorded. The file is opened at
// once, mode 0600 when it is new.
Result<std::unique_ptr<Endpoint>> make_recording_endpoint(Endpoint& inner, const std::string& path);

}  // namespace mtmc::llm
