// What a check has found so far: one JSON line for each item, written when it is done. The file is
// all that a later call needs to go on; a line that a kill cut short is dropped, and its item is
// done again.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace mtmc::search {

class Journal {
 public:
  // Makes the file where there is none. `subject` says what is checked (device, driver, tool
  // version): a file about another subject is bad_input.
  static Result<Journal> open(const std::string& path, const nlohmann::json& subject);

  bool has(const std::string& stage, const std::string& item) const;
  // Returns when the line is in the file. Errors: unavailable where it cannot be written.
  Result<void> add(const std::string& stage, const std::string& item, const nlohmann::json& result);
  // In the order in which they were done.
  const std::vector<std::pair<std::string, nlohmann::json>>& results(
      const std::string& stage) const;
  const nlohmann::json& subject() const { return subject_; }

 private:
  Result<void> append(const nlohmann::json& line);

  std::string path_;
  nlohmann::json subject_;
  std::map<std::string, std::vector<std::pair<std::string, nlohmann::json>>> results_;
};

}  // namespace mtmc::search
