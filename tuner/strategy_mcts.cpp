// Monte Carlo tree search over the parameters, one level each, as QiMeng-TensorOp tunes its
// primitives: upper confidence bounds (Kocsis, Szepesvari 2006) over mean and best reward, where
// the reward of a trial is the best value so far over its own. Only branches that hold valid
// configurations exist: a node is a range of a component's rows, and nodes are made when first
// passed. A branch whose configurations are all taken is closed.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tuner/strategies.hpp"

namespace mtmc::tuner {

namespace {

constexpr double kExplore = 0.3;

class Mcts final : public RememberingStrategy {
 public:
  Mcts(const Space& space, StrategyOptions options)
      : RememberingStrategy(space, std::move(options), "mcts"), digits_(counts_.size()) {
    // Components with a choice, in order; the levels of the tree are their members.
    for (std::size_t c = 0; c < space.components().size(); ++c)
      if (space.components()[c].rows() > 1) chosen_.push_back(c);
    Node root;
    root.left = space.size();
    enter(&root, 0);
    nodes_.push_back(std::move(root));
  }
  std::string_view name() const override { return "mcts"; }

 private:
  struct Node {
    std::uint32_t level = 0;          // of chosen_: which component; its size at a leaf
    std::uint32_t depth = 0;          // member of the component
    std::uint64_t low = 0, high = 0;  // rows of the component
    std::uint64_t left = 0;           // configurations below that are not taken
    std::uint32_t visits = 0;
    double sum = 0, best = 0;
    std::uint32_t child = 0, children = 0;  // made together, by digit; 0: not yet
    ValueIndex digit = 0;
  };

  const Component& component(const Node& n) const { return space_.components()[chosen_[n.level]]; }

  void enter(Node* n, std::uint32_t level) const {
    n->level = level;
    n->depth = 0;
    n->low = 0;
    n->high = level < chosen_.size() ? component(*n).rows() : 0;
  }

  void expand(std::uint32_t at) {
    if (nodes_[at].children || nodes_[at].level >= chosen_.size()) return;
    const Node parent = nodes_[at];
    const Component& c = component(parent);
    std::uint64_t below = 1;  // configurations of the components that follow
    for (std::size_t l = parent.level + 1; l < chosen_.size(); ++l)
      below *= space_.components()[chosen_[l]].rows();
    const auto first = static_cast<std::uint32_t>(nodes_.size());
    for (std::uint64_t row = parent.low; row < parent.high;) {
      const ValueIndex digit = c.row(row)[parent.depth];
      std::uint64_t low = row, high = parent.high;
      while (low < high) {  // end of the rows with this digit
        const std::uint64_t middle = low + (high - low) / 2;
        if (c.row(middle)[parent.depth] <= digit)
          low = middle + 1;
        else
          high = middle;
      }
      Node child;
      child.digit = digit;
      child.left = (low - row) * below;
      if (parent.depth + 1 == c.members().size()) {
        enter(&child, parent.level + 1);
      } else {
        child.level = parent.level;
        child.depth = parent.depth + 1;
        child.low = row;
        child.high = low;
      }
      nodes_.push_back(child);
      row = low;
    }
    nodes_[at].child = first;
    nodes_[at].children = static_cast<std::uint32_t>(nodes_.size()) - first;
  }

  std::optional<std::uint64_t> choose() override {
    // What was proposed first and has no outcome yet closes its leaf when the tree comes to it.
    while (nodes_[0].left > 0) {
      const std::uint64_t index = descend();
      close(index);
      if (!taken(index)) return index;
    }
    return std::nullopt;
  }

  std::uint64_t descend() {
    space_.digits(0, digits_.data());  // components with one row
    std::uint32_t at = 0;
    while (nodes_[at].level < chosen_.size()) {
      expand(at);
      const std::uint32_t next = select(at);
      digits_[component(nodes_[at]).members()[nodes_[at].depth]] = nodes_[next].digit;
      at = next;
    }
    return *space_.index_of_digits(digits_.data());
  }

  // An unvisited child by the number of its configurations, else the highest bound.
  std::uint32_t select(std::uint32_t at) {
    const Node& n = nodes_[at];
    std::uint64_t unvisited = 0;
    for (std::uint32_t k = n.child; k < n.child + n.children; ++k)
      if (nodes_[k].left && !nodes_[k].visits) unvisited += nodes_[k].left;
    if (unvisited) {
      std::uint64_t draw = dice_.below(unvisited);
      for (std::uint32_t k = n.child;; ++k) {
        if (!nodes_[k].left || nodes_[k].visits) continue;
        if (draw < nodes_[k].left) return k;
        draw -= nodes_[k].left;
      }
    }
    const double log_visits = std::log(n.visits + 1.0);
    std::uint32_t chosen = n.child;
    double highest = -std::numeric_limits<double>::infinity();
    for (std::uint32_t k = n.child; k < n.child + n.children; ++k) {
      const Node& c = nodes_[k];
      if (!c.left) continue;
      const double bound =
          0.5 * c.sum / c.visits + 0.5 * c.best + kExplore * std::sqrt(log_visits / c.visits);
      if (bound <= highest) continue;
      highest = bound;
      chosen = k;
    }
    return chosen;
  }

  template <class F>
  void along(std::uint64_t index, const F& each) {
    space_.digits(index, digits_.data());
    std::uint32_t at = 0;
    each(&nodes_[0]);
    while (nodes_[at].level < chosen_.size()) {
      expand(at);
      const ValueIndex digit = digits_[component(nodes_[at]).members()[nodes_[at].depth]];
      const auto begin = nodes_.begin() + nodes_[at].child;
      at = static_cast<std::uint32_t>(
          std::lower_bound(begin, begin + nodes_[at].children, digit,
                           [](const Node& n, ValueIndex d) { return n.digit < d; }) -
          nodes_.begin());
      each(&nodes_[at]);
    }
  }
  void close(std::uint64_t index) {
    if (!closed_.emplace(index, true).second) return;
    along(index, [](Node* n) { --n->left; });
  }

  void learned(std::uint64_t index, const Record& record) override {
    close(index);
    double reward = 0;
    if (record.state == State::ok) {
      if (!known_ || record.value < best_) best_ = record.value;
      known_ = true;
      reward = record.value > 0 ? best_ / record.value : record.value <= best_;
    }
    along(index, [&](Node* n) {
      ++n->visits;
      n->sum += reward;
      n->best = std::max(n->best, reward);
    });
  }

  std::vector<std::size_t> chosen_;
  std::vector<Node> nodes_;
  std::vector<ValueIndex> digits_;
  std::unordered_map<std::uint64_t, bool> closed_;
  bool known_ = false;
  double best_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_mcts(const Space& space, StrategyOptions options) {
  return std::make_unique<Mcts>(space, std::move(options));
}

}  // namespace mtmc::tuner
