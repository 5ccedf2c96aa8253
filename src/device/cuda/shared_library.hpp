// A library that may not be there: found, opened with dlopen for the life of the process, never
// RTLD_GLOBAL.
#pragma once

#include <string>
#include <type_traits>
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

// Opens a library whose functions are a table and fills the table once for the process. T has
// `path`, and a static `name` for messages; `list(table, need)` calls need(function, "symbol") for
// each. Errors: unavailable, also where a function is missing.
template <class T, class List>
Result<T*> function_table(const std::string& variable, const std::vector<std::string>& names,
                          List list) {
  static Result<T> table = [&]() -> Result<T> {
    auto library = SharedLibrary::open(variable, names);
    if (!library) return tl::unexpected<Error>(library.error());
    T functions{};
    functions.path = library->path();
    std::string missing;
    list(functions, [&](auto& function, const char* symbol) {
      function = library->find<std::decay_t<decltype(function)>>(symbol);
      if (!function && missing.empty()) missing = symbol;
    });
    if (missing.empty()) return functions;
    return unavailable(functions.path + " lacks " + missing + " of " + T::name);
  }();
  if (!table) return tl::unexpected<Error>(table.error());
  return &*table;
}

}  // namespace mtmc::device::cuda
