// A database may be missing, damaged, foreign, read-only, full or locked: one line each, and what was
// stored stays whole.
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>

#include "store_fixture.hpp"

namespace mtmc::store {
namespace {

namespace fs = std::filesystem;

void check_line(const Error& error, const std::string& part) {
  CHECK(error.code == ErrorCode::unavailable);
  CHECK_THAT(error.message, Catch::Contains(part));
  CHECK(error.message.find('\n') == std::string::npos);
}

void fill(Store& store, int candidates) {
  Candidates table(store);
  const RegionRecord region = region_record("region");
  good(table.put_region(region));
  for (int i = 0; i < candidates; ++i) {
    CandidateRecord c = candidate_record(region, std::to_string(i));
    c.json = std::string(2000, 'x');
    good(table.put(c));
  }
}

// Runs the check in a child without root's right to write anywhere. The child answers with a text,
// empty when all was well.
std::string as_nobody(const std::function<std::string()>& check) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string answer;
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) answer = "cannot drop root";
    else answer = check();
    const bool sent = write(ends[1], answer.data(), answer.size()) ==
                      static_cast<ssize_t>(answer.size());
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) answer += " (the child ended with status " + std::to_string(status) + ")";
  return answer;
}

std::string expect_error(const Result<Store>& store, const std::string& part) {
  if (store) return "opened, expected '" + part + "'";
  const bool right = store.error().code == ErrorCode::unavailable &&
                     store.error().message.find(part) != std::string::npos;
  return right ? "" : store.error().message;
}

TEST_CASE("folders are made on the way", "[store]") {
  TemporaryFolder folder;
  Store store = good(Store::open(folder.file("a/b/c.db")));
  CHECK(fs::exists(folder.file("a/b/c.db")));
  CHECK(store.path() == folder.file("a/b/c.db"));
  good(store.check_integrity());
}

TEST_CASE("a folder that cannot be made", "[store]") {
  TemporaryFolder folder;
  std::ofstream(folder.file("plain")) << "x";
  auto store = Store::open(folder.file("plain/x.db"));
  REQUIRE_FALSE(store);
  check_line(store.error(), "cannot make the folder");
}

TEST_CASE("a folder is no database", "[store]") {
  TemporaryFolder folder;
  for (OpenMode mode : {OpenMode::create, OpenMode::read_only}) {
    auto store = Store::open(folder.path(), mode);
    REQUIRE_FALSE(store);
    check_line(store.error(), folder.path());
  }
}

TEST_CASE("queries need a file", "[store]") {
  TemporaryFolder folder;
  auto store = Store::open(folder.file("none.db"), OpenMode::read_only);
  REQUIRE_FALSE(store);
  check_line(store.error(), "there is no database at");
  CHECK_FALSE(fs::exists(folder.file("none.db")));
  CHECK(Store::open("").error().code == ErrorCode::bad_input);
}

TEST_CASE("a text file is not a database and stays as it is", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("notes.txt");
  const std::string text(5000, 'n');
  std::ofstream(path) << text;
  for (OpenMode mode : {OpenMode::create, OpenMode::read_only}) {
    auto store = Store::open(path, mode);
    REQUIRE_FALSE(store);
    check_line(store.error(), "is not a database");
  }
  std::stringstream now;
  now << std::ifstream(path).rdbuf();
  CHECK(now.str() == text);
}

TEST_CASE("another program's database stays as it is", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("other.db");
  {
    SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db.exec("CREATE TABLE songs (title TEXT)");
  }
  for (OpenMode mode : {OpenMode::create, OpenMode::read_only}) {
    auto store = Store::open(path, mode);
    REQUIRE_FALSE(store);
    check_line(store.error(), "another program");
  }
  SQLite::Database db(path);
  CHECK(db.execAndGet("PRAGMA journal_mode").getString() == "delete");
  CHECK(db.execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 1);
}

TEST_CASE("a damaged header", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  good(Store::open(path));
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.write("garbage!garbage!garbage!", 24);
  }
  auto store = Store::open(path);
  REQUIRE_FALSE(store);
  check_line(store.error(), "is not a database");
}

TEST_CASE("a truncated file", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  {
    Store store = good(Store::open(path));
    fill(store, 200);
  }
  for (std::uintmax_t size : {fs::file_size(path) / 2, std::uintmax_t{4096}, std::uintmax_t{700}}) {
    INFO(size << " bytes left");
    fs::resize_file(path, size);
    for (OpenMode mode : {OpenMode::create, OpenMode::read_only}) {
      auto store = Store::open(path, mode);
      REQUIRE_FALSE(store);
      check_line(store.error(), "damaged");
    }
  }
}

TEST_CASE("a damaged page in the middle is an error where it is touched", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  {
    Store store = good(Store::open(path));
    fill(store, 200);
  }
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    // Every page but the first gets a page type that does not exist.
    for (std::uintmax_t page = 1; page < fs::file_size(path) / 4096; ++page) {
      file.seekp(static_cast<std::streamoff>(page * 4096));
      file.put('\x77');
    }
  }
  auto store = Store::open(path, OpenMode::read_only);
  if (store) {
    auto whole = store->check_integrity();
    REQUIRE_FALSE(whole);
    check_line(whole.error(), "damaged");
    auto found = Candidates(*store).find(sha256("candidate 7"));
    REQUIRE_FALSE(found);
    check_line(found.error(), "damaged");
  } else {
    check_line(store.error(), "damaged");
  }
}

TEST_CASE("a table that was dropped from outside", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  good(Store::open(path));
  {
    SQLite::Database db(path, SQLite::OPEN_READWRITE);
    db.exec("DROP TABLE bounds");
  }
  Store store = good(Store::open(path));
  auto bound = Tuning(store).bound("r", "d", 1);
  REQUIRE_FALSE(bound);
  check_line(bound.error(), "damaged (no such table: bounds)");
}

TEST_CASE("a read-only file", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  {
    Store store = good(Store::open(path));
    fill(store, 3);
  }
  fs::permissions(path, fs::perms(0444));
  fs::permissions(folder.path(), fs::perms(0777));
  const std::string problem = as_nobody([&]() -> std::string {
    std::string answer = expect_error(Store::open(path), "read-only");
    if (!answer.empty()) return answer;
    auto store = Store::open(path, OpenMode::read_only);
    if (!store) return store.error().message;
    auto found = Candidates(*store).find(sha256("candidate 2"));
    if (!found) return found.error().message;
    return *found ? "" : "candidate 2 is gone";
  });
  CHECK(problem == "");
}

TEST_CASE("a read-only folder", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("100% a?b#c.db");
  {
    Store store = good(Store::open(path));
    fill(store, 3);
  }
  fs::permissions(path, fs::perms(0666));
  fs::permissions(folder.path(), fs::perms(0555));
  const std::string problem = as_nobody([&]() -> std::string {
    std::string answer = expect_error(Store::open(folder.file("new.db")), "folder");
    if (!answer.empty()) return answer;
    answer = expect_error(Store::open(folder.file("deep/new.db")), "cannot make the folder");
    if (!answer.empty()) return answer;
    answer = expect_error(Store::open(path), "writable");
    if (!answer.empty()) return answer;
    auto store = Store::open(path, OpenMode::read_only);
    if (!store) return store.error().message;
    auto found = Candidates(*store).find(sha256("candidate 2"));
    if (!found) return found.error().message;
    return *found ? "" : "candidate 2 is gone";
  });
  fs::permissions(folder.path(), fs::perms(0755));
  CHECK(problem == "");
}

TEST_CASE("a full disk costs the row that did not fit and nothing else", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  const RegionRecord region = region_record("region");
  int stored = 0;
  {
    OpenOptions options;
    options.max_pages = 120;
    Store store = good(Store::open(path, OpenMode::create, options));
    Candidates table(store);
    good(table.put_region(region));
    for (; stored < 10000; ++stored) {
      CandidateRecord c = candidate_record(region, std::to_string(stored));
      c.json = std::string(3000, 'x');
      auto put = table.put(c);
      if (put) continue;
      check_line(put.error(), "no space left");
      CHECK_THAT(put.error().message, Catch::Contains("--db"));
      break;
    }
    REQUIRE(stored > 10);
    REQUIRE(stored < 10000);
    // The store can still be read, and says the same again.
    CHECK(good(table.find(sha256("candidate " + std::to_string(stored - 1)))));
    CHECK_FALSE(good(table.find(sha256("candidate " + std::to_string(stored)))));
  }
  Store store = good(Store::open(path));
  good(store.check_integrity());
  for (int i = 0; i < stored; ++i)
    REQUIRE(good(Candidates(store).find(sha256("candidate " + std::to_string(i)))));
  good(Candidates(store).put(candidate_record(region, std::to_string(stored))));
}

TEST_CASE("a file that may not grow, as a full disk or a quota makes it", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  {
    Store store = good(Store::open(path));
    fill(store, 10);
  }
  const std::string problem = as_nobody([&]() -> std::string {
    if (geteuid() != 0 && getuid() == 0 && seteuid(0) != 0) return "cannot take root back";
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{300'000, 300'000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return "cannot limit file sizes";
    auto store = Store::open(path);
    if (!store) return store.error().message;
    const RegionRecord region = region_record("region");
    for (int i = 1000; i < 2000; ++i) {
      CandidateRecord c = candidate_record(region, std::to_string(i));
      c.json = std::string(3000, 'x');
      auto put = Candidates(*store).put(c);
      if (put) continue;
      if (put.error().code != ErrorCode::unavailable) return put.error().message;
      return i > 1010 ? "" : "gave up too early";
    }
    return "the limit was never met";
  });
  CHECK(problem == "");
  Store store = good(Store::open(path));
  good(store.check_integrity());
  CHECK(good(Candidates(store).find(sha256("candidate 1005"))));
}

TEST_CASE("a locked database", "[store]") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.db");
  OpenOptions options;
  options.busy_timeout_ms = 20;
  Store store = good(Store::open(path, OpenMode::create, options));
  fill(store, 2);
  SQLite::Database other(path, SQLite::OPEN_READWRITE);
  other.exec("BEGIN IMMEDIATE");
  auto put = Candidates(store).put_region(region_record("late"));
  REQUIRE_FALSE(put);
  check_line(put.error(), "locked by another program");
  CHECK(good(Candidates(store).find(sha256("candidate 1"))));  // readers do not wait
  other.exec("ROLLBACK");
  good(Candidates(store).put_region(region_record("late")));
}

TEST_CASE("a row that refers to nothing is our own mistake", "[store]") {
  Store store = memory_store();
  auto put = Candidates(store).put(candidate_record(region_record("never stored"), "1"));
  REQUIRE_FALSE(put);
  CHECK(put.error().code == ErrorCode::internal);
  CHECK_THAT(put.error().message, Catch::Contains("FOREIGN KEY"));
}

TEST_CASE("the default path follows the environment", "[store]") {
  const char* data = getenv("XDG_DATA_HOME");
  const std::string kept = data ? data : "";
  setenv("XDG_DATA_HOME", "/data/x", 1);
  CHECK(good(default_path()) == "/data/x/mtmc/mtmc.db");
  setenv("XDG_DATA_HOME", "relative", 1);
  CHECK_THAT(good(default_path()), Catch::EndsWith("/.local/share/mtmc/mtmc.db"));
  if (data) setenv("XDG_DATA_HOME", kept.c_str(), 1);
  else unsetenv("XDG_DATA_HOME");
}

}  // namespace
}  // namespace mtmc::store
