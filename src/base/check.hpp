// Invariants. A failed CHECK is a bug of ours, on in every build, never reachable from input.
#pragma once

namespace mtmc {
[[noreturn]] void check_failed(const char* expression, const char* file, int line,
                               const char* message);
}  // namespace mtmc

#define MTMC_CHECK(condition, message)                                             \
  do {                                                                             \
    if (!(condition)) ::mtmc::check_failed(#condition, __FILE__, __LINE__, message); \
  } while (false)
