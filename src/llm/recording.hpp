// Recordings: the whole conversation of a run as a text file, one JSON object a line, in the order
// in which it was held:
//   {"format": 2, "run": {"operator": ..., "device": ..., "settings": {...}, "priors": [...]}}
//   {"role": "planner", "request": {...}, "exchange": {...}}
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::llm {

struct RecordedExchange {
  Request request;
  Exchange exchange;
};
struct Recording {
  std::string run_json = "{}";  // what the run was, for whoever replays it; JSON object
  std::vector<RecordedExchange> exchanges;
};

// At most 256 MiB. A line that cannot be read is bad_input and names the line.
Result<Recording> read_recording(const std::string& path);
// Replaces the file whole or not at all; mode 0600.
Result<void> write_recording(const std::string& path, const Recording& recording);

// How a replay finds its answers. request: by the request's hash; asked several times, in the
// recorded order. order: the next answer to the same role, whatever was asked; what a recording is
// carried over with to prompts that have changed since (scripts/update_replays).
enum class Match { request, order };

// Answers from the recording and reaches no network. A request that it lacks, or holds fewer times
// than it is asked, is `unavailable`, and says where it departs from the nearest one that was
// recorded: a replay never makes an answer up. `name` is for messages.
std::unique_ptr<Endpoint> make_recorded_endpoint(Recording recording, std::string name,
                                                 Match match = Match::request);

}  // namespace mtmc::llm
