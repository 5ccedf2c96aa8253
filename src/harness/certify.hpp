// Certifying the float64 reference: its values against PyTorch's, in float64 on the CPU, on the
// same inputs.
//
// Sampled elements find what is wrong somewhere; sums over blocks of consecutive elements find what
// is wrong in few places. Both sides round at 2^-53, so the distance that is allowed is the
// reference's own error bound at that roundoff:
//   32 * 2^-53 * error + 8 * 2^-53 * |value|
// and for integers and bools none. A block's sum may be off by the sum of its elements' distances.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "harness/oracle.hpp"
#include "op/reference.hpp"

namespace mtmc::harness {

struct CertifyOptions {
  std::uint64_t seed = 1;
  std::int64_t elements = 1024;  // sampled, of each output; both ends are among them
  std::int64_t blocks = 16;      // of each output
  double reference_operations =
      1e8;                // what the blocks of one output may cost; they get shorter, not fewer
  std::string task_file;  // the suite's own file computes instead of the operator form; empty: none
  std::string source_sha256;  // of that file; another one is refused
  std::chrono::milliseconds timeout{600'000};
};

struct Certificate {
  bool holds = false;
  std::int64_t elements = 0;        // compared one by one
  std::int64_t blocks = 0;          // compared by their sums
  std::int64_t block_elements = 0;  // in those blocks
  double worst = 0;                 // largest distance / allowed that was seen
  std::string message;              // the first thing that does not hold; one line
};

// Errors: what the oracle or the reference cannot do (an operator without counterpart, no memory);
// not a disagreement.
Result<Certificate> certify(const op::Operator& op, Oracle& oracle, const CertifyOptions& options);

}  // namespace mtmc::harness
