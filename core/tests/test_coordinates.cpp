// The coordinates of the search: rotations, derivatives along square steps, and the model Hessian.
#include <algorithm>

#include "check.hpp"
#include "criterion/differences.hpp"
#include "search/coordinates.hpp"
#include "search/quasi_newton.hpp"
#include "structures.hpp"

namespace {

using structures::Point;

mm::Likelihood criterion_of(bool reml) { return reml ? mm::Likelihood::reml : mm::Likelihood::ml; }

// A structure at a theta, in both coordinates.
struct At {
  Stages stages;
  mm::Criterion f;
  mm::Coordinates scoring;
  std::vector<double> theta, x;

  At(const Structure& s, std::vector<double> theta_)
      : stages(s),
        f(stages.model, mm::Likelihood::ml),
        scoring(stages.A, s.entries()),
        theta(std::move(theta_)),
        x(scoring.size()) {
    scoring.from_theta(theta.data(), x.data());
  }

  std::vector<double> gradient(mm::Likelihood likelihood) {
    std::vector<double> by_theta(theta.size()), out(x.size());
    f.use(likelihood).value(theta.data());
    f.use(likelihood).gradient(by_theta.data());
    scoring.gradient(f, out.data());
    return out;
  }

  std::vector<double> hessian(mm::Likelihood likelihood, bool with_rotations) {
    gradient(likelihood);
    std::vector<double> out(x.size() * x.size());
    scoring.hessian(f, x.data(), with_rotations, out.data());
    return out;
  }

  // The criterion at x + length step.
  double value(mm::Likelihood likelihood, const std::vector<double>& step, double length) {
    std::vector<double> moved = x, Q(x.size()), at(theta.size());
    for (std::size_t i = 0; i < x.size(); ++i) moved[i] += length * step[i];
    scoring.make_triangular(moved.data(), Q.data());
    scoring.to_theta(moved.data(), at.data());
    for (std::size_t e = 0; e < at.size(); ++e) {
      const mm::ThetaEntry& entry = f.entries()[e];
      CHECK(entry.row != entry.column || at[e] >= 0);
    }
    return f.use(likelihood).value(at.data());
  }
};

TEST(theta_goes_there_and_back) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    Random random(seed);
    for (Point point : structures::kPoints) {
      const At at(s, structures::theta(random, s, point));
      std::vector<double> back(at.theta.size());
      at.scoring.to_theta(at.x.data(), back.data());
      for (std::size_t e = 0; e < back.size(); ++e) CHECK_ERROR("theta", std::abs(back[e] - at.theta[e]), 1e-12);
    }
  }
}

TEST(what_is_made_triangular_is_a_rotation_away) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Structure s = structures::random(seed);
    Random random(seed);
    At at(s, structures::theta(random, s, Point::interior));
    const std::vector<double> square = random.normals(at.x.size());
    std::vector<double> triangular = square, turned = square, Q(square.size());
    at.scoring.make_triangular(triangular.data(), Q.data());
    at.scoring.rotate(Q.data(), turned.data());
    for (std::size_t i = 0; i < square.size(); ++i) CHECK_ERROR("x Q", std::abs(turned[i] - triangular[i]), 1e-13);
  }
}

TEST(gradient_along_square_steps) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    if (s.q() > s.n) continue;
    check::at("seed " + std::to_string(seed) + s.kind);
    Random random(seed);
    for (Point point : {Point::interior, Point::zero_diagonal, Point::zero_column})
      for (bool reml : {false, true}) {
        const mm::Likelihood likelihood = criterion_of(reml);
        At at(s, structures::theta(random, s, point));
        const std::vector<double> slope = at.gradient(likelihood), step = random.normals(at.x.size());
        double expected = 0, size = 1;
        for (std::size_t i = 0; i < step.size(); ++i) {
          expected += slope[i] * step[i];
          size = std::max(size, std::abs(slope[i]));
        }
        constexpr double h = 1e-4;
        const double near = at.value(likelihood, step, h) - at.value(likelihood, step, -h);
        const double far = at.value(likelihood, step, 2 * h) - at.value(likelihood, step, -2 * h);
        CHECK_ERROR("slope", std::abs((8 * near - far) / (12 * h) - expected) / size, 1e-5);
      }
  }
}

TEST(hessian_is_symmetric_and_positive) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Structure s = structures::random(seed);
    check::at("seed " + std::to_string(seed) + s.kind);
    Random random(seed);
    for (bool reml : {false, true}) {
      At at(s, structures::theta(random, s, Point::interior));
      const int n = at.scoring.size();
      std::vector<double> H = at.hessian(criterion_of(reml), true);
      double largest = 0;
      for (int i = 0; i < n; ++i) largest = std::max(largest, H[i * (n + 1)]);
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < j; ++i) CHECK(H[i + j * n] == H[j + i * n]);
      for (int i = 0; i < n; ++i) H[i * (n + 1)] += 1e-10 * largest;
      CHECK(mm::blas::potrf('L', n, H.data(), n));
    }
  }
}

// Levels that are all alike, where the fixed effects are random too: at an optimum inside, what is expected is what is.
// (With REML levels are not orthogonal, by one part in their number.)
Structure balanced(std::uint64_t seed, int levels, int width) {
  Random random(seed);
  Structure s;
  constexpr int size = 12;
  s.n = levels * size;
  Structure::Factor factor;
  factor.levels = levels;
  for (int i = 0; i < s.n; ++i) factor.codes.push_back(i / size);
  structures::add_terms(random, s, std::move(factor), {width});
  for (int c = 0; c < width; ++c) {
    std::vector<double>& z = s.factors[0].z[c];
    for (int i = size; i < s.n && !z.empty(); ++i) z[i] = z[i - size];
    s.x.push_back(z.empty() ? std::vector<double>(s.n, 1.0) : z);
  }
  s.y = random.normals(s.n);
  for (int c = 0; c < width; ++c) {
    const std::vector<double> b = random.normals(levels);
    for (int i = 0; i < s.n; ++i) s.y[i] += b[i / size] * s.z(0, c, i);
  }
  return s;
}

TEST(hessian_of_balanced_levels_is_exact_at_the_optimum) {
  for (int width : {1, 2, 3}) {
    check::at("width " + std::to_string(width));
    const Structure s = balanced(7, 30, width);
    At start(s, std::vector<double>(s.entries().size(), 0.0));
    const mm::SearchResult r = mm::quasi_newton(start.f.use(mm::Likelihood::ml), start.f.start(), {}, {});
    CHECK(r.status == mm::SearchStatus::converged);
    At at(s, r.theta);
    const std::vector<double> model = at.scoring.to_theta_hessian(at.hessian(mm::Likelihood::ml, false));
    const std::vector<double> exact = mm::difference_hessian(at.f.use(mm::Likelihood::ml), r.theta, false);
    const double size = *std::max_element(exact.begin(), exact.end());
    for (std::size_t i = 0; i < model.size(); ++i) CHECK_ERROR("Hessian", std::abs(model[i] - exact[i]) / size, 1e-4);
  }
}

// A column that the data want at zero is held there by a Hessian that no expectation shows.
TEST(curvature_at_a_zero_column) {
  int held = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Structure s = balanced(seed, 10, 1);
    Random random(seed);
    s.y = random.normals(s.n);
    const double zero = 0, little = 1e-3;
    At at(s, {zero}), near(s, {little});
    const double H = at.hessian(mm::Likelihood::ml, true)[0];
    const double exact = near.gradient(mm::Likelihood::ml)[0] / near.x[0];
    CHECK_ERROR("curvature", check::relative(H, std::max(exact, 0.0), 1.0), 1e-3);
    held += exact > 0;
  }
  CHECK(held >= 5 && held < 20);
}

}  // namespace
