// Purpose: second derivatives by differences of an exact gradient, and the one rule for their steps.
#pragma once

#include <functional>
#include <vector>

#include "criterion/objective.hpp"

namespace mixedmodels {

// Relative steps, forward and central.
constexpr double kForward = 1e-5, kCentral = 2e-4;

// A step in every variable: relative to it or, where that is small, to the largest one, in natural units.
std::vector<double> difference_steps(const std::vector<double>& at, const std::vector<double>& unit,
                                     double relative = kForward);
// How much of d is a forward step.
double difference_length(const std::vector<double>& at, const std::vector<double>& unit, const std::vector<double>& d);

// The gradient of a function at a point.
using GradientAt = std::function<void(const std::vector<double>& at, std::vector<double>& out)>;

// The Hessian at a point (m x m) of a function: forward from the gradient there, or central where that is empty.
std::vector<double> difference_hessian(const GradientAt& gradient_at, std::vector<double> at,
                                       const std::vector<double>& steps, const std::vector<double>& gradient);
// That of the criterion at theta: forward, good to about 1e-5, or central, to 1e-6, for twice as many gradients. The
// evaluator ends at another theta.
std::vector<double> difference_hessian(Objective& f, const std::vector<double>& theta, bool forward);

}  // namespace mixedmodels
