// One item is one operator: some of its candidates run on the device and on its twin, from the same
// binary and inputs. Where the PTX has one IEEE result the bits must be equal; elsewhere the
// distance is counted in representable numbers.
#include <fmt/format.h>

#include <algorithm>

#include "harness/bits.hpp"
#include "search/gpu_check/operators.hpp"
#include "search/gpu_check/stages.hpp"

namespace mtmc::search {

using nlohmann::json;

namespace {

constexpr std::size_t kPerLevel = 1;
constexpr std::int64_t kKept = 1 << 16;

// The emulator's counts and the hardware's that mean the same: sums of each side.
struct CounterPair {
  const char* name;
  std::vector<const char*> emulated, counted;
};
const std::vector<CounterPair>& counter_pairs() {
  static const std::vector<CounterPair> kPairs = {
      {"dram_bytes", {"dram_bytes"}, {"dram_read_bytes", "dram_write_bytes"}},
      {"l2_bytes", {"l2_bytes"}, {"l2_bytes"}},
      {"global_sectors",
       {"global_load_sectors", "global_store_sectors"},
       {"global_load_sectors", "global_store_sectors"}},
      {"shared_wavefronts", {"shared_wavefronts"}, {"shared_wavefronts"}},
  };
  return kPairs;
}

json counter_ratios(const harness::Evaluation& device, const harness::Evaluation& twin) {
  std::map<std::string, double> emulated;
  for (const auto& launch : twin.launches)
    for (const auto& [name, value] : launch.counters) emulated[name] += value;
  json ratios = json::object();
  for (const auto& pair : counter_pairs()) {
    double ours = 0, theirs = 0;
    bool known = true;
    for (const char* name : pair.emulated) {
      known &= emulated.count(name) > 0;
      ours += emulated[name];
    }
    for (const char* name : pair.counted) {
      const auto found = device.counters.find(name);
      known &= found != device.counters.end();
      if (found != device.counters.end()) theirs += found->second;
    }
    if (known && theirs > 0) ratios[pair.name] = ours / theirs;
  }
  return ratios;
}

class TwinStage : public Stage {
 public:
  explicit TwinStage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "twin"; }
  std::string about() const override {
    return "the same binaries on the device and the emulator: bits, and counters where permitted";
  }
  double weight() const override { return 4; }
  double minutes() const override { return 4; }

  Result<std::vector<std::string>> items() override {
    if (auto ok = context_.needs_device(); !ok) return tl::unexpected<Error>(ok.error());
    std::vector<std::string> all;
    for (const auto& o : correctness_operators()) all.push_back(o.name);
    return all;
  }

  Result<json> run(const std::string& item) override {
    const auto& all = correctness_operators();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const CheckOperator& o) { return o.name == item; });
    auto op = op::parse_operator(found->line);
    if (!op) return tl::unexpected<Error>(op.error());
    auto task = check_task(*op, context_.bench->facts(), kPerLevel, 1);
    if (!task) return tl::unexpected<Error>(task.error());
    context_.bench->compile_ahead(task->candidates);
    json rows = json::array();
    std::string note;
    for (const auto& candidate : task->candidates) {
      auto row = compare(task->region, candidate, note);
      if (!row) return tl::unexpected<Error>(row.error());
      if (!row->is_null()) rows.push_back(std::move(*row));
    }
    return json{{"candidates", rows}, {"counters_note", note}};
  }

  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    std::int64_t exact = 0, exact_equal = 0, other = 0, other_equal = 0, largest = 0;
    json unequal = json::array();
    std::map<std::string, std::vector<double>> ratios;
    for (const auto& [item, result] : done)
      for (const auto& row : result.value("candidates", json::array())) {
        const bool equal = row.value("differing", std::int64_t{0}) == 0;
        if (row.value("one_result", false)) {
          ++exact;
          exact_equal += equal;
          if (!equal) unequal.push_back(item + ": " + row.value("where", ""));
        } else {
          ++other;
          other_equal += equal;
          largest = std::max(largest, row.value("largest_ulp", std::int64_t{0}));
        }
        for (const auto& [name, value] : member(row, "counters").items())
          ratios[name].push_back(value.get<double>());
      }
    json out = {{"ieee_candidates", exact},     {"ieee_equal", exact_equal},
                {"other_candidates", other},    {"other_equal", other_equal},
                {"other_largest_ulp", largest}, {"ieee_unequal", unequal}};
    for (const auto& [name, values] : ratios)
      out["emulated_over_counted_" + name] = harness::median(values);
    return out;
  }

 private:
  // Null where one of the two cannot run it: correctness is another stage's.
  Result<json> compare(const kernel::Region& region, const kernel::Candidate& candidate,
                       std::string& note) {
    auto compiled = context_.bench->compile(candidate);
    if (!compiled) return tl::unexpected<Error>(compiled.error());
    const auto* binary = std::get_if<compiler::Binary>(&*compiled);
    if (!binary) return json();
    Look look;
    look.kept_elements = kKept;
    look.only_stated = true;
    auto twin = context_.bench->evaluate(Bench::Where::twin, region, candidate, *binary, look);
    if (!twin) return tl::unexpected<Error>(twin.error());
    look.count = true;
    look.timing = harness::TimingProtocol{};
    look.timing->budget_ms = 50;
    auto device = context_.bench->evaluate(Bench::Where::device, region, candidate, *binary, look);
    if (!device) return tl::unexpected<Error>(device.error());
    json row = {{"candidate", kernel::candidate_id(candidate)},
                {"one_result", harness::has_one_result(binary->ptx)},
                {"device", harness::name_of(device->verdict.outcome)},
                {"twin", harness::name_of(twin->verdict.outcome)}};
    if (device->kept.empty() || twin->kept.empty()) return json();
    auto bits = harness::compare_bits(device->kept, twin->kept);
    if (!bits) return tl::unexpected<Error>(bits.error());
    row.update({{"elements", bits->elements},
                {"differing", bits->differing},
                {"largest_ulp", bits->largest_ulp},
                {"where", bits->where}});
    row["counters"] = counter_ratios(*device, *twin);
    note = device->counters_note;
    return row;
  }

  CheckContext& context_;
};

}  // namespace

std::unique_ptr<Stage> make_twin_stage(CheckContext& context) {
  return std::make_unique<TwinStage>(context);
}

}  // namespace mtmc::search
