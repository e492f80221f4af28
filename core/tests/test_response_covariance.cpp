// The deviance from the covariance of the response against penalized least squares, against differences, and without a
// residual against the dense definition.
#include "check.hpp"
#include "criterion/criterion.hpp"
#include "criterion/response_covariance.hpp"
#include "random.hpp"
#include "reference_pls.hpp"
#include "structures.hpp"

namespace {

// As many effects as rows: nested, crossed, several terms of one factor, weights and offsets, levels without rows.
std::vector<Structure> saturated() {
  std::vector<Structure> out{structures::crossed(1, 24, {{12, {1, 1, 1}}}), structures::crossed(2, 30, {{15, {2}}}),
                             structures::crossed(3, 40, {{20, {1}}, {21, {1}}}, 3),
                             structures::nested(4, 36, {{18, {2}}, {6, {1}}}, 1)};
  for (Structure::Factor* factor : {&out[0].factors[0], &out[1].factors[0]})  // two rows of every level
    for (std::size_t i = 0; i < factor->codes.size(); ++i)
      factor->codes[i] = static_cast<std::int32_t>(i) % factor->levels;
  Random draw(5);
  for (std::size_t i = 0; i < 4; ++i) {
    out.push_back(out[i]);
    for (int row = 0; row < out.back().n; ++row) out.back().w.push_back(draw.uniform(0.2, 3.0));
    out.back().offset = draw.normals(out.back().n);
  }
  return out;
}

double in_response(mm::ResponseCovariance& dense, std::vector<double> theta, double sigma) {
  for (double& entry : theta) entry *= sigma;
  return dense.value(theta.data(), sigma);
}

TEST(the_same_as_penalized_least_squares) {
  for (const Structure& s : saturated()) {
    const Stages stages(s);
    const auto dense = mm::ResponseCovariance::of_saturated(stages.model);
    CHECK(dense != nullptr);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    Random draw(static_cast<std::uint64_t>(s.n));
    for (double sigma : {0.02, 0.7, 30.0}) {
      const std::vector<double> theta = structures::theta(draw, s, structures::Point::interior);
      for (bool held : {false, true}) {
        std::vector<double> a(static_cast<std::size_t>(held ? stages.basis.p() : 0), 0.5);
        f.hold_coefficients(a, 0.3);
        dense->hold_coefficients(a, 0.3);
        f.value(theta.data());
        const double expected = f.pls().criterion(mm::Likelihood::ml, sigma * sigma);
        CHECK_ERROR("deviance", check::relative(in_response(*dense, theta, sigma), expected), 1e-10);
        for (std::size_t j = 0; j < f.pls().beta().size(); ++j)
          CHECK_ERROR("beta", check::relative(dense->beta()[j], f.pls().beta()[j]), 1e-9);
        if (!held) continue;
        const double variance = sigma * sigma;
        CHECK_ERROR("multiplier", check::relative(dense->held().multiplier() * variance, f.pls().held().multiplier()),
                    1e-9);
        CHECK_ERROR("variance", check::relative(dense->held().variance() / variance, f.pls().held().variance()), 1e-9);
      }
    }
  }
}

TEST(gradient_by_differences) {
  for (const Structure& s : saturated()) {
    const Stages stages(s);
    const auto dense = mm::ResponseCovariance::of_saturated(stages.model);
    Random draw(7);
    std::vector<double> templates = structures::theta(draw, s, structures::Point::interior), gradient(templates), by(1);
    double sigma = 0.6;
    dense->value(templates.data(), sigma);
    by[0] = dense->gradient(gradient.data());
    const auto difference = [&](double& x) {
      const double centre = x, h = 1e-5;
      x = centre + h;
      const double up = dense->value(templates.data(), sigma);
      x = centre - h;
      const double down = dense->value(templates.data(), sigma);
      x = centre;
      return (up - down) / (2 * h);
    };
    CHECK_ERROR("by sigma", check::relative(by[0], difference(sigma)), 1e-5);
    for (std::size_t e = 0; e < templates.size(); ++e)
      CHECK_ERROR("by a template", check::relative(gradient[e], difference(templates[e])), 1e-5);
  }
}

TEST(gradient_without_residual_variance) {
  int regular = 0;
  for (const Structure& s : saturated()) {
    const Stages stages(s);
    const auto dense = mm::ResponseCovariance::of_saturated(stages.model);
    Random draw(8);
    std::vector<double> templates = structures::theta(draw, s, structures::Point::interior), gradient(templates);
    const double value = dense->value(templates.data(), 0);
    if (!std::isfinite(value)) continue;  // levels with more rows than effects
    ++regular;
    CHECK(dense->gradient(gradient.data()) == 0);
    CHECK_ERROR("near zero", std::abs(dense->value(templates.data(), 1e-7) - value), 1e-4 + 1e3 * dense->rounding());
  }
  CHECK(regular >= 4);
}

TEST(other_models_do_without) {
  const Structure few = structures::crossed(1, 40, {{12, {1, 1, 1}}}),
                  many = structures::crossed(2, 900, {{450, {1}}, {450, {2}}});
  for (const Structure& s : {few, many}) {
    const Stages stages(s);
    CHECK(mm::ResponseCovariance::of_saturated(stages.model) == nullptr);
  }
}

}  // namespace
