// Purpose: a kernel of counts of which some are zero by a process of their own: with probability pi, whose logit is the
// last parameter, the count is zero; else it is one of the kernel.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "generalized/by_row.hpp"
#include "generalized/special.hpp"

namespace mixedmodels {

template <typename Base>
struct ZeroInflated {
  static constexpr int kParameters = Base::kParameters + 1;
  static constexpr bool kConcave = false;
  static constexpr bool kPowerLink = [] {
    if constexpr (requires { Base::kPowerLink; }) return Base::kPowerLink;
    return false;
  }();

  Base base;

  struct At {
    decltype(std::declval<Base>().at(nullptr)) base;
    double pi, rho, log_pi, log_rho;  // rho = 1 - pi
  };
  At at(const double* psi) const {
    const double z = psi[Base::kParameters];
    return {base.at(psi), special::expit(z), special::expit(-z), -special::softplus(-z), -special::softplus(z)};
  }

  KernelRow row(const At& at, double y, double m, double x) const {
    const KernelRow b = base.row(at.base, y, 1, x);
    if (y > 0) return {m * (at.log_rho + b.l), m * b.s, m * b.w, m * b.t};
    const Zero zero(at, b.l);
    const double c = zero.c, d = zero.d, s = b.s;
    return {m * zero.l, m * c * s, m * (c * b.w - c * d * s * s),
            -m * (c * d * (d - c) * s * s * s - 3 * c * d * s * b.w - c * b.t)};
  }
  double expected(const At& at, double y, double m, double x) const { return base.expected(at.base, y, m, x); }

  ByParameter by_parameter(const At& at, int k, double y, double m, double x) const {
    const KernelRow b = base.row(at.base, y, 1, x);
    if (k == Base::kParameters) {
      if (y > 0) return {-m * at.pi, 0, 0};
      const Zero zero(at, b.l);
      const double c = zero.c, d = zero.d, slope = -c * d;  // of c
      return {m * (d * at.rho - c * at.pi), m * slope * b.s, m * slope * (b.w - (d - c) * b.s * b.s)};
    }
    if constexpr (Base::kParameters > 0) {
      const ByParameter own = base.by_parameter(at.base, k, y, 1, x);
      if (y > 0) return {m * own.l, m * own.s, m * own.w};
      const Zero zero(at, b.l);
      const double c = zero.c, d = zero.d, slope = c * d * own.l, s = b.s;
      return {m * c * own.l, m * (slope * s + c * own.s),
              m * (slope * b.w + c * own.w - slope * (d - c) * s * s - 2 * c * d * s * own.s)};
    }
    return {0, 0, 0};
  }

  double constant(double y, double m) const { return base.constant(y, m); }
  double start(double y, double m) const { return base.start(std::max(y, 1.0), m); }
  std::vector<double> start_parameters(std::int64_t n, const double* y, const double* m) const {
    std::vector<double> out;
    if constexpr (Base::kParameters > 0) out = base.start_parameters(n, y, m);
    const double zeros = static_cast<double>(std::count(y, y + n, 0.0)) / static_cast<double>(n);
    const double pi = std::clamp(zeros / 2, 0.02, 0.98);
    out.push_back(std::log(pi / (1 - pi)));
    return out;
  }

 private:
  // A zero: its log density, and the shares of both processes in it.
  struct Zero {
    double l, c, d;
    Zero(const At& at, double base) {
      const double own = at.log_pi, other = at.log_rho + base;
      const double top = std::max(own, other);
      l = top + std::log1p(std::exp(-std::abs(own - other)));
      c = std::exp(other - l), d = std::exp(own - l);
    }
  };
};

}  // namespace mixedmodels
