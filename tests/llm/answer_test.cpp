#include "llm/answer.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace mtmc::llm {
namespace {

TEST_CASE("the first JSON object is found in plain text, in fences and after false starts") {
  const std::string answer = GENERATE(
      std::string(R"({"a":1})"), std::string("Sure!\n```json\n{\"a\": 1}\n```\nDone {\"a\":2}"),
      std::string("use {x} and {y: then\n{\"a\":1} tail }"), std::string("```\n{ \"a\" :1 }"));
  const auto form = first_json_object(answer);
  REQUIRE(form);
  CHECK((*form)["a"] == 1);
}

TEST_CASE("braces in strings do not count") {
  const auto form = first_json_object(R"(x {"a":"}\"{","b":[{}]} y)");
  REQUIRE(form);
  CHECK((*form)["a"] == "}\"{");
}

TEST_CASE("answers without an object say why") {
  CHECK(first_json_object("no").error().message.find("no JSON object") != std::string::npos);
  CHECK(first_json_object("{\"a\":").error().message.find("cut off") != std::string::npos);
  CHECK(first_json_object("{x}").error().message.find("does not parse") != std::string::npos);
  CHECK(first_json_object(std::string(100, '{') + std::string(100, '}'))
            .error()
            .message.find("deeper") != std::string::npos);
  CHECK(first_json_object("{\"a\":\"" + std::string(2000, 'x') + "\"}", 1000)
            .error()
            .message.find("too long") != std::string::npos);
  CHECK_FALSE(first_json_object("{\"a\":\"\xff\"}"));
}

TEST_CASE("fenced blocks have their info and whole lines; an open one is left out") {
  const auto blocks =
      fenced_blocks("a\n```cuda kernel.cu\nx\n\ny\n```\n````\n```\nin\n```\n````\n```\nopen");
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[0].info == "cuda kernel.cu");
  CHECK(blocks[0].body == "x\n\ny\n");
  CHECK(blocks[1].body == "```\nin\n```\n");
  CHECK(fenced_blocks("```\n```").at(0).body.empty());
}

}  // namespace
}  // namespace mtmc::llm
