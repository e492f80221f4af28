// Bindings of what inference needs beyond the criterion: derivatives (pls.hpp) and kenward_roger.hpp.
#include "after/kenward_roger.hpp"
#include "model.hpp"

namespace {

// Of X'V^-1X (m, p, p) and of log pwrss (m,) at the theta of the last value().
nb::tuple derivatives(Evaluator& evaluator) {
  mm::Pls& pls = evaluator.core.pls();
  const auto m = static_cast<std::size_t>(evaluator.core.m()),
             p = static_cast<std::size_t>(evaluator.analysis.products.A.p);
  std::vector<double> fixed(m * p * p), pwrss(m);
  {
    const CoreCall call;
    pls.fixed_derivatives(fixed.data());
    pls.pwrss_gradient(pwrss.data());
    for (double& slope : pwrss) slope /= pls.pwrss();
  }
  return nb::make_tuple(to_numpy(std::move(fixed), {m, p, p}), to_numpy(std::move(pwrss)));
}

// tr(E_e T) (m,), tr(E_e T E_f T) (m, m), H'E_e H (m, p, p) and H'E_e T E_f H (m, m, p, p) at the theta of the last
// value().
nb::tuple kenward_roger_sums(Evaluator& evaluator) {
  const Products& products = evaluator.analysis.products;
  const auto m = static_cast<std::size_t>(evaluator.core.m()), p = static_cast<std::size_t>(products.A.p);
  mm::KenwardRogerSums sums;
  {
    const CoreCall call;
    sums = mm::kenward_roger_sums(products.A, products.graph, evaluator.core.entries(), evaluator.core.pls());
  }
  return nb::make_tuple(to_numpy(std::move(sums.trace)), to_numpy(std::move(sums.traces), {m, m}),
                        to_numpy(std::move(sums.P), {m, p, p}), to_numpy(std::move(sums.Q), {m, m, p, p}));
}

}  // namespace

void bind_inference(nb::module_& m) {
  m.def("derivatives", &derivatives, nb::arg("evaluator"),
        "Derivatives at the theta of the last value(): of X'V^-1X of the basis (m, p, p), and of log pwrss (m,).");
  m.def("kenward_roger_sums", &kenward_roger_sums, nb::arg("evaluator"),
        "With T = Z'V^-1Z, H = Z'V^-1X of the basis and E the derivatives of the covariance of b with respect to its\n"
        "entries: tr(E_e T) (m,), tr(E_e T E_f T) (m, m), H'E_e H (m, p, p), the transposes of H'E_e T E_f H\n"
        "(m, m, p, p).");
  m.def(
      "kenward_roger_workspace",
      [](const Products& products, std::size_t m) {
        const CoreCall call;
        return mm::kenward_roger_workspace(products.A, products.graph, m);
      },
      nb::arg("products"), nb::arg("m"), "Numbers that kenward_roger_sums() needs room for.");
}
