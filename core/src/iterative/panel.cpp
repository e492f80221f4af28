#include "iterative/panel.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/blas.hpp"
#include "kernels/instruction_sets.hpp"
#include "kernels/interrupt.hpp"

namespace mixedmodels {

namespace {

MIXEDMODELS_CLONES
void add_products(std::int64_t count, int width, const double* x, const double* y, double* sums) {
  for (std::int64_t i = 0; i < count; ++i, x += width, y += width)
    for (int c = 0; c < width; ++c) sums[c] += x[c] * y[c];
}

MIXEDMODELS_CLONES
void add_multiples(std::int64_t count, int width, const double* a, const double* x, double* y) {
  for (std::int64_t i = 0; i < count; ++i, x += width, y += width)
    for (int c = 0; c < width; ++c) y[c] += a[c] * x[c];
}

// Smallest pivot, relative to the largest diagonal entry, that a Gram matrix is given.
constexpr double kRidge = 1e-13;

}  // namespace

void Parts::each(const std::function<void(std::int64_t, std::int64_t, int)>& call) const {
  workers_->run(count(), [&](int part, int) { call(first(part), last(part), part); });
}

std::vector<double> Parts::sum(int size, const std::function<void(std::int64_t, std::int64_t, double*)>& call) const {
  std::vector<double> all(static_cast<std::size_t>(count()) * size, 0.0), out(size, 0.0);
  workers_->run(count(), [&](int part, int) {
    call(first(part), last(part), all.data() + static_cast<std::size_t>(part) * size);
  });
  for (int part = 0; part < count(); ++part)
    for (int i = 0; i < size; ++i) out[i] += all[static_cast<std::size_t>(part) * size + i];
  return out;
}

std::vector<double> dots(const Parts& parts, const Panel& x, const Panel& y) {
  return parts.sum(x.width, [&](std::int64_t first, std::int64_t last, double* sums) {
    check_interrupt(2.0 * static_cast<double>(last - first) * x.width);
    add_products(last - first, x.width, x.row(first), y.row(first), sums);
  });
}

void add_scaled(const Parts& parts, const std::vector<double>& a, const Panel& x, Panel& y) {
  parts.each([&](std::int64_t first, std::int64_t last, int) {
    check_interrupt(2.0 * static_cast<double>(last - first) * x.width);
    add_multiples(last - first, x.width, a.data(), x.row(first), y.row(first));
  });
}

// Divides by the Cholesky factor of the Gram matrix, twice: the second time it is near to the identity.
void Basis::orthonormalize(const Parts& parts) {
  const int k = columns_, lead = panel_.width;
  if (k == 0 || panel_.rows == 0) return;
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<double> gram = products(parts, panel_);
    double largest = 0;
    for (int j = 0; j < k; ++j) largest = std::max(largest, gram[j * (k + 1)]);
    std::vector<double> factor(gram);
    for (double ridge = kRidge; !blas::potrf('L', k, factor.data(), k); ridge *= 100) {
      factor = gram;
      for (int j = 0; j < k; ++j) factor[j * (k + 1)] += ridge * largest;
      if (!(ridge < 1)) return;
    }
    parts.each([&](std::int64_t first, std::int64_t last, int) {
      blas::trsm('L', 'L', 'N', k, static_cast<int>(last - first), factor.data(), k, panel_.row(first), lead);
    });
  }
}

std::vector<double> Basis::products(const Parts& parts, const Panel& other) const {
  const int k = columns_;
  std::vector<double> out(static_cast<std::size_t>(k) * k, 0.0);
  if (k == 0 || panel_.rows == 0) return out;
  return parts.sum(k * k, [&](std::int64_t first, std::int64_t last, double* sums) {
    blas::gemm('N', 'T', k, k, static_cast<int>(last - first), 1.0, panel_.row(first), panel_.width, other.row(first),
               other.width, 1.0, sums, k);
  });
}

std::vector<double> Basis::project(const Parts& parts, const Panel& x) const {
  const int k = columns_;
  if (k == 0 || panel_.rows == 0) return {};
  return parts.sum(k * x.width, [&](std::int64_t first, std::int64_t last, double* sums) {
    blas::gemm('N', 'T', k, x.width, static_cast<int>(last - first), 1.0, panel_.row(first), panel_.width, x.row(first),
               x.width, 1.0, sums, k);
  });
}

void Basis::add(const Parts& parts, const std::vector<double>& c, Panel& x) const {
  const int k = columns_;
  if (k == 0 || panel_.rows == 0) return;
  parts.each([&](std::int64_t first, std::int64_t last, int) {
    blas::gemm('T', 'N', x.width, static_cast<int>(last - first), k, 1.0, c.data(), k, panel_.row(first), panel_.width,
               1.0, x.row(first), x.width);
  });
}

void Basis::rotate(const Parts& parts, const std::vector<double>& C) {
  const int k = columns_, lead = panel_.width;
  if (k == 0 || panel_.rows == 0) return;
  parts.each([&](std::int64_t first, std::int64_t last, int) {
    const int rows = static_cast<int>(last - first);
    std::vector<double> before(panel_.row(first), panel_.row(first) + static_cast<std::ptrdiff_t>(rows) * lead);
    blas::gemm('T', 'N', k, rows, k, 1.0, C.data(), k, before.data(), lead, 0.0, panel_.row(first), lead);
  });
}

}  // namespace mixedmodels
