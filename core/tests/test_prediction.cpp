// Variances of predictions against the inverse of the dense mixed model pls, for combinations of levels that
// occur and for others, for unknown levels and for rows without some factor.
#include "after/prediction.hpp"
#include "check.hpp"
#include "reference_pls.hpp"
#include "structures.hpp"

namespace {

using dense::Matrix;
using Real = long double;

// Rows with their values, level -1 where it is unknown.
struct NewRows {
  int n;
  std::vector<std::vector<std::int32_t>> codes;
  std::vector<std::vector<double>> z;
  std::vector<double> x;

  NewRows(Random& random, const Structure& s, int p, int count) : n(count), x(static_cast<std::size_t>(count) * p) {
    for (double& value : x) value = random.normal();
    for (const Structure::Factor& f : s.factors) {
      codes.emplace_back();
      z.emplace_back();
      for (int i = 0; i < n; ++i) {
        codes.back().push_back(random.integer(-1, f.levels - 1));
        const bool left_out = random.integer(0, 4) == 0;
        for (int c = 0; c < f.width(); ++c) z.back().push_back(left_out ? 0.0 : random.normal());
      }
    }
  }

  mm::PredictionRows rows() const {
    mm::PredictionRows out;
    out.n = n;
    out.x = x.data();
    for (std::size_t f = 0; f < codes.size(); ++f) {
      out.codes.push_back(codes[f].data());
      out.z.push_back(z[f].data());
    }
    return out;
  }
};

// Lambda'z of a row over the known levels, and the marginal variance of the unknown ones.
Matrix<Real> spherical(const Structure& s, const Matrix<Real>& Lambda, const NewRows& rows, int i, Real& marginal) {
  Matrix<Real> out(s.q(), 1);
  int first = 0;
  for (std::size_t f = 0; f < s.factors.size(); ++f) {
    const int width = s.factors[f].width(), code = rows.codes[f][i], level = first + std::max(code, 0) * width;
    for (int c = 0; c < width; ++c) {
      Real t = 0;
      for (int r = c; r < width; ++r) t += Lambda(level + r, level + c) * rows.z[f][i * width + r];
      if (code >= 0)
        out(level + c, 0) = t;
      else
        marginal += t * t;
    }
    first += s.factors[f].levels * width;
  }
  return out;
}

}  // namespace

TEST(random_structures) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    const int p = stages.basis.p();
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    Random random(seed + 900);
    const NewRows rows(random, s, p, 70);
    for (structures::Point point : structures::kPoints) {
      check::at("seed " + std::to_string(seed) + s.kind + " point " + std::to_string(static_cast<int>(point)));
      const std::vector<double> theta = structures::theta(random, s, point);
      f.use(mm::Likelihood::reml).value(theta.data());
      std::vector<double> modes(rows.n), variance(rows.n);
      mm::predict_rows(f.pls(), f.pls().b().data(), rows.rows(), modes.data(), variance.data());

      const reference::Solution truth = reference::solve(s, stages.basis.kept, theta);
      const Matrix<Real> U = reference::weighted_Z<Real>(s) * truth.Lambda;
      Matrix<Real> X = reference::fixed_and_response<Real>(s, stages.basis.kept), R(p, p), Q(s.n, p);
      for (int c = 0; c < p; ++c)
        for (int r = 0; r <= c; ++r) R(r, c) = stages.basis.R[r + static_cast<std::size_t>(c) * p];
      for (int i = 0; i < s.n; ++i)
        for (int c = 0; c < p; ++c) {
          Q(i, c) = X(i, c);
          for (int r = 0; r < c; ++r) Q(i, c) -= Q(i, r) * R(r, c);
          Q(i, c) /= R(c, c);
        }
      const Matrix<Real> UtQ = dense::transpose(U) * Q, K = truth.M_inverse * UtQ;
      const Matrix<Real> L = dense::cholesky(dense::transpose(Q) * Q - dense::transpose(UtQ) * K);
      for (int i = 0; i < rows.n; ++i) {
        Real expected = 0;
        const Matrix<Real> t = spherical(s, truth.Lambda, rows, i, expected);
        const Matrix<Real> Kt = dense::transpose(K) * t;
        Matrix<Real> g(p, 1);
        for (int j = 0; j < p; ++j) g(j, 0) = rows.x[static_cast<std::size_t>(i) * p + j] - Kt(j, 0);
        const Matrix<Real> h = dense::solve_lower(L, g);
        expected += (dense::transpose(t) * truth.M_inverse * t)(0, 0);
        if (p > 0) expected += (dense::transpose(h) * h)(0, 0);
        CHECK_ERROR("variance", check::relative(variance[i], static_cast<double>(expected)), 1e-10);
        double mean = 0, size = 1;
        int first = 0;
        for (std::size_t k = 0; k < s.factors.size(); ++k) {
          const int width = s.factors[k].width(), code = rows.codes[k][i];
          for (int c = 0; c < width && code >= 0; ++c) {
            const double part = rows.z[k][i * width + c] * static_cast<double>(truth.b(first + code * width + c, 0));
            mean += part;
            size += std::abs(part);
          }
          first += s.factors[k].levels * width;
        }
        CHECK_ERROR("modes", std::abs(modes[i] - mean) / size, 1e-10);
      }
    }
  }
}
