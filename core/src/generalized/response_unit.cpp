#include "generalized/response_unit.hpp"

#include <algorithm>
#include <cmath>

namespace mixedmodels {

namespace {

// Largest exponent of a unit: squares of predictors by any link are numbers.
constexpr int kMostExponent = 200;

// Root of the mean square of y - centre.
double size_of(std::int64_t n, const Column& y, double centre) {
  double largest = 0, sum = 0;
  for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(y[i] - centre));
  if (!(largest > 0) || !std::isfinite(largest)) return 1;
  for (std::int64_t i = 0; i < n; ++i) sum += (y[i] - centre) / largest * ((y[i] - centre) / largest);
  return largest * std::sqrt(sum / static_cast<double>(n));
}

}  // namespace

// An even exponent, so that the root of the unit is a power of two as well.
ResponseUnit::ResponseUnit(const UnitRule& rule, std::int64_t n, const Column& y) {
  if (!rule.any || n == 0) return;
  double mean = 0;
  for (std::int64_t i = 0; rule.centred && i < n; ++i) mean += y[i] / static_cast<double>(n);
  const int exponent = 2 * std::clamp(-std::ilogb(size_of(n, y, mean)) / 2, -kMostExponent / 2, kMostExponent / 2);
  const double log = exponent * std::log(2.0);
  response = std::ldexp(1.0, exponent);
  predictor = std::ldexp(1.0, static_cast<int>(exponent * rule.predictor));
  added = rule.logarithm ? log : 0;
  parameter = rule.parameter * log;
}

double ResponseUnit::log_density() const { return std::log(response); }

}  // namespace mixedmodels
