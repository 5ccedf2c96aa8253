// Lowering of ld, st, atom, red, cp.async and isspacep. Cache hints (with their policy operand),
// .volatile, .relaxed and scopes change nothing here: execution is sequentially consistent and
// caches are not modelled.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

struct AccessOpcode {
  Space space = Space::none;
  int count = 1;
  std::string_view type;
  bool cluster = false;                // shared::cluster
  bool watches = false;                // sees what other threads write
  bool policy = false;                 // the last operand is a cache policy
  std::vector<std::string_view> rest;  // what is not a hint, scope, space, vector length or type
};

bool is_hint(std::string_view p) {
  static constexpr std::string_view hints[] = {
      "weak", "volatile", "relaxed", "acquire", "release", "acq_rel", "sc",
      "mmio", "cta",      "cluster", "gpu",     "sys",     "ca",      "cg",
      "cs",   "lu",       "cv",      "wb",      "wt",      "nc"};
  return std::find(std::begin(hints), std::end(hints), p) != std::end(hints) ||
         ((p.starts_with("L1::") || p.starts_with("L2::")) && p != "L2::cache_hint");
}

AccessOpcode parse_access(const std::vector<std::string_view>& parts) {
  AccessOpcode result;
  result.type = parts.back();
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::string_view p = parts[i];
    result.watches = result.watches || p == "volatile" || p == "relaxed" || p == "acquire" ||
                     p == "cv" || p == "mmio" || p == "sc";
    if (is_hint(p)) continue;
    if (p == "L2::cache_hint") {
      result.policy = true;
    } else if (p == "global") {
      result.space = Space::global;
    } else if (p == "shared" || p == "shared::cta" || p == "shared::cluster") {
      result.space = Space::shared;
      result.cluster = p == "shared::cluster";
    } else if (p == "local") {
      result.space = Space::local;
    } else if (p == "const") {
      result.space = Space::constant;
    } else if (p == "param" || p == "param::entry") {
      result.space = Space::param;
    } else if (p == "v2" || p == "v4" || p == "v8") {
      result.count = p[1] - '0';
    } else {
      result.rest.push_back(p);
    }
  }
  return result;
}

Target shared_target(const AccessOpcode& op, int address_bits) {
  if (op.cluster) return address_bits == 32 ? Target::cluster32 : Target::cluster64;
  return address_bits == 32 ? Target::shared32 : Target::shared64;
}

Lowered::Watches watch_of(Space space) {
  return space == Space::shared ? Lowered::Watches::block : Lowered::Watches::grid;
}

}  // namespace

void Lowering::load_store(bool store) {
  AccessOpcode op = parse_access(parts_);
  if (!op.rest.empty()) unsupported(fmt::format("modifier .{}", op.rest[0]));
  const int bits = width_of(op.type);
  if (bits < 8) unsupported();
  expect_operands(op.policy ? 3 : 2);
  if (op.policy) source(operand(2), {64, false});
  if (op.space == Space::param) {
    const Operand& at = operand(store ? 0 : 1);
    const bool of_kernel =
        function_.is_entry && at.kind == Operand::Kind::address &&
        (at.reg >= 0 || (local_variable(at.name) == nullptr && parameter_places_.empty()));
    if (of_kernel && store) unsupported("store to a parameter");
    if (of_kernel && at.reg < 0) return load_param();
    // The arguments of a kernel lie in a variable, those of a function in its frame.
    op.space = of_kernel ? Space::constant : Space::local;
  }
  const Operand& data = operand(store ? 1 : 0);
  const Address where = address(operand(store ? 0 : 1));

  // The registers that take part, and their common width.
  std::vector<const Operand*> elements;
  if (data.kind == Operand::Kind::vector) {
    for (const Operand& element : data.elements) elements.push_back(&element);
  } else {
    elements.push_back(&data);
  }
  if (static_cast<int>(elements.size()) != op.count) unsupported("vector length");
  int held = bits < 16 ? 16 : bits;
  for (const Operand* element : elements) {
    if (element->kind == Operand::Kind::reg) held = register_bits[element->reg];
  }
  std::vector<Ref> registers;
  for (const Operand* element : elements) {
    if (store) {
      const bool real =
          element->kind == Operand::Kind::immediate && element->number != Operand::Number::integer;
      registers.push_back(source(*element, {static_cast<uint8_t>(held), real}));
    } else if (element->kind == Operand::Kind::sink && op.count > 1) {
      registers.push_back({});
    } else {
      registers.push_back(target(*element, held));
    }
  }

  const uint32_t bytes = static_cast<uint32_t>(bits / 8 * op.count);
  MemoryForm form{Target::generic, store ? SiteRole::global_store : SiteRole::global_load, bytes};
  std::vector<SiteRole> sites{form.role};
  switch (op.space) {
    case Space::none:
      sites.push_back(store ? SiteRole::shared_store : SiteRole::shared_load);
      break;
    case Space::global:
      form.where = Target::global;
      break;
    case Space::constant:
      if (store) unsupported("store to constant memory");
      form.where = Target::global;
      sites = {SiteRole::local};  // constant cache: not part of the global traffic
      break;
    case Space::shared:
      form.where = shared_target(op, where.bits);
      sites = {store ? SiteRole::shared_store : SiteRole::shared_load};
      break;
    case Space::local:
      form.where = where.bits == 32 ? Target::local32 : Target::local64;
      sites = {SiteRole::local};
      break;
    case Space::param:
      break;
  }
  if ((form.where == Target::global || form.where == Target::generic) && where.bits != 64) {
    unsupported("32-bit global address");
  }
  const auto mover = find_mover(op.type, held, op.count, store);
  if (mover[0] == nullptr) unsupported(fmt::format("into {}-bit registers", held));
  Lowered& l = emit(memory_handlers(form));
  l.mover = mover;
  l.is_direct = form.where == Target::global || form.where == Target::shared32 ||
                form.where == Target::shared64;
  l.never_waits = true;
  l.sites = std::move(sites);
  if (!store && op.watches) l.watches = watch_of(op.space);
  use(l, l.a = where.base);
  l.imm = where.offset;
  if (op.count > 1) {
    l.has_list = true;
    l.list = registers;
  } else {
    l.d = registers[0];
  }
  for (const Ref& r : registers) {
    if (store) {
      use(l, r);
    } else {
      define(l, r);
    }
  }
}

// A kernel parameter is the same for all threads: its value is a constant of the launch.
void Lowering::load_param() {
  const AccessOpcode op = parse_access(parts_);
  const Operand& data = operand(0);
  const Operand& where = operand(1);
  if (where.kind != Operand::Kind::address || where.reg >= 0) {
    unsupported("parameter address in a register");
  }
  const auto found = kernel_parameters_.find(where.name);
  if (found == kernel_parameters_.end()) unsupported("parameter '" + where.name + "'");
  const Parameter* parameter = found->second;
  const auto bytes = static_cast<uint32_t>(width_of(op.type) / 8);
  if (bytes == 0 || bytes > 8) unsupported();
  std::vector<const Operand*> elements;
  if (data.kind == Operand::Kind::vector) {
    for (const Operand& element : data.elements) elements.push_back(&element);
  } else {
    elements.push_back(&data);
  }
  if (static_cast<int>(elements.size()) != op.count) unsupported("vector length");
  uint64_t offset = where.bits;
  for (const Operand* element : elements) {
    if (offset > parameter->bytes || bytes > parameter->bytes - offset)
      unsupported("outside its parameter");
    const uint64_t at = parameter->offset + offset;
    offset += bytes;
    if (element->kind == Operand::Kind::sink) continue;
    if (element->kind != Operand::Kind::reg) unsupported("target form");
    const int held = register_bits[element->reg];
    if (held < static_cast<int>(bytes) * 8) unsupported("target register is too narrow");
    const uint32_t is_signed = op.type[0] == 's' ? 16 : 0;
    const auto [known, inserted] = named_constants_.try_emplace(
        fmt::format("param/{}/{}/{}/{}", at, bytes, held, is_signed), 0);
    if (inserted) {
      known->second = fill({ConstantFill::Kind::parameter, static_cast<uint8_t>(held / 8), 0, at,
                            bytes | is_signed})
                          .constant;
    }
    emit_table("mov." + bit_type(held), {target(*element, held), Ref{-1, known->second}});
  }
  if (first_) skip();
}

// atom{.sem}{.scope}{.space}.op{.level}{.vec}.type d, [a], b{, c}{, policy}; red has no d.
void Lowering::atomic(bool reduction) {
  AccessOpcode op = parse_access(parts_);
  // Vectors were first written .v4.f32.add, with the operation last.
  if (op.type == "add" || op.type == "noftz") {
    for (std::string_view& p : op.rest) {
      if (width_of(p) != 0) std::swap(p, op.type);
    }
  }
  std::string operation;
  for (const std::string_view p : op.rest) {
    if (p == "noftz") continue;  // subnormals are kept anyway
    operation += std::string(p) + ".";
  }
  operation += std::string(op.type);
  const AtomicForm form = find_atomic(operation, op.count);
  if (form.mover[0] == nullptr) unsupported();
  const size_t first = reduction ? 0 : 1;
  const size_t count = first + 1 + static_cast<size_t>(form.operands);
  expect_operands(count + (op.policy ? 1 : 0));
  if (op.policy) source(operand(count), {64, false});
  const Address where = address(operand(first));
  const bool wanted = !reduction && operand(0).kind != Operand::Kind::sink;
  const bool real = op.type[0] == 'f' && form.bits >= 32;
  const auto value = [&](const Operand& o) {
    const bool literal =
        real && o.kind == Operand::Kind::immediate && o.number != Operand::Number::integer;
    return source(o, {static_cast<uint8_t>(form.bits), literal});
  };
  MemoryForm memory{Target::generic, SiteRole::global_atomic,
                    static_cast<uint32_t>(form.bits / 8 * op.count)};
  std::vector<SiteRole> sites{SiteRole::global_atomic};
  if (op.space == Space::shared) {
    memory.where = shared_target(op, where.bits);
    sites = {SiteRole::shared_atomic};
  } else if (op.space == Space::global) {
    memory.where = Target::global;
  } else if (op.space == Space::none) {
    sites.push_back(SiteRole::shared_atomic);
  } else {
    unsupported("state space");
  }
  if (op.space != Space::shared) {
    if (where.bits != 64) unsupported("32-bit global address");
    order_dependent = order_dependent || wanted || form.ordered;
  }
  // Of a vector the list holds the operands, then the targets.
  std::vector<Ref> operands, targets;
  const auto gather = [&](const Operand& o, std::vector<Ref>& into, bool target_of) {
    if (o.kind != Operand::Kind::vector || static_cast<int>(o.elements.size()) != op.count) {
      unsupported("vector length");
    }
    for (const Operand& element : o.elements) {
      if (target_of && element.kind == Operand::Kind::sink) {
        into.push_back({});
      } else {
        into.push_back(target_of ? target(element, form.bits) : value(element));
      }
    }
  };
  if (op.count > 1) {
    gather(operand(first + 1), operands, false);
    if (wanted) gather(operand(0), targets, true);
    targets.resize(static_cast<size_t>(op.count));
  } else {
    for (int i = 0; i < form.operands; ++i) operands.push_back(value(operand(first + 1 + i)));
    if (wanted) targets.push_back(target(operand(0), form.bits));
  }
  Lowered& l = emit(memory_handlers(memory));
  l.mover = form.mover;
  l.sites = std::move(sites);
  if (wanted) l.watches = watch_of(op.space);
  use(l, l.a = where.base);
  l.imm = where.offset;
  for (const Ref& r : operands) use(l, r);
  for (const Ref& r : targets) define(l, r);
  if (op.count > 1) {
    l.has_list = true;
    l.list = operands;
    l.list.insert(l.list.end(), targets.begin(), targets.end());
    return;
  }
  l.b = operands[0];
  if (form.operands > 1) l.c = operands[1];
  if (wanted) l.d = targets[0];
}

void Lowering::isspacep() {
  if (parts_.size() != 2) unsupported();
  expect_operands(2);
  const Ref address_value = source(operand(1), {64, false});
  const bool of_variable = parts_[1] == "const" || parts_[1] == "param";
  Lowered& l = emit(of_variable ? variable_test_handler() : window_test_handler(parts_[1]));
  l.imm = parts_[1] == "param" ? 1 : 0;
  use(l, l.a = address_value);
  define(l, l.d = reg(predicate_target(operand(0))));
}

}  // namespace mtmc::emulator
