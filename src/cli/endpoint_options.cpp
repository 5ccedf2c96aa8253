#include "cli/endpoint_options.hpp"

#include "llm/http_endpoint.hpp"
#include "llm/key.hpp"
#include "llm/recording.hpp"

namespace mtmc::cli {

namespace {

// Owns what a recording endpoint passes its requests on to.
class Recorded : public llm::Endpoint {
 public:
  Recorded(std::unique_ptr<llm::Endpoint> inner, std::unique_ptr<llm::Endpoint> recorder)
      : inner_(std::move(inner)), recorder_(std::move(recorder)) {}
  std::string name() const override { return inner_->name(); }
  Result<llm::Exchange> complete(const llm::Request& request) override { return recorder_->complete(request); }

 private:
  std::unique_ptr<llm::Endpoint> inner_, recorder_;
};

}  // namespace

void add_endpoint_options(CLI::App& command, EndpointOptions& options) {
  command.add_option("--endpoint", options.url, "OpenAI-compatible base URL, such as http://localhost:8000/v1");
  command.add_option("--model", options.model, "model to ask for");
  command.add_option("--key-file", options.key_file, "file with the endpoint's key (else MTMC_LLM_KEY or OPENAI_API_KEY)");
  command.add_option("--replay", options.replay, "answer from this recording and reach no network");
  command.add_option("--record", options.record, "append every exchange to this file");
}

Result<std::unique_ptr<llm::Endpoint>> open_endpoint(const EndpointOptions& options, bool needed) {
  if (!needed) return std::unique_ptr<llm::Endpoint>();
  if (options.model.empty()) return bad_input("--planner llm and --coder llm need --model");
  if (!options.replay.empty()) return llm::make_recorded_endpoint(options.replay);
  if (options.url.empty())
    return unavailable("no endpoint for the language model: say --endpoint URL, or --replay FILE, or use --planner policy --coder template");
  auto key = llm::load_key(options.key_file.empty() ? std::nullopt : std::optional<std::string>(options.key_file));
  if (!key) return tl::unexpected<Error>(key.error());
  llm::HttpSettings settings;
  settings.base_url = options.url;
  auto http = llm::make_http_endpoint(std::move(settings), std::move(*key));
  if (!http || options.record.empty()) return http;
  auto recorder = llm::make_recording_endpoint(**http, options.record);
  if (!recorder) return recorder;
  return std::unique_ptr<llm::Endpoint>(new Recorded(std::move(*http), std::move(*recorder)));
}

}  // namespace mtmc::cli
