// The extension module: one section per core header, no mathematics.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_codes(nb::module_& m);
void bind_model(nb::module_& m);
void fill_blas_table();

NB_MODULE(_core, m) {
  m.doc() = "Compiled core of mixedmodels: cross-products, sparse Cholesky factor, profiled criterion.";
  fill_blas_table();
  bind_codes(m);
  bind_model(m);
}
