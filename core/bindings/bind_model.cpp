// Bindings of crossprod.hpp, symbolic.hpp, evaluator.hpp and quasi_newton.hpp.
// Lifetimes: `Products` holds the Python arrays its rows point into; an `Analysis` and an `Evaluator` hold (through
// keep_alive) what they were made from. Results are copies that own their memory.
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <memory>
#include <optional>
#include <variant>

#include "arrays.hpp"
#include "mixedmodels/blas_threads.hpp"
#include "mixedmodels/evaluator.hpp"
#include "mixedmodels/quasi_newton.hpp"
#include "mixedmodels/refit.hpp"
#include "mixedmodels/verdict.hpp"

namespace mm = mixedmodels;

namespace {

mm::Criterion criterion(bool reml) { return reml ? mm::Criterion::reml : mm::Criterion::ml; }

mm::Column column_of(const Matrix& matrix, std::size_t j) {
  return {matrix.data() + static_cast<std::int64_t>(j) * matrix.stride(1), matrix.stride(0)};
}

mm::Column column_of(const Vector& v) { return {v.data(), v.stride(0)}; }

struct Products {
  std::vector<Codes> codes;
  std::vector<std::vector<Matrix>> z;
  Matrix X;
  Vector y;
  std::optional<Vector> w, offset;
  mm::Rows rows;
  mm::OrthogonalBasis basis;
  mm::CrossProducts A;
  mm::LevelGraph graph;

  Products(std::vector<Codes> codes_, std::vector<std::int32_t> levels, std::vector<std::vector<Matrix>> z_, Matrix X_,
           Vector y_, std::optional<Vector> w_, std::optional<Vector> offset_, int threads)
      : codes(std::move(codes_)), z(std::move(z_)), X(X_), y(y_), w(w_), offset(offset_) {
    const std::size_t n = y.size();
    auto check = [&](std::size_t length, const char* what) {
      if (length != n) throw nb::value_error((std::string(what) + " and the response differ in length").c_str());
    };
    rows.n = static_cast<std::int64_t>(n);
    for (std::size_t f = 0; f < codes.size(); ++f) {
      check(codes[f].size(), "the codes of a grouping factor");
      mm::FactorRows factor;
      factor.codes = codes[f].data();
      factor.levels = levels.at(f);
      for (const Matrix& term : z.at(f)) {
        check(term.shape(0), "a random-effects model matrix");
        for (std::size_t j = 0; j < term.shape(1); ++j) factor.z.push_back(column_of(term, j));
      }
      rows.factors.push_back(std::move(factor));
    }
    check(X.shape(0), "the fixed-effects model matrix");
    for (std::size_t j = 0; j < X.shape(1); ++j) rows.x.push_back(column_of(X, j));
    rows.y = column_of(y);
    if (w) check(w->size(), "the weights"), rows.weight = column_of(*w);
    if (offset) check(offset->size(), "the offset"), rows.offset = column_of(*offset);
    nb::gil_scoped_release release;
    const mm::BlasThreads blas(1);
    basis = mm::orthogonalize(rows, threads);
    if (basis.fits_exactly) return;  // nothing is left to explain: the caller refuses
    A = mm::cross_products(rows, basis, threads);
    graph = mm::level_graph(A);
  }
};

struct Analysis {
  const Products& products;
  mm::Symbolic symbolic;

  Analysis(const Products& made_from, std::variant<std::string, std::vector<int>> order) : products(made_from) {
    nb::gil_scoped_release release;
    const mm::LevelGraph& graph = products.graph;
    mm::Elimination e;
    if (const auto* factors = std::get_if<std::vector<int>>(&order))
      e = mm::eliminate(graph, mm::factor_order(products.A, *factors), "factors");
    else if (std::get<std::string>(order) == "minimum degree")
      e = mm::eliminate(graph, mm::minimum_degree(graph), "minimum degree");
    else
      e = mm::cheapest_elimination(products.A, graph);
    symbolic = mm::analyze(products.A, graph, std::move(e));
  }

  // Position in the order of the cross-products of every position in the permuted order.
  std::vector<std::int32_t> permutation() const {
    std::vector<std::int32_t> out(symbolic.permuted.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[symbolic.permuted[i]] = static_cast<std::int32_t>(i);
    return out;
  }
};

struct Evaluator {
  const Analysis& analysis;
  int threads;
  mm::Evaluator core;

  Evaluator(const Analysis& made_from, std::vector<std::vector<int>> entries, int threads_)
      : analysis(made_from),
        threads(threads_),
        core(made_from.products.rows, made_from.products.basis, made_from.products.A, made_from.symbolic,
             convert(entries), threads_) {}

  static std::vector<mm::ThetaEntry> convert(const std::vector<std::vector<int>>& entries) {
    std::vector<mm::ThetaEntry> out;
    for (const auto& e : entries) out.push_back({e.at(0), e.at(1), e.at(2)});
    return out;
  }

  const double* checked(const Dense& theta) const {
    if (static_cast<int>(theta.size()) != core.m()) throw nb::value_error("theta has the wrong length");
    return theta.data();
  }

  double value(Dense theta, bool reml) {
    const double* at = checked(theta);
    nb::gil_scoped_release release;
    const mm::BlasThreads blas(1);
    return core.value(at, criterion(reml));
  }

  Array<double> gradient(bool reml) {
    std::vector<double> out(core.m());
    {
      nb::gil_scoped_release release;
      const mm::BlasThreads blas(1);
      core.gradient(criterion(reml), out.data());
    }
    return to_numpy(std::move(out));
  }

  Array<double> hessian(Dense theta, bool reml, std::optional<Dense> gradient, Dense steps) {
    std::vector<double> at(checked(theta), theta.data() + theta.size()), h(steps.data(), steps.data() + steps.size()),
        g;
    if (gradient) g.assign(gradient->data(), gradient->data() + gradient->size());
    std::vector<double> out;
    {
      nb::gil_scoped_release release;
      const mm::BlasThreads blas(1);
      out = mm::difference_hessian(core, criterion(reml), std::move(at), g, h);
    }
    const auto m = static_cast<std::size_t>(core.m());
    return to_numpy(std::move(out), {m, m});
  }

  nb::dict quasi_newton(Dense theta, bool reml, int max_values, double decrement, double zero,
                        std::optional<nb::callable> progress) {
    std::vector<double> start(checked(theta), theta.data() + theta.size());
    mm::Progress report;
    if (progress)
      report = [&](int iteration, double value, const std::vector<double>& at) {
        nb::gil_scoped_acquire acquire;
        return nb::cast<bool>((*progress)(iteration, value, to_numpy(std::vector<double>(at))));
      };
    mm::SearchResult r;
    {
      nb::gil_scoped_release release;
      const mm::BlasThreads blas(1);
      r = mm::quasi_newton(core, criterion(reml), std::move(start), {max_values, decrement, zero}, report);
    }
    static const char* names[] = {"converged", "stalled", "max_evaluations", "not_finite", "interrupted"};
    nb::dict out;
    const auto m = static_cast<std::size_t>(core.m());
    out["theta"] = to_numpy(std::move(r.theta));
    out["value"] = r.value;
    out["gradient"] = to_numpy(std::move(r.gradient));
    out["model"] = r.model.empty() ? nb::none() : nb::cast(to_numpy(std::move(r.model), {m, m}));
    out["decrement"] = r.decrement;
    out["iterations"] = r.iterations;
    out["status"] = names[static_cast<int>(r.status)];
    return out;
  }

  nb::dict examine(Dense theta, bool reml,
                   std::optional<nb::ndarray<const double, nb::ndim<2>, nb::device::cpu>> learnt) {
    const std::vector<double> at(checked(theta), theta.data() + theta.size());
    mm::Verdict v;
    {
      nb::gil_scoped_release release;
      const mm::BlasThreads blas(1);
      v = mm::examine(core, criterion(reml), at, learnt ? learnt->data() : nullptr);
    }
    nb::dict out;
    const auto m = at.size();
    out["value"] = v.value;
    out["gradient"] = to_numpy(std::move(v.gradient));
    out["hessian"] = to_numpy(std::move(v.hessian), {m, m});
    out["decrement"] = v.decrement;
    out["max_gradient"] = v.max_gradient;
    out["downhill"] = v.downhill.empty() ? nb::none() : nb::cast(to_numpy(std::move(v.downhill)));
    return out;
  }

  // Fits to responses (replicates x n): theta, beta, sigma, objective, status.
  nb::dict refit(nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu> responses, Dense start,
                 bool reml, int max_values, double decrement, double zero, int threads) const {
    const Products& products = analysis.products;
    if (static_cast<std::int64_t>(responses.shape(1)) != products.rows.n)
      throw nb::value_error("responses and rows differ in number");
    const std::vector<double> from(checked(start), start.data() + start.size());
    const mm::RefitModel model{products.rows, products.basis, products.A, analysis.symbolic, core.entries()};
    const auto count = responses.shape(0), m = from.size(), p = static_cast<std::size_t>(products.A.p);
    mm::Refits r;
    {
      nb::gil_scoped_release release;
      const mm::BlasThreads blas(1);
      r = mm::refit(model, responses.data(), static_cast<int>(count), from, criterion(reml),
                    {max_values, decrement, zero}, threads);
    }
    std::vector<std::int32_t> status(r.status.size());
    for (std::size_t i = 0; i < status.size(); ++i) status[i] = r.status[i] == mm::SearchStatus::converged ? 0 : 1;
    nb::dict out;
    out["theta"] = to_numpy(std::move(r.theta), {count, m});
    out["beta"] = to_numpy(std::move(r.beta), {count, p});
    out["sigma"] = to_numpy(std::move(r.sigma));
    out["objective"] = to_numpy(std::move(r.objective));
    out["status"] = to_numpy(std::move(status));
    return out;
  }

  Array<double> conditional_covariance(int factor) {
    const mm::FactorBlock& block = analysis.products.A.factors.at(factor);
    std::vector<double> out(block.diagonal.size());
    {
      nb::gil_scoped_release release;
      const mm::BlasThreads blas(1);
      core.pls().ensure_inverse();
      core.pls().conditional_covariance(factor, out.data());
    }
    const auto s = static_cast<std::size_t>(block.width);
    return to_numpy(std::move(out), {static_cast<std::size_t>(block.levels), s, s});
  }

  // L as the three arrays of compressed columns, permuted order.
  nb::tuple factor_csc() const {
    const mm::FactorPattern pattern = mm::factor_pattern(analysis.products.graph, analysis.symbolic);
    std::vector<double> values(pattern.place.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = core.pls().factor().panels()[pattern.place[i]];
    return nb::make_tuple(to_numpy(std::move(values)),
                          to_numpy(std::vector<std::int32_t>(pattern.row.begin(), pattern.row.end())),
                          to_numpy(std::vector<std::int64_t>(pattern.start)));
  }

  // RX (p x p upper): the transposed leading triangle of the factor of X'V^-1X.
  Array<double> RX() const {
    const auto p = static_cast<std::size_t>(analysis.products.A.p), k = p + 1;
    std::vector<double> out(p * p, 0.0);
    for (std::size_t r = 0; r < p; ++r)
      for (std::size_t c = r; c < p; ++c) out[r * p + c] = core.pls().RX()[c + r * k];
    return to_numpy(std::move(out), {p, p});
  }

  Array<double> RZX() const {
    const auto q = static_cast<std::size_t>(analysis.products.A.q),
               k = static_cast<std::size_t>(analysis.products.A.k());
    return to_numpy(std::vector<double>(core.pls().RZX()), {q, k});
  }

  // Coefficients of the kept columns of X.
  Array<double> beta() const {
    std::vector<double> out(core.pls().beta().size());
    analysis.products.basis.to_original(core.pls().beta().data(), out.data());
    return to_numpy(std::move(out));
  }
};

void bind_products(nb::module_& m) {
  nb::class_<Products>(
      m, "Products",
      "Cross-products of a design. Arguments: codes (one int32 array of length n per grouping factor),\n"
      "levels (their numbers), z (per factor a list of n x s matrices, any strides), X (n x p), y (n),\n"
      "weights and offset (n or None). The arrays must not change while the object lives.")
      .def(nb::init<std::vector<Codes>, std::vector<std::int32_t>, std::vector<std::vector<Matrix>>, Matrix, Vector,
                    std::optional<Vector>, std::optional<Vector>, int>(),
           nb::arg("codes"), nb::arg("levels"), nb::arg("z"), nb::arg("X"), nb::arg("y"),
           nb::arg("weights").none() = nb::none(), nb::arg("offset").none() = nb::none(), nb::arg("threads") = 1)
      .def_prop_ro("n", [](const Products& s) { return s.rows.n; })
      .def_prop_ro(
          "p", [](const Products& s) { return s.basis.p(); }, "Rank of X.")
      .def_prop_ro("q", [](const Products& s) { return s.A.q; })
      .def_prop_ro(
          "kept",
          [](const Products& s) {
            return to_numpy(std::vector<std::int32_t>(s.basis.kept.begin(), s.basis.kept.end()));
          },
          "Columns of X kept (p,); of a dependent set the first ones stay.", nb::rv_policy::automatic)
      .def_prop_ro(
          "R",
          [](const Products& s) {
            const auto p = static_cast<std::size_t>(s.basis.p());
            return to_numpy(std::vector<double>(s.basis.R), {p, p}, 'F');
          },
          "Triangle (p, p) with sqrt(W) X = Q R.", nb::rv_policy::automatic)
      .def_prop_ro("fits_exactly", [](const Products& s) { return s.basis.fits_exactly; })
      .def_prop_ro("residual_norm", [](const Products& s) { return s.basis.residual_norm; })
      .def_prop_ro("sum_log_weights", [](const Products& s) { return s.A.sum_log_weights; })
      .def_prop_ro(
          "ZtX",
          [](const Products& s) {
            return to_numpy(std::vector<double>(s.A.ZtX),
                            {static_cast<std::size_t>(s.A.q), static_cast<std::size_t>(s.A.k())});
          },
          "Z'W [Q, y - X beta_ls] (q, p + 1), core order.", nb::rv_policy::automatic)
      .def_prop_ro(
          "XtX",
          [](const Products& s) {
            const auto k = static_cast<std::size_t>(s.A.k());
            return to_numpy(std::vector<double>(s.A.XtX), {k, k});
          },
          nb::rv_policy::automatic)
      .def(
          "diagonal",
          [](const Products& s, int f) {
            const mm::FactorBlock& b = s.A.factors.at(f);
            const auto w = static_cast<std::size_t>(b.width);
            return to_numpy(std::vector<double>(b.diagonal), {static_cast<std::size_t>(b.levels), w, w});
          },
          nb::arg("factor"), "Z'WZ of one factor: (levels, s, s).")
      .def(
          "pairs",
          [](const Products& s) {
            nb::list out;
            for (const mm::PairBlock& b : s.A.pairs) {
              const auto wa = static_cast<std::size_t>(s.A.factors[b.a].width),
                         wb = static_cast<std::size_t>(s.A.factors[b.b].width);
              out.append(nb::make_tuple(b.a, b.b, to_numpy(std::vector<std::int64_t>(b.start)),
                                        to_numpy(std::vector<std::int32_t>(b.level_b)),
                                        to_numpy(std::vector<double>(b.values), {b.level_b.size(), wa, wb})));
            }
            return out;
          },
          "Z_b'WZ_a of every two factors a < b: a, b, start (levels of a + 1,), level of b (pairs,), values (pairs, "
          "s_a, s_b).")
      .def(
          "fill",
          [](const Products& s, std::variant<std::string, std::vector<int>> order) {
            mm::Elimination e;
            if (const auto* factors = std::get_if<std::vector<int>>(&order))
              e = mm::eliminate(s.graph, mm::factor_order(s.A, *factors), "factors");
            else
              e = mm::eliminate(s.graph, mm::minimum_degree(s.graph), "minimum degree");
            return std::pair<std::int64_t, double>(e.fill.nnz, e.fill.flops);
          },
          nb::arg("order"),
          "Nonzeros of L and flops of a factorization for an order of the factors or 'minimum degree'.");
}

void bind_analysis(nb::module_& m) {
  nb::class_<Analysis>(m, "Analysis",
                       "Order and pattern of the factor: 'cheapest', 'minimum degree' or a list of factors.")
      .def(nb::init<const Products&, std::variant<std::string, std::vector<int>>>(), nb::arg("products"),
           nb::arg("order") = std::string("cheapest"), nb::keep_alive<1, 2>())
      .def_prop_ro("order", [](const Analysis& s) { return s.symbolic.elimination.name; })
      .def_prop_ro("nnz", [](const Analysis& s) { return s.symbolic.elimination.fill.nnz; })
      .def_prop_ro("flops", [](const Analysis& s) { return s.symbolic.elimination.fill.flops; })
      .def_prop_ro("supernodes", [](const Analysis& s) { return s.symbolic.supernodes.size(); })
      .def_prop_ro(
          "largest",
          [](const Analysis& s) {
            int largest = 0;
            for (const mm::Supernode& node : s.symbolic.supernodes) largest = std::max(largest, node.width);
            return largest;
          },
          "Width of the widest supernode.")
      .def_prop_ro(
          "stored", [](const Analysis& s) { return s.symbolic.panel_size; }, "Numbers stored for L.")
      .def_prop_ro(
          "permutation", [](const Analysis& s) { return to_numpy(s.permutation()); },
          "Core position (q,) of every position in the permuted order.", nb::rv_policy::automatic);
}

void bind_evaluator(nb::module_& m) {
  nb::class_<Evaluator>(m, "Evaluator", "The criterion with its workspace. Not for use from two threads at a time.")
      .def(nb::init<const Analysis&, std::vector<std::vector<int>>, int>(), nb::arg("analysis"), nb::arg("entries"),
           nb::arg("threads") = 1, nb::keep_alive<1, 2>())
      .def("value", &Evaluator::value, nb::arg("theta"), nb::arg("reml"),
           "The criterion; NaN where it cannot be computed.")
      .def("gradient", &Evaluator::gradient, nb::arg("reml"), "Gradient (m,) at the theta of the last value().")
      .def("hessian", &Evaluator::hessian, nb::arg("theta"), nb::arg("reml"), nb::arg("gradient").none(),
           nb::arg("steps"), "Differences (m, m) of the gradient: forward from `gradient`, central when it is None.")
      .def(
          "start", [](const Evaluator& s) { return to_numpy(s.core.start()); }, "Start for theta by moments.")
      .def_prop_ro(
          "unit", [](const Evaluator& s) { return to_numpy(std::vector<double>(s.core.unit())); },
          "(m,) natural unit of theta: one over the root mean square of the column of Z that its row multiplies.",
          nb::rv_policy::automatic)
      .def("quasi_newton", &Evaluator::quasi_newton, nb::arg("theta"), nb::arg("reml"), nb::arg("max_values"),
           nb::arg("decrement"), nb::arg("zero"), nb::arg("progress").none())
      .def(
          "examine", &Evaluator::examine, nb::arg("theta"), nb::arg("reml"), nb::arg("learnt").none(),
          "Value, gradient, Hessian, decrement, max_gradient and downhill (a direction of negative curvature or None).")
      .def("refit", &Evaluator::refit, nb::arg("responses"), nb::arg("start"), nb::arg("reml"), nb::arg("max_values"),
           nb::arg("decrement"), nb::arg("zero"), nb::arg("threads"),
           "Fits to responses (replicates, n): theta, beta, sigma, objective, status (0: converged).")
      .def("conditional_covariance", &Evaluator::conditional_covariance, nb::arg("factor"),
           "lam [M^-1]_ll lam' (levels, s, s) at the theta of the last value().")
      .def("factor_csc", &Evaluator::factor_csc, "Data, row indices and column starts of L.")
      .def_prop_ro("RX", &Evaluator::RX, "(p, p) upper, of the basis: that of X is this times Products.R.",
                   nb::rv_policy::automatic)
      .def_prop_ro(
          "RZX", &Evaluator::RZX,
          "(q, p + 1), of the basis (RZX of X is this times Products.R); the last column is c_u. Permuted order.",
          nb::rv_policy::automatic)
      .def_prop_ro("beta", &Evaluator::beta, "Coefficients (p,) of the kept columns.", nb::rv_policy::automatic)
      .def_prop_ro(
          "u", [](const Evaluator& s) { return to_numpy(std::vector<double>(s.core.pls().u())); }, "(q,), core order.",
          nb::rv_policy::automatic)
      .def_prop_ro(
          "b", [](const Evaluator& s) { return to_numpy(std::vector<double>(s.core.pls().b())); }, "(q,), core order.",
          nb::rv_policy::automatic)
      .def_prop_ro("pwrss", [](const Evaluator& s) { return s.core.pls().pwrss(); })
      .def_prop_ro("logdet_L2", [](const Evaluator& s) { return s.core.pls().logdet_L2(); })
      .def_prop_ro(
          "logdet_RX2", [](const Evaluator& s) { return s.core.pls().logdet_RX2(); }, "Of the kept columns of X.")
      .def_prop_ro("cancellation", [](const Evaluator& s) { return s.core.pls().cancellation(); })
      .def_prop_ro("n_value", [](const Evaluator& s) { return s.core.n_value(); })
      .def_prop_ro("n_gradient", [](const Evaluator& s) { return s.core.n_gradient(); })
      .def("reset_counts", [](Evaluator& s) { s.core.reset_counts(); });
}

}  // namespace

void bind_model(nb::module_& m) {
  bind_products(m);
  bind_analysis(m);
  bind_evaluator(m);
}
