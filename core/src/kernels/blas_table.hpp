// Purpose: the dense kernels of BLAS and LAPACK that the core uses, as a table of function pointers.
// Precondition: `blas_table()` is filled once (by the bindings from SciPy, by the core tests from plain
// loops) before any other function of the core runs.
#pragma once

namespace mixedmodels {

struct BlasTable {
  void (*dgemm)(char*, char*, int*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*);
  void (*dsymm)(char*, char*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*);
  void (*dsyrk)(char*, char*, int*, int*, double*, double*, int*, double*, double*, int*);
  void (*dtrsm)(char*, char*, char*, char*, int*, int*, double*, double*, int*, double*, int*);
  void (*dpotrf)(char*, int*, double*, int*, int*);
  void (*dpotri)(char*, int*, double*, int*, int*);
  void (*dgeqrf)(int*, int*, double*, int*, double*, double*, int*, int*);
  void (*dormqr)(char*, char*, int*, int*, int*, double*, int*, double*, double*, int*, double*, int*, int*);
  void (*dsyevd)(char*, char*, int*, double*, int*, double*, double*, int*, int*, int*, int*);
  // The library's own threads; null when it has no such switch.
  int (*get_threads)();
  void (*set_threads)(int);
};

inline BlasTable& blas_table() {
  static constinit BlasTable table{};
  return table;
}

}  // namespace mixedmodels
