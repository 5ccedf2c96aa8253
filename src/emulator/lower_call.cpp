// Lowering of calls, returns, tables of branch targets, alloca, and of what the parameters of a
// function are. Problem: a thread's calls may nest, recurse and diverge. Method: a function's
// registers have places of their own in the warp's buffer; its parameters, results and local
// variables lie in a frame in local memory, at the lane's frame pointer. A call that may come back
// to its own caller saves the caller's registers in the frame (see calls.cpp).
#include <fmt/format.h>

#include <algorithm>

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

constexpr uint32_t frame_limit = 512 * 1024;  // local memory of a thread, on all architectures

}  // namespace

uint32_t Lowering::frame_place(uint64_t bytes, uint32_t alignment) {
  const uint64_t at = (uint64_t{frame_bytes_} + alignment - 1) / alignment * alignment;
  if (at + bytes > frame_limit) unsupported("more than 512 KiB of local memory");
  frame_bytes_ = static_cast<uint32_t>(at + bytes);
  return static_cast<uint32_t>(at);
}

// The parameters and results of a function come first in its frame.
void Lowering::place_parameters() {
  if (function_.is_entry) return;
  for (auto* list : {&function_.results, &function_.parameters}) {
    for (const Parameter& p : *list) {
      if (p.in_register) unsupported("parameters in registers");
      const uint32_t at = frame_place(p.bytes, p.alignment);
      (list == &function_.results ? results : parameters).push_back({at, p.bytes});
      parameter_places_.try_emplace(p.name, Passed{at, p.bytes});
    }
  }
}

// The frame pointers of the warp's lanes, 64 bits each.
Ref Lowering::frame_pointer() {
  if (code_.frame_slot < 0) {
    code_.frame_slot = static_cast<int32_t>(code_.constant_bytes);
    code_.constant_bytes += lanes * 8;
    code_.stack_slot = static_cast<int32_t>(code_.constant_bytes);
    code_.constant_bytes += lanes * 8;
  }
  return {-1, code_.frame_slot};
}

// Where a parameter or a .param variable of the body lies; false when the name is neither. The
// parameters of a kernel are elsewhere: see load_param.
bool Lowering::find_passed(const std::string& name, Passed& found) {
  const auto parameter = parameter_places_.find(name);
  if (parameter != parameter_places_.end()) {
    found = parameter->second;
    return true;
  }
  const Variable* variable = local_variable(name);
  if (variable == nullptr || variable->space != Space::param) return false;
  found = {place(*variable), static_cast<uint32_t>(variable->bytes)};
  return true;
}

void Lowering::call() {
  // call{.uni} {(result),} target{, (arguments)}{, prototype}
  if (parts_.size() > 2 || (parts_.size() == 2 && parts_[1] != "uni")) unsupported();
  size_t next = 0;
  CallSite site;
  const auto passed = [&](const Operand& list, std::vector<Passed>& places) {
    for (const Operand& o : list.elements) {
      Passed at;
      if (o.kind != Operand::Kind::symbol || !find_passed(o.name, at)) unsupported("argument form");
      places.push_back(at);
    }
  };
  if (operand(0).kind == Operand::Kind::vector) passed(operand(next++), site.results);
  const Operand& target = operand(next++);
  const bool has_arguments =
      next < in_->operands.size() && operand(next).kind == Operand::Kind::vector;
  if (has_arguments) passed(operand(next++), site.arguments);
  const auto check = [&](const std::vector<Passed>& given, const std::vector<Parameter>& wanted) {
    if (given.size() != wanted.size()) unsupported("number of arguments");
    for (size_t i = 0; i < given.size(); ++i) {
      if (given[i].bytes < wanted[i].bytes) unsupported("size of an argument");
    }
  };
  if (target.kind == Operand::Kind::symbol) {
    if (next < in_->operands.size()) unsupported("operands");
    const int callee = linkage_.find(target.name);
    if (callee < 0) unsupported("unknown function '" + target.name + "'");
    const Function& function = module_.functions[static_cast<size_t>(callee)];
    check(site.results, function.results);
    check(site.arguments, function.parameters);
    if (!function.defined) return system_call(target.name, site);
    if (function.is_entry) unsupported("call of a kernel");
    site.function = static_cast<int32_t>(linkage_.reach(callee));
  } else {
    if (next + 1 != in_->operands.size() || operand(next).kind != Operand::Kind::symbol) {
      unsupported("call through a pointer without a prototype");
    }
    const auto prototype =
        std::find_if(function_.prototypes.begin(), function_.prototypes.end(),
                     [&](const Prototype& p) { return p.name == operand(next).name; });
    if (prototype == function_.prototypes.end()) {
      unsupported("unknown prototype '" + operand(next).name + "'");
    }
    check(site.results, prototype->results);
    check(site.arguments, prototype->parameters);
    linkage_.reach_pointed();
    calls_pointers = true;
  }
  frame_pointer();
  const Ref address = site.function < 0 ? source(target, {64, false}) : Ref{};
  Lowered& l = emit(nothing_handler());
  l.kind = Lowered::Kind::call;
  use(l, l.a = address);
  l.call = static_cast<int32_t>(calls.size());
  calls.push_back(std::move(site));
}

// What the device's runtime provides.
void Lowering::system_call(const std::string& name, const CallSite& site) {
  const auto list = [&](const std::vector<Passed>& passed, const std::vector<uint32_t>& bytes) {
    std::vector<Ref> refs;
    if (passed.size() != bytes.size()) unsupported("number of arguments");
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (passed[i].bytes < bytes[i]) unsupported("size of an argument");
      refs.push_back({-1, static_cast<int32_t>(passed[i].offset)});
    }
    return refs;
  };
  std::array<Handler, 2> handler{};
  std::vector<Ref> places;
  if (name == "vprintf") {
    places = list(site.arguments, {8, 8});
    if (!site.results.empty()) places.push_back(list(site.results, {4})[0]);
    handler = printf_handler();
  } else if (name == "__assertfail") {
    places = list(site.arguments, {8, 8, 4, 8, 8});
    handler = assert_handler();
  } else {
    unsupported("device function '" + name + "'");
  }
  const Ref frame = frame_pointer();
  Lowered& l = emit(handler);
  l.a = frame;
  l.has_list = true;
  l.list = std::move(places);
}

void Lowering::ret() {
  if (function_.is_entry) return finish();
  if (parts_.size() > 2 || (parts_.size() == 2 && parts_[1] != "uni")) unsupported();
  Lowered& l = emit(nothing_handler());
  l.kind = Lowered::Kind::leave;
}

void Lowering::branch_indexed() {
  // brx.idx{.uni} index, table
  if (parts_.size() < 2 || parts_[1] != "idx" || parts_.size() > 3 ||
      (parts_.size() == 3 && parts_[2] != "uni")) {
    unsupported();
  }
  expect_operands(2);
  const Operand& name = operand(1);
  const auto table = std::find_if(
      function_.branch_tables.begin(), function_.branch_tables.end(), [&](const BranchTable& t) {
        return name.kind == Operand::Kind::symbol && t.name == name.name;
      });
  if (table == function_.branch_tables.end()) unsupported("table of branch targets");
  const Ref index = source(operand(0), {32, false});
  Lowered& l = emit(nothing_handler());
  l.kind = Lowered::Kind::table;
  use(l, l.a = index);
  l.targets = table->labels;
}

void Lowering::stack() {
  // alloca.u64 d, bytes{, alignment}; stacksave.u64 d; stackrestore.u64 a
  const std::string_view base = parts_[0];
  if (parts_.size() != 2 || parts_[1] != "u64") unsupported();
  const Ref frame = frame_pointer();
  uses_stack = true;
  if (base == "alloca") {
    const size_t count = in_->operands.size();
    if (count != 2 && count != 3) unsupported("operands");
    uint64_t alignment = 8;
    if (count == 3) {
      if (operand(2).kind != Operand::Kind::immediate) unsupported("alignment");
      alignment = operand(2).bits;
      if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > 4096) {
        unsupported("alignment");
      }
    }
    const Ref bytes = source(operand(1), {64, false});
    Lowered& l = emit(alloca_handler());
    use(l, l.a = bytes);
    l.b = {-1, code_.stack_slot};
    l.imm = alignment;
    return define(l, l.d = target(operand(0), 64));
  }
  expect_operands(1);
  if (base == "stacksave") {
    return emit_table("mov.b64", {target(operand(0), 64), Ref{-1, code_.stack_slot}});
  }
  const Ref value = source(operand(0), {64, false});
  Lowered& l = emit(stackrestore_handler());
  use(l, l.a = value);
  l.b = {-1, code_.stack_slot};
  l.c = frame;
}

// ---- parameters in memory ----------------------------------------------------------------------

// The address of a kernel's parameter: its arguments lie in a read-only variable of the launch.
Ref Lowering::kernel_parameter_address(uint64_t offset) {
  static const std::string name = "kernel parameters";
  if (code_.parameter_variable < 0) {
    Variable arguments;
    arguments.name = name;
    arguments.space = Space::constant;
    arguments.bytes = std::max<uint32_t>(function_.parameter_bytes, 1);
    arguments.alignment = 256;
    code_.parameter_variable = static_cast<int32_t>(code_.variables.size());
    code_.variables.push_back(std::move(arguments));
  }
  const auto [known, inserted] =
      named_constants_.try_emplace(fmt::format("{}+{}", name, offset), 0);
  if (inserted) {
    known->second = fill({ConstantFill::Kind::symbol, 8, 0, offset,
                          static_cast<uint32_t>(code_.parameter_variable)})
                        .constant;
  }
  return {-1, known->second};
}

}  // namespace mtmc::emulator
