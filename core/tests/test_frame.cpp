// Frames: coordinates from a part of the rows, with other weights, give the model of the exact basis.
#include "check.hpp"
#include "criterion/identify.hpp"
#include "criterion/starts.hpp"
#include "structures.hpp"

namespace {

// A covariate far from zero that drifts, its interaction with a treatment, and weights that the first rows do not show.
Structure drifting(int n) {
  Structure s = structures::crossed(7, n, {{50, {1}}, {20, {2}}}, 1);
  Random random(11);
  std::vector<double> x(n), treatment(n), product(n);
  for (int i = 0; i < n; ++i) {
    x[i] = 1e6 + 5.0 * i / n + random.normal();
    treatment[i] = random.chance(0.5);
    product[i] = x[i] * treatment[i];
    s.y[i] += 0.3 * (x[i] - 1e6) - 0.1 * treatment[i] * (x[i] - 1e6);
    s.w.push_back(random.uniform(0.2, 1.0) + 2.0 * i / n);
  }
  s.x.push_back(std::move(x));
  s.x.push_back(std::move(treatment));
  s.x.push_back(std::move(product));
  return s;
}

mm::Rows first_rows(mm::Rows rows, std::int64_t n) {
  rows.n = n;
  rows.weight = {};
  return rows;
}

double worst(const std::vector<double>& a, const std::vector<double>& b) {
  double out = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) out = std::max(out, check::relative(a[i], b[i]));
  return out;
}

// The model of the exact basis with other products of the same pattern.
mm::Model with(const Stages& exact, const mm::CrossProducts& A) {
  return mm::with_products(exact.model, std::make_shared<mm::CrossProducts>(A));
}

// Everything that the products say at a theta, in the frame and in the exact basis.
void compare(const Stages& exact, const mm::Frame& frame, const mm::CrossProducts& A) {
  const std::vector<mm::ThetaEntry> entries = exact.structure.entries();
  const mm::Model in_frame = with(exact, A);
  mm::ProfiledDeviance one(exact.model), other(in_frame);
  const int p = A.p;
  for (const std::vector<double>& theta : {std::vector<double>{0.7, 0.5, 0.2, 0.4}, {0.0, 0.3, 0.0, 0.0}}) {
    for (mm::Likelihood likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) {
      const double value = one.value(theta.data(), likelihood);
      CHECK_ERROR("criterion", check::relative(other.value(theta.data(), likelihood), value), 1e-12);
      std::vector<double> by_exact(theta.size()), by_frame(theta.size());
      one.gradient(likelihood, by_exact.data());
      other.gradient(likelihood, by_frame.data());
      for (std::size_t e = 0; e < theta.size(); ++e)
        CHECK_ERROR("gradient", check::relative(by_frame[e], by_exact[e], exact.structure.n), 1e-11);
    }
    CHECK_ERROR("log |X'V^-1X|", check::relative(other.logdet_RX2(), one.logdet_RX2()), 5e-13);
    CHECK_ERROR("log |L|^2", check::relative(other.logdet_L2(), one.logdet_L2()), 5e-13);
    std::vector<double> beta(p), expected(p);
    frame.to_original(other.beta().data(), beta.data());
    exact.basis.to_original(one.beta().data(), expected.data());
    // The intercept is where the covariate is zero, a million away.
    for (int j = 0; j < p; ++j) CHECK_ERROR("beta", check::relative(beta[j], expected[j], 1e-3), 1e-7);
  }
}

TEST(a_frame_of_the_first_rows) {
  const Structure s = drifting(200000);
  const Stages exact(s);
  mm::Frame frame = mm::pilot_frame(first_rows(exact.rows, 1000));
  mm::CrossProducts A = mm::cross_products(exact.rows, frame, exact.A.pattern);
  const double per_row = A.XtX[0] / static_cast<double>(s.n);
  CHECK(frame.kept.size() == 4 && per_row > 0.1 && per_row < 10);
  compare(exact, frame, A);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  const auto starts = mm::moment_starts(A, entries), expected = mm::moment_starts(exact.A, entries);
  CHECK(starts.size() == expected.size());
  for (std::size_t i = 0; i < starts.size(); ++i) CHECK_ERROR("starts", worst(starts[i], expected[i]), 1e-8);
  const mm::Identifiability told = mm::identifiability(A, entries, mm::Likelihood::reml),
                            known = mm::identifiability(exact.A, entries, mm::Likelihood::reml);
  CHECK_ERROR("identifiability", std::abs(told.pivot - known.pivot) + std::abs(told.share - known.share), 1e-8);
  // From the frame to the exact basis, without the rows.
  CHECK(mm::orthonormalize(frame, A));
  compare(exact, frame, A);
  // The interaction has a part of 1e-6 of its own: its pivot in the triangle of all rows has lost as many digits.
  CHECK_ERROR("ZtX", worst(A.ZtX, exact.A.ZtX), 1e-5);
  CHECK_ERROR("R", worst(frame.R, exact.basis.R), 1e-5);
}

TEST(another_response_in_a_frame) {
  const Structure s = drifting(3000);
  Structure other = s;
  Random random(5);
  for (double& y : other.y) y = 100 + random.normal();
  const Stages exact(s), expected(other);
  mm::Frame frame = mm::pilot_frame(first_rows(exact.rows, 200));
  mm::CrossProducts A = mm::cross_products(exact.rows, frame);
  mm::renew_response(expected.rows, frame, A);
  compare(expected, frame, A);
  for (int j = 0; j < A.p; ++j) CHECK_ERROR("X'Wy", std::abs(A.XtX[j + A.p * A.k()]) / s.n, 1e-10);
}

TEST(columns_that_the_first_rows_do_not_tell_apart) {
  Structure s = drifting(3000);
  for (int i = 0; i < 200; ++i) s.x[2][i] = s.x[3][i] = 0;  // none of them treated
  const Stages exact(s);
  const mm::Frame frame = mm::pilot_frame(first_rows(exact.rows, 200));
  const mm::CrossProducts A = mm::cross_products(exact.rows, frame);
  CHECK(A.p == 4);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  const mm::Model in_frame = with(exact, A);
  mm::ProfiledDeviance one(exact.model), other(in_frame);
  const std::vector<double> theta{0.7, 0.5, 0.2, 0.4};
  CHECK_ERROR(
      "criterion, no digits lost to the pilot",
      check::relative(other.value(theta.data(), mm::Likelihood::ml), one.value(theta.data(), mm::Likelihood::ml)),
      1e-5);
}

}  // namespace
