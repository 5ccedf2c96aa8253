// Lowering of operands, and which family an instruction belongs to. An opcode is
// recognised by its whole text or not at all: a modifier that is not understood is an error that
// names the instruction, since skipping one would give wrong values silently.
#include "emulator/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>

namespace mtmc::emulator {
namespace {

std::vector<std::string_view> split(std::string_view opcode) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t dot = opcode.find('.');
    parts.push_back(opcode.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    opcode.remove_prefix(dot + 1);
  }
}

bool is_type(std::string_view t) {
  return t.size() >= 2 && t.size() <= 3 &&
         (t[0] == 'b' || t[0] == 'u' || t[0] == 's' || t[0] == 'f') && t[1] >= '0' && t[1] <= '9';
}

// See Step::copies.
int8_t copy_rule(const Instruction& in) {
  const std::string_view opcode = in.opcode;
  if (opcode == "cp.async.commit_group") return Step::commit;
  if (opcode == "cp.async.wait_all") return 0;
  if (opcode == "cp.async.wait_group" && in.operands.size() == 1) {
    return static_cast<int8_t>(std::min<uint64_t>(in.operands[0].bits, 100));
  }
  return Step::no_copies;
}

bool takes_the_whole_warp(std::string_view opcode) {
  for (const std::string_view base :
       {"call", "brx.", "bar.", "barrier.", "shfl.", "vote.", "match.", "redux.", "mma.", "wmma.",
        "wgmma.", "ldmatrix.", "stmatrix.", "movmatrix.", "elect.", "setmaxnreg.",
        "mbarrier.try_wait."}) {
    if (opcode.starts_with(base)) return true;
  }
  return false;
}

}  // namespace

MemoryOrder memory_order(std::string_view opcode) {
  for (const std::string_view part : split(opcode)) {
    if (part == "volatile") return MemoryOrder::volatile_;
    if (part == "relaxed" || part == "mmio") return MemoryOrder::relaxed;
    if (part == "acquire") return MemoryOrder::acquire;
    if (part == "release") return MemoryOrder::release;
    if (part == "acq_rel" || part == "sc") return MemoryOrder::acq_rel;
  }
  return MemoryOrder::weak;
}

Lowering::Lowering(const Module& module, const Function& function, Linkage& linkage, Code& code)
    : module_(module), function_(function), linkage_(linkage), code_(code) {
  for (const Register& r : function.registers) register_bits.push_back(r.bits);
  for (const Variable& v : function.variables) local_variables_.try_emplace(v.name, &v);
  if (!function.is_entry) return;
  for (const Parameter& p : function.parameters) kernel_parameters_.try_emplace(p.name, &p);
}

void Lowering::run() {
  static const Instruction declaration = [] {
    Instruction in;
    in.opcode = "parameters";
    return in;
  }();
  in_ = &declaration;
  place_parameters();
  std::vector<uint32_t> start;
  std::vector<uint32_t> skipped;  // targets of branches around guarded instructions
  for (const Instruction& in : function_.instructions) {
    start.push_back(static_cast<uint32_t>(out.size()));
    in_ = &in;
    issue_class_ = issue_class_of(in.opcode);
    origin_ = static_cast<int32_t>(code_.origins.size());
    code_.origins.push_back({in.ptx_line, in.location, in.text, memory_order(in.opcode)});
    first_ = true;
    guard_ = in.guard;
    guard_negated_ = in.guard_negated;
    if (!survey) {
      lower_one(in, skipped);
      continue;
    }
    std::string problem;
    try {
      lower_one(in, skipped);
    } catch (const DecodeError& error) {
      problem = error.message;
    }
    survey(in, problem);
  }
  start.push_back(static_cast<uint32_t>(out.size()));
  labels.clear();
  for (const uint32_t at : function_.labels) {
    labels.push_back(start[std::min<size_t>(at, start.size() - 1)]);
  }
  labels.insert(labels.end(), skipped.begin(), skipped.end());
  if (!survey) combine_additions();
}

// cvt.s64.s32 %a, %b; add.s64 %c, %a, %d, with which most addresses begin, is one mad.wide.s32
// where nobody else reads %a. Both still count.
void Lowering::combine_additions() {
  const auto is = [](const Lowered& l, std::string_view key) {
    const TableEntry& entry = *InstructionTable::get().find(key);
    return l.kind == Lowered::Kind::plain && l.guard < 0 && !l.has_list &&
           l.run == std::array<Handler, 2>{entry.run[0], entry.run[1]};
  };
  std::vector<uint32_t> written(register_bits.size(), 0), read(register_bits.size(), 0);
  for (const Lowered& l : out) {
    for (const int32_t d : l.definitions) ++written[static_cast<size_t>(d)];
    for (const int32_t u : l.uses) ++read[static_cast<size_t>(u)];
  }
  const std::set<uint32_t> entries(labels.begin(), labels.end());
  for (uint32_t i = 1; i < out.size(); ++i) {
    Lowered& wide = out[i - 1];
    Lowered& sum = out[i];
    if (!is(sum, "add.s64") || entries.count(i) != 0) continue;
    const bool is_signed = is(wide, "cvt.s64.s32");
    if (!is_signed && !is(wide, "cvt.u64.u32")) continue;
    const auto between = static_cast<size_t>(wide.d.reg);
    if (written[between] != 1 || read[between] != 1) continue;
    const bool first = sum.a.reg == wide.d.reg;
    if (!first && sum.b.reg != wide.d.reg) continue;
    const TableEntry& fused =
        *InstructionTable::get().find(is_signed ? "mad.wide.s32" : "mad.wide.u32");
    const Ref other = first ? sum.b : sum.a;
    sum.run = {fused.run[0], fused.run[1]};
    sum.a = wide.a;
    sum.b = constant(1, 4);
    sum.c = other;
    sum.ptx_uses = std::exchange(sum.uses, {});
    sum.ptx_definitions = sum.definitions;
    use(sum, sum.a);
    use(sum, sum.c);
    wide.fold();
  }
}

void Lowering::lower_one(const Instruction& in, std::vector<uint32_t>& skipped) {
  const bool returns = in.opcode.starts_with("ret") && !function_.is_entry;
  if (guard_ >= 0 && (returns || takes_the_whole_warp(in.opcode))) {
    return branch_around(in, skipped);
  }
  keep_guard(in);
  instruction(in);
}

// A guard that its own instruction overwrites is read before.
void Lowering::keep_guard(const Instruction& in) {
  if (guard_ < 0 || in.operands.empty()) return;
  if (in.operands[0].reg != guard_ && in.operands[0].second != guard_) return;
  const Ref original = reg(guard_);
  const Ref copy = reg(temporary(1));
  guard_ = -1;
  combine("mov", copy, original, original);
  out.back().counts = false;
  first_ = true;
  guard_ = copy.reg;
}

// Lanes that wait for others must be exactly those that take part: a guard on such an instruction
// is a branch over it.
void Lowering::branch_around(const Instruction& in, std::vector<uint32_t>& skipped) {
  guard_negated_ = !guard_negated_;
  Lowered& l = emit(nothing_handler());
  l.kind = Lowered::Kind::branch;
  l.counts = false;
  l.label = static_cast<int32_t>(function_.labels.size() + skipped.size());
  guard_ = -1;
  first_ = true;
  instruction(in);
  skipped.push_back(static_cast<uint32_t>(out.size()));
}

void Lowering::unsupported(const std::string& why) const {
  throw DecodeError{fmt::format("unsupported: {}{} at PTX line {} (source line {})", in_->opcode,
                                why.empty() ? "" : " (" + why + ")", in_->ptx_line,
                                in_->location.line)};
}

int Lowering::width_of(std::string_view type) const {
  if (type == "pred") return 1;
  if (type == "b128") return 128;
  if (type == "e2m1x2") return 8;
  if (type == "e4m3x2" || type == "e5m2x2" || type == "e2m3x2" || type == "e3m2x2" ||
      type == "ue8m0x2") {
    return 16;
  }
  if (type == "f16x2" || type == "bf16x2" || type == "tf32") return 32;
  if (type == "bf16") return 16;
  if (!is_type(type)) return 0;
  const std::string_view digits = type.substr(1);
  if (digits == "8") return 8;
  if (digits == "16") return 16;
  if (digits == "32") return 32;
  if (digits == "64") return 64;
  return 0;
}

// ---- operands ----------------------------------------------------------------------------------

const Operand& Lowering::operand(size_t i) const {
  if (i >= in_->operands.size()) unsupported(fmt::format("operand {} is missing", i + 1));
  return in_->operands[i];
}

void Lowering::expect_operands(size_t count) const {
  if (in_->operands.size() != count) {
    unsupported(fmt::format("{} operands, expected {}", in_->operands.size(), count));
  }
}

int32_t Lowering::temporary(int bits) {
  register_bits.push_back(static_cast<uint8_t>(bits));
  return static_cast<int32_t>(register_bits.size()) - 1;
}

Ref Lowering::fill(ConstantFill f) {
  constexpr uint32_t limit = 4u << 20;  // of each warp
  if (code_.constant_bytes > limit) unsupported("more than 4 MiB of constants");
  f.offset = code_.constant_bytes;
  code_.constant_bytes += (f.bytes * lanes + 63u) / 64 * 64;
  code_.constants.push_back(f);
  return {-1, static_cast<int32_t>(f.offset)};
}

Ref Lowering::constant(uint64_t bits, int bytes) {
  const auto [found, inserted] = bit_constants_.try_emplace({bits, bytes}, 0);
  if (inserted) {
    found->second =
        fill({ConstantFill::Kind::bits, static_cast<uint8_t>(bytes), 0, bits, 0}).constant;
  }
  return {-1, found->second};
}

Ref Lowering::special(const std::string& name, int bits) {
  static const std::map<std::string, Special, std::less<>> table = {
      {"%tid.x", Special::tid_x},
      {"%tid.y", Special::tid_y},
      {"%tid.z", Special::tid_z},
      {"%ntid.x", Special::ntid_x},
      {"%ntid.y", Special::ntid_y},
      {"%ntid.z", Special::ntid_z},
      {"%ctaid.x", Special::ctaid_x},
      {"%ctaid.y", Special::ctaid_y},
      {"%ctaid.z", Special::ctaid_z},
      {"%nctaid.x", Special::nctaid_x},
      {"%nctaid.y", Special::nctaid_y},
      {"%nctaid.z", Special::nctaid_z},
      {"%laneid", Special::laneid},
      {"%warpid", Special::warpid},
      {"%nwarpid", Special::nwarpid},
      {"%lanemask_eq", Special::lanemask_eq},
      {"%lanemask_le", Special::lanemask_le},
      {"%lanemask_lt", Special::lanemask_lt},
      {"%lanemask_ge", Special::lanemask_ge},
      {"%lanemask_gt", Special::lanemask_gt},
      {"%smid", Special::smid},
      {"%nsmid", Special::nsmid},
      {"%gridid", Special::gridid},
      {"%dynamic_smem_size", Special::dynamic_smem_size},
      {"%total_smem_size", Special::total_smem_size},
      {"%cluster_ctaid.x", Special::cluster_ctaid_x},
      {"%cluster_ctaid.y", Special::cluster_ctaid_y},
      {"%cluster_ctaid.z", Special::cluster_ctaid_z},
      {"%cluster_nctaid.x", Special::cluster_nctaid_x},
      {"%cluster_nctaid.y", Special::cluster_nctaid_y},
      {"%cluster_nctaid.z", Special::cluster_nctaid_z},
      {"%clusterid.x", Special::clusterid_x},
      {"%clusterid.y", Special::clusterid_y},
      {"%clusterid.z", Special::clusterid_z},
      {"%nclusterid.x", Special::nclusterid_x},
      {"%nclusterid.y", Special::nclusterid_y},
      {"%nclusterid.z", Special::nclusterid_z},
      {"%cluster_ctarank", Special::cluster_ctarank},
      {"%cluster_nctarank", Special::cluster_nctarank},
      {"%is_explicit_cluster", Special::is_explicit_cluster},
      {"%envreg1", Special::envreg1},
      {"%envreg2", Special::envreg2}};
  if (name == "%clock" || name == "%clock64" || name == "%clock_hi" || name == "%globaltimer" ||
      name == "%globaltimer_lo" || name == "%globaltimer_hi") {
    const bool upper = name.ends_with("_hi");
    const Ref now = reg(temporary(upper ? 64 : bits));
    Lowered& l = emit(clock_handler(upper ? 64 : bits));
    define(l, l.d = now);
    if (!upper) return now;
    if (bits != 32) unsupported("special register " + name);
    const Ref half = reg(temporary(32));
    emit_table("unpack.1.b32.b64", {half, now});
    return half;
  }
  if (name == "WARP_SZ") return constant(lanes, bits / 8);
  const auto found = table.find(name);
  if (found == table.end()) unsupported("special register " + name);
  const auto [known, inserted] = named_constants_.try_emplace(fmt::format("{}/{}", name, bits), 0);
  if (inserted) {
    known->second = fill({ConstantFill::Kind::special, static_cast<uint8_t>(bits / 8), 0, 0,
                          static_cast<uint32_t>(found->second)})
                        .constant;
  }
  return {-1, known->second};
}

// Local and parameter variables lie in the function's frame, shared ones in the block's memory,
// where those of the module have one place for all functions.
uint32_t Lowering::place(const Variable& variable) {
  const bool of_module = local_variable(variable.name) != &variable;
  auto& places = of_module ? linkage_.shared_places : places_;
  const auto known = places.find(variable.name);
  if (known != places.end()) return known->second;
  uint32_t at = 0;
  if (variable.space == Space::shared) {
    constexpr uint64_t limit = uint64_t{1} << 24;
    const uint64_t aligned = (uint64_t{code_.shared_bytes} + variable.alignment - 1) /
                             variable.alignment * variable.alignment;
    if (aligned > limit || variable.bytes > limit - aligned) {
      unsupported("variable '" + variable.name + "' is too large");
    }
    at = static_cast<uint32_t>(aligned);
    code_.shared_bytes = static_cast<uint32_t>(aligned + variable.bytes);
  } else {
    at = frame_place(variable.bytes, variable.alignment);
  }
  places[variable.name] = at;
  return at;
}

const Variable* Lowering::local_variable(const std::string& name) const {
  const auto found = local_variables_.find(name);
  return found == local_variables_.end() ? nullptr : found->second;
}

Space Lowering::symbol_space(const std::string& name) const {
  const Variable* variable = local_variable(name);
  if (variable == nullptr) variable = linkage_.variable(name);
  if (variable != nullptr) return variable->space;
  return kernel_parameters_.count(name) != 0 || parameter_places_.count(name) != 0 ? Space::param
                                                                                   : Space::none;
}

// Index into Code::variables; what the initialiser points to comes along.
uint32_t Lowering::variable_index(const Variable& variable) {
  const auto [known, inserted] = linkage_.variable_places.try_emplace(
      variable.name, static_cast<uint32_t>(code_.variables.size()));
  if (!inserted) return known->second;
  const uint32_t index = known->second;
  if (variable.external) unsupported("external variable '" + variable.name + "'");
  code_.variables.push_back(variable);
  for (const Relocation& r : variable.relocations) linkage_.relocations.push_back({index, &r});
  return index;
}

Ref Lowering::frame_address(uint64_t offset, int bits) {
  if (function_.is_entry) return constant(offset, bits / 8);
  if (bits != 64) unsupported("32-bit local address in a function");
  const bool first = first_;
  const Ref sum = reg(temporary(64));
  emit_table("add.u64", {sum, frame_pointer(), constant(offset, 8)}, false);
  first_ = first;
  return sum;
}

Ref Lowering::symbol(const std::string& name, uint64_t addend, int bits) {
  const int bytes = bits / 8;
  const Variable* variable = local_variable(name);
  Passed passed;
  if (variable == nullptr && find_passed(name, passed)) {
    return frame_address(passed.offset + addend, bits);
  }
  if (variable == nullptr) {
    const auto parameter = kernel_parameters_.find(name);
    if (parameter != kernel_parameters_.end()) {
      if (bits != 64) unsupported("32-bit address of '" + name + "'");
      return kernel_parameter_address(parameter->second->offset + addend);
    }
    variable = linkage_.variable(name);
  }
  if (variable == nullptr) {
    const int function = linkage_.find(name);
    if (function < 0) unsupported("symbol '" + name + "'");
    if (bits != 64) unsupported("32-bit address of '" + name + "'");
    linkage_.take_address(function);
    return constant(function_handle(static_cast<size_t>(function)) + addend, 8);
  }
  const Variable& v = *variable;
  switch (v.space) {
    case Space::local:
    case Space::param:
      return frame_address(place(v) + addend, bits);
    case Space::shared:
      if (v.external) {
        const auto [known, inserted] =
            named_constants_.try_emplace(fmt::format("dynamic/{}/{}", addend, bits), 0);
        if (inserted) {
          known->second =
              fill({ConstantFill::Kind::dynamic_shared, static_cast<uint8_t>(bytes), 0, addend, 0})
                  .constant;
        }
        dynamic_alignment_ = std::max(dynamic_alignment_, v.alignment);
        return {-1, known->second};
      }
      return constant(place(v) + addend, bytes);
    case Space::global:
    case Space::constant: {
      if (bits != 64) unsupported("32-bit address of '" + name + "'");
      const uint32_t index = variable_index(v);
      const auto [known, inserted] =
          named_constants_.try_emplace(fmt::format("{}+{}", name, addend), 0);
      if (inserted) {
        known->second = fill({ConstantFill::Kind::symbol, 8, 0, addend, index}).constant;
      }
      return {-1, known->second};
    }
    case Space::none:
      break;
  }
  unsupported("symbol '" + name + "'");
}

Ref Lowering::source(const Operand& o, OperandType type) {
  const int bits = type.bits;
  switch (o.kind) {
    case Operand::Kind::reg: {
      if (o.negated || o.second >= 0) unsupported("operand form");
      if (register_bits[o.reg] != bits) {
        unsupported(fmt::format("register {} has {} bits, expected {}",
                                function_.registers[o.reg].name, register_bits[o.reg], bits));
      }
      return reg(o.reg);
    }
    case Operand::Kind::special:
      return special(o.name, bits);
    case Operand::Kind::symbol:
      if (o.name == "WARP_SZ") return special(o.name, bits);
      return symbol(o.name, o.bits, bits);
    case Operand::Kind::immediate: {
      if (bits > 64) unsupported("128-bit literal");
      uint64_t value = o.bits;
      if (o.number == Operand::Number::float32 && bits == 64) {
        value = std::bit_cast<uint64_t>(
            static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(o.bits))));
      } else if (o.number == Operand::Number::float64 && bits == 32) {
        value = std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(o.bits)));
      } else if (o.number != Operand::Number::integer && bits == 16) {
        unsupported("16-bit floating literal");
      } else if (o.number == Operand::Number::integer && type.floating) {
        unsupported("integer literal for a floating operand");
      }
      if (bits < 64) value &= (uint64_t{1} << bits) - 1;
      return constant(value, bits / 8);
    }
    default:
      unsupported("operand form");
  }
}

Ref Lowering::target(const Operand& o, int bits) {
  if (o.kind != Operand::Kind::reg || o.negated || o.second >= 0) unsupported("target form");
  if (register_bits[o.reg] != bits) {
    unsupported(
        fmt::format("target register has {} bits, expected {}", register_bits[o.reg], bits));
  }
  return reg(o.reg);
}

int32_t Lowering::predicate_target(const Operand& o) {
  if (o.kind == Operand::Kind::sink) return temporary(1);
  return target(o, 1).reg;
}

// Constants false and true are predicates 0 and 1.
Ref Lowering::predicate_source(const Operand& o) {
  if (o.kind == Operand::Kind::immediate) return {-1, o.bits != 0 ? 1 : 0};
  if (o.kind == Operand::Kind::special && o.name == "%is_explicit_cluster") {
    const Ref value = reg(temporary(1));
    emit_table("setp.ne.u32", {value, special(o.name, 32), constant(0, 4)}, false);
    return value;
  }
  if (o.kind != Operand::Kind::reg || register_bits[o.reg] != 1) unsupported("predicate expected");
  if (!o.negated) return reg(o.reg);
  const Ref inverted = reg(temporary(1));
  Lowered& l = emit(predicate_handler("not"));
  l.counts = false;
  define(l, l.d = inverted);
  use(l, l.a = reg(o.reg));
  l.b = l.a;
  return inverted;
}

Lowering::Address Lowering::address(const Operand& o) {
  if (o.kind != Operand::Kind::address) unsupported("address expected");
  Address result;
  if (o.reg >= 0) {
    result.base = reg(o.reg);
    result.bits = register_bits[o.reg];
    result.offset = o.bits;
    if (result.bits != 32 && result.bits != 64) unsupported("address register");
  } else if (!o.name.empty()) {
    const Variable* variable = local_variable(o.name);
    Passed passed;
    const bool is_passed = find_passed(o.name, passed);
    result.offset = o.bits;
    if (!function_.is_entry &&
        (is_passed || (variable != nullptr && variable->space == Space::local))) {
      result.base = frame_pointer();
      result.offset += is_passed ? passed.offset : place(*variable);
    } else {
      result.base = symbol(o.name, 0, 64);
    }
  } else {
    result.base = constant(0, 8);
    result.offset = o.bits;
  }
  return result;
}

// ---- emission ----------------------------------------------------------------------------------

Lowered& Lowering::emit(std::array<Handler, 2> run) {
  if (run[0] == nullptr) unsupported();
  Lowered l;
  l.run = run;
  l.issue_class = issue_class_;
  if (issue_class_ == IssueClass::matrix) {
    l.matrix = matrix_work_of(in_->opcode).value_or(MatrixWork{ComputeKind::fp32, 0});
  }
  l.copies = copy_rule(*in_);
  if (issue_class_ == IssueClass::load_local || issue_class_ == IssueClass::store_local) {
    l.local_bytes = access_bytes_of(in_->opcode);
  }
  l.origin = origin_;
  l.counts = first_;
  l.guard = guard_;
  l.guard_negated = guard_negated_;
  if (guard_ >= 0) l.uses.push_back(guard_);
  first_ = false;
  out.push_back(std::move(l));
  return out.back();
}

void Lowering::use(Lowered& l, const Ref& r) {
  if (r.reg >= 0) l.uses.push_back(r.reg);
}

void Lowering::define(Lowered& l, const Ref& r) {
  if (r.reg < 0) return;
  l.definitions.push_back(r.reg);
  if (l.guard >= 0) l.uses.push_back(r.reg);  // the other lanes keep the old value
}

void Lowering::emit_entry(const TableEntry& entry, const std::vector<Ref>& operands) {
  Lowered& l = emit({entry.run[0], entry.run[1]});
  l.never_waits = true;
  l.d = operands[0];
  Ref* const sources[] = {&l.a, &l.b, &l.c, &l.e};
  for (size_t i = 1; i < operands.size(); ++i) {
    *sources[i - 1] = operands[i];
    use(l, operands[i]);
  }
  define(l, l.d);
}

void Lowering::emit_table(std::string_view key, const std::vector<Ref>& operands, bool counts) {
  const TableEntry* entry = InstructionTable::get().find(key);
  if (entry == nullptr) unsupported(in_->opcode == key ? "" : fmt::format("no {}", key));
  emit_entry(*entry, operands);
  if (!counts) out.back().counts = false;
}

void Lowering::table_instruction() {
  std::string key = in_->opcode;
  const TableEntry* entry = InstructionTable::get().find(key);
  if (entry == nullptr) unsupported();
  if ((parts_[0] == "min" || parts_[0] == "max") && in_->operands.size() == 4) {
    // Three inputs (sm_100): the same as two in turn.
    const int bits = entry->target.bits;
    const Ref first = reg(temporary(bits));
    emit_entry(*entry, {first, source(operand(1), entry->sources[0]),
                        source(operand(2), entry->sources[1])});
    return emit_entry(*entry,
                      {target(operand(0), bits), first, source(operand(3), entry->sources[1])});
  }
  expect_operands(static_cast<size_t>(entry->source_count) + 1);
  std::vector<Ref> operands;
  operands.push_back(entry->target.bits == 1 ? reg(predicate_target(operand(0)))
                                             : target(operand(0), entry->target.bits));
  for (int i = 0; i < entry->source_count; ++i) {
    operands.push_back(source(operand(i + 1), entry->sources[i]));
  }
  if ((parts_[0] == "div" || parts_[0] == "rem") && !entry->target.floating) {
    check_divisor(operands.back(), entry->target.bits);
  }
  emit_entry(*entry, operands);
}

// Tells whoever listens of lanes whose divisor is zero; the division itself then gives a value.
void Lowering::check_divisor(const Ref& divisor, int bits) {
  const bool first = first_;
  Lowered& l = emit(divisor_check_handler(bits));
  l.counts = false;
  first_ = first;
  use(l, l.a = divisor);
}

// ---- instructions ------------------------------------------------------------------------------

void Lowering::instruction(const Instruction& in) {
  parts_ = split(in.opcode);
  const std::string_view base = parts_[0];
  const std::string_view last = parts_.back();
  if (async_instruction()) return;
  if (base == "mov") return move();
  if (base == "ld" || base == "ldu") return load_store(false);
  if (base == "st") return load_store(true);
  if (base == "setp") return setp();
  if (base == "set") return set();
  if (base == "selp" || base == "slct") return select();
  if (base == "testp") return testp();
  if (base == "cvt") return convert();
  if (base == "cvta") return cvta();
  if (base == "bra") return branch();
  if (base == "ret") return ret();
  if (base == "exit") return finish();
  if (base == "call") return call();
  if (base == "brx") return branch_indexed();
  if (base == "alloca" || base == "stacksave" || base == "stackrestore") return stack();
  if (base == "bar" || base == "barrier") return barrier();
  if (base == "shfl") return shuffle();
  if (base == "vote") return vote();
  if (base == "activemask") return activemask();
  if (base == "match") return match();
  if (base == "redux") return redux();
  if (base == "atom") return atomic(false);
  if (base == "red") return atomic(true);
  if (base == "mma") return mma();
  if (base == "wmma") return wmma();
  if (base == "wgmma") return wgmma();
  if (base == "ldmatrix") return matrix_move(false);
  if (base == "stmatrix") return matrix_move(true);
  if (base == "movmatrix") return movmatrix();
  if (base == "isspacep") return isspacep();
  if (base == "membar" || base == "fence") return fence();
  if (base == "prefetch" || base == "prefetchu" || base == "pmevent" || base == "applypriority" ||
      base == "discard") {
    return skip();
  }
  if (base == "trap" || base == "brkpt") {
    emit(trap_handler());
    return;
  }
  if (last == "pred") return predicate_logic();
  if (base == "lop3" && in.opcode != "lop3.b32") return lop3_predicate();
  if (base == "createpolicy") return create_policy();
  if (base[0] == 'v') return video();
  if (carry_handler(in.opcode)[0] != nullptr) return carry_chain();
  table_instruction();
}

void Lowering::skip() { emit(nothing_handler()); }

void Lowering::branch() {
  if (parts_.size() > 2 || (parts_.size() == 2 && parts_[1] != "uni")) unsupported();
  expect_operands(1);
  if (operand(0).kind != Operand::Kind::label) unsupported("branch target");
  Lowered& l = emit(nothing_handler());
  l.kind = Lowered::Kind::branch;
  l.label = operand(0).label;
}

void Lowering::finish() {
  if (parts_.size() > 2 || (parts_.size() == 2 && parts_[1] != "uni")) unsupported();
  Lowered& l = emit(nothing_handler());
  l.kind = Lowered::Kind::finish;
}

}  // namespace mtmc::emulator
