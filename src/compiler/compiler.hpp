// CUDA C++ sources in, PTX, machine code and resource facts out, through NVRTC in a worker process.
//
// NVRTC is never loaded into this process: it reads any file that its user can, and it can hang or
// crash on hostile input. The worker has an empty environment and a sandbox that closes the file
// system (base/sandbox.hpp); this side checks requests, keeps the workers and the cache. Every
// source sees the prelude (compiler/prelude.hpp) before its first line.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"

namespace mtmc::compiler {

struct SourceFile {
  std::string name;  // relative, of letters, digits and _ . - /; no ".."
  std::string text;  // UTF-8 without NUL
};

struct CompileRequest {
  // The first is the unit; the others are what #include can find, by name. At most 16 MiB in all.
  std::vector<SourceFile> sources;
  // "sm_90a": PTX and machine code. "compute_90a": PTX only, in less time.
  std::string architecture;
  // Identifier = letters, digits and _ . + -
  std::vector<std::pair<std::string, std::string>> defines;
  bool strict = false;     // no contraction of a * b + c (--fmad=false)
  bool fast_math = false;  // --use_fast_math; not together with strict
  bool line_info = false;  // source lines in PTX and machine code; makes the latter 3x larger
};

// What one kernel asks of the machine, from the machine code's ELF and the assembler's log.
struct KernelFacts {
  std::string name;                    // as the driver knows it: mangled unless extern "C"
  int registers = 0;                   // per thread
  std::int64_t spill_store_bytes = 0;  // per thread
  std::int64_t spill_load_bytes = 0;
  std::int64_t stack_bytes = 0;          // per thread
  std::int64_t static_shared_bytes = 0;  // per block, without what the system reserves
  int barriers = 0;
  int max_threads = 0;  // per block, promised by __launch_bounds__; 0: nothing promised
  std::int64_t code_bytes = 0;
};

struct Binary {
  std::string hash;  // SHA-256 of request, prelude and NVRTC version: what was asked for
  std::string architecture;
  std::string ptx;
  std::string cubin;                 // ELF bytes; empty for compute_XX
  std::vector<KernelFacts> kernels;  // by name; empty for compute_XX
  std::string log;                   // at most kMaxLogBytes
};

struct Diagnostic {
  enum class Severity { warning, error };
  std::string file;  // a source's name; "ptx" when the assembler speaks; empty: no place given
  int line = 0;      // from 1; 0: no place given
  std::string message;
  Severity severity = Severity::error;
};

// A source that did not become a binary. This is an outcome of an experiment, not an Error.
struct CompileFailure {
  enum class Kind {
    compile_error,  // the compiler or its assembler refused the source
    timeout,        // it took longer than allowed; the worker was killed
    crash,          // it took the worker down: memory limit, or a bug of the compiler
  };
  Kind kind = Kind::compile_error;
  std::vector<Diagnostic> diagnostics;  // never empty
  std::string log;                      // at most kMaxLogBytes
};

using CompileOutcome = std::variant<Binary, CompileFailure>;

inline constexpr std::size_t kMaxLogBytes = 64 * 1024;

struct CompilerSettings {
  // The program whose "worker --role compile --nvrtc PATH" calls compile_worker_main; empty: the
  // running program itself.
  std::string tool;
  std::string cache_directory;  // made when missing; empty, or not writable: no cache
  std::string nvrtc_library;    // empty: look for it (compiler/find_nvrtc.hpp)
  std::chrono::milliseconds timeout{60000};
  int max_workers = 2;                                  // processes that compile at the same time
  std::uint64_t memory_bytes = std::uint64_t{8} << 30;  // address space of each
  bool allow_unsandboxed = false;  // serve although the kernel offers neither Landlock nor seccomp
};

// Thread-safe: compile() may be called from several threads.
class Compiler {
 public:
  // Starts one worker to learn what NVRTC this is.
  // Errors: unavailable when no NVRTC can be loaded or the worker cannot be sandboxed.
  static Result<std::unique_ptr<Compiler>> create(const CompilerSettings& settings);
  ~Compiler();

  // Errors: bad_input for an unknown architecture, a malformed define or source name; unavailable
  // when no worker can be started.
  Result<CompileOutcome> compile(const CompileRequest& request);

  // Every target that the loaded NVRTC compiles for, "sm_75" to "sm_121f".
  const std::vector<std::string>& architectures() const;
  // "13.0 (V13.0.88, CL-36424714)": release, tools and compiler build.
  const std::string& version() const;
  const std::string& library() const;       // what was loaded
  const std::string& sandbox_note() const;  // which parts of the sandbox are not active; or empty

  std::uint64_t compiles() const;  // real NVRTC runs
  std::uint64_t cache_hits() const;

 private:
  struct State;
  explicit Compiler(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mtmc::compiler
