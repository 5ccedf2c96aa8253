#include "cli/run_tool.hpp"

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "compiler/find_nvrtc.hpp"

namespace mtmc::test {

namespace {
std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
}  // namespace

Home::Home() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mtmc-cli-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make a temporary folder");
  path_ = pattern;
}
Home::~Home() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ToolResult run_tool(const std::string& arguments, const std::string& home, const std::string& input,
                    const std::string& environment) {
  const std::string in = home + "/stdin", out = home + "/stdout", err = home + "/stderr";
  std::ofstream(in, std::ios::binary) << input;
  const std::string command = "cd '" + home + "' && HOME='" + home + "' XDG_DATA_HOME='" + home + "/data' XDG_CACHE_HOME='" + home +
                              "/cache' MTMC_CUDA_DRIVER=none " + environment + " '" MTMC_TOOL "' " + arguments + " <'" + in + "' >'" + out + "' 2>'" + err + "'";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(out), read_file(err)};
}

bool has_nvrtc() {
  const auto candidates = compiler::nvrtc_candidates(compiler::NvrtcSearch::from_process(MTMC_TOOL));
  if (!candidates) return false;
  for (const auto& path : *candidates)
    if (std::filesystem::exists(path)) return true;
  return false;
}

}  // namespace mtmc::test
