// The JSON form of a recipe. Reading treats the text as hostile: a recipe may come from a model's answer.
#include <nlohmann/json.hpp>

#include "kernel/json_reader.hpp"
#include "kernel/recipe.hpp"

namespace mtmc::kernel {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxBuffers = 256, kMaxSteps = 1024, kMaxArgs = 64, kMaxRank = 8;
constexpr const char* kRoles[] = {"input", "weight", "state", "output", "workspace"};
constexpr const char* kFills[] = {"none", "zero", "value", "random"};

json argument_json(const Argument& argument) {
  if (auto* b = std::get_if<BufferArg>(&argument)) {
    json out = {{"buffer", b->buffer}};
    if (!b->offset_bytes.is_constant(0)) out["offset_bytes"] = expression_json(b->offset_bytes);
    return out;
  }
  if (auto* s = std::get_if<ScalarArg>(&argument)) {
    json out = {{"scalar", std::string(op::name_of(s->dtype))}};
    if (auto* e = std::get_if<Expr>(&s->value)) out["value"] = expression_json(*e);
    else out["value"] = std::get<double>(s->value);
    return out;
  }
  const auto& t = std::get<TensorMapArg>(argument);
  return {{"tensor_map", t.buffer}, {"dims", expressions_json(t.dims)},
          {"strides_bytes", expressions_json(t.strides_bytes)}, {"box", expressions_json(t.box)},
          {"swizzle_bytes", t.swizzle_bytes}, {"out_of_bounds_nan", t.out_of_bounds_nan}};
}

json step_json(const RecipeStep& step) {
  json out;
  if (auto* l = std::get_if<Launch>(&step.what)) {
    json args = json::array();
    for (const auto& a : l->args) args.push_back(argument_json(a));
    json launch = {{"kernel", l->kernel}, {"grid", expressions_json(l->grid)},
                   {"block", expressions_json(l->block)}, {"args", args}};
    if (!l->cluster.empty()) launch["cluster"] = expressions_json(l->cluster);
    if (l->cooperative) launch["cooperative"] = true;
    if (l->programmatic_dependent) launch["pdl"] = true;
    if (!l->shared_bytes.is_constant(0)) launch["shared_bytes"] = expression_json(l->shared_bytes);
    out["launch"] = launch;
  } else if (auto* m = std::get_if<Memset>(&step.what)) {
    out["memset"] = {{"buffer", m->buffer}, {"offset_bytes", expression_json(m->offset_bytes)},
                     {"bytes", expression_json(m->bytes)}, {"byte", m->byte}};
  } else if (auto* c = std::get_if<Copy>(&step.what)) {
    out["copy"] = {{"from", c->from}, {"from_offset_bytes", expression_json(c->from_offset_bytes)},
                   {"to", c->to}, {"to_offset_bytes", expression_json(c->to_offset_bytes)},
                   {"bytes", expression_json(c->bytes)}};
  } else {
    const auto& library = std::get<Library>(step.what);
    out["library"] = {{"library", library.library}, {"routine", library.routine},
                      {"buffers", library.buffers}, {"settings", library.settings}};
  }
  if (step.when) out["when"] = expression_json(*step.when);
  if (step.repeat)
    out["repeat"] = {{"symbol", step.repeat->symbol}, {"count", expression_json(step.repeat->count)}};
  return out;
}

op::DType dtype(JsonReader& r, const json& object, const char* key) {
  const auto& v = r.member(object, key);
  if (v.is_string())
    if (auto d = op::dtype_named(v.get_ref<const std::string&>())) return *d;
  r.fail(key, "a dtype (f64 f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i8 u8 bool)");
  return op::DType::f32;
}

Argument read_argument(JsonReader& r, const json& form) {
  if (!r.member(form, "buffer").is_null())
    return BufferArg{r.name(form, "buffer"), r.expression_member(form, "offset_bytes", 0)};
  if (!r.member(form, "scalar").is_null()) {
    ScalarArg s;
    s.dtype = dtype(r, form, "scalar");
    const auto& v = r.member(form, "value");
    if (op::is_float(s.dtype)) s.value = r.number(form, "value", 0);
    else s.value = r.expression(v, "value");
    return s;
  }
  TensorMapArg t;
  t.buffer = r.name(form, "tensor_map");
  t.dims = r.expressions(form, "dims", 5);
  t.strides_bytes = r.expressions(form, "strides_bytes", 4);
  t.box = r.expressions(form, "box", 5);
  t.swizzle_bytes = static_cast<int>(r.integer(form, "swizzle_bytes", 0));
  t.out_of_bounds_nan = r.flag(form, "out_of_bounds_nan", false);
  if (t.dims.empty() || t.box.size() != t.dims.size() || t.strides_bytes.size() + 1 != t.dims.size())
    r.fail("tensor_map", "dims, box and one stride less, of rank 1 to 5");
  if (t.swizzle_bytes != 0 && t.swizzle_bytes != 32 && t.swizzle_bytes != 64 && t.swizzle_bytes != 128)
    r.fail("swizzle_bytes", "0, 32, 64 or 128");
  return t;
}

Launch read_launch(JsonReader& r, const json& form) {
  Launch l;
  l.kernel = r.name(form, "kernel");
  l.grid = r.expressions(form, "grid", 3);
  l.block = r.expressions(form, "block", 3);
  l.cluster = r.expressions(form, "cluster", 3);
  if (l.grid.empty()) r.fail("grid", "one to three expressions");
  if (l.block.empty()) r.fail("block", "one to three expressions");
  l.cooperative = r.flag(form, "cooperative", false);
  l.programmatic_dependent = r.flag(form, "pdl", false);
  l.shared_bytes = r.expression_member(form, "shared_bytes", 0);
  for (const auto& a : r.items(form, "args", kMaxArgs)) l.args.push_back(read_argument(r, a));
  return l;
}

RecipeStep read_step(JsonReader& r, const json& form) {
  RecipeStep step{Memset{}, {}, {}};
  if (const auto& l = r.member(form, "launch"); !l.is_null()) {
    step.what = read_launch(r, l);
  } else if (const auto& m = r.member(form, "memset"); !m.is_null()) {
    step.what = Memset{r.name(m, "buffer"), r.expression_member(m, "offset_bytes", 0),
                       r.expression_member(m, "bytes", 0), static_cast<int>(r.integer(m, "byte", 0))};
  } else if (const auto& c = r.member(form, "copy"); !c.is_null()) {
    step.what = Copy{r.name(c, "from"), r.name(c, "to"), r.expression_member(c, "from_offset_bytes", 0),
                     r.expression_member(c, "to_offset_bytes", 0), r.expression_member(c, "bytes", 0)};
  } else if (const auto& library = r.member(form, "library"); !library.is_null()) {
    Library call{r.name(library, "library"), r.name(library, "routine"), {}, {}};
    for (const auto& b : r.items(library, "buffers", 16)) {
      if (b.is_string()) call.buffers.push_back(b.get<std::string>());
      else r.fail("buffers", "names");
    }
    if (!r.member(library, "settings").is_null()) call.settings = r.text(library, "settings", 4096);
    step.what = call;
  } else {
    r.fail("step", "launch, memset, copy or library");
  }
  if (const auto& w = r.member(form, "when"); !w.is_null()) step.when = r.expression(w, "when");
  if (const auto& repeat = r.member(form, "repeat"); !repeat.is_null())
    step.repeat = Repeat{r.name(repeat, "symbol"), r.expression_member(repeat, "count", 1)};
  return step;
}

Buffer read_buffer(JsonReader& r, const json& form) {
  Buffer b;
  b.name = r.name(form, "name");
  b.role = word(r, form, "role", kRoles, BufferRole::workspace);
  b.dtype = dtype(r, form, "dtype");
  b.shape = r.expressions(form, "shape", kMaxRank);
  b.alignment = r.integer(form, "alignment", 256);
  if (b.alignment < 1 || b.alignment > 4096 || (b.alignment & (b.alignment - 1)) != 0)
    r.fail("alignment", "a power of two up to 4096");
  if (const auto& a = r.member(form, "alias"); !a.is_null())
    b.alias = Alias{r.name(a, "buffer"), r.expression_member(a, "offset_bytes", 0)};
  b.fill = word(r, form, "fill", kFills, FillKind::none);
  b.fill_value = r.number(form, "fill_value", 0);
  return b;
}

}  // namespace

const Buffer* Recipe::buffer(const std::string& name) const {
  for (const auto& b : buffers)
    if (b.name == name) return &b;
  return nullptr;
}

json to_json(const Recipe& recipe) {
  json out = {{"buffers", json::array()}, {"prepare", json::array()}, {"run", json::array()}};
  for (const auto& b : recipe.buffers) {
    json form = {{"name", b.name}, {"role", kRoles[static_cast<int>(b.role)]},
                 {"dtype", std::string(op::name_of(b.dtype))}, {"shape", expressions_json(b.shape)},
                 {"alignment", b.alignment}};
    if (b.alias)
      form["alias"] = {{"buffer", b.alias->buffer}, {"offset_bytes", expression_json(b.alias->offset_bytes)}};
    if (b.fill != FillKind::none) form["fill"] = kFills[static_cast<int>(b.fill)];
    if (b.fill == FillKind::value) form["fill_value"] = b.fill_value;
    out["buffers"].push_back(form);
  }
  for (const auto& s : recipe.prepare) out["prepare"].push_back(step_json(s));
  for (const auto& s : recipe.run) out["run"].push_back(step_json(s));
  return out;
}

Result<Recipe> recipe_from_json(const json& form) {
  JsonReader r("recipe");
  Recipe recipe;
  if (!form.is_object()) return bad_input("recipe: expected an object");
  for (const auto& b : r.items(form, "buffers", kMaxBuffers)) recipe.buffers.push_back(read_buffer(r, b));
  for (const auto& s : r.items(form, "prepare", kMaxSteps)) recipe.prepare.push_back(read_step(r, s));
  for (const auto& s : r.items(form, "run", kMaxSteps)) recipe.run.push_back(read_step(r, s));
  if (r.error()) return tl::unexpected<Error>(*r.error());
  for (std::size_t i = 0; i < recipe.buffers.size(); ++i)
    if (recipe.buffer(recipe.buffers[i].name) != &recipe.buffers[i])
      return bad_input("recipe.buffers: two buffers are named '" + recipe.buffers[i].name + "'");
  return recipe;
}

}  // namespace mtmc::kernel
