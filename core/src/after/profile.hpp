// Purpose: the profile likelihood of one parameter: the criterion minimised over all others while it is held.
//
// What is held, and the criterion as a function of the other variables: held.hpp for linear models, held_laplace.hpp
// for generalized ones. Here: the minimum by the one search (quasi_newton.hpp), from what the points solved before
// predict, with the Hessian that the nearest of them has ended with. Starts, zeros and saddles, which the driver of
// fits adds to the search, are the profile's own.
#pragma once

#include <memory>
#include <vector>

#include "after/held_function.hpp"

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

  double unit_of_at();
  void find_optimum();
  void learn_curvature();
  std::vector<std::vector<double>> other_starts(double at) const;
  void add_subsets(double least, std::vector<std::vector<double>>& starts) const;
  ProfilePoint best_of_many(double at, bool converged, std::vector<double> found);
  ProfilePoint lowest_at(double outer, bool thorough);
  bool lowest(std::vector<double>& free, double at);
  std::vector<const Solved*> by_distance(double at) const;
  std::vector<double> predict(double at) const;
  const Solved& nearest(double at) const;

  std::unique_ptr<HeldFunction> f_;
  // What the last search ended with, and the Hessian that the next one begins with.
  std::vector<double> hessian_;
  double value_ = 0;
  bool fell_ = false;              // a search for this point was given up below the floor
  std::vector<double> direction_;  // of the variables by `at`, at the optimum
  ProfilePoint optimum_;
  double curvature_ = 0;
  std::vector<Solved> solved_;  // the optimum first
};

}  // namespace mixedmodels
