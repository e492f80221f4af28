#include "criterion/criterion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "criterion/hessian.hpp"
#include "criterion/starts.hpp"
#include "criterion/ztviz.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Digits of pwrss that may be lost before the reference point is renewed: three of sixteen.
constexpr double kCancellation = 1e3;
constexpr int kRenewals = 2;

}  // namespace

std::vector<double> natural_units(const Model& model) {
  const CrossProducts& A = *model.A;
  std::vector<double> out;
  for (const ThetaEntry& e : model.entries) {
    const FactorBlock& f = A.factors[e.factor];
    const std::int64_t s = f.width;
    double sum = 0;
    for (std::int64_t l = 0; l < f.levels; ++l) sum += f.diagonal[l * s * s + e.row * (s + 1)];
    out.push_back(sum > 0 ? std::sqrt(static_cast<double>(A.n) / sum) : 1.0);
  }
  return out;
}

WorkspaceBytes::WorkspaceBytes(const CrossProducts& A, const Symbolic& S, int threads) {
  constexpr double kWidest = 256;  // columns of a supernode
  factor = bytes_of_numbers(S.panel_size);
  inverse = bytes_of_numbers(S.panel_size + S.product_size);
  updates = bytes_of_numbers(threads * kWidest * S.max_below);
  products = bytes_of_numbers(static_cast<double>(A.q) * (4.0 * A.p + 8));
}

const Model& affordable(const Model& model, int threads) {
  const WorkspaceBytes need(*model.A, *model.symbolic, threads);
  require_memory("This model",
                 {{"the factor", need.factor},
                  {"its inverse", need.inverse},
                  {"updates of the factor", need.updates},
                  {"products of fixed and random effects", need.products}},
                 model.symbolic->elimination.fill.flops);
  return model;
}

Criterion::Criterion(const Model& model, Likelihood likelihood, int threads)
    : model_(affordable(model, threads)),
      likelihood_(likelihood),
      pls_(model, threads),
      unit_(model.structures ? model.structures->unit() : natural_units(model)),
      par_(static_cast<std::size_t>(model.m()), std::numeric_limits<double>::quiet_NaN()),
      gradient_(par_.size()) {
  if (model.structures) structured_.emplace(*model.structures), by_theta_.resize(model.entries.size());
}

double Criterion::value(const double* par) {
  if (!std::equal(par, par + m(), par_.begin())) {
    ++n_value_;
    forget();  // until the workspace is that of the new theta: the work may be interrupted
    try {
      pls_.update(structured_ ? structured_->move(par).data() : par);
      // A reference at this very theta leaves nothing to cancel, so a second round is rare.
      // Without rows there is no better one: the digits are lost, and callers check `cancellation` at the optimum.
      for (int i = 0; i < kRenewals && model_.rows.present() && std::abs(pls_.cancellation()) > kCancellation; ++i)
        pls_.set_reference(reference_point(model_.rows, model_.basis, *model_.A, pls_.b().data(), pls_.beta().data()));
    } catch (...) {
      pls_.reset_reference();  // as if nothing had been computed
      throw;
    }
    std::copy_n(par, m(), par_.begin());
  }
  return pls_.criterion(likelihood_);
}

void Criterion::gradient(double* out) {
  if (gradient_of_ != likelihood_) {
    ++n_gradient_;
    gradient_of_.reset();
    pls_.gradient(likelihood_, structured_ ? by_theta_.data() : gradient_.data());
    if (structured_)
      structured_->gradient(
          by_theta_.data(), [this](const EffectsBlock& block, double* slope) { slope_block(block, slope); },
          gradient_.data());
    gradient_of_ = likelihood_;
  }
  std::copy(gradient_.begin(), gradient_.end(), out);
}

Scores Criterion::scores() const {
  const double df = pls_.scale_df(likelihood_);
  return {pls_.ZtWe(), df / pls_.pwrss(), df};
}

// The sums of V - Z'We e'WZ / sigma^2, times the template: the first part are the sums of G', the second is Z'We u'.
void Criterion::slope_block(const EffectsBlock& b, double* out) const {
  const FactorBlock& block = model_.A->factors[b.factor];
  const int s = block.width, w = b.width;
  const double scale = pls_.scale_df(likelihood_) / pls_.pwrss();
  const double* sums = pls_.trace_sums()[b.factor].data();
  std::fill_n(out, w * w, 0.0);
  for (std::int64_t l = 0, at = block.offset + b.first; l < block.levels; ++l, at += s)
    for (int c = 0; c < w; ++c) small::axpy(w, -scale * pls_.u()[at + c], pls_.ZtWe().data() + at, out + c * w);
  for (int c = 0; c < w; ++c)
    for (int r = 0; r < w; ++r) out[r + c * w] += sums[b.first + c + (b.first + r) * s];
}

std::vector<std::vector<double>> Criterion::covariance_derivatives(const std::vector<EffectsBlock>& of,
                                                                   double gradients) {
  const CrossProducts& A = *model_.A;
  std::vector<std::vector<double>> out;
  if (A.has_prior() || A.pattern->has_own_pairs() || !keeps_digits(A, pls_.lam())) return out;
  double cost = 0;
  for (const EffectsBlock& block : of) cost += covariance_derivative_cost(*this, block.factor, block.width);
  if (!(cost <= gradients * gradient_cost(*this))) return out;
  for (const EffectsBlock& block : of)
    out.push_back(covariance_derivative(*this, block.factor, block.first, block.width));
  return out;
}

double Criterion::sigma() const { return pls_.sigma(likelihood_); }

void Criterion::hold_coefficients(std::vector<double> a, double value) {
  forget();
  pls_.hold_coefficients(std::move(a), value);
}

void Criterion::forget() {
  std::fill(par_.begin(), par_.end(), std::numeric_limits<double>::quiet_NaN());
  gradient_of_.reset();
}

void Criterion::response_changed() {
  forget();
  pls_.reset_reference();
  reset_counts();
}

std::vector<std::vector<double>> Criterion::starts() const {
  std::vector<std::vector<double>> out = moment_starts(*model_.A, model_.entries);
  for (std::vector<double>& start : out)
    if (model_.structures) start = model_.structures->closest_to(start);
  return out;
}

}  // namespace mixedmodels
