#include "emulator/check_wgmma.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mtmc::emulator {

bool WgmmaOperands::needed(const Code& code) {
  return std::any_of(code.origins.begin(), code.origins.end(),
                     [](const Origin& o) { return o.text.starts_with("wgmma.mma_async"); });
}

void WgmmaOperands::block_begins(const BlockPlace& place) {
  if (place.slot >= blocks_.size()) blocks_.resize(place.slot + 1);
  auto& block = blocks_[place.slot];
  if (block == nullptr) block = std::make_unique<Block>();
  for (Warpgroup& g : block->groups) {
    g.retired = std::max(g.issued, *std::max_element(g.open.begin(), g.open.end()));
    g.issued = g.retired;
    g.first = g.retired + 1;
    g.open.fill(g.first);
  }
}

void WgmmaOperands::async_proxy_read(const Warp& warp, const Op& op, const BlockPlace& owner,
                                     uint64_t offset, uint64_t bytes) {
  Warpgroup& g = blocks_[owner.slot]->groups[warp.index / 4];
  const uint32_t group = g.open[warp.index % 4];
  if (group <= g.retired) return;  // another warp has waited for it: the wgmma is over
  g.issued = std::max(g.issued, group);
  if (g.chunks.empty()) g.chunks.resize(view_.shared_bytes / chunk_bytes + 1);
  for (uint64_t at = offset / chunk_bytes; at * chunk_bytes < offset + bytes; ++at) {
    g.chunks[at] = {group, op.origin};
  }
}

void WgmmaOperands::wgmma_committed(const Warp& warp) {
  blocks_[warp.place->slot]->groups[warp.index / 4].open[warp.index % 4] += 1;
}

void WgmmaOperands::wgmma_waited(const Warp& warp, uint32_t pending) {
  Warpgroup& g = blocks_[warp.place->slot]->groups[warp.index / 4];
  const uint32_t committed = g.open[warp.index % 4] - g.first;
  if (pending < committed) g.retired = std::max(g.retired, g.first - 1 + committed - pending);
}

const WgmmaOperands::Use* WgmmaOperands::use_of(const Block& block, uint64_t offset,
                                                uint64_t bytes) {
  for (const Warpgroup& g : block.groups) {
    if (g.issued <= g.retired) continue;
    const uint64_t end =
        std::min<uint64_t>((offset + bytes + chunk_bytes - 1) / chunk_bytes, g.chunks.size());
    for (uint64_t at = offset / chunk_bytes; at < end; ++at) {
      if (g.chunks[at].group > g.retired) return &g.chunks[at];
    }
  }
  return nullptr;
}

std::string WgmmaOperands::operand_text(const Use& use) const {
  return fmt::format("an operand of the wgmma at {}: no wgmma.wait_group has retired it",
                     place_of(view_.code, use.origin));
}

void WgmmaOperands::check(const AccessEvent& e, const Block& block) {
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) {
    const int lane = __builtin_ctz(m);
    const Use* use = use_of(block, e.offset(lane), e.bytes);
    if (use == nullptr) continue;
    return view_.findings.report(FaultKind::async_copy_hazard, e.warp, e.op.origin, use->origin,
                                 lane, e.offset(lane), [&] {
                                   return fmt::format("store of {} bytes at shared offset {}, {}",
                                                      e.bytes, e.offset(lane), operand_text(*use));
                                 });
  }
}

void WgmmaOperands::copy_issued(const CopyEvent& copy) {
  if (copy.destination.owner == nullptr) return;
  const Block* block = block_in_flight(*copy.destination.owner);
  if (block == nullptr) return;
  for (const CopyPart& part : copy.parts) {
    const Use* use = use_of(*block, part.destination, part.bytes);
    if (use == nullptr) continue;
    return view_.findings.report(FaultKind::async_copy_hazard, copy.warp, copy.op.origin,
                                 use->origin, part.lane, part.destination, [&] {
                                   return fmt::format("asynchronous copy to shared offset {}, {}",
                                                      part.destination, operand_text(*use));
                                 });
  }
}

}  // namespace mtmc::emulator
