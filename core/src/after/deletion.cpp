#include "after/deletion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"
#include "kernels/small_dense.hpp"
#include "kernels/workers.hpp"
#include "search/search.hpp"

namespace mixedmodels {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// What must remain of a sum of squares after the subtraction: less, and more than four of sixteen digits are lost.
constexpr double kRemains = 1e-4;

// The pair of levels in a row.
std::int64_t pair_of(const PairBlock& block, std::int32_t level_a, std::int32_t level_b) {
  const auto begin = block.level_b.begin() + block.start[level_a];
  const auto end = block.level_b.begin() + block.start[level_a + 1];
  return std::lower_bound(begin, end, level_b) - block.level_b.begin();
}

void subtract_factors(const Rows& rows, std::int64_t row, const double* xy, CrossProducts& A) {
  const double w = rows.w(row);
  const int k = A.k();
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    const FactorRows& rows_f = rows.factors[f];
    FactorBlock& block = A.factors[f];
    const int s = block.width;
    double* d = block.diagonal.data() + std::int64_t{rows_f.codes[row]} * s * s;
    double* ztx = A.ZtX.data() + (block.offset + std::int64_t{rows_f.codes[row]} * s) * k;
    for (int c = 0; c < s; ++c) {
      const double wz = w * rows_f.z[c][row];
      for (int r = 0; r < s; ++r) d[r + c * s] -= wz * rows_f.z[r][row];
      small::axpy(k, -wz, xy, ztx + c * k);
    }
  }
  for (PairBlock& pair : A.pairs) {
    const FactorRows &a = rows.factors[pair.a], &b = rows.factors[pair.b];
    const int sa = a.width(), sb = b.width();
    double* v = pair.values.data() + pair_of(pair, a.codes[row], b.codes[row]) * sa * sb;
    for (int c = 0; c < sa; ++c) {
      const double wz = w * a.z[c][row];
      for (int r = 0; r < sb; ++r) v[r + c * sb] -= wz * b.z[r][row];
    }
  }
}

// Exact zeros where a level of the row has no rows left; false where one that has some lost its digits.
bool settle_levels(const Rows& rows, std::int64_t row, const CrossProducts& all, const std::vector<std::int64_t>& left,
                   CrossProducts& A) {
  const int k = A.k();
  auto empty = [&](int f) { return left[A.factors[f].first_node + rows.factors[f].codes[row]] == 0; };
  for (int f = 0; f < static_cast<int>(A.factors.size()); ++f) {
    FactorBlock& block = A.factors[f];
    const int s = block.width;
    const std::int64_t level = rows.factors[f].codes[row];
    double* d = block.diagonal.data() + level * s * s;
    if (empty(f)) {
      std::fill_n(d, s * s, 0.0);
      std::fill_n(A.ZtX.data() + (block.offset + level * s) * k, std::int64_t{s} * k, 0.0);
      continue;
    }
    const double* before = all.factors[f].diagonal.data() + level * s * s;
    for (int c = 0; c < s; ++c)
      if (d[c * (s + 1)] < kRemains * before[c * (s + 1)]) return false;
  }
  for (PairBlock& pair : A.pairs) {
    if (!empty(pair.a) && !empty(pair.b)) continue;
    const FactorRows &a = rows.factors[pair.a], &b = rows.factors[pair.b];
    const std::int64_t size = std::int64_t{a.width()} * b.width();
    std::fill_n(pair.values.data() + pair_of(pair, a.codes[row], b.codes[row]) * size, size, 0.0);
  }
  return true;
}

// Whether X keeps its rank and the least-squares residual its digits.
bool fixed_part_remains(const CrossProducts& all, const CrossProducts& A) {
  const int p = A.p, k = A.k();
  const std::size_t last = p + static_cast<std::size_t>(p) * k;
  std::vector<double> L(A.XtX);
  if (!blas::potrf('L', k, L.data(), k)) return false;
  for (int j = 0; j < p; ++j) {
    const double pivot = L[j + static_cast<std::size_t>(j) * k];
    if (!(pivot * pivot > kRemains * all.XtX[j + static_cast<std::size_t>(j) * k])) return false;
  }
  return L[last] * L[last] > kRemains * all.XtX[last];
}

// What one thread needs to fit without one set of rows after the other.
class DeletionBench {
 public:
  explicit DeletionBench(const RefitModel& model)
      : model_(model),
        rows_(model.rows),
        A_(model.A),
        weights_(static_cast<std::size_t>(model.rows.n)),
        left_(static_cast<std::size_t>(model.A.nodes), 0),
        criterion_(rows_, model.basis, A_, model.symbolic, model.entries) {
    for (std::int64_t i = 0; i < rows_.n; ++i) weights_[i] = rows_.w(i);
    // A weight of zero takes a row out of everything that is formed from rows.
    rows_.weight = {weights_.data(), 1};
    for (std::size_t f = 0; f < rows_.factors.size(); ++f)
      for (std::int64_t i = 0; i < rows_.n; ++i) ++left_[A_.factors[f].first_node + rows_.factors[f].codes[i]];
  }

  void fit(const RowSets& sets, int at, const std::vector<double>& start, Likelihood likelihood,
           const SearchSettings& settings, const NewtonStep* newton, Deletions& out) {
    const std::int64_t* which = sets.rows.data() + sets.start[at];
    const std::int64_t count = sets.start[at + 1] - sets.start[at];
    take_out(which, count);
    const auto factors = A_.factors.size();
    for (std::size_t f = 0; f < factors; ++f) {
      const auto first = left_.begin() + A_.factors[f].first_node;
      out.levels[at * factors + f] =
          static_cast<std::int32_t>(A_.factors[f].levels - std::count(first, first + A_.factors[f].levels, 0));
    }
    out.n[at] = rows_.n - count;
    check_interrupt(static_cast<double>(A_.q) * A_.k());
    A_ = model_.A;
    if (subtract_rows(model_.rows, model_.basis, model_.A, which, count, left_, A_)) {
      criterion_.response_changed();
      solve(criterion_, model_.basis, A_, start, likelihood, settings, newton, at, out);
    } else {
      out.rebuilt[at] = 1;
      fit_anew(count, start, likelihood, settings, newton, at, out);
    }
    put_back(which, count);
  }

 private:
  void take_out(const std::int64_t* which, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      weights_[which[i]] = 0;
      for (std::size_t f = 0; f < rows_.factors.size(); ++f)
        --left_[A_.factors[f].first_node + rows_.factors[f].codes[which[i]]];
    }
  }

  void put_back(const std::int64_t* which, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      weights_[which[i]] = model_.rows.w(which[i]);
      for (std::size_t f = 0; f < rows_.factors.size(); ++f)
        ++left_[A_.factors[f].first_node + rows_.factors[f].codes[which[i]]];
    }
  }

  void fit_anew(std::int64_t count, const std::vector<double>& start, Likelihood likelihood,
                const SearchSettings& settings, const NewtonStep* newton, int at, Deletions& out) {
    const OrthogonalBasis basis = orthogonalize(rows_);
    if (basis.fits_exactly || rows_.n - count <= basis.p()) return;
    CrossProducts A = cross_products(rows_, basis);
    A.n = rows_.n - count;
    A.sum_log_weights = 0;
    for (double w : weights_)
      if (w > 0) A.sum_log_weights += std::log(w);
    Criterion criterion(rows_, basis, A, model_.symbolic, model_.entries);
    solve(criterion, basis, A, start, likelihood, settings, newton, at, out);
  }

  void solve(Criterion& criterion, const OrthogonalBasis& basis, const CrossProducts& A, std::vector<double> theta,
             Likelihood likelihood, const SearchSettings& settings, const NewtonStep* newton, int at,
             Deletions& out) const {
    const auto m = theta.size();
    if (newton) {
      std::vector<double> gradient(m), step(m, 0.0);
      criterion.value(theta.data(), likelihood);
      criterion.gradient(likelihood, gradient.data());
      for (std::size_t j = 0; j < m; ++j)
        for (std::size_t i = 0; i < m; ++i) step[i] -= newton->inverse[i + j * m] * gradient[j];
      newton->axes.advance(theta.data(), step.data());
    } else {
      SearchResult found = refit_from(criterion, likelihood, std::move(theta), settings);
      theta = std::move(found.theta);
      out.decrement[at] = found.decrement;
    }
    const double value = criterion.value(theta.data(), likelihood);
    if (!std::isfinite(value)) return;
    std::copy(theta.begin(), theta.end(), out.theta.begin() + at * static_cast<std::ptrdiff_t>(m));
    out.objective[at] = value;
    const Pls& pls = criterion.pls();
    const auto df = static_cast<double>(likelihood == Likelihood::reml ? A.n - A.p : A.n);
    out.sigma[at] = A.unit * std::sqrt(pls.pwrss() / df);
    fixed_part(pls, basis, A, out.sigma[at], at, out);
  }

  // Coefficients and standard errors, at their places among the columns kept with all rows.
  void fixed_part(const Pls& pls, const OrthogonalBasis& basis, const CrossProducts& A, double sigma, int at,
                  Deletions& out) const {
    const int p = A.p, k = A.k();
    std::vector<double> beta(static_cast<std::size_t>(p)), inverse(static_cast<std::size_t>(p) * p, 0.0);
    basis.to_original(pls.beta().data(), beta.data());
    for (int j = 0; j < p; ++j) inverse[j * (p + 1)] = 1;
    blas::trsm('L', 'L', 'T', p, p, pls.RX().data(), k, inverse.data(), std::max(p, 1));
    basis.solve_R(inverse.data(), p);
    const std::vector<int>& kept = model_.basis.kept;
    for (int j = 0; j < p; ++j) {
      double sum = 0;
      for (int c = 0; c < p; ++c) sum += inverse[j + c * p] * inverse[j + c * p];
      const auto place = std::lower_bound(kept.begin(), kept.end(), basis.kept[j]) - kept.begin();
      const auto target = at * static_cast<std::ptrdiff_t>(kept.size()) + place;
      out.beta[target] = beta[j];
      out.std_error[target] = sigma * std::sqrt(sum);
    }
  }

  const RefitModel& model_;
  Rows rows_;
  CrossProducts A_;
  std::vector<double> weights_;
  std::vector<std::int64_t> left_;
  Criterion criterion_;
};

}  // namespace

bool subtract_rows(const Rows& rows, const OrthogonalBasis& basis, const CrossProducts& all, const std::int64_t* which,
                   std::int64_t count, const std::vector<std::int64_t>& left, CrossProducts& A) {
  const int k = A.k();
  if (rows.n - count <= A.p) return false;
  BasisRows basis_rows(rows, basis, 1);
  for (std::int64_t i = 0; i < count; ++i) {
    check_interrupt(1.0 * k * k);
    const double* xy = basis_rows.block(which[i], 1);
    const double w = rows.w(which[i]);
    subtract_factors(rows, which[i], xy, A);
    for (int c = 0; c < k; ++c) small::axpy(k, -w * xy[c], xy, A.XtX.data() + static_cast<std::size_t>(c) * k);
    A.sum_log_weights -= std::log(w);
  }
  A.n -= count;
  for (std::int64_t i = 0; i < count; ++i)
    if (!settle_levels(rows, which[i], all, left, A)) return false;
  return fixed_part_remains(all, A);
}

Deletions fit_without(const RefitModel& model, const RowSets& sets, const std::vector<double>& start,
                      Likelihood likelihood, const SearchSettings& settings, const NewtonStep* newton, int threads) {
  const auto count = static_cast<std::size_t>(sets.count()), p = static_cast<std::size_t>(model.A.p);
  Workers workers(std::min(threads, std::max(sets.count(), 1)));
  require_memory(
      "Fits without some rows, by several threads",
      {{"results", bytes_of_numbers(count * (start.size() + 2 * p + model.A.factors.size() + 5))},
       {"cross-products and weights of every thread",
        workers.threads() * (model.A.bytes() + bytes_of_numbers(model.rows.n))},
       {"factor and inverse of every thread", workers.threads() * WorkspaceBytes(model.A, model.symbolic, 1).total()}},
      model.symbolic.elimination.fill.flops);
  Deletions out;
  out.theta.assign(count * start.size(), kNaN);
  out.beta.assign(count * p, kNaN);
  out.std_error.assign(count * p, kNaN);
  for (auto* v : {&out.sigma, &out.objective, &out.decrement}) v->assign(count, kNaN);
  out.n.assign(count, 0);
  out.levels.assign(count * model.A.factors.size(), 0);
  out.rebuilt.assign(count, 0);
  std::vector<std::unique_ptr<DeletionBench>> benches(static_cast<std::size_t>(workers.threads()));
  workers.run(sets.count(), [&](int i, int thread) {
    if (!benches[thread]) benches[thread] = std::make_unique<DeletionBench>(model);
    benches[thread]->fit(sets, i, start, likelihood, settings, newton, out);
  });
  return out;
}

}  // namespace mixedmodels
