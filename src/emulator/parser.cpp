// Tokens, numbers and the two ends of parsing; directives and bodies have files of their own.
#include "emulator/parser.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>

namespace mtmc::emulator {

void parse_failure(const Token& token, std::string message) {
  throw ParseError{token.line, std::move(message)};
}

std::string describe(const Token& token) {
  if (token.kind == Token::Kind::end) return "the end of the text";
  return fmt::format("'{}'", token.text.substr(0, 60));
}

uint32_t type_bytes(std::string_view type) {
  static const std::unordered_map<std::string_view, uint32_t> table = {
      {".pred", 1}, {".b8", 1},    {".u8", 1},   {".s8", 1},     {".b16", 2}, {".u16", 2},
      {".s16", 2},  {".f16", 2},   {".bf16", 2}, {".b32", 4},    {".u32", 4}, {".s32", 4},
      {".f32", 4},  {".f16x2", 4}, {".tf32", 4}, {".bf16x2", 4}, {".b64", 8}, {".u64", 8},
      {".s64", 8},  {".f64", 8},   {".b128", 16}};
  const auto found = table.find(type);
  return found == table.end() ? 0 : found->second;
}

bool Parser::accept(std::string_view text) {
  if (!peek().is(text)) return false;
  next();
  return true;
}

Token Parser::expect(std::string_view text) {
  if (!peek().is(text)) {
    parse_failure(peek(), fmt::format("expected '{}', got {}", text, describe(peek())));
  }
  return next();
}

Token Parser::expect_word(const char* what) {
  if (peek().kind != Token::Kind::word) {
    parse_failure(peek(), fmt::format("expected {}, got {}", what, describe(peek())));
  }
  return next();
}

uint64_t Parser::integer(const Token& token) {
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
    parse_failure(token, fmt::format("expected an integer, got {}", describe(token)));
  }
  return value;
}

uint32_t Parser::small_integer(uint32_t limit) {
  const Token token = next();
  const uint64_t value = integer(token);
  if (value > limit) parse_failure(token, fmt::format("{} is above the limit {}", value, limit));
  return static_cast<uint32_t>(value);
}

uint32_t Parser::alignment() {
  const Token token = peek();
  const uint32_t value = small_integer(1u << 20);
  if (!std::has_single_bit(value)) {
    parse_failure(token, fmt::format("alignment {} is not a power of two", value));
  }
  return value;
}

// A number, with sign; floating literals carry their bits.
uint64_t Parser::number(Operand::Number& kind) {
  const bool negative = accept("-");
  const Token token = next();
  kind = Operand::Number::integer;
  const std::string_view text = token.text;
  const auto malformed = [&] {
    parse_failure(token, fmt::format("malformed floating literal {}", describe(token)));
  };
  if (token.kind == Token::Kind::number && text.size() > 2 && text[0] == '0' &&
      (text[1] == 'f' || text[1] == 'F' || text[1] == 'd' || text[1] == 'D')) {
    const bool wide = text[1] == 'd' || text[1] == 'D';
    uint64_t bits = 0;
    const auto [end, code] = std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
    if (code != std::errc() || end != text.data() + text.size() ||
        text.size() != (wide ? 18u : 10u)) {
      malformed();
    }
    kind = wide ? Operand::Number::float64 : Operand::Number::float32;
    if (negative) bits ^= uint64_t{1} << (wide ? 63 : 31);
    return bits;
  }
  if (token.kind == Token::Kind::number && text.find('.') != std::string_view::npos) {
    double value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size()) malformed();
    kind = Operand::Number::float64;
    return std::bit_cast<uint64_t>(negative ? -value : value);
  }
  const uint64_t value = integer(token);
  return negative ? uint64_t{0} - value : value;
}

void Parser::skip_braces() {
  expect("{");
  for (uint64_t depth = 1; depth > 0;) {
    if (peek().kind == Token::Kind::end) parse_failure(peek(), "'{' is never closed");
    const Token token = next();
    if (token.is("{")) ++depth;
    if (token.is("}")) --depth;
  }
}

void Parser::skip_statement() {
  while (!peek().is(";")) {
    if (peek().kind == Token::Kind::end) {
      parse_failure(peek(), "expected ';', got the end of the text");
    }
    next();
  }
  next();
}

void Parser::skip_line(uint32_t line) {
  while (peek().line == line && peek().kind != Token::Kind::end) next();
}

Module Parser::run() {
  while (peek().kind != Token::Kind::end) top_level();
  if (module_.version.empty()) parse_failure(peek(), "no .version directive: this is not PTX");
  return std::move(module_);
}

const Function* Module::find(std::string_view kernel) const {
  for (const Function& function : functions) {
    if (function.is_entry && function.defined && function.name == kernel) return &function;
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
