// Purpose: minimises a criterion over theta, and what parameters it has beside that, by a quasi-Newton method with the
// exact gradient.
//
// The criterion is a smooth function of every square factor of the covariances, whatever the sign of a column, so the
// bounds at zero of the diagonal entries are only a choice of representative: the search runs without them, along the
// coordinates of `coordinates.hpp`, and hands out columns turned. A diagonal entry that ends next to zero and does as
// well there is set to zero exactly. The Hessian decides whether a zero is a saddle (optimality.hpp). The model is
// the scoring Hessian, renewed at every point and corrected by BFGS updates for what it has missed along the last
// steps; steps are halved on an interpolated line until the criterion falls. Reference: Nocedal and Wright (2006), ch.
// 3, 6 and 7.
//
// A criterion may have no theta, but other parameters only (profile.hpp): their model is what it gives.
#pragma once

#include <functional>
#include <vector>

#include "criterion/objective.hpp"

namespace mixedmodels {

// Heuristics that a search leaves out, to show what each is worth (benchmarks/ablation.py); none in a fit.
struct Without {
  bool second_start = false;  // of the two starts by moments
  bool scoring = false;       // the scoring Hessian: its mean diagonal in its place
  bool updates = false;       // corrections by the last steps
  bool distance = false;      // that steps from far away are dropped from the updates
  bool rotations = false;     // the curvature given to rotations
  bool step_limit = false;
  bool zeros = false;      // that small diagonal entries are tried at zero
  bool confirmed = false;  // that a last step may be the check's product with the Hessian
  bool saddles = false;    // that saddles are left
  // For generalized models: whether what is carried receives what the updates add, whether a search that does not
  // foresee it goes on in all parameters at once, and whether a start without a criterion is made smaller.
  bool foreseen_updates = false, second_phase = false, smaller_starts = false;
};

struct SearchSettings {
  int max_values = 1000;
  double decrement = 1e-11;  // predicted decrease at which a search stops, in units of the criterion
  double zero = 1e-3;        // diagonal entries below this (in natural units) are tried at zero
  bool model = true;         // whether the result is to have its model
  Without without = {};
  int remembered = 5;  // steps kept for updates
  // Whether steps from far away are dropped also where the criterion fell by more than predicted.
  bool forget_stiff = true;
  // Predicted decrease above which a step starts far away: the curvature there differs.
  double far = 3;
};

// unforeseen: the criterion carries parameters and has not foreseen how they move; see trust_region.hpp. lost: the
// criterion was not found again where the search ended, but at a point before.
enum class SearchStatus { converged, stalled, max_values, not_finite, interrupted, unforeseen, lost };

struct SearchResult {
  std::vector<double> theta, gradient, model;  // m, of all parameters; model: of the Hessian, m x m
  double value = 0;
  double decrement = 0;  // g'H^-1 g / 2
  // The last step was as good as a product of the exact Hessian with the direction that the gradient pointed to.
  bool confirmed = false;
  int iterations = 0;
  SearchStatus status = SearchStatus::stalled;
};

// Called with every accepted point; returning false ends the search.
using Progress = std::function<bool(int iteration, double value, const std::vector<double>& parameters)>;

SearchResult quasi_newton(Objective& f, std::vector<double> theta, const SearchSettings& settings,
                          const Progress& progress);

// No step: value, gradient and model at theta, as a search that ends there would hand them out, small diagonal entries
// tried at zero.
SearchResult stand_at(Objective& f, const std::vector<double>& theta, const SearchSettings& settings);

}  // namespace mixedmodels
