// Penalized least squares, criterion and gradient against dense matrices.
#include <algorithm>

#include "check.hpp"
#include "reference_pls.hpp"
#include "structures.hpp"

namespace {

using dense::Matrix;
using Real = long double;
using structures::Point;

mm::Likelihood criterion_of(bool reml) { return reml ? mm::Likelihood::reml : mm::Likelihood::ml; }

double largest_difference(const std::vector<double>& actual, const Matrix<Real>& expected) {
  Matrix<double> matrix(expected.rows, 1);
  matrix.a = actual;
  return dense::relative_difference(matrix, expected);
}

void check_solution(const Stages& stages, mm::Criterion& f, const std::vector<double>& theta) {
  const reference::Solution truth = reference::solve(stages.structure, stages.basis.kept, theta);
  const mm::ProfiledDeviance& pls = f.pls();
  CHECK_ERROR("pwrss", check::relative(pls.pwrss(), truth.pwrss), 1e-12);
  CHECK_ERROR("log |L|^2", check::relative(pls.logdet_L2(), truth.logdet_L2), 1e-12);
  CHECK_ERROR("log |RX|^2", check::relative(pls.logdet_RX2(), truth.logdet_RX2), 1e-12);
  CHECK_ERROR("u", largest_difference(pls.u(), truth.u), 1e-11);
  CHECK_ERROR("b", largest_difference(pls.b(), truth.b), 1e-11);
  std::vector<double> beta(stages.basis.p());
  stages.basis.to_original(pls.beta().data(), beta.data());
  CHECK_ERROR("beta", largest_difference(beta, truth.beta), 1e-11);
  const Matrix<Real> covariance = truth.Lambda * truth.M_inverse * dense::transpose(truth.Lambda);
  f.pls().ensure_inverse();
  for (int index = 0; index < static_cast<int>(stages.A.factors.size()); ++index) {
    const mm::FactorBlock& block = stages.A.factors[index];
    std::vector<double> out(block.diagonal.size());
    pls.conditional_covariance(index, out.data());
    double worst = 0;
    for (int l = 0, t = 0; l < block.levels; ++l)
      for (int c = 0; c < block.width; ++c)
        for (int r = 0; r < block.width; ++r, ++t) {
          const int at = static_cast<int>(block.offset) + l * block.width;
          worst = std::max(worst, std::abs(out[t] - static_cast<double>(covariance(at + r, at + c))));
        }
    CHECK_ERROR("conditional covariances", worst, 1e-12 * std::max(1.0, dense::largest(covariance)));
  }
}

TEST(random_structures) {
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    Random random(seed + 500);
    for (Point point : structures::kPoints) {
      const std::vector<double> theta = structures::theta(random, s, point);
      check::at("seed " + std::to_string(seed) + s.kind + " point " + std::to_string(static_cast<int>(point)));
      for (bool reml : {false, true}) {
        const double value = f.use(criterion_of(reml)).value(theta.data());
        const auto truth = static_cast<double>(
            reference::likelihood(s, stages.basis.kept, std::vector<Real>(theta.begin(), theta.end()), reml));
        CHECK_ERROR("criterion", check::relative(value, truth, s.n), 1e-13);
        std::vector<double> gradient(theta.size());
        f.use(criterion_of(reml)).gradient(gradient.data());
        const std::vector<double> slope = reference::gradient(s, stages.basis.kept, theta, reml);
        double size = 1;
        for (double g : slope) size = std::max(size, std::abs(g));
        for (std::size_t k = 0; k < slope.size(); ++k)
          CHECK_ERROR("gradient", std::abs(gradient[k] - slope[k]) / size, 1e-11);
      }
      check_solution(stages, f, theta);
    }
  }
}

TEST(large_supernodes) {
  const Structure s = structures::crossed(1, 300, {{30, {2}}, {25, {1, 1}}}, 3);
  const Stages stages(s);
  mm::Criterion f(stages.model, mm::Likelihood::ml);
  Random random(2);
  for (Point point : {Point::interior, Point::zero_column}) {
    const std::vector<double> theta = structures::theta(random, s, point);
    for (bool reml : {false, true}) {
      const double value = f.use(criterion_of(reml)).value(theta.data());
      const double truth = reference::likelihood(s, stages.basis.kept, theta, reml);
      CHECK_ERROR("criterion", check::relative(value, truth, s.n), 1e-13);
      std::vector<double> gradient(theta.size());
      f.use(criterion_of(reml)).gradient(gradient.data());
      const std::vector<double> slope = reference::gradient(s, stages.basis.kept, theta, reml);
      for (std::size_t k = 0; k < slope.size(); ++k)
        CHECK_ERROR("gradient", check::relative(gradient[k], slope[k], 10), 1e-11);
    }
  }
}

TEST(dependent_columns_change_nothing) {
  Structure s = structures::crossed(4, 50, {{6, {2}}, {4, {1}}}, 3);
  Structure aliased = s;
  std::vector<double> twice;
  for (double v : s.x[1]) twice.push_back(2 * v);
  aliased.x = {s.x[0], s.x[1], twice, s.x[2]};
  const Stages a(s), b(aliased);
  CHECK((b.basis.kept == std::vector<int>{0, 1, 3}));
  mm::Criterion f(a.model, mm::Likelihood::ml), g(b.model, mm::Likelihood::ml);
  const std::vector<double> theta{0.7, -0.3, 0.5, 1.1};
  for (bool reml : {false, true})
    CHECK_ERROR("criterion",
                check::relative(f.use(criterion_of(reml)).value(theta.data()),
                                g.use(criterion_of(reml)).value(theta.data()), s.n),
                1e-13);
}

// sd of the effects of the first factor times `ratio`.
void check_effects(double ratio, double tolerance) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Structure s = structures::crossed(seed, 40, {{7, {1}}, {4, {2}}}, 2);
    Random random(seed);
    std::vector<double> b = random.normals(7);
    for (int i = 0; i < s.n; ++i) s.y[i] = random.normal() + ratio * b[s.factors[0].codes[i]];
    const Stages stages(s);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    for (double scale : {0.5, 1.0, 2.0}) {
      const std::vector<double> theta{scale * ratio, 0.5, 0.1, 0.3};
      for (bool reml : {false, true}) {
        const double value = f.use(criterion_of(reml)).value(theta.data());
        const auto truth = static_cast<double>(
            reference::likelihood(s, stages.basis.kept, std::vector<Real>(theta.begin(), theta.end()), reml));
        CHECK_ERROR(ratio > 1 ? "criterion, large effects" : "criterion, small effects", check::relative(value, truth),
                    tolerance);
      }
    }
  }
}

TEST(large_and_small_effects) {
  // The truth by V loses digits in the square of the ratio; it has them to lose where long double is more than double.
  if (sizeof(Real) == sizeof(double)) return;
  check_effects(1e4, 1e-8);
  check_effects(1e-4, 1e-12);
}

TEST(nan_where_nothing_can_be_computed) {
  const Structure s = structures::crossed(1, 40, {{5, {1}}, {4, {1}}});
  const Stages stages(s);
  mm::Criterion f(stages.model, mm::Likelihood::ml);
  const std::vector<double> good{0.5, 0.8}, overflow{1e200, 1.0}, nan{NAN, 1.0};
  const double before = f.use(mm::Likelihood::ml).value(good.data());
  CHECK(std::isnan(f.use(mm::Likelihood::ml).value(overflow.data())));
  std::vector<double> gradient(2, 0.0);
  f.use(mm::Likelihood::ml).gradient(gradient.data());
  CHECK(std::isnan(gradient[0]) && std::isnan(gradient[1]));
  CHECK(std::isnan(f.use(mm::Likelihood::reml).value(nan.data())));
  CHECK(f.use(mm::Likelihood::ml).value(good.data()) == before);
}

TEST(counts_of_evaluations) {
  const Structure s = structures::crossed(1, 40, {{5, {1}}});
  const Stages stages(s);
  mm::Criterion f(stages.model, mm::Likelihood::ml);
  const double theta = 0.5, other = 0.6;
  double slope = 0;
  for (int i = 0; i < 3; ++i) {  // one solution serves both criteria and their gradients
    f.use(mm::Likelihood::ml).value(&theta);
    f.use(mm::Likelihood::ml).gradient(&slope);
    f.use(mm::Likelihood::reml).value(&theta);
  }
  CHECK(f.n_value() == 1 && f.n_gradient() == 1 && f.m() == 1);
  const double ml = slope;
  f.use(mm::Likelihood::reml).gradient(&slope);
  CHECK(f.n_value() == 1 && f.n_gradient() == 2 && slope != ml);
  f.use(mm::Likelihood::reml).value(&other);
  CHECK(f.n_value() == 2);
  f.reset_counts();
  CHECK(f.n_value() == 0 && f.n_gradient() == 0);
}

}  // namespace
