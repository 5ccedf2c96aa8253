// Tokens of PTX text. The lexer never fails: what it does not know becomes a punctuation token
// that the parser rejects with its line.
#pragma once

#include <cstdint>
#include <string_view>

namespace mtmc::emulator {

struct Token {
  enum class Kind : uint8_t { end, word, number, string, punctuation };
  Kind kind = Kind::end;
  std::string_view text;  // into the source; a string without its quotes
  uint32_t line = 1;
  uint32_t offset = 0;  // of the first character in the source

  bool is(std::string_view what) const { return kind != Kind::string && text == what; }
};

class Lexer {
 public:
  // The text must outlive the lexer and its tokens.
  explicit Lexer(std::string_view text) : text_(text) { advance(); }

  const Token& peek() const { return token_; }
  Token next() {
    const Token token = token_;
    advance();
    return token;
  }
  std::string_view text() const { return text_; }

 private:
  void advance();
  void skip_blank();

  std::string_view text_;
  uint32_t position_ = 0;
  uint32_t line_ = 1;
  Token token_;
};

}  // namespace mtmc::emulator
