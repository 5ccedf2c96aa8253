#include <catch2/catch.hpp>
#include <set>

#include "base/hash.hpp"
#include "base/rng.hpp"

TEST_CASE("sha256 matches the published vectors") {
  CHECK(mtmc::sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(mtmc::sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("counter random numbers are a pure function that differs by seed, stream and index") {
  using mtmc::random_bits;
  CHECK(random_bits(1, 2, 3) == random_bits(1, 2, 3));
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    for (std::uint64_t stream = 0; stream < 10; ++stream)
      for (std::uint64_t index = 0; index < 100; ++index) seen.insert(random_bits(seed, stream, index));
  CHECK(seen.size() == 10000);
  double sum = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const double u = mtmc::random_uniform(random_bits(7, mtmc::stream_of("x"), i));
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    sum += u;
  }
  CHECK(sum / 100000 == Approx(0.5).margin(0.005));
}
