#include "tuner/recording.hpp"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/rng.hpp"
#include "tuner/simulate.hpp"
#include "tuner/t1.hpp"

using namespace mtmc;
using namespace mtmc::tuner;
namespace fs = std::filesystem;

namespace {

const char* const kCache =
    R"({"device_name": "Made Up 1", "kernel_name": "scale", "problem_size": [1024, 2],
"tune_params_keys": ["block", "kind", "unroll"], "tune_params": {"block": [32, 64, 128], "kind": ["half", "float"], "unroll": [1, 2]},
"objective": "time", "cache": {
"32,half,1": {"block": 32, "kind": "half", "unroll": 1, "time": 2.5, "times": [2.4, 2.6], "compile_time": 100.0, "verification_time": 0, "benchmark_time": 20.5, "GFLOP/s": 12.5, "strategy_time": 0, "framework_time": 1.25, "timestamp": "2024-01-01 00:00:00+00:00"},
"64,half,1": {"block": 64, "kind": "half", "unroll": 1, "time": 1.25, "times": [1.25], "compile_time": 90.0, "benchmark_time": 10},
"64,float,2": {"block": 64, "kind": "float", "unroll": 2, "time": "CompilationFailedConfig"},
"128,float,1": {"block": 128, "kind": "float", "unroll": 1, "time": "RuntimeFailedConfig", "compile_time": 80}}})";

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("mtmc-recording-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

const RecordedTrial* trial(const Recording& r, const Configuration& c) {
  for (const auto& t : r.trials)
    if (t.configuration == c) return &t;
  return nullptr;
}

// Equal in all that both formats can say; the order of trials is a file's own.
void check_equal(const Recording& a, const Recording& b) {
  CHECK(a.device == b.device);
  CHECK(a.kernel == b.kernel);
  CHECK(a.problem_size == b.problem_size);
  CHECK(a.objective == b.objective);
  REQUIRE(a.trials.size() == b.trials.size());
  std::map<Configuration, const RecordedTrial*> by_configuration;
  for (const auto& t : b.trials) by_configuration[t.configuration] = &t;
  std::size_t differ = 0;
  for (const auto& t : a.trials) {
    const RecordedTrial* o = by_configuration[t.configuration];
    REQUIRE(o);
    differ += t.invalidity != o->invalidity || t.value != o->value ||
              t.runtimes_ms != o->runtimes_ms || t.compile_ms != o->compile_ms ||
              t.benchmark_ms != o->benchmark_ms || t.verification_ms != o->verification_ms ||
              t.framework_ms != o->framework_ms || t.strategy_ms != o->strategy_ms ||
              t.timestamp != o->timestamp || t.metrics != o->metrics;
  }
  CHECK(differ == 0);
}

}  // namespace

TEST_CASE("a kernel_tuner cache is read") {
  const auto r = recording_of(kCache).value();
  CHECK(r.device == "Made Up 1");
  CHECK(r.kernel == "scale");
  CHECK(r.problem_size == "[1024,2]");
  CHECK(r.notes.empty());
  REQUIRE(r.parameters.size() == 3);
  CHECK(r.parameters[1].values == std::vector<Value>{"half", "float"});
  REQUIRE(r.trials.size() == 4);
  const auto* first = trial(r, {32, "half", 1});
  REQUIRE(first);
  CHECK(first->value == 2.5);
  CHECK(first->runtimes_ms == std::vector<double>{2.4, 2.6});
  CHECK(first->compile_ms == 100.0);
  CHECK(first->metrics == std::map<std::string, double>{{"GFLOP/s", 12.5}});
  CHECK_FALSE(trial(r, {64, "half", 1})->framework_ms.has_value());
  CHECK(trial(r, {64, "float", 2})->invalidity == Invalidity::compile);
  CHECK(trial(r, {128, "float", 1})->invalidity == Invalidity::runtime);
  const auto space = recorded_space(r).value();
  CHECK(space.space.size() == 4);
  CHECK(space.optimum == 1.25);
  CHECK(space.cost_ms[*space.space.index_of({64, "half", 1})] == 100);
  CHECK(std::isinf(space.value[*space.space.index_of({64, "float", 2})]));
}

TEST_CASE("what is written reads back the same, in every format and gzipped") {
  Folder folder;
  const auto r = recording_of(kCache).value();
  check_equal(r, recording_of(kernel_tuner_cache(r)).value());
  check_equal(r, recording_of(t4_results(r)).value());
  for (const char* name : {"a.json", "a.json.gz"}) {
    REQUIRE(write_text(folder.file(name), kernel_tuner_cache(r)));
    check_equal(r, read_recording(folder.file(name)).value());
  }
  CHECK(bytes_of(folder.file("a.json.gz")).substr(0, 2) == "\x1f\x8b");
  // Strict out: what we wrote is JSON, with the names of the schema and a time unit.
  const auto t4 = nlohmann::json::parse(t4_results(r));
  CHECK(t4["metadata"]["timeunit"] == "milliseconds");
  CHECK(t4["schema_version"] == "1.0.0");
  CHECK(t4["results"][0]["times"].contains("compilation_time"));
  CHECK_FALSE(write_text("/nowhere/at/all.json", "x").has_value());
}

TEST_CASE("a problem size that nobody said stays unsaid") {
  auto r = recording_of(kCache).value();
  r.problem_size.clear();
  CHECK(recording_of(kernel_tuner_cache(r)).value().problem_size == "");
  CHECK(recording_of(t4_results(r)).value().problem_size == "");
}

TEST_CASE("a cache that was cut anywhere gives its whole rows") {
  const std::string text = kCache;
  std::size_t least = 99, most = 0;
  for (std::size_t length = text.find("\"64,half,1\""); length < text.size(); length += 7) {
    const auto r = recording_of(text.substr(0, length));
    INFO(length);
    REQUIRE(r.has_value());
    CHECK(r->notes.size() == 1);
    least = std::min(least, r->trials.size());
    most = std::max(most, r->trials.size());
  }
  CHECK(least == 1);
  CHECK(most == 4);
  // The way kernel_tuner leaves it: only the last brackets are missing, after a comma.
  CHECK(recording_of(text.substr(0, text.size() - 2) + ",\n")->trials.size() == 4);
}

TEST_CASE("a gzip that ends early is used as far as it goes; a damaged one is refused") {
  Folder folder;
  std::string long_cache = kCache;
  for (int i = 0; i < 2000; ++i) {
    const std::string row = ",\n\"" + std::to_string(i) +
                            ",half,2\": {\"block\": " + std::to_string(1000 + i) +
                            ", \"kind\": \"half\", \"unroll\": 2, \"time\": " +
                            std::to_string(1.0 + mix64(std::uint64_t(i)) % 1000 / 7.0) + "}";
    long_cache.insert(long_cache.size() - 2, row);
  }
  REQUIRE(write_text(folder.file("whole.json.gz"), long_cache));
  const std::string bytes = bytes_of(folder.file("whole.json.gz"));
  CHECK(read_recording(folder.file("whole.json.gz"))->trials.size() == 2004);
  write(folder.file("cut.json.gz"), bytes.substr(0, bytes.size() / 2));
  const auto cut = read_recording(folder.file("cut.json.gz"));
  REQUIRE(cut.has_value());
  CHECK(cut->notes.size() == 2);
  CHECK(cut->trials.size() > 300);
  CHECK(cut->trials.size() < 2000);
  std::string damaged = bytes;
  for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 40; ++i)
    damaged[i] = char(~damaged[i]);
  write(folder.file("damaged.json.gz"), damaged);
  CHECK(read_recording(folder.file("damaged.json.gz")).error().code == ErrorCode::bad_input);
  CHECK_FALSE(read_recording(folder.file("not there")).has_value());
  CHECK_FALSE(read_recording(folder.file("")).has_value());  // a folder
}

TEST_CASE("T4 dialects") {
  const auto with = [](const std::string& metadata, const std::string& times,
                       const std::string& measurement, const std::string& rest) {
    return "{\"results\": [{\"configuration\": {\"x\": 4}, \"times\": " + times +
           ", \"measurements\": [" + measurement + "]" + rest + "}], \"metadata\": " + metadata +
           "}";
  };
  struct Row {
    std::string text;
    double value, compile_ms;
    Invalidity invalidity;
  };
  const std::string ok =
      ", \"invalidity\": \"correct\", \"correctness\": 1, \"objectives\": [\"time\"]";
  for (const Row& row :
       {Row{with(R"({"timeunit": "miliseconds"})", R"({"compilation": 9, "runtimes": [3]})",
                 R"({"name": "time", "value": 3, "unit": ""})", ok),
            3, 9, Invalidity::correct},
        Row{with(R"({"timeunit": "microseconds"})",
                 R"({"compilation_time": 9000, "runtimes": [3000]})",
                 R"({"name": "time", "value": 3000, "unit": "microseconds"})", ok),
            3, 9, Invalidity::correct},
        Row{with(R"({"timeunit": "microseconds"})", R"({"compilation_time": 9000})",
                 R"({"name": "time", "value": 3000, "unit": ""})", ok),
            3, 9, Invalidity::correct},
        Row{with(R"({})", R"({"compilation": 9})", R"({"name": "time", "value": 3})",
                 ", \"objective\": \"time\""),
            3, 9, Invalidity::correct},
        Row{with(R"({})", R"({"compilation": 9})",
                 R"({"name": "time", "value": "CompilationFailedConfig"})",
                 ", \"invalidity\": \"compile\", \"objectives\": [\"time\"]"),
            0, 9, Invalidity::compile},
        Row{with(R"({})", R"({"compilation": 9})", R"({"name": "time", "value": NaN})", ok), 0, 9,
            Invalidity::runtime},
        Row{with(R"({})", R"({"compilation": 9})", R"({"name": "time", "value": 3})",
                 ", \"correctness\": 0, \"objectives\": [\"time\"]"),
            0, 9, Invalidity::correctness}}) {
    INFO(row.text);
    const auto r = recording_of(row.text);
    REQUIRE(r.has_value());
    CHECK(r->trials[0].value == Approx(row.value));
    CHECK(*r->trials[0].compile_ms == Approx(row.compile_ms));
    CHECK(r->trials[0].invalidity == row.invalidity);
    for (const double t : r->trials[0].runtimes_ms) CHECK(t == Approx(3));
  }
  CHECK_FALSE(recording_of(with(R"({"timeunit": "fortnights"})", "{}", "", ok)).has_value());
}

TEST_CASE("what a recording may hold and how it is read") {
  std::string text = kCache;
  SECTION("times that are no number, or none at all, count as failures") {
    const auto at = text.find("\"time\": 1.25");
    for (const char* value : {"NaN", "Infinity", "-Infinity", "null", "0", "-3"}) {
      const auto r = recording_of(text.substr(0, at) + "\"time\": " + value + text.substr(at + 12));
      INFO(value);
      REQUIRE(r.has_value());
      CHECK(trial(*r, {64, "half", 1})->invalidity == Invalidity::runtime);
      CHECK(recorded_space(*r)->optimum == 2.5);
    }
  }
  SECTION("a key that stands twice: the last counts, and a note says so") {
    text.insert(
        text.size() - 2,
        ",\n\"64,half,1\": {\"block\": 64, \"kind\": \"half\", \"unroll\": 1, \"time\": 0.5}");
    const auto r = recording_of(text).value();
    CHECK(r.trials.size() == 4);
    CHECK(trial(r, {64, "half", 1})->value == 0.5);
    REQUIRE(r.notes.size() == 1);
    CHECK(r.notes[0].find("64,half,1") != std::string::npos);
  }
  SECTION("a configuration that stands twice in T4: the last counts") {
    const auto r = recording_of(R"({"results": [
      {"configuration": {"x": 1}, "measurements": [{"name": "time", "value": 3}], "objectives": ["time"]},
      {"configuration": {"x": 1}, "measurements": [{"name": "time", "value": 2}], "objectives": ["time"]}]})")
                       .value();
    CHECK(r.trials.size() == 1);
    CHECK(r.trials[0].value == 2);
    CHECK(r.notes.size() == 1);
  }
  SECTION("a rate is better when it is higher") {
    for (auto at = text.find("\"objective\": \"time\""); at != std::string::npos;
         at = std::string::npos)
      text.replace(at, 19, "\"objective\": \"GFLOP/s\"");
    const auto r = recording_of(text).value();
    CHECK(r.higher_is_better);
    const auto space = recorded_space(r).value();
    CHECK(space.optimum == Approx(1 / 12.5));
  }
  SECTION("what cannot be meant is refused in one line") {
    for (const char* bad :
         {"", "{", "[1, 2]", "{\"cache\": {}}", "{\"cache\": 3, \"tune_params\": {\"a\": [1]}}",
          "{\"results\": []}", "{\"results\": [3]}",
          "{\"cache\": {\"1\": {\"b\": 1}}, \"tune_params\": {\"a\": [1]}}",
          "{\"cache\": {\"1\": {\"a\": [1], \"time\": 3}}, \"tune_params\": {\"a\": [1]}}",
          "{\"ConfigurationSpace\": {}}", "\x1f\x8b nonsense",
          "{\"cache\": {\"1\": 4}, \"tune_params\": {\"a\": [1]}}"}) {
      const auto r = recording_of(bad);
      INFO(bad);
      REQUIRE_FALSE(r.has_value());
      CHECK(r.error().code == ErrorCode::bad_input);
      CHECK(r.error().message.find('\n') == std::string::npos);
    }
    CHECK_FALSE(
        recorded_space(recording_of("{\"cache\": {\"1\": {\"a\": 1, \"time\": "
                                    "\"RuntimeFailedConfig\"}}, \"tune_params\": {\"a\": [1]}}")
                           .value())
            .has_value());
  }
}

TEST_CASE("wisdom files hold the best configuration") {
  const auto text = wisdom(recording_of(kCache).value()).value();
  const auto newline = text.find('\n');
  const auto header = nlohmann::json::parse(text.substr(0, newline)),
             line = nlohmann::json::parse(text.substr(newline + 1));
  CHECK(header["tunable_parameters"] == nlohmann::json({"block", "kind", "unroll"}));
  CHECK(header["key"] == "scale");
  CHECK(line["config"] == nlohmann::json({64, "half", 1}));
  CHECK(line["problem_size"] == nlohmann::json({1024, 2}));
  CHECK(line["time"] == 1.25);
  CHECK(line["environment"]["device_name"] == "Made Up 1");
}

TEST_CASE("T1 problems") {
  const auto problem = [](const std::string& parameters, const std::string& conditions) {
    return t1_from_json(nlohmann::json::parse("{\"ConfigurationSpace\": {\"TuningParameters\": [" +
                                              parameters + "], \"Conditions\": [" + conditions +
                                              "]}}"));
  };
  const auto p =
      problem(
          R"({"Name": "bx", "Type": "int", "Values": "[2**i for i in range(5)]", "Default": [4]}, {"Name": "kind", "Values": ["a", "b"], "Default": "none"})",
          R"({"Expression": "1 < bx <= 8 and kind != 'b'", "Parameters": ["bx", "kind"]})")
          .value();
  CHECK(p.parameters[0].default_value == Value(4));
  CHECK(p.parameters[1].default_value == Value("a"));
  CHECK(Space::build(p.parameters, p.constraints)->size() == 3);
  for (const char* values : {"\"[]\"", "\"range(10**12)\"", "\"[0] * 10**9\"", "\"[x]\"", "\"3\"",
                             "\"[[1]]\"", "3", "\"__import__('os')\"", "[null]", "\"[1/0]\"",
                             "\"[j for i in range(100000) for j in range(100000)]\"", "\"[1, 1]\"",
                             "\"range(70000)\""}) {
    INFO(values);
    const auto bad = problem(std::string("{\"Name\": \"x\", \"Values\": ") + values + "}", "");
    const auto space = bad ? Space::build(bad->parameters, bad->constraints)
                           : Result<Space>(tl::unexpected<Error>(bad.error()));
    REQUIRE_FALSE(space.has_value());
    CHECK(space.error().code == ErrorCode::bad_input);
    CHECK(space.error().message.size() < 400);
  }
  for (const char* form : {"{}", "[]", "3", "{\"ConfigurationSpace\": 3}",
                           "{\"ConfigurationSpace\": {\"TuningParameters\": 3}}",
                           "{\"ConfigurationSpace\": {\"TuningParameters\": [3]}}"})
    CHECK_FALSE(t1_from_json(nlohmann::json::parse(form)).has_value());
}

TEST_CASE("simulation is deterministic, and more evaluations find no less") {
  std::string text = kCache;
  for (int i = 0; i < 300; ++i)
    text.insert(text.size() - 2,
                ",\"" + std::to_string(i) + "\": {\"block\": " + std::to_string(200 + i) +
                    ", \"kind\": \"half\", \"unroll\": " + std::to_string(i % 3) +
                    ", \"time\": " + std::to_string(2 + std::abs(i - 200) / 10.0) + "}");
  const auto space = recorded_space(recording_of(text).value()).value();
  for (const auto& info : strategies()) {
    INFO(info.name);
    const auto a = simulate(space, info.name, 40, 5).value(),
               b = simulate(space, info.name, 40, 5).value();
    CHECK(a.fraction == b.fraction);
    CHECK(a.mean > 0.1);
    CHECK(simulate(space, info.name, 10000, 2)->mean == 1);
  }
  CHECK_FALSE(simulate(space, "none", 40, 5).has_value());
  CHECK_FALSE(simulate(space, "random", 0, 5).has_value());
}

// The recorded spaces of the benchmark hub, where a folder of them is at hand: every file is read
// and written in both formats.
TEST_CASE("round trips on the files of MTMC_TUNING_SPACES") {
  const char* folder = std::getenv("MTMC_TUNING_SPACES");
  if (!folder) return;
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (!entry.is_regular_file()) continue;
    INFO(path);
    std::vector<std::string> notes;
    const auto form = lenient_json(read_text(path, &notes).value(), &notes).value();
    if (form.contains("ConfigurationSpace")) {
      const auto p = t1_from_json(form).value();
      CHECK(Space::build(p.parameters, p.constraints).has_value());
    } else {
      const auto r = read_recording(path).value();
      check_equal(r, recording_of(kernel_tuner_cache(r)).value());
      check_equal(r, recording_of(t4_results(r)).value());
    }
    ++files;
  }
  CHECK(files > 0);
}
