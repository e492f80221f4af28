// Bindings of generalized/laplace.hpp.
#include <nanobind/stl/pair.h>

#include <cmath>

#include "after/generalized_refit.hpp"
#include "evaluators.hpp"
#include "generalized.hpp"
#include "kernels/blas.hpp"
#include "results.hpp"

mm::GeneralizedModel GeneralizedEvaluator::make(const Analysis& analysis, const Entries& entries,
                                                const std::string& family, const std::string& link, const Vector& y,
                                                const Vector& m, const std::optional<Vector>& offset) {
  const auto n = static_cast<std::size_t>(analysis.model.rows.n);
  if (y.size() != n || m.size() != n || (offset && offset->size() != n))
    throw nb::value_error("the response, its weights or its offset are not of as many rows as the products");
  mm::GeneralizedModel out;
  out.model = with_entries(analysis.model, entries);
  out.family = mm::make_family(family, link);
  in_core([&] {
    out.unit = {out.family->unit_rule(), static_cast<std::int64_t>(n), column_of(y)};
    mm::Column added = offset ? column_of(*offset) : mm::Column{};
    std::vector<double> in_unit;
    if (out.unit.added != 0 || (offset && out.unit.predictor != 1)) {
      in_unit.assign(n, out.unit.added);
      for (std::size_t i = 0; offset && i < n; ++i)
        in_unit[i] += out.unit.predictor * added[static_cast<std::int64_t>(i)];
      added = {in_unit.data(), 1};
    }
    out.rows = std::make_shared<mm::WeightedRows>(out.model, added);
    out.m = out.rows->sorted(column_of(m));
    out.take(column_of(y));
    out.scale_parameters();
  });
  return out;
}

// The columns of the designs in their frames, times the root of n: of mean square 1.
const mm::GeneralizedModel& GeneralizedEvaluator::with(const ParameterDesigns& designs) {
  const std::int64_t n = model.rows->n();
  const int count = model.family->parameters();
  const double root = std::sqrt(static_cast<double>(n));
  frames.resize(count);
  for (const auto& [k, design] : designs) {
    if (k < 0 || k >= count || design->model.rows.n != n)
      throw nb::value_error("a model matrix is not of a parameter of the family, or not of as many rows");
    model.parameter_columns.resize(count);
    mm::Frame& frame = frames[k] = design->model.basis;
    const auto p = static_cast<std::size_t>(frame.p()), rows = static_cast<std::size_t>(n);
    constexpr int kBlock = 512;
    const CoreCall call;
    mm::require_memory("Predictors of the family's parameters", {{"columns", mm::bytes_of_numbers(1.0 * p * n)}});
    mm::BasisRows basis(design->model.rows, frame, kBlock);
    std::vector<double>& columns = model.parameter_columns[k];
    for (double& r : frame.R) r /= root;
    std::vector<double> unsorted(rows);
    for (std::size_t j = 0; j < p; ++j) {
      for (std::int64_t first = 0; first < n; first += kBlock) {
        const int in = static_cast<int>(std::min<std::int64_t>(kBlock, n - first));
        const double* from = basis.block(first, in);
        for (int i = 0; i < in; ++i) unsorted[first + i] = from[static_cast<std::size_t>(i) * (p + 1) + j];
      }
      const std::vector<double> sorted = model.rows->sorted(mm::Column{unsorted.data(), 1});
      columns.insert(columns.end(), sorted.begin(), sorted.end());
    }
  }
  return model;
}

void GeneralizedEvaluator::to_user(double* par) const {
  axes().from_axes(par);
  const std::vector<double> frame(par + m(), par + m() + core.p());
  model.model.basis.to_original(frame.data(), par + m());
  double* psi = par + m() + core.p();
  for (std::size_t j = 0; j < origin.size(); ++j) psi[0] += origin[j] * par[m() + j];
  for (const mm::Frame& own : frames) {
    if (own.p() > 0) own.solve_R(psi, 1);
    psi += std::max(own.p(), 1);
  }
}

namespace {

// R b.
void multiply_R(const mm::Frame& frame, double* b) {
  const auto p = static_cast<std::size_t>(frame.p());
  for (std::size_t i = 0; i < p; ++i) {
    double sum = 0;
    for (std::size_t j = i; j < p; ++j) sum += frame.R[i + j * p] * b[j];
    b[i] = sum;
  }
}

}  // namespace

// R beta of the original coefficients; the frame has no origin.
void GeneralizedEvaluator::from_user(double* par) const {
  axes().to_axes(par);
  double* psi = par + m() + core.p();
  for (std::size_t j = 0; j < origin.size(); ++j) psi[0] -= origin[j] * par[m() + j];
  multiply_R(model.model.basis, par + m());
  for (const mm::Frame& own : frames) {
    multiply_R(own, psi);
    psi += std::max(own.p(), 1);
  }
}

namespace {

using Evaluator_ = GeneralizedEvaluator;

Array<double> mapped(const Evaluator_& s, AnyShape values, void (Evaluator_::*along)(double*) const) {
  const auto size = static_cast<std::size_t>(s.core.size());
  std::vector<std::size_t> dims;
  for (std::size_t i = 0; i < values.ndim(); ++i) dims.push_back(values.shape(i));
  if (dims.empty() || dims.back() != size) throw nb::value_error("the parameters have the wrong number");
  std::vector<double> out(values.data(), values.data() + values.size());
  for (std::size_t at = 0; at < out.size(); at += size) (s.*along)(out.data() + at);
  return to_numpy(std::move(out), dims);
}

Array<double> gradient(Evaluator_& s) {
  std::vector<double> out(s.core.size());
  in_core([&] { s.core.gradient(out.data()); });
  return to_numpy(std::move(out));
}

Array<double> hessian(Evaluator_& s, Dense par) {
  const std::vector<double> at(s.checked(par), par.data() + par.size());
  const std::size_t size = at.size();
  std::vector<double> out = in_core([&] { return s.core.hessian(at); });
  return to_numpy(std::move(out), {size, size});
}

Array<double> next_term(Evaluator_& s, Dense par) {
  const std::vector<double> at(s.checked(par), par.data() + par.size());
  return to_numpy(in_core([&] { return s.core.next_term(at); }));
}

Array<double> conditional_covariance(Evaluator_& s, int factor) {
  return level_covariances(s.A(), factor, [&](double* out) {
    s.core.with_determinant(false, [&](mm::Pls& pls) {
      pls.ensure_inverse();
      pls.conditional_covariance(factor, out);
    });
  });
}

Array<double> conditional_vcov(Evaluator_& s) {
  const auto p = static_cast<std::size_t>(s.core.p());
  std::vector<double> out = in_core([&] { return s.core.conditional_vcov(); });
  const double unit = s.model.unit.predictor;
  for (double& entry : out) entry /= unit * unit;
  return to_numpy(std::move(out), {p, p});
}

struct GeneralizedRefits {
  Array<double> par, objective;
  Array<std::int32_t> status;
};

GeneralizedRefits refit(const Evaluator_& s, Table responses, Dense start, const mm::SearchSettings& settings,
                        int threads) {
  if (static_cast<std::int64_t>(responses.shape(1)) != s.model.rows->n())
    throw nb::value_error("responses and rows differ in number");
  const std::vector<double> from(s.checked(start), start.data() + start.size());
  const std::size_t count = responses.shape(0), size = from.size();
  mm::GeneralizedRefits found = in_core([&] {
    return mm::refit(s.model, s.approximation, responses.data(), static_cast<int>(count), from, settings, threads);
  });
  for (double& value : found.objective) value += s.of_integral();
  std::vector<std::int32_t> status(count);
  for (std::size_t i = 0; i < count; ++i) status[i] = found.status[i] == mm::SearchStatus::converged ? 0 : 1;
  return {to_numpy(std::move(found.par), {count, size}), to_numpy(std::move(found.objective)),
          to_numpy(std::move(status))};
}

// In the order and unit of the caller.
std::vector<double> predictors(const Evaluator_& s) {
  std::vector<double> eta = s.model.rows->unsorted(s.core.eta());
  for (double& entry : eta) entry = (entry - s.model.unit.added) / s.model.unit.predictor;
  return eta;
}

std::vector<double> scores(const Evaluator_& s) {
  std::vector<double> out = s.model.rows->unsorted(s.core.scores_of_rows());
  for (double& entry : out) entry *= s.model.unit.predictor;
  return out;
}

std::vector<double> weights(const Evaluator_& s) {
  std::vector<double> w = s.model.rows->unsorted(in_core([&] { return s.core.weights(); }));
  for (double& entry : w) entry *= s.model.unit.predictor * s.model.unit.predictor;
  return w;
}

}  // namespace

void bind_generalized(nb::module_& m) {
  Result<GeneralizedRefits>(m, "GeneralizedRefits", "Fits of a generalized model to responses; NaN where one failed.")
      .array("par", &GeneralizedRefits::par, "(replicates, m + p + k) parameters of the search.")
      .array("objective", &GeneralizedRefits::objective, "(replicates,) -2 log-likelihood.")
      .array("status", &GeneralizedRefits::status, "(replicates,) 0 when converged.");
  auto evaluator =
      nb::class_<Evaluator_>(
          m, "GeneralizedEvaluator",
          "Laplace's approximation of a generalized model with its workspace. Parameters are theta along\n"
          "the axes of the terms, coefficients of the basis, and those of the family. Not for use from\n"
          "two threads at a time.")
          .def(nb::init<const Analysis&, Entries, const std::string&, const std::string&, Vector, Vector,
                        std::optional<Vector>, const ParameterDesigns&, std::vector<double>, int, const std::string&,
                        bool, int>(),
               nb::arg("analysis"), nb::arg("entries"), nb::arg("family"), nb::arg("link"), nb::arg("y"), nb::arg("m"),
               nb::arg("offset").none(), nb::arg("designs"), nb::arg("origin"), nb::arg("nodes") = 1,
               nb::arg("coefficients") = "searched", nb::arg("expected") = false, nb::arg("threads") = 1,
               nb::keep_alive<1, 2>())
          .def(
              "value",
              [](Evaluator_& s, Dense par) {
                const double* at = s.checked(par);
                return s.constant() + in_core([&] { return s.core.value(at); });
              },
              nb::arg("par"), "-2 log-likelihood; NaN where it cannot be computed.")
          .def(
              "begin_at",
              [](Evaluator_& s, Dense u) {
                if (u.size() != s.core.u().size()) throw nb::value_error("the modes have the wrong number");
                s.core.begin_at({u.data(), u.data() + u.size()});
              },
              nb::arg("u"), "The next value() begins at these modes (q,), in core order.")
          .def("gradient", &gradient, "(m + p + k,) at the parameters of the last value().")
          .def("hessian", &hessian, nb::arg("par"), "(m + p + k, m + p + k) second derivatives.")
          .def("next_term", &next_term, nb::arg("par"),
               "What the next term of the expansion adds, by connected component of the levels; empty where it is not "
               "had.")
          .def(
              "start", [](Evaluator_& s) { return to_numpy(in_core([&] { return s.core.start(); })); },
              "Where a search begins.")
          .def(
              "to_user", [](const Evaluator_& s, AnyShape par) { return mapped(s, par, &Evaluator_::to_user); },
              nb::arg("par"), "Parameters (..., m + p + k) of the caller's columns.")
          .def(
              "from_user", [](const Evaluator_& s, AnyShape par) { return mapped(s, par, &Evaluator_::from_user); },
              nb::arg("par"), "Parameters (..., m + p + k) of a search, from those of the caller's columns.")
          .def_prop_ro(
              "unit", [](const Evaluator_& s) { return to_numpy(std::vector<double>(s.core.unit())); },
              nb::rv_policy::automatic)
          .def_prop_ro(
              "predictor_unit", [](const Evaluator_& s) { return s.model.unit.predictor; },
              "What a unit of the linear predictor is in a search.")
          .def_prop_ro("p", [](const Evaluator_& s) { return s.core.p(); })
          .def_prop_ro(
              "par", [](const Evaluator_& s) { return to_numpy(std::vector<double>(s.core.parameters_at())); },
              "Where it stands.", nb::rv_policy::automatic)
          .def_prop_ro(
              "u", [](const Evaluator_& s) { return to_numpy(std::vector<double>(s.core.u())); }, "(q,), core order.",
              nb::rv_policy::automatic)
          .def_prop_ro(
              "b", [](const Evaluator_& s) { return to_numpy(original_modes(s.A(), s.core.modes())); },
              "(q,), core order, of the caller's columns of Z.", nb::rv_policy::automatic)
          .def_prop_ro(
              "eta", [](const Evaluator_& s) { return to_numpy(predictors(s)); }, "(n,) linear predictor at the mode.",
              nb::rv_policy::automatic)
          .def_prop_ro(
              "scores", [](const Evaluator_& s) { return to_numpy(scores(s)); },
              "(n,) derivatives of the log densities by the predictor there.", nb::rv_policy::automatic)
          .def_prop_ro(
              "weights", [](const Evaluator_& s) { return to_numpy(weights(s)); },
              "(n,) minus the second derivatives there, or their expected values, as the determinant has them.",
              nb::rv_policy::automatic)
          .def_prop_ro("logdet_L2", [](const Evaluator_& s) { return s.core.logdet(); })
          .def_prop_ro(
              "penalized", [](const Evaluator_& s) { return s.constant() + 2 * s.core.penalized(); },
              "-2 log density of response and modes.")
          .def("refit", &refit, nb::arg("responses"), nb::arg("start"), nb::arg("settings"), nb::arg("threads"),
               "Fits to responses (replicates, n), in workspaces of their own.")
          .def("conditional_covariance", &conditional_covariance, nb::arg("factor"),
               "Covariances (levels, s, s) of the modes given the parameters.")
          .def("conditional_vcov", &conditional_vcov, "(p, p) covariance of the basis's coefficients for known theta.")
          .def_prop_ro("n_value", [](const Evaluator_& s) { return s.core.n_value(); })
          .def_prop_ro("n_gradient", [](const Evaluator_& s) { return s.core.n_gradient(); });
  bind_axes(evaluator);
}
