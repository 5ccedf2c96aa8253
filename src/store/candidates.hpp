// Candidates, the regions they are for, and what compiling them said.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::store {

// Rows have content keys: storing one again changes nothing.
class Candidates {
 public:
  explicit Candidates(Store& store) : connection_(&store.connection()) {}

  Result<void> put_region(const RegionRecord& region);
  Result<std::optional<RegionRecord>> region(const std::string& hash);

  // The region and the parent must be stored. The first way to a candidate is the one that is kept.
  Result<void> put(const CandidateRecord& candidate);
  Result<std::optional<CandidateRecord>> find(const std::string& id);

  // Facts and diagnostics, not the binary: that is in the compiler's cache. Storing again replaces,
  // since a timeout may become a success.
  Result<void> put_compile(const CompileRecord& compile);
  Result<std::optional<CompileRecord>> compile(const std::string& binary_hash);

 private:
  Connection* connection_;
};

}  // namespace mtmc::store
