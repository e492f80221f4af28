// Tests of forward.hpp: a step changes the covariance by its derivative, and stops at zero.
#include <cmath>
#include <string>
#include <vector>

#include "check.hpp"
#include "search/forward.hpp"
#include "structures.hpp"

namespace {

using Square = std::vector<double>;

Square lower(int s, const std::vector<double>& packed) {
  Square out(static_cast<std::size_t>(s) * s, 0.0);
  std::size_t next = 0;
  for (int c = 0; c < s; ++c)
    for (int r = c; r < s; ++r) out[r + c * s] = packed[next++];
  return out;
}

// Entry (i, j) of a b'.
double entry(int s, const Square& a, const Square& b, int i, int j) {
  double out = 0;
  for (int k = 0; k < s; ++k) out += a[i + k * s] * b[j + k * s];
  return out;
}

// Columns of reflections: an orthogonal square.
Square orthogonal(int s, Random& random) {
  std::vector<double> v(s);
  double length = 0;
  for (double& x : v) {
    x = random.normal();
    length += x * x;
  }
  Square out(static_cast<std::size_t>(s) * s);
  for (int c = 0; c < s; ++c)
    for (int r = 0; r < s; ++r) out[r + c * s] = (r == c ? 1.0 : 0.0) - 2 * v[r] * v[c] / length;
  return out;
}

TEST(covariances_move_by_their_derivative) {
  for (int seed = 0; seed < 30; ++seed) {
    const int s = 1 + seed % 4;
    Random random(static_cast<std::uint64_t>(seed));
    std::vector<double> theta, step;
    for (int c = 0; c < s; ++c)
      for (int r = c; r < s; ++r) {
        theta.push_back(r == c ? random.uniform(0.5, 1.5) : random.normal());
        step.push_back(1e-5 * random.normal());
      }
    const mm::ForwardStep forward({s}, orthogonal(s, random));
    CHECK(forward.m() == static_cast<int>(theta.size()));
    std::vector<double> moved = theta, still = theta;
    forward.advance(moved.data(), step.data());
    const std::vector<double> none(theta.size(), 0.0);
    forward.advance(still.data(), none.data());
    CHECK(still == theta);
    const Square L = lower(s, theta), D = lower(s, step), M = lower(s, moved);
    check::at("seed " + std::to_string(seed));
    for (int i = 0; i < s; ++i) {
      CHECK(M[i + i * s] >= 0);
      for (int j = 0; j < s; ++j) {
        const double slope = entry(s, L, D, i, j) + entry(s, D, L, i, j);
        CHECK_ERROR("first order", std::abs(entry(s, M, M, i, j) - entry(s, L, L, i, j) - slope), 1e-7);
      }
    }
  }
}

TEST(a_variance_stops_at_zero) {
  const mm::ForwardStep forward({1, 2}, {1.0, 1.0, 0.0, 0.0, 1.0});
  std::vector<double> theta{0.5, 1.0, 0.3, 0.2};
  const std::vector<double> step{-0.7, 0.0, 0.0, -0.4};
  forward.advance(theta.data(), step.data());
  CHECK(theta[0] == 0 && theta[3] == 0);
  CHECK_ERROR("others", std::abs(theta[1] - 1.0) + std::abs(theta[2] - 0.3), 1e-15);
}

}  // namespace
