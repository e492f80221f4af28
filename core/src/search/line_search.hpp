// Purpose: the length of a step at which a function has become lower, by halving on an interpolated parabola.
// Reference: Nocedal and Wright (2006), Numerical Optimization, section 3.5.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace mixedmodels {

// A function along a step, t from 0 to 1.
struct Line {
  double value, slope;  // at t = 0
  double noise;         // rounding error of a difference of two values
};

// By how much two values of this size may differ by their last digits: no search shows a smaller decrease.
inline double last_digits(double value) { return 4e-15 * std::abs(value); }

constexpr int kMostTries = 31;

struct LinePoint {
  double t, value;
};

// The first point that is lower by a part of the decrease that the slope predicts; t is zero when there is none. The
// decrease predicted for the shortest step is more than rounding. At most `most` values are computed, and one in any
// case.
template <typename Value>
LinePoint lower_along(const Line& line, int most, Value value_at) {
  double t = 1;
  for (int left = std::min(most, kMostTries) - 1;; --left) {
    const double value = value_at(t), predicted = t * line.slope;
    if (value <= line.value + 1e-4 * predicted + line.noise) return {t, value};
    if (-predicted <= line.noise || left <= 0) return {0, line.value};
    const double curve = value - line.value - predicted;
    const double best = std::isfinite(curve) && curve > 0 ? -0.5 * predicted * t / curve : 0.0;
    t = std::clamp(best, 0.1 * t, 0.5 * t);
  }
}

// A step may not much more than double the largest entry: beyond that a model is unreliable. Twice the entry would
// be the way to its mirror image, where an even function is the same, and half of that to zero, where it is flat.
// So this is the part of a step that may be taken, 1 at most.
inline double part_within(int n, const double* at, const double* step) {
  double size = 0.1, longest = 0;
  for (int i = 0; i < n; ++i) size = std::max(size, std::abs(at[i]));
  for (int i = 0; i < n; ++i) longest = std::max(longest, std::abs(step[i]));
  return longest > 1.5 * size ? 1.5 * size / longest : 1;
}

}  // namespace mixedmodels
