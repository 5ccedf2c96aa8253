#include "coder/llm_coder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.hpp"
#include "coder/llm_answer.hpp"
#include "coder/templates.hpp"
#include "llm/answer.hpp"
#include "llm/prompt.hpp"
#include "llm/render.hpp"

namespace mtmc::coder {

namespace {

using kernel::Action;
using kernel::Candidate;
using kernel::Step;

// Actions that a model may be asked for without a template behind them. Not `precision` and
// `library`, which change what a candidate is and need a reason from outside.
constexpr Action kFreeActions[] = {Action::fuse,      Action::tile,      Action::reorder,
                                   Action::vectorize, Action::stage,     Action::pipeline,
                                   Action::tensorize, Action::swizzle,   Action::split,
                                   Action::persist,   Action::specialize};

bool is_fix(Action action) {
  return action == Action::fix_compile || action == Action::fix_launch ||
         action == Action::fix_numeric;
}

std::vector<std::string> launched_kernels(const Candidate& candidate) {
  std::vector<std::string> names;
  for (const auto& step : candidate.recipe.run)
    if (const auto* launch = std::get_if<kernel::Launch>(&step.what))
      if (std::find(names.begin(), names.end(), launch->kernel) == names.end())
        names.push_back(launch->kernel);
  return names;
}

// Units that multiply matrices exist for narrow floats, and for f32 only where the operator states
// a narrower mode.
bool could_tensorize(const Task& task) {
  for (const auto& primitive : task.lowering.primitives) {
    if (primitive.kind != op::PrimitiveKind::contraction) continue;
    if (task.region.op.precision != op::Precision::exact) return true;
    bool narrow = true;
    primitive.body.visit_loads([&](const op::Scalar& load) {
      const auto dtype = task.lowering.tensors[load.tensor()].dtype;
      narrow = narrow && op::is_float(dtype) && op::bytes_of(dtype) <= 2;
    });
    if (narrow) return true;
  }
  return false;
}

std::string recipe_text(const Candidate& candidate) {
  const nlohmann::json all = kernel::to_json(candidate);
  const auto dump = [](const nlohmann::json& form) {
    return form.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  // A line for each buffer and step: a line for each number would cost twice the tokens.
  std::string out = "{\"recipe\": {";
  for (const char* key : {"buffers", "prepare", "run"}) {
    out += fmt::format("{}\"{}\": [", key == std::string_view("buffers") ? "" : ",\n ", key);
    bool first = true;
    for (const auto& entry : all.at("recipe").at(key)) {
      out += (first ? "\n  " : ",\n  ") + dump(entry);
      first = false;
    }
    out += "]";
  }
  out += "}";
  for (const char* key : {"tunables", "constraints", "configuration"})
    out += fmt::format(",\n \"{}\": {}", key, dump(all.at(key)));
  return out + "}";
}

std::string feedback_text(const Step& step, const Feedback* feedback) {
  if (!is_fix(step.action) || !feedback) return {};
  return "# What went wrong\n" + llm::fence("text", feedback->text, 8000);
}

// The template's step that an answer asks for, "TEMPLATE: tile g0" on its first line; null, with a
// reason, where it asks for one that is not offered, and without where it asks for none.
const Step* template_step(const std::string& answer, const std::vector<Step>& templates,
                          std::string& why_not) {
  const std::string mark = "TEMPLATE:";
  const std::size_t first = answer.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || answer.compare(first, mark.size(), mark) != 0) return nullptr;
  const std::size_t end = std::min(answer.find('\n', first), answer.size());
  std::string key = answer.substr(first + mark.size(), end - first - mark.size());
  while (!key.empty() && (key.front() == ' ' || key.front() == '`')) key.erase(0, 1);
  while (!key.empty() && (key.back() == ' ' || key.back() == '`' || key.back() == '\r'))
    key.pop_back();
  for (const auto& t : templates)
    if (t.key() == key) return &t;
  why_not = "no template is offered for '" + llm::one_line(key, 80) + "'";
  return nullptr;
}

// The house's own small headers are described (prompts/headers/); their text would cost more than
// the kernel.
std::string known_header(const kernel::SourceFile& header) {
  for (const auto& file : template_files())
    if (file.name == header.name && file.text == header.text)
      return std::string(llm::prompt_page("headers/" + header.name + ".md"));
  return {};
}

}  // namespace

std::vector<llm::Message> coder_prompt(const Task& task, const Candidate& candidate,
                                       const Step& step, const Feedback* feedback,
                                       const std::vector<Step>& templates,
                                       std::size_t max_source_bytes) {
  const std::string_view page = llm::prompt_page("coder.md");
  const std::string_view border = "\n---user---\n";
  const std::size_t at = page.find(border);
  MTMC_CHECK(at != std::string_view::npos, "prompts/coder.md has no user part");
  const std::string action = fmt::format("actions/{}.md", kernel::name_of(step.action));
  std::string what =
      "Groups:\n" + llm::render_schedule(candidate) + "\n`" + llm::one_line(step.key()) + "`\n";
  if (!step.hint.empty()) what += "Hint of the planner:\n" + llm::fence("text", step.hint, 1000);
  if (!templates.empty()) {
    what += "Templates that can write this step (answer form 3):\n";
    for (const auto& t : templates) what += "- `" + llm::one_line(t.key()) + "`\n";
  }
  const std::string user =
      llm::fill(page.substr(at + border.size()),
                {{"region", llm::fence("text", task.region.text, 8000)},
                 {"lowering", llm::fence("text", task.lowering.text(), 16'000)},
                 {"device", llm::render_device(task.device)},
                 {"sources", llm::render_sources(candidate, max_source_bytes, known_header)},
                 {"recipe", llm::fence("json", recipe_text(candidate), 24'000)},
                 {"step", what},
                 {"action", std::string(llm::prompt_page(action))},
                 {"feedback", feedback_text(step, feedback)}});
  return {{"system", std::string(page.substr(0, at))}, {"user", user}};
}

LlmCoder::LlmCoder(llm::Endpoint& endpoint, Coder& base, LlmCoderSettings settings)
    : endpoint_(endpoint), base_(base), settings_(std::move(settings)) {}

std::string LlmCoder::name() const { return "llm:" + settings_.model; }

Result<Answer> LlmCoder::start(const Task& task) { return base_.start(task); }

std::vector<Step> LlmCoder::admissible(const Task& task, const Candidate& candidate) {
  std::vector<Step> steps = base_.admissible(task, candidate);
  std::set<Action> listed;
  for (const auto& step : steps) listed.insert(step.action);
  const auto kernels = launched_kernels(candidate);
  for (Action action : kFreeActions) {
    if (listed.count(action) || (action == Action::tensorize && !could_tensorize(task))) continue;
    for (std::size_t i = 0; i < kernels.size(); ++i) {
      Step step;
      step.action = action;
      step.part = kernels[i];
      if (action == Action::fuse) {
        if (i + 1 == kernels.size()) break;
        step.part += "+" + kernels[i + 1];
      }
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

Result<Answer> LlmCoder::apply(const Task& task, const Candidate& candidate, const Step& step,
                               const Feedback* feedback) {
  if (step.action == Action::start || step.action == Action::stop)
    return Refusal{fmt::format("{} is nothing to write", kernel::name_of(step.action))};
  if (step.action == Action::precision && task.region.op.precision == op::Precision::exact)
    return Refusal{"the operator states no precision mode: it stays exact"};
  // A repair's step is of text; the others may be left to a template.
  std::vector<Step> templates;
  if (!is_fix(step.action) && candidate.schedule)
    for (auto& t : base_.admissible(task, candidate))
      if (t.action == step.action) templates.push_back(std::move(t));
  llm::Request request;
  request.role = "coder";
  request.model = settings_.model;
  request.messages =
      coder_prompt(task, candidate, step, feedback, templates, settings_.max_source_bytes);
  request.temperature = settings_.temperature;
  request.max_tokens = settings_.max_tokens;
  request.seed = settings_.seed;
  for (int attempt = 0;; ++attempt) {
    auto exchange = endpoint_.complete(request);
    if (!exchange) return tl::unexpected<Error>(exchange.error().with("coder"));
    ReadAnswer read;
    if (!exchange->problem.empty()) {
      read.reason = exchange->problem;
    } else {
      const std::string answer(llm::without_thinking(exchange->answer));
      if (const auto chosen = template_step(answer, templates, read.reason)) {
        auto written = base_.apply(task, candidate, *chosen, nullptr);
        if (!written || std::holds_alternative<Candidate>(*written)) return written;
        read.reason = std::get<Refusal>(*written).reason;
      } else if (read.reason.empty()) {
        read = read_answer(answer, task, candidate, step);
      }
    }
    if (read.candidate) {
      read.candidate->written_by = llm::one_line(exchange->model, 200);
      return std::move(*read.candidate);
    }
    if (exchange->finish_reason == "length")
      read.reason += " (the answer was cut off: answer in fewer lines)";
    if (read.declined || attempt >= settings_.corrections) return Refusal{read.reason};
    request.messages.push_back({"assistant", exchange->answer.empty()
                                                 ? "(nothing)"
                                                 : llm::clean(exchange->answer, 16'000)});
    request.messages.push_back({"user", "That answer cannot be used:\n" +
                                            llm::fence("text", read.reason, 2000) +
                                            "Answer again, whole, in one of the forms."});
  }
}

}  // namespace mtmc::coder
