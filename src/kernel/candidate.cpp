#include "kernel/candidate.hpp"

#include "base/hash.hpp"
#include "kernel/json_reader.hpp"

namespace mtmc::kernel {

namespace {

constexpr std::size_t kMaxSourceBytes = 1 << 20;

Configuration read_configuration(JsonReader& r, const nlohmann::json& form) {
  Configuration configuration;
  if (form.is_null()) return configuration;
  if (!form.is_object() || form.size() > 64) {
    r.fail("configuration", "an object of at most 64 integers");
    return configuration;
  }
  for (const auto& [name, value] : form.items()) {
    if (value.is_number_integer()) configuration[name] = value.get<std::int64_t>();
    else r.fail("configuration", "integers");
  }
  return configuration;
}

}  // namespace

nlohmann::json to_json(const Candidate& candidate) {
  nlohmann::json sources = nlohmann::json::array(), tunables = nlohmann::json::array();
  for (const auto& s : candidate.sources) sources.push_back({{"name", s.name}, {"text", s.text}});
  for (const auto& t : candidate.tunables) tunables.push_back({{"name", t.name}, {"values", t.values}});
  nlohmann::json out = {{"sources", sources}, {"recipe", to_json(candidate.recipe)}, {"tunables", tunables},
                        {"constraints", candidate.constraints}, {"configuration", candidate.configuration},
                        {"ranked", candidate.ranked}, {"written_by", candidate.written_by}};
  if (candidate.schedule) out["schedule"] = to_json(*candidate.schedule);
  return out;
}

Result<Candidate> candidate_from_json(const nlohmann::json& form) {
  JsonReader r("candidate");
  Candidate c;
  if (!form.is_object()) return bad_input("candidate: expected an object");
  for (const auto& s : r.items(form, "sources", 16))
    c.sources.push_back({r.name(s, "name"), r.text(s, "text", kMaxSourceBytes)});
  if (c.sources.empty()) r.fail("sources", "at least one source");
  for (const auto& t : r.items(form, "tunables", 64)) {
    Tunable tunable{r.name(t, "name"), {}};
    for (const auto& v : r.items(t, "values", 256)) {
      if (v.is_number_integer()) tunable.values.push_back(v.get<std::int64_t>());
      else r.fail("values", "integers");
    }
    if (tunable.values.empty()) r.fail("values", "at least one value");
    c.tunables.push_back(std::move(tunable));
  }
  for (const auto& text : r.items(form, "constraints", 64)) {
    if (text.is_string() && Expr::parse(text.get_ref<const std::string&>())) c.constraints.push_back(text.get<std::string>());
    else r.fail("constraints", "expressions");
  }
  c.configuration = read_configuration(r, r.member(form, "configuration"));
  for (const auto& ranked : r.items(form, "ranked", 8)) c.ranked.push_back(read_configuration(r, ranked));
  if (!r.member(form, "written_by").is_null()) c.written_by = r.text(form, "written_by", 256);
  for (const auto& t : c.tunables)
    if (!c.configuration.count(t.name)) r.fail("configuration", "a value for tunable " + t.name);
  if (r.error()) return tl::unexpected<Error>(*r.error());
  auto recipe = recipe_from_json(r.member(form, "recipe"));
  if (!recipe) return tl::unexpected<Error>(recipe.error().with("candidate"));
  c.recipe = std::move(*recipe);
  if (const auto& s = r.member(form, "schedule"); !s.is_null()) {
    auto schedule = schedule_from_json(s);
    if (!schedule) return tl::unexpected<Error>(schedule.error().with("candidate"));
    c.schedule = std::move(*schedule);
  }
  return c;
}

std::string candidate_id(const Candidate& candidate) {
  nlohmann::json identity = to_json(candidate);
  for (const char* key : {"schedule", "written_by", "ranked", "tunables", "constraints"}) identity.erase(key);
  return sha256(identity.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace mtmc::kernel
