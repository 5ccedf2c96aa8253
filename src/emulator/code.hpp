// Internal: decoded instructions and the state they work on. Not for other folders.
//
// A warp's registers are lane arrays in one buffer: a 16, 32 or 64-bit register is 32 consecutive
// elements. Operands of an Op are byte offsets into that buffer, constants included (they live in
// its first part, filled once per launch or block). A predicate is a 32-bit lane mask in its own
// array. Every handler comes twice: for all 32 lanes, and for the lanes of warp.mask only; slots
// may be shared by divergent paths because the second never writes another lane.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/async_form.hpp"
#include "emulator/fault.hpp"
#include "emulator/matrix_arithmetic.hpp"
#include "emulator/memory.hpp"
#include "emulator/module.hpp"
#include "emulator/profile.hpp"
#include "emulator/trace.hpp"

namespace mtmc::emulator {

inline constexpr int lanes = 32;
inline constexpr uint32_t all_lanes = ~uint32_t{0};

// Generic addresses of the other spaces; each window is 4 GiB.
inline constexpr uint64_t shared_window = 0x700000000000;
inline constexpr uint64_t local_window = 0x710000000000;
inline constexpr uint64_t window_bytes = uint64_t{1} << 32;

struct Warp;
struct Op;
using Handler = void (*)(const Op&, Warp&);
// Moves data between registers and memory once addresses are checked: base + offset[lane], for the
// active lanes. `kind` is an AccessKind; one that a mover has no use for is a gather.
using Mover = void (*)(const Op&, Warp&, char* base, const int64_t* offset, int kind);

struct Op {
  Handler run[2];  // all lanes, some lanes
  int32_t d, a, b, c, e;  // e of loads and stores: the site of their leader, see follows
  uint32_t site;   // memory plan, when it has one
  uint64_t imm;    // address offset, or what the handler says
  int32_t list;    // index into Code::lists, -1 for none
  int32_t origin;  // index into Code::origins
  void* extra[2];  // movers: all lanes, some lanes
};

// suspend: the last op may ask its lanes to park (Warp::park); else as jump. spin: as Block::inner,
// and a taken back edge closes a loop in which lanes may wait for other threads.
enum class Exit : uint8_t {
  jump,
  branch,
  finish,
  finish_if,
  barrier,
  arrive,
  suspend,
  spin,
  call,
  leave,
  table
};

struct Block {
  uint32_t first = 0, last = 0;  // ops [first, last)
  Exit exit = Exit::jump;
  Exit inner = Exit::jump;  // of a spin
  uint32_t call = 0;        // call: Code::calls; leave: Code::functions; table: Code::branch_tables
  bool negated = false;
  int32_t predicate = -1;
  uint32_t target = 0;        // taken
  uint32_t next = 0;          // fall through
  uint32_t instructions = 0;  // PTX instructions, for the counts
  uint32_t charge = 1;        // against the budget; never 0
  uint32_t first_step = 0, last_step = 0;
  int32_t exit_origin = -1;
  int32_t barrier_id = -1, barrier_count = -1;  // register offsets; -1: barrier 0, whole block
  int32_t reduce = -1;                          // barrier reduction: 0 popc, 1 and, 2 or
  int32_t reduce_source = -1, reduce_target = -1;
  bool reduce_negated = false;
  // What one pass through the block adds to the counts.
  std::array<uint32_t, kIssueClassCount> classes{};
  std::array<uint32_t, kComputeKindCount> matrix_operations{};
  uint32_t local_bytes = 0;  // of each lane, loaded and stored
};

// One PTX instruction as the model of an SM sees it (sm_replay.hpp); execution has no use for it.
struct Step {
  IssueClass issue_class = IssueClass::other;
  // cp.async bookkeeping: commit_group, or waiting until at most this many groups are under way.
  static constexpr int8_t no_copies = -1, commit = -2;
  int8_t copies = no_copies;
  MatrixWork matrix{ComputeKind::fp32, 0};
  int32_t site = -1;        // the first of its
  uint32_t site_count = 0;  // plans
  int32_t origin = -1;
  uint32_t operands = 0;  // into Code::step_operands: sources first, then targets
  uint16_t sources = 0, targets = 0;
};

// What a memory instruction promises about order, as its opcode says. Everything runs sequentially
// consistent; checkers care.
enum class MemoryOrder : uint8_t { weak, volatile_, relaxed, acquire, release, acq_rel };
inline bool is_strong(MemoryOrder order) { return order >= MemoryOrder::relaxed; }
MemoryOrder memory_order(std::string_view opcode);

// A parameter, result or argument: bytes at an offset of a frame.
struct Passed {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

// A function of the program, the kernel (the last one) included.
struct CodeFunction {
  std::string name;
  uint32_t entry = 0;  // block
  uint32_t frame_bytes = 0;
  std::vector<Passed> parameters, results;  // in its frame
  // What a recursive call saves for a lane: offset of the register in the warp's buffer and bytes
  // of one lane.
  std::vector<std::pair<int32_t, int32_t>> registers;
  uint32_t first_predicate = 0, last_predicate = 0;
  uint32_t saved_bytes = 0;
};

struct CallSite {
  int32_t function = -1;  // -1: through the pointer in the register at `target`
  int32_t target = -1;
  std::vector<Passed> arguments, results;  // in the caller's frame
  uint32_t caller = 0;                     // function
  bool saves = false;                      // the callee may call the caller again
};

// One call that a lane is in.
struct CallFrame {
  uint32_t site;        // Code::calls
  uint32_t frame, top;  // the caller's frame and stack pointer
  uint32_t next;        // block to go back to
  int32_t origin;       // of the call
};
struct CallStack {
  std::array<std::vector<CallFrame>, lanes> frames;
};

struct Origin {
  uint32_t ptx_line;
  SourceLocation location;
  std::string text;
  MemoryOrder order = MemoryOrder::weak;
};

// What a constant slot holds.
struct ConstantFill {
  enum class Kind : uint8_t { bits, parameter, special, symbol, dynamic_shared };
  Kind kind;
  uint8_t bytes;       // per lane: 2, 4, 8
  uint32_t offset;     // in the register buffer
  uint64_t value;      // bits; parameter offset; symbol addend
  uint32_t index = 0;  // special register or module variable
};

enum class Special : uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  lanemask_eq,
  lanemask_le,
  lanemask_lt,
  lanemask_ge,
  lanemask_gt,
  smid,
  nsmid,
  gridid,
  dynamic_smem_size,
  total_smem_size,
  cluster_ctaid_x,
  cluster_ctaid_y,
  cluster_ctaid_z,
  cluster_nctaid_x,
  cluster_nctaid_y,
  cluster_nctaid_z,
  clusterid_x,
  clusterid_y,
  clusterid_z,
  nclusterid_x,
  nclusterid_y,
  nclusterid_z,
  cluster_ctarank,
  cluster_nctarank,
  is_explicit_cluster,
  envreg1,  // and envreg2: the address of the workspace of a cooperative grid
  envreg2
};

enum class SiteRole : uint8_t {
  global_load,
  global_store,
  global_atomic,
  shared_load,
  shared_store,
  shared_atomic,
  local  // local memory, and constants: nobody watches these
};
inline constexpr size_t site_role_count = 7;

struct Code {
  std::vector<Op> ops;
  std::vector<Op> guarded;  // bodies of guarded instructions: Op::list of the guard
  std::vector<Block> blocks;
  std::vector<Step> steps;
  std::vector<int32_t> step_operands;  // virtual registers
  uint32_t virtual_registers = 0;
  std::vector<std::vector<int32_t>> lists;  // register offsets, -1 for a sink
  std::vector<Origin> origins;
  std::vector<ConstantFill> constants;
  std::vector<Variable> variables;  // module .global and .const that the kernel names
  int32_t parameter_variable = -1;  // the one that holds the launch's arguments
  std::map<uint32_t, std::string> files;
  std::vector<SourceLocation> inline_sites;
  uint32_t entry_block = 0;
  std::vector<CodeFunction> functions;
  std::vector<CallSite> calls;
  std::vector<std::vector<uint32_t>> branch_tables;  // blocks
  std::unordered_map<uint64_t, uint32_t> function_of_handle;
  int32_t frame_slot = -1, stack_slot = -1;  // lanes' frame and stack pointers; -1: no calls
  // Addresses in the variables' initialisers: of another variable, or (target < 0) a handle.
  struct Relocated {
    uint32_t variable;
    uint64_t offset;
    uint32_t bytes;
    int32_t target;
    uint64_t addend;  // or the handle and addend
    uint64_t mask;
  };
  std::vector<Relocated> relocations;
  uint32_t constant_bytes = 0;
  uint32_t register_bytes = 0;
  uint32_t predicates = 2;  // 0 is false, 1 is true
  std::vector<SiteRole> sites;
  uint32_t shared_bytes = 0;
  uint32_t local_bytes = 0;
  std::vector<AsyncForm> async_forms;  // not empty where anything asynchronous is used
  bool order_dependent = false;        // blocks must run in order on one thread
  bool waits_for_blocks = false;       // a loop may wait for what another block writes
};

// How the addresses of 32 lanes lie; a partial warp is always a gather.
enum AccessKind : int {
  gather = 0,
  contiguous = 1,      // one after the other
  uniform = 2,         // all the same
  uniform_halves = 3,  // one address for lanes 0 to 15, one for 16 to 31
  repeated_half = 4,   // lane l + 16 as lane l
  repeated_run = 5,    // likewise, and lanes 0 to 15 one after the other
};

// What the last request of one load or store looked like. Addresses nearly always keep their
// distances from each other, so whatever follows from them is computed once per generation.
struct AccessPlan {
  alignas(64) int64_t relative[lanes];  // bytes from the first active lane; 0 for inactive lanes
  alignas(64) int32_t narrow[lanes];    // the same, where addresses have 32 bits
  uint32_t low = 0;   // first address modulo the sector (global) or bank word (shared)
  uint32_t mask = 0;  // active lanes; 0: no plan yet
  int kind = gather;
  uint32_t generation = 0;  // changes whenever one of the above does
  int64_t least = 0;        // of relative, over the active lanes
  uint64_t reach = 0;       // bytes from there to the end of the last one
  uint32_t leader = 0;      // generation of the leader's plan whose distances these are; see follows
};

// Told of a request through the site `op.site` of the warp, whose plan holds; see AccessEvent.
using Watch = void (*)(void* watchers, const Op& op, Warp& warp, uint64_t first, uint32_t bytes);

// A load or store as one host thread knows it.
struct alignas(64) Site {
  AccessPlan plan;
  Watch watch = nullptr;  // told of every access; nullptr: nobody listens
  // the allocation that it touched last
  uint64_t low_address = 1, bytes = 0;
  char* host = nullptr;
  const Allocation* allocation = nullptr;
};

// Thrown inside the emulator only; run() turns it into a Fault.
struct FaultError {
  FaultKind kind;
  int32_t origin;
  int lane;
  uint64_t address;
  std::string message;
};

// What a parked group waits for: it executes its op again once that has happened.
struct Park {
  enum class Reason : uint8_t { none, mbarrier, cluster_barrier, wgmma };
  Reason reason = Reason::none;
  uint32_t address = 0;  // of the mbarrier in the block's shared memory
  uint64_t phase = 0;    // the phase (its parity for an mbarrier) that must complete; of wgmma, how
                         // many groups every warp of the warpgroup must have committed
};

struct Group {
  // waiting: for lanes of its warp; parked: for something else; rotated: it spins, others go first.
  enum class State : uint8_t { runnable, waiting, parked, rotated };
  uint32_t block, op, mask;
  State state;
  bool counted;      // its block's execution has been counted already
  uint32_t members;  // lanes that must be here before a waiting group moves on
  Park park;
};

class Executor;
struct LiveBlock;
class Listener;    // emulator/listener.hpp
struct Listeners;  // likewise

// A block at work: where it is in the grid and among the live blocks of its host thread.
struct BlockPlace {
  uint32_t slot = 0;      // unique among the live blocks, small
  uint64_t position = 0;  // of its cluster in the list of those to run
  uint64_t linear = 0;
  std::array<uint32_t, 3> index{};
};

struct alignas(64) Warp {
  int32_t lane_mask[lanes];  // -1 for the lanes of mask
  uint32_t mask = 0;
  uint32_t live = 0;
  char* registers = nullptr;
  uint32_t* predicates = nullptr;
  char* shared = nullptr;
  uint32_t shared_bytes = 0;
  const BlockPlace* shared_owner = nullptr;  // of `shared`: another block's while it is accessed
  char* local = nullptr;
  uint32_t local_bytes = 0;
  Site* sites = nullptr;
  Executor* executor = nullptr;
  LiveBlock* home = nullptr;
  const BlockPlace* place = nullptr;
  WarpTrace* trace = nullptr;         // of a traced block
  void* watchers = nullptr;           // what Site::watch is called with
  Listeners* listeners = nullptr;     // of rarer events; nullptr: nobody listens
  Listener* sync_listener = nullptr;  // of .sync instructions; nullptr: nobody listens
  MatrixArithmetic matrix_arithmetic = MatrixArithmetic::fma_chain;
  const std::vector<int32_t>* lists = nullptr;
  const Op* guarded = nullptr;
  bool waiting = false;  // set by a handler that needs lanes that are not here
  uint32_t wait_members = 0;
  Park park;  // set by the last op of a block that ends in Exit::suspend
  uint32_t index = 0;
  CallStack* calls = nullptr;  // when the code has calls
  // where to go on
  uint32_t block = 0, op = 0;
  int group_count = 0;
  std::unique_ptr<Group[]> groups;  // lanes + 1, made when lanes first part
  enum class State : uint8_t { ready, at_barrier, parked, done } state = State::ready;
  uint32_t barrier_id = 0;
  const Block* barrier_block = nullptr;  // the block that ended in the barrier it waits at
  bool counted = false;                  // as in Group
  bool resumed = false;                  // select() has just chosen this group
  bool yielded = false;                  // it stopped because it spins
  bool moved = false;                    // since it last yielded it has left a loop
  uint32_t spin_place = ~0u;             // the block of its last spin
  uint32_t spins = 0;                    // back edges since the last yield or rotation
  uint32_t wgmma_groups = 0;             // committed by this warp

  const std::vector<int32_t>& list(const Op& op_) const;
};

inline const std::vector<int32_t>& Warp::list(const Op& op_) const { return lists[op_.list]; }

// Before a block begins: no lane is in a call. calls.cpp
void reset_calls(const Code& code, Warp& warp);

[[noreturn]] void raise(FaultKind kind, const Op& op, int lane, uint64_t address,
                        std::string message);

[[noreturn]] void raise_misaligned(const Op& op, const Warp& warp, int lane, uint64_t address,
                                   uint32_t bytes, const char* space);
// The first active lane outside [0, limit) or misaligned in a shared or local window.
[[noreturn]] void raise_window_fault(const Op& op, const Warp& warp, const uint32_t* address,
                                     uint32_t bytes, uint32_t limit, const char* space);

// Implemented by the executor; called when a site leaves the allocation it knows.
// Points the site at the allocation of the first active lane's address or raises the fault.
void resolve_global(Site& site, const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
                    SiteRole role);
uint64_t clock_of(Warp& warp);

inline void expand_mask(uint32_t mask, int32_t* out) {
  for (int l = 0; l < lanes; ++l) out[l] = -static_cast<int32_t>((mask >> l) & 1);
}

// One bit per lane from flags that are 0 or -1.
inline uint32_t pack_mask(const int32_t* flags) {
  uint32_t result = 0;
#ifdef __AVX2__
  for (int i = 0; i < 4; ++i) {
    const __m256 v = _mm256_load_ps(reinterpret_cast<const float*>(flags + 8 * i));
    result |= static_cast<uint32_t>(_mm256_movemask_ps(v)) << (8 * i);
  }
#else
  for (int i = 0; i < 8; ++i) {
    const __m128 v = _mm_load_ps(reinterpret_cast<const float*>(flags + 4 * i));
    result |= static_cast<uint32_t>(_mm_movemask_ps(v)) << (4 * i);
  }
#endif
  return result;
}

// ---- the table of plain instructions -----------------------------------------------------------

struct OperandType {
  uint8_t bits = 0;  // 1, 16, 32, 64; 0: absent
  bool floating = false;
};

struct TableEntry {
  Handler run[2] = {nullptr, nullptr};
  OperandType target;
  std::array<OperandType, 4> sources{};
  int source_count = 0;
};

// Keys are opcodes as PTX writes them, in the canonical form that decode makes.
class InstructionTable {
 public:
  static const InstructionTable& get();
  const TableEntry* find(std::string_view opcode) const;
  std::vector<std::string> opcodes() const;  // every key, sorted
  void add(std::string opcode, const TableEntry& entry) {
    entries_.emplace(std::move(opcode), entry);
  }
  // Other handlers for an instruction that is there.
  void replace(const std::string& opcode, const Handler* run) {
    std::copy(run, run + 2, entries_.at(opcode).run);
  }

 private:
  std::unordered_map<std::string, TableEntry> entries_;
};

void add_integer_instructions(InstructionTable& table);
void add_float_instructions(InstructionTable& table);
void add_half_instructions(InstructionTable& table);
void add_conversion_instructions(InstructionTable& table);
void add_integer_conversion_instructions(InstructionTable& table);
void add_small_float_instructions(InstructionTable& table);
void add_width_instructions(InstructionTable& table);
void add_compare_instructions(InstructionTable& table);
void add_special_float_instructions(InstructionTable& table);

}  // namespace mtmc::emulator
