// Opening a database that may be missing, empty, old, newer, foreign, damaged, read-only or locked,
// and saying in one line which of these it is. SQLite does the hard part (WAL, atomic commit); what
// it leaves to its caller is done here: not touching another program's file, not writing to what
// silently opened read-only, and waiting where SQLite itself does not (the switch to WAL).
#include "store/store.hpp"

#include <sqlite3.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "store/connection.hpp"
#include "store/migrations.hpp"

namespace mtmc::store {

namespace fs = std::filesystem;

namespace {

constexpr char kInMemory[] = ":memory:";

tl::unexpected<Error> not_whole(const std::string& path, const std::string& what) {
  return unavailable("the database " + path + " is damaged (" + what +
                     "): move it away to start a new one, or save what can be read with `sqlite3 "
                     "FILE .recover`");
}

// A file name as a URI for SQLite, for a folder in which nothing can be created.
std::string immutable_uri(const std::string& path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string uri = "file:";
  for (unsigned char c : fs::absolute(path).string()) {
    if (c == '%' || c == '?' || c == '#' || c < ' ') {
      uri += '%';
      uri += kHex[c >> 4];
      uri += kHex[c & 15];
    } else {
      uri += static_cast<char>(c);
    }
  }
  return uri + "?immutable=1";
}

Result<void> make_folders(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) return {};
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder, error))
    return unavailable("cannot make the folder " + folder.string() + " for the database (" +
                       (error ? error.message() : std::string("not a directory")) +
                       "): make it or choose another file with --db");
  return {};
}

// What kind of file it is decides whether it may be used at all.
Result<int> usable_version(Connection& connection) {
  auto kind = connection.read<FileKind>([](SQLite::Database& db) { return kind_of(db); });
  if (!kind) return tl::unexpected<Error>(kind.error());
  if (kind->foreign)
    return unavailable(connection.path() +
                       " is a database of another program: choose another file with --db");
  if (kind->version > newest_version())
    return unavailable("the database " + connection.path() + " has schema version " +
                       std::to_string(kind->version) + ", this mtmc knows versions up to " +
                       std::to_string(newest_version()) +
                       ": use a newer mtmc or choose another file with --db");
  return kind->version;
}

// Two processes that open a new file at once can meet in the switch to WAL, where SQLite answers
// "busy" without asking its busy handler.
void switch_to_wal(SQLite::Database& database, int busy_timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(busy_timeout_ms);
  for (;;) {
    try {
      database.exec("PRAGMA journal_mode = WAL");
      return;
    } catch (const SQLite::Exception& e) {
      if ((e.getErrorCode() & 0xff) != SQLITE_BUSY || Clock::now() >= deadline) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

Result<void> prepare_for_writing(Connection& connection) {
  SQLite::Database& database = connection.database();
  // A file that may not be written opens all the same, read-only.
  if (sqlite3_db_readonly(database.getHandle(), "main") != 0)
    return unavailable("the database " + connection.path() +
                       " is read-only: make it writable or choose another file with --db");
  auto version = usable_version(connection);
  if (!version) return tl::unexpected<Error>(version.error());
  switch_to_wal(database, connection.options().busy_timeout_ms);
  database.exec("PRAGMA synchronous = NORMAL");
  database.exec("PRAGMA foreign_keys = ON");
  if (connection.options().max_pages > 0)
    database.exec("PRAGMA max_page_count = " + std::to_string(connection.options().max_pages));
  if (*version == newest_version()) return {};
  return connection.write<void>([&](SQLite::Database& db) {
    // Another process may have been faster; migrate() reads the version again under the lock.
    migrate(db, newest_version(), connection.now_ms());
  });
}

}  // namespace

Error explain(int code, const std::string& message, const std::string& path) {
  switch (code) {
    case SQLITE_FULL:
      return unavailable("no space left for the database " + path +
                         ": free some space or choose another file with --db; what was stored is "
                         "whole")
          .value();
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return unavailable("the database " + path + " cannot be written (" + message +
                         "): make the file and its folder writable or choose another file with --db")
          .value();
    case SQLITE_CANTOPEN:
      return unavailable("cannot open the database " + path + " (" + message +
                         "): check that the file and its folder are readable and writable, or "
                         "choose another file with --db")
          .value();
    case SQLITE_CORRUPT: return not_whole(path, message).value();
    case SQLITE_NOTADB:
      return unavailable(path + " is not a database (" + message +
                         "): choose another file with --db, or move it away if it once was one")
          .value();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable("the database " + path +
                         " is locked by another program: wait for it or end it, then try again")
          .value();
    case SQLITE_IOERR:
    case SQLITE_NOLFS:
      return unavailable("reading or writing the database " + path + " failed (" + message +
                         "): check the disk and its free space")
          .value();
    case SQLITE_NOMEM:
      return unavailable("out of memory at the database " + path + ": free some memory").value();
    case SQLITE_ERROR:
      // A statement of ours that does not fit the file: its tables were changed from outside.
      if (message.find("no such table") != std::string::npos ||
          message.find("no such column") != std::string::npos)
        return not_whole(path, message).value();
      [[fallthrough]];
    default:
      return internal_error("the store at " + path + " refused a statement: " + message).value();
  }
}

std::int64_t Connection::now_ms() const {
  if (options_.now_ms) return options_.now_ms();
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Store::Store(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

const std::string& Store::path() const { return connection_->path(); }

namespace {

Result<std::unique_ptr<Connection>> open_for_writing(const std::string& path,
                                                     const OpenOptions& options) {
  if (path != kInMemory)
    if (auto made = make_folders(path); !made) return tl::unexpected<Error>(made.error());
  try {
    auto connection = std::make_unique<Connection>(
        path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, path, options);
    if (auto ready = prepare_for_writing(*connection); !ready)
      return tl::unexpected<Error>(ready.error());
    return connection;
  } catch (const SQLite::Exception& e) {
    return tl::unexpected<Error>(explain(e.getErrorCode() & 0xff, e.what(), path));
  } catch (const std::exception& e) {
    return internal_error("the store at " + path + " failed: " + e.what());
  }
}

Result<std::unique_ptr<Connection>> open_read_only(const std::string& path, const std::string& name,
                                                   int flags, const OpenOptions& options,
                                                   int* version) {
  try {
    auto connection =
        std::make_unique<Connection>(name, SQLite::OPEN_READONLY | flags, path, options);
    auto found = usable_version(*connection);
    if (!found) return tl::unexpected<Error>(found.error());
    *version = *found;
    return connection;
  } catch (const SQLite::Exception& e) {
    return tl::unexpected<Error>(explain(e.getErrorCode() & 0xff, e.what(), path));
  } catch (const std::exception& e) {
    return internal_error("the store at " + path + " failed: " + e.what());
  }
}

Result<std::unique_ptr<Connection>> open_for_queries(const std::string& path,
                                                     const OpenOptions& options) {
  std::error_code error;
  if (!fs::exists(path, error))
    return unavailable("there is no database at " + path +
                       " yet: run mtmc generate-operator first or name one with --db");
  int version = 0;
  auto connection = open_read_only(path, path, 0, options, &version);
  // A reader of a WAL file makes two files beside it. Where it may not, and no writer has left any,
  // the file alone is the whole database.
  const auto wal_bytes = fs::file_size(path + "-wal", error);
  if (!connection && (error || wal_bytes == 0) && fs::is_regular_file(path, error)) {
    auto alone = open_read_only(path, immutable_uri(path), SQLite::OPEN_URI, options, &version);
    if (alone) connection = std::move(alone);
  }
  if (!connection || version == newest_version()) return connection;
  connection->reset();
  // An old file: bring it up to date, then look at it again.
  if (auto writer = open_for_writing(path, options); !writer)
    return tl::unexpected<Error>(writer.error().with(
        "the database has schema version " + std::to_string(version) + " and has to be migrated to " +
        std::to_string(newest_version()) + " before it can be read"));
  return open_read_only(path, path, 0, options, &version);
}

}  // namespace

Result<Store> Store::open(const std::string& path, OpenMode mode, OpenOptions options) {
  if (path.empty()) return bad_input("the database's file name is empty: name a file with --db");
  auto connection = mode == OpenMode::create ? open_for_writing(path, options)
                                             : open_for_queries(path, options);
  if (!connection) return tl::unexpected<Error>(connection.error());
  return Store(std::move(*connection));
}

Result<void> Store::check_integrity() {
  auto problem = connection_->read<std::string>([](SQLite::Database& db) -> std::string {
    const auto whole =
        first(db, "PRAGMA integrity_check(1)", [](Cursor& c) { return c.text(); });
    if (!whole || *whole != "ok") return whole.value_or("no answer");
    const auto dangling =
        first(db, "PRAGMA foreign_key_check", [](Cursor& c) { return c.text(); });
    return dangling ? "a row of " + *dangling + " refers to a row that is not there" : "";
  });
  if (!problem) return tl::unexpected<Error>(problem.error());
  if (!problem->empty()) return not_whole(path(), *problem);
  return {};
}

Result<std::string> default_path() {
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && data[0] == '/')
    return std::string(data) + "/mtmc/mtmc.db";
  if (const char* home = std::getenv("HOME"); home && home[0] == '/')
    return std::string(home) + "/.local/share/mtmc/mtmc.db";
  return unavailable("neither XDG_DATA_HOME nor HOME names a folder: name the database with --db");
}

}  // namespace mtmc::store
