// Second moments by the estimator: expected information, and conditional covariances of the random effects.
#include <cstddef>
#include <vector>

#include "iterative/estimator.hpp"
#include "kernels/interrupt.hpp"

namespace mixedmodels {

// tr V^-1 dV_a V^-1 dV_b with V^-1 between the levels of one factor as if there were no other, less what the residual
// variance takes.
std::vector<double> Estimator::information() const {
  const std::size_t m = entries_.size();
  std::vector<double> out(m * m, 0.0), trace(m, 0.0);
  for (std::size_t f = 0; f < A_.factors.size(); ++f) {
    const FactorBlock& block = A_.factors[f];
    const int s = block.width;
    std::vector<int> own;
    for (std::size_t e = 0; e < m; ++e)
      if (entries_[e].factor == static_cast<int>(f)) own.push_back(static_cast<int>(e));
    LevelBlocks level(s);
    std::vector<double> T(static_cast<std::size_t>(s) * s), TL(T), LTL(T);
    const double* lam = lam_[f].data();
    InterruptMeter meter;
    for (std::int64_t l = 0; l < block.levels; ++l) {
      meter.count(8 * s * s * s + 8 * static_cast<std::int64_t>(own.size() * own.size()));
      const double* A = block.diagonal.data() + l * s * s;
      level.set(s, A, lam);
      auto multiply = [s](const double* a, const double* b, double* c, bool transposed) {
        for (int j = 0; j < s; ++j)
          for (int i = 0; i < s; ++i) {
            c[i + j * s] = 0;
            for (int h = 0; h < s; ++h) c[i + j * s] += (transposed ? a[h + i * s] : a[i + h * s]) * b[h + j * s];
          }
      };
      multiply(A, level.N.data(), T.data(), false);  // A (I - K A), symmetric
      multiply(T.data(), lam, TL.data(), false);
      multiply(lam, TL.data(), LTL.data(), true);
      for (const int a : own) {
        const auto [fa, ra, ca] = entries_[a];
        trace[a] += 2 * TL[ra + ca * s];
        for (const int b : own) {
          const auto [fb, rb, cb] = entries_[b];
          out[a + b * m] += 2 * (TL[ra + cb * s] * TL[rb + ca * s] + T[ra + rb * s] * LTL[ca + cb * s]);
        }
      }
    }
  }
  for (std::size_t a = 0; a < m; ++a)
    for (std::size_t b = 0; b < m; ++b) out[a + b * m] -= trace[a] * trace[b] / static_cast<double>(A_.n);
  return out;
}

void Estimator::conditional_covariance(int factor, double* out) {
  const FactorBlock& block = A_.factors[factor];
  const int s = block.width, size = s * s;
  S_.exact_inverse(factor, out);
  for_each_batch([&](Lanczos& lanczos, const Batch& batch) {
    std::vector<double> weights(static_cast<std::size_t>(padded(batch.count)), 0.0);
    for (int c = 0; c < batch.count; ++c) weights[c] = batch.first + c < probes_ ? 1.0 / probes_ : 1.0;
    S_.add_inverse(factor, lanczos.z(), lanczos.resolvent(), lanczos.raw(), weights, out);
  });
  const double* lam = lam_[factor].data();
  std::vector<double> inner(size);
  for (std::int64_t l = 0; l < block.levels; ++l) {
    double* target = out + l * size;
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) {
        inner[r + c * s] = 0;
        for (int i = 0; i <= r; ++i) inner[r + c * s] += lam[r + i * s] * target[i + c * s];
      }
    for (int c = 0; c < s; ++c)
      for (int r = 0; r < s; ++r) {
        target[r + c * s] = 0;
        for (int i = 0; i <= c; ++i) target[r + c * s] += inner[r + i * s] * lam[c + i * s];
      }
  }
}

}  // namespace mixedmodels
