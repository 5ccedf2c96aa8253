#include "tuner/t1.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/python.hpp"

namespace mtmc::tuner {

using nlohmann::json;

Result<Value> value_from_json(const json& form) {
  if (form.is_boolean()) return Value(form.get<bool>());
  if (form.is_number_unsigned() && form.get<std::uint64_t>() > INT64_MAX)
    return bad_input(fmt::format("{} is beyond 64 bits", form.dump()));
  if (form.is_number_integer()) return Value(form.get<std::int64_t>());
  if (form.is_number_float()) return Value(form.get<double>());
  if (form.is_string()) return Value(form.get<std::string>());
  return bad_input(
      fmt::format("a number, a text or a truth value is needed, got {}",
                  form.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 60)));
}

json to_json(const Value& value) {
  if (value.is_bool()) return value.truth();
  if (value.is_integer()) return value.integer();
  if (value.is_real()) return value.real();
  if (value.is_string()) return value.string();
  json list = json::array();
  for (const Value& v : value.list()) list.push_back(to_json(v));
  return list;
}

namespace {

const json* member(const json& form, const char* name) {
  if (!form.is_object()) return nullptr;
  const auto it = form.find(name);
  return it == form.end() ? nullptr : &*it;
}
std::string text_member(const json* form, const char* name) {
  const json* m = form ? member(*form, name) : nullptr;
  return m && m->is_string() ? m->get<std::string>() : std::string();
}

Result<std::vector<Value>> values_of_form(const json& form) {
  std::vector<Value> values;
  if (form.is_string()) {
    auto list = python_list(form.get_ref<const std::string&>());
    if (!list) return list;
    values = std::move(*list);
  } else if (form.is_array()) {
    for (const json& element : form) {
      auto value = value_from_json(element);
      if (!value) return tl::unexpected<Error>(value.error());
      values.push_back(std::move(*value));
    }
  } else {
    return bad_input("Values is neither a text nor a list");
  }
  for (const Value& v : values)
    if (v.is_list()) return bad_input("Values is a list of lists");
  return values;
}

Result<Parameter> parameter(const json& form) {
  Parameter p;
  p.name = text_member(&form, "Name");
  if (p.name.empty()) return bad_input("a tuning parameter without a Name");
  const json* values = member(form, "Values");
  if (!values) return bad_input(fmt::format("tuning parameter '{}' has no Values", p.name));
  auto list = values_of_form(*values);
  if (!list)
    return tl::unexpected<Error>(list.error().with(fmt::format("tuning parameter '{}'", p.name)));
  p.values = std::move(*list);
  if (p.values.empty())
    return bad_input(fmt::format("tuning parameter '{}' has no values", p.name));
  p.default_value = p.values.front();
  if (const json* d = member(form, "Default")) {
    auto value = value_from_json(d->is_array() && d->size() == 1 ? (*d)[0] : *d);
    if (value && std::find(p.values.begin(), p.values.end(), *value) != p.values.end())
      p.default_value = *value;
  }
  return p;
}

}  // namespace

Result<T1Problem> t1_from_json(const json& form) {
  T1Problem problem;
  const json* space = member(form, "ConfigurationSpace");
  const json* parameters = space ? member(*space, "TuningParameters") : nullptr;
  if (!parameters || !parameters->is_array())
    return bad_input("not a T1 problem: it has no ConfigurationSpace with TuningParameters");
  for (const json& p : *parameters) {
    auto one = parameter(p);
    if (!one) return tl::unexpected<Error>(one.error());
    problem.parameters.push_back(std::move(*one));
  }
  if (const json* conditions = member(*space, "Conditions")) {
    if (!conditions->is_array()) return bad_input("Conditions is no list");
    for (const json& c : *conditions) {
      const std::string text = c.is_string() ? c.get<std::string>() : text_member(&c, "Expression");
      if (text.empty()) return bad_input("a condition without an Expression");
      auto constraint = Constraint::parse(text, Syntax::python);
      if (!constraint) return tl::unexpected<Error>(constraint.error());
      problem.constraints.push_back(std::move(*constraint));
    }
  }
  const json* kernel = member(form, "KernelSpecification");
  problem.kernel_name = text_member(kernel, "KernelName");
  problem.kernel_file = text_member(kernel, "KernelFile");
  problem.language = text_member(kernel, "Language");
  return problem;
}

}  // namespace mtmc::tuner
