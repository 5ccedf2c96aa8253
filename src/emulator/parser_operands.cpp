// Function bodies: scopes, labels, instructions and their operands.
#include <fmt/format.h>

#include <charconv>

#include "emulator/parser.hpp"

namespace mtmc::emulator {
namespace {

constexpr size_t max_scope_depth = 64;
constexpr size_t max_text = 240;  // of an instruction, kept for messages

}  // namespace

void Parser::block() {
  const Token open = expect("{");
  if (scopes_.size() >= max_scope_depth) parse_failure(open, "blocks are nested too deep");
  scopes_.emplace_back();
  while (!accept("}")) {
    if (peek().kind == Token::Kind::end) {
      parse_failure(peek(), "expected '}', got the end of the text");
    }
    statement();
  }
  // Labels that the scope used and did not define belong to the scope around it.
  for (const auto& [name, label] : scopes_.back().labels) {
    if (function_.labels[label] != unplaced) continue;
    if (scopes_.size() == 1) {
      throw ParseError{label_names_[label].line, fmt::format("unknown label '{}'", name)};
    }
    pending_.emplace_back(name, label);
  }
  scopes_.pop_back();
  for (const auto& [name, label] : pending_) {
    const auto [entry, inserted] = scopes_.back().labels.emplace(name, label);
    if (!inserted) label_is_[label] = entry->second;
  }
  pending_.clear();
}

// Gives every operand and table the label that was meant in the end.
void Parser::finish_labels() {
  const auto resolve = [&](int32_t& label) {
    if (label < 0) return;
    while (label_is_[label] != label) {
      label_is_[label] = label_is_[label_is_[label]];
      label = label_is_[label];
    }
  };
  for (Instruction& instruction : function_.instructions) {
    for (Operand& operand : instruction.operands) resolve(operand.label);
  }
  for (BranchTable& table : function_.branch_tables) {
    for (int32_t& label : table.labels) resolve(label);
  }
  for (size_t i = 0; i < function_.labels.size(); ++i) {
    if (label_is_[i] != static_cast<int32_t>(i)) function_.labels[i] = 0;
  }
}

int32_t Parser::label_of(const Token& name) {
  auto& labels = scopes_.back().labels;
  const auto [entry, inserted] =
      labels.emplace(name.text, static_cast<int32_t>(function_.labels.size()));
  if (inserted) {
    label_is_.push_back(static_cast<int32_t>(function_.labels.size()));
    function_.labels.push_back(unplaced);
    label_names_.push_back(name);
  }
  return entry->second;
}

int32_t Parser::register_of(const Token& name) {
  const std::string_view text = name.text;
  for (size_t depth = scopes_.size(); depth-- > 0;) {
    Scope& scope = scopes_[depth];
    const auto found = scope.registers.find(text);
    if (found != scope.registers.end()) return found->second;
    // A component of a vector register.
    const size_t dot = text.size() > 2 && text[text.size() - 2] == '.' ? text.size() - 2 : 0;
    if (dot != 0 && !scope.vectors.empty()) {
      const auto vector = scope.vectors.find(text.substr(0, dot));
      if (vector != scope.vectors.end()) {
        size_t component = std::string_view("xyzw").find(text.back());
        if (component == std::string_view::npos) {
          component = std::string_view("rgba").find(text.back());
        }
        if (component < vector->second.count) {
          return vector->second.first + static_cast<int32_t>(component);
        }
      }
    }
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

int32_t Parser::new_register(Scope& scope, std::string_view name, uint8_t bits) {
  const auto index = static_cast<int32_t>(function_.registers.size());
  function_.registers.push_back({std::string(name), bits});
  scope.registers[name] = index;
  return index;
}

std::string Parser::unique_name(std::string_view name) {
  const uint32_t count = ++name_count_[name];
  return count == 1 ? std::string(name) : fmt::format("{}#{}", name, count);
}

const std::string* Parser::known_name(std::string_view name) const {
  for (size_t depth = scopes_.size(); depth-- > 0;) {
    const auto found = scopes_[depth].names.find(name);
    if (found != scopes_[depth].names.end()) return &found->second;
  }
  return nullptr;
}

void Parser::statement() {
  const Token token = peek();
  if (token.is("{")) return block();
  if (accept(";")) return;
  if (token.is("@")) return guarded_instruction();
  if (token.kind != Token::Kind::word) {
    parse_failure(token, fmt::format("expected an instruction, got {}", describe(token)));
  }
  next();
  if (token.text[0] == '.') return directive_statement(token);
  if (accept(":")) return labelled(token);
  instruction(token, -1, false, token);
}

void Parser::labelled(const Token& name) {
  if (accept(".callprototype")) return prototype(name);
  if (accept(".branchtargets")) return branch_table(name);
  if (accept(".calltargets")) return skip_statement();  // a hint: every function may be called
  const int32_t label = label_of(name);
  if (function_.labels[label] != unplaced) {
    parse_failure(name, fmt::format("label '{}' is defined twice", name.text));
  }
  function_.labels[label] = static_cast<uint32_t>(function_.instructions.size());
}

void Parser::directive_statement(const Token& token) {
  if (token.is(".reg")) {
    registers();
  } else if (token.is(".loc")) {
    location(token.line);
  } else if (token.is(".shared") || token.is(".local") || token.is(".param")) {
    variables(token.text, function_.variables, true);
  } else if (token.is(".const") || token.is(".global")) {
    variables(token.text, module_.variables, false);
  } else if (token.is(".pragma")) {
    skip_statement();
  } else {
    parse_failure(token, fmt::format("unsupported directive {}", describe(token)));
  }
}

void Parser::guarded_instruction() {
  const Token start = expect("@");
  const bool negated = accept("!");
  const Token name = expect_word("a predicate register");
  const int32_t guard = register_of(name);
  if (guard < 0) parse_failure(name, fmt::format("unknown register {}", describe(name)));
  if (function_.registers[guard].bits != 1) {
    parse_failure(name, fmt::format("guard {} is not a predicate", describe(name)));
  }
  const Token opcode = expect_word("an opcode");
  instruction(start, guard, negated, opcode);
}

void Parser::instruction(const Token& start, int32_t guard, bool negated, const Token& opcode) {
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
  for (const char c : raw.substr(0, max_text)) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!blank) result.text += c;
    if (blank && !result.text.empty() && result.text.back() != ' ') result.text += ' ';
  }
  function_.instructions.push_back(std::move(result));
}

Operand Parser::operand(bool branch, int depth) {
  Operand result;
  const Token token = peek();
  if (token.is("[")) {
    next();
    result = address(token);
  } else if (token.is("{") || token.is("(")) {
    if (depth > 1) parse_failure(token, "operands are nested too deep");
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
    const Token name = expect_word("a predicate register");
    word_operand(name, false, result);
    if (result.kind != Operand::Kind::reg) {
      parse_failure(token, "'!' needs a predicate register");
    }
    result.negated = true;
  } else if (token.is("-") || token.kind == Token::Kind::number) {
    result.kind = Operand::Kind::immediate;
    result.bits = number(result.number);
  } else if (token.kind == Token::Kind::word) {
    next();
    word_operand(token, branch, result);
  } else {
    parse_failure(token, fmt::format("expected an operand, got {}", describe(token)));
  }
  return result;
}

bool Parser::vector_register(const Token& token, Operand& result) const {
  for (size_t depth = scopes_.size(); depth-- > 0;) {
    const auto found = scopes_[depth].vectors.find(token.text);
    if (found == scopes_[depth].vectors.end()) continue;
    result.kind = Operand::Kind::vector;
    for (uint32_t i = 0; i < found->second.count; ++i) {
      Operand element;
      element.kind = Operand::Kind::reg;
      element.reg = found->second.first + static_cast<int32_t>(i);
      result.elements.push_back(std::move(element));
    }
    return true;
  }
  return false;
}

void Parser::word_operand(const Token& token, bool branch, Operand& result) {
  if (token.is("_")) {
    result.kind = Operand::Kind::sink;
  } else if (branch) {
    result.kind = Operand::Kind::label;
    result.label = label_of(token);
    return;
  } else if ((result.reg = register_of(token)) >= 0) {
    result.kind = Operand::Kind::reg;
  } else if (vector_register(token, result)) {
    return;
  } else if (token.is("WARP_SZ")) {
    result.kind = Operand::Kind::immediate;
    result.bits = 32;
  } else if (token.text[0] == '%') {
    result.kind = Operand::Kind::special;
    result.name = std::string(token.text);
  } else {
    result.kind = Operand::Kind::symbol;
    const std::string* known = known_name(token.text);
    result.name = known != nullptr ? *known : std::string(token.text);
    Operand::Number kind;
    if (accept("+") || peek().is("-")) result.bits = number(kind);
  }
  if (accept("|")) {
    const Token second = expect_word("a predicate register");
    if (second.is("_")) return;
    result.second = register_of(second);
    if (result.second < 0) {
      parse_failure(second, fmt::format("unknown register {}", describe(second)));
    }
  }
}

Operand Parser::address(const Token& open) {
  Operand result;
  result.kind = Operand::Kind::address;
  const Token base = peek();
  Operand::Number kind;
  if (base.kind == Token::Kind::word) {
    next();
    result.reg = register_of(base);
    if (result.reg < 0) {
      if (base.text[0] == '%') {
        parse_failure(base, fmt::format("unknown register {}", describe(base)));
      }
      const std::string* known = known_name(base.text);
      result.name = known != nullptr ? *known : std::string(base.text);
    }
    if (accept("+") || peek().is("-")) result.bits = number(kind);
  } else {
    result.bits = number(kind);
  }
  if (accept(",")) {  // the coordinates of a tensor map
    const Token vector = peek();
    Operand coordinates = operand(false, 1);
    if (coordinates.kind != Operand::Kind::vector) {
      parse_failure(vector, "expected coordinates in braces");
    }
    result.elements = std::move(coordinates.elements);
  }
  if (!accept("]")) parse_failure(open, "unsupported or malformed address");
  return result;
}

}  // namespace mtmc::emulator
