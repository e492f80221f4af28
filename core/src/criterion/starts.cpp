#include "criterion/starts.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kFew = 16;  // columns of X that are multiplied without BLAS

struct ZColumn {
  int factor, column;
};

// Squared norm of a column of Z projected off the columns before it, relative to the terms of its sum, below which the
// column counts as linearly dependent.
constexpr double kSame = 1e-10;
// By how much other columns of its factor may inflate the variance of a coefficient before a second start is tried.
constexpr double kCoupled = 4;

using Square = std::vector<double>;  // width x width, column-major

// Rows: the caller's columns of Z as combinations of those in the products, which are T' times them; the scale of a
// single column does not matter.
Square columns_of_caller(const FactorBlock& f) {
  const int s = f.width;
  Square U(static_cast<std::size_t>(s) * s, 0.0);
  for (int i = 0; i < s; ++i) U[i * (s + 1)] = 1;
  if (f.T.empty() || s == 1) return U;
  Square inverse(f.T);
  small::invert_lower(s, s, inverse.data());
  for (int c = 0; c < s; ++c)
    for (int r = 0; r <= c; ++r) U[r + c * s] = inverse[c + r * s];
  return U;
}

// v' S w, or the sum of the sizes of its terms.
double product(int s, const Square& S, const double* v, const double* w, bool sizes = false) {
  double sum = 0;
  for (int c = 0; c < s; ++c)
    for (int d = 0; d < s; ++d) {
      const double term = v[c] * S[c + d * s] * w[d];
      sum += sizes ? std::abs(term) : term;
    }
  return sum;
}

// Rows: combinations of the columns of a factor that are orthogonal over all rows, each of the caller's columns less
// what those before it have of it. With an intercept this centres the others; moments of columns that are nearly the
// same would be noise. Twice for each, so that large parts that cancel leave nothing behind.
Square orthogonal_axes(const FactorBlock& f) {
  const int s = f.width;
  Square S(static_cast<std::size_t>(s) * s, 0.0), out(S);
  for (std::int32_t l = 0; l < f.levels; ++l)
    small::axpy(s * s, 1.0, f.diagonal.data() + std::int64_t{l} * s * s, S.data());
  const Square own = columns_of_caller(f);
  std::vector<double> size(s), rows(static_cast<std::size_t>(s) * s);  // size 0: a column left as it is
  for (int j = 0; j < s; ++j) {
    double* row = rows.data() + j * s;
    for (int c = 0; c < s; ++c) row[c] = own[j + c * s];
    for (int pass = 0; pass < 2; ++pass)
      for (int i = 0; i < j; ++i)
        if (size[i] > 0) small::axpy(s, -product(s, S, rows.data() + i * s, row) / size[i], rows.data() + i * s, row);
    size[j] = product(s, S, row, row);
    if (!(size[j] > kSame * product(s, S, row, row, true))) {
      size[j] = 0;
      for (int c = 0; c < s; ++c) row[c] = own[j + c * s];
    }
    for (int c = 0; c < s; ++c) out[j + c * s] = row[c];
  }
  return out;
}

// block (rows x columns, column-major) = T block.
void turn_rows(const Square& T, int rows, int columns, double* block, std::int64_t lead, std::int64_t step) {
  std::vector<double> turned(rows);
  for (int c = 0; c < columns; ++c) {
    for (int r = 0; r < rows; ++r) {
      turned[r] = 0;
      for (int i = 0; i < rows; ++i) turned[r] += T[r + i * rows] * block[i * step + c * lead];
    }
    for (int r = 0; r < rows; ++r) block[r * step + c * lead] = turned[r];
  }
}

// The products with columns T z in the place of z.
CrossProducts turned(CrossProducts A, const std::vector<Square>& T) {
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    FactorBlock& block = A.factors[f];
    const int s = block.width;
    if (s == 1) continue;
    for (std::int64_t l = 0; l < block.levels; ++l) {
      check_interrupt(1.0 * s * s * (2 * s + A.k()));
      turn_rows(T[f], s, s, block.diagonal.data() + l * s * s, s, 1);
      turn_rows(T[f], s, s, block.diagonal.data() + l * s * s, 1, s);
      turn_rows(T[f], s, A.k(), A.ZtX.data() + (block.offset + l * s) * A.k(), 1, A.k());
    }
  }
  for (PairBlock& pair : A.pairs) {
    const int sa = A.factors[pair.a].width, sb = A.factors[pair.b].width;
    if (sa * sb == 1) continue;
    for (std::size_t at = 0; at < pair.values.size(); at += static_cast<std::size_t>(sa) * sb) {
      check_interrupt(1.0 * sa * sb * (sa + sb));
      turn_rows(T[pair.b], sb, sa, pair.values.data() + at, sb, 1);
      turn_rows(T[pair.a], sa, sb, pair.values.data() + at, 1, sb);
    }
  }
  return A;
}

// T' diag(variances) T, the covariance of the coefficients of z.
Square turned_back(int s, const Square& T, const double* variances) {
  Square out(T.size());
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < s; ++r)
      for (int i = 0; i < s; ++i) out[r + c * s] += T[i + r * s] * variances[i] * T[i + c * s];
  return out;
}

// Sums over levels l of one component and m of another of w_l N_lm^2, N = Z_c'MZ_d = B - C_c C_d', C = Z'W Q with
// Q'WQ = I, without forming N.
class QuadraticForms {
 public:
  QuadraticForms(const CrossProducts& A, const std::vector<ZColumn>& components) : A_(A), components_(components) {
    for (const ZColumn& c : components_) weights_.emplace_back(A.factors[c.factor].levels, 1.0);
    for (std::size_t i = 0; i < components_.size(); ++i) gram_.push_back(gram(i));
    weighted_ = gram_;
  }

  // Levels are weighted by the information of their sums on the variance, which is `ratio` times that of the residuals.
  void weigh(const std::vector<double>& ratio) {
    for (std::size_t i = 0; i < components_.size(); ++i) {
      for (std::int32_t l = 0; l < A_.factors[components_[i].factor].levels; ++l) {
        const double total = 1 + ratio[i] * own(components_[i], l);
        weights_[i][l] = 1 / (total * total);
      }
      weighted_[i] = gram(i);
    }
  }

  // The sum with the weights of i, and with those of j.
  std::pair<double, double> squares(std::size_t i, std::size_t j) const {
    const ZColumn &c = components_[i], &d = components_[j];
    std::pair<double, double> sum{small::dot(A_.p * A_.p, weighted_[i].data(), gram_[j].data()),
                                  small::dot(A_.p * A_.p, weighted_[j].data(), gram_[i].data())};
    auto add = [&](std::int64_t l, std::int64_t m, double b) {
      const double part = b * (b - 2 * small::dot(A_.p, fixed_row(c, l), fixed_row(d, m)));
      sum.first += weights_[i][l] * part;
      sum.second += weights_[j][m] * part;
    };
    if (c.factor == d.factor) {
      const FactorBlock& f = A_.factors[c.factor];
      const std::int64_t s = f.width;
      check_interrupt(1.0 * f.levels * A_.p);
      for (std::int32_t l = 0; l < f.levels; ++l) add(l, l, f.diagonal[l * s * s + c.column + d.column * s]);
      for (const PairBlock& pair : A_.pairs) {
        if (pair.a != c.factor || pair.b != c.factor) continue;
        for (std::int32_t l = 0; l < f.levels; ++l)
          for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
            const double* values = pair.values.data() + t * s * s;
            check_interrupt(2.0 * A_.p);
            add(l, pair.level_b[t], values[d.column + c.column * s]);
            add(pair.level_b[t], l, values[c.column + d.column * s]);
          }
      }
      return sum;
    }
    const bool swapped = c.factor > d.factor;
    const ZColumn &a = swapped ? d : c, &b = swapped ? c : d;
    for (const PairBlock& pair : A_.pairs) {
      if (pair.a != a.factor || pair.b != b.factor) continue;
      const std::int64_t sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
      for (std::int32_t l = 0; l < A_.factors[pair.a].levels; ++l) {
        check_interrupt(static_cast<double>(pair.start[l + 1] - pair.start[l]) * A_.p);
        for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
          const std::int32_t m = pair.level_b[t];
          const double value = pair.values[t * sa * sb + b.column + a.column * sb];
          swapped ? add(m, l, value) : add(l, m, value);
        }
      }
    }
    return sum;
  }

  // tr(M Z_c Z_c') without and with weights, y'M Z_c w Z_c'M y, the mean of Z_c'Z_c over the levels and the weighted
  // sum of its squares.
  struct Traces {
    double plain = 0, weighted = 0, form = 0, mean = 0, size = 0;
  };

  Traces traces(std::size_t i) const {
    const ZColumn& c = components_[i];
    const FactorBlock& f = A_.factors[c.factor];
    Traces out;
    for (std::int32_t l = 0; l < f.levels; ++l) {
      const double *row = fixed_row(c, l), all = own(c, l), w = weights_[i][l];
      const double left = all - small::dot(A_.p, row, row);
      out.mean += all / f.levels;
      out.size += w * all * all;
      out.plain += left;
      out.weighted += w * left;
      out.form += w * row[A_.p] * row[A_.p];
    }
    return out;
  }

 private:
  double own(const ZColumn& c, std::int64_t level) const {
    const FactorBlock& f = A_.factors[c.factor];
    const std::int64_t s = f.width;
    return f.diagonal[level * s * s + c.column * (s + 1)];
  }

  // C_c' w C_c, p x p.
  std::vector<double> gram(std::size_t i) const {
    const ZColumn& c = components_[i];
    const int p = A_.p, levels = A_.factors[c.factor].levels;
    std::vector<double> out(static_cast<std::size_t>(p) * p, 0.0);
    if (p <= kFew) {
      for (std::int32_t l = 0; l < levels; ++l)
        for (int j = 0; j < p; ++j) small::axpy(p, weights_[i][l] * fixed_row(c, l)[j], fixed_row(c, l), &out[j * p]);
      return out;
    }
    std::vector<double> scaled(static_cast<std::size_t>(p) * levels);
    for (std::int32_t l = 0; l < levels; ++l)
      small::axpy(p, weights_[i][l], fixed_row(c, l), scaled.data() + static_cast<std::size_t>(l) * p);
    blas::gemm('N', 'T', p, p, levels, 1.0, scaled.data(), p, fixed_row(c, 0), A_.factors[c.factor].width * A_.k(), 0.0,
               out.data(), p);
    return out;
  }

  const double* fixed_row(const ZColumn& c, std::int64_t level) const {
    const FactorBlock& f = A_.factors[c.factor];
    return A_.ZtX.data() + (f.offset + level * f.width + c.column) * A_.k();
  }

  const CrossProducts& A_;
  const std::vector<ZColumn>& components_;
  std::vector<std::vector<double>> weights_, gram_, weighted_;
};

// Relative pivot below which a variance component is confounded with earlier ones; it is set to zero.
constexpr double kConfounded = 1e-12;

// Solves a x = b for an n x n matrix of (weighted) inner products, row by row the sizes squared of their unprojected
// factors given. False when the last unknown is one that depends on the others.
bool solve(int n, const std::vector<double>& sizes, std::vector<double>& a, std::vector<double>& x) {
  std::vector<bool> used(n);
  for (int k = 0; k < n; ++k) {
    used[k] = a[k + k * n] > kConfounded * sizes[k];
    if (!used[k]) continue;
    for (int i = k + 1; i < n; ++i) {
      const double factor = a[i + k * n] / a[k + k * n];
      for (int j = k + 1; j < n; ++j) a[i + j * n] -= factor * a[k + j * n];
      x[i] -= factor * x[k];
    }
  }
  for (int k = n - 1; k >= 0; --k) {
    for (int j = k + 1; j < n; ++j) x[k] -= a[k + j * n] * x[j];
    x[k] = used[k] ? x[k] / a[k + k * n] : 0.0;
  }
  return used[n - 1];
}

// Ratios of the components' variances to that of the residuals; 1 where they cannot be estimated.
std::vector<double> ratios(const CrossProducts& A, const QuadraticForms& products, int c) {
  const int n = c + 1, k = A.k();
  std::vector<double> system(static_cast<std::size_t>(n) * n), x(n), sizes(n), floors(c), traces(c);
  for (int i = 0; i < c; ++i) {
    const QuadraticForms::Traces own = products.traces(i);
    for (int j = 0; j <= i; ++j) std::tie(system[i + j * n], system[j + i * n]) = products.squares(i, j);
    system[i + c * n] = own.weighted;
    system[c + i * n] = traces[i] = own.plain;
    x[i] = own.form;
    sizes[i] = own.size;
    // Not below a reliability of a fifth for the mean level: at zero the criterion is flat in theta by symmetry.
    floors[i] = own.mean > 0 ? 0.25 / own.mean : 1.0;
  }
  const double df = static_cast<double>(A.n - A.p), total = A.XtX[A.p + static_cast<std::size_t>(A.p) * k];
  system[c + c * n] = df;
  x[c] = total;
  sizes[c] = static_cast<double>(A.n);
  // A residual of a 1e-10th of the variance is rounding error: no start beyond what can be computed at.
  const bool solved = solve(n, sizes, system, x) && x[c] * df > 1e-10 * total;
  std::vector<double> out;
  for (int i = 0; i < c; ++i) {
    // Not above what would explain all there is: where components are nearly confounded, their difference is noise.
    const double variance = x[i] * traces[i] < total ? x[i] : total / traces[i];
    const double ratio = solved && std::isfinite(variance) ? variance / x[c] : 1.0;
    out.push_back(std::max(ratio, floors[i]));
  }
  return out;
}

// Ratios of all columns of all factors, factor by factor.
std::vector<double> all_ratios(const CrossProducts& A) {
  std::vector<ZColumn> components;
  for (std::size_t f = 0; f < A.factors.size(); ++f)
    for (int column = 0; column < A.factors[f].width; ++column) components.push_back({static_cast<int>(f), column});
  const int c = static_cast<int>(components.size());
  QuadraticForms products(A, components);
  products.weigh(ratios(A, products, c));
  return ratios(A, products, c);
}

// Theta from the block of every term in the factors' covariances, factorised.
std::vector<double> theta_of(const CrossProducts& A, const std::vector<ThetaEntry>& entries, std::vector<Square> C) {
  std::vector<double> theta(entries.size(), 0.0);
  for (const ThetaTerm& term : theta_terms(entries)) {
    const int s = A.factors[term.factor].width, end = term.first + term.width;
    std::size_t e = term.theta;
    double* const own = C[term.factor].data();
    auto at = [&](int r, int c) -> double& { return own[r + c * s]; };
    for (int j = term.first; j < end; ++j) {
      const double before = at(j, j);
      for (int i = j; i < end; ++i)
        for (int k = term.first; k < j; ++k) at(i, j) -= at(i, k) * at(j, k);
      // What is left of a variance beside the others may be lost in rounding.
      const double pivot = std::sqrt(std::max(at(j, j), 1e-14 * before));
      for (int i = j; i < end; ++i, ++e) theta[e] = at(i, j) = i == j ? pivot : at(i, j) / pivot;
    }
  }
  return theta;
}

// Whether a factor has columns in terms of their own that are far from orthogonal: then theta may have two basins, one
// where coefficients are large and cancel each other, and one where a single column does the work of all.
bool coupled(const std::vector<ThetaEntry>& entries, const FactorBlock& block, int factor, const Square& C,
             const double* own) {
  int diagonal = 0, all = 0;
  for (const ThetaEntry& e : entries)
    if (e.factor == factor) diagonal += on_diagonal(e), ++all;
  if (2 * all == diagonal * (diagonal + 1)) return false;  // one term
  const int s = block.width;
  for (int j = 0; j < s; ++j) {
    double variance = C[j * (s + 1)];
    if (!block.T.empty()) {
      variance = 0;
      for (int c = 0; c <= j; ++c)
        for (int d = 0; d <= j; ++d) variance += block.T[j + c * s] * C[c + d * s] * block.T[j + d * s];
    }
    if (variance > kCoupled * own[j]) return true;
  }
  return false;
}

}  // namespace

std::vector<std::vector<double>> moment_starts(const CrossProducts& of_a_frame,
                                               const std::vector<ThetaEntry>& entries) {
  const OrthonormalProducts orthonormal(of_a_frame);
  const CrossProducts& A = orthonormal.get();
  std::vector<Square> axes, covariances;
  bool wide = false, twice = false;
  for (const FactorBlock& block : A.factors) {
    axes.push_back(orthogonal_axes(block));
    wide = wide || block.width > 1;
  }
  const std::vector<double> found = wide ? all_ratios(turned(A, axes)) : all_ratios(A);
  const double* own = found.data();
  for (std::size_t f = 0; f < A.factors.size(); own += A.factors[f].width, ++f) {
    covariances.push_back(turned_back(A.factors[f].width, axes[f], own));
    twice = twice || coupled(entries, A.factors[f], static_cast<int>(f), covariances[f], own);
  }
  std::vector<std::vector<double>> out{theta_of(A, entries, std::move(covariances))};
  if (!twice) return out;
  axes.clear();
  for (const FactorBlock& block : A.factors) axes.push_back(columns_of_caller(block));
  const std::vector<double> raw = all_ratios(turned(A, axes));
  std::vector<Square> uncorrelated;
  own = raw.data();
  for (std::size_t f = 0; f < A.factors.size(); own += A.factors[f].width, ++f)
    uncorrelated.push_back(turned_back(A.factors[f].width, axes[f], own));
  out.push_back(theta_of(A, entries, std::move(uncorrelated)));
  return out;
}

}  // namespace mixedmodels
