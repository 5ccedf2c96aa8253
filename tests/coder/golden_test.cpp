// The generated text of six probes, as files. MTMC_UPDATE_GOLDENS=1 rewrites them.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "coder/probes.hpp"
#include "coder/workbench.hpp"

using namespace mtmc::coder::test;

namespace {

std::string printed(const mtmc::kernel::Candidate& candidate) {
  std::ostringstream out;
  out << candidate.sources[0].text << "\n// configuration:";
  for (const auto& [name, value] : candidate.configuration) out << " " << name << "=" << value;
  for (const auto& step : candidate.recipe.run) {
    const auto& launch = std::get<mtmc::kernel::Launch>(step.what);
    out << "\n// launch " << launch.kernel << " grid";
    for (const auto& e : launch.grid) out << " [" << e.text() << "]";
    out << " block [" << launch.block[0].text() << "]";
  }
  out << "\n";
  return out.str();
}

}  // namespace

TEST_CASE("generated text of the probes") {
  for (const auto& probe : probes())
    for (const bool naive : {true, false}) {
      const Problem problem(probe.line);
      const std::string got =
          printed(after(problem, naive ? std::vector<std::string>{} : probe.steps));
      const std::string path = std::string(MTMC_SOURCE_DIR "/tests/coder/goldens/") + probe.name +
                               (naive ? ".naive.cu" : ".cu");
      if (std::getenv("MTMC_UPDATE_GOLDENS")) std::ofstream(path) << got;
      std::ifstream in(path);
      INFO(path << ": MTMC_UPDATE_GOLDENS=1 rewrites it");
      REQUIRE(in);
      std::stringstream want;
      want << in.rdbuf();
      CHECK(got == want.str());
    }
}
