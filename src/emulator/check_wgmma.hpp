// Internal: operands of wgmma in shared memory that are overwritten before it has read them.
//
// A wgmma reads its operands until a wgmma.wait_group retires the group that it was committed to.
// Until then its 16-byte chunks of shared memory are in flight, and a store, an atomic or a copy
// into one of them is a hazard. Groups are a warpgroup's: the first of its warps that has waited
// retires the operands of all four. Registers of wgmma are looked at by wgmma_order.hpp.
//
// In flight is what has a number above the warpgroup's `retired`: numbers only grow, so that
// retiring and beginning a block touch no chunk.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "emulator/listener.hpp"

namespace mtmc::emulator {

class WgmmaOperands : public Listener {
 public:
  explicit WgmmaOperands(const LaunchView& view) : view_(view) {}
  static bool needed(const Code& code);

  template <SiteRole Role>
  void access(const AccessEvent& e) {
    if constexpr (Role == SiteRole::shared_store || Role == SiteRole::shared_atomic) {
      if (Block* block = block_in_flight(*e.owner())) check(e, *block);
    }
  }

  void block_begins(const BlockPlace& place) override;
  void async_proxy_read(const Warp& warp, const Op& op, const BlockPlace& owner, uint64_t offset,
                        uint64_t bytes) override;
  void wgmma_committed(const Warp& warp) override;
  void wgmma_waited(const Warp& warp, uint32_t pending) override;
  void copy_issued(const CopyEvent& copy) override;

 private:
  static constexpr uint32_t chunk_bytes = 16;
  struct Use {
    uint32_t group = 0;  // 0: never
    int32_t origin = -1;
  };
  struct Warpgroup {
    std::vector<Use> chunks;                      // the last use of each; empty until there is one
    std::array<uint32_t, 4> open{1, 1, 1, 1};     // by warp: the group that is not committed
    uint32_t first = 1, issued = 0, retired = 0;  // of this block; newest in use; newest retired
  };
  struct Block {
    std::array<Warpgroup, lanes / 4> groups;
  };

  Block* block_in_flight(const BlockPlace& place) {
    if (place.slot >= blocks_.size() || blocks_[place.slot] == nullptr) return nullptr;
    for (const Warpgroup& g : blocks_[place.slot]->groups) {
      if (g.issued > g.retired) return blocks_[place.slot].get();
    }
    return nullptr;
  }
  void check(const AccessEvent& e, const Block& block);
  // The use in flight of one of these bytes; nullptr when there is none.
  static const Use* use_of(const Block& block, uint64_t offset, uint64_t bytes);
  std::string operand_text(const Use& use) const;

  const LaunchView view_;
  std::vector<std::unique_ptr<Block>> blocks_;  // by slot
};

}  // namespace mtmc::emulator
