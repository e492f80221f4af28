// Purpose: what a search needs of a criterion in the core, whatever the model: value and gradient, what makes up a
// model of its Hessian, and how parameters beside theta move.
//
// Parameters are theta, or what it is a function of (structures.hpp), and then `more` others: none for linear models,
// coefficients and parameters of the distribution for generalized ones, all free variables for a profile. Some of the
// others may be *carried*: the criterion finds their best value for a step itself, and hands back where they stand.
#pragma once

#include <cmath>
#include <vector>

#include "criterion/pls.hpp"

namespace mixedmodels {

// What the model of the Hessian takes of a criterion beside the penalized least squares.
struct Scores {
  const std::vector<double>& by_mode;  // q, Z'We or Z's
  double scale = 1;                    // of these
  double df = 0;                       // of a common scale that is profiled out; infinite where there is none
};

// A step of the search from the point of the last gradient.
struct PlannedStep {
  const Templates& templates;  // by factor, width x width squares: what is added to the templates
  const double* others;        // what is planned for the parameters beside theta
  const double* missed;        // of them, what corrections add to the model's product with the step
  double decrement;            // decrease that the model predicts
};

class Objective {
 public:
  virtual ~Objective() = default;

  virtual const Pls& pls() const = 0;
  const Model& model() const { return pls().model(); }
  const CrossProducts& products() const { return *model().A; }
  const Structures* structures() const { return model().structures.get(); }
  // What the parameters of the covariances are: entries of theta or, with a row and a column below zero, of structures.
  virtual const std::vector<ThetaEntry>& entries() const { return model().parameters(); }
  virtual int more() const { return 0; }
  int size() const { return static_cast<int>(entries().size()) + more(); }
  // The value nearest to `at` about which the criterion is even in a parameter, with the column of a template that it
  // may be the diagonal entry of; NaN where there is none.
  double turning_point(std::size_t e, double at) const {
    const std::vector<ThetaEntry>& of = entries();
    if (e < of.size() && on_diagonal(of[e])) return 0;
    return e < of.size() && structures() ? structures()->turning_point(e, at) : std::nan("");
  }
  // Natural unit of every parameter.
  virtual const std::vector<double>& unit() const = 0;

  // At these parameters; NaN where it cannot be computed.
  virtual double value(const double* par) = 0;
  // At the parameters of the last value.
  virtual void gradient(double* out) = 0;
  // Rounding error of a difference of two values there, beside that of the numbers themselves.
  virtual double rounding() const = 0;
  // Predicted decrease there that is rounding of the criterion.
  virtual double attainable() const { return 0; }
  virtual int n_value() const = 0;
  virtual int n_gradient() const = 0;
  virtual void reset_counts() = 0;

  // -- of a search -- at the point of the last gradient:
  virtual Scores scores() const = 0;
  // Half the derivative by the entries (width x width) of a template, as a full square.
  virtual void slope_block(const EffectsBlock& block, double* out) const = 0;
  // A model (more x more) of second derivatives by the others, and half of those by one of them and a template.
  virtual void model_of_others(double*) {}
  virtual void cross_block(int, const EffectsBlock&, double*) const {}
  // The part of a step, 1 at most, that is not too long for the others.
  virtual double part_allowed(const double*) const { return 1; }
  // Announces a step. From now on `advance` goes to a part of it; it sets what is carried in `par`.
  virtual bool foresees() const { return false; }
  virtual int carried() const { return more(); }  // of the others, the first ones
  virtual void foresee(const PlannedStep&) {}
  virtual double advance(double* par, double) { return value(par); }
  // The second phase moves what is carried as well: the value at the announced step, all of it as it is given;
  // second derivatives (size x size), empty where there are none, and whether they take no other evaluation.
  virtual double follow(const double* par) { return value(par); }
  virtual std::vector<double> hessian(const std::vector<double>&) { return {}; }
  virtual bool hessian_is_exact() { return false; }
  // Puts what is carried into the parameters of the last value, of which it may be a function.
  virtual void carry(double*) const {}
  // These parameters with such in the place of what is carried that the criterion can be computed; empty where none are
  // found. The next search is to begin there.
  virtual std::vector<double> possible_start(std::vector<double>) { return {}; }

  // Derivatives by the covariance of effects of each block, where they cost less than so many gradients; else nothing.
  // The criterion stays where it is.
  virtual std::vector<std::vector<double>> covariance_derivatives(const std::vector<EffectsBlock>&, double) {
    return {};
  }
};

}  // namespace mixedmodels
