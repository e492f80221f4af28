// Positive responses with the logarithm as the link; psi = log phi, which prior weights divide.
#include <cmath>

#include "generalized/by_row.hpp"
#include "generalized/special.hpp"

namespace mixedmodels {

namespace {

constexpr double kLog2Pi = 1.8378770664093454836;

struct Dispersion {
  double psi, inverse;  // 1 / phi
};

// Variance phi mu^2.
struct GammaKernel {
  static constexpr int kParameters = 1;
  static constexpr bool kConcave = true;
  static constexpr UnitRule kUnit = by_logarithm(0);

  Dispersion at(const double* psi) const { return {psi[0], std::exp(-psi[0])}; }
  KernelRow row(const Dispersion& at, double y, double m, double x) const {
    const double nu = m * at.inverse, z = y * std::exp(-x);
    return {special::gamma_norm(nu) + nu * special::log_minus(z), nu * (z - 1), nu * z, -nu * z};
  }
  double expected(const Dispersion& at, double, double m, double) const { return m * at.inverse; }
  ByParameter by_parameter(const Dispersion& at, int, double y, double m, double x) const {
    const double nu = m * at.inverse, z = y * std::exp(-x);
    return {-nu * (special::gamma_norm_slope(nu) + special::log_minus(z)), -nu * (z - 1), -nu * z};
  }
  double constant(double y, double) const { return -std::log(y); }
  double start(double y, double) const { return std::log(y); }
  std::vector<double> start_parameters(std::int64_t n, const double* y, const double*) const {
    std::vector<double> logs(y, y + n);
    for (double& v : logs) v = std::log(v);
    return {std::log(Moments(n, logs.data()).variance / 2 + 1e-3)};
  }
};

// Variance phi mu^3. The observed weight is negative where y < mu / 2.
struct InverseGaussianKernel {
  static constexpr int kParameters = 1;
  static constexpr bool kConcave = false;
  static constexpr UnitRule kUnit = by_logarithm(-1);

  Dispersion at(const double* psi) const { return {psi[0], std::exp(-psi[0])}; }
  KernelRow row(const Dispersion& at, double y, double m, double x) const {
    const double k = m * at.inverse, e = std::exp(-x), a = k * y * e * e, b = k * e, d = y * e - 1;
    return {0.5 * (std::log(k) - kLog2Pi) - k * d * d / (2 * y), a - b, 2 * a - b, b - 4 * a};
  }
  double expected(const Dispersion& at, double, double m, double x) const { return m * at.inverse * std::exp(-x); }
  ByParameter by_parameter(const Dispersion& at, int, double y, double m, double x) const {
    const double k = m * at.inverse, d = y * std::exp(-x) - 1;
    const KernelRow r = row(at, y, m, x);
    return {k * d * d / (2 * y) - 0.5, -r.s, -r.w};
  }
  double constant(double y, double) const { return -1.5 * std::log(y); }
  double start(double y, double) const { return std::log(y); }
  std::vector<double> start_parameters(std::int64_t n, const double* y, const double*) const {
    const Moments of(n, y);
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += (y[i] - of.mean) * (y[i] - of.mean) / (y[i] * of.mean * of.mean);
    return {std::log(std::max(sum / static_cast<double>(2 * n), 1e-3))};
  }
};

}  // namespace

MadeFamily make_positive(const std::string& family, const std::string& link) {
  if (link != "log") return nullptr;
  if (family == "gamma") return std::make_unique<ByRow<GammaKernel>>();
  if (family == "inverse_gaussian") return std::make_unique<ByRow<InverseGaussianKernel>>();
  return nullptr;
}

}  // namespace mixedmodels
