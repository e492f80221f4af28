#include "iterative/level_products.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace iterative {

void times(int s, int W, const double* B, const double* in, double* out, bool transposed) {
  if (s == 1) {
    for (int j = 0; j < W; ++j) out[j] = B[0] * in[j];
    return;
  }
  for (int r = 0; r < s; ++r) {
    double* target = out + r * W;
    std::fill_n(target, W, 0.0);
    for (int c = 0; c < s; ++c) {
      const double b = transposed ? B[c + r * s] : B[r + c * s];
      for (int j = 0; j < W; ++j) target[j] += b * in[c * W + j];
    }
  }
}

void product(int s, const double* A, const double* B, double* out, bool transposed) {
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < s; ++r) {
      double sum = 0;
      for (int i = 0; i < s; ++i) sum += A[r + i * s] * (transposed ? B[c + i * s] : B[i + c * s]);
      out[r + c * s] = sum;
    }
}

void add_inner(int other, int own, const double* P, const double* K, double* out) {
  if (other == 1 && own == 1) {
    out[0] += P[0] * P[0] * K[0];
    return;
  }
  for (int c = 0; c < own; ++c)
    for (int j = 0; j < other; ++j) {
      double sum = 0;
      for (int i = 0; i < other; ++i) sum += K[j + i * other] * P[i + c * other];
      for (int r = 0; r < own; ++r) out[r + c * own] += P[j + r * other] * sum;
    }
}

void add_outer(int other, int own, const double* P, const double* K, double* out) {
  if (other == 1 && own == 1) {
    out[0] += P[0] * P[0] * K[0];
    return;
  }
  for (int c = 0; c < other; ++c)
    for (int j = 0; j < own; ++j) {
      double sum = 0;
      for (int i = 0; i < own; ++i) sum += K[j + i * own] * P[c + i * other];
      for (int r = 0; r < other; ++r) out[r + c * other] += P[r + j * other] * sum;
    }
}

}  // namespace iterative

bool LevelBlocks::set(int s, const double* A, const double* lam) {
  if (s == 1) {
    const double t = lam[0], d = 1 + t * t * A[0];
    if (!(d > 0) || !std::isfinite(d)) return false;
    logdet = std::log(d);
    C[0] = 1 / std::sqrt(d);
    J[0] = t / d;
    K[0] = t * t / d;
    N[0] = 1 / d;
    return true;
  }
  iterative::product(s, A, lam, J.data());
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < s; ++r) {
      double sum = r == c;
      for (int i = 0; i < s; ++i) sum += lam[i + r * s] * J[i + c * s];
      M_[r + c * s] = sum;
    }
  if (!small::eliminate(s, s, M_.data())) return false;
  logdet = 0;
  for (int i = 0; i < s; ++i) logdet += 2 * std::log(M_[i * (s + 1)]);
  small::invert_lower(s, s, M_.data());
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < s; ++r) C[r + c * s] = r <= c ? M_[c + r * s] : 0.0;
  iterative::product(s, C.data(), C.data(), N.data(), true);  // M_l^-1
  iterative::product(s, N.data(), lam, J.data(), true);
  iterative::product(s, lam, J.data(), K.data());
  iterative::product(s, K.data(), A, N.data());
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < s; ++r) N[r + c * s] = (r == c) - N[r + c * s];
  return true;
}

}  // namespace mixedmodels
