// Source: Linux, Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h. The
// structures and bits are restated because the build machine's headers may be older than the
// kernel that the program meets; ABI n takes the first bits and fields that it knows.

#include "base/landlock.hpp"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace mtmc {
namespace {

// The same numbers on every architecture (asm-generic).
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr std::uint32_t kVersionFlag = 1;
constexpr int kPathBeneath = 1;

constexpr std::uint64_t kReadFile = 1ULL << 2;
constexpr std::uint64_t kReadDir = 1ULL << 3;
constexpr std::uint64_t kWriteFile = 1ULL << 1;
constexpr std::uint64_t kIoctlDevice = 1ULL << 15;
constexpr std::uint64_t kNetwork = 3;  // bind and connect TCP, from ABI 4
constexpr std::uint64_t kScopes = 3;   // abstract sockets and signals, from ABI 6

// File rights that each ABI handles: 13 in 1, refer in 2, truncate in 3, device ioctl in 5.
std::uint64_t file_rights(int abi) {
  const int bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  return (1ULL << bits) - 1;
}

struct RulesetAttributes {
  std::uint64_t files;
  std::uint64_t network;
  std::uint64_t scopes;
};

struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed;
  std::int32_t parent;
};

std::string allow(int ruleset, const std::string& path, std::uint64_t rights) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return {};
  struct stat facts {};
  if (fstat(fd, &facts) == 0 && !S_ISDIR(facts.st_mode)) rights &= ~kReadDir;
  const PathBeneath rule{rights, fd};
  const bool added = syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) == 0;
  const std::string problem = added ? "" : "landlock rule for " + path + ": " + strerror(errno);
  close(fd);
  return problem;
}

}  // namespace

int landlock_abi() {
  const long abi = syscall(kCreateRuleset, nullptr, 0, kVersionFlag);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

std::string restrict_with_landlock(int abi, const std::vector<std::string>& readable,
                                   const std::vector<std::string>& writable) {
  const RulesetAttributes attributes{file_rights(abi), abi >= 4 ? kNetwork : 0,
                                     abi >= 6 ? kScopes : 0};
  const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  const int ruleset = static_cast<int>(syscall(kCreateRuleset, &attributes, size, 0));
  if (ruleset < 0) return std::string("landlock ruleset: ") + strerror(errno);
  std::string problem;
  const std::uint64_t read = kReadFile | kReadDir;
  const std::uint64_t write = read | kWriteFile | (abi >= 5 ? kIoctlDevice : 0);
  for (const std::string& path : readable)
    if (problem.empty()) problem = allow(ruleset, path, read);
  for (const std::string& path : writable)
    if (problem.empty()) problem = allow(ruleset, path, write);
  if (problem.empty() && syscall(kRestrictSelf, ruleset, 0) != 0)
    problem = std::string("landlock restriction: ") + strerror(errno);
  close(ruleset);
  return problem;
}

}  // namespace mtmc
