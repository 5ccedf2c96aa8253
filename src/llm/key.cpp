#include "llm/key.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace mtmc::llm {

namespace {

constexpr std::size_t kMaxKeyBytes = 4096;

Result<Key> checked(std::string text, const std::string& from) {
  const char* const space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string::npos) return bad_input(from + " holds no key");
  text = text.substr(first, text.find_last_not_of(space) - first + 1);
  // It becomes part of a header line, so nothing in it may end that line.
  for (unsigned char c : text)
    if (c <= 0x20 || c >= 0x7f)
      return bad_input("the key in " + from + " has a character that no key has");
  if (text.size() > kMaxKeyBytes) return bad_input("the key in " + from + " is too long");
  return Key(std::move(text));
}

struct OpenFile {
  int fd;
  ~OpenFile() {
    if (fd >= 0) close(fd);
  }
};

Result<Key> read_file(const std::string& path) {
  const std::string from = "key file " + path;
  const OpenFile file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return bad_input(fmt::format("cannot open {}: {}", from, std::strerror(errno)));
  struct stat info {};
  if (fstat(file.fd, &info) != 0 || !S_ISREG(info.st_mode))
    return bad_input(from + " is not a regular file");
  if ((info.st_mode & 077) != 0)
    return bad_input(fmt::format("{} has mode {:04o}, readable by others: run chmod 600 on it",
                                 from, static_cast<unsigned>(info.st_mode & 07777)));
  std::string text(kMaxKeyBytes + 1, '\0');
  const ssize_t got = read(file.fd, text.data(), text.size());
  if (got < 0) return bad_input(fmt::format("cannot read {}: {}", from, std::strerror(errno)));
  text.resize(static_cast<std::size_t>(got));
  if (text.size() > kMaxKeyBytes) return bad_input(from + " is longer than 4096 bytes");
  return checked(std::move(text), from);
}

}  // namespace

std::string Key::redact(std::string_view text) const {
  std::string out(text);
  if (secret_.empty()) return out;
  for (std::size_t at = 0; (at = out.find(secret_, at)) != std::string::npos;)
    out.replace(at, secret_.size(), "[key]");
  return out;
}

Result<Key> load_key(const std::optional<std::string>& file) {
  if (file) return read_file(*file);
  for (const char* name : {"MTMC_LLM_KEY", "OPENAI_API_KEY"})
    if (const char* value = std::getenv(name); value && *value) return checked(value, name);
  return Key();
}

}  // namespace mtmc::llm
