// What a few blocks of a launch did, in order: the cost model replays it through a model of the
// caches and of one SM. Counts (profile.hpp) cover every block that ran; a trace covers a sample.
//
// Bounded: a block's trace stops at its share of kTraceLimit and says how much it left out.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace mtmc::emulator {

struct Code;  // emulator/code.hpp, internal

// One 128-byte line that a warp's request to global memory touched.
class LineAccess {
 public:
  enum class Kind : uint8_t { load, load_past_l1, store, atomic };
  LineAccess(uint64_t line, uint32_t sectors, Kind kind, bool first)
      : bits_(line << 8 | static_cast<uint64_t>(kind) << 5 | uint64_t{first} << 4 | sectors) {}
  uint64_t line() const { return bits_ >> 8; }  // address / 128
  uint32_t sectors() const { return bits_ & 15; }
  bool first() const { return (bits_ >> 4 & 1) != 0; }  // of its request
  Kind kind() const { return static_cast<Kind>(bits_ >> 5 & 3); }

 private:
  uint64_t bits_;
};

struct WarpTrace {
  uint64_t lines_limit = 0, path_limit = 0;
  std::vector<LineAccess> lines;
  std::vector<uint32_t> path;   // basic blocks entered; of one traced block only
  uint64_t lines_left_out = 0;  // beyond the limit
  uint64_t instructions = 0;    // of the path, those left out included
  uint64_t instructions_left_out = 0;

  void add(const LineAccess& access) {
    if (lines.size() < lines_limit) {
      lines.push_back(access);
    } else {
      ++lines_left_out;
    }
  }
  void enter(uint32_t block, uint32_t block_instructions) {
    instructions += block_instructions;
    if (instructions <= path_limit) {
      path.push_back(block);
    } else {
      instructions_left_out += block_instructions;
    }
  }
};

struct BlockTrace {
  uint64_t block = 0;  // linear index in the grid
  bool has_path = false;
  std::vector<WarpTrace> warps;
};

// What the requests of one load or store came to, over all blocks that ran.
struct SiteCounts {
  uint64_t requests = 0, sectors = 0, wavefronts = 0;
};

struct Trace {
  std::shared_ptr<const Code> code;
  std::vector<BlockTrace> blocks;  // by ascending block
  std::vector<SiteCounts> sites;
};

// Line accesses of all traced blocks together (8 bytes each), and instructions of the one path.
inline constexpr uint64_t kTraceLimit = uint64_t{1} << 19;
inline constexpr uint64_t kPathLimit = uint64_t{1} << 18;

// Which blocks to trace: a seeded choice of `count` among the blocks that run at the same time as
// the middle one, `wave` blocks in all. Ascending.
std::vector<uint64_t> blocks_to_trace(uint64_t total, uint64_t wave, uint64_t count);

}  // namespace mtmc::emulator
