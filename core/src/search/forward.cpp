#include "search/forward.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "kernels/small_dense.hpp"
#include "products/relative_covariance.hpp"

namespace mixedmodels {

namespace {

// Largest rotation (radians) of the columns of a template that counts as a small step.
constexpr double kMostTurn = 1;

using Square = std::vector<double>;

Square unpack(int s, const double* packed) {
  Square out(static_cast<std::size_t>(s) * s, 0.0);
  for (int c = 0; c < s; ++c)
    for (int r = c; r < s; ++r) out[r + c * s] = *packed++;
  return out;
}

Square product(int s, const double* a, bool transposed, const Square& b) {
  Square out(b.size(), 0.0);
  for (int c = 0; c < s; ++c)
    for (int k = 0; k < s; ++k)
      for (int r = 0; r < s; ++r) out[r + c * s] += (transposed ? a[k + r * s] : a[r + k * s]) * b[k + c * s];
  return out;
}

// The template L with its change B, B + L K with K skew: what keeps L lower triangular and the covariance the same to
// first order.
void settle(int s, const Square& L, Square& B) {
  Square K(L.size(), 0.0);
  for (int r = 0; r + 1 < s; ++r)
    for (int c = r + 1; c < s; ++c) {
      double above = B[r + c * s];
      for (int k = 0; k < r; ++k) above += L[r + k * s] * K[k + c * s];
      const double pivot = L[r + r * s];
      const double turn = pivot != 0 ? std::clamp(-above / pivot, -kMostTurn, kMostTurn) : 0.0;
      K[r + c * s] = turn;
      K[c + r * s] = -turn;
    }
  const Square turned = product(s, L.data(), false, K);
  for (std::size_t i = 0; i < B.size(); ++i) B[i] += turned[i];
}

void advance_term(int s, const double* Q, double* theta, const double* step) {
  const int m = entries_of_term(s);
  if (s == 1) theta[0] = std::max(theta[0] + step[0], 0.0);
  if (s == 1 || std::all_of(step, step + m, [](double d) { return d == 0; })) return;
  Square L = product(s, Q, false, unpack(s, theta)), rotation(L.size());
  small::rotate_to_lower(s, L.data(), rotation.data());
  Square B = product(s, product(s, Q, false, unpack(s, step)).data(), false, rotation);
  for (int c = 0; c < s; ++c)
    if (L[c + c * s] < 0)
      for (int r = 0; r < s; ++r) {
        L[r + c * s] = -L[r + c * s];
        B[r + c * s] = -B[r + c * s];
      }
  settle(s, L, B);
  for (std::size_t i = 0; i < L.size(); ++i) L[i] += B[i];
  for (int r = 0; r < s; ++r) L[r + r * s] = std::max(L[r + r * s], 0.0);
  L = product(s, Q, true, L);
  small::rotate_to_lower(s, L.data(), rotation.data());
  for (int c = 0; c < s; ++c)
    for (int r = c; r < s; ++r) *theta++ = L[c + c * s] < 0 ? -L[r + c * s] : L[r + c * s];
}

}  // namespace

ForwardStep::ForwardStep(std::vector<int> sizes, std::vector<double> turns)
    : sizes_(std::move(sizes)), turns_(std::move(turns)) {
  for (int s : sizes_) m_ += entries_of_term(s);
}

void ForwardStep::advance(double* theta, const double* step) const {
  const double* Q = turns_.data();
  for (int s : sizes_) {
    advance_term(s, Q, theta, step);
    Q += s * s;
    theta += entries_of_term(s);
    step += entries_of_term(s);
  }
}

}  // namespace mixedmodels
