// Internal: the recursive descent behind parse_module(). Problem: NVRTC prints two dialects, scopes
// names in { } blocks, and puts the file table at the end. Method: one pass; labels may be used
// before they appear, so a scope keeps unresolved label uses until it closes. A register range such
// as %r<1000> costs nothing until one of its members is used. Work and memory are linear in the
// text. Not modelled: debug sections (skipped), texture, surface and sampler types (refused).
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/lexer.hpp"
#include "emulator/module.hpp"

namespace mtmc::emulator {

struct ParseError {
  uint32_t line;
  std::string message;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}
  Module run();  // throws ParseError

 private:
  struct Scope {
    struct Range {
      uint32_t count;
      uint8_t bits;
    };
    struct VectorRegister {
      int32_t first;
      uint32_t count;
    };
    std::unordered_map<std::string_view, int32_t> registers;
    std::unordered_map<std::string_view, Range> ranges;
    std::unordered_map<std::string_view, VectorRegister> vectors;
    std::unordered_map<std::string_view, int32_t> labels;
    // Variables, prototypes and branch tables: the name that is unique in the function.
    std::unordered_map<std::string_view, std::string> names;
  };

  // Tokens.
  const Token& peek() const { return lexer_.peek(); }
  Token next() { return lexer_.next(); }
  bool accept(std::string_view text);
  Token expect(std::string_view text);
  Token expect_word(const char* what);
  uint64_t integer(const Token& token);
  uint32_t small_integer(uint32_t limit);
  uint32_t alignment();
  uint64_t number(Operand::Number& kind);
  void skip_braces();
  void skip_statement();
  void skip_line(uint32_t line);

  // Directives (parser_directives.cpp).
  void top_level();
  void file_entry();
  void alias();
  void location(uint32_t line);
  void variables(std::string_view space, std::vector<Variable>& out, bool local_scope);
  void initialiser(Variable& variable, const std::vector<uint64_t>& extents, size_t level);
  void address_initialiser(Variable& variable, uint32_t bytes, uint64_t mask);
  void parameter_list(std::vector<Parameter>& out, uint32_t& total);
  Parameter parameter();
  void function(bool is_entry);
  bool function_directive(const Token& directive);
  void registers();
  void prototype(const Token& name);
  void branch_table(const Token& name);

  // Bodies (parser_operands.cpp).
  void block();
  void finish_labels();
  int32_t label_of(const Token& name);
  int32_t register_of(const Token& name);
  int32_t new_register(Scope& scope, std::string_view name, uint8_t bits);
  std::string unique_name(std::string_view name);
  const std::string* known_name(std::string_view name) const;
  void statement();
  void labelled(const Token& name);
  void directive_statement(const Token& token);
  void guarded_instruction();
  void instruction(const Token& start, int32_t guard, bool negated, const Token& opcode);
  Operand operand(bool branch, int depth);
  void word_operand(const Token& token, bool branch, Operand& result);
  bool vector_register(const Token& token, Operand& result) const;
  Operand address(const Token& open);

  static constexpr uint32_t unplaced = ~uint32_t{0};

  Lexer lexer_;
  Module module_;
  std::unordered_map<std::string, size_t> function_index_;  // into module_.functions
  bool linkage_external_ = false;

  // Of the function being read.
  Function function_;
  SourceLocation location_;
  std::map<std::array<uint32_t, 3>, SourceLocation> locations_;  // by file, line, column
  std::map<std::array<uint32_t, 3>, int32_t> inline_sites_;      // by file, line, inlined_at
  std::vector<Scope> scopes_;
  std::vector<Token> label_names_;
  std::vector<int32_t> label_is_;  // a label that an outer scope defines stands for that one
  std::vector<std::pair<std::string_view, int32_t>> pending_;
  std::unordered_map<std::string_view, uint32_t> name_count_;
};

// Throws the error of this token.
[[noreturn]] void parse_failure(const Token& token, std::string message);
// "'text'" or "the end of the text".
std::string describe(const Token& token);
// Bytes of a fundamental type such as ".u32"; 0 when it is none.
uint32_t type_bytes(std::string_view type);

}  // namespace mtmc::emulator
