#include "cli/query.hpp"

#include <nlohmann/json.hpp>

#include "store/store_fixture.hpp"

namespace mtmc::cli {
namespace {

// What a query printed, or its error.
struct Printed {
  std::string text;
  Result<void> result;
};
template <class Query>
Printed print(Query query, const QueryOptions& options) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  Printed printed{{}, query(options, file)};
  std::rewind(file);
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    printed.text.append(buffer, n);
  std::fclose(file);
  return printed;
}

TEST_CASE("queries answer from a file", "[query]") {
  store::TemporaryFolder folder;
  QueryOptions options;
  options.database = folder.file("a.db");
  std::string run, candidate, sweep;
  {
    store::Store store = store::good(store::Store::open(options.database));
    const auto op = store::operator_record("softmax");
    run = store::good(store::Runs(store).begin(op, store::identity_of(op), false)).run.id;
    const auto region = store::region_record("r");
    store::good(store::Candidates(store).put_region(region));
    const auto c = store::candidate_record(region, "c");
    candidate = c.id;
    store::good(store::Candidates(store).put(c));
    store::good(store::Runs(store).finish(
        run, store::correct_result(c.id, region.hash, 100e3, 10e3, 8e3)));
    sweep = store::good(store::Sweeps(store).begin({"kb", "d", "{}", 0, "0"}, {"t"}, false)).sweep.id;
  }
  Printed printed = print(query_list, options);
  REQUIRE(printed.result);
  CHECK_THAT(printed.text, Catch::Contains("softmax(x)") && Catch::Contains("10.0 us") &&
                               !Catch::Contains("\x1b"));
  options.json = true;
  const auto list = nlohmann::json::parse(print(query_list, options).text);
  REQUIRE(list.size() == 1);
  CHECK(list[0]["run"] == run);
  const auto best = nlohmann::json::parse(print(query_best, options).text);
  CHECK(best["modelled"][0]["best"]["modelled_ns"] == 10e3);
  CHECK(best["measured"].empty());
  options.filter.op = "gelu";
  CHECK(nlohmann::json::parse(print(query_list, options).text).empty());

  options.id = run.substr(0, 8);
  CHECK(nlohmann::json::parse(print(query_show, options).text)["compiles"] == 5);
  options.id = candidate.substr(0, 8);
  CHECK(nlohmann::json::parse(print(query_show, options).text)["candidate"] == candidate);
  options.id = sweep.substr(0, 8);
  CHECK(nlohmann::json::parse(print(query_show, options).text)["tasks"].size() == 1);
  options.id = "abc";
  printed = print(query_show, options);
  REQUIRE_FALSE(printed.result);
  CHECK(printed.result.error().code == ErrorCode::bad_input);
  CHECK(printed.text == "");
}

TEST_CASE("a query without a database says what to do", "[query]") {
  store::TemporaryFolder folder;
  QueryOptions options;
  options.database = folder.file("none.db");
  for (auto query : {query_list, query_best, query_show}) {
    const Printed printed = print(query, options);
    REQUIRE_FALSE(printed.result);
    CHECK(printed.result.error().code == ErrorCode::unavailable);
    CHECK_THAT(printed.result.error().message, Catch::Contains("run mtmc generate-operator first"));
  }
}

TEST_CASE("output that cannot be written is an error", "[query]") {
  store::TemporaryFolder folder;
  QueryOptions options;
  options.database = folder.file("a.db");
  store::good(store::Store::open(options.database));
  std::FILE* full = std::fopen("/dev/full", "w");
  if (!full) return;
  const auto result = query_list(options, full);
  std::fclose(full);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::unavailable);
}

}  // namespace
}  // namespace mtmc::cli
