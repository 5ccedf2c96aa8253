#include "search/report_text.hpp"

#include <fmt/format.h>

namespace mtmc::search {

namespace {
std::string microseconds(double ns) { return fmt::format("{:.2f} us", ns / 1000); }
}  // namespace

std::string report_text(const RunReport& r, const std::vector<std::string>& exported, const std::string& db) {
  std::string out = fmt::format("operator  {}\ndevice    {}\n", r.operator_line, r.device);
  const bool correct = r.verdict.outcome == harness::Outcome::correct;
  out += fmt::format("verdict   {}", harness::name_of(r.verdict.outcome));
  if (correct)
    out += fmt::format(", verified {} ({} elements compared, cases: {}{})", harness::name_of(r.verdict.verified), r.verdict.compared,
                       r.verdict.cases, r.verdict.only_stated ? "; dims are literal, so only the stated case could run" : "");
  else if (!r.message.empty()) out += ": " + r.message;
  out += '\n';
  if (correct && r.best_modelled_ns) {
    out += fmt::format("time      {} modelled, {:.2f}x the bound of {}", microseconds(*r.best_modelled_ns), *r.best_modelled_ns / r.bound_ns,
                       microseconds(r.bound_ns));
    if (r.start_modelled_ns) out += fmt::format("; naive start {} modelled, gain {:.2f}x", microseconds(*r.start_modelled_ns), *r.start_modelled_ns / *r.best_modelled_ns);
    out += '\n';
  }
  if (!r.steps.empty()) out += fmt::format("steps     {:<12} {:<28} {:<14} {}\n", "action", "part", "outcome", "gain");
  for (const auto& s : r.steps)
    out += fmt::format("          {:<12} {:<28} {:<14} {}\n", s.action, s.part, s.outcome, s.gain > 0 ? fmt::format("{:.2f}x", s.gain) : "-");
  out += fmt::format("cost      {} compiles, {} model calls{}\n", r.compiles, r.llm_calls, r.resumed ? " (resumed)" : "");
  for (const auto& file : exported) out += fmt::format("exported  {}\n", file);
  out += fmt::format("again     mtmc query show {}{}\n", r.run_id.substr(0, 12), db.empty() ? "" : " --db " + db);
  return out;
}

}  // namespace mtmc::search
