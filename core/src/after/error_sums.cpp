#include "after/error_sums.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "criterion/pls.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Largest rounding error of the factor relative to the I: small, so that its pivots are positive.
constexpr double kRounding = 1e-3;
// A pivot above this part of its diagonal entry is that of a direction that exists, and one below this number is not;
// only so many of those between are looked at closely, for each takes a solve.
constexpr double kLarge = 1e-3, kSmall = 100;
constexpr int kMostSolved = 2000;
// Least part of a column of X that the random-effects terms leave over, for it to count as one of its own.
constexpr double kShare = 1e-8;

Templates diagonal_templates(const CrossProducts& A, const std::vector<double>& scale) {
  Templates out;
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    const int s = A.factors[f].width;
    out.emplace_back(static_cast<std::size_t>(s) * s, 0.0);
    for (int c = 0; c < s; ++c) out[f][static_cast<std::size_t>(c) * (s + 1)] = scale[f];
  }
  return out;
}

std::vector<double> scales(const CrossProducts& A) {
  std::vector<double> out;
  for (const FactorBlock& f : A.factors) {
    double most = 0;
    for (std::int64_t l = 0; l < f.levels; ++l)
      for (int c = 0; c < f.width; ++c) most = std::max(most, f.diagonal[(l * f.width + c) * f.width + c]);
    out.push_back(most > 0 ? std::sqrt(kRounding / std::numeric_limits<double>::epsilon() / most) : 1.0);
  }
  return out;
}

// b = Lambda u, order of the cross-products.
std::vector<double> modes_of(const Model& model, const std::vector<double>& theta, const double* u) {
  const CrossProducts& A = *model.A;
  std::vector<double> b(static_cast<std::size_t>(A.q), 0.0);
  for (std::size_t e = 0; e < model.entries.size(); ++e) {
    const ThetaEntry& entry = model.entries[e];
    const FactorBlock& f = A.factors[static_cast<std::size_t>(entry.factor)];
    for (std::int64_t at = f.offset; at < f.offset + std::int64_t{f.levels} * f.width; at += f.width)
      b[at + entry.row] += theta[e] * u[at + entry.column];
  }
  return b;
}

}  // namespace

ErrorSums::ErrorSums(const Model& model, int threads)
    : model_(model), A_(*model.A), factor_(A_, *model.symbolic, threads), scale_(scales(A_)) {
  require_independent_levels(A_, "A response without rows");
  for (int tries = 0; !factor_.renew(diagonal_templates(A_, scale_)); ++tries) {
    if (tries == 4) throw std::invalid_argument("The sums over rows have no Cholesky factor.");
    for (double& t : scale_) t /= 10;
  }
  const Symbolic& S = *model.symbolic;
  const auto q = static_cast<std::size_t>(A_.q), k = static_cast<std::size_t>(A_.k());
  present_.assign(q + k - 1, 0);
  std::vector<double> own(q);  // diagonal of t^2 Z'WZ
  RZX_.assign(q * k, 0.0);
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    for (std::int64_t i = 0; i < std::int64_t{block.levels} * block.width; ++i) {
      const auto to = static_cast<std::size_t>(S.permuted[block.offset + i]);
      own[to] = scale_[f] * scale_[f] * block.diagonal[i * block.width + i % block.width];
      small::axpy(static_cast<int>(k), scale_[f], A_.ZtX.data() + (block.offset + i) * static_cast<std::int64_t>(k),
                  RZX_.data() + to * k);
    }
  }
  find_present(own);
  factor_.solve_L(RZX_.data(), A_.k());
  reduce_fixed();
}

// A pivot of the factor is t^2 v'Z'WZ v + v'v, v = 1 at the column and what the columns before it leave of it there.
// The first part is rounding where the column depends on those before it.
void ErrorSums::find_present(const std::vector<double>& own) {
  std::vector<double> v(own.size());
  int solved = 0;
  for (const Supernode& node : model_.symbolic->supernodes)
    for (int c = 0; c < node.width; ++c) {
      const double root = factor_.panels()[node.panel + std::int64_t{c} * (node.leading() + 1)], pivot = root * root;
      const std::size_t at = static_cast<std::size_t>(node.first) + c;
      if (pivot > kLarge * own[at] || pivot < kSmall || solved == kMostSolved) {
        present_[at] = pivot > std::sqrt(own[at] + 1);
      } else {
        std::fill(v.begin(), v.end(), 0.0);
        v[at] = root;
        factor_.solve_Lt(v.data(), 1);
        present_[at] = pivot > 2 * small::dot(static_cast<int>(at + 1), v.data(), v.data());
        ++solved;
      }
      rank_ += present_[at];
    }
}

// RX'RX = X'WX - RZX'RZX, semidefinite.
void ErrorSums::reduce_fixed() {
  const int p = A_.p, k = A_.k();
  std::vector<double> G(A_.XtX);
  blas::syrk('L', 'N', k, static_cast<int>(A_.q), -1.0, RZX_.data(), k, 1.0, G.data(), k);
  RX_.assign(static_cast<std::size_t>(p) * p, 0.0);
  auto at = [p](int r, int c) { return static_cast<std::size_t>(r) + static_cast<std::size_t>(c) * p; };
  for (int j = 0; j < p; ++j) {
    double rest = G[j + static_cast<std::size_t>(j) * k];
    for (int l = 0; l < j; ++l) rest -= RX_[at(j, l)] * RX_[at(j, l)];
    if (!(rest > kShare * A_.XtX[j + static_cast<std::size_t>(j) * k])) continue;
    present_[static_cast<std::size_t>(A_.q) + j] = 1;
    ++rank_;
    RX_[at(j, j)] = std::sqrt(rest);
    for (int i = j + 1; i < p; ++i) {
      double sum = G[i + static_cast<std::size_t>(j) * k];
      for (int l = 0; l < j; ++l) sum -= RX_[at(i, l)] * RX_[at(j, l)];
      RX_[at(i, j)] = sum / RX_[at(j, j)];
    }
  }
}

// out (q) += L x, permuted order.
void ErrorSums::multiply_factor(const double* x, double* out) const {
  const Symbolic& S = *model_.symbolic;
  InterruptMeter meter;
  for (const Supernode& node : S.supernodes) {
    const double* column = factor_.panels().data() + node.panel;
    const int* rows = S.rows.data() + node.rows;
    meter.count(2 * std::int64_t{node.width} * node.leading());
    for (int c = 0; c < node.width; ++c, column += node.leading()) {
      const double value = x[node.first + c];
      small::axpy(node.width - c, value, column + c, out + node.first + c);
      for (int i = 0; i < node.below; ++i) out[rows[i]] += value * column[node.width + i];
    }
  }
}

void ErrorSums::draw(const std::vector<double>& theta, const double* u, const double* x, double rest,
                     double* out) const {
  const auto q = static_cast<std::size_t>(A_.q), p = static_cast<std::size_t>(A_.p), k = p + 1;
  std::vector<double> drawn(q, 0.0), Zb(q), own(p, 0.0), given(p, 0.0);
  double squares = rest;
  for (std::size_t i = 0; i < q + p; ++i)
    if (present_[i]) squares += x[i] * x[i];
  // Of the errors: [Z X]'We. Absent directions are left in, for their columns are almost zero.
  multiply_factor(x, drawn.data());
  for (std::size_t i = 0; i < q; ++i) small::axpy(static_cast<int>(p), x[i], RZX_.data() + i * k, own.data());
  for (std::size_t c = 0; c < p; ++c)
    small::axpy(static_cast<int>(p - c), x[q + c], RX_.data() + c * (p + 1), own.data() + c);
  // Of the random effects: [Z X]'WZ b.
  const std::vector<double> b = modes_of(model_, theta, u);
  multiply_products(A_, b.data(), Zb.data(), 1);
  for (std::size_t i = 0; i < q; ++i) small::axpy(static_cast<int>(p), b[i], A_.ZtX.data() + i * k, given.data());
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    for (std::int64_t at = block.offset; at < block.offset + std::int64_t{block.levels} * block.width; ++at)
      out[at] = drawn[static_cast<std::size_t>(model_.symbolic->permuted[at])] / scale_[f];
  }
  squares += small::dot(static_cast<int>(q), b.data(), Zb.data()) + 2 * small::dot(static_cast<int>(q), b.data(), out);
  double* c = out + q;
  for (std::size_t j = 0; j < p; ++j) c[j] = own[j] + given[j];
  for (std::size_t i = 0; i < q; ++i) out[i] += Zb[i] - small::dot(static_cast<int>(p), A_.ZtX.data() + i * k, c);
  out[q + p] = std::max(squares - small::dot(static_cast<int>(p), c, c), 0.0);
}

}  // namespace mixedmodels
