#include "tuner/constraint.hpp"

#include <catch2/catch.hpp>

using namespace mtmc;
using namespace mtmc::tuner;

TEST_CASE("a constraint that does not parse is quoted") {
  const auto error = parse_constraints({"a < 4", "b <"}).error();
  CHECK(error.code == ErrorCode::bad_input);
  CHECK(error.message.find("constraint: expression 'b <'") == 0);
}

TEST_CASE("the syntax decides what is read") {
  CHECK_FALSE(Constraint::parse("1 <= a <= 4").has_value());
  CHECK(Constraint::parse("1 <= a <= 4", Syntax::python).has_value());
  CHECK_FALSE(Constraint::parse("a // 2 > 1").has_value());
  CHECK_FALSE(Constraint::parse("__import__('os').system('x')", Syntax::python).has_value());
  CHECK_FALSE(Constraint::parse("lambda p: True", Syntax::python).has_value());
}
