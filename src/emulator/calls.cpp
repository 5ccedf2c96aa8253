// Calls and returns of a warp's lanes. Lanes may be in different functions, or in one function at
// different depths: each has its own frames. What a lane calls and where it goes back to is kept
// here, out of reach of the code that runs; arguments, results and saved registers go through local
// memory. Functions come before their callers in the order of blocks, so lanes that call go first
// and meet the others where the call ends.
#include <fmt/format.h>

#include <cstring>

#include "emulator/alu.hpp"
#include "emulator/executor.hpp"
#include "emulator/linkage.hpp"

namespace mtmc::emulator {
namespace {

uint64_t* slot(Warp& warp, int32_t offset) {
  return reinterpret_cast<uint64_t*>(warp.registers + offset);
}

char* lane_memory(Warp& warp, int lane) {
  return warp.local + static_cast<size_t>(lane) * warp.local_bytes;
}

void save_registers(const CodeFunction& function, Warp& warp, int lane, char* to) {
  for (const auto& [offset, bytes] : function.registers) {
    std::memcpy(to, warp.registers + offset + lane * bytes, static_cast<size_t>(bytes));
    to += bytes;
  }
  for (uint32_t p = function.first_predicate; p < function.last_predicate; ++p) {
    *to++ = static_cast<char>(warp.predicates[p] >> lane & 1);
  }
}

void restore_registers(const CodeFunction& function, Warp& warp, int lane, const char* from) {
  for (const auto& [offset, bytes] : function.registers) {
    std::memcpy(warp.registers + offset + lane * bytes, from, static_cast<size_t>(bytes));
    from += bytes;
  }
  for (uint32_t p = function.first_predicate; p < function.last_predicate; ++p) {
    const uint32_t bit = 1u << lane;
    warp.predicates[p] = (*from++ & 1) != 0 ? warp.predicates[p] | bit : warp.predicates[p] & ~bit;
  }
}

}  // namespace

void reset_calls(const Code& code, Warp& warp) {
  if (code.frame_slot < 0) return;
  for (int l = 0; l < lanes; ++l) {
    slot(warp, code.frame_slot)[l] = 0;
    slot(warp, code.stack_slot)[l] = code.functions.back().frame_bytes;
    if (warp.calls != nullptr) warp.calls->frames[l].clear();
  }
}

void Executor::enter(Warp& warp, const Block& block, const CallSite& site, int lane,
                     const CodeFunction& callee) {
  uint64_t& frame = slot(warp, code_.frame_slot)[lane];
  uint64_t& top = slot(warp, code_.stack_slot)[lane];
  const CodeFunction& caller = code_.functions[site.caller];
  const uint64_t saved = site.saves ? caller.saved_bytes : 0;
  const uint64_t next = (top + saved + 15) / 16 * 16;
  if (next + callee.frame_bytes > warp.local_bytes) {
    throw FaultError{
        FaultKind::stack_overflow, block.exit_origin, static_cast<int>(warp.index * lanes) + lane,
        0,
        fmt::format("calling '{}' needs {} bytes of stack, {} of {} are left, {} calls "
                    "deep",
                    callee.name, next - top + callee.frame_bytes,
                    warp.local_bytes - std::min<uint64_t>(top, warp.local_bytes), warp.local_bytes,
                    warp.calls->frames[lane].size())};
  }
  char* const memory = lane_memory(warp, lane);
  if (site.saves) save_registers(caller, warp, lane, memory + top);
  for (size_t i = 0; i < site.arguments.size(); ++i) {
    const Passed& to = callee.parameters[i];
    std::memcpy(memory + next + to.offset, memory + frame + site.arguments[i].offset,
                std::min(to.bytes, site.arguments[i].bytes));
  }
  warp.calls->frames[lane].push_back({block.call, static_cast<uint32_t>(frame),
                                      static_cast<uint32_t>(top), block.next, block.exit_origin});
  frame = next;
  top = next + callee.frame_bytes;
}

// The function that a lane's pointer means.
uint32_t Executor::pointed_function(Warp& warp, const Block& block, const CallSite& site,
                                    int lane) const {
  const uint64_t handle = slot(warp, site.target)[lane];
  const auto fail = [&](const std::string& why) {
    throw FaultError{FaultKind::invalid_call, block.exit_origin,
                     static_cast<int>(warp.index * lanes) + lane, handle,
                     fmt::format("call through 0x{:x}, {}", handle, why)};
  };
  const auto found = code_.function_of_handle.find(handle);
  if (found == code_.function_of_handle.end()) fail("which is no function");
  const CodeFunction& callee = code_.functions[found->second];
  const auto fits = [](const std::vector<Passed>& given, const std::vector<Passed>& wanted) {
    if (given.size() != wanted.size()) return false;
    for (size_t i = 0; i < given.size(); ++i) {
      if (given[i].bytes < wanted[i].bytes) return false;
    }
    return true;
  };
  if (!fits(site.arguments, callee.parameters) || !fits(site.results, callee.results)) {
    fail(fmt::format("which is '{}' and takes other parameters", callee.name));
  }
  return found->second;
}

bool Executor::call(Warp& warp, const Block& block) {
  const CallSite& site = code_.calls[block.call];
  uint32_t remaining = warp.mask;
  while (remaining != 0) {
    const int first = __builtin_ctz(remaining);
    const uint32_t function = site.function >= 0 ? static_cast<uint32_t>(site.function)
                                                 : pointed_function(warp, block, site, first);
    uint32_t together = remaining;
    if (site.function < 0) {
      const uint64_t* handles = slot(warp, site.target);
      for (int l = first; l < lanes; ++l) {
        if (handles[l] != handles[first]) together &= ~(1u << l);
      }
    }
    const CodeFunction& callee = code_.functions[function];
    for (uint32_t m = together; m != 0; m &= m - 1) {
      enter(warp, block, site, __builtin_ctz(m), callee);
    }
    if (together == warp.mask) {
      warp.block = callee.entry;
      warp.op = code_.blocks[callee.entry].first;
      return true;
    }
    push(warp, {callee.entry,
                code_.blocks[callee.entry].first,
                together,
                Group::State::runnable,
                false,
                0,
                {}});
    remaining &= ~together;
  }
  return select(warp);
}

bool Executor::leave_function(Warp& warp, const Block& block) {
  const CodeFunction& callee = code_.functions[block.call];
  uint64_t* const frame = slot(warp, code_.frame_slot);
  uint64_t* const top = slot(warp, code_.stack_slot);
  std::array<uint32_t, lanes> next{};
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    const CallFrame back = warp.calls->frames[l].back();
    warp.calls->frames[l].pop_back();
    const CallSite& site = code_.calls[back.site];
    char* const memory = lane_memory(warp, l);
    for (size_t i = 0; i < site.results.size(); ++i) {
      const Passed& from = callee.results[i];
      std::memcpy(memory + back.frame + site.results[i].offset, memory + frame[l] + from.offset,
                  std::min(from.bytes, site.results[i].bytes));
    }
    if (site.saves) {
      restore_registers(code_.functions[site.caller], warp, l, memory + back.top);
    }
    frame[l] = back.frame;
    top[l] = back.top;
    next[static_cast<size_t>(l)] = back.next;
  }
  return go_each(warp, next);
}

bool Executor::branch_by_table(Warp& warp, const Block& block) {
  const auto* index = reinterpret_cast<const uint32_t*>(warp.registers + block.barrier_id);
  const std::vector<uint32_t>& table = code_.branch_tables[block.call];
  std::array<uint32_t, lanes> next{};
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    if (index[l] >= table.size()) {
      throw FaultError{FaultKind::invalid_call, block.exit_origin,
                       static_cast<int>(warp.index * lanes) + l, 0,
                       fmt::format("branch target {} of {}", index[l], table.size())};
    }
    next[static_cast<size_t>(l)] = table[index[l]];
  }
  return go_each(warp, next);
}

// Sends each active lane to a block of its own; false when the warp has to stop.
bool Executor::go_each(Warp& warp, const std::array<uint32_t, lanes>& next) {
  for (uint32_t remaining = warp.mask; remaining != 0;) {
    const auto first = static_cast<size_t>(__builtin_ctz(remaining));
    uint32_t together = 0;
    for (uint32_t m = remaining; m != 0; m &= m - 1) {
      const auto l = static_cast<size_t>(__builtin_ctz(m));
      if (next[l] == next[first]) together |= 1u << l;
    }
    const uint32_t to = next[first];
    if (together == warp.mask) {
      warp.block = to;
      warp.op = code_.blocks[to].first;
      return true;
    }
    push(warp, {to, code_.blocks[to].first, together, Group::State::runnable, false, 0, {}});
    remaining &= ~together;
  }
  return select(warp);
}

// ---- alloca ------------------------------------------------------------------------------------

namespace {

void alloca_op(const Op& op, Warp& warp) {
  uint64_t* const top = slot(warp, op.b);
  const uint64_t* bytes = lane_array<uint64_t>(warp, op.a);
  uint64_t* d = lane_array<uint64_t>(warp, op.d);
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    const uint64_t wanted = bytes[l];
    const uint64_t at = (top[l] + op.imm - 1) / op.imm * op.imm;
    if (wanted > warp.local_bytes || at + wanted > warp.local_bytes) {
      raise(FaultKind::stack_overflow, op, static_cast<int>(warp.index * lanes) + l, 0,
            fmt::format("alloca of {} bytes: {} of {} bytes of stack are used", wanted, top[l],
                        warp.local_bytes));
    }
    d[l] = at;
    top[l] = at + wanted;
  }
}

void stackrestore_op(const Op& op, Warp& warp) {
  uint64_t* const top = slot(warp, op.b);
  const uint64_t* frame = slot(warp, op.c);
  const uint64_t* value = lane_array<uint64_t>(warp, op.a);
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    if (value[l] < frame[l] || value[l] > top[l]) {
      raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes) + l, value[l],
            fmt::format("stackrestore to {}, outside of the frame from {} to {}", value[l],
                        frame[l], top[l]));
    }
    top[l] = value[l];
  }
}

}  // namespace

bool Executor::is_constant(uint64_t address, bool parameters) const {
  for (size_t i = 0; i < code_.variables.size(); ++i) {
    const bool holds_parameters = static_cast<int32_t>(i) == code_.parameter_variable;
    if (holds_parameters != parameters || code_.variables[i].space != Space::constant) continue;
    if (address - context_.variable_address[i] < code_.variables[i].bytes) return true;
  }
  return false;
}

namespace {

void variable_test_op(const Op& op, Warp& warp) {
  const uint64_t* a = lane_array<uint64_t>(warp, op.a);
  uint32_t& d = warp.predicates[op.d];
  for (uint32_t m = warp.mask; m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    const bool inside = warp.executor->is_constant(a[l], op.imm != 0);
    d = inside ? d | 1u << l : d & ~(1u << l);
  }
}

}  // namespace

std::array<Handler, 2> variable_test_handler() { return {variable_test_op, variable_test_op}; }
std::array<Handler, 2> alloca_handler() { return {alloca_op, alloca_op}; }
std::array<Handler, 2> stackrestore_handler() { return {stackrestore_op, stackrestore_op}; }

}  // namespace mtmc::emulator
