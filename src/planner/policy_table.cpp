// Reasons speak of one kernel of the candidate, the one that the bottleneck was read from. Where an
// action cannot touch a bottleneck its prior is 1 or a little below, for what it costs in
// registers, shared memory or launches.
#include "planner/policy_table.hpp"

#include <iterator>

#include "base/check.hpp"

namespace mtmc::planner {

namespace {

using enum kernel::Action;
using enum Bottleneck;

constexpr PolicyRow kTable[] = {
    {fuse, launch, 2.0, "each fused kernel saves a whole launch, which is all the time there is"},
    {fuse, issue, 1.2, "saves the index arithmetic and the loads and stores between two kernels"},
    {fuse, shared, 1.1, "joins passes that each went through shared memory"},
    {fuse, dram, 1.8, "an intermediate that is never written is neither stored nor read again"},

    {tile, launch, 1.0, "changes no launch; gains only once there is enough work"},
    {tile, issue, 1.8,
     "operands are reused from registers, so that loads make room for arithmetic"},
    {tile, shared, 1.5, "a larger tile a thread reads each shared value fewer times"},
    {tile, dram, 2.2, "each operand is fetched once a tile instead of once an output"},

    {reorder, launch, 1.0, "changes no launch"},
    {reorder, issue, 1.1, "may hoist invariant loads and address arithmetic out of the inner loop"},
    {reorder, shared, 1.2, "neighbouring threads then read neighbouring banks"},
    {reorder, dram, 1.6, "neighbouring threads then read neighbouring addresses: full sectors"},

    {vectorize, launch, 1.0, "changes no launch"},
    {vectorize, issue, 1.4, "one instruction moves four elements and one address serves them all"},
    {vectorize, shared, 1.2, "128-bit shared accesses need fewer wavefronts for the same bytes"},
    {vectorize, dram, 1.15, "more bytes in flight for each thread; the bytes themselves stay"},

    {stage, launch, 1.0, "changes no launch"},
    {stage, issue, 1.1, "loads from nearby memory replace repeated global address arithmetic"},
    {stage, shared, 0.9, "puts more on what is already the limit"},
    {stage, dram, 1.7, "data that a block reads several times is fetched once"},

    {pipeline, launch, 1.0, "changes no launch"},
    {pipeline, issue, 1.15,
     "copies overlap arithmetic, so that fewer issue slots are lost to waiting"},
    {pipeline, shared, 1.0, "the same shared traffic, only earlier, and more shared memory used"},
    {pipeline, dram, 1.2, "keeps requests in flight while the last tile is worked on"},

    {tensorize, launch, 1.0, "changes no launch"},
    {tensorize, issue, 3.0, "one mma does the multiply-adds of hundreds of instructions"},
    {tensorize, shared, 1.4, "fragments are read once a warp instead of once a thread"},
    {tensorize, dram, 1.0, "the same bytes; arithmetic was not the limit"},

    {swizzle, launch, 1.0, "changes no launch"},
    {swizzle, issue, 1.0, "adds a little index arithmetic"},
    {swizzle, shared, 1.6, "removes bank conflicts without the memory that padding takes"},
    {swizzle, dram, 1.15, "blocks that run together share tiles in L2"},

    {split, launch, 0.9, "may add a launch for the second pass"},
    {split, issue, 1.3, "fills SMs that a few large blocks leave idle; the work itself stays"},
    {split, shared, 1.1, "spreads shared traffic over more SMs where few were used"},
    {split, dram, 1.3, "more blocks keep more requests in flight; partial results cost some bytes"},

    {persist, launch, 1.2, "one resident kernel replaces several short ones or several waves"},
    {persist, issue, 1.1, "set-up is paid once an SM instead of once a block"},
    {persist, shared, 1.0, "the same shared traffic"},
    {persist, dram, 1.05, "what a block holds can serve its next tile"},

    {specialize, launch, 1.0, "changes no launch"},
    {specialize, issue, 1.25, "known sizes turn index arithmetic and bounds checks into constants"},
    {specialize, shared, 1.05, "known strides let the compiler fold shared addresses"},
    {specialize, dram, 1.0, "the same bytes"},

    {precision, launch, 1.0, "changes no launch"},
    {precision, issue, 1.5, "narrow operands open faster units; labelled, because results change"},
    {precision, shared, 1.3, "narrower operands take half the shared bytes"},
    {precision, dram, 1.3, "narrower intermediates take half the bytes"},

    {library, launch, 1.0, "a library call is a launch too"},
    {library, issue, 2.0, "vendor products are near the peak; labelled as a library's work"},
    {library, shared, 1.5, "vendor kernels have conflict-free layouts"},
    {library, dram, 1.1, "the bytes are the same unless it fuses what follows"},

    {fix_compile, launch, 1.0, "repair: speed comes after"},
    {fix_compile, issue, 1.0, "repair: speed comes after"},
    {fix_compile, shared, 1.0, "repair: speed comes after"},
    {fix_compile, dram, 1.0, "repair: speed comes after"},
    {fix_launch, launch, 1.0, "repair: speed comes after"},
    {fix_launch, issue, 1.0, "repair: speed comes after"},
    {fix_launch, shared, 1.0, "repair: speed comes after"},
    {fix_launch, dram, 1.0, "repair: speed comes after"},
    {fix_numeric, launch, 1.0, "repair: speed comes after"},
    {fix_numeric, issue, 1.0, "repair: speed comes after"},
    {fix_numeric, shared, 1.0, "repair: speed comes after"},
    {fix_numeric, dram, 1.0, "repair: speed comes after"},

    {stop, launch, 1.0, "what stands is kept"},
    {stop, issue, 1.0, "what stands is kept"},
    {stop, shared, 1.0, "what stands is kept"},
    {stop, dram, 1.0, "what stands is kept"},

    {rewrite, launch, 1.0, "begins anew, and may end anywhere"},
    {rewrite, issue, 1.0, "begins anew, and may end anywhere"},
    {rewrite, shared, 1.0, "begins anew, and may end anywhere"},
    {rewrite, dram, 1.0, "begins anew, and may end anywhere"},
};

}  // namespace

std::span<const PolicyRow> policy_table() { return kTable; }

const PolicyRow& policy_row(kernel::Action action, Bottleneck bottleneck) {
  for (const auto& row : kTable)
    if (row.action == action && row.bottleneck == bottleneck) return row;
  MTMC_CHECK(false, "an action without a policy row");
  return kTable[0];
}

}  // namespace mtmc::planner
