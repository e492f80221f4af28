// Purpose: the profile likelihood of one parameter: the ML deviance minimised over all others while it is held.
//
// What is held, and the deviance as a function of the other variables: held.hpp. Here: the search for the minimum, from
// what the points solved before predict, by a quasi-Newton method that keeps what each point taught of the curvature.
#pragma once

#include <vector>

#include "after/held.hpp"
#include "search/quadratic_model.hpp"

namespace mixedmodels {

class ProfileCurve {
 public:
  // `theta`, along the axes, is where the ML deviance is least.
  ProfileCurve(const Model& model, std::vector<ProfileTerm> terms, ProfileParameter parameter,
               const std::vector<double>& theta, int threads = 1);

  const ProfilePoint& optimum() const { return optimum_; }
  // Second derivative of the minimised deviance by `at` at the optimum.
  double curvature() const { return curvature_; }
  int n_value() const { return f_.n_value(); }

  // Starts from what the points solved before say of this one; `thorough`, or where that fails, from other places too.
  ProfilePoint solve(double outer, bool thorough = false);

 private:
  struct Solved {
    double at;
    std::vector<double> free, hessian;
  };

  void find_optimum();
  void learn_curvature();
  std::vector<std::vector<double>> other_starts(double at) const;
  void add_subsets(double least, std::vector<std::vector<double>>& starts) const;
  ProfilePoint best_of_many(double at, bool converged, std::vector<double> found);
  bool lowest(std::vector<double>& free, double at);
  std::vector<double> predict(double at) const;
  const Solved& nearest(double at) const;

  HeldDeviance f_;
  QuadraticModel model_;
  double value_ = 0;
  std::vector<double> direction_;  // of the variables by `at`, at the optimum
  ProfilePoint optimum_;
  double curvature_ = 0;
  std::vector<Solved> solved_;  // the optimum first
};

}  // namespace mixedmodels
