// Functions that log densities are made of, against those of the standard library.
#include <cmath>

#include "check.hpp"
#include "generalized/special.hpp"

namespace special = mixedmodels::special;

namespace {

TEST(exponentials_are_those_of_the_library) {
  for (double x = -700; x <= 700; x += 0.37)
    CHECK_ERROR("exp", std::abs(special::exponential(x) / std::exp(x) - 1), 5e-16);
  CHECK(special::exponential(0) == 1);
  CHECK(special::exponential(1e9) == special::exponential(700));
}

TEST(logarithms_of_one_and_a_share) {
  for (int i = 0; i <= 10000; ++i) {
    const double x = i / 10000.0;
    CHECK_ERROR("share", std::abs(special::log1p_of_share(x) - std::log1p(x)), 6e-16 * std::log1p(x) + 1e-323);
  }
  for (double x = 1; x > 1e-320; x *= 0.1)
    CHECK_ERROR("small", std::abs(special::log1p_of_share(x) - std::log1p(x)), 6e-16 * std::log1p(x) + 1e-323);
  CHECK(special::log1p_of_share(0) == 0);
  CHECK(std::isnan(special::log1p_of_share(NAN)));
}

TEST(factorials_in_and_beyond_the_table) {
  for (double x : {0.0, 1.0, 2.0, 17.0, 255.0, 256.0, 1e6, 0.5, 17.25, 254.999, 1e300})
    CHECK(special::log_factorial(x) == std::lgamma(x + 1));
  CHECK(std::isnan(special::log_factorial(NAN)));
  CHECK(std::isinf(special::log_factorial(-1)));
}

}  // namespace
