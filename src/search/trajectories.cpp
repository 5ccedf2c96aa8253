#include "search/trajectories.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "device/device.hpp"
#include "op/operator.hpp"
#include "search/priors.hpp"
#include "search/stored_endpoint.hpp"
#include "store/candidates.hpp"
#include "store/queries.hpp"
#include "store/tree.hpp"

namespace mtmc::search {

namespace {

using nlohmann::json;

json parsed(const std::string& text) {
  json form = json::parse(text, nullptr, false);
  return form.is_discarded() ? json(nullptr) : form;
}

std::string dumped(const json& form) {
  return form.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Code without what only the search needs.
Result<json> candidate_json(store::Candidates& candidates, const std::string& id) {
  if (id.empty()) return json(nullptr);
  auto record = candidates.find(id);
  if (!record) return tl::unexpected<Error>(record.error());
  if (!*record) return json{{"id", id}};
  const json full = parsed((*record)->json);
  json out = {{"id", id}, {"written_by", (*record)->written_by}};
  for (const char* key : {"sources", "recipe", "tunables", "constraints", "configuration"})
    if (full.is_object() && full.contains(key)) out[key] = full[key];
  return out;
}

}  // namespace

Result<llm::Recording> recording_of(store::Store& store, const std::string& run_id) {
  auto view = store::Queries(store).run(run_id);
  if (!view) return tl::unexpected<Error>(view.error());
  auto exchanges = store::Exchanges(store).of_run(run_id);
  if (!exchanges) return tl::unexpected<Error>(exchanges.error());
  if (exchanges->empty())
    return bad_input("run " + run_id + " asked no model: there is nothing to record");
  llm::Recording recording;
  for (const auto& e : *exchanges) {
    auto request = llm::request_from_json(parsed(e.request_json));
    if (!request) return tl::unexpected<Error>(request.error().with("stored exchange"));
    request->role = e.role;
    recording.exchanges.push_back({std::move(*request), exchange_of(e)});
  }
  json priors = json::array();
  if (auto device = device::find_device(view->run.identity.device))
    if (auto op = op::parse_operator(view->op.line)) {
      auto rows = store::Tree(store).priors(device->facts.architecture,
                                            std::string(op::name_of(op->values.front().dtype)),
                                            view->run.started_at_ms);
      if (!rows) return tl::unexpected<Error>(rows.error());
      priors = to_json(*rows);
    }
  recording.run_json = dumped({{"operator", view->op.line},
                               {"device", view->run.identity.device},
                               {"settings", parsed(view->run.identity.settings_json)},
                               {"tool_version", view->run.identity.tool_version},
                               {"priors", priors}});
  return recording;
}

Result<std::string> trajectories_of(store::Store& store, const std::string& run_id) {
  auto view = store::Queries(store).run(run_id);
  if (!view) return tl::unexpected<Error>(view.error());
  auto transitions = store::Tree(store).transitions(run_id);
  if (!transitions) return tl::unexpected<Error>(transitions.error());
  std::map<std::string, const store::NodeRecord*> nodes;
  for (const auto& node : view->nodes) nodes[node.id] = &node;
  std::map<std::string, std::string> regions;
  for (const auto& region : view->regions) regions[region.hash] = region.text;
  store::Candidates candidates(store);
  std::string out;
  std::int64_t number = 0;
  for (const auto& t : *transitions) {
    const auto found = nodes.find(t.node_id);
    if (found == nodes.end()) continue;
    const auto& node = *found->second;
    const auto above = nodes.find(node.parent_id);
    auto before =
        candidate_json(candidates, above == nodes.end() ? "" : above->second->candidate_id);
    if (!before) return tl::unexpected<Error>(before.error());
    auto after = candidate_json(candidates, node.candidate_id);
    if (!after) return tl::unexpected<Error>(after.error());
    json state = parsed(t.state_json);
    if (!state.is_object()) state = json::object();
    state.update({{"region", regions[node.region_hash]},
                  {"device", view->run.identity.device},
                  {"architecture", t.architecture},
                  {"dtype", t.dtype},
                  {"bottleneck", t.bottleneck},
                  {"candidate", *before}});
    out += dumped({{"run", run_id},
                   {"operator", view->op.line},
                   {"number", number++},
                   {"node", t.node_id},
                   {"parent", node.parent_id},
                   {"planner", t.planner},
                   {"state", state},
                   {"action", parsed(node.step_json)},
                   {"key", node.step_key},
                   {"expected_gain", t.expected_gain},
                   {"risk", t.risk},
                   {"outcome", node.outcome},
                   {"message", node.message},
                   {"gain", node.gain},
                   {"modelled_ns",
                    node.time.modelled_ns ? json(*node.time.modelled_ns) : json(nullptr)},
                   {"reward_staged", t.staged_reward},
                   {"reward_log_gain", t.reward},
                   {"next", *after}}) +
           "\n";
  }
  if (out.empty()) return bad_input("run " + run_id + " took no step: there is no trajectory");
  return out;
}

}  // namespace mtmc::search
