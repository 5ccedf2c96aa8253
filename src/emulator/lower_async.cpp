// Lowering of the asynchronous instructions: cp.async in all its forms, mbarrier, clusters, elect,
// setmaxnreg, griddepcontrol, fences. Cache hints and policies change nothing here.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

bool is_one_of(std::string_view p, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), p) != words.end();
}

AsyncSide side_of(std::string_view space) {
  if (space == "global") return AsyncSide::global;
  if (space == "shared" || space == "shared::cta") return AsyncSide::shared_cta;
  if (space == "shared::cluster") return AsyncSide::shared_cluster;
  return AsyncSide::generic;
}

BulkReduction reduction_of(std::string_view name) {
  if (name == "add") return BulkReduction::add;
  if (name == "min") return BulkReduction::min;
  if (name == "max") return BulkReduction::max;
  if (name == "inc") return BulkReduction::inc;
  if (name == "dec") return BulkReduction::dec;
  if (name == "and") return BulkReduction::conjunction;
  if (name == "or") return BulkReduction::disjunction;
  if (name == "xor") return BulkReduction::exclusive;
  return BulkReduction::none;
}

BulkType bulk_type_of(std::string_view name) {
  if (name == "u32" || name == "b32") return BulkType::u32;
  if (name == "s32") return BulkType::s32;
  if (name == "u64" || name == "b64") return BulkType::u64;
  if (name == "s64") return BulkType::s64;
  if (name == "f16") return BulkType::f16;
  if (name == "bf16") return BulkType::bf16;
  if (name == "f32") return BulkType::f32;
  if (name == "f64") return BulkType::f64;
  return BulkType::none;
}

// What ptxas accepts; .s64 sums are .u64 ones.
bool can_reduce(BulkReduction reduction, std::string_view type, bool to_shared, bool noftz) {
  const bool half = type == "f16" || type == "bf16";
  if (noftz != (half && reduction == BulkReduction::add) || (to_shared && half)) return false;
  switch (reduction) {
    case BulkReduction::add:
      return is_one_of(type, {"u32", "s32", "u64"}) || half ||
             (!to_shared && is_one_of(type, {"f32", "f64"}));
    case BulkReduction::min:
    case BulkReduction::max:
      return is_one_of(type, {"u32", "s32"}) || half ||
             (!to_shared && is_one_of(type, {"u64", "s64"}));
    case BulkReduction::inc:
    case BulkReduction::dec:
      return type == "u32";
    default:
      return type == "b32" || (!to_shared && type == "b64");
  }
}

}  // namespace

// ---- operands read lane by lane ----------------------------------------------------------------

LaneOperand Lowering::lane_operand(Lowered& l, const Ref& r, int bits, uint64_t add) {
  LaneOperand o;
  o.index = static_cast<int8_t>(l.list.size());
  o.bits = static_cast<uint8_t>(bits);
  o.add = add;
  l.list.push_back(r);
  use(l, r);
  return o;
}

LaneOperand Lowering::lane_address(Lowered& l, const Operand& o) {
  const Address where = address(o);
  return lane_operand(l, where.base, where.bits, where.offset);
}

// The value keeps the width that its register has; literals get `bits`.
LaneOperand Lowering::lane_source(Lowered& l, const Operand& o, int bits) {
  const int held = o.kind == Operand::Kind::reg ? register_bits[o.reg] : bits;
  if (held == 1) unsupported("a predicate where a number is needed");
  return lane_operand(l, source(o, {static_cast<uint8_t>(held), false}), held, 0);
}

Lowered& Lowering::emit_async(std::array<Handler, 2> handler, const AsyncForm& form, Lowered&& l) {
  Lowered& emitted = emit(handler);
  emitted.list = std::move(l.list);
  emitted.has_list = true;
  emitted.uses.insert(emitted.uses.end(), l.uses.begin(), l.uses.end());
  emitted.imm = code_.async_forms.size();
  code_.async_forms.push_back(form);
  return emitted;
}

void Lowering::no_policy(size_t& count) {
  for (const std::string_view p : parts_) {
    if (p == "L2::cache_hint") {
      if (count == 0) unsupported("operands");
      --count;
      return;
    }
  }
}

// ---- cp.async of single threads ----------------------------------------------------------------

void Lowering::cp_async() {
  if (parts_[0] == "cp" && parts_.size() > 2 && parts_[1] == "reduce") return bulk_copy();
  if (parts_.size() < 3 || parts_[1] != "async") unsupported();
  const std::string_view form_name = parts_[2];
  if (form_name == "bulk") return bulk_copy();
  AsyncForm form;
  Lowered l;
  if (form_name == "commit_group" || form_name == "wait_all") {
    if (parts_.size() != 3) unsupported();
    expect_operands(0);
    emit_async(cp_async_group_handler(form_name), form, std::move(l));
    return;
  }
  if (form_name == "wait_group") {
    if (parts_.size() != 3) unsupported();
    expect_operands(1);
    if (operand(0).kind != Operand::Kind::immediate) unsupported("group count");
    form.copy_bytes = static_cast<uint32_t>(std::min<uint64_t>(operand(0).bits, 1u << 30));
    emit_async(cp_async_group_handler(form_name), form, std::move(l));
    return;
  }
  if (form_name == "mbarrier") {  // cp.async.mbarrier.arrive{.noinc}{.shared{::cta}}.b64 [a]
    if (parts_.size() < 5 || parts_[3] != "arrive" || parts_.back() != "b64") unsupported();
    form.mbarrier_side = AsyncSide::generic;
    for (size_t i = 4; i + 1 < parts_.size(); ++i) {
      if (parts_[i] == "noinc") {
        form.flag = true;
      } else if (parts_[i] == "shared" || parts_[i] == "shared::cta") {
        form.mbarrier_side = AsyncSide::shared_cta;
      } else {
        unsupported();
      }
    }
    expect_operands(1);
    form.mbarrier = lane_address(l, operand(0));
    emit_async(cp_async_group_handler("arrive"), form, std::move(l));
    return;
  }
  if (form_name != "ca" && form_name != "cg") unsupported();
  std::vector<std::string_view> rest;
  for (size_t i = 3; i < parts_.size(); ++i) {
    if (!parts_[i].starts_with("L2::")) rest.push_back(parts_[i]);
  }
  if (rest.size() != 2 || side_of(rest[0]) != AsyncSide::shared_cta || rest[1] != "global") {
    unsupported();
  }
  size_t count = in_->operands.size();
  no_policy(count);
  if (count != 3 && count != 4) unsupported("operands");
  const Operand& size = operand(2);
  if (size.kind != Operand::Kind::immediate ||
      (size.bits != 4 && size.bits != 8 && size.bits != 16) ||
      (form_name == "cg" && size.bits != 16)) {
    unsupported("copy size");
  }
  form.to = lane_address(l, operand(0));
  form.from = lane_address(l, operand(1));
  if (form.from.bits != 64) unsupported("32-bit global address");
  if (count == 4) {
    const Operand& last = operand(3);
    if (last.kind == Operand::Kind::reg && register_bits[last.reg] == 1) {
      form.ignore_source = lane_operand(l, reg(last.reg), 1, 0);
      form.ignore_source.negated = last.negated;
    } else {
      form.source_bytes = lane_source(l, last, 32);
    }
  }
  Lowered& emitted = emit_async(cp_async_handler(static_cast<int>(size.bits)), form, std::move(l));
  emitted.sites = {SiteRole::global_load, SiteRole::shared_store};
}

// ---- bulk and tensor copies --------------------------------------------------------------------

void Lowering::bulk_copy() {
  // cp{.reduce}.async.bulk{.prefetch}{.tensor.Nd}{.L2}.dst.src{.completion}... in any order that
  // PTX allows: modifiers are told apart by their names.
  AsyncForm form;
  Lowered l;
  const bool reduces = parts_[1] == "reduce";
  const size_t start = reduces ? 4 : 3;
  if (reduces && (parts_.size() < 5 || parts_[2] != "async" || parts_[3] != "bulk")) unsupported();
  if (parts_.size() > 3 && !reduces && (parts_[3] == "commit_group" || parts_[3] == "wait_group")) {
    const bool read = parts_.size() == 5 && parts_[4] == "read";
    if (parts_.size() > 5 || (parts_.size() == 5 && !read)) unsupported();
    if (parts_[3] == "wait_group") {
      expect_operands(1);
      if (operand(0).kind != Operand::Kind::immediate) unsupported("group count");
      form.copy_bytes = static_cast<uint32_t>(std::min<uint64_t>(operand(0).bits, 1u << 30));
    } else {
      expect_operands(0);
    }
    emit_async(bulk_handler(read ? "wait_group.read" : parts_[3]), form, std::move(l));
    return;
  }
  bool tensor = false, prefetches = false, multicast = false, group = false, signals = false;
  bool noftz = false;
  std::vector<AsyncSide> sides;
  for (size_t i = start; i < parts_.size(); ++i) {
    const std::string_view p = parts_[i];
    if (p == "tensor") {
      tensor = true;
    } else if (p.size() == 2 && p[1] == 'd' && p[0] >= '1' && p[0] <= '5') {
      form.rank = p[0] - '0';
    } else if (p == "prefetch") {
      prefetches = true;
    } else if (is_one_of(p, {"L2", "L2::cache_hint", "tile"})) {
      continue;
    } else if (p == "noftz" && reduces && !tensor) {
      noftz = true;
    } else if (p == "multicast::cluster") {
      multicast = true;
    } else if (p == "bulk_group") {
      group = true;
    } else if (p == "mbarrier::complete_tx::bytes") {
      signals = true;
    } else if (is_one_of(p, {"global", "shared::cta", "shared::cluster"})) {
      sides.push_back(side_of(p));
    } else if (reduces && form.reduction == BulkReduction::none &&
               reduction_of(p) != BulkReduction::none) {
      form.reduction = reduction_of(p);
    } else if (reduces && !tensor && i + 1 == parts_.size() && bulk_type_of(p) != BulkType::none) {
      form.type = bulk_type_of(p);
    } else {
      unsupported(fmt::format("modifier .{}", p));
    }
  }
  if (tensor != (form.rank != 0)) unsupported();
  if (reduces &&
      (form.reduction == BulkReduction::none || (!tensor && form.type == BulkType::none))) {
    unsupported();
  }
  size_t count = in_->operands.size();
  no_policy(count);
  const auto tensor_operand = [&](const Operand& o) {
    if (o.kind != Operand::Kind::address || o.elements.size() != static_cast<size_t>(form.rank)) {
      unsupported("coordinates");
    }
    Operand base = o;
    base.elements.clear();
    for (size_t i = 0; i < o.elements.size(); ++i) {
      form.coordinates[i] = lane_source(l, o.elements[i], 32);
    }
    return lane_address(l, base);
  };
  if (prefetches) {
    if (sides.size() != 1 || sides[0] != AsyncSide::global) unsupported();
    if (count != (tensor ? 1u : 2u)) unsupported("operands");
    form.from = tensor ? tensor_operand(operand(0)) : lane_address(l, operand(0));
    if (!tensor) form.bytes = lane_source(l, operand(1), 32);
    emit_async(bulk_handler("prefetch"), form, std::move(l));
    return;
  }
  if (sides.size() != 2 || group == signals) unsupported();
  form.to_side = sides[0];
  form.from_side = sides[1];
  const bool stores = form.to_side == AsyncSide::global;
  if (stores != group || (stores && form.from_side != AsyncSide::shared_cta) ||
      (form.from_side == AsyncSide::shared_cluster) || (multicast && stores) ||
      (tensor && !stores && (form.from_side != AsyncSide::global || reduces))) {
    unsupported();
  }
  if (reduces && !tensor && !can_reduce(form.reduction, parts_.back(), !stores, noftz)) {
    unsupported("this reduction is not defined for the type");
  }
  size_t next = 0;
  if (tensor && stores) {
    form.to = tensor_operand(operand(next++));
    form.from = lane_address(l, operand(next++));
  } else {
    form.to = lane_address(l, operand(next++));
    form.from = tensor ? tensor_operand(operand(next)) : lane_address(l, operand(next));
    ++next;
  }
  if (!tensor) form.bytes = lane_source(l, operand(next++), 32);
  if (signals) {
    form.mbarrier = lane_address(l, operand(next++));
    form.mbarrier_side = AsyncSide::shared_cluster;
  }
  if (multicast) form.multicast = lane_source(l, operand(next++), 16);
  if (next != count) unsupported("operands");
  if (stores && reduces) order_dependent = true;
  emit_async(bulk_handler(tensor ? (stores ? "tensor_store" : "tensor_load")
                                 : (stores ? "store" : "load")),
             form, std::move(l));
}

// ---- mbarrier ----------------------------------------------------------------------------------

void Lowering::mbarrier() {
  if (parts_.size() < 3 || parts_.back() != "b64") unsupported();
  AsyncForm form;
  Lowered l;
  form.mbarrier_side = AsyncSide::generic;
  const std::string name(parts_[1]);
  if (name == "pending_count") {
    if (parts_.size() != 3) unsupported();
    expect_operands(2);
    form.value = lane_source(l, operand(1), 64);
    Lowered& e = emit_async(mbarrier_handler(name), form, std::move(l));
    return define(e, e.d = target(operand(0), 32));
  }
  bool expects = false, parity = false, no_complete = false;
  for (size_t i = 2; i + 1 < parts_.size(); ++i) {
    const std::string_view p = parts_[i];
    if (is_one_of(p, {"release", "acquire", "relaxed", "cta", "cluster"})) continue;
    if (side_of(p) == AsyncSide::shared_cta || side_of(p) == AsyncSide::shared_cluster) {
      form.mbarrier_side = side_of(p);
    } else if (p == "expect_tx") {
      expects = true;
    } else if (p == "noComplete") {
      no_complete = true;
    } else if (p == "parity") {
      parity = true;
    } else {
      unsupported(fmt::format("modifier .{}", p));
    }
  }
  const size_t count = in_->operands.size();
  if (name == "init" || name == "expect_tx" || name == "complete_tx" || name == "inval") {
    if (expects || parity || no_complete) unsupported();
    expect_operands(name == "inval" ? 1 : 2);
    form.mbarrier = lane_address(l, operand(0));
    if (name != "inval") form.value = lane_source(l, operand(1), 32);
    emit_async(mbarrier_handler(name), form, std::move(l));
    return;
  }
  if (name == "arrive" || name == "arrive_drop") {
    if (parity || (expects && no_complete)) unsupported();
    // The state may be left out where it cannot be had: shared::cluster.
    const size_t first = operand(0).kind == Operand::Kind::address ? 0 : 1;
    if (count < first + 1 || count > first + 2) unsupported("operands");
    form.mbarrier = lane_address(l, operand(first));
    if (count == first + 2) form.value = lane_source(l, operand(first + 1), 32);
    if ((expects || no_complete) && !form.value.present()) unsupported("operands");
    form.flag = expects;
    Lowered& e =
        emit_async(mbarrier_handler(no_complete ? name + ".noComplete" : name), form, std::move(l));
    if (first == 1 && operand(0).kind != Operand::Kind::sink) {
      if (form.mbarrier_side == AsyncSide::shared_cluster) unsupported("state of a remote arrive");
      define(e, e.d = target(operand(0), 64));
    }
    return;
  }
  if (name != "test_wait" && name != "try_wait") unsupported();
  if (expects || no_complete || form.mbarrier_side == AsyncSide::shared_cluster) unsupported();
  if (count != 3 && !(name == "try_wait" && count == 4)) unsupported("operands");
  form.mbarrier = lane_address(l, operand(1));
  form.value = lane_source(l, operand(2), parity ? 32 : 64);
  if (!parity && form.value.bits != 64) unsupported("state");
  form.flag = parity;
  if (count == 4) (void)lane_source(l, operand(3), 32);  // time limit: only a hint
  const Ref done = reg(predicate_target(operand(0)));
  Lowered& e = emit_async(mbarrier_handler(name), form, std::move(l));
  if (name == "try_wait") e.kind = Lowered::Kind::suspend;
  e.watches = Lowered::Watches::block;
  define(e, e.d = done);
  // A failed try executes again and must find what it had.
  if (e.d.reg >= 0) e.uses.push_back(e.d.reg);
}

// ---- clusters and the rest ---------------------------------------------------------------------

void Lowering::cluster_barrier() {
  // barrier.cluster.arrive{.release,.relaxed}{.aligned}, barrier.cluster.wait{.acquire}{.aligned}
  if (parts_.size() < 3) unsupported();
  const bool waits = parts_[2] == "wait";
  if (!waits && parts_[2] != "arrive") unsupported();
  for (size_t i = 3; i < parts_.size(); ++i) {
    const bool known =
        parts_[i] == "aligned" ||
        (waits ? parts_[i] == "acquire" : is_one_of(parts_[i], {"release", "relaxed"}));
    if (!known) unsupported();
  }
  expect_operands(0);
  Lowered& e = emit_async(cluster_handler(parts_[2], 0), {}, {});
  if (waits) e.kind = Lowered::Kind::suspend;
}

void Lowering::map_to_rank() {
  // mapa{.shared::cluster}.{u32,u64} d, a, b; getctarank{.shared::cluster}.{u32,u64} d, a
  const bool map = parts_[0] == "mapa";
  const bool shared = parts_.size() == 3 && parts_[1] == "shared::cluster";
  if (parts_.size() != (shared ? 3u : 2u)) unsupported();
  const int bits = parts_.back() == "u32" ? 32 : parts_.back() == "u64" ? 64 : 0;
  if (bits == 0 || (!shared && bits == 32)) unsupported();
  expect_operands(map ? 3 : 2);
  const Ref a = source(operand(1), {static_cast<uint8_t>(bits), false});
  const Ref b = map ? source(operand(2), {32, false}) : Ref{};
  if (code_.async_forms.empty()) code_.async_forms.emplace_back();
  Lowered& e = emit(cluster_handler(parts_[0], bits));
  use(e, e.a = a);
  use(e, e.b = b);
  e.imm = shared ? 0 : 1;
  define(e, e.d = target(operand(0), map ? bits : 32));
}

void Lowering::elect() {
  if (in_->opcode != "elect.sync") unsupported();
  expect_operands(2);
  Operand d = operand(0);
  const int32_t p = d.second;
  d.second = -1;
  const Ref members = source(operand(1), {32, false});
  Lowered& e = emit(cluster_handler("elect", 0));
  use(e, e.e = members);
  if (d.kind != Operand::Kind::sink) define(e, e.d = target(d, 32));
  e.has_list = true;
  e.list = {p >= 0 ? reg(p) : Ref{}};
  if (p >= 0 && register_bits[p] != 1) unsupported("predicate expected");
  define(e, e.list[0]);
}

void Lowering::set_registers() {
  // setmaxnreg.{inc,dec}.sync.aligned.u32 n
  if (parts_.size() != 5 || !is_one_of(parts_[1], {"inc", "dec"}) || parts_[2] != "sync" ||
      parts_[3] != "aligned" || parts_[4] != "u32") {
    unsupported();
  }
  expect_operands(1);
  const Operand& n = operand(0);
  if (n.kind != Operand::Kind::immediate || n.bits < 24 || n.bits > 256 || n.bits % 8 != 0) {
    unsupported("a register count is a multiple of 8 from 24 to 256");
  }
  AsyncForm form;
  form.copy_bytes = static_cast<uint32_t>(n.bits);
  form.flag = parts_[1] == "inc";
  emit_async(cluster_handler("setmaxnreg", 0), form, {});
}

// Proxies whose accesses cannot be told apart here: their fences have nothing to order.
bool Lowering::other_proxy_fence() {
  // fence.proxy.{alias,tensormap}; fence.proxy.tensormap::generic.{release.scope,
  // acquire.scope [address], size}
  if (parts_.size() < 3 || parts_[1] != "proxy") return false;
  if (parts_.size() == 3 && is_one_of(parts_[2], {"alias", "tensormap"})) return skip(), true;
  if (parts_.size() == 5 && parts_[2] == "tensormap::generic" &&
      is_one_of(parts_[3], {"release", "acquire"}) &&
      is_one_of(parts_[4], {"cta", "cluster", "gpu", "sys"})) {
    expect_operands(parts_[3] == "release" ? 0 : 2);
    return skip(), true;
  }
  return false;
}

bool Lowering::async_instruction() {
  const std::string_view base = parts_[0];
  if (base == "cp") return cp_async(), true;
  if (base == "mbarrier") return mbarrier(), true;
  if (base == "mapa" || base == "getctarank") return map_to_rank(), true;
  if (base == "elect") return elect(), true;
  if (base == "setmaxnreg") return set_registers(), true;
  if (base == "fence") return other_proxy_fence();
  if (base == "barrier" && parts_.size() > 1 && parts_[1] == "cluster") {
    return cluster_barrier(), true;
  }
  if (base == "nanosleep") {
    if (in_->opcode != "nanosleep.u32") unsupported();
    Lowered& e = emit(cluster_handler("nanosleep", 0));
    e.watches = Lowered::Watches::grid;
    return true;
  }
  if (base == "griddepcontrol") {
    if (in_->opcode != "griddepcontrol.launch_dependents" && in_->opcode != "griddepcontrol.wait") {
      unsupported();
    }
    return skip(), true;  // launches run one after the other
  }
  if (base == "prefetch" && parts_.back() == "tensormap") {
    AsyncForm form;
    Lowered l;
    expect_operands(1);
    form.from = lane_address(l, operand(0));
    emit_async(bulk_handler("prefetch_map"), form, std::move(l));
    return true;
  }
  return false;
}

}  // namespace mtmc::emulator
