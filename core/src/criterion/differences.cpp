#include "criterion/differences.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mixedmodels {

std::vector<double> difference_steps(const std::vector<double>& at, const std::vector<double>& unit, double relative) {
  double largest = 1e-4;
  for (std::size_t e = 0; e < at.size(); ++e) largest = std::max(largest, std::abs(at[e]) / unit[e]);
  std::vector<double> out;
  for (std::size_t e = 0; e < at.size(); ++e)
    out.push_back(relative * std::max(std::abs(at[e]), 1e-2 * largest * unit[e]));
  return out;
}

double difference_length(const std::vector<double>& at, const std::vector<double>& unit, const std::vector<double>& d) {
  double size = 1e-2, length = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    size = std::max(size, std::abs(at[i]) / unit[i]);
    length = std::max(length, std::abs(d[i]) / unit[i]);
  }
  return kForward * size / length;
}

std::vector<double> difference_hessian(const GradientAt& gradient_at, std::vector<double> at,
                                       const std::vector<double>& steps, const std::vector<double>& gradient) {
  const std::size_t m = at.size();
  const bool forward = !gradient.empty();
  std::vector<double> out(m * m), up(m), down(gradient);
  down.resize(m);
  for (std::size_t j = 0; j < m; ++j) {
    const double centre = at[j];
    at[j] = centre + steps[j];
    gradient_at(at, up);
    at[j] = centre - steps[j];
    if (!forward) gradient_at(at, down);
    at[j] = centre;
    for (std::size_t i = 0; i < m; ++i) out[i + j * m] = (up[i] - down[i]) / (forward ? steps[j] : 2 * steps[j]);
  }
  for (std::size_t j = 0; j < m; ++j)
    for (std::size_t i = 0; i < j; ++i) out[i + j * m] = out[j + i * m] = 0.5 * (out[i + j * m] + out[j + i * m]);
  return out;
}

std::vector<double> difference_hessian(Objective& f, const std::vector<double>& theta, bool forward) {
  const auto gradient_at = [&](const std::vector<double>& at, std::vector<double>& out) {
    f.value(at.data());
    f.gradient(out.data());
  };
  std::vector<double> gradient(forward ? theta.size() : 0);
  if (forward) gradient_at(theta, gradient);
  return difference_hessian(gradient_at, theta, difference_steps(theta, f.unit(), forward ? kForward : kCentral),
                            gradient);
}

}  // namespace mixedmodels
