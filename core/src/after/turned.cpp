#include "after/turned.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/small_dense.hpp"

namespace mixedmodels {

// Orthonormal rows q of which the effects held are combinations, the first q_0, the second c q_0 + d q_1: the turned
// template has the effects over their lengths, then the other q.
Turn turn_effects(const CrossProducts& A, const ProfileTerm& term, int first, int second) {
  const FactorBlock& block = A.factors[term.factor];
  const int s = term.size, held = second < 0 ? 1 : 2;
  const auto size = static_cast<std::size_t>(s) * s;
  Turn out{std::vector<double>(size, 0.0), std::vector<double>(size, 0.0), 1.0};
  std::vector<double> q(size, 0.0), row(s);  // q row by row
  double along = 0, beside = 1;
  for (int i = 0, next = 0; i < s; ++next) {
    std::fill(row.begin(), row.end(), 0.0);
    const int effect = next == 0 ? first : second;
    if (next >= held)
      row[next - held] = 1;
    else if (block.T.empty())
      row[effect] = 1;
    else
      for (int c = 0; c <= effect; ++c)
        row[c] = block.T[term.offset + effect + static_cast<std::size_t>(term.offset + c) * block.width];
    const double length = std::sqrt(small::dot(s, row.data(), row.data()));
    for (double& entry : row) entry /= length;
    if (next == 0) out.length = length;
    if (next == 1 && held == 2) along = small::dot(s, q.data(), row.data());
    for (int pass = 0; pass < 2; ++pass)
      for (int j = 0; j < i; ++j)
        small::axpy(s, -small::dot(s, q.data() + j * s, row.data()), q.data() + j * s, row.data());
    const double rest = std::sqrt(small::dot(s, row.data(), row.data()));
    if (next >= held && rest < 0.5 / std::sqrt(static_cast<double>(s))) continue;  // another axis has more of its own
    if (next == 1 && held == 2) beside = rest;
    for (int c = 0; c < s; ++c) q[i * s + c] = row[c] / rest;
    ++i;
  }
  for (int i = 0; i < s; ++i)
    for (int c = 0; c < s; ++c) {
      out.there[i + c * s] = q[i * s + c];
      out.back[c + i * s] = q[i * s + c];
    }
  for (int c = 0; c < s && held == 2; ++c) {
    out.there[1 + c * s] = along * q[c] + beside * q[s + c];
    out.back[c] = q[c] - along / beside * q[s + c];
    out.back[c + s] = q[s + c] / beside;
  }
  return out;
}

}  // namespace mixedmodels
