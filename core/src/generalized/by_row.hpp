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
  double constant(double y, double m) const override { return kernel_.constant(y, m); }
  double start(double y, double m) const override { return kernel_.start(y, m); }

  double rows(const RowBlock& b, const double* psi, double* s, double* w, double* t) const override {
    const auto at = kernel_.at(psi);
    double sum = 0;
    for (int i = 0; i < b.count; ++i) {
      const KernelRow row = kernel_.row(at, b.y[i], b.m[i], b.eta[i]);
      sum += row.l, s[i] = row.s, w[i] = row.w, t[i] = row.t;
    }
    return sum;
  }

  void expected(const RowBlock& b, const double* psi, double* w) const override {
    const auto at = kernel_.at(psi);
    for (int i = 0; i < b.count; ++i) w[i] = kernel_.expected(at, b.y[i], b.m[i], b.eta[i]);
  }

  double by_parameter(const RowBlock& b, const double* psi, int k, double* s, double* w) const override {
    double sum = 0;
    if constexpr (Kernel::kParameters > 0) {
      const auto at = kernel_.at(psi);
      for (int i = 0; i < b.count; ++i) {
        const ByParameter row = kernel_.by_parameter(at, k, b.y[i], b.m[i], b.eta[i]);
        sum += row.l, s[i] = row.s, w[i] = row.w;
      }
    }
    return sum;
  }

  std::vector<double> start_parameters(std::int64_t n, const double* y, const double* m) const override {
    if constexpr (Kernel::kParameters > 0)
      return kernel_.start_parameters(n, y, m);
    else
      return {};
  }

 private:
  Kernel kernel_;
};

struct NoParameters {};

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
// By the chain rule from the mean, for any family and link; null where there is none.
MadeFamily make_linked(const std::string& family, const std::string& link);

}  // namespace mixedmodels
