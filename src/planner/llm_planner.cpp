#include "planner/llm_planner.hpp"

#include <fmt/format.h>

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
    "type": "object", "additionalProperties": false, "required": ["key", "expected_gain", "hint"],
    "properties": {"key": {"type": "string"}, "expected_gain": {"type": "number"},
                   "hint": {"type": "string"}}}}}})";

std::string render_path(const std::vector<Tried>& path) {
  std::string out;
  for (const Tried& tried : path)
    out +=
        fmt::format("- `{}`: {}{}\n", llm::one_line(tried.step.key()), llm::one_line(tried.outcome),
                    tried.gain > 0 ? fmt::format(", gain {:.2f}", tried.gain) : "");
  return out.empty() ? "nothing yet: this is the naive start\n" : out;
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
                 {"sources", llm::render_sources(*state.candidate, max_source_bytes)},
                 {"path", render_path(state.path)},
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
    auto steps = read_steps(exchange->answer, state, count, refused);
    std::string reasons;
    for (const auto& r : refused) reasons += fmt::format("- {}: {}\n", r.what, r.why);
    notes_.refused.insert(notes_.refused.end(), refused.begin(), refused.end());
    if (!steps.empty()) return steps;
    notes_.stop_reason = refused.empty() ? "the model proposed no step" : refused.front().why;
    // An honest empty list is an answer, not a mistake to be corrected.
    if (refused.empty()) return steps;
    request.messages.push_back({"assistant", llm::clean(exchange->answer, 8000)});
    request.messages.push_back(
        {"user", "No step of that answer can be taken:\n" + llm::fence("text", reasons, 4000) +
                     "Answer again with one JSON object, using only keys of the admissible list, "
                     "exactly as they stand there."});
  }
  return std::vector<kernel::Step>{};
}

}  // namespace mtmc::planner
