// Internal: from parsed instructions to a list of lowered ones, still with virtual registers. One
// PTX instruction becomes one or a few of these; flow.cpp then orders them into blocks, slots.cpp
// gives registers their places and decode.cpp writes the final Ops.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/access.hpp"
#include "emulator/code.hpp"
#include "emulator/linkage.hpp"
#include "emulator/module.hpp"

namespace mtmc::emulator {

// A virtual register, or a place among the constants, or nothing.
struct Ref {
  int32_t reg = -1;
  int32_t constant = -1;
  bool none() const { return reg < 0 && constant < 0; }
};

struct Lowered {
  // suspend: a plain op, last of its block, that may park its lanes.
  // leave: back to the caller; table: to one of several labels.
  enum class Kind : uint8_t { plain, branch, finish, barrier, arrive, suspend, call, leave, table };
  // What a loop with this op in it may wait for.
  enum class Watches : uint8_t { nothing, block, grid };
  Kind kind = Kind::plain;
  std::array<Handler, 2> run{nullptr, nullptr};
  std::array<Mover, 2> mover{nullptr, nullptr};
  IssueClass issue_class = IssueClass::other;
  MatrixWork matrix{ComputeKind::fp32, 0};
  int8_t copies = Step::no_copies;
  uint32_t local_bytes = 0;  // that each lane loads or stores
  Ref d, a, b, c, e;
  std::vector<Ref> list;
  bool has_list = false;
  uint64_t imm = 0;
  std::vector<SiteRole> sites;
  int32_t guard = -1;
  bool guard_negated = false;
  Watches watches = Watches::nothing;
  bool reads_first = false;  // every source is read before a target is written, lists included
  bool is_direct = false;    // a load or store in one state space
  bool never_waits = false;  // for lanes that are elsewhere
  bool counts = true;        // false for the helpers that one PTX instruction needs beside itself
  int32_t label = -1;        // branch target
  int32_t call = -1;         // index into Lowering::calls
  std::vector<int32_t> targets;  // labels of a table
  int reduce = -1;
  bool reduce_negated = false;
  Ref reduce_source, reduce_target;
  int32_t origin = -1;
  std::vector<int32_t> definitions, uses;
  // See fold_moves and combine_additions: not executed, and the registers that PTX names where
  // those above are others.
  bool folded = false;
  std::vector<int32_t> ptx_definitions, ptx_uses;
  void fold() {
    folded = true;
    ptx_uses = std::exchange(uses, {});
    ptx_definitions = std::exchange(definitions, {});
  }
};

// Thrown while decoding, caught in decode().
struct DecodeError {
  std::string message;
};

class Lowering {
 public:
  Lowering(const Module& module, const Function& function, Linkage& linkage, Code& code);
  void run();

  std::vector<Lowered> out;
  std::vector<uint32_t> labels;        // label -> index into out
  std::vector<uint8_t> register_bits;  // of virtual registers, temporaries included
  bool order_dependent = false;
  std::vector<CallSite> calls;
  std::vector<Passed> parameters, results;  // of a function, in its frame
  bool calls_pointers = false;
  bool uses_stack = false;  // alloca
  uint32_t variable_index(const Variable& variable);
  uint32_t frame_bytes() const { return frame_bytes_; }
  const Function& function() const { return function_; }
  // When set, every instruction is tried and reported, with "" or what is wrong with it.
  std::function<void(const Instruction&, const std::string& problem)> survey;

 private:
  void instruction(const Instruction& in);
  void combine_additions();
  void lower_one(const Instruction& in, std::vector<uint32_t>& skipped);
  void keep_guard(const Instruction& in);
  void branch_around(const Instruction& in, std::vector<uint32_t>& skipped);
  [[noreturn]] void unsupported(const std::string& why = "") const;

  // Operands.
  const Operand& operand(size_t i) const;
  int32_t temporary(int bits);
  Ref reg(int32_t index) const { return {index, -1}; }
  Ref constant(uint64_t bits, int bytes);
  Ref source(const Operand& o, OperandType type);
  Ref target(const Operand& o, int bits);
  int32_t predicate_target(const Operand& o);
  Ref predicate_source(const Operand& o);
  Ref special(const std::string& name, int bits);
  Ref symbol(const std::string& name, uint64_t addend, int bits);
  Ref fill(ConstantFill fill);
  uint32_t place(const Variable& variable);
  const Variable* local_variable(const std::string& name) const;
  uint32_t frame_place(uint64_t bytes, uint32_t alignment);
  void place_parameters();
  Ref frame_pointer();
  Ref frame_address(uint64_t offset, int bits);
  Ref kernel_parameter_address(uint64_t offset);
  bool find_passed(const std::string& name, Passed& found);
  struct Address {
    Ref base;
    uint64_t offset = 0;
    int bits = 64;
  };
  Address address(const Operand& o);
  Space symbol_space(const std::string& name) const;

  // Emission.
  Lowered& emit(std::array<Handler, 2> run);
  void use(Lowered& l, const Ref& r);
  void define(Lowered& l, const Ref& r);
  void emit_entry(const TableEntry& entry, const std::vector<Ref>& operands);
  void emit_table(std::string_view key, const std::vector<Ref>& operands, bool counts = true);
  void expect_operands(size_t count) const;

  void table_instruction();
  void check_divisor(const Ref& divisor, int bits);
  void move();
  void cvta();
  struct Comparison {
    const TableEntry* entry = nullptr;
    std::string boolean;  // and, or, xor with a predicate; empty for none
    bool packed = false;
  };
  Comparison comparison(size_t first, size_t last, std::string_view type) const;
  std::vector<Ref> compare(const Comparison& c);
  void combine(std::string_view operation, Ref to, Ref a, Ref b);
  void choose(int bits, Ref to, Ref a, Ref b, Ref predicate);
  Ref choice(const Operand& o, std::string_view type);
  void setp();
  void set();
  void select();
  void testp();
  void carry_chain();
  void lop3_predicate();
  void video();
  void create_policy();
  void predicate_logic();
  struct Conversion {
    const TableEntry* entry = nullptr;
    bool flush = false;    // the operand, first
    std::string saturate;  // the row that clamps the result, empty for none
  };
  Conversion conversion(const std::string& to, const std::string& from) const;
  void convert();
  void load_store(bool store);
  void load_param();
  void atomic(bool reduction);
  void branch();
  void branch_indexed();
  void call();
  void system_call(const std::string& name, const CallSite& site);
  void ret();
  void stack();
  void finish();
  void barrier();
  void shuffle();
  void vote();
  void activemask();
  void fence();
  void match();
  void redux();
  void matrix_move(bool store);
  void movmatrix();
  void mma();
  void wmma();
  void wmma_move(bool store);
  void wmma_mma();
  void wgmma();
  void wgmma_mma();
  std::vector<Ref> fragment(const Operand& o, int count, int bits, bool written);
  void matrix_list(Lowered& l, const std::vector<Ref>& d,
                   const std::vector<std::vector<Ref>>& sources);
  bool async_instruction();
  void cp_async();
  void bulk_copy();
  void mbarrier();
  void cluster_barrier();
  void map_to_rank();
  void elect();
  void set_registers();
  bool other_proxy_fence();
  void no_policy(size_t& count);
  LaneOperand lane_operand(Lowered& l, const Ref& r, int bits, uint64_t add);
  LaneOperand lane_address(Lowered& l, const Operand& o);
  LaneOperand lane_source(Lowered& l, const Operand& o, int bits);
  Lowered& emit_async(std::array<Handler, 2> handler, const AsyncForm& form, Lowered&& operands);
  void isspacep();
  void skip();
  int width_of(std::string_view type) const;
  static std::string bit_type(int bits) { return "b" + std::to_string(bits); }
  Ref widen_source(const Operand& o, std::string_view type, std::string& canonical_type);

  const Module& module_;
  const Function& function_;
  Linkage& linkage_;
  Code& code_;
  const Instruction* in_ = nullptr;
  std::vector<std::string_view> parts_;  // opcode split at '.'
  int32_t guard_ = -1;
  bool guard_negated_ = false;
  int32_t origin_ = -1;
  IssueClass issue_class_ = IssueClass::other;  // of the instruction at work
  bool first_ = true;                           // the next emitted op is the instruction's first
  std::map<std::pair<uint64_t, int>, int32_t> bit_constants_;
  std::map<std::string, int32_t> named_constants_;
  std::unordered_map<std::string, uint32_t> places_;  // .shared, .local and .param symbols
  std::unordered_map<std::string_view, const Variable*> local_variables_;
  std::unordered_map<std::string_view, const Parameter*> kernel_parameters_;
  std::unordered_map<std::string, Passed> parameter_places_;
  uint32_t frame_bytes_ = 0;
  uint32_t dynamic_alignment_ = 16;
  int32_t carry_ = -1;  // the predicate register that is CC.CF
};

// Blocks in the order in which they are laid out, and the flow between them.
struct Flow {
  struct Node {
    uint32_t first = 0, last = 0;  // lowered instructions
    std::vector<int> successors;
  };
  std::vector<Node> nodes;
  std::vector<int> order;  // loop-aware reverse post-order, reachable nodes only
};
Flow build_flow(const std::vector<Lowered>& code, const std::vector<uint32_t>& labels);

// Takes moves of constants and copies within a block out of execution.
void fold_moves(std::vector<Lowered>& code, const Flow& flow,
                const std::vector<uint8_t>& register_bits);

// Places of virtual registers in the register buffer (byte offsets; predicates: indices).
struct Slots {
  std::vector<int32_t> offset;
  uint32_t register_bytes = 0;
  uint32_t predicates = 2;
};
Slots assign_slots(const std::vector<Lowered>& code, const Flow& flow,
                   const std::vector<uint8_t>& register_bits, uint32_t first_byte);

// Handlers that need predicates or the whole warp.
std::array<Handler, 2> predicate_handler(std::string_view operation);  // and or xor not mov
std::array<Handler, 2> select_handler(int bits);
std::array<Handler, 2> carry_handler(std::string_view opcode);  // add.cc.u32 ...
// Of a video opcode's parts; plan is for Op::imm.
std::array<Handler, 2> video_handler(const std::vector<std::string_view>& parts, uint64_t& plan);
std::array<Handler, 2> guard_handler();
std::array<Handler, 2> clock_handler(int bits);
std::array<Handler, 2> trap_handler();
std::array<Handler, 2> divisor_check_handler(int bits);
std::array<Handler, 2> fence_handler();  // Op::imm: a FenceKind
std::array<Handler, 2> printf_handler();
std::array<Handler, 2> assert_handler();
std::array<Handler, 2> alloca_handler();
std::array<Handler, 2> variable_test_handler();  // Op::imm: 0 constant, 1 the kernel's parameters
std::array<Handler, 2> stackrestore_handler();
std::array<Handler, 2> nothing_handler();
std::array<Handler, 2> shuffle_handler(std::string_view mode);  // up down bfly idx
std::array<Handler, 2> vote_handler(std::string_view mode);     // all any uni ballot
std::array<Handler, 2> activemask_handler();
std::array<Handler, 2> match_handler(std::string_view mode, int bits);  // any all
std::array<Handler, 2> redux_handler(std::string_view operation);       // add.u32 ...
std::array<Handler, 2> syncwarp_handler();
std::array<Handler, 2> window_test_handler(std::string_view space);
std::array<Handler, 2> cp_async_handler(int bytes);
// commit_group wait_group wait_all arrive
std::array<Handler, 2> cp_async_group_handler(std::string_view name);
std::array<Handler, 2> bulk_handler(std::string_view name);
std::array<Handler, 2> mbarrier_handler(std::string_view name);
std::array<Handler, 2> cluster_handler(std::string_view name, int bits);

}  // namespace mtmc::emulator
