// Second derivatives against those of the dense marginal covariance, and on larger designs against differences of the
// gradient.
#include <algorithm>

#include "check.hpp"
#include "criterion/differences.hpp"
#include "criterion/hessian.hpp"
#include "reference_pls.hpp"
#include "search/quasi_newton.hpp"

namespace {

using structures::Point;

constexpr mm::Likelihood kCriteria[] = {mm::Likelihood::ml, mm::Likelihood::reml};

dense::Matrix<double> matrix(std::vector<double> a) {
  const int m = static_cast<int>(std::lround(std::sqrt(static_cast<double>(a.size()))));
  dense::Matrix<double> out(m, m);
  out.a = std::move(a);
  return out;
}

dense::Matrix<double> hessian_at(mm::Criterion& f, const std::vector<double>& theta, mm::Likelihood likelihood) {
  f.use(likelihood).value(theta.data());
  return matrix(mm::hessian(f.use(likelihood)));
}

// Entries are measured in those of a unit diagonal: the scale of a column of Z costs no digits.
double difference(dense::Matrix<double> found, const dense::Matrix<reference::Real>& truth) {
  double worst = 0;
  std::vector<double> size;
  for (int i = 0; i < truth.rows; ++i) size.push_back(std::sqrt(std::abs(static_cast<double>(truth(i, i)))));
  const double least = 0.1 * *std::max_element(size.begin(), size.end());
  for (double& entry : size) entry = std::max(entry, least);
  for (int j = 0; j < truth.cols; ++j)
    for (int i = 0; i < truth.rows; ++i) {
      const double error = std::abs(found(i, j) - static_cast<double>(truth(i, j))) / (size[i] * size[j]);
      if (!(error <= worst)) worst = error;
    }
  return worst;
}

TEST(random_structures) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    Random random(seed + 900);
    for (Point point : structures::kPoints) {
      const std::vector<double> theta = structures::theta(random, s, point);
      check::at("seed " + std::to_string(seed) + s.kind + " point " + std::to_string(static_cast<int>(point)));
      for (mm::Likelihood likelihood : kCriteria)
        CHECK_ERROR("against V",
                    difference(hessian_at(f, theta, likelihood),
                               reference::hessian(s, stages.basis.kept, theta, likelihood == mm::Likelihood::reml)),
                    1e-10);
    }
  }
}

TEST(small_and_large_templates) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    Random random(seed + 70);
    for (double scale : {1e-4, 1e-2, 30.0, 1e3}) {
      std::vector<double> theta = structures::theta(random, s, Point::interior);
      for (double& t : theta) t *= scale;
      check::at("seed " + std::to_string(seed) + s.kind + " scale " + std::to_string(scale));
      CHECK_ERROR(
          "scaled",
          difference(hessian_at(f, theta, mm::Likelihood::ml), reference::hessian(s, stages.basis.kept, theta, false)),
          1e-7);
    }
  }
}

TEST(larger_designs) {
  std::vector<Structure> designs = structures::large();
  designs.push_back(structures::nested(7, 1200, {{300, {1}}, {60, {2}}, {9, {1}}}));
  designs.push_back(structures::crossed(8, 800, {{200, {3}}}));
  designs.push_back(structures::crossed(31, 1500, {{400, {2}}, {4, {1}}}, 3));  // the lead's pairs by products
  designs.push_back(structures::crossed(32, 1500, {{5, {2}}, {300, {1, 1}}}, 3));
  designs.push_back(structures::halves(33, 900, 200, 2));
  for (const Structure& s : designs) {
    check::at(s.kind);
    const Stages stages(s);
    Random random(11);
    const std::vector<double> theta = structures::theta(random, s, Point::interior);
    for (mm::Likelihood likelihood : kCriteria) {
      dense::Matrix<double> first;
      for (int threads : {1, 3}) {
        mm::Criterion f(stages.model, mm::Likelihood::ml, threads);
        const dense::Matrix<double> found = hessian_at(f, theta, likelihood);
        if (threads == 1) {
          first = found;
          CHECK_ERROR(
              "against differences",
              dense::relative_difference(found, matrix(mm::difference_hessian(f.use(likelihood), theta, false))), 1e-6);
        }
        CHECK_ERROR("threads", dense::relative_difference(found, first), 1e-12);
      }
    }
  }
}

// Blocks of M^-1 that are read where the factor has them (the pairs of levels are many) or made anew (they are few, and
// some levels are eliminated early), and templates that have no inverse.
TEST(large_rest) {
  const std::vector<Structure> designs{structures::crossed(21, 6000, {{260, {1}}, {230, {1}}}),
                                       structures::crossed(22, 700, {{300, {1}}, {260, {1}}}),
                                       structures::crossed(23, 2500, {{150, {2}}, {132, {2}}})};
  for (const Structure& s : designs) {
    const Stages stages(s);
    Random random(5);
    for (Point point : {Point::interior, Point::zero_template}) {
      const std::vector<double> theta = structures::theta(random, s, point);
      check::at(std::to_string(s.n) + " rows, point " + std::to_string(static_cast<int>(point)));
      mm::Criterion f(stages.model, mm::Likelihood::ml, 2);
      const dense::Matrix<double> found = hessian_at(f, theta, mm::Likelihood::reml);
      CHECK_ERROR(
          "against differences",
          dense::relative_difference(found, matrix(mm::difference_hessian(f.use(mm::Likelihood::reml), theta, false))),
          1e-6);
    }
  }
}

TEST(hessian_is_empty_where_digits_would_be_lost) {
  const Structure s = structures::crossed(9, 300, {{20, {2}}, {12, {1}}});
  const Stages stages(s);
  mm::Criterion f(stages.model, mm::Likelihood::ml);
  CHECK(hessian_at(f, {3000, 100, 2000, 4000}, mm::Likelihood::ml).a.size() == 16);
  CHECK(hessian_at(f, {3000, 100, 0, 4000}, mm::Likelihood::ml).a.empty());
  CHECK(hessian_at(f, {1, 0.1, 0, 4000}, mm::Likelihood::ml).a.empty());
  CHECK(hessian_at(f, {1e5, 100, 1e5, 1e5}, mm::Likelihood::ml).a.empty());
}

TEST(hessian_is_nan_where_the_criterion_overflows) {
  const Structure s = structures::crossed(5, 60, {{6, {3}}, {5, {2}}});
  const Stages stages(s);
  mm::Criterion f(stages.model, mm::Likelihood::ml);
  const dense::Matrix<double> found = hessian_at(f, std::vector<double>(s.entries().size(), 1e200), mm::Likelihood::ml);
  for (double value : found.a) CHECK(std::isnan(value));
}

// The derivative by the covariance is half of the Hessian's block at a column that is zero, for ML and REML.
TEST(derivative_by_the_covariance_is_the_block_at_a_zero_column) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const Structure s = structures::crossed(seed, 150, {{12, {3}}, {9, {1, 2}}});
    check::at("seed " + std::to_string(seed));
    const Stages stages(s);
    const std::vector<mm::ThetaEntry> entries = s.entries();
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    Random random(seed);
    std::vector<double> theta = random.normals(entries.size());
    // The second and third column of the first term, and the first of the last one.
    for (std::size_t e : {3u, 4u, 5u, 7u, 8u}) theta[e] = 0;
    for (const mm::Likelihood likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) {
      f.use(likelihood).value(theta.data());
      const std::vector<double> H = mm::hessian(f);
      const std::vector<double> own = mm::covariance_derivative(f, 0, 1, 2);
      const std::vector<double> other = mm::covariance_derivative(f, 1, 1, 2);
      const std::size_t m = entries.size();
      for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
          CHECK_ERROR("first term", check::relative(2 * own[i + 2 * j], H[3 + i + (3 + j) * m]), 1e-9);
          CHECK_ERROR("last term", check::relative(2 * other[i + 2 * j], H[7 + i + (7 + j) * m]), 1e-9);
        }
      CHECK_ERROR("third column", check::relative(2 * own[3], H[5 + 5 * m]), 1e-9);
      for (std::size_t e : {3u, 4u, 5u, 7u, 8u})
        for (std::size_t i : {0u, 1u, 2u, 6u, 9u}) CHECK(std::abs(H[i + e * m]) <= 1e-9 * std::abs(H[e * (m + 1)]));
    }
  }
}

}  // namespace
