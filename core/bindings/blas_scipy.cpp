// Fills the table of dense kernels from the function pointers that SciPy exports for Cython.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

#include <string>

#include "checked_blas.hpp"
#include "kernels/blas.hpp"

namespace nb = nanobind;

namespace {

template <typename Function>
void load(nb::dict exported, const char* name, Function& target) {
  nb::object capsule = exported[name];
  // The capsule's name is the signature, which names Cython's own type of a double and changes with its version;
  // what is checked here is that the capsule is one, and the calls are tested against plain loops.
  void* pointer = PyCapsule_GetPointer(capsule.ptr(), PyCapsule_GetName(capsule.ptr()));
  if (!pointer) throw nb::python_error();
  target = reinterpret_cast<Function>(pointer);
}

// The switch for the library's threads, looked up by OpenBLAS's names among what SciPy's module was linked with.
// Where there is none (another BLAS, another platform) the table keeps null and threads are left alone.
void load_thread_switch(const nb::object& blas, mixedmodels::BlasTable& table) {
#if !defined(_WIN32)
  const auto path = nb::cast<std::string>(blas.attr("__file__"));
  void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);  // loaded by the import; stays so
  if (!library) return;
  for (const char* prefix : {"scipy_openblas", "openblas"}) {
    const std::string name(prefix);
    void* get = dlsym(library, (name + "_get_num_threads").c_str());
    void* set = dlsym(library, (name + "_set_num_threads").c_str());
    if (!get || !set) continue;
    table.get_threads = reinterpret_cast<int (*)()>(get);
    table.set_threads = reinterpret_cast<void (*)(int)>(set);
    return;
  }
#else
  (void)blas, (void)table;
#endif
}

// A module of SciPy's kernels. Where the extension is imported without its package, as to read its stub off it, SciPy
// is imported in the ordinary way.
nb::object kernels(const char* name) {
  try {
    return nb::module_::import_("mixedmodels.lapack").attr("kernels")(name);
  } catch (const nb::python_error& error) {
    if (!error.matches(PyExc_ModuleNotFoundError)) throw;
  }
  return nb::module_::import_((std::string("scipy.linalg.") + name).c_str());
}

}  // namespace

void fill_blas_table() {
  const nb::object blas_module = kernels("cython_blas");
  auto blas = nb::cast<nb::dict>(blas_module.attr("__pyx_capi__"));
  auto lapack = nb::cast<nb::dict>(kernels("cython_lapack").attr("__pyx_capi__"));
  mixedmodels::BlasTable& table = mixedmodels::blas_table();
  load(blas, "dgemm", table.dgemm);
  load(blas, "dsymm", table.dsymm);
  load(blas, "dsyrk", table.dsyrk);
  load(blas, "dtrsm", table.dtrsm);
  load(lapack, "dpotrf", table.dpotrf);
  load(lapack, "dpotri", table.dpotri);
  load(lapack, "dgeqrf", table.dgeqrf);
  load(lapack, "dormqr", table.dormqr);
  load(lapack, "dsyevd", table.dsyevd);
  load_thread_switch(blas_module, table);
#if defined(__SANITIZE_ADDRESS__)
  checked_blas::install(table);
#endif
}
