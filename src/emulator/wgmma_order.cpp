#include "emulator/wgmma_order.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

#include "emulator/live_block.hpp"
#include "emulator/matrix.hpp"

namespace mtmc::emulator {
namespace {

enum class Hazard : uint8_t { unfenced, touched };

template <Hazard Kind, bool Masked>
void hazard_op(const Op& op, Warp& warp) {
  if (warp.sync_listener == nullptr) return;  // only with every check on
  const auto& origins = warp.home->code.origins;
  const int lane = Masked ? __builtin_ctz(warp.mask) : 0;
  const int thread = static_cast<int>(warp.index * lanes) + lane;
  if constexpr (Kind == Hazard::unfenced) {
    raise(FaultKind::async_copy_hazard, op, thread, 0,
          "no wgmma.fence lies between the registers of this wgmma and their last write");
  } else {
    const Origin& issue = origins[op.imm];
    raise(FaultKind::async_copy_hazard, op, thread, 0,
          fmt::format("touches a register of the wgmma at line {} before its wgmma.wait_group",
                      issue.location.line != 0 ? issue.location.line : issue.ptx_line));
  }
}

template <Hazard Kind>
std::array<Handler, 2> hazard_handler() {
  return {hazard_op<Kind, false>, hazard_op<Kind, true>};
}

using Bits = std::vector<uint64_t>;

bool test(const Bits& bits, int32_t i) { return (bits[i >> 6] >> (i & 63) & 1) != 0; }
void set(Bits& bits, int32_t i) { bits[i >> 6] |= uint64_t{1} << (i & 63); }
void clear(Bits& bits, int32_t i) { bits[i >> 6] &= ~(uint64_t{1} << (i & 63)); }
// True when it added something.
bool merge(Bits& to, const Bits& from) {
  bool added = false;
  for (size_t w = 0; w < to.size(); ++w) {
    added = added || (from[w] & ~to[w]) != 0;
    to[w] |= from[w];
  }
  return added;
}

// Groups are told apart by age: 0 not committed, 1 the youngest committed, the last all older ones.
constexpr size_t ages = 6;

struct State {
  std::array<Bits, ages> sums, factors;  // accumulators and A registers in flight
  Bits written;                          // since the last fence
  bool unfenced = true;                  // no fence at all on some path
  bool reached = false;

  explicit State(size_t words) : written(words) {
    sums.fill(Bits(words));
    factors.fill(Bits(words));
  }
  bool merge_from(const State& other) {
    bool changed = !reached;
    for (size_t a = 0; a < ages; ++a) {
      changed = merge(sums[a], other.sums[a]) || changed;
      changed = merge(factors[a], other.factors[a]) || changed;
    }
    changed = merge(written, other.written) || changed;
    const bool either = reached ? unfenced || other.unfenced : other.unfenced;
    changed = changed || either != unfenced;
    unfenced = either;
    reached = true;
    return changed;
  }
  static bool in(const std::array<Bits, ages>& sets, int32_t reg) {
    for (const Bits& bits : sets) {
      if (test(bits, reg)) return true;
    }
    return false;
  }
  template <class F>
  void each_set(F f) {
    for (size_t a = 0; a < ages; ++a) {
      f(sums[a]);
      f(factors[a]);
    }
  }
};

class Analysis {
 public:
  Analysis(const std::vector<Lowered>& code, const Flow& flow, size_t registers)
      : code_(code), flow_(flow), words_((registers + 63) / 64) {
    for (const OperandType& type : {OperandType{32, false}, OperandType{64, false}}) {
      const auto* entry =
          InstructionTable::get().find(fmt::format("mov.b{}", static_cast<int>(type.bits)));
      if (entry != nullptr) copies_.push_back(entry->run[0]);
    }
  }

  bool has_wgmma() const {
    for (const Lowered& l : code_) {
      if (l.run[0] == issue_) return true;
    }
    return false;
  }

  // Hazards by the index of the instruction.
  std::map<uint32_t, std::pair<Hazard, int32_t>> run() {
    std::vector<State> entry(flow_.nodes.size(), State(words_));
    entry[flow_.order[0]].reached = true;
    for (bool changed = true; changed;) {
      changed = false;
      for (const int node : flow_.order) {
        if (!entry[node].reached) continue;
        State state = entry[node];
        walk(node, state);
        for (const int next : flow_.nodes[node].successors) {
          changed = entry[next].merge_from(state) || changed;
        }
      }
    }
    collect_ = true;
    for (const int node : flow_.order) {
      State state = entry[node];
      if (state.reached) walk(node, state);
    }
    return std::move(found_);
  }

 private:
  void walk(int node, State& state) {
    for (uint32_t i = flow_.nodes[node].first; i < flow_.nodes[node].last; ++i) step(i, state);
  }

  void report(uint32_t at, Hazard hazard, int32_t reg) {
    if (!collect_) return;
    const auto issue = issued_by_.find(reg);
    found_.try_emplace(at, hazard, issue == issued_by_.end() ? code_[at].origin : issue->second);
  }

  void step(uint32_t at, State& state) {
    const Lowered& l = code_[at];
    if (l.run[0] == fence_) {
      std::fill(state.written.begin(), state.written.end(), 0);
      state.unfenced = false;
    } else if (l.run[0] == commit_) {
      for (auto* sets : {&state.sums, &state.factors}) {
        merge((*sets)[ages - 1], (*sets)[ages - 2]);
        for (size_t a = ages - 2; a > 0; --a) (*sets)[a] = (*sets)[a - 1];
        (*sets)[0].assign(words_, 0);
      }
    } else if (l.run[0] == wait_) {
      for (size_t a = l.imm + 1; a < ages; ++a) {
        state.sums[a].assign(words_, 0);
        state.factors[a].assign(words_, 0);
      }
    } else if (l.run[0] == issue_) {
      issue(at, l, state);
    } else if (l.run[0] == copies_[0] || l.run[0] == copies_[1]) {
      if (l.d.reg < 0) return;
      const auto inherit = [&](Bits& bits) {
        if (l.a.reg >= 0 && test(bits, l.a.reg)) {
          set(bits, l.d.reg);
        } else {
          clear(bits, l.d.reg);
        }
      };
      state.each_set(inherit);
      inherit(state.written);
      const auto known = issued_by_.find(l.a.reg);
      if (known != issued_by_.end()) issued_by_.try_emplace(l.d.reg, known->second);
    } else {
      for (const int32_t reg : l.uses) {
        if (State::in(state.sums, reg)) report(at, Hazard::touched, reg);
      }
      for (const int32_t reg : l.definitions) {
        if (State::in(state.sums, reg) || State::in(state.factors, reg)) {
          report(at, Hazard::touched, reg);
        }
        state.each_set([&](Bits& bits) { clear(bits, reg); });
        set(state.written, reg);
      }
    }
  }

  void issue(uint32_t at, const Lowered& l, State& state) {
    if (state.unfenced) report(at, Hazard::unfenced, -1);
    const size_t sums = l.definitions.size();
    for (size_t i = 0; i < l.list.size(); ++i) {
      const int32_t reg = l.list[i].reg;
      if (reg < 0) continue;
      if (test(state.written, reg)) report(at, Hazard::unfenced, reg);
      set(i < sums ? state.sums[0] : state.factors[0], reg);
      issued_by_[reg] = l.origin;
    }
  }

  const std::vector<Lowered>& code_;
  const Flow& flow_;
  size_t words_;
  std::vector<Handler> copies_;
  Handler fence_ = wgmma_order_handler(WgmmaOrder::fence)[0];
  Handler commit_ = wgmma_order_handler(WgmmaOrder::commit)[0];
  Handler wait_ = wgmma_order_handler(WgmmaOrder::wait)[0];
  Handler issue_ = wgmma_handler()[0];
  bool collect_ = false;
  std::map<int32_t, int32_t> issued_by_;  // register -> origin of a wgmma that has it
  std::map<uint32_t, std::pair<Hazard, int32_t>> found_;
};

}  // namespace

bool insert_wgmma_hazards(std::vector<Lowered>& code, std::vector<uint32_t>& labels,
                          const Flow& flow, size_t registers) {
  Analysis analysis(code, flow, registers);
  if (!analysis.has_wgmma()) return false;
  const auto found = analysis.run();
  if (found.empty()) return false;
  std::vector<Lowered> result;
  std::vector<uint32_t> position(code.size() + 1);
  for (uint32_t i = 0; i < code.size(); ++i) {
    position[i] = static_cast<uint32_t>(result.size());
    const auto hazard = found.find(i);
    if (hazard != found.end()) {
      Lowered l;
      l.run = hazard->second.first == Hazard::unfenced ? hazard_handler<Hazard::unfenced>()
                                                       : hazard_handler<Hazard::touched>();
      l.imm = static_cast<uint64_t>(hazard->second.second);
      l.origin = code[i].origin;
      l.counts = false;
      result.push_back(std::move(l));
    }
    result.push_back(std::move(code[i]));
  }
  position[code.size()] = static_cast<uint32_t>(result.size());
  code = std::move(result);
  for (uint32_t& label : labels) label = position[label];
  return true;
}

}  // namespace mtmc::emulator
