// A CompileRequest checked and put into the forms that the cache and the worker need.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "compiler/compiler.hpp"

namespace mtmc::compiler {

// Errors: bad_input for what the caller got wrong: architecture not among `targets`, malformed
// define or source name, strict together with fast_math, no source, too much text.
Result<void> check_request(const CompileRequest& request, const std::vector<std::string>& targets);

// Why a source text cannot be handed to any compiler (NUL, not UTF-8), as a diagnostic.
std::optional<Diagnostic> check_texts(const CompileRequest& request);

// SHA-256 over everything that decides the binary.
std::string request_hash(const CompileRequest& request, const std::string& version);

// NVRTC's options: from the request's fields only, never from text.
std::vector<std::string> compile_options(const CompileRequest& request);

// What the worker is told.
nlohmann::json worker_request(const CompileRequest& request);

}  // namespace mtmc::compiler
