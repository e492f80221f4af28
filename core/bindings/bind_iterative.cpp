// Bindings of estimator.hpp and costs.hpp: the evaluator for crossed factors whose factor would be too large.
#include "criterion/differences.hpp"
#include "criterion/identify.hpp"
#include "criterion/starts.hpp"
#include "evaluators.hpp"
#include "iterative/costs.hpp"
#include "iterative/estimator.hpp"
#include "model.hpp"
#include "results.hpp"

namespace {

Array<double> square(std::vector<double> values, std::size_t size) { return to_numpy(std::move(values), {size, size}); }

struct Estimator {
  mm::Model model;
  mm::Estimator core;

  Estimator(const Products& products, Entries entries, std::uint64_t seed, int threads)
      : model(with_entries(products.model, entries)), core(*model.A, model.entries, seed, threads) {}
  mm::ThetaAxes axes() const { return {*model.A, model.entries}; }
  Estimator(const Estimator&) = delete;
  Estimator& operator=(const Estimator&) = delete;

  const mm::CrossProducts& A() const { return *model.A; }
  std::size_t m() const { return model.entries.size(); }
  const double* checked(const Dense& theta) const {
    if (theta.size() != m()) throw nb::value_error("theta has the wrong length");
    return theta.data();
  }

  bool prepare(Dense theta, int basis, int probes) {
    const double* at = checked(theta);
    return in_core([&] { return core.prepare(at, {basis, probes}); });
  }
  double value(Dense theta, bool reml) {
    const double* at = checked(theta);
    in_core([&] { core.update(at); });
    return core.criterion(likelihood(reml));
  }
  Array<double> gradient(bool reml) const {
    std::vector<double> out(m());
    core.gradient(likelihood(reml), out.data());
    return to_numpy(std::move(out));
  }
  // Forward; solves by conjugate gradients leave an error in gradients, beside which a step must be long.
  Array<double> difference_hessian(Dense theta, Dense gradient, bool reml) {
    constexpr double kStep = 1e-3;
    const std::vector<double> at(checked(theta), theta.data() + m()), slope(checked(gradient), gradient.data() + m());
    const std::vector<double> steps = mm::difference_steps(at, mm::natural_units(model), kStep);
    const auto gradient_at = [&](const std::vector<double>& par, std::vector<double>& out) {
      core.update(par.data());
      core.gradient(likelihood(reml), out.data());
    };
    return square(in_core([&] { return mm::difference_hessian(gradient_at, at, steps, slope); }), m());
  }
  double sigma(bool reml) const { return core.sigma(likelihood(reml)); }
};

Array<double> fixed_derivatives(const Estimator& s) {
  const auto p = static_cast<std::size_t>(s.A().p);
  std::vector<double> out(s.m() * p * p);
  s.core.fixed_derivatives(out.data());
  return to_numpy(std::move(out), {s.m(), p, p});
}

Array<double> log_pwrss(const Estimator& s) {
  std::vector<double> out(s.m());
  s.core.pwrss_gradient(out.data());
  for (double& v : out) v /= s.core.pwrss();
  return to_numpy(std::move(out));
}

std::vector<Array<double>> starts(const Estimator& s) {
  std::vector<Array<double>> out;
  for (std::vector<double>& start : in_core([&] { return mm::moment_starts(s.A(), s.model.entries); }))
    out.push_back(to_numpy(std::move(start)));
  return out;
}

void bind_estimator(nb::module_& m) {
  auto estimator =
      nb::class_<Estimator>(
          m, "Estimator",
          "The criterion of crossed factors with an estimated log-determinant; everything else is exact.\n"
          "Arguments: products, entries of theta, seed of the probes, threads.")
          .def(nb::init<const Products&, Entries, std::uint64_t, int>(), nb::arg("products"), nb::arg("entries"),
               nb::arg("seed"), nb::arg("threads") = 1, nb::keep_alive<1, 2>())
          .def("prepare", &Estimator::prepare, nb::arg("theta"), nb::arg("basis") = 0, nb::arg("probes") = 0,
               "Makes basis and probes at theta; 0 leaves their number to the standard error, basis=-1 makes none.")
          .def("value", &Estimator::value, nb::arg("theta"), nb::arg("reml"),
               "The criterion at theta, NaN if it fails.")
          .def("gradient", &Estimator::gradient, nb::arg("reml"), "(m,) at the theta of the last `value`.")
          .def("difference_hessian", &Estimator::difference_hessian, nb::arg("theta"), nb::arg("gradient"),
               nb::arg("reml"),
               "(m, m) differences of the gradient, by the same probes, from the one there; moves the estimator.")
          .def("sigma", &Estimator::sigma, nb::arg("reml"))
          .def(
              "vcov",
              [](const Estimator& s, bool reml) { return fixed_covariance(s.model.basis, s.core.RX(), s.sigma(reml)); },
              nb::arg("reml"), "(p, p) covariance of the coefficients kept.")
          .def(
              "conditional_covariance",
              [](Estimator& s, int factor) {
                return level_covariances(s.A(), factor,
                                         [&](double* out) { s.core.conditional_covariance(factor, out); });
              },
              nb::arg("factor"), "(levels, s, s) over sigma^2.")
          .def(
              "identifiability",
              [](const Estimator& s, bool reml) {
                return in_core([&] { return mm::identifiability(s.A(), s.model.entries, likelihood(reml)); });
              },
              nb::arg("reml"))
          .def("starts", &starts, "Starts by moments.")
          .def_prop_ro(
              "unit", [](const Estimator& s) { return to_numpy(mm::natural_units(s.model)); }, "(m,) units of theta.",
              nb::rv_policy::automatic)
          .def_prop_ro(
              "information", [](const Estimator& s) { return square(s.core.information(), s.m()); },
              "(m, m) expected second derivatives as if the factors were orthogonal.", nb::rv_policy::automatic)
          .def_prop_ro(
              "gradient_covariance",
              [](const Estimator& s) { return square(std::vector<double>(s.core.gradient_covariance()), s.m()); },
              "(m, m) of the gradient, by the choice of the probes.", nb::rv_policy::automatic)
          .def_prop_ro("standard_error", [](const Estimator& s) { return s.core.standard_error(); })
          .def_prop_ro("basis", [](const Estimator& s) { return s.core.effort().basis; })
          .def_prop_ro("probes", [](const Estimator& s) { return s.core.effort().probes; })
          .def_prop_ro("steps", [](const Estimator& s) { return s.core.steps(); })
          .def_prop_ro("iterations", [](const Estimator& s) { return s.core.iterations(); })
          .def_prop_ro("logdet_L2", [](const Estimator& s) { return s.core.logdet_L2(); })
          .def_prop_ro("logdet_RX2", [](const Estimator& s) { return s.core.logdet_RX2(); })
          .def_prop_ro("pwrss", [](const Estimator& s) { return s.A().unit * s.A().unit * s.core.pwrss(); })
          .def_prop_ro(
              "cancellation", [](const Estimator& s) { return s.core.cancellation(); },
              "How many times larger than pwrss the numbers are that it is the difference of.")
          .def_prop_ro(
              "RX", [](const Estimator& s) { return upper_triangle(s.A().p, s.core.RX()); }, nb::rv_policy::automatic)
          .def_prop_ro(
              "beta", [](const Estimator& s) { return original_coefficients(s.model.basis, s.core.beta()); },
              nb::rv_policy::automatic)
          .def_prop_ro(
              "u", [](const Estimator& s) { return in_unit(s.A(), s.core.u()); }, nb::rv_policy::automatic)
          .def_prop_ro(
              "b", [](const Estimator& s) { return in_unit(s.A(), original_modes(s.A(), s.core.b())); },
              nb::rv_policy::automatic)
          .def_prop_ro("fixed_derivatives", &fixed_derivatives, "(m, p, p) of X'V^-1X of the basis.",
                       nb::rv_policy::automatic)
          .def_prop_ro("log_pwrss", &log_pwrss, "(m,) derivatives of log pwrss.", nb::rv_policy::automatic);
  bind_axes(estimator);
}

}  // namespace

void bind_iterative(nb::module_& m) {
  Result<mm::Outlook>(m, "Outlook", "What an evaluation costs with the factor and without it.")
      .value("root", &mm::Outlook::root, "Random effects of all factors but the largest.")
      .value("exact_flops", &mm::Outlook::exact_flops, "Of factor and inverse.")
      .value("exact_bytes", &mm::Outlook::exact_bytes)
      .value("iterative_flops", &mm::Outlook::iterative_flops, "What it could do in the time, about.")
      .value("iterative_bytes", &mm::Outlook::iterative_bytes)
      .value("products_bytes", &mm::Outlook::products_bytes)
      .value("counted", &mm::Outlook::counted, "Whether the columns of the factor were counted; else bounds sufficed.");
  m.def(
      "predict_costs",
      [](Products& products, double most_flops, double most_bytes) {
        return in_core([&] {
          const mm::Outlook found = mm::predict_costs(
              products.A(), most_flops, most_bytes,
              [](void* owner) -> const mm::LevelGraph& { return static_cast<Products*>(owner)->graph(); }, &products);
          if (found.elimination) products.cheapest = found.elimination;
          return found;
        });
      },
      nb::arg("products"), nb::arg("most_flops"), nb::arg("most_bytes"),
      "Costs for a caller that takes the exact way up to so many flops and bytes.");
  bind_estimator(m);
}
