// The bound evaluator of generalized models. Its parameters along the axes are theta, coefficients of the basis, and
// those of the family; the caller's are theta of the columns of Z, coefficients of the kept columns of X, and the
// family's, of the kept columns where a parameter has a model matrix.
#pragma once

#include <cmath>
#include <numbers>
#include <string>

#include "generalized/laplace.hpp"
#include "model.hpp"

// Model matrices of parameters of the family, each with the number of its parameter.
using ParameterDesigns = std::vector<std::pair<int, const Products*>>;

struct GeneralizedEvaluator {
  std::vector<double> origin;     // of the kept columns of X, which the first parameter of the family takes up
  std::vector<mm::Frame> frames;  // of every parameter of the family; one without columns where it has no matrix
  mm::GeneralizedModel model;
  mm::Approximation approximation;
  mm::Laplace core;

  GeneralizedEvaluator(const Analysis& analysis, Entries entries, const std::string& family, const std::string& link,
                       Vector y, Vector m, std::optional<Vector> offset, const ParameterDesigns& designs,
                       std::vector<double> origin_, int nodes, const std::string& coefficients, bool expected,
                       int threads)
      : origin(std::move(origin_)),
        model(make(analysis, entries, family, link, y, m, offset)),
        approximation(nodes, treatment(coefficients), expected),
        core(with(designs), approximation, threads) {}
  GeneralizedEvaluator(const GeneralizedEvaluator&) = delete;
  GeneralizedEvaluator& operator=(const GeneralizedEvaluator&) = delete;

  static mm::GeneralizedModel make(const Analysis& analysis, const Entries& entries, const std::string& family,
                                   const std::string& link, const Vector& y, const Vector& m,
                                   const std::optional<Vector>& offset);
  const mm::GeneralizedModel& with(const ParameterDesigns& designs);

  const mm::CrossProducts& A() const { return *model.model.A; }
  mm::ThetaAxes axes() const { return {A(), core.entries()}; }
  std::size_t m() const { return core.entries().size(); }
  double constant() const { return -2 * model.constant + of_integral(); }
  // What an integral over the coefficients adds, which is over those of the caller's unit.
  double of_integral() const {
    if (approximation.coefficients != mm::Coefficients::integrated) return 0;
    return A().p * (2 * std::log(model.unit.predictor) - std::log(2 * std::numbers::pi));
  }
  static mm::Coefficients treatment(const std::string& name) {
    if (name == "searched") return mm::Coefficients::searched;
    if (name == "in_mode") return mm::Coefficients::in_mode;
    if (name == "integrated") return mm::Coefficients::integrated;
    throw nb::value_error("coefficients are searched, in_mode or integrated");
  }

  const double* checked(const Dense& par) const {
    if (static_cast<int>(par.size()) != core.size()) throw nb::value_error("the parameters have the wrong number");
    return par.data();
  }
  void to_user(double* par) const;
  void from_user(double* par) const;
};
