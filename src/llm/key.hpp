// An endpoint's key: from the environment or a file, to one request header, and nowhere else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace mtmc::llm {

// Has no comparison, no output and no conversion, so that it gets into a text only where `reveal`
// is called.
class Key {
 public:
  Key() = default;  // none: local servers want none
  explicit Key(std::string secret) : secret_(std::move(secret)) {}
  bool empty() const { return secret_.empty(); }
  const std::string& reveal() const { return secret_; }
  // The text with the key, wherever it stands in it, replaced: servers quote it in their errors.
  std::string redact(std::string_view text) const;

 private:
  std::string secret_;
};

// From `file` where one is named, else from MTMC_LLM_KEY, else OPENAI_API_KEY, else none. A file
// must be a regular file of at most 4 KiB that only its owner can read (mode 0600 or less); white
// space around the key is dropped. Errors are bad_input and hold neither the key nor a part of it.
Result<Key> load_key(const std::optional<std::string>& file);

}  // namespace mtmc::llm
