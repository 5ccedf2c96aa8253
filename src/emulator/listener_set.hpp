// Internal: which listeners a launch has, and the one function per site role that tells them of an
// access. Compositions are static: see listener_set.cpp for the list.
#pragma once

#include <memory>
#include <vector>

#include "emulator/listener.hpp"
#include "emulator/profile_listener.hpp"

namespace mtmc::emulator {

class ListenerSet {
 public:
  explicit ListenerSet(const LaunchView& view);
  ~ListenerSet();

  // nullptr when nobody listens to accesses of this role.
  Watch watch(SiteRole role) const;
  void* watchers() const { return watchers_.get(); }
  Listeners* listeners() { return listeners_.all.empty() ? nullptr : &listeners_; }
  Listener* sync_listener() const { return sync_listener_; }
  // nullptr when nothing is counted.
  ProfileListener* profile() const { return profile_.get(); }

 private:
  template <class... Watchers>
  void compose(Watchers&... watchers);

  std::unique_ptr<ProfileListener> profile_;
  std::vector<std::unique_ptr<Listener>> owned_;
  std::shared_ptr<void> watchers_;
  std::array<Watch, site_role_count> watch_{};
  Listeners listeners_;
  Listener* sync_listener_ = nullptr;
};

}  // namespace mtmc::emulator
