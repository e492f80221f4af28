#include "mixedmodels/moments.hpp"

#include <algorithm>
#include <cmath>

#include "mixedmodels/small.hpp"

namespace mixedmodels {

namespace {

struct Component {
  int factor, column;
};

// sum over level pairs of N_lm^2 with N = Z_c'MZ_d = B - C_c C_d', C = Z'W Q, without forming N.
class Products {
 public:
  Products(const CrossProducts& A, const std::vector<Component>& components) : A_(A), components_(components) {
    const int p = A.p;
    for (const Component& c : components_) {
      std::vector<double> cc(static_cast<std::size_t>(p) * p, 0.0);
      const FactorBlock& f = A.factors[c.factor];
      for (std::int32_t l = 0; l < f.levels; ++l) {
        const double* row = fixed_row(c, l);
        for (int j = 0; j < p; ++j) small::axpy(p, row[j], row, cc.data() + static_cast<std::size_t>(j) * p);
      }
      gram_.push_back(std::move(cc));
    }
  }

  double squares(std::size_t i, std::size_t j) const {
    const Component &c = components_[i], &d = components_[j];
    double sum = small::dot(A_.p * A_.p, gram_[i].data(), gram_[j].data());
    auto add = [&](double b, const double* row_c, const double* row_d) {
      sum += b * (b - 2 * small::dot(A_.p, row_c, row_d));
    };
    if (c.factor == d.factor) {
      const FactorBlock& f = A_.factors[c.factor];
      const std::int64_t s = f.width;
      for (std::int32_t l = 0; l < f.levels; ++l)
        add(f.diagonal[l * s * s + c.column + d.column * s], fixed_row(c, l), fixed_row(d, l));
      return sum;
    }
    const bool swapped = c.factor > d.factor;
    const Component &a = swapped ? d : c, &b = swapped ? c : d;
    for (const PairBlock& pair : A_.pairs) {
      if (pair.a != a.factor || pair.b != b.factor) continue;
      const std::int64_t sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
      for (std::int32_t l = 0; l < A_.factors[pair.a].levels; ++l)
        for (std::int64_t t = pair.start[l]; t < pair.start[l + 1]; ++t)
          add(pair.values[t * sa * sb + b.column + a.column * sb], fixed_row(a, l), fixed_row(b, pair.level_b[t]));
    }
    return sum;
  }

  // tr(M Z_c Z_c'), y'M Z_c Z_c'M y, the mean of Z_c'Z_c over the levels and the sum of its squares.
  void traces(std::size_t i, double& trace, double& form, double& mean, double& size) const {
    const Component& c = components_[i];
    const FactorBlock& f = A_.factors[c.factor];
    const std::int64_t s = f.width;
    trace = form = mean = size = 0;
    for (std::int32_t l = 0; l < f.levels; ++l) {
      const double *row = fixed_row(c, l), own = f.diagonal[l * s * s + c.column * (s + 1)];
      mean += own;
      size += own * own;
      trace -= small::dot(A_.p, row, row);
      form += row[A_.p] * row[A_.p];
    }
    trace += mean;
    mean /= f.levels;
  }

 private:
  const double* fixed_row(const Component& c, std::int64_t level) const {
    const FactorBlock& f = A_.factors[c.factor];
    return A_.ZtX.data() + (f.offset + level * f.width + c.column) * A_.k();
  }

  const CrossProducts& A_;
  const std::vector<Component>& components_;
  std::vector<std::vector<double>> gram_;
};

// What the components share may be said of them once only: where another one has done it, an unknown is left at zero.
constexpr double kConfounded = 1e-12;

// Solves a x = b for a positive semidefinite n x n matrix of inner products, the sizes squared of their unprojected
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

}  // namespace

std::vector<double> moment_start(const CrossProducts& A, const std::vector<ThetaEntry>& entries) {
  std::vector<Component> components;
  for (const ThetaEntry& e : entries)
    if (e.row == e.column) components.push_back({e.factor, e.row});
  const int c = static_cast<int>(components.size()), n = c + 1, k = A.k();
  const Products products(A, components);
  std::vector<double> system(static_cast<std::size_t>(n) * n), x(n), sizes(n), mean(c);
  for (int i = 0; i < c; ++i) {
    double trace = 0, form = 0;
    products.traces(i, trace, form, mean[i], sizes[i]);
    for (int j = 0; j <= i; ++j) system[i + j * n] = system[j + i * n] = products.squares(i, j);
    system[i + c * n] = system[c + i * n] = trace;
    x[i] = form;
  }
  system[c + c * n] = static_cast<double>(A.n - A.p);
  x[c] = A.XtX[A.p + static_cast<std::size_t>(A.p) * k];
  sizes[c] = static_cast<double>(A.n);
  const double form = x[c];
  const std::vector<double> traces(system.begin() + std::int64_t{c} * n, system.end());
  // A residual of a 1e-10th of the variance is rounding error: no start beyond what can be computed at.
  const bool solved = solve(n, sizes, system, x) && x[c] * traces[c] > 1e-10 * form;
  std::vector<double> theta(entries.size(), 0.0);
  int i = 0;
  for (std::size_t e = 0; e < entries.size(); ++e) {
    if (entries[e].row != entries[e].column) continue;
    // Not below a reliability of a fifth for the mean level: at zero the criterion is flat in theta by symmetry. Not
    // above what would explain all there is: where components are nearly confounded, their difference is noise.
    const double floor = mean[i] > 0 ? 0.25 / mean[i] : 1.0;
    const double variance = x[i] * traces[i] < form ? x[i] : form / traces[i];
    const double ratio = solved && std::isfinite(variance) ? variance / x[c] : 1.0;
    theta[e] = std::sqrt(std::max(ratio, floor));
    ++i;
  }
  return theta;
}

}  // namespace mixedmodels
