// The default. A model of the space pays from the first dozen trials on and is what a small budget
// goes to. It can settle in a basin; what comes after kModelOnly trials is shared with an iterated
// local search that learns only from its own walk, so that it ends up elsewhere, and walks for free
// over what others have tried. Who proposes next is decided by share and credit: improvements of
// the best add to it and fade (after the credit of OpenTuner's bandit, Ansel et al. 2014).
#include <vector>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::size_t kModelOnly = 100;
constexpr double kModelShare = 0.7, kLocalShare = 0.3;
constexpr double kCredit = 0.1, kFade = 0.9;
constexpr int kKnownSteps = 100;  // over known ground in one question

class Portfolio final : public RememberingStrategy {
 public:
  Portfolio(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, options, "portfolio") {
    options.first.clear();  // tried by the portfolio itself
    members_.push_back({make_forest(space, options), kModelShare, 0, 0});
    if (budget_ > kModelOnly) members_.push_back({make_local(space, options), kLocalShare, 0, 0});
  }
  std::string_view name() const override { return "portfolio"; }

 private:
  struct Member {
    std::unique_ptr<Strategy> strategy;
    double share, credit;
    std::size_t asked;
  };

  std::optional<std::uint64_t> choose() override {
    std::size_t chosen = 0;
    if (told() >= kModelOnly) {
      const auto owed = [](const Member& m) {
        return (m.share + m.credit) / (1.0 + static_cast<double>(m.asked));
      };
      for (std::size_t m = 1; m < members_.size(); ++m)
        if (owed(members_[m]) > owed(members_[chosen])) chosen = m;
    }
    Member& member = members_[chosen];
    ++member.asked;
    for (int step = 0; step < kKnownSteps; ++step) {
      const auto index = member.strategy->next();
      if (!index) break;
      const Record* known = record(*index);
      if (!known) {
        proposed_by_[*index] = chosen;
        return index;
      }
      if (known->state != State::pending) member.strategy->tell(*index, measurement(*known));
    }
    return fresh();
  }

  void learned(std::uint64_t index, const Record& record) override {
    std::optional<std::size_t> proposer;
    if (const auto it = proposed_by_.find(index); it != proposed_by_.end()) {
      proposer = it->second;
      proposed_by_.erase(it);
    }
    members_[0].strategy->tell(index, measurement(record));
    if (proposer && *proposer > 0) members_[*proposer].strategy->tell(index, measurement(record));
    if (record.state != State::ok || (known_ && record.value >= best_)) return;
    best_ = record.value;
    known_ = true;
    for (Member& m : members_) m.credit *= kFade;
    if (proposer) members_[*proposer].credit += kCredit;
  }

  static Measurement measurement(const Record& record) {
    return record.state == State::ok ? Measurement::success(record.value) : Measurement::failure();
  }

  std::vector<Member> members_;  // the model first
  std::unordered_map<std::uint64_t, std::size_t> proposed_by_;
  bool known_ = false;
  double best_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_portfolio(const Space& space, StrategyOptions options) {
  return std::make_unique<Portfolio>(space, std::move(options));
}

}  // namespace mtmc::tuner
