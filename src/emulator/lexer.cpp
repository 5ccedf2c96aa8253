// PTX words are generous: directives (.reg), opcodes with modifiers (ld.global.L1::no_allocate),
// registers (%rd1, %tid.x) and labels ($L__BB0_1) are all one word here; what a word means is the
// parser's business. Only directives written together (.reg.b32) are two words.
#include "emulator/lexer.hpp"

namespace mtmc::emulator {
namespace {

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || c == '%' || c == '.';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void Lexer::skip_blank() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == '\n') {
      ++line_;
      ++position_;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++position_;
    } else if (c == '/' && position_ + 1 < text_.size() && text_[position_ + 1] == '/') {
      while (position_ < text_.size() && text_[position_] != '\n') ++position_;
    } else if (c == '/' && position_ + 1 < text_.size() && text_[position_ + 1] == '*') {
      position_ += 2;
      while (position_ < text_.size() &&
             !(text_[position_] == '*' && position_ + 1 < text_.size() &&
               text_[position_ + 1] == '/')) {
        if (text_[position_] == '\n') ++line_;
        ++position_;
      }
      position_ = position_ + 2 < text_.size() ? position_ + 2 : text_.size();
    } else {
      return;
    }
  }
}

void Lexer::advance() {
  skip_blank();
  token_.line = line_;
  token_.offset = position_;
  if (position_ >= text_.size()) {
    token_.kind = Token::Kind::end;
    token_.text = {};
    return;
  }
  const uint32_t start = position_;
  const char c = text_[position_];
  if (c == '"') {
    ++position_;
    while (position_ < text_.size() && text_[position_] != '"' && text_[position_] != '\n') {
      position_ += text_[position_] == '\\' && position_ + 1 < text_.size() ? 2 : 1;
    }
    const uint32_t stop = position_ < text_.size() ? position_ : text_.size();
    token_.kind = Token::Kind::string;
    token_.text = text_.substr(start + 1, stop - start - 1);
    if (position_ < text_.size() && text_[position_] == '"') ++position_;
    return;
  }
  if (is_word_character(c)) {
    const auto more = [&](char next) {
      if (next == '.' && c == '.' && position_ > start) return false;
      if (is_word_character(next)) return true;
      // The exponent of "1.0e-5".
      return (next == '-' || next == '+') && is_digit(c) &&
             (text_[position_ - 1] == 'e' || text_[position_ - 1] == 'E') &&
             text_.substr(start, position_ - start).find('.') != std::string_view::npos;
    };
    while (position_ < text_.size()) {
      if (more(text_[position_])) {
        ++position_;
      } else if (text_[position_] == ':' && position_ + 2 < text_.size() &&
                 text_[position_ + 1] == ':' && is_word_character(text_[position_ + 2])) {
        position_ += 2;
      } else {
        break;
      }
    }
    token_.kind = is_digit(c) ? Token::Kind::number : Token::Kind::word;
    token_.text = text_.substr(start, position_ - start);
    return;
  }
  ++position_;
  token_.kind = Token::Kind::punctuation;
  token_.text = text_.substr(start, 1);
}

}  // namespace mtmc::emulator
