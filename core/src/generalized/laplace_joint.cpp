// What is particular to other treatments of the coefficients and of the determinant: coefficients in the mode, or
// integrated over, and expected weights.
//
// With the coefficients in the mode every vector is joint: v = (v_u, v_beta) = M_*^-1 [Z Lambda, X]'r, M_* the Hessian
// of g in both. Integrated over, leverages and traces are those of M_*: h + x~'(X'V^-1X)^-1 x~, x~ = x - K'Lambda'z.
// With expected weights the leverages, traces, t and dw/dpsi of the determinant are those of these; the mode, v and rho
// stay with the observed ones.
#include <algorithm>
#include <cmath>

#include "generalized/laplace.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

void Laplace::expect(const std::vector<double>& eta, double* w) const {
  rows_.each_part(workers(), kRowWork, [&](std::int64_t first, std::int64_t last, int) {
    family_.expected(block(eta, first, last), w + first);
  });
}

std::vector<double> Laplace::expected_here() const {
  std::vector<double> w(n_);
  expect(eta_, w.data());
  return w;
}

void Laplace::with_determinant(bool fixed, const std::function<void(Pls&)>& use) {
  const bool expected = approximation_.expected, stands = stands_;
  const std::vector<double> own = expected ? expected_here() : std::vector<double>();
  if (expected) {
    stands_ = fixed_ready_ = false;  // should anything below throw
    renew_factor(own);
  }
  if (fixed) {
    if (!fixed_ready_) rows_.renew_fixed(workers(), expected ? own.data() : w_.data(), *A_);
    ensure_fixed();
  }
  use(pls_);
  if (!expected) return;
  renew_factor(w_);
  rows_.renew_fixed(workers(), w_.data(), *A_);
  fixed_ready_ = false;
  stands_ = stands;
}

// d w / d eta of the expected weights, by differences of fourth order.
void Laplace::expected_slopes(std::vector<double>& out) const {
  constexpr double kStep = 1e-3;
  std::vector<double> eta(n_), w(n_);
  std::fill(out.begin(), out.end(), 0.0);
  const std::pair<double, double> nodes[] = {{1, 8}, {-1, -8}, {2, -1}, {-2, 1}};
  for (const auto& [at, weight] : nodes) {
    for (std::int64_t i = 0; i < n_; ++i) eta[i] = eta_[i] + at * kStep;
    expect(eta, w.data());
    for (std::int64_t i = 0; i < n_; ++i) out[i] += weight * w[i] / (12 * kStep);
  }
}

// Likewise by a parameter of the family.
void Laplace::expected_by_parameter(int parameter, double* out) {
  constexpr double kStep = 1e-3;
  const ParameterRows here = parameters_;
  std::vector<double> w(n_);
  std::fill_n(out, n_, 0.0);
  const std::pair<double, double> nodes[] = {{1, 8}, {-1, -8}, {2, -1}, {-2, 1}};
  for (const auto& [at, weight] : nodes) {
    parameters_ = here;
    parameters_.change(parameter, at * kStep);
    expect(eta_, w.data());
    for (std::int64_t i = 0; i < n_; ++i) out[i] += weight * w[i] / (12 * kStep);
  }
  parameters_ = here;
}

// What the coefficients add to the leverages; after `subtract_fixed_traces`.
void Laplace::add_fixed_leverages() {
  const std::size_t q = u_.size();
  const int p = p_, k = A_->k();
  std::vector<double> own(q), moved(q), x(p);
  std::vector<double> LK(q * p);  // Lambda K
  for (int j = 0; j < p; ++j) {
    for (std::size_t i = 0; i < q; ++i) own[i] = pls_.K()[i * p + j];
    apply_templates(pls_.lam(), own.data(), moved.data());
    for (std::size_t i = 0; i < q; ++i) LK[i * p + j] = moved[i];
  }
  InterruptMeter meter;
  for (std::int64_t i = 0; i < n_; ++i) {
    meter.count(p * (p + 4));
    for (int j = 0; j < p; ++j) x[j] = rows_.x(i, j);
    for (std::size_t f = 0; f < A_->factors.size(); ++f) {
      const FactorBlock& factor = A_->factors[f];
      const double* z = rows_.z(static_cast<int>(f), i);
      const std::int64_t at = factor.offset + std::int64_t{rows_.codes(static_cast<int>(f))[i]} * factor.width;
      for (int c = 0; c < factor.width; ++c) small::axpy(p, -z[c], LK.data() + (at + c) * p, x.data());
    }
    small::solve_lower(p, k, pls_.RX().data(), x.data(), 1);
    h_[i] += small::dot(p, x.data(), x.data());
  }
}

// From v, Lambda v, Z'rho and X'rho with u alone to those with the coefficients.
void Laplace::solve_jointly() {
  const int p = p_, k = A_->k();
  const std::size_t q = u_.size();
  ensure_fixed();
  pls_.fixed_modes();
  v_beta_ = pull_;
  small::solve_lower(p, k, pls_.RX().data(), v_beta_.data(), 1);
  small::solve_upper(p, k, pls_.RX().data(), v_beta_.data(), 1);
  std::vector<double> less(q);
  for (std::size_t i = 0; i < q; ++i) less[i] = small::dot(p, pls_.K().data() + i * p, v_beta_.data());
  for (std::size_t i = 0; i < q; ++i) v_[i] -= less[i];
  apply_templates(pls_.lam(), less.data(), less.data());
  for (std::size_t i = 0; i < q; ++i) bv_[i] -= less[i];
  multiply_products(*A_, less.data(), work_.data(), 1);
  for (std::size_t i = 0; i < q; ++i) d_[i] += work_[i] - small::dot(p, A_->ZtX.data() + i * k, v_beta_.data());
}

// H_bb of `joint_hessian` by the weights of the determinant, and H_ba such that the coefficients, H_bb^-1 H_ba, move
// with theta and psi as the mode does; false where H_bb is not positive definite.
bool Laplace::take_expected_fixed(std::vector<double>& H) {
  const int N = size(), k = A_->k();
  const auto P = static_cast<std::size_t>(p_);
  std::vector<double> root(P * P), move(P * N), expected(P * P);
  for (int j = 0; j < N; ++j) std::copy_n(H.data() + m_ + static_cast<std::size_t>(j) * N, p_, move.data() + j * P);
  std::copy_n(move.data() + m_ * P, P * P, root.data());
  if (!blas::potrf('L', p_, root.data(), p_)) return false;
  blas::trsm('L', 'L', 'N', p_, N, root.data(), p_, move.data(), p_);
  blas::trsm('L', 'L', 'T', p_, N, root.data(), p_, move.data(), p_);
  with_determinant(true, [&](Pls& pls) {
    std::fill(root.begin(), root.end(), 0.0);
    for (int c = 0; c < p_; ++c)
      for (int r = c; r < p_; ++r) root[r + c * P] = pls.RX()[r + c * static_cast<std::size_t>(k)];
  });
  blas::gemm('N', 'T', p_, p_, p_, 2.0, root.data(), p_, root.data(), p_, 0.0, expected.data(), p_);
  for (int j = 0; j < N; ++j)
    for (int i = 0; i < p_; ++i) {
      double sum = 0;
      for (int l = 0; l < p_; ++l) sum += expected[i + l * P] * move[l + j * P];
      H[m_ + i + static_cast<std::size_t>(j) * N] = H[j + static_cast<std::size_t>(m_ + i) * N] = sum;
    }
  return true;
}

// Second derivatives at the last gradient. With H those of 2 g: by theta and psi f'' + H_ab H_bb^-1 H_ba, b the
// coefficients, so that eliminating these leaves f'', and the coefficients have the covariance that the mode implies.
std::vector<double> Laplace::joint_hessian(const std::vector<double>& par) {
  const auto N = static_cast<std::size_t>(size());
  const int E = p_ + K_;
  std::vector<double> others(static_cast<std::size_t>(E) * E), out(N * N, 0.0);
  const std::vector<double> steps = difference_steps_here();
  model_of_others(others.data());
  const auto at = [N](std::size_t row, std::size_t column) { return row + column * N; };
  for (int e = 0; e < m_; ++e) {
    const ThetaEntry& entry = model_.entries[e];
    const FactorBlock& f = A_->factors[entry.factor];
    for (int j = 0; j < p_; ++j) {
      double sum = 0;
      for (std::int64_t i = f.offset; i < f.offset + std::int64_t{f.levels} * f.width; i += f.width)
        sum += pls_.K()[(i + entry.column) * p_ + j] * Zts_[i + entry.row] +
               u_[i + entry.column] * pls_.ZtViX()[(i + entry.row) * p_ + j];
      out[at(e, m_ + j)] = out[at(m_ + j, e)] = 2 * sum;
    }
  }
  for (int j = 0; j < E; ++j)
    for (int i = 0; i < E; ++i)
      if (i < p_ || j < p_) out[at(m_ + i, m_ + j)] = others[i + static_cast<std::size_t>(j) * E];
  if (approximation_.expected && !take_expected_fixed(out)) return {};
  std::vector<std::size_t> free;
  for (int e = 0; e < m_; ++e) free.push_back(e);
  for (int a = 0; a < K_; ++a) free.push_back(m_ + p_ + a);
  difference_columns(par, steps, free, free, out);
  std::vector<double> root(static_cast<std::size_t>(p_) * p_), half(static_cast<std::size_t>(p_) * free.size());
  for (int j = 0; j < p_; ++j)
    for (int i = 0; i < p_; ++i) root[i + static_cast<std::size_t>(j) * p_] = out[at(m_ + i, m_ + j)];
  if (!blas::potrf('L', p_, root.data(), p_)) return {};
  for (std::size_t j = 0; j < free.size(); ++j)
    for (int i = 0; i < p_; ++i) half[i + j * p_] = out[at(m_ + i, free[j])];
  blas::trsm('L', 'L', 'N', p_, static_cast<int>(free.size()), root.data(), p_, half.data(), p_);
  std::vector<double> added(free.size() * free.size());
  for (std::size_t j = 0; j < free.size(); ++j)
    for (std::size_t i = 0; i <= j; ++i)
      added[i + j * free.size()] = 0.5 * (out[at(free[i], free[j])] + out[at(free[j], free[i])]) +
                                   small::dot(p_, half.data() + i * p_, half.data() + j * p_);
  for (std::size_t j = 0; j < free.size(); ++j)
    for (std::size_t i = 0; i <= j; ++i)
      out[at(free[i], free[j])] = out[at(free[j], free[i])] = added[i + j * free.size()];
  return out;
}

}  // namespace mixedmodels
