// The worked examples of prompts/actions/ are answers like a model's: they are read, compiled and
// run against the reference at the stated, ragged and tiny sizes, so that none can rot.
#include <catch2/catch.hpp>

#include "coder/llm_answer.hpp"
#include "coder/workbench.hpp"
#include "llm/prompt.hpp"

using namespace mtmc;
using namespace mtmc::coder;
using namespace mtmc::coder::test;

namespace {

std::string operator_of(std::string_view page) {
  const std::string_view mark = "Operator: `";
  const auto at = page.find(mark);
  if (at == std::string_view::npos) return {};
  const auto from = at + mark.size();
  return std::string(page.substr(from, page.find('`', from) - from));
}

// Stated; every dim 1; every dim 2; a prime for each.
std::vector<Symbols> bindings(const op::Operator& op) {
  constexpr std::int64_t kPrimes[] = {37, 53, 29, 41};
  std::vector<Symbols> out{op.binding(), op.binding(), op.binding(), op.binding()};
  std::size_t i = 0;
  for (const auto& [name, value] : op.dims) {
    out[1][name] = 1;
    out[2][name] = 2;
    out[3][name] = kPrimes[i++ % 4];
  }
  return out;
}

}  // namespace

TEST_CASE("every example of an action's page is right, ragged sizes included") {
  PtxCompiler compiler(MTMC_COMPILE_WORKER);
  if (!compiler.available()) {
    WARN("not run: " << compiler.why_not());
    return;
  }
  int examples = 0;
  for (const auto action : kernel::all_actions()) {
    if (action == kernel::Action::stop) continue;
    const std::string name(kernel::name_of(action));
    CAPTURE(name);
    const std::string page(llm::prompt_page("actions/" + name + ".md"));
    const std::string line = operator_of(page);
    REQUIRE_FALSE(line.empty());
    Problem problem(line);
    kernel::Step step;
    step.action = action;
    const ReadAnswer read = read_answer(page, problem.task(), after(problem, {}), step);
    CAPTURE(read.reason);
    REQUIRE(read.candidate);
    const std::string ptx = compiler.ptx(read.candidate->sources, read.candidate->configuration);
    for (const auto& dims : bindings(problem.region.op)) {
      std::string at;
      for (const auto& [dim, value] : dims) at += dim + "=" + std::to_string(value) + " ";
      CAPTURE(at);
      const Run done = run(problem, *read.candidate, read.candidate->configuration, ptx, dims);
      CHECK(done.mismatch == "");
    }
    ++examples;
  }
  CHECK(examples == static_cast<int>(kernel::all_actions().size()) - 1);
}

TEST_CASE("a page says what, when, before what and what may go wrong") {
  for (const auto action : kernel::all_actions()) {
    const std::string name(kernel::name_of(action));
    CAPTURE(name);
    const std::string page(llm::prompt_page("actions/" + name + ".md"));
    for (const char* heading :
         {"# ", "## What it does", "## When it pays", "## Preconditions", "## Pitfalls"})
      CHECK(page.find(heading) != std::string::npos);
  }
}
