// A request to judge, as it crosses the pipe to a worker. No tensor does: inputs are made in place.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/frame.hpp"
#include "harness/judge.hpp"
#include "kernel/json_reader.hpp"

namespace mtmc::harness {

namespace {

using nlohmann::json;

std::vector<std::string> names(kernel::JsonReader& r, const json& form, const char* key) {
  std::vector<std::string> list;
  for (const auto& n : r.items(form, key, 4096)) {
    if (n.is_string()) list.push_back(n.get<std::string>());
    else r.fail(key, "names");
  }
  return list;
}

}  // namespace

// The machine code is for GPUs; the emulator runs the PTX. Both travel, the former as base64 of its bytes.
json binary_json(const compiler::Binary& b) {
  json kernels = json::array();
  for (const auto& k : b.kernels)
    kernels.push_back({{"name", k.name}, {"registers", k.registers}, {"static_shared_bytes", k.static_shared_bytes},
                       {"max_threads", k.max_threads}});
  return {{"hash", b.hash}, {"architecture", b.architecture}, {"ptx", b.ptx}, {"cubin", to_base64(b.cubin)}, {"kernels", kernels}};
}

Result<compiler::Binary> binary_from_json(const json& form) {
  kernel::JsonReader r("binary");
  compiler::Binary b;
  b.hash = r.text(form, "hash");
  b.architecture = r.text(form, "architecture");
  b.ptx = r.text(form, "ptx", std::size_t{128} << 20);
  auto cubin = from_base64(r.text(form, "cubin", std::size_t{128} << 20));
  if (!cubin) return tl::unexpected<Error>(cubin.error().with("cubin"));
  b.cubin = std::move(*cubin);
  for (const auto& k : r.items(form, "kernels", 1024)) {
    compiler::KernelFacts facts;
    facts.name = r.text(k, "name", 4096);
    facts.registers = static_cast<int>(r.integer(k, "registers", 0));
    facts.static_shared_bytes = r.integer(k, "static_shared_bytes", 0);
    facts.max_threads = static_cast<int>(r.integer(k, "max_threads", 0));
    b.kernels.push_back(std::move(facts));
  }
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return b;
}

json to_json(const JudgeRequest& request) {
  json units = json::array();
  for (const auto& u : request.units)
    units.push_back({{"candidate", kernel::to_json(u.candidate)}, {"binary", binary_json(u.binary)}, {"inputs", u.inputs},
                     {"outputs", u.outputs}, {"region_inputs", u.region_inputs}, {"region_outputs", u.region_outputs}});
  const JudgeLimits& l = request.limits;
  json out = {{"operator", op::to_json(request.op)}, {"units", units}, {"seed", request.seed}, {"count", request.count},
          {"limits", {{"reference_operations", l.reference_operations}, {"emulated_operations", l.emulated_operations},
                      {"sampled_elements", l.sampled_elements}, {"sampled_blocks", l.sampled_blocks},
                      {"instruction_budget", l.instruction_budget}, {"memory_bytes", l.memory_bytes},
                      {"only_stated_time", l.only_stated_time}}}};
  if (request.timing) out["timing"] = to_json(*request.timing);
  if (request.kept_elements > 0) out["kept_elements"] = request.kept_elements;
  return out;
}

Result<JudgeRequest> judge_request_from_json(const json& form) {
  kernel::JsonReader r("request");
  JudgeRequest request;
  auto op = op::from_json(r.member(form, "operator"));
  if (!op) return tl::unexpected<Error>(op.error());
  request.op = std::move(*op);
  const auto& seed = r.member(form, "seed");
  if (seed.is_number_unsigned()) request.seed = seed.get<std::uint64_t>();
  else r.fail("seed", "a number");
  const auto& l = r.member(form, "limits");
  JudgeLimits& limits = request.limits;
  limits.reference_operations = r.number(l, "reference_operations", limits.reference_operations);
  limits.emulated_operations = r.number(l, "emulated_operations", limits.emulated_operations);
  limits.sampled_elements = r.integer(l, "sampled_elements", limits.sampled_elements);
  limits.sampled_blocks = r.integer(l, "sampled_blocks", limits.sampled_blocks);
  limits.instruction_budget = static_cast<std::uint64_t>(r.integer(l, "instruction_budget", static_cast<std::int64_t>(limits.instruction_budget)));
  limits.memory_bytes = r.integer(l, "memory_bytes", limits.memory_bytes);
  limits.only_stated_time = r.flag(l, "only_stated_time", false);
  for (const auto& u : r.items(form, "units", 4096)) {
    Unit unit;
    auto candidate = kernel::candidate_from_json(r.member(u, "candidate"));
    if (!candidate) return tl::unexpected<Error>(candidate.error());
    unit.candidate = std::move(*candidate);
    auto binary = binary_from_json(r.member(u, "binary"));
    if (!binary) return tl::unexpected<Error>(binary.error());
    unit.binary = std::move(*binary);
    unit.inputs = names(r, u, "inputs");
    unit.outputs = names(r, u, "outputs");
    unit.region_inputs = names(r, u, "region_inputs");
    unit.region_outputs = names(r, u, "region_outputs");
    if (unit.inputs.size() != unit.region_inputs.size() || unit.outputs.size() != unit.region_outputs.size())
      r.fail("units", "as many program names as region names");
    request.units.push_back(std::move(unit));
  }
  if (request.units.empty()) r.fail("units", "at least one unit");
  request.count = r.flag(form, "count", false);
  request.kept_elements = r.integer(form, "kept_elements", 0);
  if (const auto& timing = r.member(form, "timing"); !timing.is_null()) {
    auto protocol = timing_protocol_from_json(timing);
    if (!protocol) return tl::unexpected<Error>(protocol.error());
    request.timing = *protocol;
  }
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return request;
}

}  // namespace mtmc::harness
