#include "cli/endpoint_options.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "llm/http_endpoint.hpp"
#include "llm/key.hpp"
#include "llm/recording.hpp"
#include "search/priors.hpp"

namespace mtmc::cli {

namespace {

// What one of the two is told, with what both are told where it is told nothing.
EndpointChoice merged(const EndpointChoice& own, const EndpointChoice& both) {
  const auto first = [](const std::string& a, const std::string& b) { return a.empty() ? b : a; };
  // A key belongs to its endpoint: another URL does not get it.
  return {first(own.url, both.url), first(own.model, both.model),
          own.url.empty() ? first(own.key_file, both.key_file) : own.key_file,
          own.url.empty() ? first(own.dialect, both.dialect) : own.dialect};
}

Result<std::unique_ptr<llm::Endpoint>> open_http(const EndpointOptions& options, const EndpointChoice& choice,
                                                 bool keyed_by_environment) {
  const std::optional<std::string> file =
      choice.key_file.empty() ? std::nullopt : std::optional<std::string>(choice.key_file);
  Result<llm::Key> key = llm::Key();
  if (file || keyed_by_environment) key = llm::load_key(file);
  if (!key) return tl::unexpected<Error>(key.error());
  llm::HttpSettings settings;
  settings.base_url = choice.url;
  settings.dialect = choice.dialect;
  settings.stream = !options.no_stream;
  settings.ca_file = options.ca_file;
  settings.connect_limit = std::chrono::seconds(options.connect_s);
  settings.idle_limit = std::chrono::seconds(options.idle_s);
  settings.total_limit = std::chrono::seconds(options.total_s);
  settings.max_concurrent = options.concurrent;
  return llm::make_http_endpoint(std::move(settings), std::move(*key));
}

constexpr const char* kNoEndpoint =
    "no endpoint for the language model: say --endpoint URL, or --replay FILE, or use --planner policy "
    "--coder template";

void add_choice(CLI::App& command, EndpointChoice& choice, const std::string& prefix, const std::string& whose) {
  command.add_option("--" + prefix + (prefix.empty() ? "endpoint" : "-endpoint"), choice.url,
                     "OpenAI-compatible base URL" + whose + ", such as http://localhost:8000/v1");
  command.add_option("--" + prefix + (prefix.empty() ? "model" : "-model"), choice.model, "model to ask for" + whose);
  command.add_option("--" + prefix + (prefix.empty() ? "key-file" : "-key-file"), choice.key_file,
                     "file with the key" + whose + " (else MTMC_LLM_KEY or OPENAI_API_KEY)");
  command
      .add_option("--" + prefix + (prefix.empty() ? "dialect" : "-dialect"), choice.dialect,
                  "openai, vllm, sglang, llamacpp, ollama or deepseek" + whose + " (default: by host and port)")
      ->check(CLI::IsMember({"openai", "vllm", "sglang", "llamacpp", "ollama", "deepseek"}));
}

}  // namespace

void add_endpoint_options(CLI::App& command, EndpointOptions& options, search::Settings& settings) {
  command.add_option("--planner", settings.planner, "policy or llm; for comparison random or one-shot")
      ->check(CLI::IsMember({"policy", "llm", "random", "one-shot"}))
      ->capture_default_str();
  command.add_option("--coder", settings.coder, "template or llm")
      ->check(CLI::IsMember({"template", "llm"}))
      ->capture_default_str();
  add_choice(command, options.both, "", "");
  add_choice(command, options.planner, "planner", " of the planner alone");
  add_choice(command, options.coder, "coder", " of the coder alone");
  command.add_option("--planner-temperature", settings.planner_temperature, "0 to 2")->check(CLI::Range(0.0, 2.0))->capture_default_str();
  command.add_option("--coder-temperature", settings.coder_temperature, "0 to 2")->check(CLI::Range(0.0, 2.0))->capture_default_str();
  command.add_option("--beam", settings.beam, "open nodes, best first; 1 is greedy")->check(CLI::Range(1, 64))->capture_default_str();
  command.add_option("--width", settings.width, "steps asked of the planner at a time")->check(CLI::Range(1, 16))->capture_default_str();
  command.add_option("--repairs", settings.repairs, "repairs in a row of one step, where a model codes")->check(CLI::Range(0, 16))->capture_default_str();
  command.add_option("--budget", options.budget, "caps of a run: tokens=200000,usd=0.5,wall_s=600,device_s=60,steps=24");
  command.add_option("--prices", options.prices, "table of prices: model, USD a million tokens of input, cached input, output");
  command.add_option("--replay", options.replay, "answer from this recording and reach no network");
  command.add_flag("--replay-by-order", options.replay_by_order, "take the recording's answers in their order, whatever is asked");
  command.add_option("--record", options.record, "write the run's conversation to this file when it ends");
  command.add_option("--ca-file", options.ca_file, "PEM file with further certificates to trust");
  command.add_flag("--no-stream", options.no_stream, "ask for answers in one piece");
  command.add_option("--connect-limit-s", options.connect_s, "to be connected")->check(CLI::Range(1, 3600))->capture_default_str();
  command.add_option("--idle-limit-s", options.idle_s, "nothing sent or received")->check(CLI::Range(1, 86400))->capture_default_str();
  command.add_option("--total-limit-s", options.total_s, "of one attempt")->check(CLI::Range(1, 86400))->capture_default_str();
  command.add_option("--concurrent", options.concurrent, "calls under way at a time")->check(CLI::Range(1, 256))->capture_default_str();
}

void Models::put_into(search::Surroundings& around) const {
  around.planner_endpoint = planner.get();
  around.coder_endpoint = coder ? coder.get() : planner.get();
  around.prices = &prices;
  around.priors = priors;
}

Result<Models> open_models(const EndpointOptions& options, search::Settings& settings) {
  Models models;
  auto caps = search::caps_from(options.budget);
  if (!caps) return tl::unexpected<Error>(caps.error());
  settings.caps = *caps;
  const bool plans = settings.planner == "llm", codes = settings.coder == "llm";
  if (settings.planner == "one-shot" && !codes)
    return bad_input("--planner one-shot asks for whole kernels: it needs --coder llm");
  if (!plans && !codes) return models;
  auto prices = llm::PriceTable::load(options.prices);
  if (!prices) return tl::unexpected<Error>(prices.error());
  models.prices = std::move(*prices);

  EndpointChoice planner = merged(options.planner, options.both), coder = merged(options.coder, options.both);
  if (!options.replay.empty()) {
    auto recording = llm::read_recording(options.replay);
    if (!recording) return tl::unexpected<Error>(recording.error());
    const auto run = nlohmann::json::parse(recording->run_json, nullptr, false);
    const auto known = run.is_object() ? run.value("settings", nlohmann::json::object()) : nlohmann::json::object();
    const auto text = [&](const char* key) {
      const auto it = known.find(key);
      return it != known.end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    if (planner.model.empty()) planner.model = text("planner_model");
    if (coder.model.empty()) coder.model = text("coder_model");
    auto priors = search::priors_from_json(run.is_object() ? run.value("priors", nlohmann::json::array()) : nlohmann::json::array());
    if (!priors) return tl::unexpected<Error>(priors.error().with("llm recording " + options.replay));
    models.priors = std::move(*priors);
    models.planner = llm::make_recorded_endpoint(std::move(*recording), options.replay,
                                                 options.replay_by_order ? llm::Match::order : llm::Match::request);
  } else {
    if ((plans && planner.url.empty()) || (codes && coder.url.empty())) return unavailable(kNoEndpoint);
    const bool same = planner.url == coder.url && planner.key_file == coder.key_file && planner.dialect == coder.dialect;
    const bool both = plans && codes && !same;
    auto first = open_http(options, plans ? planner : coder, plans ? options.planner.url.empty() || options.both.url.empty() : true);
    if (!first) return tl::unexpected<Error>(first.error());
    models.planner = std::move(*first);
    if (both) {
      auto second = open_http(options, coder, options.coder.url.empty() || options.both.url.empty());
      if (!second) return tl::unexpected<Error>(second.error());
      models.coder = std::move(*second);
    }
  }
  if ((plans && planner.model.empty()) || (codes && coder.model.empty()))
    return bad_input("--planner llm and --coder llm need --model");
  settings.planner_model = plans ? planner.model : "";
  settings.coder_model = codes ? coder.model : "";
  if (settings.caps.usd && options.replay.empty())
    for (const auto& model : {settings.planner_model, settings.coder_model})
      if (!model.empty() && !models.prices.find(model))
        return bad_input(fmt::format("--budget usd: no price is known for model '{}': name a table with --prices", model));
  return models;
}

Result<std::unique_ptr<llm::Endpoint>> open_any_endpoint(const EndpointOptions& options, std::string& model) {
  const EndpointChoice planner = merged(options.planner, options.both), coder = merged(options.coder, options.both);
  const EndpointChoice& choice = planner.url.empty() ? coder : planner;
  if (!options.replay.empty()) {
    auto recording = llm::read_recording(options.replay);
    if (!recording) return tl::unexpected<Error>(recording.error());
    model = planner.model.empty() ? coder.model : planner.model;
    for (const auto& e : recording->exchanges)
      if (model.empty() && e.request.role == "translator") model = e.request.model;
    return llm::make_recorded_endpoint(std::move(*recording), options.replay,
                                       options.replay_by_order ? llm::Match::order : llm::Match::request);
  }
  if (choice.url.empty()) return std::unique_ptr<llm::Endpoint>();
  if (choice.model.empty()) return bad_input("an endpoint needs --model");
  model = choice.model;
  return open_http(options, choice, true);
}

}  // namespace mtmc::cli
