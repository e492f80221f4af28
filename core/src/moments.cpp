#include "mixedmodels/moments.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "mixedmodels/blas.hpp"
#include "mixedmodels/small.hpp"

namespace mixedmodels {

namespace {

constexpr int kFew = 16;  // columns of X that are multiplied without BLAS

struct Component {
  int factor, column;
};

// Sums over levels l of one component and m of another of w_l N_lm^2, N = Z_c'MZ_d = B - C_c C_d', C = Z'W Q, without
// forming N.
class Products {
 public:
  Products(const CrossProducts& A, const std::vector<Component>& components) : A_(A), components_(components) {
    for (const Component& c : components_) weights_.emplace_back(A.factors[c.factor].levels, 1.0);
    for (std::size_t i = 0; i < components_.size(); ++i) gram_.push_back(gram(i));
    weighted_ = gram_;
  }

  // Levels count by how well their sums tell the variance, which is `ratio` times that of the residuals.
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
    const Component &c = components_[i], &d = components_[j];
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
      for (std::int32_t l = 0; l < f.levels; ++l) add(l, l, f.diagonal[l * s * s + c.column + d.column * s]);
      return sum;
    }
    const bool swapped = c.factor > d.factor;
    const Component &a = swapped ? d : c, &b = swapped ? c : d;
    for (const PairBlock& pair : A_.pairs) {
      if (pair.a != a.factor || pair.b != b.factor) continue;
      const std::int64_t sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
      for (std::int32_t l = 0; l < A_.factors[pair.a].levels; ++l)
        for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t) {
          const std::int32_t m = pair.level_b[t];
          const double value = pair.values[t * sa * sb + b.column + a.column * sb];
          swapped ? add(m, l, value) : add(l, m, value);
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
    const Component& c = components_[i];
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
  double own(const Component& c, std::int64_t level) const {
    const FactorBlock& f = A_.factors[c.factor];
    const std::int64_t s = f.width;
    return f.diagonal[level * s * s + c.column * (s + 1)];
  }

  // C_c' w C_c, p x p.
  std::vector<double> gram(std::size_t i) const {
    const Component& c = components_[i];
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

  const double* fixed_row(const Component& c, std::int64_t level) const {
    const FactorBlock& f = A_.factors[c.factor];
    return A_.ZtX.data() + (f.offset + level * f.width + c.column) * A_.k();
  }

  const CrossProducts& A_;
  const std::vector<Component>& components_;
  std::vector<std::vector<double>> weights_, gram_, weighted_;
};

// What the components share may be said of them once only: where another one has done it, an unknown is left at zero.
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

// What the components' variances are to that of the residuals, 1 where that cannot be told.
std::vector<double> ratios(const CrossProducts& A, const Products& products, int c) {
  const int n = c + 1, k = A.k();
  std::vector<double> system(static_cast<std::size_t>(n) * n), x(n), sizes(n), floors(c), traces(c);
  for (int i = 0; i < c; ++i) {
    const Products::Traces own = products.traces(i);
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

}  // namespace

std::vector<double> moment_start(const CrossProducts& A, const std::vector<ThetaEntry>& entries) {
  std::vector<Component> components;
  for (const ThetaEntry& e : entries)
    if (e.row == e.column) components.push_back({e.factor, e.row});
  const int c = static_cast<int>(components.size());
  Products products(A, components);
  products.weigh(ratios(A, products, c));
  const std::vector<double> found = ratios(A, products, c);
  std::vector<double> theta(entries.size(), 0.0);
  auto next = found.begin();
  for (std::size_t e = 0; e < entries.size(); ++e)
    if (entries[e].row == entries[e].column) theta[e] = std::sqrt(*next++);
  return theta;
}

}  // namespace mixedmodels
