// PTX text as data: what parse_module() reads and decode() consumes.
//
// A Module owns everything it names; registers, labels and symbols are resolved to indices where
// the text's scoping rules ({ } blocks) matter, so nothing downstream knows about scopes. Values
// are immutable after parsing and safe to share between threads.
//
// Errors: parse_module answers bad_input with "ptx line N: ..."; it accepts any bytes.
// Source: PTX ISA 9.0, chapters 4 to 11; both front ends of NVRTC 13 (NVVM 7.0.1 and 20.0.0).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace mtmc::emulator {

// Where an instruction came from. Line 0 means that the PTX carries no line information.
struct SourceLocation {
  uint32_t file = 0;  // key into Module::files
  uint32_t line = 0;
  int32_t inlined_at = -1;  // index into Module::inline_sites: the place of the inlined call
};

struct Operand {
  enum class Kind : uint8_t {
    reg,        // reg, and second when written "%r1|%p1"
    special,    // name, such as "%tid.x"
    immediate,  // bits
    symbol,     // name + bits
    address,    // [reg + bits], [name + bits] or [bits]; elements: "[base, {c0, c1}]"
    vector,     // elements, written in braces or, for calls, in parentheses
    label,      // label
    sink,       // "_"
  };
  enum class Number : uint8_t { integer, float32, float64 };

  Kind kind = Kind::sink;
  Number number = Number::integer;
  bool negated = false;  // "!%p1"
  int32_t reg = -1;
  int32_t second = -1;
  int32_t label = -1;
  uint64_t bits = 0;
  std::string name;
  std::vector<Operand> elements;
};

struct Instruction {
  std::string opcode;  // with all modifiers: "ld.global.nc.v4.f32"
  int32_t guard = -1;  // predicate register, -1 for none
  bool guard_negated = false;
  std::vector<Operand> operands;
  uint32_t ptx_line = 0;
  SourceLocation location;
  std::string text;  // as written, one line
};

struct Register {
  std::string name;
  uint8_t bits = 32;  // 1 for a predicate, then 16, 32, 64, 128
};

enum class Space : uint8_t { none, global, constant, shared, local, param };

// An address in an initialiser: (address of symbol + addend) & mask, moved down to the mask's
// lowest bit, in the given bytes of the variable.
struct Relocation {
  uint64_t offset = 0;
  uint32_t bytes = 8;
  std::string symbol;  // a variable or a function
  uint64_t addend = 0;
  uint64_t mask = ~uint64_t{0};
};

// Names are unique within their function: one that an inner scope declares again is stored as
// "name#2", in the operands that mean it too.
struct Variable {
  std::string name;
  Space space = Space::global;
  uint64_t bytes = 0;
  uint32_t alignment = 1;
  bool external = false;             // ".extern .shared": its size comes with the launch
  bool managed = false;              // .attribute(.managed)
  std::vector<uint8_t> initialiser;  // zero padded up to bytes
  std::vector<Relocation> relocations;
};

struct Parameter {
  std::string name;
  uint32_t bytes = 0;
  uint32_t alignment = 1;
  uint32_t offset = 0;       // in the argument block
  bool in_register = false;  // ".reg": a function without the calling convention
};

// What a call through a pointer passes: ".callprototype".
struct Prototype {
  std::string name;
  std::vector<Parameter> results, parameters;
};

struct BranchTable {
  std::string name;
  std::vector<int32_t> labels;
};

struct Function {
  std::string name;
  bool is_entry = false;
  bool defined = true;  // false: declared only
  std::vector<Parameter> parameters;
  uint32_t parameter_bytes = 0;
  std::vector<Parameter> results;  // of a .func; offsets within the block of results
  uint32_t result_bytes = 0;
  std::vector<Register> registers;
  std::vector<Variable> variables;  // .shared, .local and .param of the body
  std::vector<Prototype> prototypes;
  std::vector<BranchTable> branch_tables;
  std::vector<Instruction> instructions;
  std::vector<uint32_t> labels;        // label -> index into instructions (may equal the size)
  uint32_t max_threads_per_block = 0;  // .maxntid, product; 0 when not given
  uint32_t required_threads[3] = {0, 0, 0};  // .reqntid
  uint32_t min_blocks_per_sm = 0;            // .minnctapersm
  uint32_t max_registers = 0;                // .maxnreg
  uint32_t required_cluster[3] = {0, 0, 0};  // .reqnctapercluster
  uint32_t max_cluster_blocks = 0;           // .maxclusterrank
  bool explicit_cluster = false;  // .explicitcluster: a cluster must come with the launch
};

struct Module {
  std::string version;
  std::string target;
  std::vector<Function> functions;
  std::vector<Variable> variables;
  std::map<std::string, std::string, std::less<>> aliases;  // .alias name, of
  std::map<uint32_t, std::string> files;
  std::vector<SourceLocation> inline_sites;

  // The entry of this name, which has a body.
  const Function* find(std::string_view kernel) const;
};

// Parses the text of one PTX file. Work and memory are linear in its length.
Result<Module> parse_module(std::string_view ptx);

}  // namespace mtmc::emulator
