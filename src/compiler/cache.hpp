// Outcomes of compilations by content: one file per request hash.
//
// A file is written under another name and renamed, so readers see whole files; a digest inside
// catches what was truncated or changed afterwards. A directory that cannot be written is a cache
// that never stores. Several processes may share a directory. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "compiler/compiler.hpp"

namespace mtmc::compiler {

class BinaryCache {
 public:
  explicit BinaryCache(std::string directory);  // empty: no cache

  // nullopt when there is no entry, or none that can be trusted.
  std::optional<CompileOutcome> load(const std::string& hash) const;
  // Timeouts and crashes are not kept: they may come out differently on another day.
  void store(const std::string& hash, const CompileOutcome& outcome) const;

 private:
  std::string path_of(const std::string& hash) const;
  std::string directory_;
};

}  // namespace mtmc::compiler
