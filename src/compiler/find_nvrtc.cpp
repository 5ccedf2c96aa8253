// A folder counts when it holds libnvrtc.so.13 or .12; the newer one first. In a Python
// environment NVIDIA's wheels put it into site-packages/nvidia/cu13/lib or
// site-packages/nvidia/cuda_nvrtc/lib (Debian's Python says dist-packages).

#include "compiler/find_nvrtc.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace mtmc::compiler {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Sub-folders whose name starts with `prefix`, highest name first.
std::vector<fs::path> children(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (auto entry = fs::directory_iterator(folder, failed);
       !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    if (entry->path().filename().string().rfind(prefix, 0) == 0) found.push_back(entry->path());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

class Collector {
 public:
  void look_in(const fs::path& folder) {
    for (const char* name : kNames) {
      std::error_code failed;
      const fs::path file = fs::canonical(folder / name, failed);
      if (failed || !fs::is_regular_file(file, failed)) continue;
      if (std::find(found_.begin(), found_.end(), file.string()) == found_.end())
        found_.push_back(file.string());
    }
  }
  void look_in_environment(const fs::path& root) {
    for (const fs::path& python : children(root / "lib", "python")) {
      for (const char* folder : {"site-packages", "dist-packages"}) {
        auto packages = children(python / folder / "nvidia", "cu");
        std::reverse(packages.begin(), packages.end());  // cu13 before CUDA 12's cuda_nvrtc
        for (const fs::path& package : packages) look_in(package / "lib");
      }
    }
  }
  std::vector<std::string> take() { return std::move(found_); }

 private:
  std::vector<std::string> found_;
};

}  // namespace

NvrtcSearch NvrtcSearch::from_process(const std::string& tool) {
  NvrtcSearch search;
  search.override_path = environment("MTMC_NVRTC");
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (std::string home = environment(name); !home.empty()) search.cuda_homes.push_back(home);
  const std::string paths = environment("LD_LIBRARY_PATH");
  for (std::size_t begin = 0; begin < paths.size();) {
    const std::size_t end = std::min(paths.find(':', begin), paths.size());
    if (end > begin) search.library_paths.push_back(paths.substr(begin, end - begin));
    begin = end + 1;
  }
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (std::string active = environment(name); !active.empty())
      search.environments.push_back(active);
  // The tool is built into <project>/build/<preset>/bin; its project's environment is above it.
  fs::path folder = fs::path(tool).parent_path();
  for (int level = 0; level < 5 && folder.has_relative_path();
       ++level, folder = folder.parent_path())
    search.environments.push_back((folder / ".venv").string());
  // Where pip puts PyTorch, and with it NVRTC, when there is no environment: a GPU node often has
  // no toolkit beside it.
  if (std::string home = environment("HOME"); !home.empty())
    search.environments.push_back(home + "/.local");
  for (const char* root : {"/usr/local", "/usr"}) search.environments.push_back(root);
  search.tool = tool;
  return search;
}

Result<std::vector<std::string>> nvrtc_candidates(const NvrtcSearch& search) {
  Collector collector;
  if (!search.override_path.empty()) {
    std::error_code failed;
    if (fs::is_regular_file(search.override_path, failed)) return {{search.override_path}};
    collector.look_in(search.override_path);
    collector.look_in_environment(search.override_path);
    auto found = collector.take();
    if (found.empty())
      return unavailable(
          "MTMC_NVRTC is " + search.override_path +
          ", which is neither an NVRTC library nor a folder with one; correct it or unset it");
    return found;
  }
  for (const std::string& home : search.cuda_homes)
    for (const char* sub : {"lib64", "lib", "targets/x86_64-linux/lib"})
      collector.look_in(fs::path(home) / sub);
  for (const std::string& path : search.library_paths) collector.look_in(path);
  for (const fs::path& cuda : children(search.system_root, "cuda"))
    collector.look_in(cuda / "lib64");
  for (const std::string& root : search.environments) collector.look_in_environment(root);
  if (!search.tool.empty())
    collector.look_in(fs::path(search.tool).parent_path().parent_path() / "lib");
  auto found = collector.take();
  for (const char* name : kNames) found.push_back(name);
  return found;
}

}  // namespace mtmc::compiler
