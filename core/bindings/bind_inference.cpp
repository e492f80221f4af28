// Bindings of what inference needs beyond the criterion: derivatives (pls.hpp) and kenward_roger.hpp.
#include "after/kenward_roger.hpp"
#include "model.hpp"
#include "results.hpp"

namespace {

struct Derivatives {
  Array<double> fixed, log_pwrss;
};

struct KenwardRogerSums {
  Array<double> trace, traces, P, Q;
};

Derivatives derivatives(Evaluator& evaluator) {
  const auto m = static_cast<std::size_t>(evaluator.core.m()), p = static_cast<std::size_t>(evaluator.A().p);
  std::vector<double> fixed(m * p * p), pwrss(m);
  in_core([&] {
    mm::Pls& pls = evaluator.core.pls();
    pls.fixed_derivatives(fixed.data());
    pls.pwrss_gradient(pwrss.data());
    for (double& slope : pwrss) slope /= pls.pwrss();
  });
  return {to_numpy(std::move(fixed), {m, p, p}), to_numpy(std::move(pwrss))};
}

KenwardRogerSums kenward_roger_sums(Evaluator& evaluator) {
  const auto m = static_cast<std::size_t>(evaluator.core.m()), p = static_cast<std::size_t>(evaluator.A().p);
  mm::KenwardRogerSums found = in_core([&] { return mm::kenward_roger_sums(evaluator.core.pls()); });
  return {to_numpy(std::move(found.trace)), to_numpy(std::move(found.traces), {m, m}),
          to_numpy(std::move(found.P), {m, p, p}), to_numpy(std::move(found.Q), {m, m, p, p})};
}

}  // namespace

void bind_inference(nb::module_& m) {
  Result<Derivatives>(m, "Derivatives", "Derivatives by theta along the axes of the terms.")
      .array("fixed", &Derivatives::fixed, "(m, p, p) of X'V^-1X of the basis.")
      .array("log_pwrss", &Derivatives::log_pwrss, "(m,) of the logarithm of pwrss.");
  Result<KenwardRogerSums>(
      m, "KenwardRogerSums",
      "With T = Z'V^-1Z, H = Z'V^-1X of the basis and E the derivatives of the covariance of b with\n"
      "respect to its entries.")
      .array("trace", &KenwardRogerSums::trace, "(m,) tr(E_e T).")
      .array("traces", &KenwardRogerSums::traces, "(m, m) tr(E_e T E_f T).")
      .array("P", &KenwardRogerSums::P, "(m, p, p) H'E_e H.")
      .array("Q", &KenwardRogerSums::Q, "(m, m, p, p) the transposes of H'E_e T E_f H.");
  m.def("derivatives", &derivatives, nb::arg("evaluator"), "At the theta of the last value().");
  m.def("kenward_roger_sums", &kenward_roger_sums, nb::arg("evaluator"), "At the theta of the last value().");
  m.def(
      "kenward_roger_workspace",
      [](Products& products, std::size_t m) {
        return in_core([&] { return mm::kenward_roger_workspace(products.A(), products.graph(), m); });
      },
      nb::arg("products"), nb::arg("m"), "Numbers that kenward_roger_sums() needs room for.");
}
