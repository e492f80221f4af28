// Binomial responses: y successes of m trials.
#include <algorithm>
#include <cmath>

#include "generalized/by_row.hpp"
#include "generalized/special.hpp"
#include "kernels/instruction_sets.hpp"

namespace mixedmodels {

namespace {

double log_choose(double y, double m) {
  return special::log_factorial(m) - special::log_factorial(y) - special::log_factorial(m - y);
}

double shrunken(double y, double m) { return (y + 0.5) / (m + 1); }

// From a = e^-|eta| of every row: scores, weights and their slopes. Returns the sum of y min(eta, 0) and
// -(m - y) max(eta, 0).
MIXEDMODELS_CLONES double logit_rows(const RowBlock& b, double* a, double* s, double* w, double* t) {
#pragma omp simd
  for (int i = 0; i < b.count; ++i) a[i] = special::exponential(-std::abs(b.eta[i]));
  double sum = 0;
  MIXEDMODELS_STRANDS(sum)
  for (int i = 0; i < b.count; ++i) {
    const double q = 1 / (1 + a[i]), small = a[i] * q;
    const double mu = b.eta[i] > 0 ? q : small, nu = b.eta[i] > 0 ? small : q;
    const double weight = b.m[i] * (mu * nu);
    s[i] = b.y[i] * nu - (b.m[i] - b.y[i]) * mu;
    w[i] = weight;
    t[i] = weight * (nu - mu);
    sum += b.y[i] * std::min(b.eta[i], 0.0) - (b.m[i] - b.y[i]) * std::max(b.eta[i], 0.0);
  }
  return sum;
}

// The sum of m log(1 + a), a from 0 to 1.
MIXEDMODELS_CLONES double weighted_logs(int count, const double* m, const double* a) {
  double sum = 0;
  MIXEDMODELS_STRANDS(sum)
  for (int i = 0; i < count; ++i) sum += m[i] * special::log1p_of_share(a[i]);
  return sum;
}

// The sum of log(1 + a) of at most 512 rows, by the logarithms of a few products.
MIXEDMODELS_CLONES double logs_of_products(int count, const double* a) {
  constexpr int kLanes = 8;
  double products[kLanes], sum = 0;
  std::fill_n(products, kLanes, 1.0);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) products[lane] *= 1 + a[i + lane];
  for (; i < count; ++i) products[0] *= 1 + a[i];
  for (double product : products) sum += std::log(product);
  return sum;
}

class Logit : public Family {
 public:
  double rows(const RowBlock& b, double* s, double* w, double* t) const override {
    constexpr int kMost = 512;
    double a[kMost], sum = 0;
    for (int first = 0; first < b.count; first += kMost) {
      const RowBlock part{b.y + first, b.m + first, b.eta + first, std::min(kMost, b.count - first)};
      sum += logit_rows(part, a, s + first, w + first, t + first);
      const bool single = std::all_of(part.m, part.m + part.count, [](double m) { return m == 1; });
      sum -= single ? logs_of_products(part.count, a) : weighted_logs(part.count, part.m, a);
    }
    return sum;
  }

  double constant(double y, double m) const override { return m == 1 ? 0 : log_choose(y, m); }
  double start(double y, double m) const override {
    const double p = shrunken(y, m);
    return std::log(p / (1 - p));
  }
};

// Success and failure have each a probability with a logarithm that has derivatives: those of a link.
struct Probit {
  static special::LogDerivatives success(double x) { return special::log_normal_cdf(x); }
  static special::LogDerivatives failure(double x) {
    const auto r = special::log_normal_cdf(-x);
    return {r.l, -r.d1, r.d2, -r.d3};
  }
  static double start(double p) {  // the normal quantile, near enough
    const double z = std::sqrt(-2 * std::log(std::min(p, 1 - p)));
    const double x = z - (2.30753 + 0.27061 * z) / (1 + z * (0.99229 + 0.04481 * z));
    return p < 0.5 ? -x : x;
  }
};

struct Cloglog {
  static special::LogDerivatives success(double x) { return special::log_cloglog(x); }
  static special::LogDerivatives failure(double x) {
    const double v = std::exp(std::min(x, 700.0));
    return {-v, -v, -v, -v};
  }
  static double start(double p) { return std::log(-std::log1p(-p)); }
};

template <typename Link>
struct BinomialKernel {
  static constexpr int kParameters = 0;
  static constexpr bool kConcave = true;

  NoParameters at(const double*) const { return {}; }
  KernelRow row(NoParameters, double y, double m, double x) const {
    KernelRow out{0, 0, 0, 0};
    const auto add = [&](double count, const special::LogDerivatives& d) {
      if (count == 0) return;
      out.l += count * d.l, out.s += count * d.d1, out.w -= count * d.d2, out.t -= count * d.d3;
    };
    add(y, Link::success(x));
    add(m - y, Link::failure(x));
    return out;
  }
  double expected(NoParameters, double, double m, double x) const {
    return -m * Link::success(x).d1 * Link::failure(x).d1;
  }
  double constant(double y, double m) const { return log_choose(y, m); }
  double start(double y, double m) const { return Link::start(shrunken(y, m)); }
};

}  // namespace

MadeFamily make_binomial(const std::string& link) {
  if (link == "logit") return std::make_unique<Logit>();
  if (link == "probit") return std::make_unique<ByRow<BinomialKernel<Probit>>>();
  if (link == "cloglog") return std::make_unique<ByRow<BinomialKernel<Cloglog>>>();
  return nullptr;
}

}  // namespace mixedmodels
