#include "cli/command.hpp"

#include <climits>
#include <cstdlib>
#include <unistd.h>

namespace mtmc::cli {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::bad_input: return 2;
    case ErrorCode::unavailable: return 3;
    case ErrorCode::internal: return 4;
  }
  return 4;
}

std::string tool_path() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string();
}

std::string cache_directory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return std::string(cache) + "/mtmc";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.cache/mtmc";
  return {};
}

Result<std::string> database_path(const Common& common) {
  if (!common.db.empty()) return common.db;
  return store::default_path();
}

Result<store::Store> open_store(const Common& common, store::OpenMode mode) {
  auto path = database_path(common);
  if (!path) return tl::unexpected<Error>(path.error());
  return store::Store::open(*path, mode);
}

}  // namespace mtmc::cli
