// Bindings of criterion.hpp, hessian.hpp and refit.hpp.
#include "after/refit.hpp"
#include "criterion/differences.hpp"
#include "criterion/hessian.hpp"
#include "criterion/identify.hpp"
#include "evaluators.hpp"
#include "model.hpp"
#include "results.hpp"

double Evaluator::value(Dense theta, bool reml) {
  const double* at = checked(theta);
  return in_core([&] { return of(reml).value(at); });
}

Array<double> Evaluator::gradient(bool reml) {
  std::vector<double> out(core.m());
  in_core([&] { of(reml).gradient(out.data()); });
  return to_numpy(std::move(out));
}

std::optional<Array<double>> Evaluator::hessian(bool reml) {
  std::vector<double> out = in_core([&] { return mm::hessian(of(reml)); });
  if (out.empty()) return {};
  const auto m = static_cast<std::size_t>(core.m());
  return to_numpy(std::move(out), {m, m});
}

Array<double> Evaluator::difference_hessian(Dense theta, bool reml, bool forward) {
  const std::vector<double> at(checked(theta), theta.data() + theta.size());
  std::vector<double> out = in_core([&] { return mm::difference_hessian(of(reml), at, forward); });
  return to_numpy(std::move(out), {at.size(), at.size()});
}

Array<double> Evaluator::conditional_covariance(int factor) {
  return level_covariances(A(), factor, [&](double* out) {
    core.pls().ensure_inverse();
    core.pls().conditional_covariance(factor, out);
  });
}

double Evaluator::sigma(bool reml) const { return core.pls().sigma(likelihood(reml)); }

Array<double> Evaluator::RZX() const {
  const auto q = static_cast<std::size_t>(A().q), k = static_cast<std::size_t>(A().k());
  std::vector<double> out(core.pls().RZX());
  for (std::size_t i = k - 1; i < out.size(); i += k) out[i] *= A().unit;
  return to_numpy(std::move(out), {q, k});
}

namespace {

struct Refits {
  Array<double> theta, beta, sigma, objective;
  Array<std::int32_t> status;
};

struct FactorColumns {
  Array<double> values;
  Array<std::int32_t> rows;
  Array<std::int64_t> starts;
};

Refits refit(const Evaluator& evaluator, Table responses, Dense start, bool reml, const mm::SearchSettings& settings,
             int threads) {
  const mm::Model& model = evaluator.model;
  const std::int64_t expected = model.rows.present() ? model.rows.n : mm::response_sums(*model.A);
  if (static_cast<std::int64_t>(responses.shape(1)) != expected)
    throw nb::value_error("responses and rows differ in number");
  const std::vector<double> from(evaluator.checked(start), start.data() + start.size());
  const auto count = responses.shape(0), m = from.size(), p = static_cast<std::size_t>(model.A->p);
  mm::Refits found = in_core([&] {
    return mm::refit(model, responses.data(), static_cast<int>(count), from, likelihood(reml), settings, threads);
  });
  std::vector<std::int32_t> status(count);
  for (std::size_t i = 0; i < count; ++i) status[i] = found.status[i] == mm::SearchStatus::converged ? 0 : 1;
  return {to_numpy(std::move(found.theta), {count, m}), to_numpy(std::move(found.beta), {count, p}),
          to_numpy(std::move(found.sigma)), to_numpy(std::move(found.objective)), to_numpy(std::move(status))};
}

FactorColumns factor_columns(const Evaluator& evaluator) {
  const mm::Factor& factor = evaluator.core.pls().factor();
  std::vector<double> values;
  mm::FactorPattern pattern = in_core([&] {
    mm::FactorPattern found = mm::factor_pattern(*evaluator.model.graph, *evaluator.model.symbolic);
    values.resize(found.place.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = factor.panels()[found.place[i]];
    return found;
  });
  return {to_numpy(std::move(values)), to_numpy(std::vector<std::int32_t>(pattern.row.begin(), pattern.row.end())),
          to_numpy(std::move(pattern.start))};
}

std::vector<Array<double>> starts(const Evaluator& evaluator) {
  std::vector<Array<double>> out;
  for (std::vector<double>& start : in_core([&] { return evaluator.core.starts(); }))
    out.push_back(to_numpy(std::move(start)));
  return out;
}

void bind_results(nb::module_& m) {
  Result<mm::HessianCost>(m, "HessianCost", "What second derivatives cost, in flops of a dense factorization, about.")
      .value("exact", &mm::HessianCost::exact, "The exact ones.")
      .value("differences", &mm::HessianCost::differences, "Differences of 2 m gradients.")
      .value("numbers", &mm::HessianCost::numbers, "Numbers that the exact ones need room for.");
  Result<mm::Identifiability>(m, "Identifiability", "Whether covariance parameters may be confounded.")
      .value("pivot", &mm::Identifiability::pivot, "Least pivot of the scaled Gram matrix of the derivatives of V.")
      .value("share", &mm::Identifiability::share, "Least part of a column of Z that X leaves over.");
  Result<Refits>(m, "Refits", "Fits to other responses; NaN where nothing can be computed.")
      .array("theta", &Refits::theta, "(replicates, m) along the axes of the terms.")
      .array("beta", &Refits::beta, "(replicates, p) of the kept columns.")
      .array("sigma", &Refits::sigma, "(replicates,).")
      .array("objective", &Refits::objective, "(replicates,) the criterion.")
      .array("status", &Refits::status, "(replicates,) 0: converged.");
  Result<FactorColumns>(m, "FactorColumns", "L by compressed columns, permuted order.")
      .array("values", &FactorColumns::values, "(nnz,).")
      .array("rows", &FactorColumns::rows, "(nnz,).")
      .array("starts", &FactorColumns::starts, "(q + 1,).");
}

}  // namespace

void bind_evaluator(nb::module_& m) {
  bind_results(m);
  auto evaluator =
      nb::class_<Evaluator>(m, "Evaluator", "The criterion with its workspace. Not for use from two threads at a time.")
          .def(nb::init<const Analysis&, Entries, int>(), nb::arg("analysis"), nb::arg("entries"),
               nb::arg("threads") = 1, nb::keep_alive<1, 2>())
          .def("value", &Evaluator::value, nb::arg("theta"), nb::arg("reml"),
               "The criterion; NaN where it cannot be computed.")
          .def("gradient", &Evaluator::gradient, nb::arg("reml"), "Gradient (m,) at the theta of the last value().")
          .def("hessian", &Evaluator::hessian, nb::arg("reml"),
               "Exact second derivatives (m, m) at the theta of the last value(); None where they would lose their "
               "digits.")
          .def(
              "hessian_cost", [](const Evaluator& s) { return in_core([&] { return mm::hessian_cost(s.model); }); },
              "What hessian() costs.")
          .def("difference_hessian", &Evaluator::difference_hessian, nb::arg("theta"), nb::arg("reml"),
               nb::arg("forward"), "Differences (m, m) of the gradient, forward or central.")
          .def("starts", &starts, "Starts for theta by moments: one, or two where there may be two basins.")
          .def(
              "identifiability",
              [](const Evaluator& s, bool reml) {
                return in_core([&] { return mm::identifiability(s.A(), s.model.entries, likelihood(reml)); });
              },
              nb::arg("reml"))
          .def_prop_ro(
              "unit", [](const Evaluator& s) { return to_numpy(std::vector<double>(s.core.unit())); },
              "(m,) natural unit of theta: one over the root mean square of the column of Z that its row multiplies.",
              nb::rv_policy::automatic)
          .def("refit", &refit, nb::arg("responses"), nb::arg("start"), nb::arg("reml"), nb::arg("settings"),
               nb::arg("threads"),
               "Fits to responses (replicates, n); without rows to their sums (replicates, q + p + 1), see ErrorSums.")
          .def("conditional_covariance", &Evaluator::conditional_covariance, nb::arg("factor"),
               "lam [M^-1]_ll lam' (levels, s, s) at the theta of the last value().")
          .def("factor_columns", &factor_columns, "L at the theta of the last value().")
          .def_prop_ro(
              "RX", [](const Evaluator& s) { return upper_triangle(s.A().p, s.core.pls().RX()); },
              "(p, p) upper, of the basis: that of X is this times Products.R.", nb::rv_policy::automatic)
          .def(
              "vcov",
              [](const Evaluator& s, bool reml) {
                return fixed_covariance(s.model.basis, s.core.pls().RX(), s.sigma(reml));
              },
              nb::arg("reml"), "(p, p) covariance of the kept coefficients.")
          .def("sigma", &Evaluator::sigma, nb::arg("reml"), "Residual standard deviation.")
          .def_prop_ro(
              "RZX", &Evaluator::RZX,
              "(q, p + 1), of the basis (RZX of X is this times Products.R); the last column is c_u. Permuted order.",
              nb::rv_policy::automatic)
          .def_prop_ro(
              "beta", [](const Evaluator& s) { return original_coefficients(s.model.basis, s.core.pls().beta()); },
              "Coefficients (p,) of the kept columns.", nb::rv_policy::automatic)
          .def_prop_ro(
              "u", [](const Evaluator& s) { return in_unit(s.A(), s.core.pls().u()); }, "(q,), core order.",
              nb::rv_policy::automatic)
          .def_prop_ro(
              "b", [](const Evaluator& s) { return in_unit(s.A(), original_modes(s.A(), s.core.pls().b())); },
              "(q,), core order, of the caller's columns of Z.", nb::rv_policy::automatic)
          .def_prop_ro("pwrss", [](const Evaluator& s) { return s.A().unit * s.A().unit * s.core.pls().pwrss(); })
          .def_prop_ro("logdet_L2", [](const Evaluator& s) { return s.core.pls().logdet_L2(); })
          .def_prop_ro(
              "logdet_RX2", [](const Evaluator& s) { return s.core.pls().logdet_RX2(); }, "Of the kept columns of X.")
          .def_prop_ro("cancellation", [](const Evaluator& s) { return s.core.pls().cancellation(); })
          .def_prop_ro("n_value", [](const Evaluator& s) { return s.core.n_value(); })
          .def_prop_ro("n_gradient", [](const Evaluator& s) { return s.core.n_gradient(); })
          .def("reset_counts", [](Evaluator& s) { s.core.reset_counts(); });
  bind_axes(evaluator);
}
