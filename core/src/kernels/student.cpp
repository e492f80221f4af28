// The tail is a regularised incomplete beta function with one parameter 1/2: Abramowitz and Stegun (1964), 26.7.1, by
// the continued fraction 26.5.8. The fraction loses digits in proportion to the degrees of freedom; where they are
// many, the tail is a normal one of a transformed t: Hill (1970), Communications of the ACM 13, 617-619.
#include "kernels/student.hpp"

#include <cmath>
#include <limits>

namespace mixedmodels {
namespace {

constexpr double kSqrt2 = 1.4142135623730950488, kLogRootPi = 0.57236494292470008707;
// Degrees of freedom above which Hill's expansion has all digits; below, the continued fraction is used.
constexpr double kMany = 5000;
// Twice the largest exponent of a normal tail that is a number.
constexpr double kGone = 1500;
// Argument from which on the series of log Gamma has all digits.
constexpr double kSeries = 20;
constexpr int kMostTerms = 100000;

// log Gamma(a + 1/2) - log Gamma(a).
double half_step(double a) {
  if (a < kSeries) return std::lgamma(a + 0.5) - std::lgamma(a);
  const double r = 1 / a, s = r * r;
  const double series =
      r *
      (-1.0 / 8 + s * (1.0 / 192 + s * (-1.0 / 640 + s * (17.0 / 14336 + s * (-31.0 / 18432 + s * 691.0 / 180224)))));
  return 0.5 * std::log(a) + series;
}

// The continued fraction of I_x(a, b), without the factor before it (Lentz's method).
double fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto safe = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / safe(1 - (a + b) * x / (a + 1)), h = d;
  for (int m = 1; m < kMostTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / safe(1 + even * d);
    c = safe(1 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / safe(1 + odd * d);
    c = safe(1 + odd / c);
    const double step = d * c;
    h *= step;
    if (std::abs(step - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return h;
}

}  // namespace

double student_tail(double df, double t) {
  t = std::abs(t);
  if (!(df > 0) || std::isnan(t)) return std::numeric_limits<double>::quiet_NaN();
  if (std::isinf(df)) return std::erfc(t / kSqrt2);
  if (t == 0) return 1;
  if (std::isinf(t)) return 0;
  const double ratio = t / std::sqrt(df), square = ratio * ratio;
  if (df > kMany) {
    const double a = df - 0.5, b = 48 * a * a, y = a * std::log1p(square);
    if (y > kGone) return 0;
    const double next = (((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b);
    return std::erfc(((next + y + 3) / b + 1) * std::sqrt(y) / kSqrt2);
  }
  // x = df / (df + t^2) and 1 - x, where t^2 may overflow or vanish.
  const double a = 0.5 * df, log_x = ratio > 1e8 ? -2 * std::log(ratio) : -std::log1p(square);
  const double log_rest = ratio < 1e-8 ? 2 * std::log(ratio) : -std::log1p(1 / square);
  const double front = std::exp(a * log_x + 0.5 * log_rest + half_step(a) - kLogRootPi);
  const double x = std::exp(log_x);
  if (x < (a + 1) / (a + 2.5)) return front * fraction(a, 0.5, x) / a;
  return 1 - front * fraction(0.5, a, std::exp(log_rest)) / 0.5;
}

}  // namespace mixedmodels
