// The extension module: one section per core header, no mathematics.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_codes(nb::module_& m);
void bind_errors(nb::module_& m);
void bind_stages(nb::module_& m);
void bind_sums(nb::module_& m);
void bind_evaluator(nb::module_& m);
void bind_iterative(nb::module_& m);
void bind_generalized(nb::module_& m);
void bind_inference(nb::module_& m);
void bind_diagnostics(nb::module_& m);
void bind_search(nb::module_& m);
void bind_profile(nb::module_& m);
void bind_prediction(nb::module_& m);
void fill_blas_table();

NB_MODULE(_core, m) {
  m.doc() = "Compiled core of mixedmodels: cross-products, sparse Cholesky factor, profiled criterion.";
  fill_blas_table();
  bind_errors(m);
  bind_codes(m);
  bind_stages(m);
  bind_sums(m);
  bind_evaluator(m);
  bind_iterative(m);
  bind_generalized(m);
  bind_inference(m);
  bind_diagnostics(m);
  bind_search(m);
  bind_profile(m);
  bind_prediction(m);
}
