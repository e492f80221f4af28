// Any family with any link, by the chain rule from derivatives of the log density in the mean.
#include <cmath>
#include <numbers>

#include "generalized/by_row.hpp"
#include "generalized/special.hpp"
#include "generalized/zero_inflated.hpp"

namespace mixedmodels {

namespace {

// The mean, one minus it, its derivatives by eta, and eta at a mean.
struct Mean {
  double mu, nu, d1, d2, d3;
};

struct Logit {
  static Mean mean(double x) {
    const double mu = special::expit(x), nu = special::expit(-x), d1 = mu * nu;
    return {mu, nu, d1, d1 * (nu - mu), d1 * (1 - 6 * d1)};
  }
  static double eta(double mu) { return std::log(mu / (1 - mu)); }
};

struct Probit {
  static Mean mean(double x) {
    const double half = std::numbers::sqrt2 / 2;
    const double d = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
    return {0.5 * std::erfc(-x * half), 0.5 * std::erfc(x * half), d, -x * d, (x * x - 1) * d};
  }
  static double eta(double mu) { return std::log(mu / (1 - mu)) * 0.6; }
};

struct Cloglog {
  static Mean mean(double x) {
    const double v = std::exp(std::min(x, 700.0)), e = std::exp(-v), d = v * e;
    return {-std::expm1(-v), e, d, d * (1 - v), d * (1 - 3 * v + v * v)};
  }
  static double eta(double mu) { return std::log(-std::log1p(-mu)); }
};

struct Cauchit {
  static Mean mean(double x) {
    const double pi = std::numbers::pi, q = 1 / (1 + x * x), d = q / pi;
    const double tail = std::abs(x) > 1 ? std::atan(1 / std::abs(x)) / pi : 0.5 - std::atan(std::abs(x)) / pi;
    return {x > 0 ? 1 - tail : tail, x > 0 ? tail : 1 - tail, d, -2 * x * q * d, (6 * x * x - 2) * q * q * d};
  }
  static double eta(double mu) { return std::tan(std::numbers::pi * (mu - 0.5)); }
};

// Of a link of any mean: the power of the response that its predictor is; 0: its logarithm.
struct Log {
  static constexpr double kPower = 0;
  static Mean mean(double x) {
    const double mu = std::exp(std::min(x, 700.0));
    return {mu, 1 - mu, mu, mu, mu};
  }
  static double eta(double mu) { return std::log(mu); }
};

struct Identity {
  static constexpr double kPower = 1;
  static Mean mean(double x) { return {x, 1 - x, 1, 0, 0}; }
  static double eta(double mu) { return mu; }
};

struct Inverse {
  static constexpr double kPower = -1;
  static Mean mean(double x) {
    const double mu = 1 / x, square = mu * mu;
    return {mu, 1 - mu, -square, 2 * square * mu, -6 * square * square};
  }
  static double eta(double mu) { return 1 / mu; }
};

struct Sqrt {
  static constexpr double kPower = 0.5;
  // Nearer to zero than kLeast a predictor counts as that: cubes of mu and 1 / mu stay finite, and a mean of zero,
  // which counts may have, too.
  static constexpr double kLeast = 1e-50;
  static Mean mean(double x) {
    if (std::abs(x) < kLeast) x = std::copysign(kLeast, x);
    return {x * x, 1 - x * x, 2 * x, 2, 0};
  }
  static double eta(double mu) { return std::sqrt(mu); }
};

struct InverseSquared {
  static constexpr double kPower = -2;
  static Mean mean(double x) {
    const double mu = 1 / std::sqrt(x);
    return {mu, 1 - mu, -0.5 * mu / x, 0.75 * mu / (x * x), -1.875 * mu / (x * x * x)};
  }
  static double eta(double mu) { return 1 / (mu * mu); }
};

// Derivatives of the log density by the mean, and of the first three by psi. NaN where the mean is impossible.
struct ByMean {
  double l, d1, d2, d3;
  double l_psi = 0, d1_psi = 0, d2_psi = 0;
};

struct BinomialMean {
  static constexpr int kParameters = 0;
  static ByMean at(double, double y, double m, const Mean& a) {
    if (!(a.mu > 0 && a.nu > 0)) return {NAN, NAN, NAN, NAN};
    const double z = m - y, u = 1 / a.mu, v = 1 / a.nu;
    return {y * std::log(a.mu) + z * std::log(a.nu), y * u - z * v, -y * u * u - z * v * v,
            2 * (y * u * u * u - z * v * v * v)};
  }
  static double information(double, double m, const Mean& a) { return m / (a.mu * a.nu); }
  static double constant(double y, double m) {
    return special::log_factorial(m) - special::log_factorial(y) - special::log_factorial(m - y);
  }
  static double near(double y, double m) { return (y + 0.5) / (m + 1); }
};

struct PoissonMean {
  static constexpr int kParameters = 0;
  static ByMean at(double, double y, double m, const Mean& a) {
    if (!(a.mu > 0)) return {NAN, NAN, NAN, NAN};
    const double u = 1 / a.mu;
    return {m * ((y > 0 ? y * std::log(a.mu / y) + y : 0) - a.mu), m * (y * u - 1), -m * y * u * u,
            2 * m * y * u * u * u};
  }
  static double information(double, double m, const Mean& a) { return m / a.mu; }
  static double constant(double y, double m) { return m * special::poisson_saturated(y); }
  static double near(double y, double) { return y + 0.1; }
};

struct NegativeBinomialMean {
  static constexpr int kParameters = 1;
  static ByMean at(double psi, double y, double m, const Mean& a) {
    if (!(a.mu > 0)) return {NAN, NAN, NAN, NAN};
    const double k = std::exp(psi), u = 1 / a.mu, c = 1 / (k + a.mu), yk = y + k;
    const auto r = special::rising(k, y);
    const double log_share = std::log1p(a.mu / k);  // (k + mu) / k
    return {m * (r.log + y * std::log(a.mu) - yk * log_share),
            m * (y * u - yk * c),
            m * (yk * c * c - y * u * u),
            m * 2 * (y * u * u * u - yk * c * c * c),
            m * (k * (r.d0 - log_share) - y + yk * a.mu * c),
            m * k * (yk * c - 1) * c,
            m * k * (1 - 2 * yk * c) * c * c};
  }
  static double information(double psi, double m, const Mean& a) {
    const double k = std::exp(psi);
    return m * k / (a.mu * (k + a.mu));
  }
  static double constant(double y, double m) { return -m * special::log_factorial(y); }
  static double near(double y, double) { return y + 0.1; }
  static double start_parameter(std::int64_t n, const double* y) {
    const Moments of(n, y);
    return std::log(std::max(of.mean * of.mean / std::max(of.variance - of.mean, 0.05 * of.mean + 1e-300), 0.1));
  }
};

// Of responses that have a unit, what power of it their parameter is.
struct GammaMean {
  static constexpr int kParameters = 1;
  static constexpr double kUnit = 0;
  static ByMean at(double psi, double y, double m, const Mean& a) {
    if (!(a.mu > 0)) return {NAN, NAN, NAN, NAN};
    const double nu = m * std::exp(-psi), u = 1 / a.mu, z = y * u;
    const double d1 = nu * u * (z - 1), d2 = nu * u * u * (1 - 2 * z), inner = special::log_minus(z);
    return {special::gamma_norm(nu) + nu * inner,          d1,  d2, nu * u * u * u * (6 * z - 2),
            -nu * (special::gamma_norm_slope(nu) + inner), -d1, -d2};
  }
  static double information(double psi, double m, const Mean& a) { return m * std::exp(-psi) / (a.mu * a.mu); }
  static double constant(double y, double) { return -std::log(y); }
  static double near(double y, double) { return y; }
  static double start_parameter(std::int64_t n, const double* y) {
    const Moments of(n, y);
    return std::log(of.variance / (2 * of.mean * of.mean) + 1e-3);
  }
};

struct InverseGaussianMean {
  static constexpr int kParameters = 1;
  static constexpr double kUnit = -1;
  static ByMean at(double psi, double y, double m, const Mean& a) {
    if (!(a.mu > 0)) return {NAN, NAN, NAN, NAN};
    const double k = m * std::exp(-psi), u = 1 / a.mu, d = y * u - 1, inner = k * d * d / (2 * y);
    const double d1 = k * u * u * d, d2 = k * u * u * u * (2 - 3 * y * u);
    return {0.5 * std::log(k / (2 * std::numbers::pi)) - inner,
            d1,
            d2,
            k * u * u * u * u * (12 * y * u - 6),
            inner - 0.5,
            -d1,
            -d2};
  }
  static double information(double psi, double m, const Mean& a) { return m * std::exp(-psi) / (a.mu * a.mu * a.mu); }
  static double constant(double y, double) { return -1.5 * std::log(y); }
  static double near(double y, double) { return y; }
  static double start_parameter(std::int64_t n, const double* y) {
    const Moments of(n, y);
    return std::log(std::max(of.variance / (2 * of.mean * of.mean * of.mean), 1e-4));
  }
};

struct GaussianMean {
  static constexpr int kParameters = 1;
  static constexpr double kUnit = 2;
  static ByMean at(double psi, double y, double m, const Mean& a) {
    const double k = m * std::exp(-psi), r = y - a.mu, inner = 0.5 * k * r * r;
    return {0.5 * std::log(k / (2 * std::numbers::pi)) - inner, k * r, -k, 0, inner - 0.5, -k * r, k};
  }
  static double information(double psi, double m, const Mean&) { return m * std::exp(-psi); }
  static double constant(double, double) { return 0; }
  static double near(double y, double) { return y; }
  static double start_parameter(std::int64_t n, const double* y) {
    return std::log(std::max(Moments(n, y).variance / 2, 1e-300));
  }
};

struct BetaMean {
  static constexpr int kParameters = 1;
  static ByMean at(double psi, double y, double m, const Mean& of) {
    if (!(of.mu > 0 && of.nu > 0)) return {NAN, NAN, NAN, NAN};
    const double phi = std::exp(psi), a = of.mu * phi, b = of.nu * phi;
    const double ly = std::log(y), lz = std::log1p(-y);
    const double pa = special::digamma(a), pb = special::digamma(b);
    const double qa = special::trigamma(a), qb = special::trigamma(b);
    const double ra = special::tetragamma(a), rb = special::tetragamma(b);
    const double u = (ly - lz) - (pa - pb);
    const double d1 = phi * u, d2 = -phi * phi * (qa + qb);
    return {m * (std::lgamma(phi) - std::lgamma(a) - std::lgamma(b) + a * ly + b * lz),
            m * d1,
            m * d2,
            -m * phi * phi * phi * (ra - rb),
            m * (phi * special::digamma(phi) - a * pa - b * pb + a * ly + b * lz),
            m * (d1 - phi * (a * qa - b * qb)),
            m * (2 * d2 - phi * phi * (a * ra + b * rb))};
  }
  static double information(double psi, double m, const Mean& of) {
    const double phi = std::exp(psi);
    return m * phi * phi * (special::trigamma(of.mu * phi) + special::trigamma(of.nu * phi));
  }
  static double constant(double y, double m) { return -m * (std::log(y) + std::log1p(-y)); }
  static double near(double y, double) { return y; }
  static double start_parameter(std::int64_t n, const double* y) {
    const Moments of(n, y);
    return std::log(std::max(of.mean * (1 - of.mean) / of.variance - 1, 0.5));
  }
};

template <typename Distribution, typename Link>
constexpr UnitRule unit_rule_of() {
  if constexpr (requires { Distribution::kUnit + Link::kPower; }) {
    if (Link::kPower == 0) return by_logarithm(Distribution::kUnit);
    return by_power(Link::kPower, Distribution::kUnit, Link::kPower == 1 && Distribution::kUnit == 2);
  }
  return {};
}

template <typename Link>
constexpr bool is_power() {
  if constexpr (requires { Link::kPower; }) return Link::kPower != 0;
  return false;
}

template <typename Distribution, typename Link>
struct Linked {
  static constexpr int kParameters = Distribution::kParameters;
  static constexpr bool kConcave = false;
  static constexpr bool kPowerLink = is_power<Link>();
  static constexpr UnitRule kUnit = unit_rule_of<Distribution, Link>();

  double at(const double* psi) const { return kParameters > 0 ? psi[0] : 0.0; }
  KernelRow row(double psi, double y, double m, double x) const {
    const Mean a = Link::mean(x);
    const ByMean d = Distribution::at(psi, y, m, a);
    return {d.l, d.d1 * a.d1, -(d.d2 * a.d1 * a.d1 + d.d1 * a.d2),
            -(d.d3 * a.d1 * a.d1 * a.d1 + 3 * d.d2 * a.d1 * a.d2 + d.d1 * a.d3)};
  }
  double expected(double psi, double, double m, double x) const {
    const Mean a = Link::mean(x);
    return Distribution::information(psi, m, a) * a.d1 * a.d1;
  }
  ByParameter by_parameter(double psi, int, double y, double m, double x) const {
    const Mean a = Link::mean(x);
    const ByMean d = Distribution::at(psi, y, m, a);
    return {d.l_psi, d.d1_psi * a.d1, -(d.d2_psi * a.d1 * a.d1 + d.d1_psi * a.d2)};
  }
  double constant(double y, double m) const { return Distribution::constant(y, m); }
  double start(double y, double m) const { return Link::eta(Distribution::near(y, m)); }
  std::vector<double> start_parameters(std::int64_t n, const double* y, const double*) const {
    if constexpr (kParameters > 0)
      return {Distribution::start_parameter(n, y)};
    else
      return {};
  }
};

template <typename Distribution>
MadeFamily with_link(const std::string& link) {
  if (link == "log") return std::make_unique<ByRow<Linked<Distribution, Log>>>();
  if (link == "identity") return std::make_unique<ByRow<Linked<Distribution, Identity>>>();
  if (link == "inverse") return std::make_unique<ByRow<Linked<Distribution, Inverse>>>();
  if (link == "sqrt") return std::make_unique<ByRow<Linked<Distribution, Sqrt>>>();
  if (link == "inverse_squared") return std::make_unique<ByRow<Linked<Distribution, InverseSquared>>>();
  return nullptr;
}

template <typename Distribution>
MadeFamily inflated_with_link(const std::string& link) {
  if (link == "identity") return std::make_unique<ByRow<ZeroInflated<Linked<Distribution, Identity>>>>();
  if (link == "sqrt") return std::make_unique<ByRow<ZeroInflated<Linked<Distribution, Sqrt>>>>();
  return nullptr;
}

template <typename Distribution>
MadeFamily of_probability(const std::string& link) {
  if (link == "logit") return std::make_unique<ByRow<Linked<Distribution, Logit>>>();
  if (link == "probit") return std::make_unique<ByRow<Linked<Distribution, Probit>>>();
  if (link == "cloglog") return std::make_unique<ByRow<Linked<Distribution, Cloglog>>>();
  if (link == "cauchit") return std::make_unique<ByRow<Linked<Distribution, Cauchit>>>();
  if (link == "log") return std::make_unique<ByRow<Linked<Distribution, Log>>>();
  if (link == "identity") return std::make_unique<ByRow<Linked<Distribution, Identity>>>();
  return nullptr;
}

}  // namespace

MadeFamily make_linked(const std::string& family, const std::string& link) {
  if (family == "binomial") return of_probability<BinomialMean>(link);
  if (family == "beta") return of_probability<BetaMean>(link);
  if (family == "poisson") return with_link<PoissonMean>(link);
  if (family == "negative_binomial") return with_link<NegativeBinomialMean>(link);
  if (family == "zero_inflated_poisson") return inflated_with_link<PoissonMean>(link);
  if (family == "zero_inflated_negative_binomial") return inflated_with_link<NegativeBinomialMean>(link);
  if (family == "gamma") return with_link<GammaMean>(link);
  if (family == "inverse_gaussian") return with_link<InverseGaussianMean>(link);
  if (family == "gaussian") return with_link<GaussianMean>(link);
  return nullptr;
}

}  // namespace mixedmodels
