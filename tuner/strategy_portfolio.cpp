// The default. A model of the space pays from the first dozen trials on; walks and crossover find
// what it overlooks, and pay the more the more trials there are. All members hear every outcome.
// Who proposes next is decided by credit (the AUC bandit of OpenTuner, Ansel et al. 2014): recent
// proposals that became the best count, later ones more, plus a bonus for who was asked rarely.
#include <cmath>
#include <cstdlib>
#include <deque>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

struct Arm {
  std::unique_ptr<Strategy> strategy;
  double share;           // what it is asked for while nobody has credit
  std::size_t asked = 0;  // proposals
  double credit = 0;      // decayed count of improvements
};

class Portfolio final : public RememberingStrategy {
 public:
  Portfolio(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, options, "portfolio") {
    static const double A = getenv("PA") ? atof(getenv("PA")) : 0.15, G = getenv("PG") ? atof(getenv("PG")) : 0.15, L = getenv("PL") ? atof(getenv("PL")) : 0;
    options.first.clear();
    arms_.push_back({make_forest(space, options), 1 - A - G - L});
    if (A > 0) arms_.push_back({make_annealing(space, options), A});
    if (G > 0) arms_.push_back({make_genetic(space, options), G});
    if (L > 0) arms_.push_back({make_local(space, options), L});
  }
  std::string_view name() const override { return "portfolio"; }

 private:
  std::optional<std::uint64_t> choose() override {
    static const double N0 = getenv("PN0") ? atof(getenv("PN0")) : 50;
    if (told() < N0) return ask(0);
    double most = -1;
    std::size_t chosen = 0;
    for (std::size_t a = 0; a < arms_.size(); ++a) {
      const double owed = (arms_[a].share + arms_[a].credit) / (1.0 + static_cast<double>(arms_[a].asked));
      if (owed > most) { most = owed; chosen = a; }
    }
    return ask(chosen);
  }

  std::optional<std::uint64_t> ask(std::size_t a) {
    ++arms_[a].asked;
    const auto index = arms_[a].strategy->next();
    if (index && !taken(*index)) {
      proposed_[*index] = a;
      return index;
    }
    return fresh();
  }

  void learned(std::uint64_t index, const Record& record) override {
    static const double CR = getenv("PCR") ? atof(getenv("PCR")) : 0.1;
    const Measurement m = record.state == State::ok ? Measurement::success(record.value) : Measurement::failure();
    for (auto& arm : arms_) arm.strategy->tell(index, m);
    const auto it = proposed_.find(index);
    if (record.state == State::ok && (!known_ || record.value < best_)) {
      best_ = record.value;
      known_ = true;
      for (auto& arm : arms_) arm.credit *= 0.9;
      if (it != proposed_.end()) arms_[it->second].credit += CR;
    }
    if (it != proposed_.end()) proposed_.erase(it);
  }

  std::vector<Arm> arms_;
  std::unordered_map<std::uint64_t, std::size_t> proposed_;
  bool known_ = false;
  double best_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_portfolio(const Space& space, StrategyOptions options) {
  return std::make_unique<Portfolio>(space, std::move(options));
}

}  // namespace mtmc::tuner
