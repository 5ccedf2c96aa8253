// The dynamic linker first: on a machine with a driver it knows the right libcuda. Toolkit
// libraries (CUPTI) often lie where it does not look.
#include "device/cuda/shared_library.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace mtmc::device::cuda {

namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void add_children(std::vector<fs::path>& folders, const fs::path& parent, const std::string& prefix,
                  const fs::path& below) {
  std::error_code failed;
  std::vector<fs::path> found;
  for (auto entry = fs::directory_iterator(parent, failed);
       !failed && entry != fs::directory_iterator(); entry.increment(failed))
    if (entry->path().filename().string().rfind(prefix, 0) == 0)
      found.push_back(entry->path() / below);
  std::sort(found.rbegin(), found.rend());
  folders.insert(folders.end(), found.begin(), found.end());
}

std::vector<fs::path> library_folders() {
  std::vector<fs::path> folders;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const auto home = environment(name); !home.empty()) {
      folders.push_back(fs::path(home) / "lib64");
      folders.push_back(fs::path(home) / "extras/CUPTI/lib64");
    }
  add_children(folders, "/usr/local", "cuda", "lib64");
  add_children(folders, "/usr/local", "cuda", "extras/CUPTI/lib64");
  std::vector<fs::path> environments;
  if (const auto active = environment("VIRTUAL_ENV"); !active.empty())
    environments.push_back(active);
  std::error_code failed;
  const fs::path tool = fs::read_symlink("/proc/self/exe", failed);
  fs::path folder = tool.parent_path();
  folders.push_back(folder.parent_path() / "lib");
  for (int level = 0; level < 5 && folder.has_relative_path();
       ++level, folder = folder.parent_path())
    environments.push_back(folder / ".venv");
  for (const auto& root : environments) {
    std::vector<fs::path> packages;
    add_children(packages, root / "lib", "python", "site-packages/nvidia");
    for (const auto& package : packages) add_children(folders, package, "c", "lib");
  }
  return folders;
}

std::string path_of(void* handle) {
  link_map* map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name ? map->l_name : "";
}

}  // namespace

Result<SharedLibrary> SharedLibrary::open(const std::string& variable,
                                          const std::vector<std::string>& names) {
  constexpr int kMode = RTLD_NOW | RTLD_LOCAL;
  if (const auto chosen = environment(variable.c_str()); !chosen.empty()) {
    if (void* handle = dlopen(chosen.c_str(), kMode)) return SharedLibrary(handle, chosen);
    return unavailable("$" + variable + ": " + dlerror());
  }
  for (const auto& name : names)
    if (void* handle = dlopen(name.c_str(), kMode)) return SharedLibrary(handle, path_of(handle));
  for (const auto& folder : library_folders())
    for (const auto& name : names) {
      std::error_code failed;
      if (!fs::is_regular_file(folder / name, failed)) continue;
      if (void* handle = dlopen((folder / name).c_str(), kMode))
        return SharedLibrary(handle, (folder / name).string());
      return unavailable(dlerror());
    }
  return unavailable("no " + names.front() + " is installed");
}

void* SharedLibrary::address(const char* symbol) const { return dlsym(handle_, symbol); }

}  // namespace mtmc::device::cuda
