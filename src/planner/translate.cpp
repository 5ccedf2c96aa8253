#include "planner/translate.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/check.hpp"
#include "llm/answer.hpp"
#include "llm/prompt.hpp"
#include "op/table.hpp"

namespace mtmc::planner {

namespace {

constexpr const char* kSchema = R"({
  "type": "object", "additionalProperties": false, "required": ["operator"],
  "properties": {"operator": {"type": "string"}}})";

std::string rows() {
  std::string out;
  for (const auto& row : op::table()) out += fmt::format("{}({})\n", row.name, row.signature);
  return out;
}

std::vector<llm::Message> prompt(const std::string& text) {
  const std::string_view page = llm::prompt_page("translate.md");
  const std::string_view border = "\n---user---\n";
  const std::size_t at = page.find(border);
  MTMC_CHECK(at != std::string_view::npos, "prompts/translate.md has no user part");
  return {
      {"system", llm::fill(page.substr(0, at), {{"syntax", operator_syntax()}, {"rows", rows()}})},
      {"user",
       llm::fill(page.substr(at + border.size()), {{"text", llm::fence("text", text, 2000)}})}};
}

Result<op::Operator> read(const std::string& answer) {
  auto form = llm::first_json_object(llm::without_thinking(answer));
  if (!form) return tl::unexpected<Error>(form.error());
  auto line = form->find("operator");
  if (line == form->end() || !line->is_string())
    return bad_input("the answer has no member operator");
  const auto& text = line->get_ref<const std::string&>();
  if (text.empty()) return bad_input("the model could not say it as an operator");
  return op::parse_operator(text);
}

}  // namespace

bool is_plain_language(const std::string& text) {
  return text.find('=') == std::string::npos && text.find(';') == std::string::npos &&
         text.find('{') == std::string::npos && text.find(' ') != std::string::npos;
}

std::string operator_syntax() {
  return "y = gelu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=1024; N=1024; K=1024\n"
         "  assignments in PyTorch's functional names; then each input with its type and dims; "
         "then "
         "the dims\n"
         "  types f64 f32 f16 bf16 i64 i32 i8 u8 bool; docs/operator-language.md has the rest\n";
}

Result<Translation> translate(llm::Endpoint& endpoint, const TranslatorSettings& settings,
                              const std::string& text) {
  llm::Request request;
  request.role = "translator";
  request.model = settings.model;
  request.messages = prompt(text);
  request.temperature = settings.temperature;
  request.max_tokens = settings.max_tokens;
  request.seed = settings.seed;
  request.schema = llm::AnswerSchema{"operator", kSchema};
  for (int attempt = 0;; ++attempt) {
    auto exchange = endpoint.complete(request);
    if (!exchange) return tl::unexpected<Error>(exchange.error().with("translating"));
    Result<op::Operator> op = bad_input(exchange->problem);
    if (exchange->problem.empty()) op = read(exchange->answer);
    if (op) {
      Translation translation{std::move(*op), "", exchange->model};
      translation.line = op::text(translation.op);
      return translation;
    }
    const std::string why = llm::one_line(op.error().message, 400);
    if (attempt > 0) return bad_input("the model's operator line cannot be used: " + why);
    request.messages.push_back(
        {"assistant", exchange->answer.empty() ? "(nothing)" : llm::clean(exchange->answer, 4000)});
    request.messages.push_back({"user", "That line cannot be read:\n" +
                                            llm::fence("text", why, 1000) +
                                            "Answer again with one JSON object."});
  }
}

}  // namespace mtmc::planner
