// One line or more for every row of the operator table, on odd shapes with named dims where it can
// have them.
#pragma once

#include <string>
#include <vector>

namespace mtmc::op::test {

struct Example {
  std::string row;
  std::string line;
};
// A row without an example fails a test.
const std::vector<Example>& examples();

// Compares with goldens/NAME; with MTMC_UPDATE_GOLDENS set, rewrites it instead.
void compare_with_golden(const std::string& name, const std::string& text);

}  // namespace mtmc::op::test
