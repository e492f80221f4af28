#include "generalized/special.hpp"

#include <array>
#include <numbers>

namespace mixedmodels::special {

namespace {

constexpr double kLog2Pi = 1.8378770664093454836;

// The asymptotic series of log gamma and its derivatives are used from here on.
constexpr double kFar = 12;
// Counts up to which differences are summed one by one, and sizes of k from which Stirling differences are taken.
constexpr double kFew = 40, kLarge = 1e4;

// log k!, made when the library is loaded: a table made by the first call would be half made in a process that another
// thread forks meanwhile.
constexpr int kFactorials = 256;
const auto log_factorials = [] {
  std::array<double, kFactorials> out;
  for (int i = 0; i < kFactorials; ++i) out[i] = std::lgamma(i + 1.0);
  return out;
}();

}  // namespace

double log_factorial(double x) {
  if (x >= 0 && x < kFactorials && x == std::floor(x)) return log_factorials[static_cast<std::size_t>(x)];
  return std::lgamma(x + 1);
}

double expm1_minus(double x) {
  if (std::abs(x) >= 1e-2) return std::expm1(x) - x;
  return x * x * (0.5 + x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120 + x * (1.0 / 720 + x / 5040)))));
}

double log_minus(double z) {
  const double d = z - 1;
  if (std::abs(d) >= 1e-2) return std::log(z) - d;
  double sum = 0;
  for (int k = 9; k >= 2; --k) sum = sum * -d + 1.0 / k;
  return -d * d * sum;
}

double digamma(double x) {
  double sum = 0;
  for (; x < kFar; x += 1) sum -= 1 / x;
  const double i = 1 / (x * x);
  return sum + std::log(x) - 0.5 / x -
         i * (1.0 / 12 - i * (1.0 / 120 - i * (1.0 / 252 - i * (1.0 / 240 - i * (1.0 / 132 - i * 691.0 / 32760)))));
}

double trigamma(double x) {
  double sum = 0;
  for (; x < kFar; x += 1) sum += 1 / (x * x);
  const double i = 1 / (x * x);
  const double tail =
      i * (1.0 / 6 - i * (1.0 / 30 - i * (1.0 / 42 - i * (1.0 / 30 - i * (5.0 / 66 - i * 691.0 / 2730)))));
  return sum + (1 + 0.5 / x + tail) / x;
}

double tetragamma(double x) {
  double sum = 0;
  for (; x < kFar; x += 1) sum -= 2 / (x * x * x);
  const double i = 1 / (x * x);
  const double tail = i * (0.5 - i * (1.0 / 6 - i * (1.0 / 6 - i * (3.0 / 10 - i * (5.0 / 6 - i * 691.0 / 210)))));
  return sum - i * (1 + 1 / x + tail);
}

Rising rising(double k, double y) {
  if (y <= kFew) {
    Rising out{0, 0, 0, 0};
    for (double j = 0; j < y; j += 1) {
      const double inverse = 1 / (k + j), square = inverse * inverse;
      out.log += std::log1p(j / k);
      out.d0 += inverse;
      out.d1 -= square;
      out.d2 += 2 * square * inverse;
    }
    return out;
  }
  const double c = k + y;
  if (k < kLarge)
    return {std::lgamma(c) - std::lgamma(k) - y * std::log(k), digamma(c) - digamma(k), trigamma(c) - trigamma(k),
            tetragamma(c) - tetragamma(k)};
  const double ratio = std::log1p(y / k);
  return {(c - 0.5) * ratio - y + (1 / (12 * c) - 1 / (12 * k)) - (1 / (360 * c * c * c) - 1 / (360 * k * k * k)),
          ratio + y / (2 * c * k) + y * (c + k) / (12 * c * c * k * k),
          -y / (c * k) - y * (c + k) / (2 * c * c * k * k) - y * (c * c + c * k + k * k) / (6 * c * c * c * k * k * k),
          y * (c + k) / (c * c * k * k) + y * (c * c + c * k + k * k) / (c * c * c * k * k * k)};
}

double gamma_norm(double nu) {
  if (nu > 1e5) return 0.5 * std::log(nu / (2 * std::numbers::pi)) - 1 / (12 * nu) + 1 / (360 * nu * nu * nu);
  return nu * std::log(nu) - nu - std::lgamma(nu);
}

double gamma_norm_slope(double nu) { return nu > 1e5 ? 1 / (2 * nu) + 1 / (12 * nu * nu) : std::log(nu) - digamma(nu); }

double poisson_saturated(double y) {
  if (!(y > 0)) return 0;
  if (y <= 30) return y * std::log(y) - y - log_factorial(y);
  const double i = 1 / (y * y);
  return -0.5 * std::log(2 * std::numbers::pi * y) - (1.0 / 12 - i * (1.0 / 360 - i * (1.0 / 1260 - i / 1680))) / y;
}

LogDerivatives log_normal_cdf(double x) {
  if (x < -25) {
    // Mills' ratio by its asymptotic series: a = phi / Phi, and a + x without cancellation.
    const double i = 1 / (x * x);
    const double rest = -i * (2 - i * (10 - i * (74 - i * 706)));  // -x (a + x) - 1
    const double plus = -(1 + rest) / x, a = plus - x;
    const double log_cdf = -0.5 * x * x - 0.5 * kLog2Pi - std::log(a);
    return {log_cdf, a, -a * plus, a * (2 * plus * plus + rest)};
  }
  const double cdf = 0.5 * std::erfc(-x * std::numbers::sqrt2 / 2);
  const double log_cdf = x > 5 ? std::log1p(-0.5 * std::erfc(x * std::numbers::sqrt2 / 2)) : std::log(cdf);
  const double a = std::exp(-0.5 * x * x - 0.5 * kLog2Pi) / cdf, plus = a + x;
  return {log_cdf, a, -a * plus, a * (plus * (plus + a) - 1)};
}

LogDerivatives log_cloglog(double x) {
  const double v = std::exp(std::min(x, 700.0));
  double a, c, l;  // v / expm1(v), 1 - v - a
  if (v < 1e-3) {
    l = x - v / 2 + v * v / 24;
    a = 1 - v / 2 + v * v / 12 - v * v * v * v / 720;
    c = -v / 2 - v * v / 12 + v * v * v * v / 720;
  } else if (v > 40) {
    l = -std::exp(-v);
    a = v > 745 ? 0 : v * std::exp(-v);
    c = 1 - v - a;
  } else {
    l = std::log(-std::expm1(-v));
    a = v / std::expm1(v);
    c = 1 - v - a;
  }
  return {l, a, a * c, a == 0 ? 0 : a * (c * c - v - a * c)};
}

}  // namespace mixedmodels::special
