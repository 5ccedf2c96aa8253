#include "planner/llm_planner.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"
#include "llm/prompt.hpp"
#include "llm/render.hpp"

namespace mtmc::planner {

namespace {

constexpr std::size_t kMaxSteps = 200;  // of the admissible list that are shown

// What the endpoint may hold the answer to; read_steps trusts none of it.
constexpr const char* kSchema = R"({
  "type": "object", "additionalProperties": false, "required": ["steps"],
  "properties": {"steps": {"type": "array", "items": {
    "type": "object", "additionalProperties": false, "required": ["key", "expected_gain", "risk", "hint"],
    "properties": {"key": {"type": "string"}, "expected_gain": {"type": "number"},
                   "risk": {"type": "number"}, "hint": {"type": "string"}}}}}})";

std::string render_tried(const std::vector<Tried>& steps, const char* none) {
  std::string out;
  for (const Tried& tried : steps)
    out +=
        fmt::format("- `{}`: {}{}\n", llm::one_line(tried.step.key()), llm::one_line(tried.outcome),
                    tried.gain > 0 ? fmt::format(", gain {:.2f}", tried.gain) : "");
  return out.empty() ? none : out;
}

// Those against this bottleneck first, then by how often they were tried.
std::string render_priors(const State& state) {
  constexpr std::size_t kMaxPriors = 24;
  if (!state.priors || state.priors->empty()) return "none: no earlier run is known\n";
  std::vector<const store::PriorRow*> rows;
  for (const auto& row : *state.priors) rows.push_back(&row);
  const std::string here(name_of(state.bottleneck));
  std::stable_sort(rows.begin(), rows.end(), [&](const auto* a, const auto* b) {
    if ((a->bottleneck == here) != (b->bottleneck == here)) return a->bottleneck == here;
    return a->tried > b->tried;
  });
  if (rows.size() > kMaxPriors) rows.resize(kMaxPriors);
  std::string out;
  for (const auto* row : rows) {
    out += fmt::format("- {} at {}: tried {}, correct {}", llm::one_line(row->action, 20),
                       llm::one_line(row->bottleneck, 20), row->tried, row->correct);
    if (row->correct > 0)
      out += fmt::format(", gains {:.2f} / {:.2f} / {:.2f} (quartiles)", row->low, row->middle,
                         row->high);
    for (const auto& [outcome, times] : row->failures)
      out += fmt::format(", {} {}", llm::one_line(outcome, 20), times);
    out += '\n';
  }
  return out;
}

std::string render_times(const State& state) {
  if (state.time_ns <= 0) return "not timed: it is not correct yet\n";
  std::string out = fmt::format("time {:.1f} us", state.time_ns / 1e3);
  if (state.bound_ns > 0)
    out += fmt::format(", bound {:.1f} us ({:.2f} times the bound)", state.bound_ns / 1e3,
                       state.time_ns / state.bound_ns);
  return out + fmt::format(", limited by {}\n", name_of(state.bottleneck));
}

}  // namespace

std::vector<llm::Message> planner_prompt(const State& state, int count,
                                         std::size_t max_source_bytes) {
  MTMC_CHECK(state.region && state.device && state.candidate, "a planner's state is incomplete");
  const std::string_view page = llm::prompt_page("planner.md");
  const std::string_view border = "\n---user---\n";
  const std::size_t at = page.find(border);
  MTMC_CHECK(at != std::string_view::npos, "prompts/planner.md has no user part");
  const std::string user =
      llm::fill(page.substr(at + border.size()),
                {{"region", llm::fence("text", state.region->text, 8000)},
                 {"device", llm::render_device(*state.device)},
                 {"times", render_times(state)},
                 {"profile", llm::fence("text", state.profile, 4000)},
                 {"schedule", llm::render_schedule(*state.candidate)},
                 {"sources", llm::render_sources(*state.candidate, max_source_bytes,
                                                 [](const kernel::SourceFile& header) {
                                                   return llm::one_line(header.name, 80) +
                                                          ": a header, not shown\n";
                                                 })},
                 {"path", render_tried(state.path, "nothing yet: this is the naive start\n")},
                 {"here", render_tried(state.here, "none\n")},
                 {"priors", render_priors(state)},
                 {"admissible", llm::render_steps(state.admissible, kMaxSteps)},
                 {"count", std::to_string(count)}});
  return {{"system", std::string(page.substr(0, at))}, {"user", user}};
}

LlmPlanner::LlmPlanner(llm::Endpoint& endpoint, LlmPlannerSettings settings)
    : endpoint_(endpoint), settings_(std::move(settings)) {}

std::string LlmPlanner::name() const { return "llm:" + settings_.model; }

Result<std::vector<kernel::Step>> LlmPlanner::propose(const State& state, int count) {
  notes_ = {};
  if (count <= 0) return std::vector<kernel::Step>{};
  if (state.admissible.empty()) {
    notes_.stop_reason = "no step is admissible";
    return std::vector<kernel::Step>{};
  }
  llm::Request request;
  request.role = "planner";
  request.model = settings_.model;
  request.messages = planner_prompt(state, count, settings_.max_source_bytes);
  request.temperature = settings_.temperature;
  request.max_tokens = settings_.max_tokens;
  request.seed = settings_.seed;
  if (settings_.structured) request.schema = llm::AnswerSchema{"steps", kSchema};

  for (int attempt = 0; attempt < 2; ++attempt) {
    auto exchange = endpoint_.complete(request);
    if (!exchange) return tl::unexpected<Error>(exchange.error().with("planner"));
    ++notes_.exchanges;
    std::vector<RefusedStep> refused;
    std::vector<kernel::Step> steps;
    if (exchange->problem.empty())
      steps = read_steps(exchange->answer, state, count, refused);
    else
      refused.push_back({"answer", exchange->problem});
    std::string reasons;
    for (const auto& r : refused) reasons += fmt::format("- {}: {}\n", r.what, r.why);
    notes_.refused.insert(notes_.refused.end(), refused.begin(), refused.end());
    if (!steps.empty()) return steps;
    notes_.stop_reason = refused.empty() ? "the model proposed no step" : refused.front().why;
    // An honest empty list is an answer, not a mistake to be corrected.
    if (refused.empty()) return steps;
    request.messages.push_back(
        {"assistant", exchange->answer.empty() ? "(nothing)" : llm::clean(exchange->answer, 8000)});
    request.messages.push_back(
        {"user", "No step of that answer can be taken:\n" + llm::fence("text", reasons, 4000) +
                     "Answer again with one JSON object, using only keys of the admissible list, "
                     "exactly as they stand there."});
  }
  return std::vector<kernel::Step>{};
}

}  // namespace mtmc::planner
