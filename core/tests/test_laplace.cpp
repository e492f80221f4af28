// Laplace's approximation and quadrature: the gradient against differences of the value on random designs, and the
// search from its own start.
#include <cmath>

#include "check.hpp"
#include "generalized/laplace.hpp"
#include "search/search.hpp"
#include "structures.hpp"

namespace {

using structures::Point;

// Counts, or successes of trials, on a random design.
struct Made {
  Structure structure;
  std::unique_ptr<Stages> stages;
  mm::GeneralizedModel model;

  Made(std::uint64_t seed, const std::string& family, const std::string& link) : structure(structures::random(seed)) {
    Random random(seed + 1);
    structure.w.clear();
    structure.offset.clear();
    stages = std::make_unique<Stages>(structure);
    model.model = stages->model;
    model.family = mm::make_family(family, link);
    model.rows = std::make_shared<mm::WeightedRows>(model.model, mm::Column{});
    for (int i = 0; i < structure.n; ++i) {
      const int trials = random.integer(1, 4);
      const bool binomial = family == "binomial";
      model.m.push_back(binomial ? trials : 1);
      model.y.push_back(family == "gamma" ? random.uniform(0.5, 3.0)
                                          : static_cast<double>(random.integer(0, binomial ? trials : 5)));
    }
  }
};

double largest(const std::vector<double>& values) {
  double out = 1;
  for (double value : values) out = std::max(out, std::abs(value));
  return out;
}

void check_gradient(mm::Laplace& f, const std::vector<double>& par, const char* name) {
  constexpr double kStep = 1e-4;
  if (!std::isfinite(f.value(par.data()))) return;
  std::vector<double> gradient(par.size());
  f.gradient(gradient.data());
  const auto value = [&](std::size_t j, double step) {
    std::vector<double> at(par);
    at[j] += step;
    return f.value(at.data());
  };
  for (std::size_t j = 0; j < par.size(); ++j) {
    const double near = value(j, kStep) - value(j, -kStep), far = value(j, 2 * kStep) - value(j, -2 * kStep);
    CHECK_ERROR(name, std::abs(gradient[j] - (8 * near - far) / (12 * kStep)) / largest(gradient), 1e-7);
  }
}

std::vector<double> somewhere(const Made& made, Random& random, Point point) {
  std::vector<double> par = structures::theta(random, made.structure, point);
  for (double& entry : par) entry *= 0.5;
  for (int j = 0; j < made.model.model.A->p; ++j) par.push_back(0.3 * random.normal());
  for (int k = 0; k < made.model.parameters(); ++k) par.push_back(0.2);
  return par;
}

}  // namespace

TEST(gradient_is_that_of_the_value) {
  const std::pair<const char*, const char*> families[] = {{"binomial", "logit"},
                                                          {"binomial", "cloglog"},
                                                          {"poisson", "log"},
                                                          {"negative_binomial", "log"},
                                                          {"gamma", "log"}};
  for (std::uint64_t seed = 0; seed < 12; ++seed)
    for (const auto& [family, link] : families) {
      const Made made(seed, family, link);
      if (made.structure.q() == 0) continue;
      check::at(made.structure.kind + " " + family + " " + link);
      mm::Laplace f(made.model);
      Random random(seed);
      for (Point point : {Point::interior, Point::zero_diagonal})
        check_gradient(f, somewhere(made, random, point), "gradient");
    }
}

TEST(quadrature_of_one_factor) {
  int tried = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Made made(seed, "poisson", "log");
    if (made.structure.factors.size() != 1 || made.structure.factors[0].width() > 2) continue;
    check::at(made.structure.kind);
    ++tried;
    Random random(seed);
    const std::vector<double> par = somewhere(made, random, Point::interior);
    for (int nodes : {3, 6}) {
      mm::Laplace f(made.model, nodes);
      check_gradient(f, par, "gradient of quadrature");
    }
    mm::Laplace one(made.model, 1), many(made.model, 25), more(made.model, 31);
    const double exact = more.value(par.data());
    CHECK_ERROR("25 nodes", std::abs(many.value(par.data()) - exact), 1e-6);
    CHECK(std::abs(one.value(par.data()) - exact) < 5);
  }
  CHECK(tried > 0);
}

TEST(search_ends_at_a_minimum) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const Made made(seed, "poisson", "log");
    if (made.structure.q() == 0 || made.structure.n < 3 * made.model.model.A->p) continue;
    check::at(made.structure.kind);
    mm::Laplace f(made.model);
    mm::FitSettings settings;
    settings.search.decrement = 1e-10;
    settings.search.remembered = 8;
    settings.search.forget_stiff = false;
    const mm::Fit found = mm::fit(f, {f.start()}, settings, nullptr, {});
    if (found.ended == mm::SearchStatus::not_finite) continue;
    CHECK_ERROR("decrement", found.optimality.decrement, 1e-6);
    CHECK(found.optimality.downhill.empty());
    Random random(seed);
    for (int i = 0; i < 5; ++i) {
      std::vector<double> near(found.theta);
      for (double& entry : near) entry += 0.02 * random.normal();
      CHECK(!(f.value(near.data()) < found.optimality.value - 1e-6));
    }
  }
}
