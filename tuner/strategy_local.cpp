// Iterated local search (Lourenco, Martin, Stuetzle 2003) with first improvement. It starts from
// the best of some random samples, because at small budgets the start decides: descents from
// random points need about a hundred trials before they beat plain random search. Near neighbours
// (one step of one parameter) are tried before far ones (any value of one parameter). At a local
// optimum the best optimum so far is shaken by a short random walk; after several shakes without
// progress the search starts again from an untried random configuration.
//
// Values told earlier are remembered, so a walk crosses known ground for free. Failed
// configurations are never a place to search from. Asked while answers are pending, the search
// hands out further neighbours of the same centre, or random samples.
#include <algorithm>
#include <limits>
#include <utility>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

constexpr std::uint64_t kStartSamples = 25;
constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr int kShakesBeforeRestart = 5;
constexpr int kShakeSteps = 2;  // or a quarter of the parameters, if that is more

class Local final : public RememberingStrategy {
 public:
  Local(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, std::move(options), "local"),
        shake_steps_(std::max(kShakeSteps, static_cast<int>(free_.size() / 4))) {}
  std::string_view name() const override { return "local"; }

 private:
  std::optional<std::uint64_t> choose() override {
    if (told() < kStartSamples) return fresh();
    if (awaited_ || !centre_) return fresh();
    if (restarting_) return restart();  // the last new start failed
    for (int shakes = 0; shakes < 2 * kShakesBeforeRestart; ++shakes) {
      if (const auto neighbour = next_neighbour()) return neighbour;
      if (const auto target = leave_optimum()) return target;
    }
    // All around is known: look elsewhere.
    return restart();
  }

  void learned(std::uint64_t index, const Record& record) override {
    const bool was_awaited = awaited_ == index;
    if (was_awaited) awaited_.reset();
    if (record.state != State::ok) return;
    const bool best = record.value < best_value_;
    if (best) {
      best_value_ = record.value;
      awaited_.reset();  // whatever the search was about to do, this is the better place
    }
    if (best || was_awaited || (centre_ && record.value < centre_value_))
      move_to(index, record.value);
  }

  void move_to(std::uint64_t index, double value) {
    centre_ = index;
    centre_value_ = value;
    listed_ = false;
    restarting_ = false;
  }

  // The next untried neighbour of the centre. Neighbours already known to be better are moved to
  // without a trial; the value falls each time, so this ends.
  std::optional<std::uint64_t> next_neighbour() {
    while (true) {
      if (!listed_) list_neighbours();
      if (!listed_) continue;
      while (!queue_.empty()) {
        const std::uint64_t index = queue_.back();
        queue_.pop_back();
        if (!taken(index)) return index;
      }
      return std::nullopt;
    }
  }

  // Fills the queue, last element first to try; leaves listed_ false where it moved the centre.
  void list_neighbours() {
    listed_ = true;
    auto near = space_.neighbours(*centre_, Neighbourhood::adjacent);
    auto far = space_.neighbours(*centre_, Neighbourhood::hamming);
    std::optional<std::uint64_t> better;
    double better_value = centre_value_;
    for (const std::uint64_t index : far) {
      const Record* known = record(index);
      if (!known || known->state != State::ok || known->value >= better_value) continue;
      better = index;
      better_value = known->value;
    }
    if (better) return move_to(*better, better_value);
    const auto is_taken = [&](std::uint64_t index) { return taken(index); };
    std::erase_if(far, [&](std::uint64_t index) {
      return taken(index) || std::find(near.begin(), near.end(), index) != near.end();
    });
    std::erase_if(near, is_taken);
    dice_.shuffle(&far);
    dice_.shuffle(&near);
    queue_ = std::move(far);
    queue_.insert(queue_.end(), near.begin(), near.end());
  }

  // At a local optimum: shake the best one. A number to try where the walk ends on new ground;
  // nullopt where the centre moved to known ground, or the walk ended on a failure.
  std::optional<std::uint64_t> leave_optimum() {
    if (centre_value_ < optimum_value_) {
      optimum_ = *centre_;
      optimum_value_ = centre_value_;
      stalls_ = 0;
    } else if (++stalls_ > kShakesBeforeRestart) {
      return restart();
    }
    std::uint64_t index = optimum_;
    for (int step = 0; step < shake_steps_; ++step) {
      const auto around = space_.neighbours(index, Neighbourhood::hamming);
      if (around.empty()) break;
      index = around[dice_.below(around.size())];
    }
    return go(index);
  }

  std::optional<std::uint64_t> restart() {
    const auto index = fresh();
    if (!index) return std::nullopt;
    stalls_ = 0;
    optimum_value_ = kNone;
    restarting_ = true;
    return go(*index);
  }

  std::optional<std::uint64_t> go(std::uint64_t index) {
    const Record* known = record(index);
    if (!known) {
      awaited_ = index;
      return index;
    }
    if (known->state == State::ok) move_to(index, known->value);
    return std::nullopt;
  }

  int shake_steps_, stalls_ = 0;
  std::optional<std::uint64_t> centre_;   // where the search stands
  std::optional<std::uint64_t> awaited_;  // becomes the centre once its trial went well
  double best_value_ = kNone, centre_value_ = kNone;
  std::uint64_t optimum_ = 0;  // the local optimum that is shaken
  double optimum_value_ = kNone;
  bool listed_ = false, restarting_ = false;
  std::vector<std::uint64_t> queue_;
};

}  // namespace

std::unique_ptr<Strategy> make_local(const Space& space, StrategyOptions options) {
  return std::make_unique<Local>(space, std::move(options));
}

}  // namespace mtmc::tuner
