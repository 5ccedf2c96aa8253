// Where language models are reached; the same options wherever one may be used.
#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "llm/endpoint.hpp"
#include "llm/price.hpp"
#include "search/run.hpp"

namespace mtmc::cli {

// What planner and coder may have of their own; empty: what both have.
struct EndpointChoice {
  std::string url, model, key_file, dialect;
};

struct EndpointOptions {
  EndpointChoice both, planner, coder;
  std::string ca_file, prices, replay, record, budget, sweep_budget;
  bool replay_by_order = false, no_stream = false;
  int connect_s = 10, idle_s = 300, total_s = 900, concurrent = 4;
};

// `settings` gets --planner, --coder and the temperatures; they must outlive the parsing.
void add_endpoint_options(CLI::App& command, EndpointOptions& options, search::Settings& settings);

// What a run needs of models, open for as long as it lives.
struct Models {
  std::unique_ptr<llm::Endpoint> planner, coder;  // may be one: then `coder` is null
  llm::PriceTable prices;
  std::optional<std::vector<store::PriorRow>> priors;  // a replay's

  void put_into(search::Surroundings& around) const;
};

// Endpoints for what the settings say; sets the settings' models and caps. With a replay both come from
// the recording, and a setting that was left at its default comes from there too where the recording
// knows it. Errors: bad_input; unavailable where an endpoint is needed and none is said. The key comes
// from a key file, MTMC_LLM_KEY or OPENAI_API_KEY, and from nowhere else.
Result<Models> open_models(const EndpointOptions& options, search::Settings& settings);

// One endpoint to ask outside of a run, the planner's or the coder's; null where none is said.
Result<std::unique_ptr<llm::Endpoint>> open_any_endpoint(const EndpointOptions& options, std::string& model);

}  // namespace mtmc::cli
