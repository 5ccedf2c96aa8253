#include "search/feedback.hpp"

#include <catch2/catch.hpp>
#include <limits>

namespace mtmc::search {
namespace {

using Catch::Matchers::Contains;

const op::Operator& product() {
  static const op::Operator op = *op::parse_operator("y = x * x; x: f32[M,N]; M=64; N=40");
  return op;
}

// The case "stated", whose shape is 64 x 40.
std::string of(std::vector<harness::Mismatch> first, const std::string& at = "stated",
               std::size_t max = 6000) {
  harness::Evaluation e;
  e.verdict.outcome = harness::Outcome::mismatch;
  e.verdict.message = "case " + at + ": some elements differ";
  e.verdict.first = std::move(first);
  return feedback_text(e, product(), {}, max);
}

TEST_CASE("wrong elements are shown where they lie in the failing case") {
  const std::string text = of({{"y", 41, 1, 2, 1e-6}, {"y", 85, 1.5, 7, 1e-6}});
  CHECK_THAT(text, Contains("mismatch: case stated"));
  CHECK_THAT(text, Contains("sizes of that case: M=64 N=40"));
  CHECK_THAT(text, Contains("y[1,1]: got 1, expected 2"));
  CHECK_THAT(text, Contains("y[2,5]: got 1.5"));
  CHECK_THAT(of({{"y", 3, 1, 2, 0}}, "odd"), Contains("sizes of that case: M="));
  CHECK_THAT(of({{"y", 3, 1, 2, 0}}, "unheard"), Contains("y[3]: got"));
}

TEST_CASE("a pattern in the values or places is named") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THAT(of({{"y", 1, 0, 2, 0}, {"y", 2, 0, 3, 0}}), Contains("all of them are 0\n"));
  CHECK_THAT(of({{"y", 1, nan, 2, 0}}), Contains("all of them are NaN"));
  CHECK_THAT(of({{"y", 1, 4, 2, 0}, {"y", 2, 6, 3, 0}, {"y", 5, 2, 1, 0}}),
             Contains("2 times what was expected"));
  CHECK_THAT(of({{"y", 1, 3, 2, 0}, {"y", 2, 8, 7, 0}, {"y", 5, 101, 100, 0}}),
             Contains("off by 1\n"));
  CHECK_THAT(of({{"y", 1, 1.001, 1, 0}, {"y", 2, 7.003, 7, 0}, {"y", 5, 100.2, 100, 0}}),
             Contains("less than 1 %"));
  CHECK_THAT(of({{"y", 39, 1, 2, 0}, {"y", 79, 5, 3, 0}}),
             Contains("coordinate 39 of dimension 1, the last"));
  CHECK_THAT(of({{"y", 3, 1, 2, 0}, {"y", 7, 5, 3, 0}, {"y", 11, 9, 1, 0}}),
             Contains("4 apart along the last dimension"));
  CHECK(of({{"y", 1, 5, 2, 0}, {"y", 43, 9, 3, 0}, {"y", 85, 1, 8, 0}}).find("all of them") ==
        std::string::npos);
}

TEST_CASE("feedback is capped") { CHECK(of({{"y", 1, 0, 2, 0}}, "stated", 50).size() == 50); }

}  // namespace
}  // namespace mtmc::search
