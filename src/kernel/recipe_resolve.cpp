// From expressions to numbers. Everything that a device would otherwise have to trust is checked here: sizes, grids,
// ranges of memset and copy, aliases, and the number of steps.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "kernel/recipe.hpp"

namespace mtmc::kernel {

namespace {

constexpr std::int64_t kMaxSteps = 65536;
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 46;

struct Resolver {
  const Recipe& recipe;
  Symbols symbols;
  ResolvedRecipe out;

  const ResolvedBuffer* find(const std::string& name) const {
    for (const auto& b : out.buffers)
      if (b.name == name) return &b;
    return nullptr;
  }

  Result<std::int64_t> value(const Expr& e, const std::string& what, std::int64_t low, std::int64_t high) {
    auto v = e.evaluate(symbols);
    if (!v) return tl::unexpected<Error>(v.error().with(what));
    if (*v < low || *v > high)
      return bad_input(fmt::format("{}: '{}' is {}, expected {} to {}", what, e.text(), *v, low, high));
    return *v;
  }

  Result<void> buffer(const Buffer& b) {
    const std::string what = "buffer " + b.name;
    ResolvedBuffer r{b.name, b.role, b.dtype, {}, 0, b.alignment, {}, b.fill, b.fill_value};
    r.bytes = op::bytes_of(b.dtype);
    for (const auto& e : b.shape) {
      auto extent = value(e, what, 0, kMaxBytes);
      if (!extent) return tl::unexpected<Error>(extent.error());
      r.shape.push_back(*extent);
      if (__builtin_mul_overflow(r.bytes, *extent, &r.bytes) || r.bytes > kMaxBytes)
        return bad_input(fmt::format("{}: more than 2^46 bytes", what));
    }
    if (b.alias) {
      const auto* base = find(b.alias->buffer);
      if (!base) return bad_input(fmt::format("{}: alias of unknown (or later) buffer '{}'", what, b.alias->buffer));
      if (base->alias || base->role != BufferRole::workspace)
        return bad_input(fmt::format("{}: an alias lies in a workspace buffer of its own, '{}' is not one", what, base->name));
      auto offset = value(b.alias->offset_bytes, what, 0, base->bytes);
      if (!offset) return tl::unexpected<Error>(offset.error());
      if (*offset + r.bytes > base->bytes)
        return bad_input(fmt::format("{}: alias ends {} bytes past '{}'", what, *offset + r.bytes - base->bytes, base->name));
      r.alias = {base->name, *offset};
    }
    out.buffers.push_back(std::move(r));
    return {};
  }

  // Where a byte of a buffer lies: devices know no aliases.
  struct Place {
    std::string buffer;
    std::int64_t offset_bytes;
  };
  Place place(const std::string& name, std::int64_t offset_bytes) const {
    const auto* b = find(name);
    if (b->alias) return {b->alias->first, b->alias->second + offset_bytes};
    return {name, offset_bytes};
  }

  Result<void> range(const std::string& what, const std::string& name, std::int64_t offset, std::int64_t bytes) {
    const auto* b = find(name);
    if (!b) return bad_input(fmt::format("{}: unknown buffer '{}'", what, name));
    if (offset + bytes > b->bytes)
      return bad_input(fmt::format("{}: bytes {} to {} of '{}', which has {}", what, offset, offset + bytes, name, b->bytes));
    return {};
  }

  Result<void> extents(const std::vector<Expr>& from, const std::string& what, std::int64_t (&to)[3], const std::int64_t (&limit)[3]) {
    for (std::size_t i = 0; i < 3; ++i) {
      to[i] = 1;
      if (i >= from.size()) continue;
      auto v = value(from[i], what, 1, limit[i]);
      if (!v) return tl::unexpected<Error>(v.error());
      to[i] = *v;
    }
    return {};
  }

  Result<void> argument(const Argument& argument, const std::string& what, ResolvedLaunch& launch) {
    if (auto* b = std::get_if<BufferArg>(&argument)) {
      auto offset = value(b->offset_bytes, what, 0, kMaxBytes);
      if (!offset) return tl::unexpected<Error>(offset.error());
      if (auto ok = range(what, b->buffer, *offset, 0); !ok) return ok;
      const Place at = place(b->buffer, *offset);
      launch.args.push_back(ResolvedBufferArg{at.buffer, at.offset_bytes});
      return {};
    }
    if (auto* s = std::get_if<ScalarArg>(&argument)) {
      ResolvedScalar scalar{op::bytes_of(s->dtype), 0};
      if (auto* e = std::get_if<Expr>(&s->value)) {
        // The whole range of the type, so that a size that does not fit is an error and not a wrapped number.
        const int bits = 8 * scalar.bytes;
        const bool is_unsigned = s->dtype == op::DType::u8 || s->dtype == op::DType::boolean;
        const std::int64_t high = bits == 64 ? std::numeric_limits<std::int64_t>::max()
                                             : (std::int64_t{1} << (bits - (is_unsigned ? 0 : 1))) - 1;
        auto v = value(*e, what, is_unsigned ? 0 : -high - 1, high);
        if (!v) return tl::unexpected<Error>(v.error());
        scalar.bits = static_cast<std::uint64_t>(*v);
        if (bits < 64) scalar.bits &= (std::uint64_t{1} << bits) - 1;
      } else {
        scalar.bits = op::to_bits(s->dtype, std::get<double>(s->value));
      }
      launch.args.push_back(scalar);
      return {};
    }
    const auto& t = std::get<TensorMapArg>(argument);
    if (auto ok = range(what, t.buffer, 0, 0); !ok) return ok;
    const Place base = place(t.buffer, 0);
    ResolvedTensorMap map{base.buffer, find(t.buffer)->dtype, base.offset_bytes, {}, {}, {}, t.swizzle_bytes, t.out_of_bounds_nan};
    for (auto [from, to] : {std::pair{&t.dims, &map.dims}, {&t.strides_bytes, &map.strides_bytes}, {&t.box, &map.box}})
      for (const auto& e : *from) {
        auto v = value(e, what, 1, kMaxBytes);
        if (!v) return tl::unexpected<Error>(v.error());
        to->push_back(*v);
      }
    launch.args.push_back(map);
    return {};
  }

  Result<ResolvedStep> step(const RecipeStep& s) {
    if (auto* l = std::get_if<Launch>(&s.what)) {
      const std::string what = "launch of " + l->kernel;
      static constexpr std::int64_t kGrid[] = {2147483647, 65535, 65535}, kBlock[] = {1024, 1024, 64}, kCluster[] = {16, 16, 16};
      ResolvedLaunch r{l->kernel, {}, {}, {}, l->cooperative, l->programmatic_dependent, 0, {}};
      if (auto ok = extents(l->grid, what + ": grid", r.grid, kGrid); !ok) return tl::unexpected<Error>(ok.error());
      if (auto ok = extents(l->block, what + ": block", r.block, kBlock); !ok) return tl::unexpected<Error>(ok.error());
      if (auto ok = extents(l->cluster, what + ": cluster", r.cluster, kCluster); !ok) return tl::unexpected<Error>(ok.error());
      if (r.block[0] * r.block[1] * r.block[2] > 1024)
        return bad_input(fmt::format("{}: block of {} threads, at most 1024", what, r.block[0] * r.block[1] * r.block[2]));
      auto shared = value(l->shared_bytes, what + ": shared_bytes", 0, 1 << 20);
      if (!shared) return tl::unexpected<Error>(shared.error());
      r.shared_bytes = *shared;
      for (std::size_t i = 0; i < l->args.size(); ++i)
        if (auto ok = argument(l->args[i], fmt::format("{}: argument {}", what, i), r); !ok) return tl::unexpected<Error>(ok.error());
      return r;
    }
    if (auto* m = std::get_if<Memset>(&s.what)) {
      auto offset = value(m->offset_bytes, "memset of " + m->buffer, 0, kMaxBytes);
      auto bytes = value(m->bytes, "memset of " + m->buffer, 0, kMaxBytes);
      if (!offset) return tl::unexpected<Error>(offset.error());
      if (!bytes) return tl::unexpected<Error>(bytes.error());
      if (auto ok = range("memset", m->buffer, *offset, *bytes); !ok) return tl::unexpected<Error>(ok.error());
      const Place at = place(m->buffer, *offset);
      return ResolvedMemset{at.buffer, at.offset_bytes, *bytes, m->byte};
    }
    if (auto* c = std::get_if<Copy>(&s.what)) {
      auto from = value(c->from_offset_bytes, "copy from " + c->from, 0, kMaxBytes);
      auto to = value(c->to_offset_bytes, "copy to " + c->to, 0, kMaxBytes);
      auto bytes = value(c->bytes, "copy to " + c->to, 0, kMaxBytes);
      for (auto* v : {&from, &to, &bytes})
        if (!*v) return tl::unexpected<Error>(v->error());
      if (auto ok = range("copy", c->from, *from, *bytes); !ok) return tl::unexpected<Error>(ok.error());
      if (auto ok = range("copy", c->to, *to, *bytes); !ok) return tl::unexpected<Error>(ok.error());
      const Place source = place(c->from, *from), target = place(c->to, *to);
      return ResolvedCopy{source.buffer, target.buffer, source.offset_bytes, target.offset_bytes, *bytes};
    }
    const auto& library = std::get<Library>(s.what);
    for (const auto& name : library.buffers) {
      if (auto ok = range("library call", name, 0, 0); !ok) return tl::unexpected<Error>(ok.error());
      if (find(name)->alias) return bad_input(fmt::format("library call: '{}' is an alias; name the buffer that it lies in", name));
    }
    return library;
  }

  Result<void> list(const std::vector<RecipeStep>& steps, std::vector<ResolvedStep>& to) {
    for (const auto& s : steps) {
      std::int64_t count = 1;
      if (s.repeat) {
        auto n = value(s.repeat->count, "repeat", 0, kMaxSteps);
        if (!n) return tl::unexpected<Error>(n.error());
        count = *n;
      }
      for (std::int64_t i = 0; i < count; ++i) {
        if (s.repeat) symbols[s.repeat->symbol] = i;
        if (s.when) {
          auto when = s.when->evaluate(symbols);
          if (!when) return tl::unexpected<Error>(when.error().with("when"));
          if (!*when) continue;
        }
        if (static_cast<std::int64_t>(to.size()) >= kMaxSteps)
          return bad_input(fmt::format("more than {} steps", kMaxSteps));
        auto resolved = step(s);
        if (!resolved) return tl::unexpected<Error>(resolved.error());
        to.push_back(std::move(*resolved));
      }
      if (s.repeat) symbols.erase(s.repeat->symbol);
    }
    return {};
  }
};

}  // namespace

Result<ResolvedRecipe> resolve(const Recipe& recipe, const Symbols& symbols) {
  Resolver r{recipe, symbols, {}};
  for (const auto& b : recipe.buffers)
    if (auto ok = r.buffer(b); !ok) return tl::unexpected<Error>(ok.error());
  if (auto ok = r.list(recipe.prepare, r.out.prepare); !ok) return tl::unexpected<Error>(ok.error().with("prepare"));
  if (auto ok = r.list(recipe.run, r.out.run); !ok) return tl::unexpected<Error>(ok.error().with("run"));
  if (r.out.run.empty()) return bad_input("recipe: nothing to run");
  return std::move(r.out);
}

}  // namespace mtmc::kernel
