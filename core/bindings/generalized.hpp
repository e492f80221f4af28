// The bound evaluator of generalized models. Its parameters along the axes are theta, coefficients of the basis, and
// those of the family; the caller's are theta of the columns of Z, coefficients of the kept columns of X, and the same
// last.
#pragma once

#include "generalized/laplace.hpp"
#include "model.hpp"

struct GeneralizedEvaluator {
  mm::GeneralizedModel model;
  mm::Laplace core;
  int nodes;

  GeneralizedEvaluator(const Analysis& analysis, Entries entries, const std::string& family, const std::string& link,
                       Vector y, Vector m, std::optional<Vector> offset, int nodes, int threads)
      : model(make(analysis, entries, family, link, y, m, offset)), core(model, nodes, threads), nodes(nodes) {}
  GeneralizedEvaluator(const GeneralizedEvaluator&) = delete;
  GeneralizedEvaluator& operator=(const GeneralizedEvaluator&) = delete;

  static mm::GeneralizedModel make(const Analysis& analysis, const Entries& entries, const std::string& family,
                                   const std::string& link, const Vector& y, const Vector& m,
                                   const std::optional<Vector>& offset);

  const mm::CrossProducts& A() const { return *model.model.A; }
  mm::ThetaAxes axes() const { return {A(), core.entries()}; }
  std::size_t m() const { return core.entries().size(); }
  double constant() const { return -2 * model.constant; }

  const double* checked(const Dense& par) const {
    if (static_cast<int>(par.size()) != core.size()) throw nb::value_error("the parameters have the wrong number");
    return par.data();
  }
  void to_user(double* par) const;
  void from_user(double* par) const;
};
