// The extension module: one section per core header, no mathematics.
#include "arrays.hpp"

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

namespace {

void find_numpy() {
  const nb::module_ found = nb::module_::import_("numpy");
  auto keep = [](nb::object value) { return value.release().ptr(); };
  numpy.empty = keep(found.attr("empty"));
  auto type = [&](const char* name) { return keep(found.attr("dtype")(name)); };
  numpy.float64 = type("float64");
  numpy.int64 = type("int64");
  numpy.int32 = type("int32");
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "Compiled core of mixedmodels: cross-products, sparse Cholesky factor, profiled criterion.";
  fill_blas_table();
  find_numpy();
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
