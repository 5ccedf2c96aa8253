// Aliases and the bottleneck that counters point at.
#include "device/counters.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace mtmc::device;

TEST_CASE("counter names are unique and an alias falls back to the metric that a chip has") {
  std::set<std::string> names;
  for (const auto& alias : counter_aliases()) {
    CHECK(names.insert(std::string(alias.name)).second);
    CHECK_FALSE(alias.metrics.empty());
  }
  const auto old = resolve_counters(
      [](const std::string& m) { return m.find("_op_read") == std::string::npos; });
  CHECK(old.at("dram_read_bytes") == "dram__bytes_read.sum");
  const auto all = resolve_counters([](const std::string&) { return true; });
  CHECK(all.at("dram_read_bytes") == "dram__bytes_op_read.sum");
  CHECK(resolve_counters([](const std::string&) { return false; }).empty());
}

TEST_CASE("the strongest utilisation names the bottleneck") {
  auto s = summarise({{"dram_utilisation", 0.9}, {"issue_utilisation", 0.4}}, 90.0, 100);
  REQUIRE(s);
  CHECK(s->word == "dram");
  CHECK(s->line == "dram_utilisation 90 %, issue_utilisation 40 %");
  s = summarise({{"dram_utilisation", 0.3}, {"tensor_utilisation", 0.7}}, {}, 100);
  CHECK(s->word == "issue");
}

TEST_CASE("a span that is mostly idle is bound by launches, whatever the utilisations say") {
  const auto s = summarise({{"dram_utilisation", 0.9}}, 20.0, 100);
  REQUIRE(s);
  CHECK(s->word == "launch");
  CHECK(s->line == "idle 80 % of the span between kernels, dram_utilisation 90 %");
}

TEST_CASE("where nothing is busy, what warps wait for decides") {
  auto s = summarise(
      {{"issue_utilisation", 0.1}, {"stall_long_scoreboard", 8}, {"stall_barrier", 3}}, 90.0, 100);
  REQUIRE(s);
  CHECK(s->word == "dram");
  CHECK(s->line.find("stall_long_scoreboard 8.0 warps") != std::string::npos);
  s = summarise({{"issue_utilisation", 0.1}, {"stall_short_scoreboard", 5}}, 90.0, 100);
  CHECK(s->word == "shared");
}

TEST_CASE("without counters there is no summary") { CHECK_FALSE(summarise({}, 90.0, 100)); }
