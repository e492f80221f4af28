// Purpose: covariances of terms that are functions of fewer parameters than a lower triangle has entries.
//
//   parameters -> F, a square factor of a term's covariance -> F Q, a lower triangle -> theta
//
// This is the only place that knows more of parameters than their number and their turning points. Factor, criterion,
// gradient and traces work with theta; the search moves parameters. Where the triangle itself is free, parameters are
// the entries of theta and nothing is computed; a model whose terms are all of this kind has no structures.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "products/relative_covariance.hpp"

namespace mixedmodels {

// One kind of covariance. Squares are width x width, column-major, of the caller's columns of Z, relative to sigma. F
// is smooth and has no bounds; only F F' counts.
class Structure {
 public:
  virtual ~Structure() = default;
  virtual int size(int width) const = 0;  // parameters
  virtual void factor(int width, const double* par, double* F) const = 0;
  virtual void derivative(int width, const double* par, int i, double* dF) const = 0;
  // The second derivative by parameters i and j; false where it is zero.
  virtual bool second_derivative(int, const double*, int, int, double*) const { return false; }
  // Parameters of a covariance with about these variances.
  virtual void start(int width, const double* variances, double* par) const = 0;
  // The value nearest to `at` about which the covariance is an even function of parameter i; NaN where there is none.
  virtual double turning_point(int width, int i, double at) const = 0;
};

// What the terms of a model are: parameters term by term, theta term by term.
class Structures {
 public:
  struct Term {
    ThetaTerm theta;
    const Structure* structure;  // null: a free lower triangle
    std::size_t par;             // its first parameter
    int size;                    // how many
    std::vector<double> T;       // width x width, lower: its axes
  };

  // `kinds` term by term; they must outlive this.
  Structures(const CrossProducts& A, const std::vector<ThetaEntry>& entries,
             const std::vector<const Structure*>& kinds);

  const std::vector<Term>& terms() const { return terms_; }
  // The entries of a free triangle; other parameters have a row and a column below zero that no other has.
  const std::vector<ThetaEntry>& parameters() const { return parameters_; }
  std::size_t theta_size() const { return theta_size_; }
  // Natural unit of every parameter.
  const std::vector<double>& unit() const { return unit_; }
  double turning_point(std::size_t e, double at) const;
  // Parameters whose variances are about those of a theta.
  std::vector<double> closest_to(const std::vector<double>& theta) const;

 private:
  void add_units(const CrossProducts& A, std::size_t term);

  std::vector<Term> terms_;
  std::vector<ThetaEntry> parameters_;
  std::vector<double> unit_;
  std::size_t theta_size_ = 0;
};

// Theta at given parameters, and how the templates change with these.
class StructuredTheta {
 public:
  explicit StructuredTheta(const Structures& structures);

  // Theta at the parameters.
  const std::vector<double>& move(const double* par);
  // Along the axes, turned as the template of the term is: its derivative by parameter i, and the second one, false
  // where that is zero. The square is valid until the next call.
  const double* derivative(std::size_t term, int i);
  const double* second_derivative(std::size_t term, int i, int j);
  // The gradient by the parameters, from one by theta and half of one by all entries of a structured term's template.
  void gradient(const double* by_theta, const std::function<void(const EffectsBlock&, double*)>& half_slope,
                double* out);
  // Adds what a step of the parameters adds to the templates of structured terms.
  void add_step(const double* step, const CrossProducts& A, Templates& change);

 private:
  // T^-1 square_ Q.
  const double* turned(std::size_t term);

  const Structures& structures_;
  std::vector<double> par_, theta_, square_, turned_;
  std::vector<std::vector<double>> rotations_;  // term by term
};

// Throws where terms have structures and `what` knows free triangles only.
void require_triangles(const Structures* structures, const char* what);

}  // namespace mixedmodels
