// Values: the mode, with or without the coefficients, by Newton's method.
#include "generalized/laplace.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "criterion/criterion.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

constexpr int kMostSteps = 100;
constexpr int kPartsOfThread = 2;  // of the rows, that a thread must have to be of use
// Part of the decrement squared by which a step misses if it falls by less, and steps in a row that may.
constexpr double kMissed = 1e-3;
constexpr int kMostMissed = 4;
// Newton decrements at which a mode is found: for a value that is asked for, for the first and the last of a search,
// and where no longer falling means rounding.
constexpr double kTight = 1e-10, kFirst = 1e-4, kSearch = 1e-9, kRoundingDecrement = 1e-6;
// Largest change of a predictor in one step, which guards against exp; where predictors are powers of the mean, times
// their size if that is above 1.
constexpr double kMostChange = 6;
// Diagonal that X'V^-1X gets where it is not positive definite, as a part of X'WX with weights of 1.
constexpr double kRidge = 1e-13;
// Weight of the term that keeps coefficients near their start, relative to the diagonal of X'WX.
constexpr double kProximal = 1e-9;
// Rounds of least squares to possible predictors, and how much more impossible rows weigh in each.
constexpr int kMostRounds = 12;
constexpr double kHeavier = 10;
constexpr double kFarAway = 3;  // predicted decrease above which updates are not taken for the pull

}  // namespace

void GeneralizedModel::take(const Column& responses) {
  y = rows->sorted(responses);
  constant = static_cast<double>(y.size()) * unit.log_density();
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] *= unit.response;
    constant += family->constant(y[i], m[i]);
  }
}

void GeneralizedModel::scale_parameters() {
  if (unit.predictor == 1) return;
  for (double& r : model.basis.R) r *= unit.predictor;
  auto A = std::make_shared<CrossProducts>(*model.A);
  for (FactorBlock& f : A->factors) {
    const auto s = static_cast<std::size_t>(f.width);
    if (f.T.empty()) {
      f.T.assign(s * s, 0.0);
      for (std::size_t i = 0; i < s; ++i) f.T[i * (s + 1)] = 1;
    }
    for (double& t : f.T) t /= unit.predictor;
  }
  model.A = std::move(A);
}

Laplace::Laplace(const GeneralizedModel& model, const Approximation& approximation, int threads)
    : source_(model),
      approximation_(approximation),
      A_(std::make_shared<CrossProducts>(*model.model.A)),
      model_(with_products(model.model, A_)),
      rows_(*model.rows),
      family_(*model.family),
      parameters_(rows_.n(), family_.parameters(), source_.parameter_columns, source_.unit.parameter),
      pls_(affordable(model_, threads), threads),
      own_workers_(std::min(threads, rows_.parts() / kPartsOfThread)),
      workers_(pls_.factor().workers().threads() > 1 ? &pls_.factor().workers() : &own_workers_),
      n_(rows_.n()),
      m_(model_.m()),
      p_(A_->p),
      K_(parameters_.size()) {
  if (model_.structures) {
    if (joint()) require_triangles(model_.structures.get(), "A generalized model with its coefficients in the mode");
    structured_.emplace(*model_.structures), by_theta_.resize(model_.entries.size());
  }
  unit_ = structures() ? structures()->unit() : natural_units(model_);
  unit_.resize(size(), 1.0);
  par_.assign(size(), std::numeric_limits<double>::quiet_NaN());
  gradient_.resize(size());
  for (auto* v : {&eta_, &s_, &w_, &t_, &step_eta_, &trial_eta_, &work_rows_, &h_}) v->resize(n_);
  for (auto* v : {&u_, &Zts_, &step_u_, &work_, &v_, &bv_, &d_}) v->resize(A_->q);
  for (auto* v : {&Xts_, &step_beta_, &pull_}) v->resize(p_);
  for (auto* v : {&Zts_psi_, &change_psi_, &moved_psi_}) v->resize(static_cast<std::size_t>(K_) * A_->q);
  sums_of_parts_.resize(rows_.parts());
  Xts_psi_.resize(static_cast<std::size_t>(K_) * p_);
  own_slopes_ = pls_.lam();
  v_beta_.resize(p_);
  none_.assign(p_, 0.0);
  if (approximation.nodes > 1) quadrature_.emplace(approximation.nodes, *A_, rows_, parameters_.count());
}

// -- templates and solves -----------------------------------------------------------------------------------------

void Laplace::set_templates(const double* theta, Templates& lam) const {
  lam = pls_.lam();
  mixedmodels::set_templates(*A_, model_.entries, theta, lam);
}

// out = Lambda in, or Lambda' in, for any squares; out may be in.
void Laplace::apply_templates(const Templates& lam, const double* in, double* out, bool transposed) const {
  std::vector<double> level;
  for (std::size_t f = 0; f < lam.size(); ++f) {
    const FactorBlock& block = A_->factors[f];
    const int s = block.width;
    if (s == 1) {
      const double scale = lam[f][0];
      for (std::int64_t at = block.offset; at < block.offset + block.levels; ++at) out[at] = scale * in[at];
      continue;
    }
    level.resize(s);
    for (std::int64_t at = block.offset; at < block.offset + std::int64_t{block.levels} * s; at += s) {
      std::fill(level.begin(), level.end(), 0.0);
      for (int c = 0; c < s; ++c) {
        const double* column = lam[f].data() + c * s;
        if (transposed)
          level[c] = small::dot(s, column, in + at);
        else
          small::axpy(s, in[at + c], column, level.data());
      }
      std::copy(level.begin(), level.end(), out + at);
    }
  }
}

// rhs <- M^-1 rhs, in the order of the cross-products.
void Laplace::solve(std::vector<double>& rhs) {
  const std::vector<int>& at = model_.symbolic->permuted;
  std::vector<double> permuted(rhs.size());
  for (std::size_t i = 0; i < rhs.size(); ++i) permuted[at[i]] = rhs[i];
  pls_.factor().solve_L(permuted.data(), 1);
  pls_.factor().solve_Lt(permuted.data(), 1);
  for (std::size_t i = 0; i < rhs.size(); ++i) rhs[i] = permuted[at[i]];
}

std::vector<double> Laplace::modes() const {
  std::vector<double> b(u_.size());
  apply_templates(pls_.lam(), u_.data(), b.data());
  return b;
}

// -- the mode -----------------------------------------------------------------------------------------------------

RowBlock Laplace::block(const std::vector<double>& eta, std::int64_t first, std::int64_t last) const {
  RowBlock out{source_.y.data() + first, source_.m.data() + first, eta.data() + first, static_cast<int>(last - first)};
  parameters_.give(first, out);
  return out;
}

// The log densities at eta; their scores and weights are left in s_, w_ and t_.
double Laplace::evaluate_rows(const std::vector<double>& eta) {
  rows_.each_part(workers(), kRowWork, [&](std::int64_t first, std::int64_t last, int part) {
    sums_of_parts_[part] =
        family_.rows(block(eta, first, last), s_.data() + first, w_.data() + first, t_.data() + first);
  });
  return std::accumulate(sums_of_parts_.begin(), sums_of_parts_.end(), 0.0);
}

std::vector<double> Laplace::curvatures() const {
  std::vector<double> s(n_), w(n_), t(n_);
  rows_.each_part(workers(), kRowWork, [&](std::int64_t first, std::int64_t last, int) {
    family_.rows(block(eta_, first, last), s.data() + first, w.data() + first, t.data() + first);
  });
  return w;
}

double Laplace::merit(double l, const std::vector<double>& u, const double* beta,
                      const std::vector<double>* pull) const {
  double sum = 0;
  for (double x : u) sum += x * x;
  if (!pull) return -l + 0.5 * sum;
  double along = small::dot(p_, pull->data(), beta);
  for (int j = 0; j < p_; ++j) along += proximal_ * (beta[j] - anchor_[j]) * (beta[j] - anchor_[j]);
  return -l + 0.5 * (sum + along);
}

// M at the weights of this point, with expected ones where it is not positive definite.
bool Laplace::factorize_here() {
  rows_.renew_random(workers(), w_.data(), *A_);
  expected_ = false;
  if (pls_.factorize(theta())) return true;
  w_ = expected_here();
  rows_.renew_random(workers(), w_.data(), *A_);
  expected_ = true;
  return pls_.factorize(theta());
}

// The step to the solution of the equations here, and its decrement squared; NaN where there is none.
double Laplace::direction(bool carried, const std::vector<double>& pull) {
  const int k = A_->k();
  rows_.sum_random(workers(), s_.data(), Zts_.data());
  apply_templates(pls_.lam(), Zts_.data(), work_.data(), kTransposed);
  for (std::size_t i = 0; i < u_.size(); ++i) work_[i] -= u_[i];  // the gradient, downhill
  fixed_ready_ = false;
  if (!carried) {
    step_u_ = work_;
    solve(step_u_);
    return small::dot(static_cast<int>(u_.size()), work_.data(), step_u_.data());
  }
  rows_.renew_fixed(workers(), w_.data(), *A_);
  rows_.sum_fixed(workers(), s_.data(), Xts_.data());
  for (std::size_t i = 0; i < u_.size(); ++i) A_->ZtX[i * k + p_] = Zts_[i];
  if (proximal_ < 0)
    for (int j = 0; j < p_; ++j)
      proximal_ = std::max(proximal_, kProximal * A_->XtX[static_cast<std::size_t>(j) * (k + 1)]);
  std::vector<double> downhill(p_);
  for (int j = 0; j < p_; ++j) {
    downhill[j] = Xts_[j] - 0.5 * pull[j] - proximal_ * (beta()[j] - anchor_[j]);
    A_->XtX[p_ + static_cast<std::size_t>(j) * k] = downhill[j];
    A_->XtX[static_cast<std::size_t>(j) * (k + 1)] += proximal_;
  }
  pls_.load_fixed();
  pls_.subtract_from_response(u_.data());
  pls_.eliminate_fixed();
  bool reduced = pls_.reduce_fixed();
  for (double ridge = kRidge; !reduced && ridge < 1e-6; ridge *= 100) {
    double largest = 0;
    for (double w : w_) largest = std::max(largest, std::abs(w));
    for (int j = 0; j < p_; ++j) A_->XtX[static_cast<std::size_t>(j) * (k + 1)] += ridge * (1 + largest);
    reduced = pls_.reduce_fixed();
  }
  if (!reduced) return std::numeric_limits<double>::quiet_NaN();
  pls_.solve_fixed();
  pls_.solve_random();
  step_u_ = pls_.u();
  step_beta_ = pls_.beta();
  fixed_ready_ = true;
  double sum = small::dot(static_cast<int>(u_.size()), work_.data(), step_u_.data());
  for (int j = 0; j < p_; ++j) sum += downhill[j] * step_beta_[j];
  return sum;
}

// The part of the step of the predictors that may be taken at once.
double Laplace::part_at_once() const {
  const bool power = family_.power_link();
  double longest = 0;
  for (std::int64_t i = 0; i < n_; ++i) {
    const double size = std::abs(step_eta_[i]);
    longest = std::max(longest, power ? size / std::max(1.0, std::abs(eta_[i])) : size);
  }
  return longest > kMostChange ? kMostChange / longest : 1.0;
}

// Along the step until g has fallen; false where it does not fall, with everything as before. `missed` says whether it
// has fallen by next to nothing of what the first length tried promised, or by rounding.
bool Laplace::move_along(bool carried, const std::vector<double>& pull, double decrement, bool& missed) {
  const std::vector<double>* along = carried ? &pull : nullptr;
  const double before = merit(l_, u_, beta(), along);
  apply_templates(pls_.lam(), step_u_.data(), work_.data());
  const std::vector<double> none(p_, 0.0);
  rows_.predict(workers(), work_.data(), carried ? step_beta_.data() : none.data(), false, step_eta_.data());
  const double first = part_at_once();
  const double noise = 1e-14 * (std::abs(before) + static_cast<double>(n_));
  std::vector<double> u(u_.size()), to(beta(), beta() + p_);
  for (double t = first; t > 1e-10; t *= 0.5) {
    for (std::int64_t i = 0; i < n_; ++i) trial_eta_[i] = eta_[i] + t * step_eta_[i];
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = u_[i] + t * step_u_[i];
    if (carried)
      for (int j = 0; j < p_; ++j) to[j] = beta()[j] + t * step_beta_[j];
    const double l = evaluate_rows(trial_eta_), g = merit(l, u, to.data(), along);
    if (!(g <= before - 1e-4 * t * decrement + noise)) continue;
    std::swap(eta_, trial_eta_);
    u_ = u;
    std::copy(to.begin(), to.end(), beta());
    l_ = l;
    missed = before - g < std::max(kMissed * first * decrement, 10 * noise);
    return true;
  }
  evaluate_rows(eta_);
  return false;
}

// Modes whose predictors are near the responses, by penalized least squares in which rows of impossible predictors
// weigh more in every round; false where some stay impossible.
bool Laplace::begin_near_responses(bool carried) {
  carried = carried && p_ > 0;
  anchor_.assign(beta(), beta() + p_);
  proximal_ = -1;
  parameters_.set(psi());
  std::fill(u_.begin(), u_.end(), 0.0);
  rows_.predict(workers(), u_.data(), beta(), true, eta_.data());
  std::vector<double> near(n_), weight(n_);
  for (std::int64_t i = 0; i < n_; ++i) near[i] = family_.start(source_.y[i], source_.m[i]);
  expect(near, weight.data());
  for (double& w : weight)
    if (!(w > 0 && std::isfinite(w))) w = 1;
  for (int round = 0; round < kMostRounds; ++round) {
    for (std::int64_t i = 0; i < n_; ++i) s_[i] = weight[i] * (near[i] - eta_[i]);
    w_ = weight;
    renew_factor(w_);
    if (!std::isfinite(direction(carried, none_))) return false;
    for (std::size_t i = 0; i < u_.size(); ++i) u_[i] += step_u_[i];
    if (carried)
      for (int j = 0; j < p_; ++j) beta()[j] += step_beta_[j];
    apply_templates(pls_.lam(), u_.data(), work_.data());
    rows_.predict(workers(), work_.data(), beta(), true, eta_.data());
    bool possible = true;
    for (std::int64_t i = 0; i < n_; ++i) {
      if (std::isfinite(family_.rows(block(eta_, i, i + 1), &s_[i], &w_[i], &t_[i]))) continue;
      possible = false;
      weight[i] *= kHeavier;
    }
    if (possible) return true;
  }
  return false;
}

// From u_ at the parameters of par_; the factor is left at the mode.
bool Laplace::find_mode(bool carried, const std::vector<double>& pull, double tolerance) {
  carried = carried && p_ > 0;
  anchor_.assign(beta(), beta() + p_);
  proximal_ = -1;
  parameters_.set(psi());
  Templates lam;
  set_templates(theta(), lam);
  apply_templates(lam, u_.data(), work_.data());
  rows_.predict(workers(), work_.data(), beta(), true, eta_.data());
  l_ = evaluate_rows(eta_);
  if (!std::isfinite(l_)) return false;
  double before = std::numeric_limits<double>::infinity();
  bool missed = false;
  for (int step = 0, misses = 0; step < kMostSteps; ++step) {
    if (!factorize_here()) return false;
    const double decrement = direction(carried, pull);
    if (!std::isfinite(decrement)) return false;
    const bool settled = decrement < kRoundingDecrement * kRoundingDecrement && decrement > 0.25 * before;
    if (!expected_ && (decrement <= tolerance * tolerance || settled)) {
      decrement_ = std::sqrt(std::max(decrement, 0.0));
      tolerance_ = tolerance;
      return true;
    }
    before = decrement;
    const bool creeps = misses == kMostMissed;
    if (creeps || !move_along(carried, pull, decrement, missed)) {
      decrement_ = std::sqrt(std::max(decrement, 0.0));
      tolerance_ = tolerance;
      if (!expected_ && decrement < 1e-8 * (1 + std::abs(l_))) return true;
      if (!creeps) return false;
      break;
    }
    misses = missed ? misses + 1 : 0;
  }
  // Coefficients that run away slowly: where they have got to, the modes alone.
  return carried && find_mode(false, pull, tolerance);
}

// -- values -------------------------------------------------------------------------------------------------------

ModePoint Laplace::mode_point() const {
  return {*A_, pls_.lam()[0], u_, eta_, source_.y, source_.m, family_, parameters_};
}

double Laplace::settle(bool found) {
  stands_ = found;
  if (!found) return f_ = std::numeric_limits<double>::quiet_NaN();
  g_ = merit(l_, u_, beta(), nullptr);
  if (approximation_.expected) renew_factor(expected_here());
  logdet_ = pls_.logdet_L2();
  if (approximation_.expected) renew_factor(w_);
  if (quadrature_) return f_ = quadrature_->value(mode_point());
  f_ = 2 * g_ + logdet_;
  if (integrated()) {
    rows_.renew_fixed_squares(workers(), w_.data(), *A_);  // without what the search has added
    fixed_ready_ = false;
    ensure_fixed();
    f_ += pls_.logdet_RX2();
  }
  return f_;
}

// The factor for these weights, at the parameters of par_.
void Laplace::renew_factor(const std::vector<double>& w) {
  rows_.renew_random(workers(), w.data(), *A_);
  pls_.factorize(theta());
}

double Laplace::value(const double* par) {
  const bool same = stands_ && std::equal(par, par + size(), par_.begin());
  if (same && tolerance_ <= kTight) return f_;
  if (!same) {
    ++n_value_;
    if (!base_.u.empty()) u_ = base_.u;
  }
  std::copy_n(par, size(), par_.begin());
  return evaluate();
}

void Laplace::begin_at(std::vector<double> u) {
  base_.u = std::move(u);
  base_.pull = none_;
  base_.planned = stands_ = gradient_ready_ = false;
}

// At par_, from the modes in u_.
double Laplace::evaluate() {
  stands_ = gradient_ready_ = false;
  bool found = find_mode(joint(), none_, kTight);
  if (!found) {  // from the middle of the prior
    std::fill(u_.begin(), u_.end(), 0.0);
    found = find_mode(joint(), none_, kTight);
  }
  if (!found) found = begin_near_responses(joint()) && find_mode(joint(), none_, kTight);
  return settle(found);
}

double Laplace::follow(const double* par) {
  if (base_.u.empty() || !base_.planned) return value(par);
  ++n_value_;
  std::copy_n(par, size(), par_.begin());
  Templates lam;
  set_templates(theta(), lam);
  u_ = base_.u;
  predict_modes(1, lam);
  return evaluate();
}

double Laplace::rounding() const {
  return 1e-15 * static_cast<double>(n_) + (tolerance_ > kSearch ? 10 * tolerance_ : 10 * attainable());
}

// The determinant is as good as the mode, which rounding of the predictors leaves where counts are very large.
double Laplace::attainable() const { return tolerance_ <= kSearch && decrement_ > 10 * kSearch ? decrement_ : 0.0; }

double Laplace::advance(double* par, double part) {
  if (stands_ && std::equal(par, par + size(), par_.begin())) return f_;
  ++n_value_;
  stands_ = gradient_ready_ = false;
  std::copy_n(par, size(), par_.begin());
  Templates lam;
  set_templates(theta(), lam);
  std::vector<double> pull(p_, 0.0);
  double tolerance = kFirst;
  if (!base_.u.empty()) {
    pull = base_.pull;
    u_ = base_.u;
    tolerance = kSearch;
    if (base_.planned && part > 0) {
      for (int j = 0; j < p_; ++j) pull[j] += part * base_.missed[j];
      tolerance = base_.tolerance;
      predict_modes(part, lam);
    }
  }
  const double found = settle(find_mode(true, pull, tolerance));
  std::copy_n(par_.begin() + m_, p_, par + m_);
  return found;
}

std::vector<double> Laplace::possible_start(std::vector<double> par) {
  base_ = {};
  stands_ = gradient_ready_ = false;
  std::copy(par.begin(), par.end(), par_.begin());
  if (!begin_near_responses(true) || !find_mode(true, none_, kFirst)) return {};
  std::copy_n(beta(), p_, par.begin() + m_);
  return par;
}

double Laplace::part_allowed(const double* others) const {
  double longest = 0;
  for (int k = 0; k < K_; ++k) longest = std::max(longest, std::abs(others[p_ + k]));
  return longest > 2 ? 2 / longest : 1;
}

void Laplace::foresee(const PlannedStep& step) {
  base_.lam = pls_.lam();
  base_.change_lam = step.templates;
  base_.missed.assign(p_, 0.0);
  if (step.decrement < kFarAway && !joint()) std::copy_n(step.missed, p_, base_.missed.begin());
  base_.tolerance = std::max(kSearch, std::min(kFirst, 1e-2 * step.decrement));
  base_.planned = true;
  // du = M^-1 [dLambda'c - Lambda'Z'W(Z dLambda u + X dbeta) + Lambda'Z's_psi dpsi], at the point of the last gradient
  const int k = A_->k();
  const std::size_t q = u_.size();
  std::vector<double> moved(q), product(q);
  apply_templates(step.templates, u_.data(), moved.data());
  multiply_products(*A_, moved.data(), product.data(), 1);
  for (std::size_t i = 0; i < q; ++i) {
    product[i] = -product[i] - small::dot(p_, A_->ZtX.data() + i * k, step.others);
    for (int j = 0; j < K_; ++j) product[i] += Zts_psi_[j * q + i] * step.others[p_ + j];
  }
  apply_templates(base_.lam, product.data(), product.data(), kTransposed);
  apply_templates(step.templates, Zts_.data(), moved.data(), kTransposed);
  for (std::size_t i = 0; i < q; ++i) product[i] += moved[i];
  solve(product);
  base_.change_u = std::move(product);
}

// The modes at a part of the step. b = Lambda u moves evenly where the data are informative: b is predicted and divided
// by the new template, unless that has changed by more than a half; then u is predicted.
void Laplace::predict_modes(double part, const Templates& lam) {
  for (std::size_t f = 0; f < lam.size(); ++f) {
    const FactorBlock& block = A_->factors[f];
    const int s = block.width, size = s * s;
    std::vector<double> square(size), turn(size), ratio(size);
    for (int i = 0; i < size; ++i) square[i] = base_.lam[f][i] + part * base_.change_lam[f][i];
    small::rotate_to_lower(s, square.data(), turn.data());
    bool invertible = true;
    for (int c = 0; c < s; ++c) {
      invertible = invertible && lam[f][c * (s + 1)] != 0;
      if (square[c * (s + 1)] < 0)
        for (int r = 0; r < s; ++r) turn[r + c * s] = -turn[r + c * s];
    }
    // new^-1 old, and how far turn times that is from the identity
    double far = 0;
    if (invertible) {
      for (int c = 0; c < s; ++c)
        for (int r = 0; r < s; ++r) {
          double sum = base_.lam[f][r + c * s];
          for (int i = 0; i < r; ++i) sum -= lam[f][r + i * s] * ratio[i + c * s];
          ratio[r + c * s] = sum / lam[f][r + r * s];
        }
      for (int c = 0; c < s; ++c)
        for (int r = 0; r < s; ++r) {
          double sum = r == c ? -1.0 : 0.0;
          for (int i = 0; i < s; ++i) sum += turn[r + i * s] * ratio[i + c * s];
          far += sum * sum;
        }
    }
    const bool by_b = invertible && far <= 0.25;
    for (std::int64_t at = block.offset; at < block.offset + std::int64_t{block.levels} * s; at += s)
      for (int r = 0; r < s; ++r) {
        double sum = 0;
        for (int i = 0; i < s; ++i) {
          sum += turn[i + r * s] * base_.u[at + i];
          sum += part * (by_b ? ratio[r + i * s] : turn[i + r * s]) * base_.change_u[at + i];
        }
        u_[at + r] = sum;
      }
  }
}

}  // namespace mixedmodels
