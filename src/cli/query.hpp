// `mtmc query list | best | show`: what is in the database, for people and for scripts.
#pragma once

#include <cstdio>
#include <string>

#include "base/error.hpp"
#include "store/queries.hpp"

namespace mtmc::cli {

struct QueryOptions {
  std::string database;   // file; empty: the default one
  store::Filter filter;   // of list and best
  std::string id;         // of show: the first digits of a run's, candidate's or sweep's id
  bool json = false;
};

// Each prints one report to `out`: colours only where that is a terminal and NO_COLOR is not set.
// Errors: unavailable where the database cannot be read, bad_input for an id or a limit that is none.
Result<void> query_list(const QueryOptions& options, std::FILE* out);
Result<void> query_best(const QueryOptions& options, std::FILE* out);
Result<void> query_show(const QueryOptions& options, std::FILE* out);

}  // namespace mtmc::cli
