// Points of a profile against models that have what is held built in, and against differences.
#include "after/held.hpp"
#include "after/profile.hpp"
#include "check.hpp"
#include "reference_pls.hpp"
#include "search/quasi_newton.hpp"
#include "structures.hpp"

namespace {

constexpr auto kMl = mm::Likelihood::ml;

std::vector<mm::ProfileTerm> terms_of(const Structure& s) {
  std::vector<mm::ProfileTerm> out;
  for (int f = 0; f < static_cast<int>(s.factors.size()); ++f) {
    int first = 0;
    for (int width : s.factors[f].term_widths) {
      out.push_back({f, first, width});
      first += width;
    }
  }
  return out;
}

// A structure, its fit, and its curves.
struct Subject {
  Structure s;
  Stages stages;
  mm::SearchResult fit;

  explicit Subject(const Structure& structure) : s(structure), stages(s) {
    mm::Criterion f(stages.model, mm::Likelihood::ml);
    fit = mm::quasi_newton(f.use(kMl), f.start(), {}, {});
  }
  mm::ProfileCurve curve(mm::ProfileParameter parameter) const {
    return mm::ProfileCurve(std::make_unique<mm::HeldDeviance>(stages.model, terms_of(s), parameter, fit.theta));
  }
  std::vector<mm::ProfileParameter> parameters() const {
    std::vector<mm::ProfileParameter> out{{mm::Held::sigma, 0, 0, 0}};
    const std::vector<mm::ProfileTerm> terms = terms_of(s);
    for (int t = 0; t < static_cast<int>(terms.size()); ++t)
      for (int i = 0; i < terms[t].size; ++i) {
        out.push_back({mm::Held::sd, t, i, 0});
        for (int j = 0; j < i; ++j) out.push_back({mm::Held::correlation, t, j, i});
      }
    for (int j = 0; j < stages.basis.p(); ++j) out.push_back({mm::Held::coefficient, 0, j, 0});
    return out;
  }
  // The parameter that a point was held at, from its theta, sigma and beta.
  double read(const mm::ProfileParameter& parameter, const mm::ProfilePoint& p) const {
    if (parameter.kind == mm::Held::sigma) return std::log(p.sigma);
    if (parameter.kind == mm::Held::coefficient) return p.beta[parameter.first];
    const std::vector<mm::ProfileTerm> terms = terms_of(s);
    std::size_t next = 0;
    for (int t = 0; t < parameter.term; ++t) next += terms[t].size * (terms[t].size + 1) / 2;
    const int size = terms[parameter.term].size;
    std::vector<double> L(static_cast<std::size_t>(size) * size, 0.0);
    for (int c = 0; c < size; ++c)
      for (int r = c; r < size; ++r) L[r + c * size] = p.theta[next++];
    auto product = [&](int a, int b) {
      double sum = 0;
      for (int c = 0; c < size; ++c) sum += L[a + c * size] * L[b + c * size];
      return sum;
    };
    const int i = parameter.first, j = parameter.second;
    if (parameter.kind == mm::Held::sd) return p.sigma * std::sqrt(product(i, i));
    return std::asin(product(i, j) / std::sqrt(product(i, i) * product(j, j)));
  }
  // The deviance at theta, sigma and the coefficients of a point, dense, from the definition.
  double deviance(const mm::ProfilePoint& p) const {
    using Real = reference::Real;
    const std::vector<Real> theta(p.theta.begin(), p.theta.end());
    const auto L = dense::cholesky(reference::marginal<Real>(s, theta));
    const auto xy = dense::solve_lower(L, reference::fixed_and_response<Real>(s, stages.basis.kept));
    Real rss = 0;
    const int p_kept = stages.basis.p();
    for (int i = 0; i < s.n; ++i) {
      Real e = xy(i, p_kept);
      for (int j = 0; j < p_kept; ++j) e -= xy(i, j) * Real(p.beta[j]);
      rss += e * e;
    }
    const Real variance = Real(p.sigma) * Real(p.sigma);
    Real value = dense::logdet_from_cholesky(L) + s.n * std::log(2 * std::numbers::pi_v<Real> * variance);
    value += rss / variance;
    for (int i = 0; i < s.n; ++i) value -= std::log(Real(s.weight(i)));
    return static_cast<double>(value);
  }
};

std::vector<Structure> subjects() {
  return {structures::crossed(1, 200, {{12, {1}}, {8, {1}}}, 2), structures::crossed(2, 240, {{15, {2}}}, 2),
          structures::crossed(3, 300, {{14, {3}}, {9, {1, 1}}}, 3),
          // As many effects as rows.
          structures::crossed(4, 40, {{20, {2}}}, 2)};
}

// Curvature at the optimum, at least that of sigma's scale: a step of one standard error or so.
double unit(const mm::ProfileCurve& curve) { return std::sqrt(2 / std::max(curve.curvature(), 1e-3)); }

TEST(points_hold_their_deviance_slope_and_theta) {
  for (const Structure& s : subjects()) {
    const Subject subject(s);
    for (const mm::ProfileParameter& parameter : subject.parameters()) {
      check::at(s.kind + " kind " + std::to_string(static_cast<int>(parameter.kind)) + " effect " +
                std::to_string(parameter.first) + ", " + std::to_string(parameter.second));
      mm::ProfileCurve curve = subject.curve(parameter);
      CHECK_ERROR("optimum", std::abs(curve.optimum().deviance - subject.fit.value), 1e-8);
      for (double step : {0.3, 0.8, -0.5}) {
        const double at = curve.optimum().at + step * unit(curve);
        if (parameter.kind == mm::Held::sd && at <= 0) continue;
        if (parameter.kind == mm::Held::correlation && std::abs(at) > 1.5) continue;
        const mm::ProfilePoint p = curve.solve(at);
        CHECK(p.converged);
        CHECK(p.deviance > subject.fit.value - 1e-8);
        CHECK_ERROR("held", std::abs(subject.read(parameter, p) - at) / std::max(1.0, std::abs(at)), 1e-9);
        CHECK_ERROR("deviance", std::abs(p.deviance - subject.deviance(p)), 1e-7);
        // By the envelope theorem the derivative needs no second derivatives; the differences do the minimisation.
        const double h = 1e-3 * unit(curve);
        const double up = curve.solve(at + h).deviance, down = curve.solve(at - h).deviance;
        CHECK_ERROR("slope", std::abs((up - down) / (2 * h) - p.slope) * unit(curve), 1e-4);
      }
    }
  }
}

// A caller may ask for the optimum, which rounding puts next to itself.
TEST(points_next_to_each_other_predict_as_one) {
  for (const Structure& s : subjects()) {
    const Subject subject(s);
    for (const mm::ProfileParameter& parameter : subject.parameters()) {
      mm::ProfileCurve curve = subject.curve(parameter), other = subject.curve(parameter);
      const double at = curve.optimum().at, far = at + 0.7 * unit(curve);
      if (parameter.kind == mm::Held::correlation && std::abs(far) > 1.5) continue;
      curve.solve(std::nextafter(at, far));
      curve.solve(std::nextafter(std::nextafter(at, far), far));
      for (const double point : {far, std::nextafter(far, at), at + 0.3 * (far - at)}) {
        const mm::ProfilePoint found = curve.solve(point);
        CHECK(found.converged);
        CHECK_ERROR("deviance", std::abs(found.deviance - other.solve(point).deviance), 1e-6);
      }
    }
  }
}

TEST(a_coefficient_held_is_an_offset) {
  const Subject subject(subjects()[1]);
  mm::ProfileCurve curve = subject.curve({mm::Held::coefficient, 0, 1, 0});
  const double at = curve.optimum().at + unit(curve);
  const mm::ProfilePoint p = curve.solve(at);
  Structure other = subject.s;
  for (int i = 0; i < other.n; ++i) other.y[i] -= at * other.x[1][i];
  other.x.erase(other.x.begin() + 1);
  const Subject alone(other);
  CHECK_ERROR("deviance with an offset", std::abs(p.deviance - alone.fit.value), 1e-8);
}

TEST(leaving_out_an_effect_without_variance_changes_nothing) {
  const Subject subject(subjects()[1]);
  // Neither the first nor the second of two correlated effects needs the order of the template.
  for (int effect : {0, 1}) {
    mm::ProfileCurve curve = subject.curve({mm::Held::sd, 0, effect, 0});
    const mm::ProfilePoint p = curve.solve(0.0);
    Structure other = subject.s;
    other.factors[0].z.erase(other.factors[0].z.begin() + effect);
    other.factors[0].term_widths = {1};
    const Subject alone(other);
    CHECK(p.converged);
    CHECK_ERROR("deviance without an effect", std::abs(p.deviance - alone.fit.value), 1e-7);
  }
}

}  // namespace
