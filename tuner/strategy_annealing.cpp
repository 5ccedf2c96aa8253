// Simulated annealing (Kirkpatrick, Gelatt, Vecchi 1983): a walk over neighbours that takes a worse
// place with a probability that falls with the relative loss and with time. The temperature falls
// geometrically over the budget and starts again where the budget is passed. Known ground is walked
// over without a trial; failed configurations are never stood on.
#include <cmath>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

constexpr double kHot = 0.5, kCold = 0.001;  // relative losses that are taken with probability 1/e
constexpr int kSteps = 64;                   // over known ground before it looks elsewhere

class Annealing final : public RememberingStrategy {
 public:
  Annealing(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, std::move(options), "annealing") {}
  std::string_view name() const override { return "annealing"; }

 private:
  std::optional<std::uint64_t> choose() override {
    if (!centre_) return fresh();
    for (int step = 0; step < kSteps; ++step) {
      const auto index = random_neighbour(*centre_, dice_.coin());
      if (!index) break;
      const Record* known = record(*index);
      if (!known) return index;
      if (known->state == State::ok) visit(*index, known->value);
    }
    return fresh();
  }

  void learned(std::uint64_t index, const Record& record) override {
    if (record.state == State::ok) visit(index, record.value);
  }

  void visit(std::uint64_t index, double value) {
    const double scale = std::min(std::abs(value), std::abs(value_));
    const double loss = centre_ ? (value - value_) / (scale > 0 ? scale : 1) : -1;
    if (loss > 0 && dice_.unit() >= std::exp(-loss / temperature())) return;
    centre_ = index;
    value_ = value;
  }

  double temperature() const {
    const double progress = static_cast<double>(told() % budget_) / static_cast<double>(budget_);
    return kHot * std::pow(kCold / kHot, progress);
  }

  std::optional<std::uint64_t> centre_;
  double value_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_annealing(const Space& space, StrategyOptions options) {
  return std::make_unique<Annealing>(space, std::move(options));
}

}  // namespace mtmc::tuner
