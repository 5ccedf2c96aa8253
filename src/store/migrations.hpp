// Inside src/store: the schema, as numbered steps. A database says which steps it has seen in the
// table schema_version; opening it for writing takes the missing ones in one transaction.
//
// A step is never edited once it was released: what changes is a new step at the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace SQLite {
class Database;
}

namespace mtmc::store {

struct Migration {
  const char* purpose;
  const char* sql;  // statements, run as one script
};

// Migration i brings version i to version i + 1.
const std::vector<Migration>& migrations();
int newest_version();

// "mtmc" in SQLite's application_id tells our files from other programs'.
inline constexpr std::int64_t kApplicationId = 0x6d746d63;

// What a file is. `version` is 0 for an empty file.
struct FileKind {
  bool foreign = false;  // a database of another program
  int version = 0;
};
// Throws SQLite::Exception.
FileKind kind_of(SQLite::Database& database);

// Takes the steps up to `target` (newest_version() in the product; less in tests). REQUIRES: called
// inside a write transaction, on a file that is not foreign and not newer. Throws SQLite::Exception.
void migrate(SQLite::Database& database, int target, std::int64_t now_ms);

}  // namespace mtmc::store
