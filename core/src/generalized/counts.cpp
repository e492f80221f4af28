// Counts with the logarithm as the link.
#include <cmath>

#include "generalized/by_row.hpp"
#include "generalized/special.hpp"
#include "generalized/zero_inflated.hpp"

namespace mixedmodels {

namespace {

// In deviance form, which keeps the digits where counts are large.
struct PoissonKernel {
  static constexpr int kParameters = 0;
  static constexpr bool kConcave = true;

  NoParameters at(const double*) const { return {}; }
  KernelRow row(NoParameters, double y, double m, double x) const {
    const double mu = std::exp(x);
    if (!(y > 0)) return {-m * mu, -m * mu, m * mu, m * mu};
    const double d = x - std::log(y);
    return {-m * y * special::expm1_minus(d), -m * y * std::expm1(d), m * mu, m * mu};
  }
  double expected(NoParameters, double, double m, double x) const { return m * std::exp(x); }
  double constant(double y, double m) const { return m * special::poisson_saturated(y); }
  double start(double y, double) const { return std::log(y + 0.1); }
};

struct TruncatedPoissonKernel {
  static constexpr int kParameters = 0;
  static constexpr bool kConcave = true;

  NoParameters at(const double*) const { return {}; }
  KernelRow row(NoParameters, double y, double m, double x) const {
    const double v = std::exp(x);
    const auto d = special::log_cloglog(x);
    return {m * (y * x - v - d.l), m * (y - v - d.d1), m * (v + d.d2), m * (v + d.d3)};
  }
  double expected(NoParameters at, double y, double m, double x) const { return row(at, y, m, x).w; }
  double constant(double y, double m) const { return -m * special::log_factorial(y); }
  double start(double y, double) const { return std::log(y + 0.1); }
};

// Variance mu + mu^2 / k; psi = log k. d = eta - psi, p and q the logistic pair at d.
struct NegativeBinomialKernel {
  static constexpr int kParameters = 1;
  static constexpr bool kConcave = true;

  struct At {
    double psi, k;
  };
  At at(const double* psi) const { return {psi[0], std::exp(psi[0])}; }
  KernelRow row(const At& at, double y, double m, double x) const {
    const double d = x - at.psi, p = special::expit(d), q = special::expit(-d), w = (y + at.k) * p * q;
    const double l =
        special::rising(at.k, y).log + y * at.psi - y * special::softplus(-d) - at.k * special::softplus(d);
    return {m * l, m * (y * q - at.k * p), m * w, m * w * (q - p)};
  }
  double expected(const At& at, double, double m, double x) const { return m * at.k * special::expit(x - at.psi); }
  ByParameter by_parameter(const At& at, int, double y, double m, double x) const {
    const double d = x - at.psi, p = special::expit(d), q = special::expit(-d), w = (y + at.k) * p * q;
    const double l = at.k * (special::rising(at.k, y).d0 - special::softplus(d)) - (y * q - at.k * p);
    return {m * l, m * (w - at.k * p), m * (at.k * p * q - w * (q - p))};
  }
  double constant(double y, double m) const { return -m * special::log_factorial(y); }
  double start(double y, double) const { return std::log(y + 0.1); }
  std::vector<double> start_parameters(std::int64_t n, const double* y, const double*) const {
    const Moments of(n, y);
    return {std::log(std::max(of.mean * of.mean / std::max(of.variance - of.mean, 0.05 * of.mean + 1e-300), 0.1))};
  }
};

// The same without zeros, of which the probability is e^-v: A = log(1 - e^-v) is taken from the log density.
struct TruncatedNegativeBinomialKernel {
  static constexpr int kParameters = 1;
  static constexpr bool kConcave = false;

  using At = NegativeBinomialKernel::At;
  NegativeBinomialKernel base;

  // v and its derivatives by eta, A's by v.
  struct Zero {
    double v, v1, v2, v3, log, a1, a2, a3, p, q;
    Zero(const At& at, double x) {
      const double d = x - at.psi;
      p = special::expit(d), q = special::expit(-d);
      v = at.k * special::softplus(d), v1 = at.k * p, v2 = v1 * q, v3 = v2 * (q - p);
      const double r = 1 / std::expm1(v);
      log = v < 0.5 ? std::log(-std::expm1(-v)) : std::log1p(-std::exp(-v));
      a1 = r, a2 = -r * (1 + r), a3 = r * (1 + r) * (1 + 2 * r);
    }
  };

  At at(const double* psi) const { return base.at(psi); }
  KernelRow row(const At& at, double y, double m, double x) const {
    const KernelRow b = base.row(at, y, 1, x);
    const Zero z(at, x);
    return {m * (b.l - z.log), m * (b.s - z.a1 * z.v1), m * (b.w + z.a2 * z.v1 * z.v1 + z.a1 * z.v2),
            m * (b.t + z.a3 * z.v1 * z.v1 * z.v1 + 3 * z.a2 * z.v1 * z.v2 + z.a1 * z.v3)};
  }
  double expected(const At& at, double y, double m, double x) const { return base.expected(at, y, m, x); }
  ByParameter by_parameter(const At& at, int k, double y, double m, double x) const {
    const ByParameter b = base.by_parameter(at, k, y, 1, x);
    const Zero z(at, x);
    const double by = z.v - z.v1, by1 = z.v1 * z.p, by2 = 2 * z.v2 * z.p;  // of v, v1 and v2
    return {m * (b.l - z.a1 * by), m * (b.s - z.a2 * by * z.v1 - z.a1 * by1),
            m * (b.w + z.a3 * by * z.v1 * z.v1 + 2 * z.a2 * z.v1 * by1 + z.a2 * by * z.v2 + z.a1 * by2)};
  }
  double constant(double y, double m) const { return base.constant(y, m); }
  double start(double y, double m) const { return base.start(y, m); }
  std::vector<double> start_parameters(std::int64_t n, const double* y, const double* m) const {
    return base.start_parameters(n, y, m);
  }
};

// Variance mu (1 + alpha); psi = log alpha. R = mu / alpha.
struct Nb1Kernel {
  static constexpr int kParameters = 1;
  static constexpr bool kConcave = false;

  struct At {
    double psi, log1p_alpha, share;  // alpha / (1 + alpha)
  };
  At at(const double* psi) const { return {psi[0], special::softplus(psi[0]), special::expit(psi[0])}; }
  KernelRow row(const At& at, double y, double m, double x) const {
    const double R = std::exp(x - at.psi);
    const auto d = special::rising(R, y);
    const double e1 = R * (d.d0 - at.log1p_alpha), e2 = e1 + R * R * d.d1,
                 e3 = e1 + 3 * R * R * d.d1 + R * R * R * d.d2;
    const double l = d.log + y * (x - at.psi) - (y + R) * at.log1p_alpha + y * at.psi;
    return {m * l, m * e1, -m * e2, -m * e3};
  }
  double expected(const At& at, double, double m, double x) const { return m * std::exp(x - at.log1p_alpha); }
  ByParameter by_parameter(const At& at, int, double y, double m, double x) const {
    const double R = std::exp(x - at.psi), e = R * at.share;
    const KernelRow r = row(at, y, 1, x);
    return {m * (y - r.s - (y + R) * at.share), m * (r.w - e), m * (e - r.t)};
  }
  double constant(double y, double m) const { return -m * special::log_factorial(y); }
  double start(double y, double) const { return std::log(y + 0.1); }
  std::vector<double> start_parameters(std::int64_t n, const double* y, const double*) const {
    const Moments of(n, y);
    return {std::log(std::max(of.variance / std::max(of.mean, 1e-8) - 1, 0.1))};
  }
};

}  // namespace

MadeFamily make_counts(const std::string& family, const std::string& link) {
  if (link != "log") return nullptr;
  if (family == "poisson") return std::make_unique<ByRow<PoissonKernel>>();
  if (family == "truncated_poisson") return std::make_unique<ByRow<TruncatedPoissonKernel>>();
  if (family == "negative_binomial") return std::make_unique<ByRow<NegativeBinomialKernel>>();
  if (family == "nb1") return std::make_unique<ByRow<Nb1Kernel>>();
  if (family == "truncated_negative_binomial") return std::make_unique<ByRow<TruncatedNegativeBinomialKernel>>();
  if (family == "zero_inflated_poisson") return std::make_unique<ByRow<ZeroInflated<PoissonKernel>>>();
  if (family == "zero_inflated_negative_binomial")
    return std::make_unique<ByRow<ZeroInflated<NegativeBinomialKernel>>>();
  if (family == "zero_inflated_nb1") return std::make_unique<ByRow<ZeroInflated<Nb1Kernel>>>();
  return nullptr;
}

}  // namespace mixedmodels
