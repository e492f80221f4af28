// Purpose: the profile likelihood of one parameter: the criterion minimised over all others while it is held.
//
// What is held, and the criterion as a function of the other variables: held.hpp for linear models, held_laplace.hpp
// for generalized ones. Here: the search for the minimum, from what the points solved before predict, by a quasi-Newton
// method that keeps what each point taught of the curvature.
#pragma once

#include <memory>
#include <vector>

#include "after/held_function.hpp"
#include "search/quadratic_model.hpp"

namespace mixedmodels {

class ProfileCurve {
 public:
  explicit ProfileCurve(std::unique_ptr<HeldFunction> f);

  const ProfilePoint& optimum() const { return optimum_; }
  // Second derivative of the minimised deviance by `at` at the optimum.
  double curvature() const { return curvature_; }
  int n_value() const { return f_->n_value(); }

  // Starts from a prediction by the points solved before; `thorough`, or where that fails, from other places too.
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

  std::unique_ptr<HeldFunction> f_;
  QuadraticModel model_;
  double value_ = 0;
  std::vector<double> direction_;  // of the variables by `at`, at the optimum
  ProfilePoint optimum_;
  double curvature_ = 0;
  std::vector<Solved> solved_;  // the optimum first
};

}  // namespace mixedmodels
