// Laplace's approximation and quadrature: the gradient against differences of the value on random designs, and the
// search from its own start.
#include <cmath>

#include "check.hpp"
#include "generalized/laplace.hpp"
#include "search/search.hpp"
#include "structures.hpp"

namespace {

using structures::Point;

// Columns of squares with the mean 1, orthogonal to each other.
std::vector<double> orthogonal_columns(Random& random, int n, int width) {
  std::vector<double> out;
  for (int j = 0; j < width; ++j) {
    std::vector<double> column(n, 1.0);
    if (j > 0)
      for (double& entry : column) entry = random.normal();
    for (int c = 0; c < j; ++c) {
      double along = 0;
      for (int i = 0; i < n; ++i) along += column[i] * out[c * n + i] / n;
      for (int i = 0; i < n; ++i) column[i] -= along * out[c * n + i];
    }
    double square = 0;
    for (double entry : column) square += entry * entry / n;
    for (double& entry : column) entry /= std::sqrt(square);
    out.insert(out.end(), column.begin(), column.end());
  }
  return out;
}

// Counts, or successes of trials, on a random design.
struct Made {
  Structure structure;
  std::unique_ptr<Stages> stages;
  mm::GeneralizedModel model;

  // `width`: predictors of every parameter of the family; 0 for one value of each.
  Made(std::uint64_t seed, const std::string& family, const std::string& link, int width = 0)
      : structure(structures::random(seed)) {
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
    for (int k = 0; width > 0 && k < model.family->parameters(); ++k)
      model.parameter_columns.push_back(orthogonal_columns(random, structure.n, width));
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
  for (int k = 0; k < made.model.parameters(); ++k) par.push_back(k == 0 ? 0.2 : 0.1 * random.normal());
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

TEST(gradient_by_predictors_of_parameters) {
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    for (const char* family : {"negative_binomial", "gamma"}) {
      const Made made(seed, family, "log", 3);
      if (made.structure.q() == 0 || made.structure.n < 4) continue;
      check::at(made.structure.kind + " " + family);
      CHECK(made.model.parameters() == 3);
      Random random(seed);
      const std::vector<double> par = somewhere(made, random, Point::interior);
      mm::Laplace f(made.model);
      check_gradient(f, par, "gradient");
      if (made.structure.factors.size() != 1 || made.structure.factors[0].width() > 2) continue;
      mm::Laplace nodes(made.model, 4);
      check_gradient(nodes, par, "gradient of quadrature");
    }
}

// The first of the columns is constant: with it alone the model is that of one value for all rows.
TEST(one_constant_column_is_one_value) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const Made one(seed, "gamma", "log", 1), same(seed, "gamma", "log");
    if (one.structure.q() == 0) continue;
    Random random(seed);
    const std::vector<double> par = somewhere(one, random, Point::interior);
    mm::Laplace f(one.model), g(same.model);
    CHECK_ERROR("value", std::abs(f.value(par.data()) - g.value(par.data())), 1e-9);
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

TEST(hessian_is_that_of_the_gradient) {
  constexpr double kStep = 1e-3;
  for (std::uint64_t seed = 0; seed < 24; ++seed)
    for (const char* family : {"binomial", "poisson", "gamma"}) {
      const char* link = family != std::string("binomial") ? "log" : seed % 2 == 0 ? "logit" : "cloglog";
      const Made made(seed, family, link);
      if (made.structure.q() == 0) continue;
      check::at(made.structure.kind + " " + family);
      mm::Laplace f(made.model);
      Random random(seed);
      for (Point point : {Point::interior, Point::zero_diagonal}) {
        const std::vector<double> par = somewhere(made, random, point);
        if (!std::isfinite(f.value(par.data()))) continue;
        const std::size_t N = par.size();
        const std::vector<double> H = f.hessian(par);
        const auto gradient = [&](std::size_t j, double step) {
          std::vector<double> at(par), out(N);
          at[j] += step;
          f.value(at.data());
          f.gradient(out.data());
          return out;
        };
        double size = 1;
        for (std::size_t j = 0; j < N; ++j) size = std::max(size, std::abs(H[j * (N + 1)]));
        for (std::size_t j = 0; j < N; ++j) {
          const auto up = gradient(j, kStep), down = gradient(j, -kStep), top = gradient(j, 2 * kStep),
                     bottom = gradient(j, -2 * kStep);
          for (std::size_t i = 0; i < N; ++i) {
            const double difference = (8 * (up[i] - down[i]) - (top[i] - bottom[i])) / (12 * kStep);
            CHECK_ERROR("hessian", std::abs(H[i + j * N] - difference) / size, 1e-6);
          }
        }
      }
    }
}

// With a small variance the terms after the next one vanish against it.
TEST(next_term_is_what_quadrature_adds_where_variances_are_small) {
  int tried = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Made made(seed, "poisson", "log");
    if (made.structure.factors.size() != 1 || made.structure.factors[0].width() > 2) continue;
    check::at(made.structure.kind);
    ++tried;
    Random random(seed);
    std::vector<double> par = somewhere(made, random, Point::interior);
    double before = 0;
    for (double scale : {0.3, 0.1}) {
      std::vector<double> at(par);
      for (std::size_t e = 0; e < made.model.model.entries.size(); ++e) at[e] *= scale;
      mm::Laplace one(made.model), many(made.model, 25);
      double term = 0;
      for (double value : one.next_term(at)) term += value;
      const double error = std::abs(many.value(at.data()) - one.value(at.data()) - term) / (1e-9 + std::abs(term));
      CHECK(error < 0.5);
      if (scale == 0.1) CHECK(error < 0.05 || error < before);
      before = error;
    }
  }
  CHECK(tried > 0);
}

// Coefficients that alone make every mean impossible: the random effects must make up for them.
TEST(modes_are_found_where_none_in_the_middle_of_the_prior_is_possible) {
  int tried = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed)
    for (const char* link : {"inverse", "identity"}) {
      const Made made(seed, "gamma", link);
      if (made.structure.factors.size() != 1 || made.structure.factors[0].width() != 1) continue;
      check::at(made.structure.kind + " " + link);
      mm::Laplace f(made.model), again(made.model);
      std::vector<double> par = f.start();
      const int m = f.size() - f.more();
      for (int i = 0; i < m; ++i) par[i] = 1;
      for (int j = 0; j < f.p(); ++j) par[m + j] = -0.1 * par[m + j];
      const double value = f.value(par.data());
      if (!std::isfinite(value)) continue;  // a level whose rows have covariates of both signs
      ++tried;
      again.begin_at(f.u());
      CHECK_ERROR("the same from the modes", again.value(par.data()) - value, 1e-9);
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
