// A hand-written scanner and a recursive-descent parser with Python's precedences. Nesting is
// counted both ways it can grow (brackets while parsing, chains of operators as tree depth), so
// that no later walk can exhaust the stack.
#include "op/syntax.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "op/builder.hpp"

namespace mtmc::op {

tl::unexpected<Error> error_at(std::size_t position, const std::string& message) {
  return bad_input(fmt::format("character {}: {}", position, message));
}

namespace {

struct Token {
  enum class Kind { name, number, word, symbol, separator, end } kind = Kind::end;
  std::string_view text;
  std::size_t position = 0;
  double number = 0;
  bool is_whole = false;
  std::int64_t whole = 0;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string shown(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte > 0x7e ? fmt::format("byte 0x{:02x}", byte) : fmt::format("'{}'", c);
}

Result<Token> scan_number(std::string_view text, std::size_t& at) {
  Token token;
  token.kind = Token::Kind::number;
  token.position = at + 1;
  const std::size_t start = at;
  token.is_whole = true;
  while (at < text.size() && is_digit(text[at])) ++at;
  if (at < text.size() && text[at] == '.') {
    token.is_whole = false;
    ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::size_t next = at + 1;
    if (next < text.size() && (text[next] == '+' || text[next] == '-')) ++next;
    if (next < text.size() && is_digit(text[next])) {
      token.is_whole = false;
      at = next;
      while (at < text.size() && is_digit(text[at])) ++at;
    }
  }
  token.text = text.substr(start, at - start);
  if (at < text.size() && is_letter(text[at]))
    return error_at(at + 1,
                    fmt::format("'{}' follows a number without an operator between", text[at]));
  const auto read =
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), token.number);
  if (read.ec == std::errc::result_out_of_range)
    return error_at(token.position, "a number that float64 cannot hold");
  if (read.ec != std::errc{}) return error_at(token.position, "expected a number");
  if (token.is_whole) {
    const auto whole =
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), token.whole);
    token.is_whole = whole.ec == std::errc{};
  }
  return token;
}

Result<std::vector<Token>> scan(std::string_view text) {
  constexpr std::string_view kPairs[] = {"**", "//", "==", "!=", "<=", ">="};
  constexpr std::string_view kSingles = "+-*/%@<>=~:,()[]";
  if (text.size() > kMaxText)
    return bad_input(fmt::format("the text has {} characters; at most {}", text.size(), kMaxText));
  std::vector<Token> tokens;
  int depth = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    Token token;
    token.position = at + 1;
    if (c == ';' || (c == '\n' && depth == 0)) {
      token.kind = Token::Kind::separator;
      token.text = text.substr(at++, 1);
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++at;
      continue;
    } else if (is_letter(c)) {
      std::size_t end = at;
      while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]))) ++end;
      token.kind = Token::Kind::name;
      token.text = text.substr(at, end - at);
      at = end;
    } else if (is_digit(c) || (c == '.' && at + 1 < text.size() && is_digit(text[at + 1]))) {
      auto number = scan_number(text, at);
      if (!number) return tl::unexpected<Error>(number.error());
      token = *number;
    } else if (c == '\'' || c == '"') {
      const std::size_t end = text.find(c, at + 1);
      if (end == text.npos) return error_at(at + 1, "a word that is not closed");
      token.kind = Token::Kind::word;
      token.text = text.substr(at + 1, end - at - 1);
      at = end + 1;
    } else {
      token.kind = Token::Kind::symbol;
      for (const auto pair : kPairs)
        if (text.substr(at, 2) == pair) token.text = text.substr(at, 2);
      if (token.text.empty() && kSingles.find(c) != kSingles.npos) token.text = text.substr(at, 1);
      if (token.text.empty()) return error_at(at + 1, fmt::format("unexpected {}", shown(c)));
      if (c == '(' || c == '[') ++depth;
      if ((c == ')' || c == ']') && depth > 0) --depth;
      at += token.text.size();
    }
    tokens.push_back(token);
  }
  Token end;
  end.position = text.size() + 1;
  tokens.push_back(end);
  return tokens;
}

class SyntaxParser {
 public:
  explicit SyntaxParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Syntax> statements() {
    while (true) {
      while (peek().kind == Token::Kind::separator) ++at_;
      if (peek().kind == Token::Kind::end) break;
      Statement s;
      s.position = peek().position;
      if (auto ok = statement(s); !ok) return tl::unexpected<Error>(ok.error());
      if (peek().kind != Token::Kind::separator && peek().kind != Token::Kind::end)
        return expected("';' or the end");
      out_.statements.push_back(std::move(s));
    }
    if (out_.statements.empty()) return expected("an assignment such as y = relu(x)");
    return std::move(out_);
  }

  Result<Syntax> expression_only() {
    auto root = expression(0);
    if (!root) return tl::unexpected<Error>(root.error());
    if (peek().kind != Token::Kind::end) return expected("an operator or the end");
    return std::move(out_);
  }

 private:
  using NodeResult = Result<int>;
  using Kind = SyntaxNode::Kind;

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool is(std::string_view symbol, std::size_t ahead = 0) const {
    return peek(ahead).kind == Token::Kind::symbol && peek(ahead).text == symbol;
  }
  bool take(std::string_view symbol) {
    if (!is(symbol)) return false;
    ++at_;
    return true;
  }
  tl::unexpected<Error> expected(std::string_view what) const {
    const Token& t = peek();
    const std::string found = t.kind == Token::Kind::end ? "the end"
                              : t.text == "\n"           ? "the end of the line"
                                               : fmt::format("'{}'", t.text.substr(0, 40));
    return error_at(t.position, fmt::format("expected {}, found {}", what, found));
  }

  int add(SyntaxNode node) {
    for (int c : node.children)
      node.depth = std::max(node.depth, out_.nodes[static_cast<std::size_t>(c)].depth + 1);
    for (const auto& [name, c] : node.keywords)
      node.depth = std::max(node.depth, out_.nodes[static_cast<std::size_t>(c)].depth + 1);
    out_.nodes.push_back(std::move(node));
    return static_cast<int>(out_.nodes.size()) - 1;
  }
  NodeResult checked(SyntaxNode node) {
    const std::size_t position = node.position;
    const int id = add(std::move(node));
    if (out_.nodes[static_cast<std::size_t>(id)].depth > kMaxDepth)
      return error_at(position, fmt::format("nested deeper than {}", kMaxDepth));
    return id;
  }

  Result<void> statement(Statement& s) {
    if (peek().kind != Token::Kind::name) return expected("a name");
    if (peek().text == "return" && !is("=", 1) && !is(":", 1)) {
      ++at_;
      s.kind = Statement::Kind::result;
      return names(s);
    }
    if (is(":", 1)) return input(s);
    if (auto ok = names(s); !ok) return ok;
    if (!take("=")) return expected(s.names.size() > 1 ? "'='" : "'=' or ':'");
    auto value = expression(0);
    if (!value) return tl::unexpected<Error>(value.error());
    s.value = *value;
    return {};
  }

  Result<void> names(Statement& s) {
    do {
      if (peek().kind != Token::Kind::name) return expected("a name");
      s.names.emplace_back(std::string(peek().text), peek().position);
      ++at_;
    } while (take(","));
    return {};
  }

  Result<void> input(Statement& s) {
    s.kind = Statement::Kind::input;
    s.names.emplace_back(std::string(peek().text), peek().position);
    at_ += 2;
    if (peek().kind != Token::Kind::name) return expected("a dtype such as f32");
    s.dtype = std::string(peek().text);
    s.dtype_position = peek().position;
    ++at_;
    if (is("["))
      if (auto ok = list(s.shape); !ok) return ok;
    while (peek().kind == Token::Kind::name || is("~")) {
      if (take("~")) {
        if (!s.distribution.empty()) return error_at(peek().position, "a second distribution");
        if (peek().kind != Token::Kind::name)
          return expected("normal, uniform, randint or constant");
        s.distribution = std::string(peek().text);
        s.distribution_position = peek().position;
        ++at_;
        if (!take("(")) return expected("'('");
        do {
          auto e = expression(0);
          if (!e) return tl::unexpected<Error>(e.error());
          s.parameters.push_back(*e);
        } while (take(","));
        if (!take(")")) return expected("',' or ')'");
        continue;
      }
      const std::string_view word = peek().text;
      if (word == "weight" || word == "inout" || word == "input") {
        if (!s.role.empty()) return error_at(peek().position, "a second role");
        s.role = std::string(word);
        ++at_;
      } else if (word == "channels_last" || word == "strides") {
        if (s.has_strides || s.channels_last) return error_at(peek().position, "a second layout");
        ++at_;
        (word == "strides" ? s.has_strides : s.channels_last) = true;
        if (s.has_strides) {
          if (!is("[")) return expected("'[' and a stride for each dimension");
          if (auto ok = list(s.strides); !ok) return ok;
        }
      } else {
        return expected("weight, inout, channels_last, strides, '~' or ';'");
      }
    }
    return {};
  }

  Result<void> list(std::vector<int>& entries) {
    ++at_;  // '['
    if (take("]")) return {};
    do {
      auto e = expression(0);
      if (!e) return tl::unexpected<Error>(e.error());
      entries.push_back(*e);
    } while (take(","));
    if (!take("]")) return expected("',' or ']'");
    return {};
  }

  // Loosest first: comparison, + -, * / // % @, unary -, **.
  NodeResult expression(int nesting) {
    if (nesting > kMaxDepth)
      return error_at(peek().position, fmt::format("nested deeper than {}", kMaxDepth));
    auto left = sum(nesting);
    if (!left) return left;
    const auto comparison = [&] {
      for (const auto symbol : {"==", "!=", "<=", ">=", "<", ">"})
        if (is(symbol)) return true;
      return false;
    };
    if (!comparison()) return left;
    auto made = infix(*left, [&] { return sum(nesting); });
    if (made && comparison())
      return error_at(peek().position, "comparisons do not chain; use logical_and");
    return made;
  }

  template <class Next>
  NodeResult infix(int left, Next next) {
    SyntaxNode node;
    node.kind = Kind::binary;
    node.position = peek().position;
    node.text = std::string(peek().text);
    ++at_;
    auto right = next();
    if (!right) return right;
    node.children = {left, *right};
    return checked(std::move(node));
  }

  NodeResult sum(int nesting) {
    auto left = term(nesting);
    while (left && (is("+") || is("-"))) left = infix(*left, [&] { return term(nesting); });
    return left;
  }
  NodeResult term(int nesting) {
    auto left = unary(nesting);
    while (left && (is("*") || is("/") || is("//") || is("%") || is("@")))
      left = infix(*left, [&] { return unary(nesting); });
    return left;
  }

  NodeResult unary(int nesting) {
    if (nesting > kMaxDepth)
      return error_at(peek().position, fmt::format("nested deeper than {}", kMaxDepth));
    if (is("+")) {
      ++at_;
      return unary(nesting + 1);
    }
    if (!is("-")) return power(nesting);
    SyntaxNode node;
    node.kind = Kind::unary;
    node.text = "-";
    node.position = peek().position;
    ++at_;
    auto operand = unary(nesting + 1);
    if (!operand) return operand;
    SyntaxNode& inner = out_.nodes[static_cast<std::size_t>(*operand)];
    if (inner.kind == Kind::number) {
      inner.number = -inner.number;
      inner.whole = -inner.whole;
      inner.position = node.position;
      return operand;
    }
    node.children = {*operand};
    return checked(std::move(node));
  }

  NodeResult power(int nesting) {
    auto left = primary(nesting);
    if (left && is("**")) return infix(*left, [&] { return unary(nesting + 1); });
    return left;
  }

  NodeResult primary(int nesting) {
    const Token token = peek();
    SyntaxNode node;
    node.position = token.position;
    node.text = std::string(token.text);
    if (take("(")) return parenthesised(std::move(node), nesting);
    if (is("[")) {
      node.kind = Kind::list;
      ++at_;
      if (!take("]")) {
        if (auto ok = entries(node.children, nesting, "]"); !ok)
          return tl::unexpected<Error>(ok.error());
      }
      return checked(std::move(node));
    }
    if (token.kind == Token::Kind::number) {
      node.kind = Kind::number;
      node.number = token.number;
      node.is_whole = token.is_whole;
      node.whole = token.whole;
      ++at_;
      return add(std::move(node));
    }
    if (token.kind == Token::Kind::word) {
      node.kind = Kind::word;
      ++at_;
      return add(std::move(node));
    }
    if (token.kind != Token::Kind::name) return expected("an operand");
    ++at_;
    if (is("(")) return call(std::move(node), nesting);
    node.kind = Kind::name;
    if (token.text == "True" || token.text == "False") {
      node.kind = Kind::boolean;
      node.number = token.text == "True";
    } else if (token.text == "None") {
      node.kind = Kind::none;
    } else if (token.text == "inf" || token.text == "nan") {
      node.kind = Kind::number;
      node.number = token.text == "inf" ? std::numeric_limits<double>::infinity()
                                        : std::numeric_limits<double>::quiet_NaN();
    }
    return add(std::move(node));
  }

  // ( e ) is e; ( e, f ) and ( e, ) are lists.
  NodeResult parenthesised(SyntaxNode node, int nesting) {
    auto first = expression(nesting + 1);
    if (!first) return first;
    if (take(")")) return first;
    if (!take(",")) return expected("',' or ')'");
    node.kind = Kind::list;
    node.children = {*first};
    if (!take(")"))
      if (auto ok = entries(node.children, nesting, ")"); !ok)
        return tl::unexpected<Error>(ok.error());
    return checked(std::move(node));
  }

  Result<void> entries(std::vector<int>& into, int nesting, std::string_view close) {
    while (true) {
      auto e = expression(nesting + 1);
      if (!e) return tl::unexpected<Error>(e.error());
      into.push_back(*e);
      if (take(close)) return {};
      if (!take(",")) return expected(fmt::format("',' or '{}'", close));
      if (take(close)) return {};
    }
  }

  NodeResult call(SyntaxNode node, int nesting) {
    node.kind = Kind::call;
    ++at_;  // '('
    while (!take(")")) {
      if (!node.children.empty() || !node.keywords.empty()) {
        if (!take(",")) return expected("',' or ')'");
        if (take(")")) break;
      }
      const bool keyword = peek().kind == Token::Kind::name && is("=", 1);
      if (!keyword && !node.keywords.empty())
        return error_at(peek().position, "a positional argument after a keyword");
      const std::string name(keyword ? peek().text : std::string_view{});
      if (keyword) at_ += 2;
      auto value = expression(nesting + 1);
      if (!value) return value;
      if (keyword)
        node.keywords.emplace_back(name, *value);
      else
        node.children.push_back(*value);
    }
    return checked(std::move(node));
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Syntax out_;
};

}  // namespace

Result<Syntax> parse_syntax(std::string_view text) {
  auto tokens = scan(text);
  if (!tokens) return tl::unexpected<Error>(tokens.error());
  return SyntaxParser(std::move(*tokens)).statements();
}

Result<Syntax> parse_expression_syntax(std::string_view text) {
  auto tokens = scan(text);
  if (!tokens) return tl::unexpected<Error>(tokens.error());
  return SyntaxParser(std::move(*tokens)).expression_only();
}

}  // namespace mtmc::op
