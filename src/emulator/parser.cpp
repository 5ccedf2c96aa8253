// Recursive descent over PTX text. Problem: NVRTC prints two dialects, scopes registers and labels
// in { } blocks, and puts the file table at the end. Method: one pass; labels may be used before
// they appear, so a scope keeps unresolved label uses until it closes. A register range such as
// %r<1000> costs nothing until one of its members is used. Not modelled: debug sections (skipped),
// .alias, texture and surface types.
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <unordered_map>

#include "emulator/lexer.hpp"
#include "emulator/module.hpp"

namespace mtmc::emulator {
namespace {

constexpr int max_scope_depth = 64;
constexpr uint64_t max_variable_bytes = uint64_t{1} << 36;

struct ParseError {
  uint32_t line;
  std::string message;
};

[[noreturn]] void fail(const Token& token, std::string message) {
  throw ParseError{token.line, std::move(message)};
}

std::string describe(const Token& token) {
  if (token.kind == Token::Kind::end) return "the end of the text";
  return fmt::format("'{}'", token.text.substr(0, 60));
}

// Bytes of a fundamental type such as ".u32"; 0 when it is none.
uint32_t type_bytes(std::string_view type) {
  static const std::unordered_map<std::string_view, uint32_t> table = {
      {".pred", 1}, {".b8", 1},    {".u8", 1},   {".s8", 1},     {".b16", 2}, {".u16", 2},
      {".s16", 2},  {".f16", 2},   {".bf16", 2}, {".b32", 4},    {".u32", 4}, {".s32", 4},
      {".f32", 4},  {".f16x2", 4}, {".tf32", 4}, {".bf16x2", 4}, {".b64", 8}, {".u64", 8},
      {".s64", 8},  {".f64", 8},   {".b128", 16}};
  const auto found = table.find(type);
  return found == table.end() ? 0 : found->second;
}

struct Scope {
  struct Range {
    uint32_t count;
    uint8_t bits;
  };
  std::unordered_map<std::string_view, int32_t> registers;
  std::unordered_map<std::string_view, Range> ranges;
  std::unordered_map<std::string_view, int32_t> labels;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Module run() {
    while (lexer_.peek().kind != Token::Kind::end) top_level();
    if (module_.version.empty()) fail(lexer_.peek(), "no .version directive: this is not PTX");
    return std::move(module_);
  }

 private:
  const Token& peek() const { return lexer_.peek(); }
  Token next() { return lexer_.next(); }
  bool accept(std::string_view text) {
    if (!peek().is(text)) return false;
    next();
    return true;
  }
  Token expect(std::string_view text) {
    if (!peek().is(text)) {
      fail(peek(), fmt::format("expected '{}', got {}", text, describe(peek())));
    }
    return next();
  }
  Token expect_word(const char* what) {
    if (peek().kind != Token::Kind::word) {
      fail(peek(), fmt::format("expected {}, got {}", what, describe(peek())));
    }
    return next();
  }

  uint64_t integer(const Token& token) {
    std::string_view text = token.text;
    int base = 10;
    while (!text.empty() && (text.back() == 'U' || text.back() == 'u')) text.remove_suffix(1);
    if (text.starts_with("0x") || text.starts_with("0X")) {
      text.remove_prefix(2);
      base = 16;
    } else if (text.starts_with("0b") || text.starts_with("0B")) {
      text.remove_prefix(2);
      base = 2;
    } else if (text.size() > 1 && text[0] == '0') {
      base = 8;
    }
    uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (token.kind != Token::Kind::number || code != std::errc() ||
        end != text.data() + text.size()) {
      fail(token, fmt::format("expected an integer, got {}", describe(token)));
    }
    return value;
  }
  uint32_t small_integer(uint32_t limit) {
    const Token token = next();
    const uint64_t value = integer(token);
    if (value > limit) fail(token, fmt::format("{} is above the limit {}", value, limit));
    return static_cast<uint32_t>(value);
  }

  // A number, with sign; floating literals carry their bits.
  uint64_t number(Operand::Number& kind) {
    bool negative = accept("-");
    const Token token = next();
    kind = Operand::Number::integer;
    const std::string_view text = token.text;
    if (text.size() > 2 && text[0] == '0' &&
        (text[1] == 'f' || text[1] == 'F' || text[1] == 'd' || text[1] == 'D')) {
      const bool wide = text[1] == 'd' || text[1] == 'D';
      uint64_t bits = 0;
      const auto [end, code] =
          std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
      if (code != std::errc() || end != text.data() + text.size() ||
          text.size() != (wide ? 18u : 10u)) {
        fail(token, fmt::format("malformed floating literal {}", describe(token)));
      }
      kind = wide ? Operand::Number::float64 : Operand::Number::float32;
      if (negative) bits ^= uint64_t{1} << (wide ? 63 : 31);
      return bits;
    }
    const uint64_t value = integer(token);
    return negative ? uint64_t{0} - value : value;
  }

  void skip_braces() {
    expect("{");
    for (int depth = 1; depth > 0;) {
      if (peek().kind == Token::Kind::end) fail(peek(), "'{' is never closed");
      const Token token = next();
      if (token.is("{")) ++depth;
      if (token.is("}")) --depth;
    }
  }
  void skip_statement() {
    while (!peek().is(";")) {
      if (peek().kind == Token::Kind::end) fail(peek(), "expected ';', got the end of the text");
      next();
    }
    next();
  }

  void top_level() {
    const Token token = next();
    const std::string_view word = token.text;
    if (token.kind != Token::Kind::word) {
      fail(token, fmt::format("expected a directive, got {}", describe(token)));
    }
    if (word == ".version") {
      module_.version = std::string(next().text);
    } else if (word == ".target") {
      module_.target = std::string(expect_word("a target").text);
      while (accept(",")) expect_word("a target option");
    } else if (word == ".address_size") {
      if (small_integer(64) != 64) fail(token, "only 64-bit addresses are supported");
    } else if (word == ".file") {
      file_entry();
    } else if (word == ".loc") {
      location(token.line);
    } else if (word == ".section") {
      while (!peek().is("{") && peek().kind != Token::Kind::end) next();
      skip_braces();
    } else if (word == ".pragma" || word == ".alias") {
      skip_statement();
    } else if (word == ".visible" || word == ".weak" || word == ".common") {
      linkage_external_ = false;
    } else if (word == ".extern") {
      linkage_external_ = true;
    } else if (word == ".entry" || word == ".func") {
      function(word == ".entry");
      linkage_external_ = false;
    } else if (word == ".global" || word == ".const" || word == ".shared" || word == ".local") {
      variables(word, module_.variables);
      linkage_external_ = false;
    } else {
      fail(token, fmt::format("unknown directive {}", describe(token)));
    }
  }

  void file_entry() {
    const uint32_t index = small_integer(1u << 30);
    const Token name = next();
    if (name.kind != Token::Kind::string) fail(name, "expected a file name in quotes");
    module_.files[index] = std::string(name.text);
    while (accept(",")) next();
  }

  // .loc has no terminator but the end of its line, except that function_name/inlined_at may
  // follow.
  void location(uint32_t line) {
    SourceLocation here;
    here.file = small_integer(1u << 30);
    here.line = small_integer(1u << 30);
    small_integer(1u << 30);
    if (accept(",")) {
      expect("function_name");
      expect_word("a string label");
      if (accept("+")) next();
      expect(",");
      expect("inlined_at");
      small_integer(1u << 30);
      small_integer(1u << 30);
      small_integer(1u << 30);
    }
    while (peek().line == line && peek().kind != Token::Kind::end) next();
    if (here.line != 0) location_ = here;
  }

  // After ".global" and the like: attributes, type, then names up to ';'.
  void variables(std::string_view space, std::vector<Variable>& out) {
    Variable base;
    base.space = space == ".global"   ? Space::global
                 : space == ".const"  ? Space::constant
                 : space == ".shared" ? Space::shared
                 : space == ".local"  ? Space::local
                                      : Space::param;
    base.external = linkage_external_;
    uint64_t lanes = 1;
    uint32_t element = 0;
    while (element == 0) {
      const Token token = expect_word("a type");
      if (token.is(".align")) {
        base.alignment = small_integer(1u << 20);
        if (base.alignment == 0 || (base.alignment & (base.alignment - 1)) != 0) {
          fail(token, fmt::format("alignment {} is not a power of two", base.alignment));
        }
      } else if (token.is(".v2") || token.is(".v4")) {
        lanes = token.is(".v2") ? 2 : 4;
      } else if (token.is(".attribute")) {
        expect("(");
        while (!peek().is(")") && peek().kind != Token::Kind::end) next();
        expect(")");
      } else {
        element = type_bytes(token.text);
        if (element == 0) fail(token, fmt::format("unknown type {}", describe(token)));
      }
    }
    base.alignment = std::max<uint32_t>(base.alignment, static_cast<uint32_t>(element * lanes));
    do {
      Variable variable = base;
      const Token name = expect_word("a variable name");
      variable.name = std::string(name.text);
      variable.bytes = element * lanes;
      bool open = false;
      while (accept("[")) {
        uint64_t count = 0;
        if (peek().is("]")) {
          open = true;
        } else {
          count = integer(next());
        }
        expect("]");
        if (!open && count != 0 && variable.bytes > max_variable_bytes / count) {
          fail(name, fmt::format("variable '{}' is too large", variable.name));
        }
        variable.bytes *= open ? (variable.external ? 0 : 1) : count;
      }
      if (accept("=")) initialiser(variable, element);
      if (open && !variable.external) variable.bytes = variable.initialiser.size();
      if (variable.initialiser.size() > variable.bytes) {
        fail(name, fmt::format("initialiser of '{}' is larger than the variable", variable.name));
      }
      out.push_back(std::move(variable));
    } while (accept(","));
    expect(";");
  }

  void initialiser(Variable& variable, uint32_t element) {
    int depth = 0;
    do {
      while (accept("{")) ++depth;
      if (peek().kind == Token::Kind::word) {
        fail(peek(), "unsupported: address in an initialiser");
      }
      if (!peek().is("}")) {
        Operand::Number kind;
        const uint64_t bits = number(kind);
        for (uint32_t i = 0; i < element; ++i) {
          variable.initialiser.push_back(i < 8 ? static_cast<uint8_t>(bits >> (8 * i)) : 0);
        }
      }
      while (depth > 0 && accept("}")) --depth;
    } while (depth > 0 && accept(","));
    if (depth != 0) fail(peek(), "initialiser is not closed");
  }

  void parameter_list(std::vector<Parameter>& out, uint32_t& total) {
    expect("(");
    if (accept(")")) return;
    uint64_t offset = 0;
    do {
      const Token start = expect_word("a parameter");
      if (!start.is(".param") && !start.is(".reg")) {
        fail(start, fmt::format("expected .param, got {}", describe(start)));
      }
      Parameter parameter;
      uint32_t element = 0;
      uint32_t alignment = 0;
      Token name = expect_word("a parameter type");
      for (;; name = expect_word("a parameter name")) {
        if (name.is(".align")) {
          const uint32_t value = small_integer(1u << 20);
          if (element == 0) alignment = value;
        } else if (name.is(".ptr") || name.is(".global") || name.is(".shared") ||
                   name.is(".const") || name.is(".local")) {
          continue;
        } else if (type_bytes(name.text) != 0) {
          element = type_bytes(name.text);
        } else {
          break;
        }
      }
      if (element == 0 || name.text.starts_with('.')) {
        fail(name, fmt::format("expected a parameter type, got {}", describe(name)));
      }
      parameter.name = std::string(name.text);
      uint64_t bytes = element;
      if (accept("[")) {
        if (!peek().is("]")) bytes *= small_integer(1u << 16);
        expect("]");
      }
      parameter.bytes = static_cast<uint32_t>(bytes);
      parameter.alignment = std::max<uint32_t>(alignment, element);
      if ((parameter.alignment & (parameter.alignment - 1)) != 0) {
        fail(name, "parameter alignment is not a power of two");
      }
      offset = (offset + parameter.alignment - 1) / parameter.alignment * parameter.alignment;
      if (offset + bytes > (1u << 20)) fail(name, "parameters exceed 1 MiB");
      parameter.offset = static_cast<uint32_t>(offset);
      offset += bytes;
      out.push_back(std::move(parameter));
    } while (accept(","));
    expect(")");
    total = static_cast<uint32_t>(offset);
  }

  void function(bool is_entry) {
    function_ = Function{};
    function_.is_entry = is_entry;
    location_ = {};
    if (!is_entry && peek().is("(")) {
      std::vector<Parameter> results;
      uint32_t bytes = 0;
      parameter_list(results, bytes);
    }
    function_.name = std::string(expect_word("a function name").text);
    if (peek().is("(")) parameter_list(function_.parameters, function_.parameter_bytes);
    while (!peek().is("{")) {
      if (accept(";")) return;  // a declaration
      const Token directive = expect_word("'{' or a performance directive");
      if (directive.is(".maxntid") || directive.is(".reqntid")) {
        uint32_t sizes[3] = {1, 1, 1};
        int count = 0;
        do {
          sizes[count++] = small_integer(1024);
        } while (count < 3 && accept(","));
        if (directive.is(".maxntid")) {
          function_.max_threads_per_block = sizes[0] * sizes[1] * sizes[2];
        } else {
          std::copy(sizes, sizes + 3, function_.required_threads);
        }
      } else if (directive.text.starts_with('.')) {
        while (peek().kind == Token::Kind::number || peek().is(",") ||
               peek().kind == Token::Kind::string) {
          next();
        }
        accept(";");
      } else {
        fail(directive, fmt::format("expected '{{', got {}", describe(directive)));
      }
    }
    scopes_.clear();
    label_names_.clear();
    block();
    module_.functions.push_back(std::move(function_));
  }

  void block() {
    const Token open = expect("{");
    if (scopes_.size() >= max_scope_depth) fail(open, "blocks are nested too deep");
    scopes_.emplace_back();
    while (!accept("}")) {
      if (peek().kind == Token::Kind::end) fail(peek(), "expected '}', got the end of the text");
      statement();
    }
    const Scope& scope = scopes_.back();
    for (const auto& [name, label] : scope.labels) {
      if (function_.labels[label] != unplaced) continue;
      if (scopes_.size() == 1) {
        throw ParseError{label_names_[label].line, fmt::format("unknown label '{}'", name)};
      }
      pending_.emplace_back(name, label);
    }
    scopes_.pop_back();
    resolve_pending();
  }

  // Label uses that the closed scope did not define belong to the scope around it.
  void resolve_pending() {
    for (const auto& [name, label] : pending_) {
      Scope& scope = scopes_.back();
      const auto [entry, inserted] = scope.labels.emplace(name, label);
      if (!inserted) forward(label, entry->second);
    }
    pending_.clear();
  }

  void forward(int32_t from, int32_t to) {
    for (Instruction& instruction : function_.instructions) {
      for (Operand& operand : instruction.operands) {
        if (operand.kind == Operand::Kind::label && operand.label == from) operand.label = to;
      }
    }
    function_.labels[from] = 0;
  }

  int32_t label_of(const Token& name) {
    auto& labels = scopes_.back().labels;
    const auto [entry, inserted] =
        labels.emplace(name.text, static_cast<int32_t>(function_.labels.size()));
    if (inserted) {
      function_.labels.push_back(unplaced);
      label_names_.push_back(name);
    }
    return entry->second;
  }

  int32_t register_of(const Token& name) {
    const std::string_view text = name.text;
    for (size_t depth = scopes_.size(); depth-- > 0;) {
      Scope& scope = scopes_[depth];
      const auto found = scope.registers.find(text);
      if (found != scope.registers.end()) return found->second;
      size_t digits = text.size();
      while (digits > 0 && text[digits - 1] >= '0' && text[digits - 1] <= '9') --digits;
      if (digits == text.size()) continue;
      const auto range = scope.ranges.find(text.substr(0, digits));
      if (range == scope.ranges.end()) continue;
      uint32_t index = 0;
      const auto [end, code] =
          std::from_chars(text.data() + digits, text.data() + text.size(), index);
      if (code != std::errc() || end != text.data() + text.size() || index >= range->second.count) {
        continue;
      }
      return new_register(scope, text, range->second.bits);
    }
    return -1;
  }
  int32_t new_register(Scope& scope, std::string_view name, uint8_t bits) {
    const auto index = static_cast<int32_t>(function_.registers.size());
    function_.registers.push_back({std::string(name), bits});
    scope.registers[name] = index;
    return index;
  }

  void statement() {
    const Token token = peek();
    if (token.is("{")) return block();
    if (accept(";")) return;
    if (token.is("@")) return instruction();
    if (token.kind != Token::Kind::word) {
      fail(token, fmt::format("expected an instruction, got {}", describe(token)));
    }
    if (token.text[0] != '.') {
      next();
      if (peek().is(":")) {
        next();
        const int32_t label = label_of(token);
        if (function_.labels[label] != unplaced) {
          fail(token, fmt::format("label '{}' is defined twice", token.text));
        }
        function_.labels[label] = static_cast<uint32_t>(function_.instructions.size());
        return;
      }
      return instruction_after(token, -1, false, token);
    }
    next();
    if (token.is(".reg")) {
      registers();
    } else if (token.is(".loc")) {
      location(token.line);
    } else if (token.is(".shared") || token.is(".local") || token.is(".const") ||
               token.is(".global") || token.is(".param")) {
      variables(token.text, token.is(".const") || token.is(".global") ? module_.variables
                                                                      : function_.variables);
    } else if (token.is(".pragma") || token.is(".callprototype") || token.is(".calltargets") ||
               token.is(".branchtargets")) {
      skip_statement();  // whatever uses one of the last three is refused by decode
    } else {
      fail(token, fmt::format("unsupported directive {}", describe(token)));
    }
  }

  void registers() {
    const Token type = expect_word("a register type");
    const uint32_t bytes = type_bytes(type.text);
    if (bytes == 0) fail(type, fmt::format("unknown register type {}", describe(type)));
    const auto bits = static_cast<uint8_t>(type.is(".pred") ? 1 : std::max<uint32_t>(bytes, 2) * 8);
    do {
      const Token name = expect_word("a register name");
      if (accept("<")) {
        scopes_.back().ranges[name.text] = {small_integer(1u << 30), bits};
        expect(">");
      } else {
        new_register(scopes_.back(), name.text, bits);
      }
    } while (accept(","));
    expect(";");
  }

  void instruction() {
    const Token start = expect("@");
    const bool negated = accept("!");
    const Token name = expect_word("a predicate register");
    const int32_t guard = register_of(name);
    if (guard < 0) fail(name, fmt::format("unknown register {}", describe(name)));
    if (function_.registers[guard].bits != 1) {
      fail(name, fmt::format("guard {} is not a predicate", describe(name)));
    }
    const Token opcode = expect_word("an opcode");
    instruction_after(start, guard, negated, opcode);
  }

  void instruction_after(const Token& start, int32_t guard, bool negated, const Token& opcode) {
    Instruction result;
    result.opcode = std::string(opcode.text);
    result.guard = guard;
    result.guard_negated = negated;
    result.ptx_line = start.line;
    result.location = location_;
    if (!peek().is(";")) {
      const bool branch = opcode.text == "bra" || opcode.text == "bra.uni";
      do {
        result.operands.push_back(operand(branch, 0));
      } while (accept(","));
    }
    const Token stop = expect(";");
    const std::string_view raw = lexer_.text().substr(start.offset, stop.offset - start.offset);
    for (const char c : raw.substr(0, 240)) {
      const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
      if (!blank) result.text += c;
      if (blank && !result.text.empty() && result.text.back() != ' ') result.text += ' ';
    }
    function_.instructions.push_back(std::move(result));
  }

  Operand operand(bool branch, int depth) {
    Operand result;
    const Token token = peek();
    if (token.is("[")) {
      next();
      result = address(token);
    } else if (token.is("{") || token.is("(")) {
      if (depth > 1) fail(token, "operands are nested too deep");
      const bool round = token.is("(");
      next();
      result.kind = Operand::Kind::vector;
      const std::string_view close = round ? ")" : "}";
      if (!peek().is(close)) {
        do {
          result.elements.push_back(operand(false, depth + 1));
        } while (accept(","));
      }
      expect(close);
    } else if (token.is("!")) {
      next();
      result = operand(false, depth);
      if (result.kind != Operand::Kind::reg) fail(token, "'!' needs a predicate register");
      result.negated = true;
    } else if (token.is("-") || token.kind == Token::Kind::number) {
      result.kind = Operand::Kind::immediate;
      result.bits = number(result.number);
    } else if (token.kind == Token::Kind::word) {
      next();
      word_operand(token, branch, result);
    } else {
      fail(token, fmt::format("expected an operand, got {}", describe(token)));
    }
    return result;
  }

  void word_operand(const Token& token, bool branch, Operand& result) {
    if (token.is("_")) {
      result.kind = Operand::Kind::sink;
    } else if (branch) {
      result.kind = Operand::Kind::label;
      result.label = label_of(token);
      return;
    } else if ((result.reg = register_of(token)) >= 0) {
      result.kind = Operand::Kind::reg;
    } else if (token.text[0] == '%') {
      result.kind = Operand::Kind::special;
      result.name = std::string(token.text);
    } else {
      result.kind = Operand::Kind::symbol;
      result.name = std::string(token.text);
      if (accept("+")) {
        Operand::Number kind;
        result.bits = number(kind);
      }
    }
    if (accept("|")) {
      const Token second = expect_word("a predicate register");
      if (second.is("_")) return;
      result.second = register_of(second);
      if (result.second < 0) fail(second, fmt::format("unknown register {}", describe(second)));
    }
  }

  Operand address(const Token& open) {
    Operand result;
    result.kind = Operand::Kind::address;
    const Token base = peek();
    Operand::Number kind;
    if (base.kind == Token::Kind::word) {
      next();
      result.reg = register_of(base);
      if (result.reg < 0) {
        if (base.text[0] == '%') fail(base, fmt::format("unknown register {}", describe(base)));
        result.name = std::string(base.text);
      }
      if (accept("+")) {
        result.bits = number(kind);
      } else if (peek().is("-")) {
        result.bits = number(kind);
      }
    } else {
      result.bits = number(kind);
    }
    if (!accept("]")) fail(open, "unsupported or malformed address");
    return result;
  }

  static constexpr uint32_t unplaced = ~uint32_t{0};

  Lexer lexer_;
  Module module_;
  Function function_;
  bool linkage_external_ = false;
  SourceLocation location_;
  std::vector<Scope> scopes_;
  std::vector<Token> label_names_;
  std::vector<std::pair<std::string_view, int32_t>> pending_;
};

}  // namespace

const Function* Module::find(std::string_view kernel) const {
  for (const Function& function : functions) {
    if (function.is_entry && function.name == kernel) return &function;
  }
  return nullptr;
}

Result<Module> parse_module(std::string_view ptx) {
  if (ptx.size() >= (uint64_t{1} << 31)) return bad_input("ptx text is larger than 2 GiB");
  try {
    return Parser(ptx).run();
  } catch (const ParseError& error) {
    return bad_input(fmt::format("ptx line {}: {}", error.line, error.message));
  }
}

}  // namespace mtmc::emulator
