#include "after/deletion.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "search/search.hpp"

namespace mixedmodels {

namespace {

// Part of a sum of squares below which the rest after a subtraction has lost more than four of sixteen digits.
constexpr double kRemains = 1e-4;

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
    const std::int64_t at = find_pair(pair.start.data(), pair.level_b.data(), a.codes[row], b.codes[row]);
    std::fill_n(pair.values.data() + at * size, size, 0.0);
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

// What is asked of every fit.
struct Request {
  const RowSets& sets;
  const std::vector<double>& start;
  const SearchSettings& settings;
  const NewtonStep* newton;
  const RowsElsewhere* elsewhere;
};

// What one thread needs to fit without one set of rows after the other.
class DeletionBench : Bench {
 public:
  DeletionBench(const Model& all, Likelihood likelihood, const RowsElsewhere* elsewhere)
      : Bench(all, likelihood), all_(all), rows_(elsewhere ? elsewhere->rows : all.rows) {
    if (elsewhere) {
      left_ = elsewhere->of_levels;
      return;
    }
    left_.assign(static_cast<std::size_t>(all.A->nodes), 0);
    weights_.resize(static_cast<std::size_t>(rows_.n));
    for (std::int64_t i = 0; i < rows_.n; ++i) weights_[i] = rows_.w(i);
    // A weight of zero takes a row out of everything that is formed from rows.
    model.rows.weight = {weights_.data(), 1};
    for (std::size_t f = 0; f < rows_.factors.size(); ++f)
      for (std::int64_t i = 0; i < rows_.n; ++i) ++left_[A->factors[f].first_node + rows_.factors[f].codes[i]];
  }

  void fit(const Request& request, int at, Deletions& out) {
    const std::int64_t* which = request.sets.rows.data() + request.sets.start[at];
    const std::int64_t count = request.sets.start[at + 1] - request.sets.start[at];
    take_out(which, count);
    const std::vector<FactorBlock>& factors = all_.A->factors;
    for (std::size_t f = 0; f < factors.size(); ++f) {
      const auto first = left_.begin() + factors[f].first_node;
      out.levels[at * factors.size() + f] =
          static_cast<std::int32_t>(factors[f].levels - std::count(first, first + factors[f].levels, 0));
    }
    out.n[at] = all_.rows.n - count;
    check_interrupt(static_cast<double>(all_.A->q) * all_.A->k());
    *A = *all_.A;
    if (subtract_rows(all_, rows_, all_.rows.n, which, count, left_, *A)) {
      criterion.response_changed();
      solve(criterion, request, at, out);
    } else {
      out.rebuilt[at] = 1;
      if (!request.elsewhere) fit_anew(count, request, at, out);
    }
    put_back(which, count);
  }

 private:
  void take_out(const std::int64_t* which, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (!weights_.empty()) weights_[which[i]] = 0;
      count_row(which[i], -1);
    }
  }

  void put_back(const std::int64_t* which, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (!weights_.empty()) weights_[which[i]] = rows_.w(which[i]);
      count_row(which[i], 1);
    }
  }

  void count_row(std::int64_t row, int sign) {
    for (std::size_t f = 0; f < rows_.factors.size(); ++f)
      left_[A->factors[f].first_node + rows_.factors[f].codes[row]] += sign;
  }

  void fit_anew(std::int64_t count, const Request& request, int at, Deletions& out) {
    Model left = model;
    left.basis = orthogonalize(left.rows);
    if (left.basis.fits_exactly || left.rows.n - count <= left.basis.p()) return;
    left.A = std::make_shared<CrossProducts>(cross_products(left.rows, left.basis, model.A->pattern));
    Criterion anew(left, criterion.likelihood());
    solve(anew, request, at, out);
  }

  void solve(Criterion& f, const Request& request, int at, Deletions& out) const {
    std::vector<double> theta(request.start);
    if (request.newton) {
      const auto m = theta.size();
      std::vector<double> gradient(m), step(m, 0.0);
      f.value(theta.data());
      f.gradient(gradient.data());
      for (std::size_t j = 0; j < m; ++j)
        for (std::size_t i = 0; i < m; ++i) step[i] -= request.newton->inverse[i + j * m] * gradient[j];
      request.newton->axes.advance(theta.data(), step.data());
    } else {
      SearchResult found = refit_from(f, std::move(theta), request.settings);
      theta = std::move(found.theta);
      out.decrement[at] = found.decrement;
    }
    if (!std::isfinite(f.value(theta.data()))) return;
    out.put(at, f, theta, all_.basis.kept);
    put_errors(f, at, out);
  }

  // Standard errors, at their places among the columns kept with all rows.
  void put_errors(const Criterion& f, int at, Deletions& out) const {
    const OrthogonalBasis& basis = f.model().basis;
    const int p = basis.p();
    const std::vector<double> root = root_of_fixed_covariance(basis, f.pls().RX().data());
    const std::vector<int>& kept = all_.basis.kept;
    for (int j = 0; j < p; ++j) {
      double sum = 0;
      for (int c = 0; c < p; ++c) sum += root[j + c * p] * root[j + c * p];
      const auto place = std::lower_bound(kept.begin(), kept.end(), basis.kept[j]) - kept.begin();
      out.std_error[at * static_cast<std::ptrdiff_t>(kept.size()) + place] = out.sigma[at] * std::sqrt(sum);
    }
  }

  const Model& all_;
  const Rows& rows_;             // that sets refer to
  std::vector<double> weights_;  // of all rows; empty where these are not there
  std::vector<std::int64_t> left_;
};

}  // namespace

Deletions::Deletions(const Model& model, int sets)
    : Fits(model, sets),
      std_error(beta),
      decrement(sigma),
      n(sigma.size(), 0),
      levels(sigma.size() * model.A->factors.size(), 0),
      rebuilt(sigma.size(), 0) {}

RowsElsewhere::RowsElsewhere(const Model& model, Rows given, const std::vector<std::vector<int>>& widths,
                             std::vector<std::int64_t> of_levels)
    : rows(std::move(given)), of_levels(std::move(of_levels)) {
  rows.scale = 1 / model.A->unit;
  for (std::size_t f = 0; f < widths.size(); ++f) {
    const std::vector<double>& T = model.A->factors[f].T;
    if (T.empty()) continue;
    for (std::vector<double>& numbers : put_along_axes(rows, static_cast<int>(f), widths[f], T))
      along_axes.push_back(std::move(numbers));
  }
}

bool subtract_rows(const Model& all, const Rows& rows, std::int64_t n, const std::int64_t* which, std::int64_t count,
                   const std::vector<std::int64_t>& left, CrossProducts& A) {
  if (n - count <= A.p) return false;
  add_rows(rows, all.basis, which, count, -1, A);
  for (std::int64_t i = 0; i < count; ++i)
    if (!settle_levels(rows, which[i], *all.A, left, A)) return false;
  return fixed_part_remains(*all.A, A);
}

Deletions fit_without(const Model& model, const RowSets& sets, const std::vector<double>& start, Likelihood likelihood,
                      const SearchSettings& settings, const NewtonStep* newton, int threads,
                      const RowsElsewhere* elsewhere) {
  if (!elsewhere) require_one_level(model.rows, "Leaving out rows");
  require_independent_levels(*model.A, "Leaving out rows");
  Workers workers(std::min(threads, std::max(sets.count(), 1)));
  const std::size_t numbers = start.size() + 2 * model.basis.kept.size() + model.A->factors.size() + 5;
  require_benches("Fits without some rows, by several threads", model, workers.threads(),
                  sets.count() * bytes_of_numbers(numbers), elsewhere ? 0.0 : bytes_of_numbers(model.rows.n));
  Deletions out(model, sets.count());
  const Request request{sets, start, settings, newton, elsewhere};
  const auto make = [&] { return std::make_unique<DeletionBench>(model, likelihood, elsewhere); };
  on_benches(workers, sets.count(), make, [&](DeletionBench& bench, int i) { bench.fit(request, i, out); });
  return out;
}

}  // namespace mixedmodels
