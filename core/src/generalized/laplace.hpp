// Purpose: -2 log-likelihood of a generalized linear mixed model by Laplace's approximation, or by quadrature about its
// mode, with its exact gradient.
//
// eta = offset + X beta + Z Lambda u, u standard normal. With l the log densities, s, w and t their derivatives
// (family.hpp),
//   g(u) = -sum l + u'u / 2,   M = Lambda'Z'WZ Lambda + I,   f = 2 g + log |M|   at the mode u of -g.
// Parameters: theta along the axes, coefficients beta of the basis, psi, those of the family (parameters.hpp). A search
// carries beta: for a step of theta and psi it is solved together with u, for 2 g + a'beta, a the pull of log |M| on
// beta as the model foresees it. What that leaves of the gradient by beta is in the gradient, and so in the next step.
// f is without the constant parts of the log densities, so that these cost no digits.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "criterion/objective.hpp"
#include "generalized/components.hpp"
#include "generalized/family.hpp"
#include "generalized/parameters.hpp"
#include "generalized/quadrature.hpp"
#include "generalized/response_unit.hpp"
#include "generalized/second_derivatives.hpp"
#include "generalized/weighted_rows.hpp"

namespace mixedmodels {

// A generalized model: its rows, its family, and the analysis of its cross-products.
struct GeneralizedModel {
  Model model;  // its cross-products are those of prior weights; every evaluator has its own
  std::shared_ptr<const WeightedRows> rows;
  std::shared_ptr<const Family> family;
  std::vector<double> y, m;  // in the order of `rows`
  double constant = 0;       // sum of the parts of the log density that depend on no parameter
  ResponseUnit unit;         // of y, from that of the caller
  // Of every parameter of the family its columns, see parameters.hpp; empty: all are the same for all rows.
  std::vector<std::vector<double>> parameter_columns;

  // Takes responses in the order and unit of the caller; `m` is there already.
  void take(const Column& responses);
  // Gives the basis and the axes the factor of the unit, so that parameters of the caller are in the caller's. After
  // the rows have been made.
  void scale_parameters();
  int parameters() const { return ParameterRows(rows->n(), family->parameters(), parameter_columns).size(); }
};

// Where the coefficients are: among the parameters of the criterion; in the mode, found with u for every theta and psi;
// or integrated over, with a flat prior, as by REML. In the latter two the criterion does not depend on what is given
// for them: gradients by them are zero, and second derivatives are those of which (theta, psi) have the criterion's
// when they are eliminated.
enum class Coefficients { searched, in_mode, integrated };

struct Approximation {
  int nodes = 1;  // of quadrature for each dimension; 1 for Laplace's approximation
  Coefficients coefficients = Coefficients::searched;
  bool expected = false;  // the determinant has the expected weights at the mode

  Approximation(int count = 1) : nodes(count) {}
  Approximation(int count, Coefficients where, bool with_expected)
      : nodes(count), coefficients(where), expected(with_expected) {}
};

class Laplace : public Objective {
 public:
  explicit Laplace(const GeneralizedModel& model, const Approximation& approximation = {}, int threads = 1);
  Laplace(const Laplace&) = delete;
  Laplace& operator=(const Laplace&) = delete;

  const Pls& pls() const override { return pls_; }
  int more() const override { return p_ + K_; }
  const std::vector<double>& unit() const override { return unit_; }
  double value(const double* par) override;
  void gradient(double* out) override;
  double rounding() const override;
  double attainable() const override;
  int n_value() const override { return n_value_; }
  int n_gradient() const override { return n_gradient_; }
  void reset_counts() override { n_value_ = n_gradient_ = 0; }

  Scores scores() const override { return {Zts_, 1, std::numeric_limits<double>::infinity()}; }
  void slope_block(const EffectsBlock& block, double* out) const override;
  void model_of_others(double* out) override;
  void cross_block(int other, const EffectsBlock& block, double* out) const override;
  double part_allowed(const double* others) const override;
  bool foresees() const override { return true; }
  int carried() const override { return more() - K_; }
  void foresee(const PlannedStep& step) override;
  double advance(double* par, double part) override;
  double follow(const double* par) override;
  void carry(double* par) const override { std::copy_n(par_.begin() + m_, p_, par + m_); }
  std::vector<double> possible_start(std::vector<double> par) override;

  // The next evaluation begins at these modes (q).
  void begin_at(std::vector<double> u);

  // Where a search begins: the model without random effects, and variances by moments of its scores.
  std::vector<double> start();
  std::vector<std::vector<double>> starts();

  // Second derivatives by theta, beta and psi: exact sums by theta and beta where these cost less than differences of
  // the gradient, else central differences. Leaves the point.
  std::vector<double> hessian(const std::vector<double>& par) override;
  bool hessian_is_exact() override { return K_ == 0 && exact_is_cheaper(); }
  // What the next term of the expansion would add to the value at these parameters, by connected component of the
  // levels; nothing where its sums over pairs of rows are too many, and by quadrature.
  std::vector<double> next_term(const std::vector<double>& par);

  // Covariance of the coefficients of the basis for known theta and psi: (X'V^-1X)^-1, p x p.
  std::vector<double> conditional_vcov();
  // Calls with the equations at the weights of the determinant, by which conditional covariances go; `fixed`: with the
  // fixed effects eliminated. The mode's own weights come back after it.
  void with_determinant(bool fixed, const std::function<void(Pls&)>& use);

  int p() const { return p_; }
  int parameters() const { return K_; }
  const std::vector<double>& parameters_at() const { return par_; }
  const std::vector<double>& u() const { return u_; }
  const std::vector<double>& eta() const { return eta_; }  // in the order of the rows
  const std::vector<double>& scores_of_rows() const { return s_; }
  // Those of the determinant there: minus the second derivatives of the log densities by the predictor, which need not
  // be positive, or the expected ones.
  std::vector<double> weights() const { return approximation_.expected ? expected_here() : curvatures(); }
  std::vector<double> modes() const;  // Lambda u, along the axes
  double penalized() const { return g_; }
  double logdet() const { return logdet_; }
  Pls& pls() { return pls_; }

 private:
  // What a step goes from: the point of the last gradient.
  struct Base {
    std::vector<double> u, change_u;  // the modes there, and how they move along a step
    Templates lam, change_lam;        // likewise of the templates
    std::vector<double> pull, missed;
    double tolerance;
    bool planned = false;
  };

  const double* theta() { return structured_ ? structured_->move(par_.data()).data() : par_.data(); }
  double* beta() { return par_.data() + m_; }
  double* psi() { return par_.data() + m_ + p_; }

  Workers& workers() const { return *workers_; }

  static constexpr bool kTransposed = true;
  static constexpr double kRowWork = 50;  // operations of the family on a row, about
  void apply_templates(const Templates& lam, const double* in, double* out, bool transposed = false) const;
  void solve(std::vector<double>& rhs);
  RowBlock block(const std::vector<double>& eta, std::int64_t first, std::int64_t last) const;
  double evaluate_rows(const std::vector<double>& eta);
  void find_slopes(int parameter, double* l, double* s, double* w) const;
  bool factorize_here();
  bool begin_near_responses(bool carried);
  bool find_mode(bool carried, const std::vector<double>& pull, double tolerance);
  double direction(bool carried, const std::vector<double>& pull);
  double part_at_once() const;
  bool move_along(bool carried, const std::vector<double>& pull, double decrement, bool& missed);
  double merit(double l, const std::vector<double>& u, const double* beta, const std::vector<double>* pull) const;
  double evaluate();
  bool joint() const { return approximation_.coefficients != Coefficients::searched && p_ > 0; }
  bool integrated() const { return approximation_.coefficients == Coefficients::integrated && p_ > 0; }
  void renew_factor(const std::vector<double>& w);
  std::vector<double> curvatures() const;
  std::vector<double> expected_here() const;
  void expect(const std::vector<double>& eta, double* w) const;
  void expected_slopes(std::vector<double>& out) const;
  void expected_by_parameter(int parameter, double* w);
  void add_fixed_leverages();
  void solve_jointly();
  bool take_expected_fixed(std::vector<double>& H);
  std::vector<double> joint_hessian(const std::vector<double>& par);
  double settle(bool found);
  ModePoint mode_point() const;
  void sum_templates();
  void ensure_fixed();
  void predict_modes(double part, const Templates& lam);
  void find_pair_covariances(std::size_t pair, std::int32_t first, std::int32_t last);
  void find_leverages();
  void find_parameter_slopes();
  std::vector<double> parameter_curvatures();
  void set_templates(const double* theta, Templates& lam) const;
  void fit_without_random_effects();
  bool keeps_sign();
  const Components& components();
  CurvaturePoint curvature_point(std::vector<double>& fourth) const;
  std::vector<double> fourth_derivatives() const;
  std::vector<double> difference_steps_here();
  std::vector<double> with_theta(std::vector<double> par, const std::vector<double>& theta) const;
  void difference_columns(const std::vector<double>& par, const std::vector<double>& steps,
                          const std::vector<std::size_t>& rows, const std::vector<std::size_t>& columns,
                          std::vector<double>& out);
  bool exact_is_cheaper();
  double parameter_step(double* psi, std::vector<double>& second);

  const GeneralizedModel& source_;
  const Approximation approximation_;
  std::shared_ptr<CrossProducts> A_;
  Model model_;
  const WeightedRows& rows_;
  const Family& family_;
  ParameterRows parameters_;
  Pls pls_;
  // Of passes over rows: those of the factor, where it has some, for two crews would take each other's processors.
  Workers own_workers_, *workers_;
  std::int64_t n_;
  int m_, p_, K_;
  std::optional<StructuredTheta> structured_;  // where parameters are not theta itself
  std::vector<double> by_theta_;
  std::vector<double> sums_of_parts_;  // of the rows, of their log densities
  std::vector<double> unit_, par_, u_, eta_, s_, w_, t_;
  std::vector<double> Zts_, Xts_;  // scores summed
  std::vector<double> step_u_, step_beta_, step_eta_, trial_eta_, work_, work_rows_;
  std::vector<double> h_, v_, bv_, d_, pull_;  // of the gradient: leverages, M^-1 Lambda'Z'r, Lambda v, Z'rho, X'rho
  std::vector<std::vector<double>> level_covariances_, pair_covariances_;  // of the leverages
  std::vector<double> Zts_psi_, Xts_psi_, change_psi_,
      moved_psi_;                                // K x q, K x p; M^-1 Lambda'Z's_psi, and Z's as u follows
  std::vector<std::vector<double>> own_slopes_;  // by factor, s x s: traces less the scores times the modes
  std::optional<Quadrature> quadrature_;
  std::optional<Components> components_;
  std::vector<double> v_beta_, none_;  // the part of v of the coefficients where these are in the mode; p zeros
  // While coefficients are carried, a weak pull to where they began: where data are separated the likelihood is flat.
  std::vector<double> anchor_;
  double proximal_ = 0;
  Base base_;
  double l_ = 0, g_ = 0, logdet_ = 0, decrement_ = 0, tolerance_ = 0, f_ = std::numeric_limits<double>::quiet_NaN();
  bool expected_ = false;     // the factor is that of expected weights
  bool fixed_ready_ = false;  // RZX and RX are those of this point
  bool gradient_ready_ = false, stands_ = false;
  std::vector<double> gradient_;
  int n_value_ = 0, n_gradient_ = 0;
};

}  // namespace mixedmodels
