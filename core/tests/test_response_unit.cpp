// The unit of a response: about 1 in size, an even power of two, and what follows for predictors and parameters.
#include <cmath>

#include "check.hpp"
#include "generalized/response_unit.hpp"

namespace mm = mixedmodels;

namespace {

mm::ResponseUnit unit_of(const mm::UnitRule& rule, const std::vector<double>& y) {
  return {rule, static_cast<std::int64_t>(y.size()), mm::Column{y.data(), 1}};
}

const mm::UnitRule kInverseSquared{true, false, false, -2, -1}, kLog{true, false, true, 0, -1},
    kRoot{true, false, false, 0.5, 2}, kIdentity{true, true, false, 1, 2};

}  // namespace

TEST(a_response_gets_about_unit_size) {
  for (double size : {1e-250, 1e-6, 0.3, 1.0, 7.0, 1e6, 1e250}) {
    check::at(std::to_string(size));
    const std::vector<double> y{size, 2 * size, 3 * size};
    const mm::ResponseUnit unit = unit_of(kInverseSquared, y);
    int exponent = 0;
    CHECK(std::frexp(unit.response, &exponent) == 0.5 && (exponent - 1) % 2 == 0);
    const bool within = std::abs(exponent - 1) < 200;
    CHECK(!within || (unit.response * size > 0.2 && unit.response * size < 5));
    CHECK(std::isfinite(unit.predictor * unit.predictor) && unit.predictor * unit.predictor > 0);
    CHECK(unit.predictor == 1 / (unit.response * unit.response) && unit.added == 0);
    CHECK_ERROR("parameter", std::abs(unit.parameter + std::log(unit.response)), 1e-12 * std::abs(exponent) + 1e-15);
  }
}

TEST(what_follows_is_by_the_link) {
  const std::vector<double> y{4096, 8192};
  CHECK(unit_of(kLog, y).predictor == 1 && unit_of(kLog, y).added == std::log(unit_of(kLog, y).response));
  const mm::ResponseUnit root = unit_of(kRoot, y);
  CHECK(root.predictor * root.predictor == root.response);
  CHECK(root.log_density() == std::log(root.response));
}

TEST(deviations_count_where_means_have_any_sign) {
  const std::vector<double> y{1e6 - 1, 1e6 + 1};
  CHECK(unit_of(kIdentity, y).response == 1);
}

TEST(a_response_without_a_unit_or_size_stays) {
  CHECK(unit_of({}, {1e-9, 1e-8}).response == 1);
  CHECK(unit_of(kIdentity, {5, 5}).response == 1);
  CHECK(unit_of(kLog, {}).response == 1);
}
