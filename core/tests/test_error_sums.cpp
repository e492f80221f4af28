// Sums of drawn responses, without rows: their covariance and their algebra against the rows, and refits from sums.
#include "after/error_sums.hpp"
#include "after/refit.hpp"
#include "check.hpp"
#include "criterion/pls.hpp"
#include "products/sums.hpp"
#include "structures.hpp"

namespace {

std::vector<std::vector<int>> widths_of(const Structure& s) {
  std::vector<std::vector<int>> out;
  for (const auto& f : s.factors) out.push_back(f.term_widths);
  return out;
}

mm::Model rowless(const Structure& s) {
  std::vector<std::int32_t> levels;
  for (const auto& f : s.factors) levels.push_back(f.levels);
  mm::Sums sums(levels, mm::pilot_sums_frame(s.rows(), widths_of(s)));
  sums.add(s.rows());
  mm::FinishedSums finished = sums.finish();
  mm::Model model;
  model.rows.n = sums.rows();
  model.basis = finished.basis;
  model.A = finished.A;
  model.entries = s.entries();
  model.graph = std::make_shared<mm::LevelGraph>(mm::level_graph(*model.A->pattern));
  model.symbolic = std::make_shared<mm::Symbolic>(
      mm::analyze(*model.A->pattern, *model.graph, mm::cheapest_elimination(*model.A->pattern, *model.graph)));
  return model;
}

// [Z X]'W[Z X] with its columns as they are in the products.
dense::Matrix<double> gram(const mm::CrossProducts& A) {
  const int q = static_cast<int>(A.q), p = A.p;
  dense::Matrix<double> out(q + p, q + p);
  std::vector<double> unit(q), column(q);
  for (int j = 0; j < q; ++j) {
    std::fill(unit.begin(), unit.end(), 0.0);
    unit[j] = 1;
    mm::multiply_products(A, unit.data(), column.data(), 1);
    for (int i = 0; i < q; ++i) out(i, j) = column[i];
    for (int c = 0; c < p; ++c) out(q + c, j) = out(j, q + c) = A.ZtX[j * A.k() + c];
  }
  for (int c = 0; c < p; ++c) out(q + c, q + c) = 1;
  return out;
}

int rank_of(dense::Matrix<double> G) {
  int rank = 0;
  const int n = G.rows;
  std::vector<double> first(n);
  for (int i = 0; i < n; ++i) first[i] = G(i, i);
  for (int step = 0; step < n; ++step) {
    int best = 0;
    for (int i = 1; i < n; ++i)
      if (G(i, i) > G(best, best)) best = i;
    if (!(G(best, best) > 1e-9)) break;
    ++rank;
    std::vector<double> column(n);
    for (int i = 0; i < n; ++i) column[i] = G(i, best);
    const double pivot = G(best, best);
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) G(i, j) -= column[i] * column[j] / pivot;
  }
  return rank;
}

// The map from normal numbers to sums is linear: its matrix times its transpose is the covariance.
TEST(errors_have_the_covariance_of_the_rows) {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const mm::Model model = rowless(s);
    const mm::CrossProducts& A = *model.A;
    const int q = static_cast<int>(A.q), p = A.p, k = p + 1;
    const mm::ErrorSums errors(model);
    const dense::Matrix<double> G = gram(A);
    CHECK(errors.rank() == rank_of(G));
    const std::vector<double> theta(model.entries.size(), 0.0), u(q, 0.0);
    dense::Matrix<double> map(q + p, q + p);
    std::vector<double> x(q + p), out(q + p + 1);
    for (int j = 0; j < q + p; ++j) {
      std::fill(x.begin(), x.end(), 0.0);
      x[j] = 1;
      errors.draw(theta, u.data(), x.data(), 2.0, out.data());
      double fixed = 0, size = 0;
      for (int c = 0; c < p; ++c) map(q + c, j) = out[q + c], fixed += out[q + c] * out[q + c];
      for (int i = 0; i < q; ++i) {
        double whole = out[i];
        for (int c = 0; c < p; ++c) whole += A.ZtX[i * k + c] * out[q + c];
        map(i, j) = whole;
        size += whole * whole;
      }
      // A direction that exists has length one, another one almost zero.
      const double squares = out[q + p] + fixed - 2;
      CHECK_ERROR("squares", std::min(std::abs(squares - 1), std::abs(squares) + size), 1e-3);
    }
    double most = 0, off = 0;
    for (int j = 0; j < q + p; ++j)
      for (int i = 0; i < q + p; ++i) {
        double sum = 0;
        for (int l = 0; l < q + p; ++l) sum += map(i, l) * map(j, l);
        off = std::max(off, std::abs(sum - G(i, j)));
        most = std::max(most, std::abs(G(i, j)));
      }
    CHECK_ERROR("covariance", off / most, 1e-10);
  }
}

// Random effects and no errors: what the rows of Z b give.
TEST(random_effects_give_the_sums_of_their_rows) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    check::at("seed " + std::to_string(seed));
    const Structure s = structures::random(seed);
    const mm::Model model = rowless(s);
    const mm::CrossProducts& A = *model.A;
    Random random(seed);
    std::vector<double> theta = structures::theta(random, s, structures::Point::interior), along = theta;
    const mm::ThetaAxes axes(A, model.entries);
    axes.to_axes(along.data());
    std::vector<double> u(A.q), x(A.q + A.p, 0.0), out(A.q + A.p + 1);
    for (double& v : u) v = random.normal();
    mm::ErrorSums(model).draw(along, u.data(), x.data(), 0.0, out.data());
    const auto Z = s.Z<double>();
    mm::CrossProducts renewed = A;
    mm::OrthogonalBasis basis = model.basis;
    mm::renew_response(out.data(), basis, renewed);
    std::vector<double> b(A.q), Zb(A.q);
    double squares = renewed.XtX.back();
    for (double c : basis.c) squares += c * c;
    for (std::size_t e = 0; e < model.entries.size(); ++e) {
      const auto& f = A.factors[model.entries[e].factor];
      for (int l = 0; l < f.levels; ++l)
        b[f.offset + l * f.width + model.entries[e].row] +=
            along[e] * u[f.offset + l * f.width + model.entries[e].column];
    }
    mm::modes_from_axes(A, b.data());
    double expected = 0;
    for (int i = 0; i < s.n; ++i) {
      double value = 0;
      for (int j = 0; j < A.q; ++j) value += Z(i, j) * b[j];
      expected += s.weight(i) * value * value;
    }
    CHECK_ERROR("squares of Z b", check::relative(squares, expected), 1e-9);
  }
}

// A refit from the sums of a response is the fit of the response.
TEST(refits_from_sums_are_those_of_the_rows) {
  const std::vector<std::pair<int, std::vector<int>>> shapes{{12, {2}}, {8, {1}}};
  const Structure s = structures::crossed(1, 150, shapes, 3);
  const mm::Model model = rowless(s);
  const std::vector<double> start(model.entries.size(), 0.0);
  for (int i = 0; i < 5; ++i) {
    Structure other = s;
    other.y = structures::crossed(100 + i, 150, shapes, 3).y;
    const mm::Model own = rowless(other);
    const double ratio = own.A->unit / model.A->unit;
    std::vector<double> sums;
    for (std::int64_t j = 0; j < own.A->q; ++j) sums.push_back(ratio * own.A->ZtX[j * own.A->k() + own.A->p]);
    for (double c : own.basis.c) sums.push_back(ratio * c);
    sums.push_back(ratio * ratio * own.A->XtX.back());
    const mm::Refits found = mm::refit(model, sums.data(), 1, start, mm::Likelihood::reml, {}, 1);
    const Stages rows(other);
    const mm::Refits expected = mm::refit(rows.model, other.y.data(), 1, start, mm::Likelihood::reml, {}, 1);
    CHECK(found.status == expected.status);
    CHECK_ERROR("objective", check::relative(found.objective[0], expected.objective[0]), 1e-10);
    CHECK_ERROR("sigma", check::relative(found.sigma[0], expected.sigma[0]), 1e-5);
    for (int j = 0; j < 3; ++j) CHECK_ERROR("beta", std::abs(found.beta[j] - expected.beta[j]), 1e-5);
  }
}

}  // namespace
