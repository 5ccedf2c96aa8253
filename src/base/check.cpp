#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace mtmc {

void check_failed(const char* expression, const char* file, int line, const char* message) {
  std::fprintf(stderr, "mtmc: internal error: %s (%s) at %s:%d\n", message, expression, file, line);
  std::abort();
}

}  // namespace mtmc
