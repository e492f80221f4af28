// The bound classes of the model's stages.
// Each holds the core's model as far as it is made: `Products` without analysis and entries, an `Analysis` without
// entries. Lifetimes: `Products` holds the Python arrays its rows point into; an `Analysis` and an `Evaluator` hold
// (through keep_alive) what they were made from. Results are copies that own their memory.
#pragma once

#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "arrays.hpp"
#include "core_call.hpp"
#include "criterion/criterion.hpp"
#include "products/sums.hpp"

namespace mm = mixedmodels;

inline mm::Likelihood likelihood(bool reml) { return reml ? mm::Likelihood::reml : mm::Likelihood::ml; }

inline mm::Column column_of(const Matrix& matrix, std::size_t j) {
  return {matrix.data() + static_cast<std::int64_t>(j) * matrix.stride(1), matrix.stride(0)};
}

inline mm::Column column_of(const Vector& v) { return {v.data(), v.stride(0)}; }

using Entries = nb::ndarray<const std::int32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Numbers in the unit of the products, in the caller's.
inline Array<double> in_unit(const mm::CrossProducts& A, std::vector<double> values) {
  for (double& v : values) v *= A.unit;
  return to_numpy(std::move(values));
}

// The caller's arrays as rows of the core; it keeps the arrays alive.
struct GivenRows {
  std::vector<Codes> codes;
  std::vector<std::vector<Matrix>> z;
  Matrix X;
  std::optional<Vector> y, w, offset;
  mm::Rows rows;
  std::vector<std::vector<int>> widths;  // of the terms of every factor

  GivenRows() = default;
  GivenRows(std::vector<nb::object> codes_, const std::vector<std::int32_t>& levels,
            std::vector<std::vector<Matrix>> z_, Matrix X_, std::optional<Vector> y_, std::optional<Vector> w_,
            std::optional<Vector> offset_)
      : z(std::move(z_)), X(X_), y(y_), w(w_), offset(offset_), widths(z.size()) {
    if (levels.size() != codes_.size() || z.size() != codes_.size())
      throw nb::value_error("codes, levels and z are not of as many grouping factors");
    add_columns();
    for (std::size_t f = 0; f < codes_.size(); ++f) {
      codes.push_back(checked_codes(codes_[f], levels[f]));
      check(codes[f].size(), "the codes of a grouping factor");
      rows.factors[f].codes = codes[f].data();
      rows.factors[f].levels = levels[f];
    }
  }

  // Rows whose levels are not read.
  GivenRows(std::vector<std::vector<Matrix>> z_, Matrix X_, Vector y_, std::optional<Vector> w_,
            std::optional<Vector> offset_)
      : z(std::move(z_)), X(X_), y(y_), w(w_), offset(offset_), widths(z.size()) {
    add_columns();
  }

 private:
  void check(std::size_t length, const char* what) const {
    if (length != static_cast<std::size_t>(rows.n))
      throw nb::value_error((std::string(what) + " and the response differ in length").c_str());
  }

  void add_columns() {
    static constexpr double kNone = 0;
    rows.n = static_cast<std::int64_t>(y ? y->size() : X.shape(0));
    for (std::size_t f = 0; f < z.size(); ++f) {
      mm::FactorRows factor;
      for (const Matrix& term : z[f]) {
        check(term.shape(0), "a random-effects model matrix");
        widths[f].push_back(static_cast<int>(term.shape(1)));
        for (std::size_t j = 0; j < term.shape(1); ++j) factor.z.push_back(column_of(term, j));
      }
      rows.factors.push_back(std::move(factor));
    }
    check(X.shape(0), "the fixed-effects model matrix");
    for (std::size_t j = 0; j < X.shape(1); ++j) rows.x.push_back(column_of(X, j));
    rows.y = y ? column_of(*y) : mm::Column{&kNone, 0};
    if (w) check(w->size(), "the weights"), rows.weight = column_of(*w);
    if (offset) check(offset->size(), "the offset"), rows.offset = column_of(*offset);
  }
};

struct Products {
  GivenRows given;
  std::vector<std::vector<double>> along_axes;  // numbers of the columns of Z that the rows point into
  mm::Model model;

  Products(std::vector<nb::object> codes, std::vector<std::int32_t> levels, std::vector<std::vector<Matrix>> z,
           Matrix X, std::optional<Vector> y, std::optional<Vector> w, std::optional<Vector> offset, int threads)
      : given(std::move(codes), levels, std::move(z), X, y, w, offset) {
    mm::Rows& rows = model.rows = given.rows;
    const CoreCall call;
    along_axes = mm::orthogonalize_terms(rows, given.widths, threads);
    model.basis = mm::orthogonalize(rows, threads);
    model.A = std::make_shared<mm::CrossProducts>();
    if (y && model.basis.fits_exactly) return;  // nothing is left to explain: the caller refuses
    if (y) rows.scale /= model.basis.choose_unit(rows.n);
    model.A = std::make_shared<mm::CrossProducts>(mm::cross_products(rows, model.basis, threads));
  }

  // Of sums over rows: of the rows only their number is left. Called inside `in_core`.
  explicit Products(mm::Sums& sums) {
    mm::FinishedSums finished = sums.finish();
    model.rows.n = sums.rows();
    model.basis = std::move(finished.basis);
    model.A = std::move(finished.A);
  }

  // The same products with another response, known by its sums.
  Products with_response(const double* sums) const {
    Products out;
    out.model = model;
    auto A = std::make_shared<mm::CrossProducts>(*model.A);
    mm::OrthogonalBasis& basis = out.model.basis;
    mm::renew_response(sums, basis, *A);
    double fitted = 0;
    for (double c : basis.c) fitted += c * c;
    basis.residual_norm = std::sqrt(A->XtX.back());
    basis.response_norm = std::sqrt(fitted + A->XtX.back());
    basis.fits_exactly = !(basis.residual_norm > 0);
    out.model.A = std::move(A);
    return out;
  }

  const mm::CrossProducts& A() const { return *model.A; }

  // Made when it is first needed: a model without a factor does without.
  const mm::LevelGraph& graph() {
    if (!model.graph) model.graph = std::make_shared<mm::LevelGraph>(mm::level_graph(*A().pattern));
    return *model.graph;
  }
  std::shared_ptr<mm::Elimination> cheapest;  // once it is known

 private:
  Products() = default;
};

// The nodes in the order of the factors, each of which must be named once.
inline std::vector<int> checked_order(const mm::CrossProducts& A, const std::vector<int>& factors) {
  std::vector<char> named(A.factors.size(), 0);
  for (int f : factors)
    if (f < 0 || f >= static_cast<int>(named.size()) || std::exchange(named[f], 1))
      throw nb::value_error("an order names every factor once");
  if (factors.size() != named.size()) throw nb::value_error("an order names every factor once");
  return mm::factor_order(*A.pattern, factors);
}

struct Analysis {
  mm::Model model;

  Analysis(Products& products, std::variant<std::string, std::vector<int>> order) {
    const CoreCall call;
    const mm::LevelGraph& graph = products.graph();
    model = products.model;
    mm::Elimination e;
    if (const auto* factors = std::get_if<std::vector<int>>(&order))
      e = mm::eliminate(graph, checked_order(A(), *factors), "factors");
    else if (std::get<std::string>(order) == "minimum degree")
      e = mm::eliminate(graph, mm::minimum_degree(graph), "minimum degree");
    else
      e = products.cheapest ? *products.cheapest : mm::cheapest_elimination(*A().pattern, graph);
    model.symbolic = std::make_shared<mm::Symbolic>(mm::analyze(*A().pattern, graph, std::move(e)));
  }

  const mm::CrossProducts& A() const { return *model.A; }
  const mm::Symbolic& symbolic() const { return *model.symbolic; }

  // Position in the order of the cross-products of every position in the permuted order.
  std::vector<std::int32_t> permutation() const {
    std::vector<std::int32_t> out(symbolic().permuted.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[symbolic().permuted[i]] = static_cast<std::int32_t>(i);
    return out;
  }
};

// What theta means, as the core takes it.
inline mm::Model with_entries(mm::Model model, const Entries& entries) {
  for (const std::int32_t* e = entries.data(); model.entries.size() < entries.shape(0); e += 3)
    model.entries.push_back({e[0], e[1], e[2]});
  return model;
}

struct Evaluator {
  mm::Model model;
  mm::Criterion core;

  Evaluator(const Analysis& analysis, Entries entries, int threads)
      : model(with_entries(analysis.model, entries)), core(make(model, threads)) {}
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  static mm::Criterion make(const mm::Model& model, int threads) {
    return in_core([&] { return mm::Criterion(model, mm::Likelihood::ml, threads); });
  }

  const mm::CrossProducts& A() const { return *model.A; }
  mm::ThetaAxes axes() const { return {A(), core.entries()}; }
  std::size_t m() const { return core.entries().size(); }
  mm::Criterion& of(bool reml) { return core.use(likelihood(reml)); }

  const double* checked(const Dense& theta) const {
    if (theta.size() != m()) throw nb::value_error("theta has the wrong length");
    return theta.data();
  }

  double value(Dense theta, bool reml);
  Array<double> gradient(bool reml);
  std::optional<Array<double>> hessian(bool reml);
  Array<double> difference_hessian(Dense theta, bool reml, bool forward);
  Array<double> conditional_covariance(int factor);
  Array<double> RZX() const;
  double sigma(bool reml) const;
};
