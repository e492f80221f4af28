// Bindings of what inference needs beyond the criterion: derivatives of the parts of pls.hpp.
#include "model.hpp"

namespace {

// Of X'V^-1X (m, p, p) and of pwrss (m,) at the theta of the last value().
nb::tuple derivatives(Evaluator& evaluator) {
  mm::Pls& pls = evaluator.core.pls();
  const auto m = static_cast<std::size_t>(evaluator.core.m()),
             p = static_cast<std::size_t>(evaluator.analysis.products.A.p);
  std::vector<double> fixed(m * p * p), pwrss(m);
  {
    nb::gil_scoped_release release;
    const mm::BlasThreads blas(1);
    pls.fixed_derivatives(fixed.data());
    pls.pwrss_gradient(pwrss.data());
  }
  return nb::make_tuple(to_numpy(std::move(fixed), {m, p, p}), to_numpy(std::move(pwrss)));
}

}  // namespace

void bind_inference(nb::module_& m) {
  m.def("derivatives", &derivatives, nb::arg("evaluator"),
        "Derivatives at the theta of the last value(): of X'V^-1X of the basis (m, p, p), and of pwrss (m,).");
}
