// Purpose: random numbers that are the same on every platform, unlike those of <random>'s distributions.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed * 2654435761u + 17) {}

  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // In [low, high].
  int integer(int low, int high) { return low + static_cast<int>(uniform() * (high - low + 1)); }
  bool chance(double probability) { return uniform() < probability; }
  double normal() { return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(2 * std::numbers::pi * uniform()); }

  std::vector<double> normals(std::size_t count) {
    std::vector<double> out(count);
    for (double& v : out) v = normal();
    return out;
  }

  std::vector<int> permutation(int n) {
    std::vector<int> out(n);
    std::iota(out.begin(), out.end(), 0);
    for (int i = n - 1; i > 0; --i) std::swap(out[i], out[integer(0, i)]);
    return out;
  }

 private:
  std::mt19937_64 engine_;
};
