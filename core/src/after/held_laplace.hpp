// Purpose: the criterion of a generalized model with one parameter held, as a smooth function of free variables.
//
// What is held is a standard deviation of a random effect or the angle whose sine is a correlation (held_function.hpp),
// or a number made of the coefficients and the family's own parameters x:
//   h'x + offset + sum of exp(x_j) over `gaps`,
// so a coefficient of the caller's columns, a parameter of the family, or a threshold between ordered categories, which
// is the first one and the gaps up to it. The parameter with the largest part in it follows from the others.
#pragma once

#include <vector>

#include "after/held_function.hpp"
#include "generalized/laplace.hpp"

namespace mixedmodels {

struct HeldNumber {
  std::vector<double> h;  // of the coefficients of the basis, then of the family's own parameters
  double offset = 0;
  std::vector<int> gaps;  // places in h, where that is zero
};

class HeldLaplace : public HeldFunction {
 public:
  // `par` is where the criterion is least; `hessian` its second derivatives there. `number` is read for parameters that
  // are not of a template. `constant` is added to the criterion.
  HeldLaplace(const GeneralizedModel& model, const Approximation& approximation, std::vector<ProfileTerm> terms,
              ProfileParameter parameter, HeldNumber number, const std::vector<double>& par,
              std::vector<double> hessian, double constant, int threads);

  double value(const std::vector<double>& free, double at) override;
  void gradient(std::vector<double>& out) override;
  ProfilePoint point(bool converged) const override;
  double rounding() const override { return f_.rounding(); }
  bool has_sizes() const override { return false; }
  int n_value() const override { return f_.n_value(); }
  const Pls& pls() const override { return f_.pls(); }
  double unit_for_differences() const override;
  std::vector<double> hessian_at_start(double unit) override;

 private:
  void choose_variables(const std::vector<double>& par);
  // Parameters of the criterion from the variables.
  void fill(const std::vector<double>& free, double at);
  double number() const;

  Laplace f_;
  HeldNumber number_;
  int pivot_ = -1;                // of h: what follows from the others
  std::size_t m_ = 0;             // entries of theta
  std::vector<int> other_;        // places in h of the variables after those of the templates
  std::vector<double> par_, by_;  // m_ and the others: where it stands, and the gradient
  std::vector<double> hessian_;
  double constant_;
};

}  // namespace mixedmodels
