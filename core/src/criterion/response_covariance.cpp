#include "criterion/response_covariance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "criterion/connected.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Most flops of a factorization: a profile takes some thousands.
constexpr double kMostFlops = 1e6;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool has_plain_levels(const Model& model) {
  if (model.A->has_prior() || model.A->pattern->has_own_pairs()) return false;
  return std::none_of(model.rows.factors.begin(), model.rows.factors.end(),
                      [](const FactorRows& f) { return f.several(); });
}

}  // namespace

std::unique_ptr<ResponseCovariance> ResponseCovariance::of_saturated(const Model& model) {
  if (!model.rows.present() || model.A->q < model.A->n || !has_plain_levels(model)) return nullptr;
  std::unique_ptr<ResponseCovariance> out(new ResponseCovariance(model));
  if (!out->divide_rows()) return nullptr;
  out->copy_rows();
  return out;
}

// False where the sets are too large.
bool ResponseCovariance::divide_rows() {
  const CrossProducts& A = *model_.A;
  const std::vector<std::vector<int>> nodes = components(*model_.graph);
  std::vector<int> set_of(static_cast<std::size_t>(model_.graph->nodes));
  for (std::size_t c = 0; c < nodes.size(); ++c)
    for (int node : nodes[c]) set_of[node] = static_cast<int>(c);
  sets_.resize(nodes.size());
  for (std::int64_t row = 0; row < model_.rows.n; ++row)
    if (model_.rows.w(row) > 0)
      sets_[set_of[A.factors[0].first_node + model_.rows.factors[0].codes[row]]].rows.push_back(row);
  std::erase_if(sets_, [](const Rowset& set) { return set.rows.empty(); });
  double flops = 0;
  for (const Rowset& set : sets_) flops += std::pow(set.count(), 3) / 3;
  return flops <= kMostFlops;
}

void ResponseCovariance::copy_rows() {
  const int k = model_.A->k();
  BasisRows basis_rows(model_.rows, model_.basis, 1);
  int columns = 0;
  for (const FactorRows& f : model_.rows.factors) {
    first_.push_back(columns);
    columns += f.width();
  }
  for (Rowset& set : sets_) {
    const auto n = static_cast<std::size_t>(set.count());
    set.V.resize(n * n);
    set.xy.resize(2 * n * k);
    set.z.resize(n * columns);
    set.turned.resize(n * columns);
    for (std::size_t i = 0; i < n; ++i) {
      const double* row = basis_rows.block(set.rows[i], 1);
      for (int j = 0; j < k; ++j) set.xy[i + j * n] = row[j];
      for (std::size_t f = 0; f < first_.size(); ++f) {
        const FactorRows& factor = model_.rows.factors[f];
        for (int c = 0; c < factor.width(); ++c) set.z[i + (first_[f] + c) * n] = factor.z[c][set.rows[i]];
      }
    }
  }
  beta_.resize(static_cast<std::size_t>(model_.A->p));
}

double ResponseCovariance::value(const double* templates, double sigma) {
  ++n_value_;
  sigma_ = sigma;
  logdet_ = rounding_ = most_lost_ = 0;
  const std::size_t k = model_.A->k();
  XtX_.assign(k * k, 0.0);
  for (Rowset& set : sets_) {
    turn(templates, set);
    if (!factorize(set, sigma * sigma)) return kNaN;
  }
  if (!solve_fixed()) return kNaN;
  double sum = 0;
  for (const Rowset& set : sets_) sum += squares(set);
  rounding_ = std::numeric_limits<double>::epsilon() * (rounding_ + most_lost_ * sum);
  const double constant = 2 * std::numbers::pi * model_.A->unit * model_.A->unit;
  return static_cast<double>(model_.A->n) * std::log(constant) + logdet_ + sum;
}

// Z times the templates.
void ResponseCovariance::turn(const double* templates, Rowset& set) {
  const int n = set.count();
  std::fill(set.turned.begin(), set.turned.end(), 0.0);
  for (std::size_t e = 0; e < model_.entries.size(); ++e) {
    const auto [factor, row, column] = model_.entries[e];
    small::axpy(n, templates[e], set.z.data() + static_cast<std::size_t>(first_[factor] + row) * n,
                set.turned.data() + static_cast<std::size_t>(first_[factor] + column) * n);
  }
}

bool ResponseCovariance::factorize(Rowset& set, double variance) {
  const int n = set.count(), k = model_.A->k();
  check_interrupt(static_cast<double>(n) * n * n / 3);
  std::fill(set.V.begin(), set.V.end(), 0.0);
  for (std::size_t f = 0; f < first_.size(); ++f) {
    const FactorRows& factor = model_.rows.factors[f];
    for (int j = 0; j < n; ++j)
      for (int i = j; i < n; ++i) {
        if (factor.codes[set.rows[i]] != factor.codes[set.rows[j]]) continue;
        double sum = 0;
        for (int c = first_[f]; c < first_[f] + factor.width(); ++c)
          sum += set.turned[i + static_cast<std::size_t>(c) * n] * set.turned[j + static_cast<std::size_t>(c) * n];
        set.V[i + static_cast<std::size_t>(j) * n] += sum;
      }
  }
  work_.resize(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    double& entry = set.V[i * (static_cast<std::size_t>(n) + 1)];
    entry += variance / model_.rows.w(set.rows[i]);
    work_[i] = entry;
  }
  if (!blas::potrf('L', n, set.V.data(), n)) return false;
  for (int i = 0; i < n; ++i) {
    const double root = set.V[i * (static_cast<std::size_t>(n) + 1)];
    logdet_ += 2 * std::log(root);
    const double lost = work_[i] / (root * root);  // of the digits of the pivot
    rounding_ += lost;
    most_lost_ = std::max(most_lost_, lost);
  }
  double* solved = set.xy.data() + static_cast<std::size_t>(n) * k;
  std::copy_n(set.xy.begin(), static_cast<std::size_t>(n) * k, solved);
  blas::trsm('L', 'L', 'N', n, k, set.V.data(), n, solved, n);
  for (int a = 0; a < k; ++a)
    for (int b = 0; b <= a; ++b)
      XtX_[a + static_cast<std::size_t>(b) * k] +=
          small::dot(n, solved + static_cast<std::size_t>(a) * n, solved + static_cast<std::size_t>(b) * n);
  return true;
}

bool ResponseCovariance::solve_fixed() {
  const int p = model_.A->p;
  if (!factorize_fixed(p, XtX_.data())) return false;
  solve_coefficients(p, XtX_.data(), beta_.data());
  held_.move(p, XtX_.data(), beta_.data());
  return true;
}

// r'V^-1 r; L^-1 r is left in residual_.
double ResponseCovariance::squares(const Rowset& set) {
  const int n = set.count(), p = model_.A->p;
  const double* solved = set.xy.data() + static_cast<std::size_t>(n) * (p + 1);
  residual_.assign(solved + static_cast<std::size_t>(n) * p, solved + static_cast<std::size_t>(n) * (p + 1));
  for (int j = 0; j < p; ++j) small::axpy(n, -beta_[j], solved + static_cast<std::size_t>(j) * n, residual_.data());
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += residual_[i] * residual_[i];
  return sum;
}

double ResponseCovariance::gradient(double* out) {
  std::fill_n(out, model_.entries.size(), 0.0);
  double trace = 0;
  for (const Rowset& set : sets_) trace += add_gradient(set, out);
  return 2 * sigma_ * trace;
}

// With G = V^-1 - V^-1 r r'V^-1 the derivatives are 2 tr(G Z dT T'Z') by the templates T, and tr(G W^-1), returned, by
// sigma^2.
double ResponseCovariance::add_gradient(const Rowset& set, double* out) {
  const int n = set.count();
  const auto at = [n](int i, int j) { return i + static_cast<std::size_t>(j) * n; };
  squares(set);
  blas::trsm('L', 'L', 'T', n, 1, set.V.data(), n, residual_.data(), n);
  work_ = set.V;
  blas::potri('L', n, work_.data(), n);
  double trace = 0;
  for (int j = 0; j < n; ++j) {
    for (int i = j; i < n; ++i) work_[at(i, j)] = work_[at(j, i)] = work_[at(i, j)] - residual_[i] * residual_[j];
    trace += work_[at(j, j)] / model_.rows.w(set.rows[j]);
  }
  std::vector<double> product(static_cast<std::size_t>(n));
  for (std::size_t f = 0; f < first_.size(); ++f) {
    const FactorRows& factor = model_.rows.factors[f];
    for (int column = 0; column < factor.width(); ++column) {
      std::fill(product.begin(), product.end(), 0.0);
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i)
          if (factor.codes[set.rows[i]] == factor.codes[set.rows[j]])
            product[i] += work_[at(i, j)] * set.turned[at(j, first_[f] + column)];
      for (std::size_t e = 0; e < model_.entries.size(); ++e)
        if (model_.entries[e].factor == static_cast<int>(f) && model_.entries[e].column == column)
          out[e] += 2 * small::dot(n, product.data(), set.z.data() + at(0, first_[f] + model_.entries[e].row));
    }
  }
  return trace;
}

}  // namespace mixedmodels
