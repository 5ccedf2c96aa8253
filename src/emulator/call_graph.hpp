// Internal: the order of a program's functions, which calls may come back to their own caller, and
// how deep the stack can get.
#pragma once

#include <cstdint>
#include <vector>

namespace mtmc::emulator {

struct CallNode {
  std::vector<uint32_t> callees;  // numbers; may repeat
  uint64_t frame_bytes = 0;
};

struct CallOrder {
  std::vector<uint32_t> order;  // callees before their callers, as far as there are no cycles
  std::vector<uint32_t> cycle;  // by number: functions with equal cycle may call each other
  std::vector<char> recursive;  // by number: may call itself, directly or not
  std::vector<uint64_t> depth;  // by number: bytes of stack, its own frame included
  bool any_recursive = false;
};

// Time linear in nodes and calls (Tarjan, "Depth-first search and linear graph algorithms", 1972).
CallOrder order_calls(const std::vector<CallNode>& nodes);

}  // namespace mtmc::emulator
