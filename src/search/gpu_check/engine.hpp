// The order in which a check's stages get the minutes there are, and how it stops and goes on.
//
// Stages come one after another; each may use its share of the minutes that are left (its weight
// over that of itself and those behind it), so that no stage starves the next. When all had their
// turn and minutes are left, those that are not done get them. A stage that lacks something says so
// once and the others go on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "search/gpu_check/journal.hpp"

namespace mtmc::search {

class Stage {
 public:
  virtual ~Stage() = default;
  virtual std::string name() const = 0;   // one word
  virtual std::string about() const = 0;  // one line, for the plan
  virtual double weight() const = 0;
  virtual double minutes() const = 0;  // what all of it is thought to take
  // In order. Items that an earlier call did are not run again. Errors: unavailable where the stage
  // lacks something.
  virtual Result<std::vector<std::string>> items() = 0;
  // What is written down of an item. Errors: unavailable ends the stage for this call and the item
  // is tried again in the next; everything else is the item's own failure and is written down as
  // {"failed": why}.
  virtual Result<nlohmann::json> run(const std::string& item) = 0;
  // Of all that is done, for the report.
  virtual nlohmann::json summary(
      const std::vector<std::pair<std::string, nlohmann::json>>& done) const = 0;
};

using Stages = std::vector<std::unique_ptr<Stage>>;

struct StageReport {
  std::string name;
  std::size_t done = 0, failed = 0, total = 0;  // total: 0 where it is not known
  std::string missing;                          // what the stage lacks; one line
  nlohmann::json summary;
  bool complete() const { return missing.empty() && total > 0 && done == total; }
};

struct CheckReport {
  std::vector<StageReport> stages;
  double minutes = 0;     // that this call took
  bool complete = false;  // nothing is left for a next call
  bool lacking() const;   // some stage lacks something
};

// `clock_minutes` counts from anywhere; `say` gets one line for each item. Errors: the journal
// cannot be written.
Result<CheckReport> run_check(Stages& stages, Journal& journal, double minutes,
                              const std::function<double()>& clock_minutes,
                              const std::function<void(const std::string&)>& say);

// The plan as a table: stage, minutes that it may use of `minutes`, and what it does.
std::string plan_text(const Stages& stages, double minutes);
nlohmann::json plan_json(const Stages& stages, double minutes);

nlohmann::json to_json(const CheckReport& report);
std::string report_text(const CheckReport& report);

}  // namespace mtmc::search
