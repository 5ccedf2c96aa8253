// Where a language model is reached; the same options wherever one may be used.
#pragma once

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

#include "base/error.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::cli {

struct EndpointOptions {
  std::string url, model, key_file, replay, record;
};

void add_endpoint_options(CLI::App& command, EndpointOptions& options);

// Null where `needed` is false. The key comes from --key-file, MTMC_LLM_KEY or OPENAI_API_KEY, and from nowhere else.
Result<std::unique_ptr<llm::Endpoint>> open_endpoint(const EndpointOptions& options, bool needed);

}  // namespace mtmc::cli
