// Purpose: the functions that log densities are made of, without loss of digits at the ends of their ranges.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace mixedmodels::special {

// By reduction of the range and a polynomial, without branches, so that loops of it become vectors; good to about one
// unit in the last place. Arguments beyond 700 count as 700.
inline double exponential(double x) {
  x = std::min(700.0, std::max(-700.0, x));
  constexpr double kRound = 6755399441055744.0;  // adding it rounds to an integer, which is then in the low bits
  const double shifted = x * 1.4426950408889634 + kRound, k = shifted - kRound;
  const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  double p = 1.6059043836821614599e-10;
  for (double c :
       {2.0876756987868098979e-9, 2.5052108385441718775e-8, 2.7557319223985890653e-7, 2.7557319223985890653e-6,
        2.4801587301587301566e-5, 1.9841269841269841253e-4, 1.3888888888888888889e-3, 8.3333333333333333333e-3,
        4.1666666666666666667e-2, 1.6666666666666666667e-1, 0.5, 1.0, 1.0})
    p = p * r + c;
  return p * std::bit_cast<double>((std::bit_cast<std::int64_t>(shifted) + 1023) << 52);
}

// log(1 + x) for x from 0 to 1, without branches: twice the series of the area tangent of x / (2 + x), which is at most
// 1/3; good to about one unit in the last place.
inline double log1p_of_share(double x) {
  const double s = x / (2 + x), z = s * s;
  double p = 2.0 / 33;
  for (double c : {2.0 / 31, 2.0 / 29, 2.0 / 27, 2.0 / 25, 2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13,
                   2.0 / 11, 2.0 / 9, 2.0 / 7, 2.0 / 5, 2.0 / 3, 2.0})
    p = p * z + c;
  return s * p;
}

// log x!, for whole x from a table where they are small.
double log_factorial(double x);

// 1 / (1 + e^-x) and log(1 + e^x).
inline double expit(double x) {
  const double a = std::exp(-std::abs(x));
  return x > 0 ? 1 / (1 + a) : a / (1 + a);
}
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

// e^x - 1 - x, and log z + 1 - z (negative).
double expm1_minus(double x);
double log_minus(double z);

double digamma(double x);
double trigamma(double x);
double tetragamma(double x);

// What y more do to log gamma at k, y whole: lgamma(k + y) - lgamma(k) - y log k, and the differences of digamma,
// trigamma and tetragamma.
struct Rising {
  double log, d0, d1, d2;
};
Rising rising(double k, double y);

// nu log nu - nu - lgamma(nu), and log nu - digamma(nu).
double gamma_norm(double nu);
double gamma_norm_slope(double nu);

// y log y - y - lgamma(y + 1).
double poisson_saturated(double y);

// log f and its first three derivatives, for f the normal distribution function and for 1 - exp(-e^x).
struct LogDerivatives {
  double l, d1, d2, d3;
};
LogDerivatives log_normal_cdf(double x);
LogDerivatives log_cloglog(double x);

}  // namespace mixedmodels::special
