// Conversations: what was said is kept, and nothing is paid for twice.
#include "search/stored_endpoint.hpp"

#include <catch2/catch.hpp>

#include "llm/fake_endpoint.hpp"
#include "store/runs.hpp"

namespace mtmc::search {
namespace {

store::Store open_store() {
  return std::move(*store::Store::open(":memory:", store::OpenMode::create));
}

std::string new_run(store::Store& store, bool fresh = false) {
  store::OperatorRecord op{"h", "y = relu(x); x: f32[4]", "{}", {"relu"}};
  auto begun = store::Runs(store).begin(op, {"h", "device", "{}", 1, "0"}, fresh);
  REQUIRE(begun);
  return begun->run.id;
}

llm::Request ask(const std::string& what, const std::string& role = "planner") {
  llm::Request request;
  request.role = role;
  request.model = "m";
  request.messages = {{"user", what}};
  return request;
}

struct Talk {
  llm::PriceTable prices = *llm::PriceTable::parse("m 1 1 1", "t");
  Meter meter;
  Conversation conversation;
  Talk(store::Store& store, const std::string& run, bool reuse)
      : conversation(*Conversation::open(store, run, reuse, prices, meter)) {}
};

TEST_CASE("a resumed run gets its answers back in order, and their cost; then it asks on") {
  auto store = open_store();
  const std::string run = new_run(store);
  llm::FakeEndpoint fake({"one", "two", "three"});
  {
    Talk talk(store, run, true);
    CHECK(talk.conversation.complete(fake, ask("a"))->answer == "one");
    CHECK(talk.conversation.complete(fake, ask("a"))->answer ==
          "two");  // asked again: another sample
    CHECK(talk.conversation.calls() == 2);
  }
  Talk again(store, run, true);
  CHECK(again.meter.spent().calls == 2);
  CHECK(again.meter.spent().unpriced == 0);
  CHECK(again.conversation.complete(fake, ask("a"))->answer == "one");
  CHECK(again.conversation.complete(fake, ask("a"))->answer == "two");
  CHECK(again.conversation.calls() == 0);
  CHECK(again.conversation.complete(fake, ask("a"))->answer == "three");
  CHECK(fake.requests().size() == 3);
  const auto kept = store::Exchanges(store).of_run(run);
  REQUIRE(kept);
  REQUIRE(kept->size() == 3);
  CHECK(kept->at(2).answer == "three");
  CHECK(kept->at(2).sample == 2);
  CHECK(kept->at(2).role == "planner");
  CHECK(kept->at(0).price_usd);
}

TEST_CASE("another run takes what was paid for, unless it is fresh; then both answers are kept") {
  auto store = open_store();
  llm::FakeEndpoint fake({"first", "second"});
  const std::string one = new_run(store);
  CHECK(Talk(store, one, true).conversation.complete(fake, ask("a"))->answer == "first");
  const std::string two = new_run(store, true);
  {
    Talk talk(store, two, true);
    CHECK(talk.conversation.complete(fake, ask("a"))->answer == "first");
    CHECK(talk.conversation.calls() == 0);
    CHECK(talk.meter.spent().calls == 0);
  }
  const auto reused = store::Exchanges(store).of_run(two);
  REQUIRE(reused->size() == 1);
  CHECK_FALSE(reused->at(0).charged);
  const std::string three = new_run(store, true);
  CHECK(Talk(store, three, false).conversation.complete(fake, ask("a"))->answer == "second");
  CHECK(store::Exchanges(store).of_run(three)->at(0).answer == "second");
  CHECK(store::Exchanges(store).of_run(one)->at(0).answer == "first");
}

class Broken final : public llm::Endpoint {
 public:
  std::string name() const override { return "broken"; }
  Result<llm::Exchange> complete(const llm::Request&) override {
    llm::Exchange e;
    e.problem = "the stream was cut";
    e.prompt_tokens = 10;
    return e;
  }
};

TEST_CASE("answers of no use are charged and kept; four in a row are the endpoint's end") {
  auto store = open_store();
  const std::string run = new_run(store);
  Broken broken;
  llm::FakeEndpoint fake({"good"});
  Talk talk(store, run, true);
  for (int i = 0; i < 3; ++i) {
    const auto exchange = talk.conversation.complete(broken, ask("a"));
    REQUIRE(exchange);
    CHECK(exchange->problem == "the stream was cut");
  }
  CHECK(talk.conversation.complete(fake, ask("b"))->answer == "good");
  for (int i = 0; i < 3; ++i) CHECK(talk.conversation.complete(broken, ask("c")));
  const auto last = talk.conversation.complete(broken, ask("d"));
  REQUIRE_FALSE(last);
  CHECK(last.error().code == ErrorCode::unavailable);
  CHECK(last.error().message.find("the last 4 answers") != std::string::npos);
  CHECK(talk.meter.spent().calls == 8);
  CHECK(store::Exchanges(store).of_run(run)->size() == 8);
}

}  // namespace
}  // namespace mtmc::search
