// Internal to the reference: combining a primitive's terms in order, with the error of the result.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "op/primitive.hpp"

namespace mtmc::op {

struct Combined {
  double value = 0;
  double error = 0;      // of the terms; then of the result
  double magnitude = 0;  // sum: of |terms|; extrema: the bound that other terms could reach
  double best_error = 0;
  std::int64_t position = 0;
  std::int64_t count = 0;

  void start(Combiner combiner) {
    *this = {};
    value = identity_of(combiner);
    magnitude = -std::numeric_limits<double>::infinity();
    if (combiner == Combiner::sum || combiner == Combiner::prod) magnitude = 0;
  }

  void take(Combiner combiner, double v, double e, double unit) {
    switch (combiner) {
      case Combiner::none:
      case Combiner::sum:
        value += v;
        error += e;
        magnitude += std::fabs(v);
        break;
      case Combiner::prod:
        error = error * std::fabs(v) + std::fabs(value) * e;
        value *= v;
        if (count > 0) error += unit * std::fabs(value);
        break;
      case Combiner::max:
      case Combiner::argmax:
        better(v, e, 1);
        break;
      case Combiner::min:
      case Combiner::argmin:
        better(v, e, -1);
        break;
    }
    ++count;
  }

  void finish(Combiner combiner, double unit, double relative) {
    switch (combiner) {
      case Combiner::sum:
        error += (count > 1 ? std::sqrt(static_cast<double>(count)) * unit : 0) * magnitude +
                 relative * magnitude;
        break;
      case Combiner::max:
      case Combiner::min: {
        const double sign = combiner == Combiner::max ? 1 : -1;
        error = std::max(best_error, magnitude - sign * value);
        break;
      }
      case Combiner::argmax:
      case Combiner::argmin: {
        const double sign = combiner == Combiner::argmax ? 1 : -1;
        const bool certain =
            error == 0 || std::isnan(value) || magnitude < sign * value - best_error;
        value = static_cast<double>(position);
        error = certain ? 0 : static_cast<double>(count);
        break;
      }
      default:
        break;
    }
    if (!std::isfinite(value))
      error = 0;
    else if (std::isnan(error))
      error = std::numeric_limits<double>::infinity();
  }

 private:
  // The first best term wins; a NaN wins over all. `magnitude` keeps the most that any other term
  // may really be.
  void better(double v, double e, double sign) {
    error = std::max(error, e);
    if (count == 0 || (std::isnan(v) && !std::isnan(value)) || sign * v > sign * value) {
      if (count > 0) magnitude = std::max(magnitude, sign * value + best_error);
      value = v;
      best_error = e;
      position = count;
    } else {
      magnitude = std::max(magnitude, sign * v + e);
    }
  }
};

}  // namespace mtmc::op
