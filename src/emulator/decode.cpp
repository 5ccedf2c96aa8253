// From lowered instructions to a Program: blocks in flow order, Ops with their places, counts per
// block. A guarded instruction that is not a branch becomes an Op that runs its body under a mask.
#include <fmt/format.h>

#include "emulator/lower.hpp"
#include "emulator/program.hpp"
#include "emulator/wgmma_order.hpp"

namespace mtmc::emulator {
namespace {

class Writer {
 public:
  Writer(Code& code, const Lowering& lowering, const Flow& flow, const Slots& slots)
      : code_(code), lowering_(lowering), flow_(flow), slots_(slots) {}

  void run() {
    position_.assign(flow_.nodes.size(), 0);
    for (size_t i = 0; i < flow_.order.size(); ++i) {
      position_[flow_.order[i]] = static_cast<uint32_t>(i);
    }
    for (const int node : flow_.order) write_block(node);
    mark_spins();
    code_.register_bytes = slots_.register_bytes;
    code_.predicates = slots_.predicates;
  }

 private:
  int32_t at(const Ref& r) const { return r.reg >= 0 ? slots_.offset[r.reg] : r.constant; }

  Op make(const Lowered& l) {
    Op op{};
    op.run[0] = l.run[0];
    op.run[1] = l.run[1];
    op.d = at(l.d);
    op.a = at(l.a);
    op.b = at(l.b);
    op.c = at(l.c);
    op.e = at(l.e);
    op.imm = l.imm;
    op.origin = l.origin;
    op.list = -1;
    op.site = static_cast<uint32_t>(code_.sites.size());
    for (const SiteRole role : l.sites) code_.sites.push_back(role);
    for (int i = 0; i < 2; ++i) op.extra[i] = reinterpret_cast<void*>(l.mover[i]);
    if (l.has_list) {
      op.list = static_cast<int32_t>(code_.lists.size());
      std::vector<int32_t> list;
      for (const Ref& r : l.list) list.push_back(at(r));
      code_.lists.push_back(std::move(list));
    }
    return op;
  }

  void write_block(int node_index) {
    const Flow::Node& node = flow_.nodes[node_index];
    Block block;
    block.first = static_cast<uint32_t>(code_.ops.size());
    const auto next_of = [&](size_t i) { return position_[node.successors[i]]; };
    block.exit = node.successors.empty() ? Exit::finish : Exit::jump;
    if (!node.successors.empty()) block.target = block.next = next_of(0);
    for (uint32_t i = node.first; i < node.last; ++i) {
      const Lowered& l = lowering_.out[i];
      if (l.counts) {
        block.instructions += 1;
        block.classes[static_cast<size_t>(l.issue_class)] += 1;
        block.matrix_operations[static_cast<size_t>(l.matrix.kind)] += l.matrix.operations;
      }
      if (l.kind == Lowered::Kind::suspend) {
        code_.ops.push_back(make(l));
        block.exit = Exit::suspend;
      } else if (l.kind != Lowered::Kind::plain) {
        write_exit(l, node, block);
      } else if (l.guard < 0) {
        code_.ops.push_back(make(l));
      } else {
        Op guard{};
        const auto handler = guard_handler();
        guard.run[0] = handler[0];
        guard.run[1] = handler[1];
        guard.a = slots_.offset[l.guard];
        guard.imm = l.guard_negated ? 1 : 0;
        guard.origin = l.origin;
        guard.list = static_cast<int32_t>(code_.guarded.size());
        code_.guarded.push_back(make(l));
        code_.ops.push_back(guard);
      }
    }
    block.last = static_cast<uint32_t>(code_.ops.size());
    // An endless loop of empty blocks must still meet the budget.
    block.charge = std::max<uint32_t>(block.instructions, 1);
    code_.blocks.push_back(block);
  }

  void write_exit(const Lowered& l, const Flow::Node& node, Block& block) {
    block.exit_origin = l.origin;
    block.negated = l.guard_negated;
    if (l.guard >= 0) block.predicate = slots_.offset[l.guard];
    const auto next_of = [&](size_t i) { return position_[node.successors[i]]; };
    switch (l.kind) {
      case Lowered::Kind::branch:
        block.target = next_of(0);
        block.exit = l.guard >= 0 ? Exit::branch : Exit::jump;
        if (l.guard >= 0) block.next = next_of(1);
        break;
      case Lowered::Kind::finish:
        block.exit = l.guard >= 0 ? Exit::finish_if : Exit::finish;
        if (l.guard >= 0) block.next = next_of(0);
        break;
      case Lowered::Kind::barrier:
      case Lowered::Kind::arrive:
        block.exit = l.kind == Lowered::Kind::barrier ? Exit::barrier : Exit::arrive;
        block.barrier_id = at(l.a);
        block.barrier_count = at(l.b);
        block.reduce = l.reduce;
        block.reduce_negated = l.reduce_negated;
        block.reduce_source = at(l.reduce_source);
        block.reduce_target = at(l.reduce_target);
        break;
      case Lowered::Kind::plain:
      case Lowered::Kind::suspend:
        break;
    }
  }

  // A back edge closes a loop, which is what lies between its ends in the order; lanes in it may
  // wait for other threads when it reads memory in one of the ways that see their writes.
  void mark_spins() {
    using Watches = Lowered::Watches;
    const size_t count = flow_.order.size();
    std::vector<uint32_t> block_before(count + 1, 0), grid_before(count + 1, 0);
    for (size_t i = 0; i < count; ++i) {
      const Flow::Node& node = flow_.nodes[flow_.order[i]];
      bool block = false;
      bool grid = false;
      for (uint32_t k = node.first; k < node.last; ++k) {
        block = block || lowering_.out[k].watches != Watches::nothing;
        grid = grid || lowering_.out[k].watches == Watches::grid;
      }
      block_before[i + 1] = block_before[i] + block;
      grid_before[i + 1] = grid_before[i] + grid;
    }
    for (size_t i = 0; i < count; ++i) {
      for (const int successor : flow_.nodes[flow_.order[i]].successors) {
        const uint32_t head = position_[successor];
        if (head > i || block_before[i + 1] == block_before[head]) continue;
        Block& closing = code_.blocks[i];
        if (closing.exit != Exit::spin) closing.inner = closing.exit;
        closing.exit = Exit::spin;
        if (grid_before[i + 1] != grid_before[head]) code_.waits_for_blocks = true;
      }
    }
  }

  Code& code_;
  const Lowering& lowering_;
  const Flow& flow_;
  const Slots& slots_;
  std::vector<uint32_t> position_;  // of a node in the order
};

}  // namespace

Result<Program> decode(const Module& module, std::string_view kernel) {
  const Function* function = module.find(kernel);
  if (function == nullptr) {
    std::string names;
    for (const Function& f : module.functions) {
      if (f.is_entry) names += (names.empty() ? "" : ", ") + f.name;
    }
    return bad_input(fmt::format("no kernel '{}' in the module; it has: {}", kernel,
                                 names.empty() ? "none" : names));
  }
  auto code = std::make_shared<Code>();
  try {
    Lowering lowering(module, *function, *code);
    lowering.run();
    Flow flow = build_flow(lowering.out, lowering.labels);
    if (insert_wgmma_hazards(lowering.out, lowering.labels, flow, lowering.register_bits.size())) {
      flow = build_flow(lowering.out, lowering.labels);
    }
    const Slots slots =
        assign_slots(lowering.out, flow, lowering.register_bits, code->constant_bytes);
    Writer(*code, lowering, flow, slots).run();
    code->order_dependent = lowering.order_dependent || code->waits_for_blocks;
  } catch (const DecodeError& error) {
    return bad_input(fmt::format("kernel '{}': {}", kernel, error.message));
  }
  code->shared_bytes = (code->shared_bytes + 15) / 16 * 16;
  code->files = module.files;
  Program program;
  program.kernel = function->name;
  program.parameters = function->parameters;
  program.parameter_bytes = function->parameter_bytes;
  program.static_shared_bytes = code->shared_bytes;
  program.local_bytes_per_thread = code->local_bytes;
  program.max_threads_per_block = function->max_threads_per_block;
  std::copy(function->required_threads, function->required_threads + 3, program.required_threads);
  program.code = std::move(code);
  return program;
}

}  // namespace mtmc::emulator
