// Tails of Student's t against closed forms and against the integral of the density.
#include <cmath>

#include "check.hpp"
#include "kernels/student.hpp"

namespace mm = mixedmodels;

namespace {

// The tail by Simpson's rule in the angle, t = sqrt(df) tan(angle); good to about 1e-12 for moderate t.
double integral(double df, double t) {
  const double first = std::atan(t / std::sqrt(df)), last = std::atan(1.0) * 2;
  const int steps = 200000;
  const double h = (last - first) / steps;
  double sum = 0;
  for (int i = 0; i <= steps; ++i) {
    const double c = std::cos(first + i * h), weight = i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2;
    sum += weight * (c > 0 ? std::pow(c, df - 1) : 0);
  }
  const double log_norm = std::lgamma(0.5 * df + 0.5) - std::lgamma(0.5 * df) - 0.5 * std::log(4 * std::atan(1.0));
  return 2 * std::exp(log_norm) * sum * h / 3;
}

TEST(closed_forms) {
  const double pi = 4 * std::atan(1.0);
  for (double t : {1e-9, 1e-4, 0.3, 1.0, 2.5, 40.0, 1e6, 1e150}) {
    const double one = t < 1 ? 1 - 2 / pi * std::atan(t) : 2 / pi * std::atan(1 / t);
    const double two = 1 / (0.5 * (2 + t * t) * (1 + t / std::sqrt(2 + t * t)));
    CHECK_ERROR("one degree of freedom", std::abs(mm::student_tail(1, t) / one - 1), 1e-13);
    if (t < 1e100) CHECK_ERROR("two", std::abs(mm::student_tail(2, t) / two - 1), 1e-13);
    CHECK(mm::student_tail(1, -t) == mm::student_tail(1, t));
  }
}

TEST(integral_of_the_density) {
  for (double df : {3.0, 4.7, 17.0, 39.9, 40.1, 250.0, 4999.0, 5001.0, 5e4})
    for (double t : {0.1, 0.9, 1.5, 1.74, 2.0, 3.0, 6.0})
      CHECK_ERROR("tail", std::abs(mm::student_tail(df, t) / integral(df, t) - 1), df < 3000 ? 1e-10 : 1e-9);
}

TEST(both_ways_agree_where_they_meet) {
  for (double t : {0.01, 1.0, 1.7, 1.8, 4.0, 10.0, 25.0}) {
    const double below = mm::student_tail(5000, t), above = mm::student_tail(5000 * (1 + 1e-12), t);
    CHECK_ERROR("5000", std::abs(above / below - 1), 3e-11);
  }
}

TEST(tails_at_zero_infinity_and_many_degrees_of_freedom) {
  CHECK(mm::student_tail(7, 0) == 1);
  CHECK(mm::student_tail(7, INFINITY) == 0);
  CHECK(mm::student_tail(1e9, INFINITY) == 0);
  CHECK(mm::student_tail(INFINITY, INFINITY) == 0);
  CHECK_ERROR("normal", std::abs(mm::student_tail(INFINITY, 1.959963984540054) - 0.05), 1e-15);
  CHECK_ERROR("many", std::abs(mm::student_tail(1e15, 1.959963984540054) - 0.05), 1e-14);
  CHECK_ERROR("few", std::abs(mm::student_tail(1e-6, 1) - 1), 1e-5);
  CHECK(mm::student_tail(5, 1e200) >= 0 && mm::student_tail(5, 1e60) > 0);
  for (double df : {0.0, -1.0, static_cast<double>(NAN)}) CHECK(std::isnan(mm::student_tail(df, 1)));
  CHECK(std::isnan(mm::student_tail(3, NAN)));
}

}  // namespace
