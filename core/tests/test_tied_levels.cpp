// Levels of one factor that depend on each other: rows with several levels (memberships) and prior precisions between
// levels, against dense matrices. What has no formula for them refuses.
#include <memory>
#include <numbers>
#include <stdexcept>

#include "after/deletion.hpp"
#include "after/kenward_roger.hpp"
#include "after/leverage.hpp"
#include "check.hpp"
#include "criterion/hessian.hpp"
#include "criterion/identify.hpp"
#include "search/search.hpp"
#include "structures.hpp"

namespace {

using dense::Matrix;
using Real = long double;

struct Shape {
  std::string kind;
  std::vector<std::int32_t> levels;
  std::vector<int> widths, members;  // per factor; several members for all rows, none or a level twice for some
  std::vector<bool> tree;            // a prior precision along the edges of a tree, half of whose levels have no rows
};

// A design with its arrays, and the same dense.
class Design {
 public:
  Design(const Shape& shape, int n, std::uint64_t seed) : random_(seed) {
    const std::size_t factors = shape.levels.size();
    codes_.resize(factors), starts_.resize(factors), shares_.resize(factors), z_.resize(factors);
    const mm::Pattern plain = mm::pattern_of(shape.levels, shape.widths);
    q_ = static_cast<int>(plain.q);
    Z = Matrix<Real>(n, q_);
    Q = dense::identity<Real>(q_);
    for (std::size_t f = 0; f < factors; ++f) add_factor(shape, f, n, static_cast<int>(plain.factors[f].offset));
    rows.n = n;
    for (auto* column : {&x_, &y_, &w_}) *column = random_.normals(n);
    for (double& weight : w_) weight = random_.uniform(0.3, 2.0);
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < q_; ++j) y_[i] += 0.5 * std::sin(1.0 + j) * static_cast<double>(Z(i, j));
    static constexpr double one = 1.0;
    rows.x = {{&one, 0}, {x_.data(), 1}};
    rows.y = {y_.data(), 1};
    rows.weight = {w_.data(), 1};
    finish(shape);
  }
  Design(const Design&) = delete;

  mm::Model model() const {
    mm::Model out;
    out.rows = rows;
    out.basis = basis;
    out.A = std::make_shared<mm::CrossProducts>(A);
    out.graph = std::make_shared<mm::LevelGraph>(graph);
    out.symbolic = std::make_shared<mm::Symbolic>(symbolic);
    out.entries = entries;
    return out;
  }

  // -2 log-likelihood by the covariance V = W^-1 + Z Lambda Q^-1 Lambda'Z'.
  Real criterion(const std::vector<double>& theta, bool reml) const {
    const int n = static_cast<int>(rows.n), p = 2;
    Matrix<Real> Lambda(q_, q_), V(n, n), xy(n, p + 1);
    for (std::size_t e = 0; e < theta.size(); ++e) {
      const mm::FactorBlock& f = A.factors[entries[e].factor];
      for (int l = 0; l < f.levels; ++l) {
        const int at = static_cast<int>(f.offset) + l * f.width;
        Lambda(at + entries[e].row, at + entries[e].column) = theta[e];
      }
    }
    const Matrix<Real> half = dense::solve_lower(dense::cholesky(Q), dense::transpose(Z * Lambda));
    V = dense::transpose(half) * half;
    Real value = 0;
    for (int i = 0; i < n; ++i) {
      V(i, i) += 1 / Real(w_[i]);
      xy(i, 0) = 1, xy(i, 1) = x_[i], xy(i, 2) = y_[i];
    }
    const Matrix<Real> L = dense::cholesky(V), of_V = dense::solve_lower(L, xy);
    const Matrix<Real> R = dense::cholesky(dense::transpose(of_V) * of_V);
    const Real df = reml ? n - p : n;
    value = dense::logdet_from_cholesky(L) + df * (1 + std::log(2 * std::numbers::pi_v<Real> * R(p, p) * R(p, p) / df));
    for (int j = 0; reml && j < p; ++j) value += 2 * std::log(R(j, j));
    return value;
  }

  mm::Rows rows;
  Matrix<Real> Z, Q;
  mm::OrthogonalBasis basis;
  mm::CrossProducts A;
  mm::LevelGraph graph;
  mm::Symbolic symbolic;
  std::vector<mm::ThetaEntry> entries;

 private:
  void add_factor(const Shape& shape, std::size_t f, int n, int offset) {
    const int width = shape.widths[f], first = shape.tree[f] ? shape.levels[f] / 2 : 0;
    for (int c = 1; c < width; ++c) z_[f].push_back(random_.normals(n));
    starts_[f].push_back(0);
    for (int i = 0; i < n; ++i) {
      const int members = shape.members[f] == 1 ? 1 : random_.chance(0.1) ? 0 : shape.members[f];
      for (int m = 0; m < members; ++m) {
        const int level = random_.integer(first, shape.levels[f] - 1);
        const double share = shape.members[f] == 1 ? 1.0 : random_.uniform(0.2, 1.0);
        codes_[f].push_back(level);
        shares_[f].push_back(share);
        for (int c = 0; c < width; ++c) Z(i, offset + level * width + c) += share * (c == 0 ? 1.0 : z_[f][c - 1][i]);
      }
      starts_[f].push_back(static_cast<std::int64_t>(codes_[f].size()));
    }
    static constexpr double one = 1.0;
    mm::FactorRows factor;
    factor.codes = codes_[f].data();
    factor.levels = shape.levels[f];
    factor.z.push_back({&one, 0});
    for (const auto& column : z_[f]) factor.z.push_back({column.data(), 1});
    if (shape.members[f] > 1) {
      factor.start = starts_[f].data();
      factor.member_weight = {shares_[f].data(), 1};
    }
    rows.factors.push_back(std::move(factor));
  }

  void finish(const Shape& shape) {
    mm::Pattern pattern = mm::pattern_of(rows);
    for (int f = 0; f < static_cast<int>(shape.levels.size()); ++f) {
      for (int c = 0; c < shape.widths[f]; ++c)
        for (int r = c; r < shape.widths[f]; ++r) entries.push_back({f, r, c});
      if (!shape.tree[f]) continue;
      std::vector<std::pair<std::int32_t, std::int32_t>> edges;
      for (std::int32_t l = 1; l < shape.levels[f]; ++l) edges.push_back({l, (l - 1) / 2});
      pattern = mm::with_ties(pattern, f, std::move(edges));
    }
    basis = mm::orthogonalize(rows);
    A = mm::cross_products(rows, basis, std::make_shared<const mm::Pattern>(std::move(pattern)));
    for (int f = 0; f < static_cast<int>(shape.levels.size()); ++f)
      if (shape.tree[f]) set_tree(f);
    graph = mm::level_graph(*A.pattern);
    symbolic = mm::analyze(*A.pattern, graph, mm::cheapest_elimination(*A.pattern, graph));
  }

  void set_tree(int f) {
    const mm::FactorBlock& block = A.factors[f];
    std::vector<double> diagonal(block.levels, 0.0);
    std::vector<mm::PriorEntry> entries_of_Q;
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const double v = random_.uniform(0.5, 2.0);
      diagonal[l] += v;
      if (l == 0) continue;
      diagonal[(l - 1) / 2] += v;
      entries_of_Q.push_back({l, (l - 1) / 2, -v});
    }
    Matrix<Real> own(block.levels, block.levels);
    for (int l = 0; l < block.levels; ++l) own(l, l) = diagonal[l];
    for (const mm::PriorEntry& e : entries_of_Q) own(e.l, e.m) = own(e.m, e.l) = e.value;
    for (int l = 0; l < block.levels; ++l)
      for (int m = 0; m < block.levels; ++m)
        for (int c = 0; c < block.width; ++c) {
          const int at = static_cast<int>(block.offset) + c;
          Q(at + l * block.width, at + m * block.width) = own(l, m);
        }
    const Real logdet = dense::logdet_from_cholesky(dense::cholesky(own));
    mm::set_prior(A, f, std::move(diagonal), entries_of_Q, static_cast<double>(logdet));
  }

  Random random_;
  int q_ = 0;
  std::vector<std::vector<std::int32_t>> codes_;
  std::vector<std::vector<std::int64_t>> starts_;
  std::vector<std::vector<double>> shares_;
  std::vector<std::vector<std::vector<double>>> z_;
  std::vector<double> x_, y_, w_;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all{{"one level in a row", {12, 5}, {2, 1}, {1, 1}, {false, false}},
                                      {"two levels of both factors", {12, 5}, {2, 1}, {2, 2}, {false, false}},
                                      {"three levels of the only factor", {9}, {1}, {3}, {false}},
                                      {"two levels of the smaller factor", {14, 6}, {2, 2}, {1, 2}, {false, false}},
                                      {"a tree", {31, 5}, {2, 1}, {1, 1}, {true, false}},
                                      {"a tree of single effects", {31, 5}, {1, 1}, {1, 1}, {true, false}},
                                      {"a tree and two levels of the other", {31, 6}, {1, 2}, {1, 2}, {true, false}},
                                      {"a tree of two levels in a row", {15, 4}, {2, 1}, {2, 1}, {true, true}}};
  return all;
}

std::vector<double> theta_of(const Design& d, bool singular, double scale) {
  std::vector<double> out;
  for (const mm::ThetaEntry& e : d.entries) out.push_back(scale * (e.row == e.column ? 0.7 + 0.1 * e.row : 0.2));
  if (singular) out.back() = 0;
  return out;
}

TEST(criterion_and_gradient_are_those_of_dense_matrices) {
  for (const Shape& shape : shapes())
    for (std::uint64_t seed = 1; seed < 4; ++seed) {
      const Design d(shape, 70, seed);
      const mm::Model model = d.model();
      mm::ProfiledDeviance pls(model);
      for (const bool singular : {false, true})
        for (const double scale : {1.0, 30.0})
          for (const bool reml : {false, true}) {
            check::at(shape.kind + (reml ? ", REML" : ", ML") + (singular ? ", singular" : ""));
            const mm::Likelihood likelihood = reml ? mm::Likelihood::reml : mm::Likelihood::ml;
            const std::vector<double> theta = theta_of(d, singular, scale);
            const double value = pls.value(theta.data(), likelihood);
            CHECK_ERROR("criterion", check::relative(value, static_cast<double>(d.criterion(theta, reml))),
                        scale > 1 ? 1e-9 : 1e-12);
            std::vector<double> gradient(theta.size());
            pls.gradient(likelihood, gradient.data());
            for (std::size_t e = 0; e < theta.size(); ++e) {
              std::vector<double> up(theta), down(theta);
              const double h = 1e-5 * scale;
              up[e] += h, down[e] -= h;
              const Real slope = (d.criterion(up, reml) - d.criterion(down, reml)) / (2 * h);
              CHECK_ERROR("gradient", std::abs(scale * (gradient[e] - static_cast<double>(slope))), 1e-6);
            }
          }
    }
}

TEST(products_are_those_of_dense_matrices) {
  for (const Shape& shape : shapes()) {
    check::at(shape.kind);
    const Design d(shape, 60, 9);
    const int q = static_cast<int>(d.A.q), n = static_cast<int>(d.rows.n);
    Matrix<Real> weighted(n, q);
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < q; ++j) weighted(i, j) = d.rows.w(i) * d.Z(i, j);
    const Matrix<Real> expected = dense::transpose(d.Z) * weighted;
    Matrix<Real> ZtWZ(q, q), prior(q, q);
    for (int j = 0; j < q; ++j) {
      std::vector<double> unit(q, 0.0), column(q), of_Q(q);
      unit[j] = 1;
      mm::multiply_products(d.A, unit.data(), column.data(), 1);
      mm::multiply_prior(d.A, unit.data(), of_Q.data(), 1);
      for (int i = 0; i < q; ++i) ZtWZ(i, j) = column[i], prior(i, j) = of_Q[i];
    }
    CHECK_ERROR("Z'WZ", dense::relative_difference(ZtWZ, expected), 1e-13);
    CHECK_ERROR("Q", dense::relative_difference(prior, d.Q), 1e-14);
    mm::CrossProducts part = d.A;
    mm::add_rows(d.rows, d.basis, std::int64_t{0}, 20, -1, part);
    mm::add_rows(d.rows, d.basis, std::int64_t{0}, 20, 1, part);
    double difference = 0;
    for (std::size_t i = 0; i < part.ZtX.size(); ++i)
      difference = std::max(difference, std::abs(part.ZtX[i] - d.A.ZtX[i]));
    CHECK_ERROR("rows away and back", difference, 1e-12);
    // The residual of a reference point, and another response.
    Random random(3);
    const std::vector<double> b = random.normals(q), beta = random.normals(2);
    const mm::ReferencePoint point = mm::reference_point(d.rows, d.basis, d.A, b.data(), beta.data());
    std::vector<double> product(q);
    mm::multiply_products(d.A, b.data(), product.data(), 1);
    for (int i = 0; i < q; ++i) {
      const double* row = d.A.ZtX.data() + i * 3;
      CHECK_ERROR("Z'Wr", std::abs(point.Ztr[i] - (row[2] - row[0] * beta[0] - row[1] * beta[1] - product[i])), 1e-11);
    }
    mm::Frame frame = d.basis;
    mm::CrossProducts again = d.A;
    mm::renew_response(d.rows, frame, again);
    for (int i = 0; i < q; ++i) CHECK_ERROR("Z'Wy", std::abs(again.ZtX[i * 3 + 2] - d.A.ZtX[i * 3 + 2]), 1e-11);
  }
}

TEST(searches_end_where_the_dense_criterion_is_lowest) {
  for (const Shape& shape : shapes()) {
    check::at(shape.kind);
    const Design d(shape, 70, 2);
    const mm::Model model = d.model();
    mm::Criterion f(model, mm::Likelihood::ml);
    for (const bool reml : {false, true}) {
      const mm::Likelihood likelihood = reml ? mm::Likelihood::reml : mm::Likelihood::ml;
      const mm::Fit found = mm::fit(f.use(likelihood), f.starts(), {}, nullptr, {});
      CHECK(found.ended == mm::SearchStatus::converged);
      const Real lowest = d.criterion(found.theta, reml);
      for (std::size_t e = 0; e < found.theta.size(); ++e)
        for (const double step : {-0.02, 0.02}) {
          std::vector<double> moved = found.theta;
          moved[e] += step;
          CHECK(d.criterion(moved, reml) > lowest - 1e-7L);
        }
    }
  }
}

TEST(what_needs_independent_levels_refuses) {
  for (const Shape& shape : shapes()) {
    check::at(shape.kind);
    const Design d(shape, 60, 4);
    const bool tied = d.A.has_prior() || d.A.pattern->has_own_pairs();
    const std::vector<double> theta = theta_of(d, false, 1);
    const mm::Model model = d.model();
    mm::Criterion f(model, mm::Likelihood::reml);
    f.value(theta.data());
    CHECK(mm::hessian(f).empty() == tied);  // empty: differences are taken
    CHECK(check::refuses([&] { mm::kenward_roger_sums(f.pls()); }) == tied);
    bool several = false;
    for (const mm::FactorRows& rows_f : d.rows.factors) several = several || rows_f.several();
    const bool refused = several || tied;
    CHECK(check::refuses([&] { mm::row_values(f.pls(), false); }) == refused);
    const mm::RowSets sets{{0, 1}, {3}};
    CHECK(check::refuses([&] { mm::fit_without(model, sets, theta, mm::Likelihood::reml, {}, nullptr, 1); }) ==
          refused);
    if (d.A.has_prior()) {
      CHECK(check::refuses([&] { mm::identifiability(d.A, d.entries, mm::Likelihood::reml); }));
    } else {
      const mm::Identifiability told = mm::identifiability(d.A, d.entries, mm::Likelihood::reml);
      CHECK(told.pivot > 0 && told.pivot <= 1);
    }
  }
}

}  // namespace
