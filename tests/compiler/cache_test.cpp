#include "compiler/cache.hpp"

#include <fstream>
#include <sstream>

#include "support.hpp"

using namespace mtmc;
using namespace mtmc::compiler;
using namespace mtmc::compiler::test;

namespace fs = std::filesystem;

namespace {

const CompileRequest kGood =
    request("extern \"C\" __global__ void k(int* x) { x[0] = 41; }", "sm_80");

CompilerSettings cached_in(const std::string& folder) {
  CompilerSettings chosen = settings();
  chosen.cache_directory = folder;
  return chosen;
}

std::vector<fs::path> files_in(const std::string& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) found.push_back(entry.path());
  return found;
}

std::string read(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

bool same(const Binary& a, const Binary& b) {
  return a.hash == b.hash && a.architecture == b.architecture && a.ptx == b.ptx &&
         a.cubin == b.cubin && a.log == b.log && a.kernels.size() == b.kernels.size() &&
         a.kernels[0].name == b.kernels[0].name &&
         a.kernels[0].registers == b.kernels[0].registers &&
         a.kernels[0].code_bytes == b.kernels[0].code_bytes;
}

}  // namespace

TEST_CASE("a second compiler finds what the first one made, failures too") {
  TemporaryFolder folder;
  const CompileRequest bad = request("int x = ;", "compute_80");
  Binary made;
  CompileFailure failed;
  {
    const auto first = make(cached_in(folder.path + "/deep/cache"));
    made = must_compile(*first, kGood);
    CHECK(same(must_compile(*first, kGood), made));
    failed = must_fail(*first, bad);
    CHECK(first->compiles() == 2);
    CHECK(first->cache_hits() == 1);
  }
  const auto second = make(cached_in(folder.path + "/deep/cache"));
  CHECK(same(must_compile(*second, kGood), made));
  const CompileFailure again = must_fail(*second, bad);
  CHECK(again.log == failed.log);
  REQUIRE(again.diagnostics.size() == failed.diagnostics.size());
  CHECK(again.diagnostics[0].line == failed.diagnostics[0].line);
  CHECK(again.diagnostics[0].message == failed.diagnostics[0].message);
  CHECK(second->compiles() == 0);
  CHECK(second->cache_hits() == 2);
  CHECK(files_in(folder.path).size() == 2);  // and no temporary files
}

TEST_CASE("every field of a request is part of its identity") {
  TemporaryFolder folder;
  const auto compiler = make(cached_in(folder.path));
  std::vector<CompileRequest> variants(8, kGood);
  variants[1].architecture = "compute_80";
  variants[2].defines = {{"A", "1"}};
  variants[3].strict = true;
  variants[4].fast_math = true;
  variants[5].line_info = true;
  variants[6].sources[0].name = "other.cu";
  variants[7].sources.push_back({"extra.h", ""});
  std::vector<std::string> hashes;
  for (const CompileRequest& variant : variants)
    hashes.push_back(must_compile(*compiler, variant).hash);
  std::sort(hashes.begin(), hashes.end());
  CHECK(std::unique(hashes.begin(), hashes.end()) == hashes.end());
  CHECK(compiler->compiles() == variants.size());
}

TEST_CASE("an entry that is damaged, cut or another's is compiled again and repaired") {
  TemporaryFolder folder;
  const auto compiler = make(cached_in(folder.path));
  const Binary made = must_compile(*compiler, kGood);
  const auto files = files_in(folder.path);
  REQUIRE(files.size() == 1);
  const std::string whole = read(files[0]);
  std::uint64_t expected = compiler->compiles();
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 1;
  for (const std::string& bytes : {flipped, whole.substr(0, whole.size() - 1), whole.substr(0, 30),
                                   std::string(), "x" + whole}) {
    write(files[0], bytes);
    CHECK(same(must_compile(*compiler, kGood), made));
    CHECK(compiler->compiles() == ++expected);
    CHECK((read(files[0]) == whole));
  }
  CompileRequest other = kGood;
  other.defines = {{"OTHER", "1"}};
  const Binary other_made = must_compile(*compiler, other);
  const std::string other_file =
      folder.path + "/" + other_made.hash.substr(0, 2) + "/" + other_made.hash.substr(2) + ".bin";
  write(files[0], read(other_file));
  CHECK(same(must_compile(*compiler, kGood), made));
}

TEST_CASE("a cache that cannot be written costs time and nothing else") {
  TemporaryFolder folder;
  write(folder.path + "/file", "not a directory");
  for (const std::string& place : {folder.path + "/file", std::string("/proc/no/such/place")}) {
    const auto compiler = make(cached_in(place));
    must_compile(*compiler, kGood);
    must_compile(*compiler, kGood);
    CHECK(compiler->compiles() == 2);
    CHECK(compiler->cache_hits() == 0);
  }
}
