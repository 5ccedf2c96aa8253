// What stands outside of function bodies, and the declarations that stand in both: variables with
// their initialisers, parameters, registers, prototypes, line information.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "emulator/parser.hpp"

namespace mtmc::emulator {
namespace {

constexpr uint64_t max_variable_bytes = uint64_t{1} << 36;
constexpr uint64_t max_initialiser_bytes = uint64_t{1} << 26;
constexpr uint64_t max_parameter_bytes = uint64_t{1} << 20;

bool is_linkage(std::string_view word) {
  return word == ".visible" || word == ".weak" || word == ".common" || word == ".extern";
}

}  // namespace

void Parser::top_level() {
  const Token token = next();
  const std::string_view word = token.text;
  if (token.is(";")) return;
  if (token.is("@") && accept("@")) return skip_line(token.line);  // "@@DWARF ..."
  if (token.kind != Token::Kind::word) {
    parse_failure(token, fmt::format("expected a directive, got {}", describe(token)));
  }
  if (is_linkage(word)) {
    linkage_external_ = word == ".extern";
    return;
  }
  if (word == ".version") {
    if (peek().kind != Token::Kind::number) parse_failure(peek(), "expected a version number");
    module_.version = std::string(next().text);
  } else if (word == ".target") {
    module_.target = std::string(expect_word("a target").text);
    while (accept(",")) expect_word("a target option");
  } else if (word == ".address_size") {
    if (small_integer(64) != 64) parse_failure(token, "only 64-bit addresses are supported");
  } else if (word == ".file") {
    file_entry();
  } else if (word == ".loc") {
    location(token.line);
  } else if (word == ".section") {
    while (!peek().is("{") && peek().kind != Token::Kind::end) next();
    skip_braces();
  } else if (word == ".pragma") {
    skip_statement();
  } else if (word == ".alias") {
    alias();
  } else if (word == ".entry" || word == ".func") {
    function(word == ".entry");
  } else if (word == ".global" || word == ".const" || word == ".shared" || word == ".local") {
    variables(word, module_.variables, false);
  } else if (word == ".tex" || word == ".texref" || word == ".surfref" || word == ".samplerref") {
    parse_failure(token, "unsupported: textures, surfaces and samplers");
  } else {
    parse_failure(token, fmt::format("unknown directive {}", describe(token)));
  }
  linkage_external_ = false;
}

void Parser::file_entry() {
  const uint32_t index = small_integer(1u << 30);
  const Token name = next();
  if (name.kind != Token::Kind::string) parse_failure(name, "expected a file name in quotes");
  module_.files[index] = std::string(name.text);
  while (accept(",")) next();
}

void Parser::alias() {
  const Token name = expect_word("an alias");
  expect(",");
  const Token of = expect_word("a function name");
  expect(";");
  module_.aliases[std::string(name.text)] = std::string(of.text);
}

// .loc has no terminator but the end of its line. "inlined_at" names the place of an earlier .loc
// of the same function, which may itself be inlined: so the whole stack of inlined calls is known.
void Parser::location(uint32_t line) {
  SourceLocation here;
  here.file = small_integer(1u << 30);
  here.line = small_integer(1u << 30);
  const uint32_t column = small_integer(1u << 30);
  if (accept(",")) {
    expect("function_name");
    expect_word("a string label");
    if (accept("+")) next();
    expect(",");
    expect("inlined_at");
    std::array<uint32_t, 3> at{};
    for (uint32_t& part : at) part = small_integer(1u << 30);
    const auto known = locations_.find(at);
    const SourceLocation call =
        known != locations_.end() ? known->second : SourceLocation{at[0], at[1], -1};
    const auto [site, inserted] =
        inline_sites_.try_emplace({call.file, call.line, static_cast<uint32_t>(call.inlined_at)},
                                  static_cast<int32_t>(module_.inline_sites.size()));
    if (inserted) module_.inline_sites.push_back(call);
    here.inlined_at = site->second;
  }
  skip_line(line);
  locations_[{here.file, here.line, column}] = here;
  if (here.line != 0) location_ = here;
}

// After ".global" and the like: attributes, type, then names up to ';'.
void Parser::variables(std::string_view space, std::vector<Variable>& out, bool local_scope) {
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
      base.alignment = alignment();
    } else if (token.is(".v2") || token.is(".v4") || token.is(".v8")) {
      lanes = static_cast<uint64_t>(token.text[2] - '0');
    } else if (token.is(".attribute")) {
      expect("(");
      while (!peek().is(")") && peek().kind != Token::Kind::end) {
        base.managed = base.managed || peek().is(".managed");
        next();
      }
      expect(")");
    } else {
      element = type_bytes(token.text);
      if (element == 0 || token.is(".pred")) {
        parse_failure(token, fmt::format("unknown type {}", describe(token)));
      }
    }
  }
  base.alignment = std::max<uint32_t>(base.alignment, static_cast<uint32_t>(element * lanes));
  do {
    Variable variable = base;
    const Token name = expect_word("a variable name");
    variable.name = std::string(name.text);
    std::vector<uint64_t> dimensions;
    bool open = false;
    while (accept("[")) {
      if (peek().is("]")) {
        if (!dimensions.empty()) parse_failure(peek(), "only the first dimension may be open");
        open = true;
        dimensions.push_back(0);
      } else {
        dimensions.push_back(integer(next()));
      }
      expect("]");
      if (dimensions.size() > 16) parse_failure(name, "more than 16 dimensions");
    }
    // Bytes of the whole variable and of each level within it, down to one element.
    std::vector<uint64_t> extents(dimensions.size() + 1);
    extents.back() = element * lanes;
    for (size_t i = dimensions.size(); i-- > 0;) {
      if (dimensions[i] != 0 && extents[i + 1] > max_variable_bytes / dimensions[i]) {
        parse_failure(name, fmt::format("variable '{}' is too large", variable.name));
      }
      extents[i] = extents[i + 1] * dimensions[i];
    }
    if (lanes > 1) extents.push_back(element);
    variable.bytes = extents[0];
    if (accept("=")) initialiser(variable, extents, 0);
    if (open && !variable.external) variable.bytes = variable.initialiser.size();
    if (variable.initialiser.size() > variable.bytes) {
      parse_failure(name,
                    fmt::format("initialiser of '{}' is larger than the variable", variable.name));
    }
    if (local_scope) {
      variable.name = unique_name(name.text);
      if (scopes_.back().names.count(name.text) != 0) {
        parse_failure(name, fmt::format("'{}' is declared twice", name.text));
      }
      scopes_.back().names[name.text] = variable.name;
    }
    out.push_back(std::move(variable));
  } while (accept(","));
  expect(";");
}

// A list in braces fills its level of the variable; values without braces just follow each other.
void Parser::initialiser(Variable& variable, const std::vector<uint64_t>& extents, size_t level) {
  const size_t start = variable.initialiser.size();
  if (accept("{")) {
    if (level + 1 >= extents.size() && level > 0) {
      parse_failure(peek(), "initialiser is nested deeper than its variable");
    }
    if (!peek().is("}")) {
      do {
        initialiser(variable, extents, level + 1);
      } while (accept(","));
    }
    expect("}");
    if (level > 0 && level < extents.size()) {
      const uint64_t end = start + extents[level];
      if (variable.initialiser.size() > end) {
        parse_failure(peek(), "initialiser is larger than its dimension");
      }
      if (end > max_initialiser_bytes) parse_failure(peek(), "initialiser is larger than 64 MiB");
      variable.initialiser.resize(end);
    }
    return;
  }
  const auto element = static_cast<uint32_t>(extents.back());
  if (peek().kind == Token::Kind::word) return address_initialiser(variable, element, ~uint64_t{0});
  Operand::Number kind;
  const uint64_t bits = number(kind);
  if (kind == Operand::Number::integer && accept("(")) {
    address_initialiser(variable, element, bits);
    expect(")");
    return;
  }
  if (variable.initialiser.size() >= max_initialiser_bytes) {
    parse_failure(peek(), "initialiser is larger than 64 MiB");
  }
  for (uint32_t i = 0; i < element; ++i) {
    variable.initialiser.push_back(i < 8 ? static_cast<uint8_t>(bits >> (8 * i)) : 0);
  }
}

// name, name+4, generic(name)+4; within mask(...) as well.
void Parser::address_initialiser(Variable& variable, uint32_t bytes, uint64_t mask) {
  Relocation relocation;
  relocation.offset = variable.initialiser.size();
  relocation.bytes = std::min<uint32_t>(bytes, 8);
  relocation.mask = mask;
  Token name = expect_word("an address");
  if (name.is("generic")) {
    expect("(");
    name = expect_word("a symbol");
    expect(")");
  }
  relocation.symbol = std::string(name.text);
  Operand::Number kind;
  if (accept("+") || peek().is("-")) relocation.addend = number(kind);
  if (mask == 0) parse_failure(name, "the mask of an address is zero");
  variable.initialiser.resize(variable.initialiser.size() + bytes);
  variable.relocations.push_back(std::move(relocation));
}

Parameter Parser::parameter() {
  const Token start = expect_word("a parameter");
  if (!start.is(".param") && !start.is(".reg")) {
    parse_failure(start, fmt::format("expected .param, got {}", describe(start)));
  }
  Parameter result;
  uint32_t element = 0;
  uint32_t declared = 0;
  Token name = expect_word("a parameter type");
  for (;; name = expect_word("a parameter name")) {
    if (name.is(".align")) {
      const uint32_t value = alignment();
      if (element == 0) declared = value;  // after .ptr it is what the pointer points to
    } else if (name.is(".ptr") || name.is(".global") || name.is(".shared") || name.is(".const") ||
               name.is(".local")) {
      continue;
    } else if (type_bytes(name.text) != 0) {
      element = type_bytes(name.text);
    } else {
      break;
    }
  }
  if (element == 0 || name.text.starts_with('.')) {
    parse_failure(name, fmt::format("expected a parameter type, got {}", describe(name)));
  }
  result.name = std::string(name.text);
  uint64_t bytes = element;
  if (accept("[")) {
    if (!peek().is("]")) bytes *= small_integer(1u << 16);
    expect("]");
  }
  result.bytes = static_cast<uint32_t>(bytes);
  result.alignment = std::max<uint32_t>(declared, element);
  result.in_register = start.is(".reg");
  return result;
}

void Parser::parameter_list(std::vector<Parameter>& out, uint32_t& total) {
  expect("(");
  total = 0;
  if (accept(")")) return;
  uint64_t offset = 0;
  do {
    const Token at = peek();
    Parameter one = parameter();
    offset = (offset + one.alignment - 1) / one.alignment * one.alignment;
    if (offset + one.bytes > max_parameter_bytes) parse_failure(at, "parameters exceed 1 MiB");
    one.offset = static_cast<uint32_t>(offset);
    offset += one.bytes;
    out.push_back(std::move(one));
  } while (accept(","));
  expect(")");
  total = static_cast<uint32_t>(offset);
}

bool Parser::function_directive(const Token& directive) {
  const auto sizes = [&](uint32_t limit, uint32_t* out) {
    int count = 0;
    do {
      out[count++] = small_integer(limit);
    } while (count < 3 && accept(","));
    for (; count < 3; ++count) out[count] = 1;
  };
  if (directive.is(".maxntid")) {
    uint32_t size[3];
    sizes(1024, size);
    const uint64_t threads = uint64_t{size[0]} * size[1] * size[2];
    function_.max_threads_per_block = static_cast<uint32_t>(std::min<uint64_t>(threads, 1u << 20));
  } else if (directive.is(".reqntid")) {
    sizes(1024, function_.required_threads);
  } else if (directive.is(".minnctapersm")) {
    function_.min_blocks_per_sm = small_integer(1u << 16);
  } else if (directive.is(".maxnreg")) {
    function_.max_registers = small_integer(1u << 16);
  } else if (directive.is(".reqnctapercluster")) {
    sizes(1u << 16, function_.required_cluster);
  } else if (directive.is(".maxclusterrank")) {
    function_.max_cluster_blocks = small_integer(1u << 16);
  } else if (directive.is(".explicitcluster")) {
    function_.explicit_cluster = true;
  } else if (directive.is(".noreturn") || directive.is(".blocksareclusters")) {
    if (directive.is(".blocksareclusters")) {
      parse_failure(directive, "unsupported: .blocksareclusters");
    }
  } else if (directive.is(".maxnctapersm") || directive.is(".abi_preserve") ||
             directive.is(".abi_preserve_control")) {
    small_integer(1u << 16);
  } else if (directive.is(".pragma")) {
    skip_statement();
  } else if (directive.is(".attribute")) {
    expect("(");
    while (!peek().is(")") && peek().kind != Token::Kind::end) next();
    expect(")");
  } else {
    return false;
  }
  return true;
}

void Parser::function(bool is_entry) {
  function_ = Function{};
  function_.is_entry = is_entry;
  location_ = {};
  locations_.clear();
  inline_sites_.clear();
  while (peek().is(".attribute")) function_directive(next());
  if (!is_entry && peek().is("(")) parameter_list(function_.results, function_.result_bytes);
  const Token name = expect_word("a function name");
  function_.name = std::string(name.text);
  if (peek().is("(")) parameter_list(function_.parameters, function_.parameter_bytes);
  while (!peek().is("{") && !peek().is(";")) {
    const Token directive = expect_word("'{' or a performance directive");
    if (!function_directive(directive)) {
      parse_failure(directive, fmt::format("expected '{{', got {}", describe(directive)));
    }
  }
  function_.defined = !accept(";");
  if (function_.defined) {
    scopes_.clear();
    label_names_.clear();
    label_is_.clear();
    name_count_.clear();
    block();
    finish_labels();
  }
  const auto [known, inserted] =
      function_index_.try_emplace(function_.name, module_.functions.size());
  if (inserted) {
    module_.functions.push_back(std::move(function_));
  } else if (!module_.functions[known->second].defined) {
    module_.functions[known->second] = std::move(function_);
  } else if (function_.defined) {
    parse_failure(name, fmt::format("function '{}' is defined twice", name.text));
  }
}

void Parser::registers() {
  Token type = expect_word("a register type");
  uint32_t lanes = 0;
  if (type.is(".v2") || type.is(".v4")) {
    lanes = static_cast<uint32_t>(type.text[2] - '0');
    type = expect_word("a register type");
  }
  const uint32_t bytes = type_bytes(type.text);
  if (bytes == 0) parse_failure(type, fmt::format("unknown register type {}", describe(type)));
  const auto bits = static_cast<uint8_t>(type.is(".pred") ? 1 : std::max<uint32_t>(bytes, 2) * 8);
  Scope& scope = scopes_.back();
  do {
    const Token name = expect_word("a register name");
    if (lanes != 0) {
      const auto first = static_cast<int32_t>(function_.registers.size());
      for (uint32_t i = 0; i < lanes; ++i) {
        function_.registers.push_back({std::string(name.text) + "." + "xyzw"[i], bits});
      }
      scope.vectors[name.text] = {first, lanes};
    } else if (accept("<")) {
      scope.ranges[name.text] = {small_integer(1u << 30), bits};
      expect(">");
    } else {
      new_register(scope, name.text, bits);
    }
  } while (accept(","));
  expect(";");
}

// name : .callprototype (results) _ (parameters);
void Parser::prototype(const Token& name) {
  Prototype result;
  result.name = unique_name(name.text);
  uint32_t bytes = 0;
  if (peek().is("(")) parameter_list(result.results, bytes);
  expect_word("'_'");
  if (peek().is("(")) parameter_list(result.parameters, bytes);
  while (peek().kind == Token::Kind::word) {
    const Token directive = next();
    if (!function_directive(directive)) {
      parse_failure(directive, fmt::format("expected ';', got {}", describe(directive)));
    }
  }
  expect(";");
  scopes_.back().names[name.text] = result.name;
  function_.prototypes.push_back(std::move(result));
}

// name : .branchtargets label, label, ...;
void Parser::branch_table(const Token& name) {
  BranchTable table;
  table.name = unique_name(name.text);
  do {
    const Token label = expect_word("a label");
    table.labels.push_back(label_of(label));
  } while (accept(","));
  expect(";");
  scopes_.back().names[name.text] = table.name;
  function_.branch_tables.push_back(std::move(table));
}

}  // namespace mtmc::emulator
