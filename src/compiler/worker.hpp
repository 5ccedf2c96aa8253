// The compile worker's side of compiler/compiler.hpp: the only place where NVRTC is loaded.
#pragma once

#include <string>

namespace mtmc::compiler {

inline constexpr const char* kCompileRole = "compile";

// Loads NVRTC, warms it up, enters the sandbox and answers compile requests on stdin/stdout until
// end of file. For a process started by a Worker; ends it with the exit code instead of returning,
// because destructors of a loaded compiler have nothing to save.
[[noreturn]] void compile_worker_main(const std::string& nvrtc_path);

}  // namespace mtmc::compiler
