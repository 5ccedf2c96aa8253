// What the store keeps, as plain values.
//
// Conventions: `*_json` holds JSON text. Times are nanoseconds and stand in two worlds that never
// mix: modelled (a cost model said so) and measured (a clock said so); absent means "not known".
// `*_at_ms` are milliseconds since 1970 UTC and are filled in by the store. Outcome and verified
// are the words of harness/verdict.hpp. Hashes and ids are lower-case hexadecimal digits.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mtmc::store {

struct OperatorRecord {
  std::string hash;                // of the canonical line
  std::string line;                // "y = gelu(x); x: f32[M]; M=64"
  std::string json;                // the same in the operator language's JSON form
  std::vector<std::string> names;  // rows of the operator table that it uses: "gelu"
};

struct RegionRecord {
  std::string hash;
  std::string text;  // canonical operator line; holds shapes and dtypes
};

// --- runs ---

// One line of work: equal identities mean the same run.
struct RunIdentity {
  std::string operator_hash;
  std::string device;  // "emulated NVIDIA H200"
  std::string settings_json;
  std::uint64_t seed = 0;
  std::string tool_version;
};

enum class RunState { running, finished, failed };

struct Times {
  std::optional<double> modelled_ns;
  std::optional<double> measured_ns;
};

// A region's share in a run: the candidate that was chosen for it; empty where none is correct.
struct RunRegion {
  std::string region_hash;
  std::int64_t uses = 1;  // parts of the program that are this region
  std::string candidate_id;
};

struct RunResult {
  std::string verdict;
  std::string verified;
  std::string candidate_id;  // the kernel, or the costliest region's; empty where none is correct
  double bound_ns = 0;       // speed-of-light bound of the operator; 0: not known
  std::int64_t cost_model_version = 0;  // behind the modelled times; 0: none
  Times start, best;
  std::int64_t compiles = 0, llm_calls = 0;
  std::string message;  // one line; why there is no correct candidate
  std::string details_json = "{}";
  std::vector<RunRegion> regions;
};

struct RunRecord {
  std::string id;
  RunIdentity identity;
  RunState state = RunState::running;
  std::int64_t started_at_ms = 0;
  std::int64_t finished_at_ms = 0;   // 0 while running
  std::string message;               // why it failed
  std::optional<RunResult> result;   // where finished
};

// --- sweeps ---

struct SweepIdentity {
  std::string name;  // "kernelbench"
  std::string device;
  std::string settings_json;  // levels, shapes, budget, ...
  std::uint64_t seed = 0;
  std::string tool_version;
};

enum class ItemState { pending, running, done };

struct SweepItem {
  std::string task_id;  // "level1/23"
  ItemState state = ItemState::pending;
  std::string run_id;   // empty: no run was started
  std::string outcome;  // a verdict's word, "unsupported", ...; empty until done
  std::string message;
};

struct SweepRecord {
  std::string id;
  SweepIdentity identity;
  RunState state = RunState::running;
  std::int64_t started_at_ms = 0;
  std::int64_t finished_at_ms = 0;
};

// --- candidates and what is known about them ---

struct CandidateRecord {
  std::string id;  // kernel::candidate_id
  std::string region_hash;
  std::string json;       // kernel::to_json
  std::string parent_id;  // empty: a beginning
  std::string step_key;   // kernel::Step::key of the step that led here
  std::string written_by;
  std::int64_t created_at_ms = 0;
};

struct CompileRecord {
  std::string binary_hash;  // compiler::Binary::hash: what was asked for
  std::string outcome;      // "ok", "compile_error", "timeout", "crash"
  std::string architecture;
  std::string compiler;  // NVRTC's version
  // Over the kernels of the binary: the largest.
  std::int64_t registers = 0;            // per thread
  std::int64_t spill_bytes = 0;          // per thread, stores
  std::int64_t static_shared_bytes = 0;  // per block
  std::string kernels_json = "[]";       // facts of each kernel
  std::string diagnostics_json = "[]";
  double compile_ms = 0;
};

struct VerdictRecord {
  std::string key;  // store::verdict_key
  std::string candidate_id;
  std::string binary_hash;
  std::string device;
  std::int64_t harness_version = 0;
  std::string outcome;
  std::string verified;
  std::string message;
  double worst = 0;  // largest |got - expected| / tolerance
  std::string details_json = "{}";
  std::int64_t created_at_ms = 0;
};

struct ModelledKey {
  std::string candidate_id, binary_hash, device;
  std::int64_t cost_model_version = 0;
};
struct ModelledTime {
  ModelledKey key;
  double modelled_ns = 0;
  // The parts, summed over the launches. Launch and tail add up; the others are what each limit
  // alone would take.
  double launch_ns = 0, issue_ns = 0, shared_ns = 0, latency_ns = 0, l2_ns = 0, dram_ns = 0,
         tail_ns = 0;
  std::string counters_json = "{}";
  std::int64_t created_at_ms = 0;
};

struct MeasuredKey {
  std::string candidate_id, binary_hash, device;
  std::string driver;    // "CUDA 13.0, 580.65"
  std::string protocol;  // "span/graph/v1": what was timed, and how
};
struct MeasuredTime {
  MeasuredKey key;
  double measured_ns = 0;                        // the protocol's statistic of the samples
  std::optional<double> busy_ns, span_ns, wall_ns;
  std::vector<double> samples_ns;                // raw, in the order of measuring
  std::string details_json = "{}";
  std::int64_t created_at_ms = 0;
};

// What a real device reached on kernels that do nothing else, measured once per driver.
struct CeilingsKey {
  std::string device, driver;
  std::int64_t version = 0;  // of the measuring kernels
};
struct CeilingsRecord {
  CeilingsKey key;
  std::string protocol;
  double copy_bytes_per_s = 0;
  double fp32_flops = 0, tf32_flops = 0, bf16_flops = 0;  // 0: no such unit
  std::int64_t created_at_ms = 0;
};

// A candidate that is correct, with one of its two times set.
struct BestCandidate {
  std::string candidate_id;
  Times time;
};

// --- the search's memory ---

// A node of a run's search tree: a step that was tried, and what came of it.
struct NodeRecord {
  std::string run_id;
  std::string id;  // store::node_id
  std::string region_hash;
  std::string parent_id;  // empty: a root
  std::int64_t ordinal = 0;  // order of trying within the run
  std::string step_key;
  std::string step_json;     // kernel::to_json(Step)
  std::string candidate_id;  // empty: none was written
  std::string outcome;       // a verdict's word, or "refused"
  std::string message;
  Times time;
  double gain = 0;  // the parent's time / this time; 0 where there is no time
};

// What a policy is trained from: the state in which a node's step was chosen, and the reward.
struct TransitionRecord {
  std::string run_id, node_id;
  std::string planner;  // name of who proposed
  std::string action;   // "tile"
  std::string architecture, dtype, bottleneck;
  std::string state_json = "{}";
  double expected_gain = 0;
  double reward = 0;         // log of the gain; 0 where there is no time
  double risk = 0;           // 0 to 1, as the planner said
  double staged_reward = 0;  // -1 to 1, by the stage that was reached (search/reward.hpp)
};

// What earlier runs brought with one action against one bottleneck.
struct PriorRow {
  std::string action, bottleneck;
  std::int64_t tried = 0, correct = 0;
  double low = 0, middle = 0, high = 0;           // quartiles of the gains of the correct ones
  std::map<std::string, std::int64_t> failures;   // outcome -> times
};

struct ExchangeRecord {
  std::string request_hash;
  std::string endpoint;  // never holds a key
  std::int64_t sample = 0;  // the same request asked again has the next number
  std::string role;         // "planner", "coder"
  std::string run_id;       // empty: outside a run
  std::string model;
  std::string request_json;
  std::string answer;
  std::int64_t prompt_tokens = 0, completion_tokens = 0;
  double latency_ms = 0;
  std::optional<double> price_usd;  // absent: not known
  std::string finish_reason;
  std::int64_t created_at_ms = 0;
  std::string problem;  // why the answer is of no use; empty: it is
  std::int64_t cached_tokens = 0;
  bool tokens_estimated = false;
  bool charged = true;  // of_run only: this run paid for it, it did not come out of the store
};

// A request in plain language, and the operator line that a model made of it.
struct TranslationRecord {
  std::string text, line, model;
  std::int64_t created_at_ms = 0;
};

struct TrialRecord {
  std::string family;  // what is tuned: hash of a candidate without its configuration
  std::string device;
  std::string protocol;            // "modelled/v1", or a measuring protocol
  std::string configuration_json;  // canonical: sorted names, no spaces
  std::string outcome;
  Times time;
  std::string candidate_id;  // empty: not stored as a candidate
};

struct BoundRecord {
  std::string region_hash, device;
  std::int64_t version = 0;  // of the bound's own arithmetic
  double bound_ns = 0;
  double bytes = 0, operations = 0;
};

}  // namespace mtmc::store
