// Purpose: the criterion and the penalized least squares problem of a structure, dense and from the definitions.
// The criterion goes by the marginal covariance V = W^-1 + Z Lambda Lambda' Z', so that it shares nothing with the
// core's way; over complex numbers a step of 1e-30 i gives its derivatives to full precision.
#pragma once

#include <algorithm>
#include <complex>
#include <numbers>
#include <vector>

#include "dense.hpp"
#include "structures.hpp"

namespace reference {

using Real = long double;
using dense::Matrix;

// sqrt(W) [X_kept, y - offset].
template <typename T>
Matrix<T> fixed_and_response(const Structure& s, const std::vector<int>& kept) {
  Matrix<T> out(s.n, static_cast<int>(kept.size()) + 1);
  for (int i = 0; i < s.n; ++i) {
    const T root = std::sqrt(T(s.weight(i)));
    for (std::size_t j = 0; j < kept.size(); ++j) out(i, static_cast<int>(j)) = root * T(s.x[kept[j]][i]);
    out(i, out.cols - 1) = root * (s.offset.empty() ? T(s.y[i]) : T(s.y[i]) - T(s.offset[i]));
  }
  return out;
}

// sqrt(W) Z.
template <typename T>
Matrix<T> weighted_Z(const Structure& s) {
  Matrix<T> out = s.template Z<T>();
  for (int j = 0; j < out.cols; ++j)
    for (int i = 0; i < s.n; ++i) out(i, j) *= std::sqrt(T(s.weight(i)));
  return out;
}

// W^1/2 V W^1/2.
template <typename T>
Matrix<T> marginal(const Structure& s, const std::vector<T>& theta) {
  const Matrix<T> U = weighted_Z<T>(s) * s.Lambda(theta);
  return U * dense::transpose(U) + dense::identity<T>(s.n);
}

template <typename T>
T likelihood(const Structure& s, const std::vector<int>& kept, const std::vector<T>& theta, bool reml) {
  const int p = static_cast<int>(kept.size());
  const Matrix<T> L = dense::cholesky(marginal(s, theta));
  const Matrix<T> xy = dense::solve_lower(L, fixed_and_response<T>(s, kept));
  const Matrix<T> R = dense::cholesky(dense::transpose(xy) * xy);  // its last pivot is the residual's norm
  const T pwrss = R(p, p) * R(p, p), df(static_cast<double>(reml ? s.n - p : s.n));
  T value = dense::logdet_from_cholesky(L) + df * (T(1) + std::log(T(2 * std::numbers::pi_v<Real>) * pwrss / df));
  for (int i = 0; i < s.n; ++i) value -= std::log(T(s.weight(i)));
  if (reml)
    for (int j = 0; j < p; ++j) value += T(2) * std::log(R(j, j));
  return value;
}

inline std::vector<double> gradient(const Structure& s, const std::vector<int>& kept, const std::vector<double>& theta,
                                    bool reml) {
  using Complex = std::complex<double>;
  constexpr double step = 1e-30;
  std::vector<Complex> at(theta.begin(), theta.end());
  std::vector<double> out;
  for (std::size_t k = 0; k < theta.size(); ++k) {
    at[k] = {theta[k], step};
    out.push_back(likelihood(s, kept, at, reml).imag() / step);
    at[k] = theta[k];
  }
  return out;
}

// By the marginal covariance and its derivatives, none of which the core ever forms.
inline Matrix<Real> hessian(const Structure& s, const std::vector<int>& kept, const std::vector<double>& theta,
                            bool reml) {
  const int m = static_cast<int>(theta.size()), p = static_cast<int>(kept.size());
  const std::vector<Real> at(theta.begin(), theta.end());
  const Matrix<Real> inverse = dense::inverse_from_cholesky(dense::cholesky(marginal(s, at)));
  const Matrix<Real> xy = fixed_and_response<Real>(s, kept);
  Matrix<Real> X(s.n, p), y(s.n, 1);
  std::copy_n(xy.a.begin(), X.a.size(), X.a.begin());
  std::copy_n(xy.a.begin() + static_cast<std::ptrdiff_t>(X.a.size()), s.n, y.a.begin());
  Matrix<Real> P = inverse;
  if (p > 0) {
    const Matrix<Real> VX = inverse * X;
    P = P - VX * dense::inverse_from_cholesky(dense::cholesky(dense::transpose(X) * VX)) * dense::transpose(VX);
  }
  const Matrix<Real>& of_determinant = reml ? P : inverse;
  const Matrix<Real> Z = weighted_Z<Real>(s), Py = P * y, Lambda = s.Lambda(at);
  std::vector<Matrix<Real>> U, slopes, products;  // Z dLambda_i, dV_i, dV_i times that of the determinant
  for (int i = 0; i < m; ++i) {
    std::vector<Real> unit(m, 0);
    unit[i] = 1;
    U.push_back(Z * s.Lambda(unit));
    const Matrix<Real> half = U.back() * dense::transpose(Z * Lambda);
    slopes.push_back(half + dense::transpose(half));
    products.push_back(of_determinant * slopes.back());
  }
  const Real pwrss = dense::trace_of_product(dense::transpose(y), Py), df = reml ? s.n - p : s.n;
  const auto along = [&](const Matrix<Real>& a, const Matrix<Real>& b) {
    return dense::trace_of_product(dense::transpose(a), b);
  };
  Matrix<Real> out(m, m);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < m; ++j) {
      const Matrix<Real> half = U[i] * dense::transpose(U[j]), second = half + dense::transpose(half);
      const Matrix<Real> of_i = slopes[i] * Py, of_j = slopes[j] * Py;
      const Real bend = 2 * along(of_i, P * of_j) - along(Py, second * Py);
      out(i, j) = dense::trace_of_product(of_determinant, second) - dense::trace_of_product(products[i], products[j]) +
                  df * (bend / pwrss - along(Py, of_i) * along(Py, of_j) / (pwrss * pwrss));
    }
  return out;
}

// The solution at theta; everything in the order of the cross-products.
struct Solution {
  Matrix<Real> M, M_inverse, Lambda, u, b, beta;
  double pwrss = 0, logdet_L2 = 0, logdet_RX2 = 0;
};

inline Solution solve(const Structure& s, const std::vector<int>& kept, const std::vector<double>& theta) {
  const int p = static_cast<int>(kept.size()), q = s.q();
  Solution out;
  out.Lambda = s.Lambda(std::vector<Real>(theta.begin(), theta.end()));
  const Matrix<Real> U = weighted_Z<Real>(s) * out.Lambda, xy = fixed_and_response<Real>(s, kept);
  out.M = dense::transpose(U) * U + dense::identity<Real>(q);
  const Matrix<Real> L = dense::cholesky(out.M), RZX = dense::solve_lower(L, dense::transpose(U) * xy);
  const Matrix<Real> R = dense::cholesky(dense::transpose(xy) * xy - dense::transpose(RZX) * RZX);
  out.M_inverse = dense::inverse_from_cholesky(L);
  out.logdet_L2 = static_cast<double>(dense::logdet_from_cholesky(L));
  Matrix<Real> RX(p, p), c_beta(p, 1), right(q, 1);
  for (int j = 0; j < p; ++j) {
    c_beta(j, 0) = R(p, j);
    out.logdet_RX2 += static_cast<double>(2 * std::log(R(j, j)));
    for (int i = 0; i < p; ++i) RX(i, j) = R(i, j);
  }
  out.beta = dense::solve_lower_transposed(RX, c_beta);
  for (int i = 0; i < q; ++i) {
    right(i, 0) = RZX(i, p);
    for (int j = 0; j < p; ++j) right(i, 0) -= RZX(i, j) * out.beta(j, 0);
  }
  out.u = dense::solve_lower_transposed(L, right);
  out.b = out.Lambda * out.u;
  Matrix<Real> e = U * out.u;
  Real pwrss = 0;
  for (int i = 0; i < s.n; ++i) {
    Real r = xy(i, p) - e(i, 0);
    for (int j = 0; j < p; ++j) r -= xy(i, j) * out.beta(j, 0);
    pwrss += r * r;
  }
  for (int i = 0; i < q; ++i) pwrss += out.u(i, 0) * out.u(i, 0);
  out.pwrss = static_cast<double>(pwrss);
  return out;
}

}  // namespace reference
