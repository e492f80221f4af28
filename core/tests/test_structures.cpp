// Covariances that are functions of parameters: two kinds, made here with nothing but `Structure`, through the one
// driver of fits; derivatives; turning points; refits.
#include <algorithm>
#include <cmath>

#include "after/kenward_roger.hpp"
#include "after/refit.hpp"
#include "check.hpp"
#include "criterion/differences.hpp"
#include "criterion/hessian.hpp"
#include "generalized/laplace.hpp"
#include "search/search.hpp"
#include "search/trust_region.hpp"
#include "structures.hpp"

namespace {

// A standard deviation for every column, no correlations.
class Diagonal : public mm::Structure {
 public:
  int size(int w) const override { return w; }
  void factor(int w, const double* par, double* F) const override {
    std::fill_n(F, w * w, 0.0);
    for (int i = 0; i < w; ++i) F[i * (w + 1)] = par[i];
  }
  void derivative(int w, const double*, int i, double* dF) const override {
    std::fill_n(dF, w * w, 0.0);
    dF[i * (w + 1)] = 1;
  }
  void start(int w, const double* variances, double* par) const override {
    for (int i = 0; i < w; ++i) par[i] = std::sqrt(variances[i]);
  }
  double turning_point(int, int, double) const override { return 0; }
};

// Compound symmetry with one variance: F = a (I - J/w) + b J/w. At a = 0 correlations are 1, at b = 0 -1 / (w - 1).
class CompoundSymmetry : public mm::Structure {
 public:
  int size(int) const override { return 2; }
  void factor(int w, const double* par, double* F) const override {
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) F[r + c * w] = (r == c) * par[0] + (par[1] - par[0]) / w;
  }
  void derivative(int w, const double*, int i, double* dF) const override {
    const double one[2] = {1.0 - i, 1.0 * i};
    factor(w, one, dF);
  }
  void start(int w, const double* variances, double* par) const override {
    double sum = 0;
    for (int i = 0; i < w; ++i) sum += variances[i];
    par[0] = par[1] = std::sqrt(sum / w);
  }
  double turning_point(int, int, double) const override { return 0; }
};

// The same with a variance of its own for every column, sd = t^2, and correlations by an angle: not linear.
class UnequalSymmetry : public mm::Structure {
 public:
  int size(int w) const override { return w + 1; }
  void factor(int w, const double* par, double* F) const override {
    fill(w, F, [&](int r) { return par[r] * par[r]; }, std::sin(par[w]), std::cos(par[w]));
  }
  void derivative(int w, const double* par, int i, double* dF) const override {
    const double sine = std::sin(par[w]), cosine = std::cos(par[w]);
    if (i == w) return fill(w, dF, [&](int r) { return par[r] * par[r]; }, cosine, -sine);
    fill(w, dF, [&](int r) { return r == i ? 2 * par[r] : 0.0; }, sine, cosine);
  }
  bool second_derivative(int w, const double* par, int i, int j, double* out) const override {
    const double sine = std::sin(par[w]), cosine = std::cos(par[w]);
    if (i > j) std::swap(i, j);
    if (i == w)
      fill(w, out, [&](int r) { return -par[r] * par[r]; }, sine, cosine);
    else if (j == w)
      fill(w, out, [&](int r) { return r == i ? 2 * par[r] : 0.0; }, cosine, -sine);
    else if (i == j)
      fill(w, out, [&](int r) { return r == i ? 2.0 : 0.0; }, sine, cosine);
    return i == j || j == w;
  }
  void start(int w, const double* variances, double* par) const override {
    for (int i = 0; i < w; ++i) par[i] = std::pow(variances[i], 0.25);
    par[w] = 0.8 * std::asin(std::sqrt((w - 1.0) / w));
  }
  double turning_point(int w, int i, double at) const override {
    constexpr double kQuarter = 1.5707963267948966;
    return i < w ? 0 : kQuarter * std::round(at / kQuarter);
  }

 private:
  template <typename Scale>
  static void fill(int w, double* F, Scale scale, double sine, double cosine) {
    const double a = sine * std::sqrt(w / (w - 1.0)), b = cosine * std::sqrt(1.0 * w);
    for (int c = 0; c < w; ++c)
      for (int r = 0; r < w; ++r) F[r + c * w] = scale(r) * ((r == c) * a + (b - a) / w);
  }
};

const Diagonal kDiagonal;
const CompoundSymmetry kSymmetry;
const UnequalSymmetry kUnequal;

// A model with terms of these kinds (null: free), its columns along their axes.
struct Structured {
  Structure design;
  mm::Model model;
  std::vector<std::vector<double>> along_axes;

  Structured(Structure s, const std::vector<const mm::Structure*>& kinds) : design(std::move(s)) {
    model.rows = design.rows();
    std::vector<std::vector<int>> widths;
    for (const Structure::Factor& f : design.factors) widths.push_back(f.term_widths);
    along_axes = mm::orthogonalize_terms(model.rows, widths);
    model.basis = mm::orthogonalize(model.rows);
    model.A = std::make_shared<mm::CrossProducts>(mm::cross_products(model.rows, model.basis));
    model.graph = std::make_shared<mm::LevelGraph>(mm::level_graph(*model.A->pattern));
    model.symbolic = std::make_shared<mm::Symbolic>(
        mm::analyze(*model.A->pattern, *model.graph, mm::cheapest_elimination(*model.A->pattern, *model.graph)));
    model.entries = design.entries();
    if (!kinds.empty()) model.structures = std::make_shared<mm::Structures>(*model.A, model.entries, kinds);
  }
  Structured(const Structured&) = delete;
  Structured& operator=(const Structured&) = delete;
};

struct Ended {
  mm::Fit fit;
  double value;
  int n_value;
};

Ended fitted(const Structured& s, mm::Likelihood likelihood) {
  mm::Criterion f(s.model, likelihood);
  mm::Fit found = mm::fit(f, f.starts(), {}, nullptr, {});
  const int n_value = f.n_value();
  return {found, f.value(found.theta.data()), n_value};
}

// Three measurements by each of six workers on each of three machines (Milliken and Johnson 1992).
Structure machines() {
  static constexpr double scores[] = {
      52.0, 52.8, 53.1, 51.8, 52.8, 53.1, 60.0, 60.2, 58.4, 51.1, 52.3, 50.3, 50.9, 51.8, 51.4, 46.4, 44.8, 49.2,
      62.1, 62.6, 64.0, 59.7, 60.0, 59.0, 68.6, 65.8, 69.7, 63.2, 62.8, 62.2, 64.8, 65.0, 65.4, 43.7, 44.2, 43.0,
      67.5, 67.2, 66.9, 61.5, 61.7, 62.3, 70.8, 70.6, 71.0, 64.1, 66.2, 64.0, 72.1, 72.0, 71.1, 62.0, 61.4, 60.5};
  Structure s;
  s.n = 54;
  s.y.assign(std::begin(scores), std::end(scores));
  Structure::Factor worker;
  worker.levels = 6;
  worker.term_widths = {3};
  for (int i = 0; i < s.n; ++i) worker.codes.push_back(i / 3 % 6);
  s.x.emplace_back(s.n, 1.0);
  for (int machine = 0; machine < 3; ++machine) {
    std::vector<double> own(s.n);
    std::fill_n(own.begin() + 18 * machine, 18, 1.0);
    worker.z.push_back(own);
    if (machine > 0) s.x.push_back(own);
  }
  s.factors.push_back(worker);
  return s;
}

// lme4 on (1 | Worker/Machine), which is the same covariance where correlations are positive.
TEST(compound_symmetry_of_machines) {
  const Structured s(machines(), {&kSymmetry});
  CHECK(s.model.m() == 2);
  for (const auto& [likelihood, expected] :
       {std::pair{mm::Likelihood::ml, 225.269446939773}, std::pair{mm::Likelihood::reml, 215.687568008221}}) {
    const Ended found = fitted(s, likelihood);
    CHECK(found.fit.ended == mm::SearchStatus::converged && found.fit.optimality.downhill.empty());
    CHECK_ERROR("criterion of machines", std::abs(found.value - expected), 1e-8);
    std::printf("  %d evaluations\n", found.n_value);
    CHECK(found.n_value <= 10);
  }
}

// Terms of one column each are the same model.
TEST(a_diagonal_is_what_uncorrelated_terms_are) {
  int values = 0, apart_values = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure one = structures::crossed(seed, 200, {{15, {3}}, {8, {2}}});
    Structure split = one;
    split.factors[0].term_widths = {1, 1, 1};
    split.factors[1].term_widths = {1, 1};
    const Structured s(one, {&kDiagonal, &kDiagonal}), apart(split, {});
    for (mm::Likelihood likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) {
      const Ended found = fitted(s, likelihood), expected = fitted(apart, likelihood);
      CHECK_ERROR("criterion", std::abs(found.value - expected.value), 1e-6);
      CHECK(found.fit.optimality.decrement < 1e-6);
      for (std::size_t e = 0; e < found.fit.theta.size(); ++e)
        CHECK((found.fit.theta[e] == 0) == (expected.fit.theta[e] == 0));
      values += found.n_value, apart_values += expected.n_value;
    }
  }
  std::printf("  %.2f evaluations, %.2f of terms apart\n", values / 80.0, apart_values / 80.0);
  CHECK(values <= apart_values + 40);
}

TEST(gradient_by_parameters) {
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (const mm::Structure* kind :
         {(const mm::Structure*)&kDiagonal, (const mm::Structure*)&kSymmetry, (const mm::Structure*)&kUnequal})
      for (bool at_zero : {false, true}) {
        check::at("seed " + std::to_string(seed));
        const Structured s(structures::crossed(seed, 150, {{12, {3}}, {9, {2}}}), {kind, nullptr});
        mm::Criterion f(s.model, mm::Likelihood::reml);
        Random random(seed);
        std::vector<double> par;
        for (int i = 0; i < f.m(); ++i) par.push_back(random.uniform(0.3, 1.2));
        if (at_zero) par[0] = f.turning_point(0, par[0]);
        std::vector<double> slope(par.size());
        f.value(par.data());
        f.gradient(slope.data());
        double size = 1;
        for (double g : slope) size = std::max(size, std::abs(g));
        if (at_zero) CHECK_ERROR("slope at a turning point", std::abs(slope[0]) / size, 1e-12);
        for (std::size_t i = 0; i < par.size(); ++i) {
          constexpr double h = 1e-4;
          const auto value = [&](double step) {
            std::vector<double> moved(par);
            moved[i] += step;
            return f.value(moved.data());
          };
          const double near = value(h) - value(-h), far = value(2 * h) - value(-2 * h);
          CHECK_ERROR("slope", std::abs((8 * near - far) / (12 * h) - slope[i]) / size, 1e-7);
        }
      }
}

// Counts on a design; its model and rows must stay where they are.
struct Counts {
  Structured s;
  mm::GeneralizedModel model;

  Counts(const Structure& design, const std::vector<const mm::Structure*>& kinds) : s(design, kinds) {
    Random random(design.y.size());
    model.model = s.model;
    model.family = mm::make_family("poisson", "log");
    model.rows = std::make_shared<mm::WeightedRows>(model.model, mm::Column{});
    for (double y : design.y) {
      const double mean = std::exp(std::clamp(0.4 * y, -3.0, 3.0));
      model.y.push_back(std::floor(mean + random.uniform(0, 1)));
      model.m.push_back(1);
    }
  }
};

TEST(generalized_models_move_parameters) {
  int values = 0, apart_values = 0, same = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure one = structures::crossed(seed, 200, {{15, {3}}, {8, {2}}});
    Structure split = one;
    split.factors[0].term_widths = {1, 1, 1};
    split.factors[1].term_widths = {1, 1};
    const Counts together(one, {&kDiagonal, &kDiagonal}), apart(split, {});
    mm::Laplace f(together.model), g(apart.model);
    const mm::Fit found = mm::fit(f, f.starts(), {}, nullptr, {}), expected = mm::fit(g, g.starts(), {}, nullptr, {});
    values += f.n_value(), apart_values += g.n_value();
    CHECK_ERROR("criterion of counts", std::abs(found.optimality.value - expected.optimality.value), 1e-6);
    CHECK(found.optimality.decrement < 1e-6 && found.optimality.downhill.empty());
    for (const mm::Structure* kind : {(const mm::Structure*)&kSymmetry, (const mm::Structure*)&kUnequal}) {
      const Counts other(one, {kind, nullptr});
      mm::Laplace h(other.model);
      std::vector<double> par = h.starts()[0], slope(par.size());
      h.value(par.data());
      h.gradient(slope.data());
      double size = 1;
      for (double entry : slope) size = std::max(size, std::abs(entry));
      for (int i = 0; i < other.model.model.m(); ++i) {
        constexpr double kStep = 1e-4;
        const auto value = [&](double step) {
          std::vector<double> moved(par);
          moved[i] += step;
          return h.value(moved.data());
        };
        const double near = value(kStep) - value(-kStep), far = value(2 * kStep) - value(-2 * kStep);
        CHECK_ERROR("slope of counts", std::abs((8 * near - far) / (12 * kStep) - slope[i]) / size, 1e-7);
      }
      const mm::Fit end = mm::fit(h, h.starts(), {}, nullptr, {});
      CHECK(end.optimality.decrement < 1e-6 && end.optimality.downhill.empty());
      const mm::Fit by_newton = [&] {  // the second phase, from the start
        mm::SearchResult r = mm::trust_region(h, h.starts()[0], {}, {});
        return mm::settle(h, r.theta, false, {}, nullptr, {});
      }();
      CHECK(by_newton.optimality.decrement < 1e-6);
      same += std::abs(by_newton.optimality.value - end.optimality.value) < 1e-6;
    }
  }
  std::printf("  %.2f evaluations, %.2f of terms apart\n", values / 20.0, apart_values / 20.0);
  CHECK(values <= apart_values + 20 && same >= 38);  // of 40; there may be two optima
}

// Each kind is a special case of the next, and all of a free triangle. Optima are where differences say so.
TEST(unequal_symmetry_lies_between_its_special_cases_and_a_free_triangle) {
  int values = 0, zeros = 0, fits = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    check::at("seed " + std::to_string(seed));
    Structure design = structures::nested(seed, 240, {{20, {3}}, {6, {1}}});
    if (seed % 3 == 0) {  // no effect of one column
      Random random(seed + 1000);
      for (double& y : design.y) y = random.normal();
    }
    const Structured s(design, {&kUnequal, nullptr}), equal(design, {&kSymmetry, nullptr}), free(design, {});
    for (mm::Likelihood likelihood : {mm::Likelihood::ml, mm::Likelihood::reml}) {
      const Ended found = fitted(s, likelihood);
      CHECK(found.fit.optimality.decrement < 1e-6 && found.fit.optimality.downhill.empty());
      CHECK(found.value <= fitted(equal, likelihood).value + 1e-6);
      CHECK(found.value >= fitted(free, likelihood).value - 1e-6);
      mm::Criterion f(s.model, likelihood);
      std::vector<double> H = mm::difference_hessian(f, found.fit.theta, false);
      for (int i = 0; i < f.m(); ++i) H[i * (f.m() + 1)] += 1e-3 * (1 + std::abs(H[i * (f.m() + 1)]));
      CHECK(mm::blas::potrf('L', f.m(), H.data(), f.m()));
      for (int e = 0; e < f.m(); ++e) zeros += found.fit.theta[e] == f.turning_point(e, found.fit.theta[e]);
      values += found.n_value, ++fits;
    }
  }
  std::printf("  %.2f evaluations, %d turning points\n", 1.0 * values / fits, zeros);
  CHECK(values <= 20 * fits && zeros > 20);
}

TEST(what_knows_free_triangles_only_refuses) {
  const Structured s(machines(), {&kSymmetry});
  mm::Criterion f(s.model, mm::Likelihood::reml);
  const std::vector<double> par{1, 1};
  f.value(par.data());
  std::vector<double> out(100);
  CHECK(check::refuses([&] { f.pls().fixed_derivatives(out.data()); }));
  CHECK(check::refuses([&] { mm::kenward_roger_sums(f.pls()); }));
  CHECK(mm::hessian(f).empty());
}

TEST(refits_move_parameters) {
  const Structured s(machines(), {&kSymmetry});
  std::vector<double> responses;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Random random(seed);
    std::vector<double> y = s.design.y;
    for (double& value : y) value += 3 * random.normal();
    responses.insert(responses.end(), y.begin(), y.end());
  }
  const mm::Refits found = mm::refit(s.model, responses.data(), 5, {1.0, 0.0}, mm::Likelihood::reml, {}, 1);
  CHECK(found.theta.size() == 10);
  for (int i = 0; i < 5; ++i) {
    Structure design = machines();
    design.y.assign(responses.begin() + 54 * i, responses.begin() + 54 * (i + 1));
    const Structured own(design, {&kSymmetry});
    CHECK_ERROR("refit", std::abs(found.objective[i] - fitted(own, mm::Likelihood::reml).value), 1e-8);
  }
}

}  // namespace
