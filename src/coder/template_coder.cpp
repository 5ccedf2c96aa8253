// The Coder that needs no model: schedules are changed by schedule_ops and written by assemble.
#include <fmt/format.h>

#include "coder/assemble.hpp"
#include "coder/coder.hpp"
#include "coder/schedule_ops.hpp"

namespace mtmc::coder {

namespace {

class TemplateCoder final : public Coder {
 public:
  std::string name() const override { return "template"; }

  Result<Answer> start(const Task& task) override {
    auto candidate =
        assemble(task.region.op, task.lowering, naive_schedule(task.lowering), &task.device);
    if (!candidate) return Answer(Refusal{candidate.error().message});
    return Answer(std::move(*candidate));
  }

  std::vector<kernel::Step> admissible(const Task& task,
                                       const kernel::Candidate& candidate) override {
    if (!candidate.schedule || !fits(task, *candidate.schedule)) return {};
    return admissible_steps({task.lowering, &task.device}, *candidate.schedule);
  }

  Result<Answer> apply(const Task& task, const kernel::Candidate& candidate,
                       const kernel::Step& step, const Feedback*) override {
    if (!candidate.schedule)
      return Answer(Refusal{"the candidate has no schedule; templates cannot change free text"});
    if (!fits(task, *candidate.schedule))
      return Answer(Refusal{"the candidate's schedule is of another region"});
    auto schedule = transform({task.lowering, &task.device}, *candidate.schedule, step);
    if (!schedule)
      return Answer(Refusal{fmt::format("{}: {}", step.key(), schedule.error().message)});
    auto next = assemble(task.region.op, task.lowering, *schedule, &task.device);
    if (!next) return Answer(Refusal{fmt::format("{}: {}", step.key(), next.error().message)});
    return Answer(std::move(*next));
  }

 private:
  // Every primitive once, in known groups: schedules may come from a store.
  static bool fits(const Task& task, const kernel::Schedule& schedule) {
    std::vector<int> seen(task.lowering.primitives.size(), 0);
    for (const auto& g : schedule.groups) {
      if (g.primitives.empty()) return false;
      int last = -1;
      for (int p : g.primitives) {
        if (p <= last || p >= static_cast<int>(seen.size())) return false;
        last = p;
        ++seen[static_cast<std::size_t>(p)];
      }
    }
    for (int count : seen)
      if (count != 1) return false;
    return true;
  }
};

}  // namespace

std::unique_ptr<Coder> make_template_coder() { return std::make_unique<TemplateCoder>(); }

}  // namespace mtmc::coder
