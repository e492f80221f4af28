// Purpose: the sums over random effects from which the method of Kenward and Roger (1997), Biometrics 53(3), is put
// together; nothing has n rows.
// With V the covariance of y over sigma^2, T = Z'V^-1Z, H = Z'V^-1X (X the orthogonal basis, everything weighted) and
// E_e the derivative of the covariance of b with respect to entry e of its template's covariance.
// Method: component by component of the levels, as ztviz.hpp has T.
#pragma once

#include <cstdint>
#include <vector>

#include "criterion/profiled_deviance.hpp"

namespace mixedmodels {

struct KenwardRogerSums {
  std::vector<double> trace;   // m: tr(E_e T)
  std::vector<double> traces;  // m x m: tr(E_e T E_f T)
  std::vector<double> P;       // m times p x p: H'E_e H
  std::vector<double> Q;       // m x m times p x p, Q[e, f] column-major: H'E_e T E_f H
};

// At the theta of the last update of `pls`.
KenwardRogerSums kenward_roger_sums(ProfiledDeviance& pls);

// Numbers (doubles) that the sums of m entries need room for.
double kenward_roger_workspace(const CrossProducts& A, const LevelGraph& graph, std::size_t m);

// Floating-point operations, about: products of matrices as large as the levels of a component that are not of its
// largest factor.
double kenward_roger_flops(const CrossProducts& A, const LevelGraph& graph);

}  // namespace mixedmodels
