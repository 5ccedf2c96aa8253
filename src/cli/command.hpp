// What subcommands share: options that most of them take, and how a Result becomes an exit code.
//
// Exit codes: 0 done, 1 no correct candidate, 2 bad input, 3 something the run needs is unavailable, 4 internal.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

#include "base/error.hpp"
#include "store/store.hpp"

namespace mtmc::cli {

inline constexpr const char* kToolVersion = MTMC_VERSION;

struct Common {
  std::string db;     // empty: the user's data directory
  bool json = false;
};

// A subcommand's work: an exit code, or an error that becomes one line on stderr and its code.
using Action = std::function<Result<int>()>;

// Each adds its subcommand to `app` and sets `chosen` when it is parsed.
void add_generate(CLI::App& app, Action& chosen);
void add_query(CLI::App& app, Action& chosen);
void add_export(CLI::App& app, Action& chosen);
void add_kernelbench(CLI::App& app, Action& chosen);
void add_tune(CLI::App& app, Action& chosen);
void add_emulate(CLI::App& app, Action& chosen);
void add_devices(CLI::App& app, Action& chosen);
void add_doctor(CLI::App& app, Action& chosen);
void add_gpu_check(CLI::App& app, Action& chosen);
void add_worker(CLI::App& app, Action& chosen);

int exit_code(ErrorCode code);
std::string tool_path();        // of this executable
std::string cache_directory();  // of compiled binaries, beside the user's other caches; empty where there is no home
Result<std::string> database_path(const Common& common);
Result<store::Store> open_store(const Common& common, store::OpenMode mode);

}  // namespace mtmc::cli
