// Inside src/store: one SQLite connection, and the border that no exception crosses.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "store/store.hpp"

namespace mtmc::store {

// What SQLite said, as the one line that a user gets. `code` is SQLite's primary result code.
Error explain(int code, const std::string& message, const std::string& path);

class Connection {
 public:
  // `filename` is what SQLite opens, `path` what messages name.
  Connection(const std::string& filename, int flags, std::string path, OpenOptions options)
      : database_(filename, flags, options.busy_timeout_ms),
        path_(std::move(path)),
        options_(std::move(options)) {}

  SQLite::Database& database() { return database_; }
  const std::string& path() const { return path_; }
  const OpenOptions& options() const { return options_; }
  std::int64_t now_ms() const;

  // Runs body(database) inside a transaction that ends with it: committed when it returns, rolled
  // back when it throws. T is what body returns.
  template <class T, class Body>
  Result<T> read(Body body) {
    return within(SQLite::TransactionBehavior::DEFERRED, [&]() -> T { return body(database_); });
  }
  // BEGIN IMMEDIATE: the lock is taken before anything is read, so two writers never deadlock.
  template <class T, class Body>
  Result<T> write(Body body) {
    return within(SQLite::TransactionBehavior::IMMEDIATE, [&]() -> T { return body(database_); });
  }

 private:
  template <class Body>
  auto within(SQLite::TransactionBehavior behaviour, Body body) -> Result<decltype(body())> {
    try {
      SQLite::Transaction transaction(database_, behaviour);
      if constexpr (std::is_void_v<decltype(body())>) {
        body();
        transaction.commit();
        return {};
      } else {
        auto value = body();
        transaction.commit();
        return value;
      }
    } catch (const SQLite::Exception& e) {
      return tl::unexpected<Error>(explain(e.getErrorCode() & 0xff, e.what(), path_));
    } catch (const std::exception& e) {
      return internal_error("the store at " + path_ + " failed: " + e.what());
    }
  }

  SQLite::Database database_;
  std::string path_;
  OpenOptions options_;
};

// --- binding and reading rows ---

inline void bind_one(SQLite::Statement& s, int i, const std::string& v) { s.bind(i, v); }
inline void bind_one(SQLite::Statement& s, int i, const char* v) { s.bind(i, v); }
inline void bind_one(SQLite::Statement& s, int i, double v) { s.bind(i, v); }
inline void bind_one(SQLite::Statement& s, int i, std::int64_t v) { s.bind(i, v); }
// Seeds use all 64 bits; SQLite has signed integers, so the bits are kept.
inline void bind_one(SQLite::Statement& s, int i, std::uint64_t v) {
  s.bind(i, static_cast<std::int64_t>(v));
}
template <class T>
void bind_one(SQLite::Statement& s, int i, const std::optional<T>& v) {
  if (v) bind_one(s, i, *v);
  else s.bind(i);
}
template <class... Args>
void bind_all(SQLite::Statement& s, const Args&... args) {
  int index = 0;
  (bind_one(s, ++index, args), ...);
}
// An empty id is "none": NULL in the table.
inline std::optional<std::string> null_if_empty(const std::string& s) {
  return s.empty() ? std::nullopt : std::optional<std::string>(s);
}

// Returns the number of rows that changed.
template <class... Args>
int execute(SQLite::Database& db, const char* sql, const Args&... args) {
  SQLite::Statement statement(db, sql);
  bind_all(statement, args...);
  return statement.exec();
}

// Takes the columns of the current row one after the other; NULL texts are empty.
class Cursor {
 public:
  explicit Cursor(SQLite::Statement& statement) : statement_(statement) {}
  std::string text() { return statement_.getColumn(next_++).getString(); }
  std::int64_t integer() { return statement_.getColumn(next_++).getInt64(); }
  double real() { return statement_.getColumn(next_++).getDouble(); }
  std::optional<double> maybe_real() {
    SQLite::Column column = statement_.getColumn(next_++);
    return column.isNull() ? std::nullopt : std::optional<double>(column.getDouble());
  }
  std::string bytes() { return text(); }

 private:
  SQLite::Statement& statement_;
  int next_ = 0;
};

// First row through `make(Cursor&)`, or nothing.
template <class Make, class... Args>
auto first(SQLite::Database& db, const std::string& sql, Make make, const Args&... args)
    -> std::optional<decltype(make(std::declval<Cursor&>()))> {
  SQLite::Statement statement(db, sql);
  bind_all(statement, args...);
  if (!statement.executeStep()) return std::nullopt;
  Cursor cursor(statement);
  return make(cursor);
}
template <class Make, class... Args>
auto all(SQLite::Database& db, const std::string& sql, Make make, const Args&... args)
    -> std::vector<decltype(make(std::declval<Cursor&>()))> {
  SQLite::Statement statement(db, sql);
  bind_all(statement, args...);
  std::vector<decltype(make(std::declval<Cursor&>()))> rows;
  while (statement.executeStep()) {
    Cursor cursor(statement);
    rows.push_back(make(cursor));
  }
  return rows;
}

}  // namespace mtmc::store
