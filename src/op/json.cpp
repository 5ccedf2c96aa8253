// The JSON form. It is read as hostile input: every field's type, every count and every name is
// checked here or by the builder, which infers all shapes again; nothing in the form is believed.
//
//   {"dims": [["M", 64]], "precision": "exact",
//    "inputs": [{"name": "x", "dtype": "f32", "shape": ["M", 8], "role": "weight", "strides": [8,
//    1],
//                "distribution": {"kind": "normal", "a": 0, "b": 1}}],
//    "nodes": [{"op": "softmax", "operands": ["x", 2.5, null], "attributes": {"dim": -1},
//    "results": ["y"]}], "outputs": ["y"]}
// Extents and whole numbers are numbers or expressions as text; numbers without JSON form are
// "inf", "-inf", "nan".
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "op/builder.hpp"
#include "op/operator.hpp"
#include "op/parser.hpp"

namespace mtmc::op {
namespace {

using nlohmann::json;
constexpr std::size_t kMaxEntries = 4096;
constexpr std::array<std::string_view, 4> kRoles = {"input", "weight", "inout", "intermediate"};
constexpr std::array<std::string_view, 4> kPrecisions = {"exact", "tf32", "bf16x3", "tf32x3"};
constexpr std::array<std::string_view, 4> kDistributions = {"normal", "uniform", "randint",
                                                            "constant"};

json number_json(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  return v;
}
json whole_json(const Expr& e) { return e.is_constant() ? json(e.value()) : json(e.text()); }
json list_json(const std::vector<Expr>& list) {
  json out = json::array();
  for (const auto& e : list) out.push_back(whole_json(e));
  return out;
}
json attribute_json(const Attribute& a) {
  if (const auto* e = std::get_if<Expr>(&a)) return whole_json(*e);
  if (const auto* d = std::get_if<double>(&a)) return number_json(*d);
  if (const auto* b = std::get_if<bool>(&a)) return *b;
  if (const auto* w = std::get_if<std::string>(&a)) return *w;
  if (const auto* t = std::get_if<DType>(&a)) return std::string(name_of(*t));
  return list_json(std::get<std::vector<Expr>>(a));
}

tl::unexpected<Error> wrong(std::string_view where, std::string_view what, const json& found) {
  return bad_input(fmt::format("json: {} must be {}, found {}", where, what, found.type_name()));
}

Result<const json*> member(const json& object, const char* key, std::string_view where) {
  const auto it = object.find(key);
  if (it == object.end()) return bad_input(fmt::format("json: {} has no '{}'", where, key));
  return &*it;
}

Result<std::string> text_of(const json& value, std::string_view where) {
  if (!value.is_string()) return wrong(where, "a text", value);
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > 1024)
    return bad_input(fmt::format("json: {} has {} characters; at most 1024", where, text.size()));
  return text;
}

Result<const json*> list_of(const json& object, const char* key, std::string_view where) {
  auto value = member(object, key, where);
  if (!value) return value;
  if (!(*value)->is_array()) return wrong(fmt::format("'{}' of {}", key, where), "a list", **value);
  if ((*value)->size() > kMaxEntries)
    return bad_input(fmt::format("json: '{}' of {} has {} entries; at most {}", key, where,
                                 (*value)->size(), kMaxEntries));
  return value;
}

template <std::size_t N>
Result<std::size_t> word_of(const json& value, const std::array<std::string_view, N>& words,
                            std::string_view where) {
  auto text = text_of(value, where);
  if (!text) return tl::unexpected<Error>(text.error());
  const auto found = std::find(words.begin(), words.end(), *text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  std::string all;
  for (const auto w : words) all += (all.empty() ? "" : ", ") + std::string(w);
  return bad_input(fmt::format("json: {} must be one of {}", where, all));
}

Result<std::int64_t> integer_of(const json& value, std::string_view where) {
  if (!value.is_number_integer()) return wrong(where, "a whole number", value);
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 62)
    return bad_input(fmt::format("json: {} is too large", where));
  return value.get<std::int64_t>();
}

Result<Expr> whole_of(const json& value, std::string_view where) {
  if (value.is_string()) {
    auto text = text_of(value, where);
    if (!text) return tl::unexpected<Error>(text.error());
    auto e = parse_whole(*text);
    if (!e) return tl::unexpected<Error>(e.error().with(fmt::format("json: {}", where)));
    return e;
  }
  auto number = integer_of(value, where);
  if (!number) return tl::unexpected<Error>(number.error());
  return Expr(*number);
}

Result<std::vector<Expr>> wholes_of(const json& value, std::string_view where) {
  if (!value.is_array()) return wrong(where, "a list", value);
  if (value.size() > 64)
    return bad_input(fmt::format("json: {} has {} entries; at most 64", where, value.size()));
  std::vector<Expr> out;
  for (const auto& item : value) {
    auto e = whole_of(item, where);
    if (!e) return tl::unexpected<Error>(e.error());
    out.push_back(*e);
  }
  return out;
}

Result<double> number_of(const json& value, std::string_view where) {
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text == "inf") return INFINITY;
    if (text == "-inf") return -INFINITY;
    if (text == "nan") return NAN;
  }
  return wrong(where, "a number", value);
}

Result<DType> dtype_of(const json& value, std::string_view where) {
  auto text = text_of(value, where);
  if (!text) return tl::unexpected<Error>(text.error());
  if (auto dtype = dtype_named(*text)) return *dtype;
  return bad_input(fmt::format("json: {} is no dtype: '{}'", where, text->substr(0, 64)));
}

Result<Attribute> attribute_of(const json& value, Parameter::Kind kind, std::string_view where) {
  const auto as_attribute = [](auto&& made) -> Result<Attribute> {
    if (!made) return tl::unexpected<Error>(made.error());
    return Attribute(*made);
  };
  switch (kind) {
    case Parameter::Kind::integer:
      return as_attribute(whole_of(value, where));
    case Parameter::Kind::number:
      return as_attribute(number_of(value, where));
    case Parameter::Kind::word:
      return as_attribute(text_of(value, where));
    case Parameter::Kind::dtype:
      return as_attribute(dtype_of(value, where));
    case Parameter::Kind::flag:
      if (value.is_boolean()) return Attribute(value.get<bool>());
      return wrong(where, "true or false", value);
    case Parameter::Kind::padding:
      if (value.is_string()) return as_attribute(text_of(value, where));
      return as_attribute(wholes_of(value, where));
    case Parameter::Kind::shape:
      return as_attribute(wholes_of(value, where));
    case Parameter::Kind::tensor:
    case Parameter::Kind::tensors:
      break;
  }
  return bad_input(fmt::format("json: {} is an operand, not an attribute", where));
}

Result<void> read_input(const json& form, Builder& builder) {
  if (!form.is_object()) return wrong("an input", "an object", form);
  Value value;
  const auto name = member(form, "name", "an input"), dtype = member(form, "dtype", "an input"),
             shape = member(form, "shape", "an input");
  for (const auto* field : {&name, &dtype, &shape})
    if (!*field) return tl::unexpected<Error>(field->error());
  const auto name_text = text_of(**name, "an input's name");
  if (!name_text) return tl::unexpected<Error>(name_text.error());
  value.name = *name_text;
  const auto dtype_read = dtype_of(**dtype, "an input's dtype");
  if (!dtype_read) return tl::unexpected<Error>(dtype_read.error());
  value.dtype = *dtype_read;
  auto shape_read = wholes_of(**shape, "an input's shape");
  if (!shape_read) return tl::unexpected<Error>(shape_read.error());
  value.shape = std::move(*shape_read);
  value.role = Role::input;
  if (const auto it = form.find("role"); it != form.end()) {
    const auto role = word_of(*it, std::array{kRoles[0], kRoles[1], kRoles[2]}, "an input's role");
    if (!role) return tl::unexpected<Error>(role.error());
    value.role = static_cast<Role>(*role);
  }
  if (const auto it = form.find("strides"); it != form.end()) {
    auto strides = wholes_of(*it, "an input's strides");
    if (!strides) return tl::unexpected<Error>(strides.error());
    value.strides = std::move(*strides);
  }
  value.distribution = default_distribution(value.dtype);
  if (const auto it = form.find("distribution"); it != form.end()) {
    if (!it->is_object()) return wrong("a distribution", "an object", *it);
    const auto kind = member(*it, "kind", "a distribution");
    if (!kind) return tl::unexpected<Error>(kind.error());
    const auto which = word_of(**kind, kDistributions, "a distribution's kind");
    if (!which) return tl::unexpected<Error>(which.error());
    value.distribution = {static_cast<Distribution::Kind>(*which), 0, 0};
    for (const char* key : {"a", "b"}) {
      const auto found = it->find(key);
      if (found == it->end()) continue;
      const auto number = number_of(*found, "a distribution's number");
      if (!number) return tl::unexpected<Error>(number.error());
      (*key == 'a' ? value.distribution.a : value.distribution.b) = *number;
    }
  }
  auto added = builder.add_input(std::move(value));
  if (!added) return tl::unexpected<Error>(added.error().with("json"));
  return {};
}

Result<void> read_node(const json& form, Builder& builder) {
  if (!form.is_object()) return wrong("a node", "an object", form);
  const auto op = member(form, "op", "a node");
  if (!op) return tl::unexpected<Error>(op.error());
  const auto op_text = text_of(**op, "a node's op");
  if (!op_text) return tl::unexpected<Error>(op_text.error());
  const Row* row = find_row(*op_text);
  if (!row) return bad_input(fmt::format("json: unknown operator '{}'", op_text->substr(0, 64)));
  Node node;
  node.op = row->name;
  const auto operands = list_of(form, "operands", "a node");
  if (!operands) return tl::unexpected<Error>(operands.error());
  for (const auto& item : **operands) {
    if (item.is_null()) {
      node.operands.emplace_back(Absent{});
    } else if (item.is_string()) {
      const auto& name = item.get_ref<const std::string&>();
      const int v = builder.value_named(name);
      if (v >= 0) {
        node.operands.emplace_back(v);
        continue;
      }
      const auto number = number_of(item, "an operand");
      if (!number)
        return bad_input(fmt::format("json: operand '{}' of {} is no value above it",
                                     name.substr(0, 64), row->name));
      node.operands.emplace_back(*number);
    } else {
      const auto number = number_of(item, "an operand");
      if (!number) return tl::unexpected<Error>(number.error());
      node.operands.emplace_back(*number);
    }
  }
  if (const auto it = form.find("attributes"); it != form.end()) {
    if (!it->is_object()) return wrong("a node's attributes", "an object", *it);
    for (const auto& [key, value] : it->items()) {
      const auto p = std::find_if(row->parameters.begin(), row->parameters.end(),
                                  [&, &k = key](const Parameter& q) { return q.name == k; });
      if (p == row->parameters.end())
        return bad_input(
            fmt::format("json: {} has no attribute '{}'", row->name, key.substr(0, 64)));
      auto attribute =
          attribute_of(value, p->kind, fmt::format("attribute '{}' of {}", p->name, row->name));
      if (!attribute) return tl::unexpected<Error>(attribute.error());
      node.attributes.emplace(p->name, std::move(*attribute));
    }
  }
  const auto results = list_of(form, "results", "a node");
  if (!results) return tl::unexpected<Error>(results.error());
  std::vector<std::string> names;
  for (const auto& item : **results) {
    auto name = text_of(item, "a result's name");
    if (!name) return tl::unexpected<Error>(name.error());
    names.push_back(std::move(*name));
  }
  auto added = builder.add_node(std::move(node), names);
  if (!added) return tl::unexpected<Error>(added.error().with("json"));
  return {};
}

Result<Operator> read(const json& form) {
  if (!form.is_object()) return wrong("an operator", "an object", form);
  Builder builder;
  const auto dims = list_of(form, "dims", "the operator"),
             inputs = list_of(form, "inputs", "the operator"),
             nodes = list_of(form, "nodes", "the operator");
  for (const auto* list : {&dims, &inputs, &nodes})
    if (!*list) return tl::unexpected<Error>(list->error());
  for (const auto& dim : **dims) {
    if (!dim.is_array() || dim.size() != 2) return wrong("a dim", "a pair of name and value", dim);
    const auto name = text_of(dim[0], "a dim's name");
    if (!name) return tl::unexpected<Error>(name.error());
    const auto value = integer_of(dim[1], "a dim's value");
    if (!value) return tl::unexpected<Error>(value.error());
    if (auto ok = builder.add_dim(*name, *value); !ok)
      return tl::unexpected<Error>(ok.error().with("json"));
  }
  if (const auto it = form.find("precision"); it != form.end()) {
    const auto precision = word_of(*it, kPrecisions, "precision");
    if (!precision) return tl::unexpected<Error>(precision.error());
    builder.set_precision(static_cast<Precision>(*precision));
  }
  for (const auto& input : **inputs)
    if (auto ok = read_input(input, builder); !ok) return tl::unexpected<Error>(ok.error());
  for (const auto& node : **nodes)
    if (auto ok = read_node(node, builder); !ok) return tl::unexpected<Error>(ok.error());
  std::vector<int> outputs;
  if (form.contains("outputs")) {
    const auto list = list_of(form, "outputs", "the operator");
    if (!list) return tl::unexpected<Error>(list.error());
    for (const auto& item : **list) {
      const auto name = text_of(item, "an output");
      if (!name) return tl::unexpected<Error>(name.error());
      outputs.push_back(builder.value_named(*name));
      if (outputs.back() < 0)
        return bad_input(fmt::format("json: output '{}' is no value", name->substr(0, 64)));
    }
  }
  auto op = builder.finish(std::move(outputs));
  if (!op) return tl::unexpected<Error>(op.error().with("json"));
  return op;
}

}  // namespace

nlohmann::json to_json(const Operator& op) {
  json form = {{"dims", json::array()},
               {"inputs", json::array()},
               {"nodes", json::array()},
               {"outputs", json::array()},
               {"precision", kPrecisions[static_cast<std::size_t>(op.precision)]}};
  const auto name = [&](int v) { return op.values[static_cast<std::size_t>(v)].name; };
  for (const auto& [dim, value] : op.dims) form["dims"].push_back(json::array({dim, value}));
  for (int v = 0; v < op.inputs(); ++v) {
    const Value& value = op.values[static_cast<std::size_t>(v)];
    json input = {{"name", value.name},
                  {"dtype", name_of(value.dtype)},
                  {"shape", list_json(value.shape)},
                  {"role", kRoles[static_cast<std::size_t>(value.role)]},
                  {"distribution",
                   {{"kind", kDistributions[static_cast<std::size_t>(value.distribution.kind)]},
                    {"a", value.distribution.a},
                    {"b", value.distribution.b}}}};
    if (!value.strides.empty()) input["strides"] = list_json(value.strides);
    form["inputs"].push_back(std::move(input));
  }
  for (const auto& node : op.nodes) {
    json operands = json::array(), attributes = json::object(), results = json::array();
    for (const auto& operand : node.operands) {
      if (const int* v = std::get_if<int>(&operand))
        operands.push_back(name(*v));
      else if (const double* d = std::get_if<double>(&operand))
        operands.push_back(number_json(*d));
      else
        operands.push_back(nullptr);
    }
    for (const auto& [key, attribute] : node.attributes)
      attributes[key] = attribute_json(attribute);
    for (int v : node.results) results.push_back(name(v));
    form["nodes"].push_back({{"op", node.op},
                             {"operands", operands},
                             {"attributes", attributes},
                             {"results", results}});
  }
  for (int v : op.outputs) form["outputs"].push_back(name(v));
  return form;
}

Result<Operator> from_json(const nlohmann::json& form) {
  try {
    return read(form);
  } catch (const json::exception& e) {
    return bad_input(fmt::format("json: {}", e.what()));
  }
}

}  // namespace mtmc::op
