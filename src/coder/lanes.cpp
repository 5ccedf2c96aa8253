// A load is uniform where its offset and guard do not know the lane; it is a vector where its
// offset grows by 1 with the lane and it has no guard; then every other term of the offset must be
// a multiple of V, which `divisors` collects for a check at run time. The scalar fallback (V = 1)
// is the same text.
#include "coder/lanes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mtmc::coder {

LaneWriter::LaneWriter(Scope& scope, std::string lane, int depth)
    : scope_(scope),
      lane_(std::move(lane)),
      depth_(depth),
      before_(depth),
      inside_(depth + 1),
      after_(depth) {}

bool LaneWriter::vectorizable(const Access& access) const {
  if (scalar_only || access.guard) return false;
  const auto step = scope_.math.coefficient(access.offset, lane_);
  return step && step->is_constant(1);
}

void LaneWriter::add_divisors(const Expr& offset) {
  has_vectors_ = true;
  for (const auto& term : scope_.math.terms_without(offset, lane_))
    if (std::find(divisors_.begin(), divisors_.end(), term) == divisors_.end())
      divisors_.push_back(term);
}

void LaneWriter::run(const std::function<void(Emitter&, bool)>& body) {
  const auto access_known = [this](const Access& a) -> std::optional<CValue> {
    if (auto it = staged.find(a.key()); it != staged.end()) return it->second;
    return std::nullopt;
  };
  {
    Block scratch;
    Emitter dry(scope_, scratch);
    dry.known_access = access_known;
    dry.known_tensor = known_tensor;
    dry.lane = lane_;
    dry.on_access = [this](const Access& a) { accesses_.push_back(a); };
    for (const auto& name : reserved) dry.reserve(name);
    body(dry, false);
    if (dry.error()) error_ = dry.error();
  }
  Emitter outer(scope_, before_);
  for (const auto& name : reserved) outer.reserve(name);
  std::map<std::string, CValue> hoisted;
  std::set<std::string> names = reserved;
  for (const auto& a : accesses_) {
    const bool lane_free =
        !a.offset.symbols().count(lane_) && (!a.guard || !a.guard->symbols().count(lane_));
    bool loop_free = true;  // a serial loop's variable is not known out here
    for (const auto& e : {a.offset, a.guard.value_or(Expr(0))})
      for (const auto& s : e.symbols())
        loop_free &= s.rfind("_r", 0) != 0 || s.rfind("_row", 0) == 0;
    if (!loop_free) continue;
    if (lane_free && !a.guard) {
      Emitter one(scope_, before_);
      for (const auto& name : names) one.reserve(name);
      const std::string name = one.fresh(scope_.pointers.at(a.tensor) + "_v");
      before_.line(fmt::format("const {} {} = fetch({});", outer.type_name(outer.type_of(a.tensor)),
                               name, outer.address(a.tensor, a.offset)));
      names.insert(name);
      hoisted[a.key()] = {name, outer.type_of(a.tensor), 9, std::nullopt};
    } else if (vectorizable(a)) {
      Emitter one(scope_, before_);
      for (const auto& name : names) one.reserve(name);
      const std::string name = one.fresh(scope_.pointers.at(a.tensor) + "_v");
      names.insert(name);
      before_.line(fmt::format("{} {}[V];", outer.type_name(outer.type_of(a.tensor)), name));
      before_.line(fmt::format("fetch<V>({}, {});", outer.address(a.tensor, a.offset), name));
      hoisted[a.key()] = {name + "[v]", outer.type_of(a.tensor), 9, std::nullopt};
      add_divisors(a.offset);
    }
  }
  Emitter inner(scope_, inside_);
  for (const auto& name : names) inner.reserve(name);
  inner.lane = lane_;
  inner.known_tensor = known_tensor;
  inner.known_access = [&](const Access& a) -> std::optional<CValue> {
    if (auto known = access_known(a)) return known;
    if (auto it = hoisted.find(a.key()); it != hoisted.end()) return it->second;
    return std::nullopt;
  };
  body(inner, true);
  for (const auto* e : {&outer, &inner}) {
    used_.insert(e->used().begin(), e->used().end());
    if (e->error()) error_ = e->error();
  }
}

void LaneWriter::store(Emitter& emitter, bool writing, int tensor, const Expr& offset,
                       const CValue& value) {
  if (!writing) return;
  const CType type = emitter.type_of(tensor);
  const std::string& pointer = scope_.pointers.at(tensor);
  Emitter plain(scope_, after_);
  const std::string place = plain.address(tensor, offset);
  const bool boolean =
      scope_.lowering->tensors[static_cast<std::size_t>(tensor)].dtype == op::DType::boolean;
  const std::string text =
      boolean
          ? emitter.as({emitter.as(value, CType::boolean), CType::boolean, 0, std::nullopt}, type)
          : emitter.as(value, type);
  if (vectorizable({tensor, offset, std::nullopt, 0})) {
    const std::string out = emitter.fresh(pointer + "_out");
    before_.line(fmt::format("{} {}[V];", emitter.type_name(type), out));
    inside_.line(fmt::format("{}[v] = {};", out, text));
    after_.line(fmt::format("put<V>({}, {});", place, out));
    add_divisors(offset);
  } else {
    inside_.line(fmt::format("put({}, {});", emitter.address(tensor, offset), text));
  }
  used_.insert(plain.used().begin(), plain.used().end());
}

void LaneWriter::collect(
    Emitter& emitter, const std::string& type, const std::string& name, const std::string& text,
    const std::function<std::string(const std::string& array, Emitter& plain)>& then) {
  const std::string array = emitter.fresh(name + "_in");
  before_.line(fmt::format("{} {}[V];", type, array));
  inside_.line(fmt::format("{}[v] = {};", array, text));
  Emitter plain(scope_, after_);
  after_.line(then(array, plain));
  used_.insert(plain.used().begin(), plain.used().end());
}

void LaneWriter::write(Block& block) const {
  block.append(before_);
  if (!inside_.empty()) {
    Block loop(depth_);
    loop.line("#pragma unroll");
    loop.open("for (int v = 0; v < V; ++v) {");
    block.append(loop);
    block.append(inside_);
    Block end(depth_);
    end.line("}");
    block.append(end);
  }
  block.append(after_);
}

}  // namespace mtmc::coder
