// Internal: races between blocks on global memory, and reads of bytes that neither the host nor a
// kernel wrote.
//
// Races. Writable allocations are divided into chunks of 64 granules (4 bytes, fewer once something
// narrower is accessed). A chunk keeps, for the few blocks that touched it, which granules the
// block read and wrote: 24 bytes for 256, made when a chunk is first touched. Two blocks that touch
// one granule, one of them writing, race unless synchronisation orders them: a block releases what
// it did before its last device-wide fence (or before a .release operation) with the next strong
// write or atomic to a variable, and whoever then reads the variable with a strong load or an
// atomic acquires it, transitively. Atomics and strong accesses do not race with each other.
// Limits: order is kept per block, not per thread, and a chunk remembers the last 8 records, so
// some races are missed; none is invented.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/listener.hpp"

namespace mtmc::emulator {

class GlobalChecker : public Listener {
 public:
  explicit GlobalChecker(const LaunchView& view);

  template <SiteRole Role>
  void access(const AccessEvent& e) {
    if constexpr (Role == SiteRole::global_load) check(e, Act::load);
    if constexpr (Role == SiteRole::global_store) check(e, Act::store);
    if constexpr (Role == SiteRole::global_atomic) check(e, Act::atomic);
  }

  void block_begins(const BlockPlace& place) override;
  void fenced(const Warp& warp, uint32_t lanes, FenceKind kind) override;
  void cluster_arrived(const Warp& warp, uint32_t lanes) override;
  void cluster_released(const Warp& warp, uint32_t lanes) override;
  void copy_issued(const CopyEvent& copy) override;
  void copy_source_read(const CopyEvent& copy) override;
  void copy_completed(const CopyEvent& copy) override;
  void divided_by_zero(const Warp& warp, const Op& op, uint32_t lanes) override;

 private:
  enum class Act : uint8_t { load, store, atomic };
  static constexpr uint32_t max_records = 8;
  static constexpr uint32_t max_epoch = (1u << 14) - 1;

  struct Record {
    uint32_t owner = 0;  // linear block + 1; 0: empty
    uint32_t epoch : 14 = 0;
    uint32_t strong : 1 = 0;  // atomics and strong accesses
    uint32_t more : 1 = 0;    // the chunk's first record: there are others
    uint32_t site : 16 = 0;   // of the last write, else of the last read
    uint64_t wrote = 0, read = 0;
  };
  struct Free {
    void operator()(void* p) const;
  };
  struct Shadow {
    const Allocation* allocation;
    uint32_t shift = 2;  // of a granule
    std::unique_ptr<Record[], Free> records;
    std::unordered_map<uint64_t, std::vector<Record>> more;  // by chunk
  };
  struct Release {
    uint32_t owner, epoch;
    uint64_t time;
  };
  struct BlockState {
    uint32_t epoch = 0;
    int32_t fenced = -1;                              // epochs up to here are released
    std::unordered_map<uint64_t, uint64_t> acquired;  // time, by variable
    bool known_is_current = false;
    bool knows_all = false;
    std::unordered_map<uint32_t, uint32_t> known;  // owner -> epoch ordered before
  };
  struct Runs {  // bytes of a request relative to the first lane's
    uint32_t generation = 0;
    struct Run {
      int64_t start;
      uint64_t bytes;
    };
    std::vector<Run> runs;
  };
  struct Request {
    const Warp& warp;
    const Op& op;
    uint32_t owner;
    uint32_t epoch;
    uint16_t site;
    Act act;
    bool strong;
    int lane;
  };
  struct PendingSource {
    uint64_t id;
    const Allocation* allocation;
    uint64_t first, end;
    int32_t origin;
  };

  void check(AccessEvent e, Act act);
  void derive(Runs& runs, AccessEvent e);
  Shadow& shadow_of(const Allocation& allocation);
  void refine(Shadow& shadow, uint64_t bytes);
  void touch(Shadow& shadow, const Request& r, uint64_t first, uint64_t bytes);
  void collide(Shadow& shadow, const Request& r, uint64_t chunk, uint64_t mask);
  void check_initialised(const Allocation& a, const Request& r, uint64_t first, uint64_t bytes);
  void synchronise(const AccessEvent& e, bool reads, bool writes);
  void acquire(BlockState& state, uint64_t variable);
  void release(uint32_t owner, uint32_t epoch, uint64_t variable);
  bool ordered(const Record& earlier, uint32_t owner);
  void learn(BlockState& state, uint32_t owner);
  std::string block_text(uint32_t owner) const;
  uint32_t epoch_of(uint32_t owner) const;
  Request request_of(const CopyEvent& copy, Act act) const;

  const Code& code_;
  const LaunchParams& launch_;
  Findings& findings_;
  bool synchronises_ = false;  // the kernel has fences or ordered accesses
  std::vector<Runs> runs_;     // by site
  std::vector<int32_t> site_origin_;
  std::vector<std::unique_ptr<Shadow>> shadows_;
  std::vector<Shadow*> site_shadow_;
  std::unordered_map<uint32_t, BlockState> states_;  // of blocks that synchronise
  std::unordered_map<uint64_t, std::vector<Release>> releases_;
  uint64_t time_ = 0;
  std::vector<PendingSource> pending_;
};

}  // namespace mtmc::emulator
