// The committed fuzz corpus through what the fuzz targets do: nothing may crash. Inputs that once
// did are in it under the name of what was wrong.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fuzz/targets.hpp"

TEST_CASE("the fuzz corpus parses, decodes and runs to a value, an error or a fault") {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(MTMC_SOURCE_DIR "/tests/fuzz/corpus")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() > 50);
  for (const auto& file : files) {
    INFO(file.string());
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    mtmc::emulator::fuzz_parse(text.str());
    mtmc::emulator::fuzz_decode(text.str());
    mtmc::emulator::fuzz_run(text.str());
    CHECK(in);
  }
}
