#include "store/migrations.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <fstream>
#include <sstream>

#include "store_fixture.hpp"

namespace mtmc::store {
namespace {

// A file as an earlier version of the tool left it.
void make_version(const std::string& path, int version) {
  SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  migrate(db, version, 1);
  if (version >= 1) {
    db.exec("INSERT INTO operators VALUES ('op', 'y = relu(x); x: f32[4]', '{}')");
    db.exec(
        "INSERT INTO runs (id, key, operator_hash, device, settings_json, seed, tool_version, state, "
        "started_at_ms) VALUES ('abcdef0123', 'k', 'op', 'd', '{}', -1, '0', 'running', 5)");
  }
  transaction.commit();
}

std::string schema_of(const std::string& path) {
  SQLite::Database db(path);
  SQLite::Statement q(db, "SELECT type, name, sql FROM sqlite_master ORDER BY type, name");
  std::string text;
  while (q.executeStep())
    text += q.getColumn(0).getString() + " " + q.getColumn(1).getString() + "\n" +
            q.getColumn(2).getString() + "\n";
  return text;
}

TEST_CASE("every old version becomes the newest with its rows kept", "[store]") {
  TemporaryFolder folder;
  const std::string fresh = folder.file("fresh.db");
  good(Store::open(fresh));
  const std::string expected = schema_of(fresh);
  REQUIRE(newest_version() >= 2);
  for (int version = 0; version <= newest_version(); ++version) {
    INFO("from version " << version);
    const std::string path = folder.file(std::to_string(version) + ".db");
    make_version(path, version);
    {
      Store store = good(Store::open(path));
      good(store.check_integrity());
      if (version >= 1) {
        auto run = good(Runs(store).find("abcdef0123"));
        REQUIRE(run);
        CHECK(run->started_at_ms == 5);
        CHECK(run->identity.seed == ~std::uint64_t{0});
      }
      auto sweep = good(Sweeps(store).begin({"s", "d", "{}", 0, "0"}, {"a"}, false));
      CHECK(sweep.items.size() == 1);
    }
    CHECK(schema_of(path) == expected);
    SQLite::Database db(path);
    CHECK(db.execAndGet("SELECT count(*) FROM schema_version").getInt() == newest_version());
  }
}

TEST_CASE("a query brings an old file up to date as well", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("old.db");
  make_version(path, 1);
  Store store = good(Store::open(path, OpenMode::read_only));
  CHECK(good(Queries(store).list({})).size() == 1);
  CHECK_FALSE(Sweeps(store).begin({"s", "d", "{}", 0, "0"}, {"a"}, false));
}

TEST_CASE("a file of a newer version is left alone", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("new.db");
  make_version(path, newest_version());
  {
    SQLite::Database db(path, SQLite::OPEN_READWRITE);
    db.exec("INSERT INTO schema_version VALUES (999, 'future', 0)");
  }
  for (OpenMode mode : {OpenMode::create, OpenMode::read_only}) {
    auto store = Store::open(path, mode);
    REQUIRE_FALSE(store);
    CHECK(store.error().code == ErrorCode::unavailable);
    CHECK_THAT(store.error().message, Catch::Contains("schema version 999") &&
                                          Catch::Contains("use a newer mtmc"));
  }
}

TEST_CASE("a failed migration leaves the old version", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("v1.db");
  make_version(path, 1);
  {
    // Something stands where the next version wants its table.
    SQLite::Database db(path, SQLite::OPEN_READWRITE);
    db.exec("CREATE TABLE bounds (x)");
  }
  const std::string before = schema_of(path);
  auto store = Store::open(path);
  REQUIRE_FALSE(store);
  CHECK_THAT(store.error().message, Catch::Contains("bounds"));
  CHECK(schema_of(path) == before);
}

TEST_CASE("the schema's document names every table and column", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  good(Store::open(path));
  std::ifstream file(MTMC_SOURCE_DIR "/docs/store-schema.md");
  std::stringstream document;
  document << file.rdbuf();
  REQUIRE_FALSE(document.str().empty());
  SQLite::Database db(path);
  SQLite::Statement q(db,
                      "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
                      "WHERE m.type = 'table'");
  int columns = 0;
  while (q.executeStep()) {
    ++columns;
    const std::string table = q.getColumn(0).getString(), column = q.getColumn(1).getString();
    INFO(table << "." << column);
    const auto section = document.str().find("### " + table + "\n");
    REQUIRE(section != std::string::npos);
    const auto end = document.str().find("\n#", section + 4);
    CHECK(document.str().substr(section, end - section).find("`" + column + "`") !=
          std::string::npos);
  }
  CHECK(columns > 100);
}

}  // namespace
}  // namespace mtmc::store
