// Lowering of barriers, shuffles and votes: whatever works on the warp or the block as a whole. None of them carries a guard here: see Lowering::branch_around.
#include <fmt/format.h>

#include "emulator/lower.hpp"

namespace mtmc::emulator {

void Lowering::barrier() {
  // bar{.cta}.sync a{, b}; bar.arrive a, b; bar.red.op{.type} d, a{, b}, {!}p; bar.warp.sync mask;
  // barrier{.cta} likewise, with .aligned.
  std::vector<std::string_view> p;
  for (size_t i = 1; i < parts_.size(); ++i) {
    if (parts_[i] != "cta" && parts_[i] != "aligned") p.push_back(parts_[i]);
  }
  if (p.empty()) unsupported();
  if (p.size() == 2 && p[0] == "warp" && p[1] == "sync") {
    expect_operands(1);
    const Ref members = source(operand(0), {32, false});
    Lowered& l = emit(syncwarp_handler());
    use(l, l.e = members);
    return;
  }
  const size_t count = in_->operands.size();
  Lowered::Kind kind = Lowered::Kind::barrier;
  Ref id, threads;
  int reduce = -1;
  Ref reduce_source, reduce_target;
  if (p[0] == "sync" || p[0] == "arrive") {
    if (p.size() != 1 || count < 1 || count > 2) unsupported();
    if (p[0] == "arrive") kind = Lowered::Kind::arrive;
    if (kind == Lowered::Kind::arrive && count != 2) unsupported("operands");
    id = source(operand(0), {32, false});
    if (count == 2) threads = source(operand(1), {32, false});
  } else if (p[0] == "red" && p.size() == 3) {
    if (count < 3 || count > 4) unsupported("operands");
    reduce = p[1] == "popc" ? 0 : p[1] == "and" ? 1 : p[1] == "or" ? 2 : -1;
    if (reduce < 0 || (p[2] != (reduce == 0 ? "u32" : "pred"))) unsupported();
    reduce_target = target(operand(0), reduce == 0 ? 32 : 1);
    id = source(operand(1), {32, false});
    if (count == 4) threads = source(operand(2), {32, false});
    reduce_source = predicate_source(operand(count - 1));
  } else {
    unsupported();
  }
  Lowered& l = emit(nothing_handler());
  l.counts = true;
  l.kind = kind;
  use(l, l.a = id);
  use(l, l.b = threads);
  l.reduce = reduce;
  l.reduce_source = reduce_source;
  l.reduce_target = reduce_target;
  use(l, reduce_source);
  define(l, reduce_target);
}

void Lowering::shuffle() {
  // shfl.sync.mode.b32 d{|p}, a, b, c, members
  if (parts_.size() != 4 || parts_[1] != "sync" || parts_[3] != "b32") unsupported();
  expect_operands(5);
  Operand d = operand(0);
  const int32_t p = d.second;
  d.second = -1;
  const OperandType word{32, false};
  const Ref a = source(operand(1), word);
  const Ref b = source(operand(2), word);
  const Ref c = source(operand(3), word);
  const Ref members = source(operand(4), word);
  Lowered& l = emit(shuffle_handler(parts_[2]));
  use(l, l.a = a);
  use(l, l.b = b);
  use(l, l.c = c);
  use(l, l.e = members);
  define(l, l.d = target(d, 32));
  l.has_list = true;
  l.list = {p >= 0 ? reg(p) : Ref{}};
  if (p >= 0 && register_bits[p] != 1) unsupported("predicate expected");
  define(l, l.list[0]);
}

void Lowering::vote() {
  // vote.sync.{all,any,uni}.pred p, {!}q, members; vote.sync.ballot.b32 d, {!}q, members
  if (parts_.size() != 4 || parts_[1] != "sync") unsupported();
  const bool ballot = parts_[2] == "ballot";
  if (parts_[3] != (ballot ? "b32" : "pred")) unsupported();
  expect_operands(3);
  const Ref q = predicate_source(operand(1));
  const Ref members = source(operand(2), {32, false});
  Lowered& l = emit(vote_handler(parts_[2]));
  l.counts = true;
  use(l, l.a = q);
  use(l, l.e = members);
  define(l, l.d = ballot ? target(operand(0), 32) : reg(predicate_target(operand(0))));
}

void Lowering::activemask() {
  if (in_->opcode != "activemask.b32") unsupported();
  expect_operands(1);
  Lowered& l = emit(activemask_handler());
  define(l, l.d = target(operand(0), 32));
}

// Execution is sequentially consistent: fences matter to listeners alone.
void Lowering::fence() {
  // membar.{cta,gl,sys}; fence{.sc,.acq_rel,.acquire,.release}.{cta,cluster,gpu,sys};
  // fence.proxy.async{.space}; fence.mbarrier_init.release.cluster
  const std::string& opcode = in_->opcode;
  const std::string_view scope = parts_.back();
  FenceKind kind = FenceKind::device;
  if (opcode == "fence.mbarrier_init.release.cluster") {
    kind = FenceKind::mbarrier_init;
  } else if (opcode == "fence.proxy.async" || opcode == "fence.proxy.async.global" ||
             opcode == "fence.proxy.async.shared::cta" ||
             opcode == "fence.proxy.async.shared::cluster") {
    kind = FenceKind::proxy;
  } else {
    const bool ordered = parts_.size() == 3 && (parts_[1] == "sc" || parts_[1] == "acq_rel" ||
                                                parts_[1] == "acquire" || parts_[1] == "release");
    if (parts_.size() != 2 && !(parts_[0] == "fence" && ordered)) unsupported();
    if (scope == "cta") {
      kind = FenceKind::block;
    } else if (scope == "cluster" && parts_[0] == "fence") {
      kind = FenceKind::cluster;
    } else if (scope != "sys" && scope != (parts_[0] == "fence" ? "gpu" : "gl")) {
      unsupported();
    }
  }
  expect_operands(0);
  Lowered& l = emit(fence_handler());
  l.imm = static_cast<uint64_t>(kind);
  l.watches = Lowered::Watches::grid;
}

void Lowering::match() {
  // match.any.sync.b32 d, a, members; match.all.sync.b32 d{|p}, a, members
  if (parts_.size() != 4 || parts_[2] != "sync") unsupported();
  const int bits = parts_[3] == "b32" ? 32 : parts_[3] == "b64" ? 64 : 0;
  if (bits == 0) unsupported();
  expect_operands(3);
  Operand d = operand(0);
  const int32_t p = d.second;
  d.second = -1;
  const Ref a = source(operand(1), {static_cast<uint8_t>(bits), false});
  const Ref members = source(operand(2), {32, false});
  Lowered& l = emit(match_handler(parts_[1], bits));
  use(l, l.a = a);
  use(l, l.e = members);
  define(l, l.d = target(d, 32));
  l.has_list = true;
  l.list = {p >= 0 ? reg(p) : Ref{}};
  if (p >= 0 && register_bits[p] != 1) unsupported("predicate expected");
  define(l, l.list[0]);
}

void Lowering::redux() {
  // redux.sync.op{.abs}{.NaN}.type d, a, members
  if (parts_.size() < 4 || parts_[1] != "sync") unsupported();
  expect_operands(3);
  const Ref a = source(operand(1), {32, false});
  const Ref members = source(operand(2), {32, false});
  Lowered& l = emit(redux_handler(std::string_view(in_->opcode).substr(11)));
  use(l, l.a = a);
  use(l, l.e = members);
  define(l, l.d = target(operand(0), 32));
}

}  // namespace mtmc::emulator
