// Of what kind a candidate is, coarsely: tiling, memory path and parallel shape. A search that
// keeps the fastest of several kinds does not end in the first valley (MAP-Elites, Mouret and Clune
// 2015).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/candidate.hpp"

namespace mtmc::search {

// "t2 m5 p1.8": log2 of outputs a thread of the widest launch; which of shared memory, asynchronous
// copies, vector accesses and matrix units the unit's text uses; launches and log2 of the threads a
// block. Equal words, equal kind. `symbols` bind dims, tunables and device facts.
std::string niche_of(const kernel::Candidate& candidate, const Symbols& symbols);

struct Standing {
  double time_ns = 0;
  std::string niche;
  bool open = true;
};

// Indices of the nodes that are worth expanding, the one to take first in front: the fastest `beam`
// of all, then the fastest of up to `diverse` niches that those lack; closed ones fall out.
std::vector<std::size_t> worth_expanding(const std::vector<Standing>& nodes, int beam, int diverse);

}  // namespace mtmc::search
