// Runs the built tool as a user would, with its own home, database and cache.
#pragma once

#include <string>

namespace mtmc::test {

struct ToolResult {
  int exit_code = -1;  // -1: killed by a signal
  std::string out, err;
};

// `arguments` is a shell command line without the tool's name. HOME and the XDG folders lie in `home`.
// `environment` is further assignments, "NAME=value". A GPU of this machine is not seen, so that results are the same everywhere.
ToolResult run_tool(const std::string& arguments, const std::string& home, const std::string& input = "",
                    const std::string& environment = "");

// A fresh folder that is removed at the end of the test.
class Home {
 public:
  Home();
  ~Home();
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Whether the compiler library can be had; tests that need it say so and return where it cannot.
bool has_nvrtc();

}  // namespace mtmc::test
