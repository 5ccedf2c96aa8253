// Locks the calling process in, for good: no new privileges, a Landlock view of the file system
// and a system-call filter. Called by a worker after its libraries are loaded and before it
// touches anything that came from outside.
//
// The filter is an allow-list: computing, memory, threads, clocks and input/output on descriptors
// that are already open work; everything else (open, stat, access, readlink, getdents, socket,
// connect, execve, fork, ptrace, ...) fails with EACCES, as though nothing existed. Landlock binds
// only threads that start after it, so call this before starting any.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc {

struct SandboxOptions {
  // For Landlock: files and folders (with all that is under them) that may be read, or read and
  // written. A path that does not exist is left out. They matter only when `filter_calls` is off
  // or lets files be opened.
  std::vector<std::string> readable;
  std::vector<std::string> writable;
  bool filter_calls = true;
  // For code that drives devices through files (the CUDA driver): permits open, stat and ioctl,
  // leaving what may be opened to Landlock.
  bool allow_devices = false;
};

struct SandboxFacts {
  int landlock_abi = 0;  // of the kernel; 0: it has none, or it is switched off
  bool landlock = false;
  bool filter = false;
  std::string note;  // why a part is not active; empty when all that was asked for is

  bool files_are_closed() const { return landlock || filter; }
};

// Errors: unavailable when no_new_privs cannot be set. A part that the kernel lacks is told in the
// facts and is not an error: the caller decides.
Result<SandboxFacts> enter_sandbox(const SandboxOptions& options);

}  // namespace mtmc
