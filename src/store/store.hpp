// The database file: the only state that outlives the program.
//
// One SQLite file in WAL mode. Every public write of this folder is one transaction: when it has
// returned without an error it survives the death of the process at any instant, and when it has
// not, nothing of it is there. (A power cut can take the last transactions, never the file's
// wholeness.) Several processes may read and write one file; a Store and the facets made from it
// belong to one thread, and do not cross a fork.
//
// Facets say what is kept: store/runs.hpp, sweeps.hpp, candidates.hpp, evidence.hpp, tree.hpp,
// exchanges.hpp, tuning.hpp, queries.hpp. docs/store-schema.md describes the tables.
//
// Errors of every call: unavailable, one line that says what to do, for what the world did (read-only,
// full, damaged, locked, of another program, of a newer version); internal for what the caller did
// (a row that refers to one that was never stored).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"

namespace mtmc::store {

class Connection;  // store/connection.hpp, internal

enum class OpenMode {
  create,     // for writing; makes the file and its folders, brings an old schema up to date
  read_only,  // for queries; the file must be there
};

struct OpenOptions {
  int busy_timeout_ms = 30000;  // how long another writer is waited for
  std::int64_t max_pages = 0;   // upper limit of the file's size in pages of 4096 bytes; 0: none
  std::function<std::int64_t()> now_ms;  // the clock of *_at_ms; empty: the system's
};

class Store {
 public:
  // `path` is a file, or ":memory:" for one that lives as long as the Store.
  static Result<Store> open(const std::string& path, OpenMode mode = OpenMode::create,
                            OpenOptions options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  const std::string& path() const;
  // Reads the whole file: unavailable with the first thing that is wrong.
  Result<void> check_integrity();

  Connection& connection() { return *connection_; }  // for the facets

 private:
  explicit Store(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

// $XDG_DATA_HOME/mtmc/mtmc.db, else ~/.local/share/mtmc/mtmc.db. Unavailable where neither
// variable says where that is.
Result<std::string> default_path();

}  // namespace mtmc::store
