// Internal: what one PTX instruction of each class becomes on the hardware: warp instructions per
// pipe, and the cycles until a dependent one may issue. Shared by the roofs (cost_model.cpp) and
// the replay (sm_replay.cpp).
#pragma once

#include <array>

#include "emulator/device_table.hpp"

namespace mtmc::emulator {

enum Pipe { kFma, kAlu, kMultiply, kHalf, kFp64, kSpecial, kWide, kLoadStore, kPipeCount };

inline constexpr std::array<const char*, kPipeCount> kPipeNames = {
    "fma", "alu", "integer multiply", "fp16", "fp64", "special", "conversion64", "load/store"};

struct IssueCost {
  IssueClass issue_class;
  double slots;  // of a scheduler
  std::array<double, kPipeCount> pipes;
  double latency;  // memory classes add that of the memory
};

const IssueCost& issue_cost(IssueClass issue_class);

// Lanes per SM and clock.
std::array<double, kPipeCount> pipe_lanes(const DeviceEntry& device);

// Cycles of a tensor pipe that has the SM's whole rate.
double tensor_cycles(const DeviceEntry& device, MatrixWork work);

inline constexpr double kSchedulers = 4.0;
inline constexpr double kWarpLanes = 32.0;

}  // namespace mtmc::emulator
