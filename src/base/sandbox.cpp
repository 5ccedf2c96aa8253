// no_new_privs, then Landlock, then the filter: each needs the one before it. The filter is
// default-deny, because the list of calls that reach files grows with every kernel; what code
// needs that computes on memory is short and stable.

#include "base/sandbox.hpp"

#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "base/landlock.hpp"

namespace mtmc {
namespace {

// By name, so that an older libseccomp that does not know one skips it.
constexpr const char* kAllowedCalls[] = {
    // descriptors that are already open
    "read", "write", "readv", "writev", "pread64", "lseek", "close", "fstat", "poll", "ppoll",
    "dup", "recvfrom", "sendto",
    // memory
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mincore",
    // threads of this process and signals to itself (tgkill is narrowed below)
    "futex", "set_robust_list", "rseq", "set_tid_address", "gettid", "getpid", "exit", "exit_group",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sched_yield",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "membarrier", "arch_prctl",
    "restart_syscall",
    // the current folder, which Process made "/": NVRTC does not look whether getcwd failed
    "getcwd",
    // clocks, chance, facts about itself
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "getrandom",
    "getrusage", "times", "sysinfo", "uname", "getrlimit", "getcpu"};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// UBSan probes whether memory is readable by writing it into a pipe.
constexpr const char* kSanitizerCalls[] = {"pipe", "pipe2"};
#else
constexpr std::array<const char*, 0> kSanitizerCalls{};
#endif

constexpr const char* kDeviceCalls[] = {"open",       "openat",     "stat",
                                        "lstat",      "newfstatat", "ioctl",
                                        "fcntl",      "access",     "faccessat",
                                        "faccessat2", "readlink",   "readlinkat",
                                        "getdents64", "eventfd2",   "statx",
                                        "pipe2",      "poll",       "epoll_create1",
                                        "epoll_ctl",  "epoll_wait", "sched_setaffinity"};

struct FilterDeleter {
  void operator()(void* context) const { seccomp_release(context); }
};

std::string describe(const char* what, int negative_errno) {
  return std::string("system-call filter: ") + what + ": " + strerror(-negative_errno);
}

// Returns an empty text, or what failed.
std::string install_filter(bool allow_devices) {
  const std::unique_ptr<void, FilterDeleter> filter(seccomp_init(SCMP_ACT_ERRNO(EACCES)));
  if (!filter) return "system-call filter: not supported";
  int problem = 0;
  const auto allow = [&](const char* name) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || problem != 0) return;
    problem = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  };
  for (const char* name : kAllowedCalls) allow(name);
  for (const char* name : kSanitizerCalls) allow(name);
  if (allow_devices)
    for (const char* name : kDeviceCalls) allow(name);

  const auto rule = [&](std::uint32_t action, const char* name, const scmp_arg_cmp& argument) {
    const int call = seccomp_syscall_resolve_name(name);
    if (problem == 0) problem = seccomp_rule_add_array(filter.get(), action, call, 1, &argument);
  };
  // Threads, never processes. clone3 hides its flags behind a pointer: ENOSYS makes the C library
  // use clone.
  rule(SCMP_ACT_ALLOW, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  if (const int call = seccomp_syscall_resolve_name("clone3");
      call != __NR_SCMP_ERROR && problem == 0)
    problem = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0);
  // abort() and raise() reach this process only; prctl only names threads.
  rule(SCMP_ACT_ALLOW, "tgkill", SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid())));
  rule(SCMP_ACT_ALLOW, "prctl", SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
  // prlimit64 may read limits, not set them.
  rule(SCMP_ACT_ALLOW, "prlimit64", SCMP_A2(SCMP_CMP_EQ, 0));
  if (problem != 0) return describe("rule refused", problem);

  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  problem = seccomp_load(filter.get());
  return problem == 0 ? "" : describe("load failed", problem);
}

void add_note(std::string& note, const std::string& text) {
  if (!note.empty()) note += "; ";
  note += text;
}

}  // namespace

Result<SandboxFacts> enter_sandbox(const SandboxOptions& options) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return unavailable(std::string("sandbox: no_new_privs: ") + strerror(errno));
  // Nobody of the same user may read this process's memory or be read through it.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  SandboxFacts facts;
  facts.landlock_abi = landlock_abi();
  if (facts.landlock_abi == 0) {
    add_note(facts.note, "landlock: not offered by this kernel");
  } else {
    const auto problem =
        restrict_with_landlock(facts.landlock_abi, options.readable, options.writable);
    facts.landlock = problem.empty();
    if (!problem.empty()) add_note(facts.note, problem);
  }
  if (options.filter_calls) {
    const std::string problem = install_filter(options.allow_devices);
    facts.filter = problem.empty();
    if (!problem.empty()) add_note(facts.note, problem);
  }
  return facts;
}

}  // namespace mtmc
