#include "llm/key.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mtmc::llm {
namespace {

struct KeyFile {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("mtmc_key_" + std::to_string(getpid()));
  KeyFile(const std::string& text, mode_t mode) {
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
  }
  ~KeyFile() { std::filesystem::remove(path); }
};

struct Environment {
  Environment() { clear(); }
  ~Environment() { clear(); }
  static void clear() {
    unsetenv("MTMC_LLM_KEY");
    unsetenv("OPENAI_API_KEY");
  }
};

TEST_CASE("the key comes from a file, then MTMC_LLM_KEY, then OPENAI_API_KEY") {
  Environment environment;
  CHECK(load_key(std::nullopt)->empty());
  setenv("OPENAI_API_KEY", "second", 1);
  CHECK(load_key(std::nullopt)->reveal() == "second");
  setenv("MTMC_LLM_KEY", " first\n", 1);
  CHECK(load_key(std::nullopt)->reveal() == "first");
  KeyFile file("from-file\n", 0600);
  CHECK(load_key(file.path.string())->reveal() == "from-file");
}

TEST_CASE("a key file that others can read, or that holds no key, is refused without quoting it") {
  const auto [text, mode, expected] = GENERATE(
      table<std::string, mode_t, std::string>({{"topsecret", 0644, "chmod 600"},
                                               {"topsecret", 0640, "chmod 600"},
                                               {" \n", 0600, "holds no key"},
                                               {"topsecret\r\nX-Evil: 1", 0600, "no key has"},
                                               {std::string(5000, 'k'), 0600, "4096"}}));
  KeyFile file(text, mode);
  const auto key = load_key(file.path.string());
  REQUIRE_FALSE(key);
  CHECK(key.error().message.find(expected) != std::string::npos);
  CHECK(key.error().message.find("topsecret") == std::string::npos);
}

TEST_CASE("a key file must be a file") {
  CHECK_FALSE(load_key(std::string("/")));
  CHECK_FALSE(load_key(std::string("/nonexistent/key")));
}

TEST_CASE("redact takes every occurrence") {
  CHECK(Key("abc").redact("abc xabcabc") == "[key] x[key][key]");
  CHECK(Key().redact("abc") == "abc");
}

}  // namespace
}  // namespace mtmc::llm
