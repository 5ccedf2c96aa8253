#include "tuner/constraint.hpp"

#include <utility>

namespace mtmc::tuner {

Result<Constraint> Constraint::parse(std::string text, Syntax syntax) {
  auto expr = Expr::parse(text, syntax);
  if (!expr) return tl::unexpected<Error>(expr.error().with("constraint"));
  return Constraint{std::move(text), std::move(*expr), syntax};
}

Result<std::vector<Constraint>> parse_constraints(const std::vector<std::string>& texts,
                                                  Syntax syntax) {
  std::vector<Constraint> all;
  all.reserve(texts.size());
  for (const auto& text : texts) {
    auto one = Constraint::parse(text, syntax);
    if (!one) return tl::unexpected<Error>(one.error());
    all.push_back(std::move(*one));
  }
  return all;
}

}  // namespace mtmc::tuner
