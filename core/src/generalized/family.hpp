// Purpose: log densities of the families in the linear predictor eta, with derivatives to third order; no model in it.
//
// For a row with response y, prior weight m (the trials of a binomial response, of which y are successes) and
// parameters psi of the distribution, on scales without bounds and the same for all rows or each row's own:
//   l   log density      s = dl/deta      w = -d2l/deta2 (observed weight)      t = dw/deta
// What of l depends neither on eta nor on psi is kept apart, in deviance form where that keeps digits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mixedmodels {

struct RowBlock {
  const double *y, *m, *eta;
  int count;
  // Parameter k of row i is psi[k * lead + i * step]; step is 0, and lead 1, where all rows have the same.
  const double* psi = nullptr;
  std::int64_t lead = 1;
  int step = 0;
};

// What another unit of the responses is to a family: where these are s times as large, linear predictors are
// s^predictor times as large or, by the logarithm, larger by log s; and the parameter of the distribution is larger by
// `parameter` log s.
struct UnitRule {
  bool any = false;      // whether responses have a unit
  bool centred = false;  // their size is that of deviations from their mean
  bool logarithm = false;
  double predictor = 0, parameter = 0;
};

class Family {
 public:
  virtual ~Family() = default;

  virtual UnitRule unit_rule() const { return {}; }

  virtual int parameters() const { return 0; }  // of a row
  // Whether w is never negative.
  virtual bool concave() const { return true; }
  // Whether the predictor is a power of the mean, and so may be of any size.
  virtual bool power_link() const { return false; }

  // The sum of m l, less `constant`, and s, w, t (each with m in it) of every row. Not finite where eta is impossible.
  virtual double rows(const RowBlock& block, double* s, double* w, double* t) const = 0;
  virtual double constant(double y, double m) const = 0;
  // Expected weights, or positive ones in their place.
  virtual void expected(const RowBlock& block, double* w) const;
  // Derivatives of l, s and w of every row by its psi_k.
  virtual void by_parameter(const RowBlock& block, int k, double* l, double* s, double* w) const;

  // Adds the second derivatives of the sum of l by the parameters (K x K), the same for all rows; false, with nothing
  // added, where they are to be found by differences.
  virtual bool add_curvature(const RowBlock& block, double* out) const;

  // A linear predictor near the response, and first values of psi.
  virtual double start(double y, double m) const = 0;
  virtual std::vector<double> start_parameters(std::int64_t n, const double* y, const double* m) const;
};

// Families: binomial, poisson, negative_binomial, nb1, gamma, inverse_gaussian, beta, gaussian, truncated_poisson,
// truncated_negative_binomial; of the counts with zeros also zero_inflated_poisson and so on, whose last parameter is
// the logit of the probability of a zero; ordinal:4, of four ordered categories. Throws std::invalid_argument for names
// that there are not.
std::unique_ptr<const Family> make_family(const std::string& family, const std::string& link);

}  // namespace mixedmodels
