// Search/replace blocks of a model's answer.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernel/candidate.hpp"

namespace mtmc::coder {

struct Edit {
  std::string file;
  std::string search, replace;  // whole lines, each ending in a newline; `search` is not empty
};

// The blocks of an answer, in order; `unit` is meant where a block names no file. bad_input where a
// block is not whole.
Result<std::vector<Edit>> read_edits(const std::string& answer, const std::string& unit);

// Applies edits in order, each to what the ones before left. An edit whose search text does not
// stand exactly once, on whole lines, in its file is bad_input that says how often it does;
// `sources` is then half changed and of no use.
Result<void> apply_edits(const std::vector<Edit>& edits, std::vector<kernel::SourceFile>& sources);

}  // namespace mtmc::coder
