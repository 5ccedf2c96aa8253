#include "device/stopwatch.hpp"

namespace mtmc::device {

std::string_view name_of(Submission submission) {
  return submission == Submission::graph ? "graph" : "stream";
}
std::string_view name_of(TimeSource source) {
  return source == TimeSource::activity ? "activity" : "events";
}
std::string_view name_of(CacheState state) { return state == CacheState::cold ? "cold" : "warm"; }

}  // namespace mtmc::device
