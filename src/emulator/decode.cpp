// From lowered instructions to a Program: blocks in flow order, Ops with their places, counts per
// block. A guarded instruction that is not a branch becomes an Op that runs its body under a mask.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "emulator/call_graph.hpp"
#include "emulator/lower.hpp"
#include "emulator/matrix.hpp"
#include "emulator/program.hpp"
#include "emulator/vector_rows.hpp"
#include "emulator/wgmma_order.hpp"

namespace mtmc::emulator {
namespace {

class Writer {
 public:
  // number: of the function in Code::functions.
  Writer(Code& code, const Lowering& lowering, const Flow& flow, const Slots& slots,
         uint32_t number)
      : code_(code), lowering_(lowering), flow_(flow), slots_(slots), number_(number) {}

  void run() {
    position_.assign(flow_.nodes.size(), 0);
    for (size_t i = 0; i < flow_.order.size(); ++i) {
      position_[flow_.order[i]] = first_block_ + static_cast<uint32_t>(i);
    }
    for (const int node : flow_.order) write_block(node);
    mark_spins();
    code_.virtual_registers =
        std::max(code_.virtual_registers, static_cast<uint32_t>(lowering_.register_bits.size()));
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
    block.first_step = static_cast<uint32_t>(code_.steps.size());
    const size_t first_guarded = code_.guarded.size();
    const auto next_of = [&](size_t i) { return position_[node.successors[i]]; };
    // Running off the end of a function returns from it.
    block.exit = !node.successors.empty()        ? Exit::jump
                 : lowering_.function().is_entry ? Exit::finish
                                                 : Exit::leave;
    if (block.exit == Exit::leave) block.call = number_;
    if (!node.successors.empty()) block.target = block.next = next_of(0);
    for (uint32_t i = node.first; i < node.last; ++i) {
      const Lowered& l = lowering_.out[i];
      write_step(l, block.first_step);
      if (l.counts) {
        block.instructions += 1;
        block.classes[static_cast<size_t>(l.issue_class)] += 1;
        block.matrix_operations[static_cast<size_t>(l.matrix.kind)] += l.matrix.operations;
        block.local_bytes += l.local_bytes;
      }
      if (l.kind == Lowered::Kind::suspend) {
        code_.ops.push_back(make(l));
        block.exit = Exit::suspend;
      } else if (l.kind != Lowered::Kind::plain) {
        write_exit(l, node, block);
      } else if (l.folded) {
        continue;
      } else if (l.guard < 0) {
        code_.ops.push_back(make(l));
        find_leader(l, code_.ops.back());
        continue;
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
      leaders_.clear();
    }
    leaders_.clear();
    fuse_runs(code_, block.first);
    plan_matrix_runs(code_, block.first, first_guarded);
    block.last = static_cast<uint32_t>(code_.ops.size());
    block.last_step = static_cast<uint32_t>(code_.steps.size());
    // An endless loop of empty blocks must still meet the budget.
    block.charge = std::max<uint32_t>(block.instructions, 1);
    code_.blocks.push_back(block);
  }

  // Accesses through one address register lie alike. The first one in a row is the leader of the
  // others as long as nobody writes the register and no lanes can come in between, which they do
  // where an instruction waits for them.
  void find_leader(const Lowered& l, Op& op) {
    if (!l.never_waits) return leaders_.clear();
    if (l.is_direct) {
      const auto [leader, is_first] = leaders_.try_emplace(op.a, static_cast<int32_t>(op.site));
      if (!is_first) op.e = leader->second;
    }
    for (const int32_t d : l.definitions) leaders_.erase(slots_.offset[static_cast<size_t>(d)]);
  }

  // The helpers that one PTX instruction needs beside itself are part of the step before, or, where
  // they come first, of no step: they cost nothing on the hardware.
  void write_step(const Lowered& l, uint32_t first_of_block) {
    if (l.counts) {
      Step step;
      step.issue_class = l.issue_class;
      step.copies = l.copies;
      step.matrix = l.matrix;
      step.origin = l.origin;
      step.site_count = static_cast<uint32_t>(l.sites.size());
      if (step.site_count != 0) step.site = static_cast<int32_t>(code_.sites.size());
      step.operands = static_cast<uint32_t>(code_.step_operands.size());
      code_.steps.push_back(step);
    } else if (code_.steps.size() == first_of_block) {
      return;
    }
    Step& step = code_.steps.back();
    const bool renamed = !l.ptx_uses.empty() || !l.ptx_definitions.empty();
    const std::vector<int32_t>& uses = renamed ? l.ptx_uses : l.uses;
    const std::vector<int32_t>& definitions = renamed ? l.ptx_definitions : l.definitions;
    const auto begin = code_.step_operands.begin() + step.operands;
    code_.step_operands.insert(begin + step.sources, uses.begin(), uses.end());
    step.sources = static_cast<uint16_t>(step.sources + uses.size());
    code_.step_operands.insert(code_.step_operands.end(), definitions.begin(), definitions.end());
    step.targets = static_cast<uint16_t>(step.targets + definitions.size());
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
      case Lowered::Kind::call: {
        block.exit = Exit::call;
        block.call = static_cast<uint32_t>(code_.calls.size());
        CallSite site = lowering_.calls[static_cast<size_t>(l.call)];
        site.target = at(l.a);
        site.caller = number_;
        code_.calls.push_back(std::move(site));
        break;
      }
      case Lowered::Kind::leave:
        block.exit = Exit::leave;
        block.call = number_;
        break;
      case Lowered::Kind::table: {
        block.exit = Exit::table;
        block.call = static_cast<uint32_t>(code_.branch_tables.size());
        block.barrier_id = at(l.a);
        std::vector<uint32_t> targets;
        for (const int successor : node.successors) targets.push_back(position_[successor]);
        code_.branch_tables.push_back(std::move(targets));
        break;
      }
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
        const uint32_t head = position_[successor] - first_block_;
        if (head > i || block_before[i + 1] == block_before[head]) continue;
        Block& closing = code_.blocks[first_block_ + i];
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
  uint32_t number_;
  std::map<int32_t, int32_t> leaders_;  // site, by address register
  uint32_t first_block_ = static_cast<uint32_t>(code_.blocks.size());
  std::vector<uint32_t> position_;  // block of a node
};

// Stack of a thread whose depth no one knows: the kernel recurses or uses alloca.
constexpr uint32_t open_stack_bytes = 16 * 1024;

// The kernel and every function that it reaches; the kernel's number is the last.
class Linker {
 public:
  Linker(const Module& module, const Function& kernel, Code& code)
      : module_(module), linkage_(module), code_(code) {
    lower(kernel);
    for (size_t i = 0; i < linkage_.reached().size(); ++i) {
      lower(module.functions[static_cast<size_t>(linkage_.reached()[i])]);
    }
    resolve_relocations();
    // By number: the kernel last.
    std::rotate(parts_.begin(), parts_.begin() + 1, parts_.end());
  }

  void run() {
    const CallOrder order = order_calls(call_nodes());
    code_.functions.resize(parts_.size());
    uint32_t register_bytes = code_.constant_bytes;
    uint32_t predicates = 2;
    bool uses_stack = order.any_recursive;
    spread_watches();
    for (const uint32_t number : order.order) {
      Lowering& part = *parts_[number];
      Flow flow = build_flow(part.out, part.labels);
      if (insert_wgmma_hazards(part.out, part.labels, flow, part.register_bits.size())) {
        flow = build_flow(part.out, part.labels);
      }
      fold_moves(part.out, flow, part.register_bits);
      Slots slots = assign_slots(part.out, flow, part.register_bits, register_bytes);
      describe(number, part, slots, predicates);
      register_bytes = slots.register_bytes;
      predicates = code_.functions[number].last_predicate;
      code_.functions[number].entry = static_cast<uint32_t>(code_.blocks.size());
      Writer(code_, part, flow, slots, number).run();
      code_.order_dependent = code_.order_dependent || part.order_dependent;
      uses_stack = uses_stack || part.uses_stack;
    }
    code_.register_bytes = register_bytes;
    code_.predicates = predicates;
    code_.order_dependent = code_.order_dependent || code_.waits_for_blocks;
    const auto kernel = static_cast<uint32_t>(parts_.size() - 1);
    code_.entry_block = code_.functions[kernel].entry;
    finish_calls(order);
    const uint64_t depth =
        parts_.size() == 1 ? code_.functions[kernel].frame_bytes : order.depth[kernel];
    constexpr uint64_t limit = 512 * 1024;
    if (depth > limit) {
      throw DecodeError{fmt::format("unsupported: {} bytes of stack per thread", depth)};
    }
    code_.local_bytes = static_cast<uint32_t>(depth);
    if (uses_stack) code_.local_bytes = std::max(code_.local_bytes, 4096u) + open_stack_bytes;
  }

 private:
  void lower(const Function& function) {
    parts_.push_back(std::make_unique<Lowering>(module_, function, linkage_, code_));
    parts_.back()->run();
  }

  uint32_t frame_bytes(uint32_t number) const {
    const bool kernel = number + 1 == parts_.size();
    // A call takes some stack in any case, so that endless recursion ends.
    return kernel ? parts_[number]->frame_bytes()
                  : std::max<uint32_t>(parts_[number]->frame_bytes(), 16);
  }

  std::vector<CallNode> call_nodes() const {
    std::vector<CallNode> nodes(parts_.size());
    for (uint32_t number = 0; number < parts_.size(); ++number) {
      nodes[number].frame_bytes = frame_bytes(number);
      for (const CallSite& site : parts_[number]->calls) {
        if (site.function >= 0) {
          nodes[number].callees.push_back(static_cast<uint32_t>(site.function));
        }
      }
      if (parts_[number]->calls_pointers) {
        for (const uint32_t callee : linkage_.pointed()) nodes[number].callees.push_back(callee);
      }
    }
    return nodes;
  }

  // A loop that calls may wait in what it calls.
  void spread_watches() {
    auto most = Lowered::Watches::nothing;
    for (size_t number = 0; number + 1 < parts_.size(); ++number) {
      for (const Lowered& l : parts_[number]->out) most = std::max(most, l.watches);
    }
    for (const auto& part : parts_) {
      for (Lowered& l : part->out) {
        if (l.kind == Lowered::Kind::call) l.watches = most;
      }
    }
  }

  void describe(uint32_t number, const Lowering& part, Slots& slots, uint32_t first_predicate) {
    CodeFunction& function = code_.functions[number];
    function.name = part.function().name;
    function.frame_bytes = frame_bytes(number);
    function.parameters = part.parameters;
    function.results = part.results;
    function.first_predicate = first_predicate;
    function.last_predicate = first_predicate + slots.predicates - 2;
    std::set<int32_t> known;
    for (size_t v = 0; v < slots.offset.size(); ++v) {
      int32_t& offset = slots.offset[v];
      if (offset < 0) continue;
      if (part.register_bits[v] == 1) {
        offset += static_cast<int32_t>(first_predicate) - 2;
      } else if (known.insert(offset).second) {
        function.registers.emplace_back(offset, part.register_bits[v] / 8);
      }
    }
    function.saved_bytes = function.last_predicate - function.first_predicate;
    for (const auto& [offset, bytes] : function.registers) {
      function.saved_bytes += static_cast<uint32_t>(bytes);
    }
  }

  void finish_calls(const CallOrder& order) {
    for (CallSite& site : code_.calls) {
      const uint32_t cycle = order.cycle[site.caller];
      if (order.recursive[site.caller] == 0) continue;
      if (site.function >= 0) {
        site.saves = order.cycle[static_cast<size_t>(site.function)] == cycle;
      } else {
        for (const uint32_t callee : linkage_.pointed()) {
          site.saves = site.saves || order.cycle[callee] == cycle;
        }
      }
    }
    for (const uint32_t number : linkage_.pointed()) {
      const int module_index = linkage_.reached()[number];
      code_.function_of_handle[function_handle(static_cast<size_t>(module_index))] = number;
    }
  }

  // What initialisers point to may have initialisers that point on.
  void resolve_relocations() {
    for (size_t i = 0; i < linkage_.relocations.size(); ++i) {
      const auto [variable, relocation] = linkage_.relocations[i];
      Code::Relocated out{variable, relocation->offset, relocation->bytes,
                          -1,       relocation->addend, relocation->mask};
      const int function = linkage_.find(relocation->symbol);
      if (function >= 0) {
        out.addend += function_handle(static_cast<size_t>(function));
      } else {
        const Variable* target = linkage_.variable(relocation->symbol);
        if (target == nullptr || target->external ||
            (target->space != Space::global && target->space != Space::constant)) {
          throw DecodeError{
              fmt::format("unsupported: address of '{}' in an initialiser", relocation->symbol)};
        }
        out.target = static_cast<int32_t>(parts_.front()->variable_index(*target));
      }
      code_.relocations.push_back(out);
    }
  }

  const Module& module_;
  Linkage linkage_;
  Code& code_;
  std::vector<std::unique_ptr<Lowering>> parts_;
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
    Linker(module, *function, *code).run();
  } catch (const DecodeError& error) {
    return bad_input(fmt::format("kernel '{}': {}", kernel, error.message));
  }
  code->shared_bytes = (code->shared_bytes + 15) / 16 * 16;
  code->files = module.files;
  code->inline_sites = module.inline_sites;
  Program program;
  program.kernel = function->name;
  program.parameters = function->parameters;
  program.parameter_bytes = function->parameter_bytes;
  program.static_shared_bytes = code->shared_bytes;
  program.local_bytes_per_thread = code->local_bytes;
  program.max_threads_per_block = function->max_threads_per_block;
  std::copy(function->required_cluster, function->required_cluster + 3, program.required_cluster);
  program.max_cluster_blocks = function->max_cluster_blocks;
  program.explicit_cluster = function->explicit_cluster;
  program.waits_for_blocks = code->waits_for_blocks;
  std::copy(function->required_threads, function->required_threads + 3, program.required_threads);
  program.code = std::move(code);
  return program;
}

}  // namespace mtmc::emulator
