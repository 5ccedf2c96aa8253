// Slots and pipes are estimates from the documented throughputs and from the sequences that the
// CUDA programming guide and published disassemblies describe (a division is a reciprocal, Newton
// steps and a fix-up); moves and parameter loads disappear in ptxas. Latencies are rounded from
// published micro-benchmarks of dependent instructions: Jia et al. on Volta and Turing (arXiv
// 1804.06826, 1903.07486), Abdelkhalik et al. on Ampere (arXiv 2208.11174), Luo et al. on Ampere,
// Ada and Hopper (arXiv 2402.13499); of sequences they are the sum along the chain. One column
// serves all devices: 4 to 6 cycles for arithmetic since Volta. Nothing here was fitted to
// measurements of ours.
#include "emulator/issue_cost.hpp"

#include <iterator>

namespace mtmc::emulator {
namespace {

// clang-format off
constexpr IssueCost kCosts[] = {
    //                                  slots   fma alu mul  half f64 spec wide l/s  latency
    {IssueClass::fp32, 1, {1, 0, 0, 0, 0, 0, 0, 0}, 4},
    {IssueClass::fp16, 1, {0, 0, 0, 1, 0, 0, 0, 0}, 5},
    {IssueClass::fp64, 1, {0, 0, 0, 0, 1, 0, 0, 0}, 8},
    {IssueClass::integer, 1, {0, 1, 0, 0, 0, 0, 0, 0}, 4},
    {IssueClass::integer_multiply, 1, {0, 0, 1, 0, 0, 0, 0, 0}, 5},
    {IssueClass::integer64, 2, {0, 2, 0, 0, 0, 0, 0, 0}, 6},
    {IssueClass::integer64_multiply, 4, {0, 0, 4, 0, 0, 0, 0, 0}, 14},
    {IssueClass::bit_count, 1, {0, 0, 0, 0, 0, 1, 0, 0}, 14},
    {IssueClass::compare, 1, {0, 1, 0, 0, 0, 0, 0, 0}, 8},
    {IssueClass::select, 1, {0, 1, 0, 0, 0, 0, 0, 0}, 4},
    {IssueClass::move, 0, {0, 0, 0, 0, 0, 0, 0, 0}, 0},
    {IssueClass::conversion, 1, {0, 0, 0, 0, 0, 1, 0, 0}, 14},
    {IssueClass::conversion_half, 1, {0, 1, 0, 0, 0, 0, 0, 0}, 6},
    {IssueClass::conversion64, 1, {0, 0, 0, 0, 0, 0, 1, 0}, 16},
    {IssueClass::special, 2, {1, 0, 0, 0, 0, 1, 0, 0}, 22},
    {IssueClass::divide_f32, 10, {8, 1, 0, 0, 0, 1, 0, 0}, 58},
    {IssueClass::divide_f64, 18, {0, 5, 0, 0, 12, 1, 0, 0}, 140},
    {IssueClass::divide_integer, 17, {0, 8, 6, 0, 0, 3, 0, 0}, 100},
    {IssueClass::divide_integer64, 80, {0, 40, 36, 0, 0, 4, 0, 0}, 400},
    {IssueClass::load_global, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::store_global, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::load_shared, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::store_shared, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::load_local, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::store_local, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::load_constant, 0, {0, 0, 0, 0, 0, 0, 0, 0}, 0},
    {IssueClass::atomic_global, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::atomic_shared, 2, {0, 1, 0, 0, 0, 0, 0, 1}, 30},
    {IssueClass::async_copy, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 0},
    {IssueClass::shuffle, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 23},
    {IssueClass::barrier, 1, {0, 0, 0, 0, 0, 0, 0, 0}, 20},
    {IssueClass::control, 1, {0, 0, 0, 0, 0, 0, 0, 0}, 4},
    {IssueClass::matrix, 1, {0, 0, 0, 0, 0, 0, 0, 0}, 17},  // and as long as the tensor pipe takes
    {IssueClass::matrix_load, 1, {0, 0, 0, 0, 0, 0, 0, 1}, 4},
    {IssueClass::other, 1, {0, 1, 0, 0, 0, 0, 0, 0}, 4},
};
// clang-format on
static_assert(std::size(kCosts) == kIssueClassCount);

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(kCosts); ++i) {
    if (kCosts[i].issue_class != static_cast<IssueClass>(i)) return false;
  }
  return true;
}
static_assert(rows_are_in_order());

}  // namespace

const IssueCost& issue_cost(IssueClass issue_class) {
  return kCosts[static_cast<std::size_t>(issue_class)];
}

std::array<double, kPipeCount> pipe_lanes(const DeviceEntry& device) {
  std::array<double, kPipeCount> lanes{};
  lanes[kFma] = device.fp32_lanes;
  lanes[kAlu] = device.integer_lanes;
  lanes[kMultiply] = device.integer_lanes;
  lanes[kHalf] = device.fp16_lanes;
  lanes[kFp64] = device.fp64_lanes;
  lanes[kSpecial] = device.special_lanes;
  lanes[kWide] = device.conversion64_lanes;
  lanes[kLoadStore] = device.load_store_lanes;
  return lanes;
}

double tensor_cycles(const DeviceEntry& device, MatrixWork work) {
  const double per_clock = device.peak_flops(work.kind) / (device.boost_hz * device.sms);
  return static_cast<double>(work.operations) / per_clock;
}

}  // namespace mtmc::emulator
