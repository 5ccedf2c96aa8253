#include "harness/oracle.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/worker.hpp"

extern char** environ;

namespace mtmc::harness {

namespace {

namespace fs = std::filesystem;

// What Python, PyTorch and CUDA find their parts by. Keys and tokens of the caller are not among
// them.
constexpr std::array<std::string_view, 9> kPassed = {
    "PATH=",        "HOME=",           "LANG=", "TMPDIR=", "LD_LIBRARY_PATH=",
    "VIRTUAL_ENV=", "XDG_CACHE_HOME=", "CC=",   "USER="};
constexpr std::array<std::string_view, 8> kPassedPrefixes = {
    "PYTHON", "PYENV_", "CONDA_", "CUDA_", "NVIDIA_", "TORCH", "TRITON_", "OMP_"};

std::vector<std::string> passed_environment() {
  std::vector<std::string> passed;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view variable = *entry;
    const auto begins = [&](std::string_view prefix) {
      return variable.substr(0, prefix.size()) == prefix;
    };
    if (std::any_of(kPassed.begin(), kPassed.end(), begins) ||
        std::any_of(kPassedPrefixes.begin(), kPassedPrefixes.end(), begins))
      passed.emplace_back(variable);
  }
  return passed;
}

WorkerOptions worker_options(const OracleSettings& settings, const std::string& python) {
  WorkerOptions options;
  options.role = "oracle";
  options.start_timeout = settings.start_timeout;
  options.process.executable = python;
  // -B: no __pycache__ beside the oracle, which may lie in a folder that cannot be written.
  options.process.arguments = {"-B", settings.folder, "--frames"};
  options.process.environment = passed_environment();
  options.process.limits.may_write_files =
      true;  // torch.compile and the profiler write temporary files
  return options;
}

}  // namespace

struct Oracle::Impl {
  Worker worker;
  nlohmann::json facts;
};

Oracle::Oracle(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Oracle::Oracle(Oracle&&) noexcept = default;
Oracle& Oracle::operator=(Oracle&&) noexcept = default;
Oracle::~Oracle() = default;

Result<Oracle> Oracle::create(const OracleSettings& settings) {
  std::error_code ignored;
  if (!fs::is_regular_file(fs::path(settings.folder) / "__main__.py", ignored))
    return unavailable(
        fmt::format("no oracle in {}: the installation is not whole", settings.folder));
  const auto pythons = python_candidates(settings.python);
  if (pythons.empty())
    return unavailable("no python3 in PATH: install one with PyTorch, or name it with --python");
  std::string why;
  for (const auto& python : pythons) {
    auto impl = std::unique_ptr<Impl>(new Impl{Worker(worker_options(settings, python)), {}});
    auto facts = impl->worker.facts();
    if (facts) {
      impl->facts = std::move(*facts);
      return Oracle(std::move(impl));
    }
    if (why.empty()) why = facts.error().message;
  }
  return unavailable(fmt::format("PyTorch: {}", why));
}

const nlohmann::json& Oracle::facts() const { return impl_->facts; }

Result<nlohmann::json> Oracle::ask(const nlohmann::json& request,
                                   std::chrono::milliseconds timeout) {
  auto reply = impl_->worker.call(request, timeout);
  if (!reply) return tl::unexpected<Error>(reply.error().with("oracle"));
  if (reply->status == Reply::Status::timeout)
    return unavailable(fmt::format("oracle: no answer within {} s", timeout.count() / 1000));
  if (reply->status == Reply::Status::crashed) return unavailable("oracle: " + reply->detail);
  return std::move(reply->answer);
}

std::string oracle_folder(const std::string& tool) {
  const auto installed =
      fs::path(tool).parent_path().parent_path() / "share/mtmc/kernelbench/oracle";
  std::error_code ignored;
  if (fs::is_directory(installed, ignored)) return installed.string();
  return MTMC_ORACLE_FOLDER;
}

std::vector<std::string> python_candidates(const std::string& named) {
  if (!named.empty()) return {named};
  if (const char* chosen = std::getenv("MTMC_PYTHON"); chosen && *chosen) return {chosen};
  std::vector<std::string> found, seen;
  const auto consider = [&](const fs::path& path) {
    std::error_code failed;
    // By folder, not by what the link leads to: a virtual environment's python3 is a link to its
    // parent's.
    const auto real = (fs::canonical(path.parent_path(), failed) / path.filename()).string();
    if (failed || access(path.c_str(), X_OK) != 0) return;
    if (std::find(seen.begin(), seen.end(), real) != seen.end()) return;
    seen.push_back(real);
    found.push_back(path.string());
  };
  for (const char* home : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* folder = std::getenv(home); folder && *folder)
      consider(fs::path(folder) / "bin/python3");
  const char* path = std::getenv("PATH");
  const std::string folders = path ? path : "";
  for (std::size_t start = 0; start < folders.size();) {
    const std::size_t end = std::min(folders.find(':', start), folders.size());
    if (end > start) consider(fs::path(folders.substr(start, end - start)) / "python3");
    start = end + 1;
  }
  consider("/usr/bin/python3");
  return found;
}

}  // namespace mtmc::harness
