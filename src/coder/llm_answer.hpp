// From a coder model's answer to a candidate. The answer is hostile until proven otherwise: it can
// change the text of sources, the recipe and the tunables, and reaches nothing else.
#pragma once

#include <optional>
#include <string>

#include "coder/coder.hpp"
#include "kernel/candidate.hpp"

namespace mtmc::coder {

struct ReadAnswer {
  std::optional<kernel::Candidate>
      candidate;       // without a schedule; `written_by` is the caller's to set
  std::string reason;  // why there is none: one line, fit to be shown to the model
  bool declined =
      false;  // the model says that the step cannot be carried out: no use in asking again
};

// Takes an answer in one of the forms of prompts/coder.md:
//   - search/replace blocks; each search text must stand exactly once, on whole lines, in its file;
//   - whole files in fences named ```cuda NAME;
//   - with either, one ```json fence with recipe, tunables, constraints, configuration;
//   - "REFUSE: reason".
// And checks what needs no compiler: names and sizes, no hidden characters, includes of the
// candidate's own sources only, inputs and outputs unchanged, no library step unless the step is
// `library`, tunables with legal values, constraints that hold, and a recipe that resolves at the
// stated sizes.
ReadAnswer read_answer(const std::string& answer, const Task& task, const kernel::Candidate& from,
                       const kernel::Step& step);

// The first preprocessor line of a source that may reach a file other than `names`, in any spelling
// (spliced lines, comments between, digraphs, trigraphs, macros, next, embed, import,
// __has_include); empty where there is none.
std::string forbidden_include(const std::string& source, const std::vector<std::string>& names);

}  // namespace mtmc::coder
