#include "base/frame.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace mtmc;

TEST_CASE("frames survive any cutting of the stream") {
  const std::string stream =
      *encode_frame("first") + *encode_frame("") + *encode_frame("third one");
  CHECK(stream.substr(0, 4) == std::string("\5\0\0\0", 4));
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    FrameReader reader;
    std::vector<std::string> frames;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      reader.feed(std::string_view(stream).substr(at, step));
      while (true) {
        auto next = reader.next();
        REQUIRE(next.has_value());
        if (!*next) break;
        frames.push_back(**next);
      }
    }
    CHECK(frames == std::vector<std::string>{"first", "", "third one"});
    CHECK(reader.empty());
  }
}

TEST_CASE("a length beyond the maximum is refused before anything is allocated") {
  FrameReader reader;
  reader.feed(std::string("\xff\xff\xff\x7f", 4));
  CHECK_FALSE(reader.next().has_value());
}

TEST_CASE("a stream that ends inside a frame is told apart from one that ends after it") {
  const auto read_all = [](const std::string& bytes) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    REQUIRE(write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    close(ends[1]);
    auto frame = read_frame(ends[0]);
    close(ends[0]);
    return frame;
  };
  CHECK(read_all(*encode_frame("whole")).value() == "whole");
  CHECK(read_all("").value() == std::nullopt);
  CHECK_FALSE(read_all("\1").has_value());
  CHECK_FALSE(read_all(std::string("\5\0\0\0abc", 7)).has_value());
}

TEST_CASE("text that is not UTF-8 still makes a frame") {
  CHECK(frame_text({{"log", "bad \xff byte"}}) == "{\"log\":\"bad \xef\xbf\xbd byte\"}");
}

TEST_CASE("base64 matches RFC 4648 and refuses what is not canonical") {
  CHECK(to_base64("") == "");
  CHECK(to_base64("f") == "Zg==");
  CHECK(to_base64("fo") == "Zm8=");
  CHECK(to_base64("foobar") == "Zm9vYmFy");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(from_base64(to_base64(all)).value() == all);
  CHECK(from_base64("").value() == "");
  for (const char* bad : {"Zg=", "Zh==", "Z===", "====", "Zg==Zg==", "Z m9", "Zm9v\n", "Zm9?"}) {
    INFO(bad);
    CHECK_FALSE(from_base64(bad).has_value());
  }
}
