// Evaluation on demand. Asking for elements of a tensor first estimates how many elements of every
// tensor that takes; tensors of which half or more are wanted are computed whole, in order, the
// others element by element as loads meet them. Errors are kept absolute inside, and handed out in
// unit roundoffs. What a narrow intermediate loses when it is stored counts as error, since a
// kernel may store it or not; values themselves are never rounded between primitives.
#include "op/reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "op/combine.hpp"
#include "op/lane_program.hpp"
#include "op/tensor_memory.hpp"

namespace mtmc::op {
namespace {

constexpr std::int64_t kTabulated =
    1 << 16;  // reduced domains up to this size keep their axis values
constexpr std::int64_t kAcrossPoints = 64;  // smaller reduced domains run with lanes across points

std::optional<std::int64_t> elements_of(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape)
    if (extent < 1 || __builtin_mul_overflow(count, extent, &count)) return std::nullopt;
  return count;
}

// In which unit roundoff a body computes: the result's when it is a float, else the widest float it
// reads.
double unit_of(const Primitive& p, const std::vector<Tensor>& tensors) {
  const DType out = tensors[static_cast<std::size_t>(p.output)].dtype;
  if (is_float(out)) return unit_roundoff(compute_type(out));
  double unit = 0;
  bool any = false;
  p.body.visit_loads([&](const Scalar& load) {
    const DType t = tensors[static_cast<std::size_t>(load.tensor())].dtype;
    if (!is_float(t)) return;
    const double u = unit_roundoff(compute_type(t));
    unit = any ? std::min(unit, u) : u;
    any = true;
  });
  return unit;
}

// What a product loses beyond the compute type's rounding, relative to each term.
double precision_loss(const Lowering& lowering, const Primitive& p) {
  if (p.kind != PrimitiveKind::contraction || lowering.precision == Precision::exact) return 0;
  bool all_f32 = true;
  p.body.visit_loads([&](const Scalar& load) {
    all_f32 &= lowering.tensors[static_cast<std::size_t>(load.tensor())].dtype == DType::f32;
  });
  if (!all_f32) return 0;
  switch (lowering.precision) {
    case Precision::tf32:
      return 2 * 0x1p-11;
    case Precision::bf16x3:
      return 0x1p-15;
    case Precision::tf32x3:
      return 0x1p-21;
    case Precision::exact:
      break;
  }
  return 0;
}

double stored_error(DType dtype, double value) {
  if (!is_float(dtype) || bytes_of(dtype) >= 4 || !std::isfinite(value) ||
      round_to(dtype, value) == value)
    return 0;
  const double quantum = dtype == DType::f16      ? 0x1p-25
                         : dtype == DType::f8e4m3 ? 0x1p-10
                         : dtype == DType::f8e5m2 ? 0x1p-17
                                                  : 0;
  return std::max(unit_roundoff(dtype) * std::fabs(value), quantum);
}

bool is_pure_load(const Scalar& s) { return s.kind() == Scalar::Kind::load; }

}  // namespace

struct Reference::Impl : LaneLoader {
  struct Compiled {
    const Primitive* primitive = nullptr;
    LaneProgram program;
    double unit = 0, relative = 0;
    std::vector<std::int64_t> parallel, reduced;
    std::int64_t volume = 1;
    bool reduced_is_fixed = true;  // no extent depends on the point (a scan's does)
    std::vector<IndexProgram> reduced_extents;
    std::vector<std::vector<std::int64_t>> parallel_lanes, reduced_lanes;
    bool reduced_tabulated = false;
    std::vector<Combined> states;
    Lanes lanes;
  };

  Lowering lowering;
  InputBlockReader reader;
  std::int64_t max_bytes = 0, used_bytes = 0;
  std::vector<std::vector<std::int64_t>> shapes;
  std::vector<TensorMemory> memories;
  std::vector<int> producers;                       // by tensor
  std::vector<std::unique_ptr<Compiled>> compiled;  // by primitive
  std::optional<Error> failure;

  bool fail(std::string message) {
    if (!failure) failure = Error{ErrorCode::bad_input, std::move(message)};
    return false;
  }
  const std::string& name(int tensor) const {
    return lowering.tensors[static_cast<std::size_t>(tensor)].name;
  }
  TensorMemory& memory(int tensor) { return memories[static_cast<std::size_t>(tensor)]; }

  bool page_for(int tensor, std::int64_t at) {
    TensorMemory& m = memory(tensor);
    if (m.has_page(at)) return true;
    used_bytes += m.page_bytes();
    if (used_bytes > max_bytes)
      return fail(
          fmt::format("the reference needs more than {} bytes (at tensor '{}'); judge fewer "
                      "elements or smaller sizes",
                      max_bytes, name(tensor)));
    m.make_page(at);
    return true;
  }

  bool is_exact(int tensor) const override {
    return !memories[static_cast<std::size_t>(tensor)].has_errors();
  }

  bool load(int tensor, const std::int64_t* at, const std::int64_t* mask, std::size_t count,
            double* values, double* errors) override {
    TensorMemory& m = memory(tensor);
    const std::int64_t elements = m.elements();
    for (std::size_t l = 0; l < count; ++l)
      if ((!mask || mask[l]) &&
          static_cast<std::uint64_t>(at[l]) >= static_cast<std::uint64_t>(elements))
        return fail(
            fmt::format("a load of '{}' at element {} of {}", name(tensor), at[l], elements));
    if (producers[static_cast<std::size_t>(tensor)] < 0) {
      if (elements > TensorMemory::kMaxElements) {  // too large to keep: ask every time
        for (std::size_t l = 0; l < count; ++l)
          if (!mask || mask[l]) reader(tensor, at[l], {&values[l], 1});
        if (errors) std::fill_n(errors, count, 0.0);
        return true;
      }
      for (std::size_t l = 0; l < count; ++l)
        if ((!mask || mask[l]) && !read_page(tensor, at[l])) return false;
    } else if (!m.is_complete()) {
      std::vector<std::int64_t> unknown;
      for (std::size_t l = 0; l < count; ++l)
        if ((!mask || mask[l]) && !m.knows(at[l])) unknown.push_back(at[l]);
      if (!unknown.empty() && !compute(tensor, std::move(unknown))) return false;
    }
    for (std::size_t l = 0; l < count; ++l)
      if (!mask || mask[l]) values[l] = m.value(at[l]);
    if (errors)
      for (std::size_t l = 0; l < count; ++l)
        if (!mask || mask[l]) errors[l] = m.error(at[l]);
    return true;
  }

  bool read_page(int tensor, std::int64_t at) {
    TensorMemory& m = memory(tensor);
    if (m.has_page(at)) return true;
    if (!page_for(tensor, at)) return false;
    const std::int64_t first = at / TensorMemory::kPage * TensorMemory::kPage;
    const std::int64_t end = std::min(first + TensorMemory::kPage, m.elements());
    reader(tensor, first, m.fill_page(first, end - first));
    return true;
  }

  bool compute(int tensor, std::vector<std::int64_t> at) {
    std::sort(at.begin(), at.end());
    at.erase(std::unique(at.begin(), at.end()), at.end());
    for (std::size_t k = 0; k < at.size(); k += kLanes)
      if (!compute_block(tensor, at.data() + k, std::min(kLanes, at.size() - k))) return false;
    return true;
  }

  bool compute_whole(int tensor) {
    if (memory(tensor).is_complete()) return true;
    const std::int64_t elements = memory(tensor).elements();
    std::int64_t at[kLanes];
    for (std::int64_t first = 0; first < elements; first += static_cast<std::int64_t>(kLanes)) {
      const auto n = static_cast<std::size_t>(std::min<std::int64_t>(kLanes, elements - first));
      for (std::size_t l = 0; l < n; ++l) at[l] = first + static_cast<std::int64_t>(l);
      if (!compute_block(tensor, at, n)) return false;
    }
    return true;
  }

  Compiled* program_of(int tensor) {
    const int index = producers[static_cast<std::size_t>(tensor)];
    auto& slot = compiled[static_cast<std::size_t>(index)];
    if (slot) return slot.get();
    const Primitive& p = lowering.primitives[static_cast<std::size_t>(index)];
    auto c = std::make_unique<Compiled>();
    c->primitive = &p;
    c->unit = unit_of(p, lowering.tensors);
    c->relative = precision_loss(lowering, p);
    c->parallel = shapes[static_cast<std::size_t>(tensor)];
    std::vector<std::string> axes;
    for (const auto& a : p.parallel) axes.push_back(a.name);
    for (const auto& a : p.reduced) axes.push_back(a.name);
    for (const auto& a : p.reduced) {
      auto extent = IndexProgram::create(a.extent, axes, lowering.dims);
      if (!extent) return fail(extent.error().message), nullptr;
      const auto fixed = a.extent.evaluate(lowering.dims);
      c->reduced_is_fixed = c->reduced_is_fixed && fixed.has_value();
      c->reduced.push_back(fixed.value_or(0));
      c->reduced_extents.push_back(std::move(*extent));
    }
    if (c->reduced_is_fixed)
      for (const std::int64_t extent : c->reduced)
        if (extent < 0 || __builtin_mul_overflow(c->volume, extent, &c->volume))
          return fail(fmt::format("the reduced domain of '{}' is too large", name(tensor))),
                 nullptr;
    auto program = LaneProgram::create(p.body, axes, lowering.dims, shapes, c->unit, *this);
    if (!program) return fail(program.error().message), nullptr;
    c->program = std::move(*program);
    c->parallel_lanes.assign(c->parallel.size(), std::vector<std::int64_t>(kLanes));
    c->lanes.axes.resize(axes.size());
    c->reduced_tabulated = c->reduced_is_fixed && c->volume <= kTabulated;
    c->reduced_lanes.assign(
        c->reduced.size(),
        std::vector<std::int64_t>(
            c->reduced_tabulated ? std::max<std::size_t>(1, static_cast<std::size_t>(c->volume))
                                 : kLanes));
    if (c->reduced_tabulated) unravel(0, c->volume, c->reduced, c->reduced_lanes);
    c->states.resize(kLanes);
    slot = std::move(c);
    return slot.get();
  }

  // Axis values of the points first .. first + count of a row-major domain.
  static void unravel(std::int64_t first, std::int64_t count,
                      const std::vector<std::int64_t>& extents,
                      std::vector<std::vector<std::int64_t>>& out) {
    std::vector<std::int64_t> point(extents.size());
    for (std::size_t d = extents.size(); d-- > 0;) {
      point[d] = first % extents[d];
      first /= extents[d];
    }
    for (std::int64_t k = 0; k < count; ++k) {
      for (std::size_t d = 0; d < extents.size(); ++d)
        out[d][static_cast<std::size_t>(k)] = point[d];
      for (std::size_t d = extents.size(); d-- > 0;) {
        if (++point[d] < extents[d]) break;
        point[d] = 0;
      }
    }
  }

  void place_points(Compiled& c, const std::int64_t* at, std::size_t n) {
    if (n > 0 &&
        at[n - 1] - at[0] == static_cast<std::int64_t>(n) - 1) {  // sorted, so without gaps
      unravel(at[0], static_cast<std::int64_t>(n), c.parallel, c.parallel_lanes);
      return;
    }
    for (std::size_t l = 0; l < n; ++l) {
      std::int64_t rest = at[l];
      for (std::size_t d = c.parallel.size(); d-- > 0;) {
        c.parallel_lanes[d][l] = rest % c.parallel[d];
        rest /= c.parallel[d];
      }
    }
  }

  bool store(int tensor, std::int64_t at, double value, double error) {
    if (!page_for(tensor, at)) return false;
    TensorMemory& m = memory(tensor);
    if (m.has_errors())
      error += stored_error(lowering.tensors[static_cast<std::size_t>(tensor)].dtype, value);
    m.set(at, value, error);
    return true;
  }

  // REQUIRES: `at` is sorted and n <= kLanes.
  bool compute_block(int tensor, const std::int64_t* at, std::size_t n) {
    Compiled* c = program_of(tensor);
    if (!c) return false;
    place_points(*c, at, n);
    const std::size_t parallel = c->parallel.size();
    Lanes& lanes = c->lanes;
    if (c->primitive->combiner == Combiner::none) {
      lanes.count = n;
      for (std::size_t d = 0; d < parallel; ++d)
        lanes.axes[d].varying = c->parallel_lanes[d].data();
      LaneProgram::Block block;
      if (!c->program.run(lanes, *this, block)) return false;
      for (std::size_t l = 0; l < n; ++l)
        if (!store(tensor, at[l], block.values[l], block.errors ? block.errors[l] : 0))
          return false;
      return true;
    }
    if (c->reduced_is_fixed && c->volume < kAcrossPoints && n >= 8)
      return reduce_across_points(tensor, *c, at, n);
    if (n >= 8 && c->program.is_product() && c->primitive->combiner == Combiner::sum &&
        c->reduced.size() == 1 && c->reduced_is_fixed) {
      const auto done = products_across_points(tensor, *c, at, n);
      if (!done) return false;
      if (*done) return true;
    }
    for (std::size_t l = 0; l < n; ++l)
      if (!reduce_point(tensor, *c, at[l], l)) return false;
    return true;
  }

  bool finish(int tensor, Compiled& c, std::int64_t at, Combined& state) {
    state.finish(c.primitive->combiner, c.unit, c.relative);
    return store(tensor, at, state.value, state.error);
  }

  // Few terms each: lanes are points, one reduced position at a time.
  bool reduce_across_points(int tensor, Compiled& c, const std::int64_t* at, std::size_t n) {
    const std::size_t parallel = c.parallel.size();
    const Combiner combiner = c.primitive->combiner;
    c.lanes.count = n;
    for (std::size_t d = 0; d < parallel; ++d) c.lanes.axes[d].varying = c.parallel_lanes[d].data();
    for (std::size_t l = 0; l < n; ++l) c.states[l].start(combiner);
    for (std::int64_t r = 0; r < c.volume; ++r) {
      for (std::size_t d = 0; d < c.reduced.size(); ++d)
        c.lanes.axes[parallel + d] = {c.reduced_lanes[d][static_cast<std::size_t>(r)], nullptr};
      LaneProgram::Block block;
      if (!c.program.run(c.lanes, *this, block)) return false;
      for (std::size_t l = 0; l < n; ++l)
        c.states[l].take(combiner, block.values[l], block.errors ? block.errors[l] : 0, c.unit);
    }
    for (std::size_t l = 0; l < n; ++l)
      if (!finish(tensor, c, at[l], c.states[l])) return false;
    return true;
  }

  // Many terms: lanes are reduced positions of one point.
  bool reduce_point(int tensor, Compiled& c, std::int64_t at, std::size_t lane) {
    const std::size_t parallel = c.parallel.size();
    for (std::size_t d = 0; d < parallel; ++d)
      c.lanes.axes[d] = {c.parallel_lanes[d][lane], nullptr};
    for (std::size_t d = 0; d < c.reduced.size(); ++d) c.lanes.axes[parallel + d] = {0, nullptr};
    std::int64_t volume = c.volume;
    if (!c.reduced_is_fixed) {
      volume = 1;
      for (std::size_t d = 0; d < c.reduced.size(); ++d) {
        c.reduced[d] = c.reduced_extents[d].uniform_part(c.lanes);
        if (c.reduced[d] < 0 || __builtin_mul_overflow(volume, c.reduced[d], &volume))
          return fail("a reduced extent out of range");
      }
    }
    Combined state;
    state.start(c.primitive->combiner);
    if (c.program.is_product() && c.primitive->combiner == Combiner::sum && c.reduced.size() == 1 &&
        c.reduced_is_fixed) {
      const auto done = sum_of_products(c, volume, state);
      if (!done) return false;
      if (*done) return finish(tensor, c, at, state);
    }
    for (std::int64_t first = 0; first < volume; first += static_cast<std::int64_t>(kLanes)) {
      c.lanes.count = static_cast<std::size_t>(std::min<std::int64_t>(kLanes, volume - first));
      if (!c.reduced_tabulated)
        unravel(first, static_cast<std::int64_t>(c.lanes.count), c.reduced, c.reduced_lanes);
      for (std::size_t d = 0; d < c.reduced.size(); ++d)
        c.lanes.axes[parallel + d].varying =
            c.reduced_lanes[d].data() + (c.reduced_tabulated ? first : 0);
      LaneProgram::Block block;
      if (!c.program.run(c.lanes, *this, block)) return false;
      for (std::size_t l = 0; l < c.lanes.count; ++l)
        state.take(c.primitive->combiner, block.values[l], block.errors ? block.errors[l] : 0,
                   c.unit);
    }
    return finish(tensor, c, at, state);
  }

  // Two strided walks. nullopt: failed; false: not of this form after all. REQUIRES: the reduced
  // axis is uniform 0.
  std::optional<bool> sum_of_products(Compiled& c, std::int64_t volume, Combined& state) {
    const auto [ia, ib] = c.program.product_operands();
    const auto& a = c.program.loads()[ia];
    const auto& b = c.program.loads()[ib];
    const std::size_t axis = c.parallel.size();
    if (!a.at.is_affine() || !b.at.is_affine()) return false;
    struct Walk {
      const TensorMemory* memory;
      std::int64_t at, step;
    };
    Walk walks[2];
    for (int k = 0; k < 2; ++k) {
      const auto& load = k == 0 ? a : b;
      TensorMemory& m = memory(load.tensor);
      walks[k] = {&m, load.at.uniform_part(c.lanes), load.at.coefficient(axis)};
      const std::int64_t last = walks[k].at + (volume - 1) * walks[k].step;
      if (std::min(walks[k].at, last) < 0 || std::max(walks[k].at, last) >= m.elements())
        return fail(fmt::format("a load of '{}' out of range", name(load.tensor))), std::nullopt;
      const bool is_input = producers[static_cast<std::size_t>(load.tensor)] < 0;
      if (is_input && m.elements() > TensorMemory::kMaxElements) return false;
      if (!is_input && !m.is_complete()) return false;
      if (is_input && !m.is_complete())
        for (std::int64_t r = 0; r < volume;) {
          const std::int64_t at = walks[k].at + r * walks[k].step;
          if (!read_page(load.tensor, at)) return std::nullopt;
          r += walks[k].step == 1   ? TensorMemory::left_in_page(at)
               : walks[k].step == 0 ? volume
                                    : 1;
        }
    }
    Walk wa = walks[0], wb = walks[1];
    const bool has_errors = wa.memory->has_errors() || wb.memory->has_errors();
    double sum[2] = {0, 0}, magnitude[2] = {0, 0}, error = 0;
    std::int64_t r = 0;
    if (wa.step == 1 && wb.step == 1 && !has_errors) {
      while (r < volume) {
        const std::int64_t run = std::min(
            {volume - r, TensorMemory::left_in_page(wa.at), TensorMemory::left_in_page(wb.at)});
        const double* pa = wa.memory->run(wa.at);
        const double* pb = wb.memory->run(wb.at);
        std::int64_t k = 0;
        for (; k + 1 < run; k += 2) {
          const double t0 = pa[k] * pb[k], t1 = pa[k + 1] * pb[k + 1];
          sum[0] += t0, sum[1] += t1;
          magnitude[0] += std::fabs(t0), magnitude[1] += std::fabs(t1);
        }
        for (; k < run; ++k) {
          const double t = pa[k] * pb[k];
          sum[0] += t;
          magnitude[0] += std::fabs(t);
        }
        wa.at += run, wb.at += run, r += run;
      }
    } else {
      for (; r < volume; ++r, wa.at += wa.step, wb.at += wb.step) {
        const double va = wa.memory->value(wa.at), vb = wb.memory->value(wb.at), t = va * vb;
        sum[r & 1] += t;
        magnitude[r & 1] += std::fabs(t);
        if (has_errors)
          error +=
              std::fabs(va) * wb.memory->error(wb.at) + std::fabs(vb) * wa.memory->error(wa.at);
      }
    }
    state.value = sum[0] + sum[1];
    state.magnitude = magnitude[0] + magnitude[1];
    state.error = error + c.unit * state.magnitude;
    state.count = volume;
    return true;
  }

  // Products of which one operand is walked across its rows, for many points at once: row by row,
  // so that what is read together lies together. nullopt: failed; false: not of this form.
  std::optional<bool> products_across_points(int tensor, Compiled& c, const std::int64_t* at,
                                             std::size_t n) {
    const std::size_t axis = c.parallel.size();
    const auto [ia, ib] = c.program.product_operands();
    const LaneProgram::Load* loads[2] = {&c.program.loads()[ia], &c.program.loads()[ib]};
    if (loads[0]->at.coefficient(axis) == 1 && loads[1]->at.coefficient(axis) == 1) return false;
    TensorMemory* m[2];
    std::int64_t starts[2][kLanes], step[2];
    c.lanes.count = n;
    for (std::size_t d = 0; d < axis; ++d) c.lanes.axes[d].varying = c.parallel_lanes[d].data();
    c.lanes.axes[axis] = {0, nullptr};
    for (int k = 0; k < 2; ++k) {
      m[k] = &memory(loads[k]->tensor);
      if (!loads[k]->at.is_affine() || m[k]->elements() > TensorMemory::kMaxElements) return false;
      const bool is_input = producers[static_cast<std::size_t>(loads[k]->tensor)] < 0;
      if (!is_input && !m[k]->is_complete()) return false;
      loads[k]->at.evaluate(c.lanes, starts[k]);
      step[k] = loads[k]->at.coefficient(axis);
      for (std::size_t l = 0; l < n; ++l) {
        const std::int64_t last = starts[k][l] + (c.volume - 1) * step[k];
        if (std::min(starts[k][l], last) < 0 || std::max(starts[k][l], last) >= m[k]->elements())
          return fail(fmt::format("a load of '{}' out of range", name(loads[k]->tensor))),
                 std::nullopt;
      }
      if (!is_input || m[k]->is_complete()) continue;
      for (std::int64_t r = 0; r < c.volume; ++r)
        for (std::size_t l = 0; l < n; ++l)
          if (!read_page(loads[k]->tensor, starts[k][l] + r * step[k])) return std::nullopt;
    }
    const bool has_errors = m[0]->has_errors() || m[1]->has_errors();
    for (std::size_t l = 0; l < n; ++l) c.states[l].start(Combiner::sum);
    for (std::int64_t r = 0; r < c.volume; ++r)
      for (std::size_t l = 0; l < n; ++l) {
        const std::int64_t ka = starts[0][l] + r * step[0], kb = starts[1][l] + r * step[1];
        const double va = m[0]->value(ka), vb = m[1]->value(kb), t = va * vb;
        Combined& state = c.states[l];
        state.value += t;
        state.magnitude += std::fabs(t);
        if (has_errors)
          state.error += std::fabs(va) * m[1]->error(kb) + std::fabs(vb) * m[0]->error(ka);
      }
    for (std::size_t l = 0; l < n; ++l) {
      c.states[l].error += c.unit * c.states[l].magnitude;
      c.states[l].count = c.volume;
      if (!finish(tensor, c, at[l], c.states[l])) return std::nullopt;
    }
    return true;
  }

  // Upper bounds on how many elements of each tensor `count` elements of `tensor` take.
  std::vector<double> demand(int tensor, double count) const {
    std::vector<double> wanted(shapes.size());
    wanted[static_cast<std::size_t>(tensor)] = count;
    for (std::size_t k = lowering.primitives.size(); k-- > 0;) {
      const Primitive& p = lowering.primitives[k];
      double& mine = wanted[static_cast<std::size_t>(p.output)];
      mine = std::min(mine,
                      static_cast<double>(memories[static_cast<std::size_t>(p.output)].elements()));
      if (mine == 0) continue;
      p.body.visit_loads([&](const Scalar& load) {
        wanted[static_cast<std::size_t>(load.tensor())] += mine * volume(p);
      });
    }
    return wanted;
  }

  double volume(const Primitive& p) const {
    double v = 1;
    for (const auto& a : p.reduced) {
      const auto extent = a.extent.evaluate(lowering.dims);
      if (extent)
        v *= static_cast<double>(*extent);
      else
        v *= static_cast<double>(
            memories[static_cast<std::size_t>(p.output)].elements());  // a scan's: at most
    }
    return v;
  }
};

Reference::Reference(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reference::Reference(Reference&&) noexcept = default;
Reference::~Reference() = default;

Result<Reference> Reference::create(const Lowering& lowering, const Symbols& dims,
                                    InputReader reader, std::int64_t max_bytes) {
  auto blocks = [reader = std::move(reader)](int tensor, std::int64_t first,
                                             std::span<double> out) {
    for (std::size_t k = 0; k < out.size(); ++k)
      out[k] = reader(tensor, first + static_cast<std::int64_t>(k));
  };
  return create_from_blocks(lowering, dims, std::move(blocks), max_bytes);
}

Result<Reference> Reference::create_seeded(const Operator& op, const Lowering& lowering,
                                           const Symbols& dims, std::uint64_t seed,
                                           std::int64_t max_bytes) {
  std::vector<Value> inputs(op.values.begin(), op.values.begin() + op.inputs());
  if (lowering.tensors.size() < inputs.size())
    return internal_error("a lowering without the operator's inputs");
  auto blocks = [inputs = std::move(inputs), seed](int tensor, std::int64_t first,
                                                   std::span<double> out) {
    draw_input(inputs[static_cast<std::size_t>(tensor)], seed, first, out);
  };
  return create_from_blocks(lowering, dims, std::move(blocks), max_bytes);
}

Result<Reference> Reference::create_from_blocks(const Lowering& lowering, const Symbols& dims,
                                                InputBlockReader reader, std::int64_t max_bytes) {
  auto impl = std::make_unique<Impl>();
  impl->lowering = lowering;
  impl->reader = std::move(reader);
  impl->max_bytes = max_bytes;
  for (const auto& [name, value] : dims) impl->lowering.dims[name] = value;
  const auto count = lowering.tensors.size();
  impl->producers.assign(count, -1);
  impl->compiled.resize(lowering.primitives.size());
  for (std::size_t k = 0; k < lowering.primitives.size(); ++k) {
    const Primitive& p = lowering.primitives[k];
    if (p.output < 0 || p.output >= static_cast<int>(count))
      return internal_error("a primitive without a tensor");
    if (p.parallel.size() != lowering.tensors[static_cast<std::size_t>(p.output)].shape.size())
      return internal_error("a primitive whose axes do not match its tensor");
    bool in_order = true;
    p.body.visit_loads([&](const Scalar& load) {
      in_order =
          in_order && load.tensor() >= 0 && load.tensor() < static_cast<int>(count) &&
          (lowering.tensors[static_cast<std::size_t>(load.tensor())].kind == Tensor::Kind::input ||
           impl->producers[static_cast<std::size_t>(load.tensor())] >= 0);
    });
    if (!in_order) return internal_error("primitives out of order");
    impl->producers[static_cast<std::size_t>(p.output)] = static_cast<int>(k);
  }
  std::vector<bool> exact(count, true);
  for (const auto& p : lowering.primitives) {
    const Tensor& t = lowering.tensors[static_cast<std::size_t>(p.output)];
    bool is_exact = true;
    bool same_type = true;
    p.body.visit_loads([&](const Scalar& load) {
      is_exact = is_exact && exact[static_cast<std::size_t>(load.tensor())];
      same_type =
          same_type && lowering.tensors[static_cast<std::size_t>(load.tensor())].dtype == t.dtype;
    });
    const bool moves =
        is_pure_load(p.body) && p.combiner != Combiner::sum && p.combiner != Combiner::prod;
    exact[static_cast<std::size_t>(p.output)] =
        is_exact && ((moves && (same_type || !is_float(t.dtype) || bytes_of(t.dtype) >= 4)) ||
                     unit_of(p, lowering.tensors) == 0);
  }
  for (std::size_t t = 0; t < count; ++t) {
    std::vector<std::int64_t> shape;
    for (const auto& e : lowering.tensors[t].shape) {
      const auto extent = e.evaluate(impl->lowering.dims);
      if (!extent) return tl::unexpected<Error>(extent.error());
      shape.push_back(*extent);
    }
    const auto elements = elements_of(shape);
    if (!elements)
      return bad_input(fmt::format("tensor '{}' has an extent below 1 or too many elements",
                                   lowering.tensors[t].name));
    impl->shapes.push_back(std::move(shape));
    impl->memories.emplace_back(*elements, !exact[t]);
  }
  return Reference(std::move(impl));
}

Result<std::vector<ReferenceValue>> Reference::evaluate(int tensor,
                                                        std::span<const std::int64_t> indices) {
  Impl& impl = *impl_;
  if (tensor < 0 || tensor >= static_cast<int>(impl.shapes.size()))
    return bad_input(fmt::format("no tensor {}", tensor));
  TensorMemory& m = impl.memory(tensor);
  for (const std::int64_t at : indices)
    if (at < 0 || at >= m.elements())
      return bad_input(
          fmt::format("element {} of '{}', which has {}", at, impl.name(tensor), m.elements()));
  impl.failure.reset();
  const auto wanted = impl.demand(tensor, static_cast<double>(indices.size()));
  for (const auto& p : impl.lowering.primitives) {
    TensorMemory& own = impl.memory(p.output);
    if (wanted[static_cast<std::size_t>(p.output)] == 0) continue;
    if (own.elements() > TensorMemory::kMaxElements)
      return bad_input(fmt::format("tensor '{}' has {} elements, too many for the reference",
                                   impl.name(p.output), own.elements()));
    if (wanted[static_cast<std::size_t>(p.output)] * 2 < static_cast<double>(own.elements()))
      continue;
    if (!own.is_complete() && own.total_bytes() > impl.max_bytes)
      return bad_input(
          fmt::format("the reference needs {} bytes for tensor '{}' alone, more than {}; judge "
                      "fewer elements or smaller sizes",
                      own.total_bytes(), impl.name(p.output), impl.max_bytes));
    if (!impl.compute_whole(p.output)) return tl::unexpected<Error>(*impl.failure);
  }
  std::vector<double> values(kLanes), errors(kLanes);
  std::vector<ReferenceValue> out;
  out.reserve(indices.size());
  // Integers and bools: absolute. Floats: in the compute type's unit.
  const double unit =
      unit_roundoff(compute_type(impl.lowering.tensors[static_cast<std::size_t>(tensor)].dtype));
  const double scale = unit > 0 ? 1 / unit : 1;
  for (std::size_t first = 0; first < indices.size(); first += kLanes) {
    const std::size_t n = std::min(kLanes, indices.size() - first);
    if (!impl.load(tensor, indices.data() + first, nullptr, n, values.data(), errors.data()))
      return tl::unexpected<Error>(*impl.failure);
    for (std::size_t l = 0; l < n; ++l) out.push_back({values[l], errors[l] * scale});
  }
  return out;
}

double Reference::cost(int tensor, std::int64_t count) const {
  if (tensor < 0 || tensor >= static_cast<int>(impl_->shapes.size())) return 0;
  const auto wanted = impl_->demand(tensor, static_cast<double>(count));
  double total = 0;
  for (const auto& p : impl_->lowering.primitives)
    total +=
        wanted[static_cast<std::size_t>(p.output)] * impl_->volume(p) * (p.body.operations() + 1);
  return total;
}

}  // namespace mtmc::op
