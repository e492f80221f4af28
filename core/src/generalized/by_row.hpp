// Purpose: a family from a kernel that takes one row at a time.
// A kernel has, for prepared parameters `At`: At at(psi); Row row(At, y, m, eta); and where the family has parameters
// or is not concave, double expected(At, y, m, eta) and ByParameter by_parameter(At, k, y, m, eta).
#pragma once

#include <utility>

#include "generalized/family.hpp"

namespace mixedmodels {

struct KernelRow {
  double l, s, w, t;
};

struct ByParameter {
  double l, s, w;
};

template <typename Kernel>
class ByRow : public Family {
 public:
  explicit ByRow(Kernel kernel = {}) : kernel_(std::move(kernel)) {}

  int parameters() const override { return Kernel::kParameters; }
  bool concave() const override { return Kernel::kConcave; }
  bool power_link() const override {
    if constexpr (requires { Kernel::kPowerLink; })
      return Kernel::kPowerLink;
    else
      return false;
  }
  UnitRule unit_rule() const override {
    if constexpr (requires { Kernel::kUnit; })
      return Kernel::kUnit;
    else
      return {};
  }
  double constant(double y, double m) const override { return kernel_.constant(y, m); }
  double start(double y, double m) const override { return kernel_.start(y, m); }

  double rows(const RowBlock& b, double* s, double* w, double* t) const override {
    double sum = 0;
    each(b, [&](int i, const auto& at) {
      const KernelRow row = kernel_.row(at, b.y[i], b.m[i], b.eta[i]);
      sum += row.l, s[i] = row.s, w[i] = row.w, t[i] = row.t;
    });
    return sum;
  }

  void expected(const RowBlock& b, double* w) const override {
    each(b, [&](int i, const auto& at) { w[i] = kernel_.expected(at, b.y[i], b.m[i], b.eta[i]); });
  }

  void by_parameter(const RowBlock& b, int k, double* l, double* s, double* w) const override {
    if constexpr (Kernel::kParameters > 0)
      each(b, [&](int i, const auto& at) {
        const ByParameter row = kernel_.by_parameter(at, k, b.y[i], b.m[i], b.eta[i]);
        l[i] = row.l, s[i] = row.s, w[i] = row.w;
      });
    else
      Family::by_parameter(b, k, l, s, w);
  }

  std::vector<double> start_parameters(std::int64_t n, const double* y, const double* m) const override {
    if constexpr (Kernel::kParameters > 0)
      return kernel_.start_parameters(n, y, m);
    else
      return {};
  }

 private:
  // body(row, prepared parameters), which are prepared once where all rows have the same.
  template <typename Body>
  void each(const RowBlock& b, Body&& body) const {
    if constexpr (Kernel::kParameters > 0)
      if (b.step != 0) {
        double own[Kernel::kParameters];
        for (int i = 0; i < b.count; ++i) {
          for (int k = 0; k < Kernel::kParameters; ++k) own[k] = b.psi[k * b.lead + i * b.step];
          body(i, kernel_.at(own));
        }
        return;
      }
    const auto at = kernel_.at(b.psi);
    for (int i = 0; i < b.count; ++i) body(i, at);
  }

  Kernel kernel_;
};

struct NoParameters {};

// By the link: by the logarithm, or a power of the response.
constexpr UnitRule by_logarithm(double parameter) { return {true, false, true, 0, parameter}; }
constexpr UnitRule by_power(double predictor, double parameter, bool centred) {
  return {true, centred, false, predictor, parameter};
}

// Mean and variance of responses, for first values of psi.
struct Moments {
  double mean = 0, variance = 0;

  Moments(std::int64_t n, const double* y) {
    for (std::int64_t i = 0; i < n; ++i) mean += y[i] / static_cast<double>(n);
    for (std::int64_t i = 0; i < n; ++i) variance += (y[i] - mean) * (y[i] - mean) / static_cast<double>(n);
  }
};

using MadeFamily = std::unique_ptr<const Family>;
// Null where the family has no kernel of its own for the link.
MadeFamily make_binomial(const std::string& link);
MadeFamily make_counts(const std::string& family, const std::string& link);
MadeFamily make_positive(const std::string& family, const std::string& link);
MadeFamily make_ordinal(int thresholds, const std::string& link);
// By the chain rule from the mean, for any family and link; null where there is none.
MadeFamily make_linked(const std::string& family, const std::string& link);

}  // namespace mixedmodels
