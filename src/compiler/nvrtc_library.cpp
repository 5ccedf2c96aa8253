// Source: nvrtc.h of CUDA 12.0 to 13.5. The few prototypes used are restated, so that the build
// needs no CUDA headers. NVRTC opens its builtins library by name at the first compile; it is
// loaded from the same folder first, so that no search path has to be right.

#include "compiler/nvrtc_library.hpp"

#include <dlfcn.h>

#include <filesystem>

namespace mtmc::compiler {

struct NvrtcLibrary::Functions {
  using Program = void*;
  const char* (*error_string)(int);
  int (*version)(int*, int*);
  int (*architecture_count)(int*);
  int (*architectures)(int*);
  int (*create)(Program*, const char*, const char*, int, const char* const*, const char* const*);
  int (*destroy)(Program*);
  int (*compile)(Program, int, const char* const*);
  int (*ptx_size)(Program, std::size_t*);
  int (*ptx)(Program, char*);
  int (*cubin_size)(Program, std::size_t*);
  int (*cubin)(Program, char*);
  int (*log_size)(Program, std::size_t*);
  int (*log)(Program, char*);
};

namespace {

void load_builtins(const std::filesystem::path& library) {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(library.parent_path(), failed)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("libnvrtc-builtins.so.", 0) == 0)
      dlopen(entry.path().c_str(), RTLD_NOW | RTLD_GLOBAL);
  }
}

// Both getters have the same shape: ask for the size, then for that many bytes.
template <class Size, class Get>
std::string fetch(void* program, Size size, Get get) {
  std::size_t bytes = 0;
  if (size(program, &bytes) != 0 || bytes == 0) return {};
  std::string text(bytes, '\0');
  if (get(program, text.data()) != 0) return {};
  return text;
}

void drop_final_nul(std::string& text) {
  if (!text.empty() && text.back() == '\0') text.pop_back();
}

}  // namespace

Result<NvrtcLibrary> NvrtcLibrary::load(const std::string& path) {
  if (path.find('/') != std::string::npos) load_builtins(path);
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return unavailable(std::string("cannot load NVRTC: ") + dlerror());
  auto* functions = new Functions();  // lives as long as the library: until the process ends
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr && missing == nullptr) missing = name;
  };
  find(functions->error_string, "nvrtcGetErrorString");
  find(functions->version, "nvrtcVersion");
  find(functions->architecture_count, "nvrtcGetNumSupportedArchs");
  find(functions->architectures, "nvrtcGetSupportedArchs");
  find(functions->create, "nvrtcCreateProgram");
  find(functions->destroy, "nvrtcDestroyProgram");
  find(functions->compile, "nvrtcCompileProgram");
  find(functions->ptx_size, "nvrtcGetPTXSize");
  find(functions->ptx, "nvrtcGetPTX");
  find(functions->cubin_size, "nvrtcGetCUBINSize");
  find(functions->cubin, "nvrtcGetCUBIN");
  find(functions->log_size, "nvrtcGetProgramLogSize");
  find(functions->log, "nvrtcGetProgramLog");
  NvrtcLibrary library(functions);
  if (missing != nullptr) return unavailable(path + " is not a usable NVRTC: it has no " + missing);
  if (functions->version(&library.major_, &library.minor_) != 0)
    return unavailable(path + " does not tell its version");
  return library;
}

std::vector<int> NvrtcLibrary::architectures() const {
  int count = 0;
  if (functions_->architecture_count(&count) != 0 || count <= 0) return {};
  std::vector<int> known(static_cast<std::size_t>(count));
  if (functions_->architectures(known.data()) != 0) return {};
  return known;
}

NvrtcLibrary::Compiled NvrtcLibrary::compile(const std::string& name, const std::string& text,
                                             const Headers& headers,
                                             const std::vector<std::string>& options) const {
  std::vector<const char*> header_names, header_texts, option_texts;
  for (const auto& [header_name, header_text] : headers) {
    header_names.push_back(header_name.c_str());
    header_texts.push_back(header_text.c_str());
  }
  for (const std::string& option : options) option_texts.push_back(option.c_str());

  Compiled result;
  void* program = nullptr;
  result.status =
      functions_->create(&program, text.c_str(), name.c_str(), static_cast<int>(headers.size()),
                         header_texts.data(), header_names.data());
  if (result.status == 0) {
    result.status =
        functions_->compile(program, static_cast<int>(options.size()), option_texts.data());
    result.log = fetch(program, functions_->log_size, functions_->log);
    // With -v the assembler's information ends in a NUL, and its errors follow it.
    std::erase(result.log, '\0');
    if (result.status == 0) {
      result.ptx = fetch(program, functions_->ptx_size, functions_->ptx);
      drop_final_nul(result.ptx);  // ptxas refuses it
      result.cubin = fetch(program, functions_->cubin_size, functions_->cubin);
    }
    functions_->destroy(&program);
  }
  result.status_text = functions_->error_string(result.status);
  return result;
}

}  // namespace mtmc::compiler
