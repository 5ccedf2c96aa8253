// Four published tuning problems (T1 files of the autotuning benchmark hub), translated by hand
// into the expression language, with the counts of valid configurations that kernel_tuner,
// python-constraint and pyATF agree on. The originals are Python: chained comparisons are written
// out, `and` joins their halves, and `KWG % ((MDIMC*NDIMC)/MDIMA) == 0` divides without rounding
// there, which over the integers is `(KWG*MDIMA) % (MDIMC*NDIMC) == 0`.
#include <catch2/catch.hpp>

#include "tuner/random_space.hpp"

using namespace mtmc;
using namespace mtmc::tuner;
using testing::make_space;

namespace {

std::vector<Value> range(std::int64_t first, std::int64_t last, std::int64_t step = 1) {
  std::vector<Value> values;
  for (std::int64_t v = first; v <= last; v += step) values.push_back(v);
  return values;
}

// Defaults play no part in counting.
std::vector<Parameter> parameters(
    const std::vector<std::pair<std::string, std::vector<Value>>>& rows) {
  std::vector<Parameter> all;
  for (const auto& [name, values] : rows) all.push_back({name, values, values[0]});
  return all;
}

void check_space(const Space& space, std::uint64_t valid, double cartesian) {
  REQUIRE(space.size() == valid);
  CHECK(space.cartesian() == cartesian);
  for (std::uint64_t i = 0; i < valid; i += 97) REQUIRE(space.index_of(space.at(i)) == i);
}

}  // namespace

TEST_CASE("convolution has 4,362 configurations") {
  const auto space =
      make_space(parameters({{"block_size_x", range(16, 256, 16)},
                             {"block_size_y", {1, 2, 4, 8, 16}},
                             {"tile_size_x", range(1, 4)},
                             {"tile_size_y", range(1, 4)},
                             {"read_only", {0, 1}},
                             {"use_padding", {0, 1}},
                             {"use_shmem", {0, 1}},
                             {"use_cmem", {1}},
                             {"filter_height", {15}},
                             {"filter_width", {15}}}),
                 {"use_padding == 0 or block_size_x % 32 != 0",
                  "block_size_x * block_size_y <= 1024", "use_padding == 0 or use_shmem != 0",
                  "use_shmem == 0 or (block_size_x * tile_size_x + (filter_width - 1)) * "
                  "(block_size_y * tile_size_y + (filter_height - 1)) < 12 * 1024"});
  check_space(space, 4362, 10240);
}

TEST_CASE("dedispersion has 11,130 configurations") {
  const auto space = make_space(
      parameters({{"block_size_x", {1, 2, 4, 8, 16, 32}},
                  {"block_size_y", range(32, 256, 8)},
                  {"block_size_z", {1}},
                  {"tile_size_x", range(1, 4)},
                  {"tile_size_y", range(1, 8)},
                  {"tile_stride_x", {0, 1}},
                  {"tile_stride_y", {0, 1}},
                  {"loop_unroll_factor_channel", {0}}}),
      {"32 <= block_size_x * block_size_y and block_size_x * block_size_y <= 1024",
       "tile_size_x > 1 or tile_stride_x == 0", "tile_size_y > 1 or tile_stride_y == 0"});
  check_space(space, 11130, 22272);
  CHECK(space.components().size() == 5);
}

TEST_CASE("gemm has 116,928 configurations") {
  const std::vector<Value> dims{8, 16, 32}, tiles{16, 32, 64, 128}, widths{1, 2, 4, 8};
  const std::vector<Value> flag{0, 1};
  const auto space =
      make_space(parameters({{"GEMMK", {0}},
                             {"MWG", tiles},
                             {"NWG", tiles},
                             {"KWG", {16, 32}},
                             {"MDIMC", dims},
                             {"NDIMC", dims},
                             {"MDIMA", dims},
                             {"NDIMB", dims},
                             {"KWI", {2}},
                             {"VWM", widths},
                             {"VWN", widths},
                             {"STRM", flag},
                             {"STRN", flag},
                             {"SA", flag},
                             {"SB", flag},
                             {"KREG", {1}},
                             {"PRECISION", {32}}}),
                 {"KWG % KWI == 0", "MWG % (MDIMC * VWM) == 0", "NWG % (NDIMC * VWN) == 0",
                  "MWG % (MDIMA * VWM) == 0", "NWG % (NDIMB * VWN) == 0",
                  "(KWG * MDIMA) % (MDIMC * NDIMC) == 0", "(KWG * NDIMB) % (MDIMC * NDIMC) == 0",
                  "not (MWG == 128 and NWG == 128 and MDIMC == 8 and NDIMC == 8)"});
  check_space(space, 116928, 663552);
  CHECK(space.notes().empty());
}

TEST_CASE("hotspot has 82,984 configurations") {
  auto block_x = range(32, 1024, 32);
  block_x.insert(block_x.begin(), {1, 2, 4, 8, 16});
  const auto space = make_space(
      parameters({{"grid_width", {4096}},
                  {"grid_height", {4096}},
                  {"block_size_x", block_x},
                  {"block_size_y", {1, 2, 4, 8, 16, 32}},
                  {"tile_size_x", range(1, 10)},
                  {"tile_size_y", range(1, 10)},
                  {"temporal_tiling_factor", range(1, 10)},
                  {"max_tfactor", {10}},
                  {"loop_unroll_factor_t", range(1, 10)},
                  {"sh_power", {0, 1}}}),
      {"block_size_x * block_size_y >= 32", "temporal_tiling_factor % loop_unroll_factor_t == 0",
       "block_size_x * block_size_y <= max_threads",
       "(block_size_x * tile_size_x + temporal_tiling_factor * 2) * "
       "(block_size_y * tile_size_y + temporal_tiling_factor * 2) * (2 + sh_power) * 4 <= "
       "shared_bytes"},
      {{"max_threads", 1024}, {"shared_bytes", 49152}});
  check_space(space, 82984, 4440000);
}
