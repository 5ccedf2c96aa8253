// A library that may not be there: found, opened with dlopen for the life of the process, never
// RTLD_GLOBAL.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc::device::cuda {

class SharedLibrary {
 public:
  // `variable`: environment variable that names the file instead (nothing else is tried then).
  // `names`: best first, for the dynamic linker and for the folders below. Where the linker finds
  // none, these are looked through: $CUDA_HOME/lib64, /usr/local/cuda*/lib64, lib folders of
  // NVIDIA's wheels in $VIRTUAL_ENV and in .venv above the executable, ../lib of its folder.
  // Errors: unavailable: "why".
  static Result<SharedLibrary> open(const std::string& variable,
                                    const std::vector<std::string>& names);

  const std::string& path() const { return path_; }
  // nullptr where there is none.
  template <class F>
  F find(const char* symbol) const {
    return reinterpret_cast<F>(address(symbol));
  }

 private:
  SharedLibrary(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* address(const char* symbol) const;

  void* handle_;
  std::string path_;
};

}  // namespace mtmc::device::cuda
