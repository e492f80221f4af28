// Fits without some rows against fits of the rows left, made from the beginning.
#include "after/deletion.hpp"
#include "check.hpp"
#include "structures.hpp"

namespace {

mm::Likelihood criterion_of(bool reml) { return reml ? mm::Likelihood::reml : mm::Likelihood::ml; }

// The rows left, levels that vanish dropped.
Structure without(const Structure& s, const std::vector<std::int64_t>& rows) {
  std::vector<char> out(s.n, 0);
  for (std::int64_t row : rows) out[row] = 1;
  const auto keep = [&](const std::vector<double>& v) {
    std::vector<double> left;
    for (std::size_t i = 0; i < v.size(); ++i)
      if (!out[i]) left.push_back(v[i]);
    return left;
  };
  Structure left = s;
  left.n = s.n - static_cast<int>(rows.size());
  for (Structure::Factor& f : left.factors) {
    std::vector<std::int32_t> codes, number(f.levels, -1);
    for (int i = 0; i < s.n; ++i)
      if (!out[i]) number[f.codes[i]] = 0;
    f.levels = 0;
    for (std::int32_t& k : number)
      if (k == 0) k = f.levels++;
    for (int i = 0; i < s.n; ++i)
      if (!out[i]) codes.push_back(number[f.codes[i]]);
    f.codes = std::move(codes);
    for (auto& z : f.z) z = keep(z);
  }
  for (auto& x : left.x) x = keep(x);
  left.y = keep(s.y);
  left.w = keep(s.w);
  left.offset = keep(s.offset);
  return left;
}

// Single rows, the levels of a factor, and half of all rows.
mm::RowSets sets_of(const Structure& s, int factor) {
  mm::RowSets out{{0}, {}};
  for (int i = 0; i < s.n; i += 11) {
    out.rows.push_back(i);
    out.start.push_back(static_cast<std::int64_t>(out.rows.size()));
  }
  for (int level = 0; level < s.factors[factor].levels; ++level) {
    for (int i = 0; i < s.n; ++i)
      if (s.factors[factor].codes[i] == level) out.rows.push_back(i);
    out.start.push_back(static_cast<std::int64_t>(out.rows.size()));
  }
  for (int i = 0; i < s.n; i += 2) out.rows.push_back(i);
  out.start.push_back(static_cast<std::int64_t>(out.rows.size()));
  return out;
}

void check_set(const Structure& s, const mm::RowSets& sets, int i, const mm::Deletions& found, bool reml,
               bool searched) {
  const Structure left = without(s, {sets.rows.begin() + sets.start[i], sets.rows.begin() + sets.start[i + 1]});
  const Stages own(left);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  const std::size_t m = entries.size(), p = s.x.size();
  mm::Criterion f(own.model, mm::Likelihood::ml);
  CHECK(found.n[i] == left.n);
  for (std::size_t g = 0; g < s.factors.size(); ++g)
    CHECK(found.levels[i * s.factors.size() + g] == left.factors[g].levels);
  // At the theta found, everything must be that of the rows left.
  const std::vector<double> at(found.theta.begin() + i * m, found.theta.begin() + (i + 1) * m);
  CHECK_ERROR("criterion", check::relative(found.objective[i], f.use(criterion_of(reml)).value(at.data()), left.n),
              1e-11);
  const double df = reml ? left.n - own.basis.p() : left.n;
  CHECK_ERROR("sigma", check::relative(found.sigma[i], std::sqrt(f.pls().pwrss() / df)), 1e-10);
  std::vector<double> beta(own.basis.p());
  own.basis.to_original(f.pls().beta().data(), beta.data());
  std::size_t next = 0;
  for (std::size_t j = 0; j < p; ++j) {
    const double value = found.beta[i * p + j], error = found.std_error[i * p + j];
    if (next < own.basis.kept.size() && own.basis.kept[next] == static_cast<int>(j)) {
      CHECK_ERROR("beta", std::abs(value - beta[next++]) / error, 1e-9);
    } else {
      CHECK(std::isnan(value) && std::isnan(error));
    }
  }
  if (!searched) return;
  const mm::SearchResult r = mm::quasi_newton(f.use(criterion_of(reml)), f.start(), {}, {});
  CHECK_ERROR("optimum", std::abs(found.objective[i] - r.value), 1e-8);
}

// With steps of length zero, so that what is compared does not depend on which optimum a search finds.
TEST(products_of_the_rows_left) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Structure s = structures::random(seed);
    const Stages stages(s);
    const std::vector<mm::ThetaEntry> entries = s.entries();
    const mm::RowSets sets = sets_of(s, 0);
    const mm::NewtonStep no_step{std::vector<double>(entries.size() * entries.size(), 0.0), {{}, {}}};
    Random random(seed + 500);
    for (structures::Point point : structures::kPoints) {
      const std::vector<double> theta = structures::theta(random, s, point);
      for (bool reml : {false, true}) {
        const mm::Deletions found = mm::fit_without(stages.model, sets, theta, criterion_of(reml), {}, &no_step, 2);
        for (int i = 0; i < sets.count(); ++i) {
          if (std::isnan(found.objective[i])) continue;
          check::at("seed " + std::to_string(seed) + s.kind + " set " + std::to_string(i));
          check_set(s, sets, i, found, reml, false);
        }
      }
    }
  }
}

TEST(fits_of_the_rows_left) {
  for (const Structure& s :
       {structures::crossed(1, 200, {{12, {2}}, {8, {1}}}, 3), structures::nested(2, 150, {{20, {1}}, {6, {1}}}, 2),
        structures::crossed(3, 120, {{15, {1, 1}}}, 1), structures::partially_crossed(4, 30, 8, 4, 1)}) {
    const Stages stages(s);
    const std::vector<mm::ThetaEntry> entries = s.entries();
    const mm::RowSets sets = sets_of(s, 0);
    for (bool reml : {false, true}) {
      mm::Criterion f(stages.model, mm::Likelihood::ml);
      const mm::SearchResult full = mm::quasi_newton(f.use(criterion_of(reml)), f.start(), {}, {});
      const mm::Deletions found = mm::fit_without(stages.model, sets, full.theta, criterion_of(reml), {}, nullptr, 1);
      const mm::Deletions again = mm::fit_without(stages.model, sets, full.theta, criterion_of(reml), {}, nullptr, 3);
      CHECK(found.theta == again.theta && found.beta == again.beta && found.std_error == again.std_error);
      for (int i = 0; i < sets.count(); ++i) {
        check::at(s.kind + " set " + std::to_string(i));
        check_set(s, sets, i, found, reml, true);
      }
    }
  }
}

// One row so far out that the products of the others are rounding beside its own; a column that one level alone bears.
TEST(products_formed_anew) {
  Structure s = structures::crossed(5, 80, {{9, {2}}, {5, {1}}}, 3);
  s.x[1][7] = 1e9;
  s.x[2].assign(s.n, 0.0);
  for (int i = 0; i < s.n; ++i)
    if (s.factors[0].codes[i] == 2) s.x[2][i] = 1 + 0.1 * i;
  const Stages stages(s);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  mm::RowSets sets{{0, 1}, {7}};
  for (int i = 0; i < s.n; ++i)
    if (s.factors[0].codes[i] == 2) sets.rows.push_back(i);
  sets.start.push_back(static_cast<std::int64_t>(sets.rows.size()));
  const std::vector<double> start{0.7, 0.1, 0.5, 0.6};
  for (bool reml : {false, true}) {
    const mm::Deletions found = mm::fit_without(stages.model, sets, start, criterion_of(reml), {}, nullptr, 1);
    CHECK(found.rebuilt[0] == 1 && found.rebuilt[1] == 1);
    CHECK(std::isnan(found.beta[3 + 2]) && !std::isnan(found.beta[3 + 1]));
    for (int i = 0; i < 2; ++i) check_set(s, sets, i, found, reml, true);
  }
}

TEST(sets_that_leave_too_few_rows) {
  const Structure s = structures::crossed(6, 40, {{5, {1}}}, 2);
  const Stages stages(s);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  mm::RowSets sets{{0}, {}};
  for (int left : {0, 1, 2}) {
    for (int i = left; i < s.n; ++i) sets.rows.push_back(i);
    sets.start.push_back(static_cast<std::int64_t>(sets.rows.size()));
  }
  const mm::Deletions found = mm::fit_without(stages.model, sets, {1.0}, mm::Likelihood::reml, {}, nullptr, 1);
  for (int i = 0; i < 3; ++i) CHECK(std::isnan(found.objective[i]) && found.n[i] == i);
}

TEST(one_step_is_a_newton_step) {
  const Structure s = structures::crossed(8, 120, {{12, {1}}}, 2);
  const Stages stages(s);
  const std::vector<mm::ThetaEntry> entries = s.entries();
  const mm::RowSets sets{{0, 1}, {3}};
  const std::vector<double> start{0.8};
  const Structure left = without(s, {3});
  const Stages own(left);
  mm::Criterion f(own.model, mm::Likelihood::ml);
  double gradient = 0;
  f.use(mm::Likelihood::ml).value(start.data());
  f.use(mm::Likelihood::ml).gradient(&gradient);
  for (double factor : {0.01, -0.01, 10.0, -10.0}) {
    const mm::NewtonStep newton{{factor}, {{1}, {1.0}}};
    const mm::Deletions found = mm::fit_without(stages.model, sets, start, mm::Likelihood::ml, {}, &newton, 1);
    // A step beyond zero ends there.
    CHECK_ERROR("step", std::abs(found.theta[0] - std::max(0.8 - factor * gradient, 0.0)), 1e-11);
  }
}

}  // namespace
