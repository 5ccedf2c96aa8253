#include "emulator/listener_set.hpp"

#include <algorithm>
#include <tuple>

#include "emulator/check_global.hpp"
#include "emulator/check_shared.hpp"
#include "emulator/check_wgmma.hpp"
#include "emulator/run.hpp"

namespace mtmc::emulator {
namespace {

template <class... Watchers>
struct Composition {
  std::tuple<Watchers&...> watchers;

  template <SiteRole Role>
  void tell(const AccessEvent& event) {
    std::apply([&](auto&... w) { (w.template access<Role>(event), ...); }, watchers);
  }
  template <SiteRole Role>
  static void watch(void* self, const Op& op, Warp& warp, uint64_t first, uint32_t bytes) {
    auto& composition = *static_cast<Composition*>(self);
    const AccessEvent event{op, warp, first, bytes};
    const bool ready = std::apply(
        [&](auto&... w) { return (w.template ready<Role>(event) && ...); }, composition.watchers);
    if (__builtin_expect(!ready, 0)) return prepare<Role>(self, op, warp, first, bytes);
    composition.template tell<Role>(event);
  }
  // Apart, so that the usual way has no registers to save.
  template <SiteRole Role>
  [[gnu::noinline]] static void prepare(void* self, const Op& op, Warp& warp, uint64_t first,
                                        uint32_t bytes) {
    auto& composition = *static_cast<Composition*>(self);
    const AccessEvent event{op, warp, first, bytes};
    std::apply([&](auto&... w) { (w.template prepare<Role>(event), ...); }, composition.watchers);
    composition.template tell<Role>(event);
  }
};

bool writes_are_tracked(const DeviceMemory& memory) {
  return std::any_of(memory.allocations().begin(), memory.allocations().end(),
                     [](const auto& a) { return a->tracks_writes; });
}

}  // namespace

template <class... Watchers>
void ListenerSet::compose(Watchers&... watchers) {
  using C = Composition<Watchers...>;
  watchers_ =
      std::shared_ptr<void>(new C{{watchers...}}, [](void* p) { delete static_cast<C*>(p); });
  const auto set = [&]<SiteRole... Roles>(std::integer_sequence<SiteRole, Roles...>) {
    ((watch_[static_cast<size_t>(Roles)] = &C::template watch<Roles>), ...);
  };
  set(std::integer_sequence<SiteRole, SiteRole::global_load, SiteRole::global_store,
                            SiteRole::global_atomic, SiteRole::shared_load, SiteRole::shared_store,
                            SiteRole::shared_atomic>{});
  (listeners_.all.push_back(&watchers), ...);
}

ListenerSet::ListenerSet(const LaunchView& view) {
  const Checks checks = view.options.checks;
  if (checks == Checks::bounds && !view.options.collect_profile &&
      !writes_are_tracked(view.memory)) {
    return;
  }
  profile_ = std::make_unique<ProfileListener>(view);
  if (checks == Checks::bounds) {
    compose(*profile_);
    return;
  }
  if (checks == Checks::shared_races) {
    auto shared = std::make_unique<SharedRaces>(view);
    compose(*profile_, *shared);
    owned_.push_back(std::move(shared));
    return;
  }
  auto shared = std::make_unique<SharedChecks>(view);
  auto global = std::make_unique<GlobalChecker>(view);
  if (WgmmaOperands::needed(view.code)) {
    auto wgmma = std::make_unique<WgmmaOperands>(view);
    compose(*profile_, *shared, *global, *wgmma);
    owned_.push_back(std::move(wgmma));
  } else {
    compose(*profile_, *shared, *global);
  }
  sync_listener_ = shared.get();
  owned_.push_back(std::move(shared));
  owned_.push_back(std::move(global));
  listeners_.thread_copies = true;
}

ListenerSet::~ListenerSet() = default;

Watch ListenerSet::watch(SiteRole role) const { return watch_[static_cast<size_t>(role)]; }

}  // namespace mtmc::emulator
