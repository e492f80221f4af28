// The exact gradient of Laplace's approximation, and the model of its Hessian.
//
// With row leverages h = z'Lambda M^-1 Lambda'z and r = t h, v = M^-1 Lambda'Z'r and rho = r - w (Z Lambda v):
//   df/dbeta      = X'(rho - 2 s)
//   df/dLambda_rc = 2 [M^-1 Lambda'Z'WZ]_cr + c_r (v_c - 2 u_c) + d_r u_c, over the levels, c = Z's, d = Z'rho
//   df/dpsi       = sum of -2 dl/dpsi + h dw/dpsi, and v'Lambda'Z'(ds/dpsi); rows times their columns of psi
// References: Wood (2011), JRSS B 73; Wood, Pya and Saefken (2016), JASA 111.
#include <algorithm>
#include <cmath>

#include "generalized/laplace.hpp"
#include "kernels/blas.hpp"
#include "kernels/eigen.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// A rotation of the template moves the nodes, so that with few of them the sum depends on it. The criterion is that of
// the triangular template; its slope S along a rotation is zero: Lambda'S is symmetric. That gives S above the
// diagonal.
void without_rotations(const double* lam, int lead, int w, double* S) {
  for (int c = 1; c < w; ++c)
    for (int r = c - 1; r >= 0; --r) {
      const double pivot = lam[r + r * lead];
      if (pivot == 0) continue;
      double sum = 0;
      for (int i = c; i < w; ++i) sum += lam[i + c * lead] * S[i + r * w];
      for (int i = r + 1; i < w; ++i) sum -= lam[i + r * lead] * S[i + c * w];
      S[r + c * w] = sum / pivot;
    }
}

}  // namespace

// Of the random effects of the levels of a pair: lam_b [M^-1]_ba lam_a' for every pair that occurs.
void Laplace::find_pair_covariances(std::size_t t, std::int32_t first, std::int32_t last) {
  const Symbolic& S = *model_.symbolic;
  const double* inverse = pls_.factor().inverse().data();
  const PairBlock& pair = A_->pairs[t];
  const FactorBlock &a = A_->factors[pair.a], &b = A_->factors[pair.b];
  const int sa = a.width, sb = b.width;
  const double *lam_a = pls_.lam()[pair.a].data(), *lam_b = pls_.lam()[pair.b].data();
  std::vector<double> z(static_cast<std::size_t>(sa) * sb), half(z.size());
  InterruptMeter meter;
  for (std::int32_t l = first; l < last; ++l)
    for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
      meter.count(sa * sb * (sa + sb));
      const std::int64_t at = S.pair_at[t][e];
      const double* stored = inverse + (at < 0 ? ~at : at);
      double* out = pair_covariances_[t].data() + e * sa * sb;
      if (sa * sb == 1) {
        *out = *lam_a * *lam_b * *stored;
        continue;
      }
      const std::int64_t lead = at < 0 ? S.leading[b.first_node + pair.level_b[e]] : S.leading[a.first_node + l];
      for (int c = 0; c < sa; ++c)
        for (int r = 0; r < sb; ++r) z[r + c * sb] = at < 0 ? stored[c + r * lead] : stored[r + c * lead];
      for (int c = 0; c < sa; ++c)  // lam_b z lam_a'
        for (int r = 0; r < sb; ++r) {
          double sum = 0;
          for (int i = 0; i <= r; ++i) sum += lam_b[r + i * sb] * z[i + c * sb];
          half[r + c * sb] = sum;
        }
      for (int c = 0; c < sa; ++c)
        for (int r = 0; r < sb; ++r) {
          double sum = 0;
          for (int i = 0; i <= c; ++i) sum += half[r + i * sb] * lam_a[c + i * sa];
          out[r + c * sb] = sum;
        }
    }
}

void Laplace::find_leverages() {
  const Symbolic& S = *model_.symbolic;
  const double* inverse = pls_.factor().inverse().data();
  level_covariances_.resize(A_->factors.size());
  pair_covariances_.resize(A_->pairs.size());
  for (std::size_t f = 0; f < A_->factors.size(); ++f) {
    std::vector<double>& out = level_covariances_[f];
    out.resize(A_->factors[f].diagonal.size());
    if (A_->factors[f].width > 1) {
      pls_.conditional_covariance(static_cast<int>(f), out.data());
      continue;
    }
    const double square = pls_.lam()[f][0] * pls_.lam()[f][0];
    for (std::int32_t l = 0; l < A_->factors[f].levels; ++l)
      out[l] = square * inverse[S.diagonal_at[A_->factors[f].first_node + l]];
  }
  for (std::size_t t = 0; t < A_->pairs.size(); ++t) {
    const PairBlock& pair = A_->pairs[t];
    pair_covariances_[t].resize(pair.values.size());
    const std::int64_t levels = A_->factors[pair.a].levels;
    const auto parts = std::min(levels, static_cast<std::int64_t>(pair.level_b.size()) / WeightedRows::kRowsOfPart + 1);
    workers().run(static_cast<int>(parts), [&](int part, int) {
      const auto end = [&](int i) { return static_cast<std::int32_t>(levels * i / parts); };
      find_pair_covariances(t, end(part), end(part + 1));
    });
  }
  rows_.quadratic(workers(), level_covariances_, pair_covariances_, h_.data());
}

// Of every row: derivatives by a parameter of the log density, its score and its weight.
void Laplace::find_slopes(int parameter, double* l, double* s, double* w) const {
  rows_.each_part(workers(), kRowWork, [&](std::int64_t first, std::int64_t last, int) {
    family_.by_parameter(block(eta_, first, last), parameter, l + first, s + first, w + first);
  });
}

// Of psi: the gradient, and Z's and X's by it.
void Laplace::find_parameter_slopes() {
  if (K_ == 0) return;
  std::vector<double> l(n_), s(n_), w(n_), own(n_);
  for (int k = 0; k < K_; ++k) {
    const int parameter = parameters_.parameter(k);
    if (k == 0 || parameter != parameters_.parameter(k - 1)) {
      find_slopes(parameter, l.data(), s.data(), w.data());
      if (quadrature_) l = quadrature_->parameter()[parameter];
      if (approximation_.expected) expected_by_parameter(parameter, w.data());
      for (std::int64_t i = 0; i < n_; ++i) l[i] = -2 * l[i] + h_[i] * w[i];
    }
    double* sums = Zts_psi_.data() + static_cast<std::size_t>(k) * u_.size();
    parameters_.times(k, s.data(), own.data());
    rows_.sum_random(workers(), own.data(), sums);
    rows_.sum_fixed(workers(), own.data(), Xts_psi_.data() + static_cast<std::size_t>(k) * p_);
    gradient_[m_ + p_ + k] = parameters_.sum(k, l.data()) + small::dot(static_cast<int>(u_.size()), bv_.data(), sums) +
                             small::dot(p_, v_beta_.data(), Xts_psi_.data() + static_cast<std::size_t>(k) * p_);
  }
}

void Laplace::gradient(double* out) {
  if (!gradient_ready_) {
    ++n_gradient_;
    if (!stands_) {
      std::fill(gradient_.begin(), gradient_.end(), std::numeric_limits<double>::quiet_NaN());
      std::copy(gradient_.begin(), gradient_.end(), out);
      return;
    }
    if (!fixed_ready_) {
      rows_.renew_fixed(workers(), w_.data(), *A_);
      rows_.sum_fixed(workers(), s_.data(), Xts_.data());
    }
    const int k = A_->k();
    const std::size_t q = u_.size();
    std::vector<double>& r = work_rows_;
    if (approximation_.expected) {
      expect(eta_, r.data());
      renew_factor(r);
    }
    pls_.ensure_inverse();
    pls_.sum_trace_blocks();
    if (integrated()) {
      ensure_fixed();
      pls_.subtract_fixed_traces();
    }
    sum_templates();
    if (integrated()) add_fixed_leverages();
    if (approximation_.expected) {
      expected_slopes(r);
      renew_factor(w_);
      fixed_ready_ = false;
      for (std::int64_t i = 0; i < n_; ++i) r[i] *= h_[i];
    } else {
      for (std::int64_t i = 0; i < n_; ++i) r[i] = t_[i] * h_[i];
    }
    rows_.sum_random(workers(), r.data(), d_.data());
    rows_.sum_fixed(workers(), r.data(), pull_.data());
    apply_templates(pls_.lam(), d_.data(), v_.data(), kTransposed);
    if (quadrature_)
      for (std::size_t i = 0; i < q; ++i) v_[i] += 2 * quadrature_->slope()[i];
    solve(v_);
    apply_templates(pls_.lam(), v_.data(), bv_.data());
    multiply_products(*A_, bv_.data(), work_.data(), 1);
    for (std::size_t i = 0; i < q; ++i) {
      d_[i] -= work_[i];
      small::axpy(p_, -bv_[i], A_->ZtX.data() + i * k, pull_.data());
    }
    if (joint()) solve_jointly();
    if (quadrature_) {  // the mean score in the place of that at the mode
      std::vector<double> mean(p_);
      rows_.sum_fixed(workers(), quadrature_->score().data(), mean.data());
      for (int j = 0; j < p_; ++j) pull_[j] -= 2 * (mean[j] - Xts_[j]);
    }
    double* by_theta = structured_ ? by_theta_.data() : gradient_.data();
    for (const ThetaEntry& entry : model_.entries) {
      const FactorBlock& f = A_->factors[entry.factor];
      double sum = 0;
      for (std::int64_t at = f.offset; at < f.offset + std::int64_t{f.levels} * f.width; at += f.width)
        sum += Zts_[at + entry.row] * v_[at + entry.column] + d_[at + entry.row] * u_[at + entry.column];
      *by_theta++ = 2 * own_slopes_[entry.factor][entry.row + entry.column * f.width] + sum;
    }
    if (structured_)
      structured_->gradient(
          by_theta_.data(), [this](const EffectsBlock& block, double* slope) { slope_block(block, slope); },
          gradient_.data());
    for (int j = 0; j < p_; ++j) gradient_[m_ + j] = joint() ? 0.0 : pull_[j] - 2 * Xts_[j];
    find_parameter_slopes();
    base_.u = u_;
    base_.pull = joint() ? none_ : pull_;
    base_.planned = false;
    gradient_ready_ = true;
  }
  std::copy(gradient_.begin(), gradient_.end(), out);
}

// Leverages, and by factor the traces less the scores times the modes, or what stands for these by quadrature.
void Laplace::sum_templates() {
  if (quadrature_) {
    quadrature_->find_means(mode_point());
    h_ = quadrature_->leverage();
    own_slopes_[0] = quadrature_->templates();
    return;
  }
  find_leverages();
  for (std::size_t f = 0; f < own_slopes_.size(); ++f) {
    const FactorBlock& block = A_->factors[f];
    const int s = block.width;
    std::vector<double>& out = own_slopes_[f];
    std::fill(out.begin(), out.end(), 0.0);
    for (std::int64_t at = block.offset; at < block.offset + std::int64_t{block.levels} * s; at += s)
      for (int c = 0; c < s; ++c) small::axpy(s, -u_[at + c], Zts_.data() + at, out.data() + c * s);
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) out[r + c * s] += pls_.trace_sums()[f][c + r * s];
  }
}

void Laplace::slope_block(const EffectsBlock& b, double* out) const {
  const FactorBlock& block = A_->factors[b.factor];
  const int s = block.width, w = b.width;
  for (int c = 0; c < w; ++c) std::copy_n(own_slopes_[b.factor].data() + b.first + (b.first + c) * s, w, out + c * w);
  for (std::int64_t at = block.offset + b.first; at < block.offset + std::int64_t{block.levels} * s; at += s)
    for (int c = 0; c < w; ++c) {
      small::axpy(w, 0.5 * v_[at + c], Zts_.data() + at, out + c * w);
      small::axpy(w, 0.5 * u_[at + c], d_.data() + at, out + c * w);
    }
  if (quadrature_) without_rotations(pls_.lam()[b.factor].data() + b.first * (s + 1), s, w, out);
}

void Laplace::ensure_fixed() {
  if (fixed_ready_) return;
  pls_.load_fixed();
  pls_.eliminate_fixed();
  double ridge = 1e-13;
  while (!pls_.reduce_fixed() && ridge < 1e-4) {
    for (int j = 0; j < p_; ++j) A_->XtX[static_cast<std::size_t>(j) * (A_->k() + 1)] += ridge;
    ridge *= 100;
  }
  fixed_ready_ = true;
}

// d2 l / dpsi dpsi' (K x K), by differences where the family does not have them.
std::vector<double> Laplace::parameter_curvatures() {
  constexpr double kStep = 1e-5;
  std::vector<double> out(static_cast<std::size_t>(K_) * K_);
  if (K_ == 0) return out;
  bool exact = !parameters_.by_row();
  if (exact)
    in_strips(n_, kRowWork, [&](std::int64_t first, std::int64_t last) {
      exact = exact && family_.add_curvature(block(eta_, first, last), out.data());
    });
  if (exact) return out;
  std::vector<double> s(n_), w(n_), sides[2] = {s, s};
  const ParameterRows here = parameters_;
  for (int a = 0; a < here.count(); ++a)
    for (int b = 0; b < here.count(); ++b) {
      for (int side : {0, 1}) {
        parameters_ = here;
        parameters_.change(b, side == 0 ? kStep : -kStep);
        find_slopes(a, sides[side].data(), s.data(), w.data());
      }
      for (std::int64_t i = 0; i < n_; ++i) w[i] = (sides[0][i] - sides[1][i]) / (2 * kStep);
      for (int j = 0; j < K_; ++j) {
        if (here.parameter(j) != b) continue;
        here.times(j, w.data(), s.data());
        for (int i = 0; i < K_; ++i)
          if (here.parameter(i) == a) out[i + static_cast<std::size_t>(j) * K_] = here.sum(i, s.data());
      }
    }
  parameters_ = here;
  return out;
}

// Second derivatives of 2 g, the mode following: 2 X'V^-1X by beta, and likewise by psi.
void Laplace::model_of_others(double* out) {
  const int k = A_->k(), E = p_ + K_;
  const std::size_t q = u_.size();
  ensure_fixed();
  pls_.renew_ZtViX();
  const std::vector<double>& RX = pls_.RX();
  std::fill_n(out, E * E, 0.0);
  for (int c = 0; c < p_; ++c)
    for (int r = c; r < p_; ++r) {
      double sum = 0;
      for (int i = 0; i <= c; ++i)
        sum += RX[r + i * static_cast<std::size_t>(k)] * RX[c + i * static_cast<std::size_t>(k)];
      out[r + c * E] = out[c + r * E] = 2 * sum;
    }
  std::vector<double> du(q), b(q), product(q), own = parameter_curvatures();
  for (int a = 0; a < K_; ++a) {
    const double* sums = Zts_psi_.data() + a * q;
    apply_templates(pls_.lam(), sums, du.data(), kTransposed);
    solve(du);
    apply_templates(pls_.lam(), du.data(), b.data());
    multiply_products(*A_, b.data(), product.data(), 1);
    for (std::size_t i = 0; i < q; ++i) {
      change_psi_[a * q + i] = du[i];
      moved_psi_[a * q + i] = sums[i] - product[i];
    }
    for (int j = 0; j < p_; ++j) {
      double sum = Xts_psi_[a * static_cast<std::size_t>(p_) + j];
      for (std::size_t i = 0; i < q; ++i) sum -= A_->ZtX[i * k + j] * b[i];
      out[j + (p_ + a) * E] = out[p_ + a + j * E] = -2 * sum;
    }
    for (int c = 0; c < K_; ++c)
      own[a + c * K_] = -2 * (own[a + c * K_] + small::dot(static_cast<int>(q), b.data(), Zts_psi_.data() + c * q));
  }
  if (K_ == 0) return;
  std::vector<double> values, vectors, symmetric(own);
  double largest = 0;
  for (int c = 0; c < K_; ++c)
    for (int r = 0; r < K_; ++r) symmetric[r + c * K_] = 0.5 * (own[r + c * K_] + own[c + r * K_]);
  symmetric_eigen(K_, symmetric, values, vectors);
  for (double value : values) largest = std::max(largest, std::abs(value));
  for (int i = 0; i < K_; ++i) {
    const double size = std::max(std::abs(values[i]), 1e-3 * largest + 1e-8);
    for (int c = 0; c < K_; ++c)
      for (int r = 0; r < K_; ++r) out[p_ + r + (p_ + c) * E] += size * vectors[r + i * K_] * vectors[c + i * K_];
  }
}

void Laplace::cross_block(int other, const EffectsBlock& b, double* out) const {
  const FactorBlock& block = A_->factors[b.factor];
  const int s = block.width, w = b.width;
  const std::size_t q = u_.size();
  std::fill_n(out, w * w, 0.0);
  for (std::int64_t at = block.offset + b.first; at < block.offset + std::int64_t{block.levels} * s; at += s)
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) {
        const double* score = Zts_.data() + at + r;
        if (other < p_)
          out[r + c * w] += pls_.K()[(at + c) * p_ + other] * *score + u_[at + c] * pls_.ZtViX()[(at + r) * p_ + other];
        else
          out[r + c * w] -=
              change_psi_[(other - p_) * q + at + c] * *score + moved_psi_[(other - p_) * q + at + r] * u_[at + c];
      }
}

std::vector<double> Laplace::conditional_vcov() {
  const int p = p_, k = A_->k();
  std::vector<double> root(static_cast<std::size_t>(p) * p, 0.0), out(root.size());
  for (int i = 0; i < p; ++i) root[i * (static_cast<std::size_t>(p) + 1)] = 1;
  if (p == 0) return out;
  with_determinant(true, [&](Pls& pls) { blas::trsm('L', 'L', 'N', p, p, pls.RX().data(), k, root.data(), p); });
  blas::gemm('T', 'N', p, p, p, 1.0, root.data(), p, root.data(), p, 0.0, out.data(), p);
  return out;
}

}  // namespace mixedmodels
