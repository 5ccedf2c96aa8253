// NVRTC's C interface behind dlopen, for the worker process only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace mtmc::compiler {

class NvrtcLibrary {
 public:
  // `path`: a file, or a name for the dynamic linker. The library stays loaded.
  // Errors: unavailable with the linker's words.
  static Result<NvrtcLibrary> load(const std::string& path);

  struct Compiled {
    int status = 0;  // nvrtcResult; 0 is success
    std::string status_text;
    std::string ptx;
    std::string cubin;
    std::string log;
  };
  using Headers = std::vector<std::pair<std::string, std::string>>;  // name, text
  Compiled compile(const std::string& name, const std::string& text, const Headers& headers,
                   const std::vector<std::string>& options) const;

  int major() const { return major_; }
  int minor() const { return minor_; }
  // Compute capabilities times ten: 75, 80, 90, ...
  std::vector<int> architectures() const;

 private:
  struct Functions;
  explicit NvrtcLibrary(const Functions* functions) : functions_(functions) {}

  const Functions* functions_;
  int major_ = 0;
  int minor_ = 0;
};

}  // namespace mtmc::compiler
