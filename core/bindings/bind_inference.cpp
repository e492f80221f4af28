// Bindings of what inference needs beyond the criterion: derivatives (pls.hpp), kenward_roger.hpp and student.hpp.
#include <stdexcept>

#include "after/kenward_roger.hpp"
#include "kernels/blas.hpp"
#include "kernels/student.hpp"
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
    mm::ProfiledDeviance& pls = evaluator.core.pls();
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

Array<double> student_tails(const Dense& df, const Dense& t) {
  if (df.size() != t.size()) throw std::invalid_argument("df and t differ in length");
  std::vector<double> out(df.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = mm::student_tail(df.data()[i], t.data()[i]);
  return to_numpy(std::move(out));
}

Array<double> triangle_inverse(const Matrix& R) {
  const std::size_t p = R.shape(0);
  if (R.shape(1) != p) throw std::invalid_argument("R is not square");
  std::vector<double> from(p * p), out(p * p, 0.0);
  const auto at = [&](std::size_t i, std::size_t j) {
    return R.data()[static_cast<std::int64_t>(i) * R.stride(0) + static_cast<std::int64_t>(j) * R.stride(1)];
  };
  for (std::size_t j = 0; j < p; ++j) {
    for (std::size_t i = 0; i <= j; ++i) from[j * p + i] = at(i, j);
    out[j * p + j] = 1;
  }
  if (p > 0)
    in_core([&] {
      const int n = static_cast<int>(p);
      mm::blas::trsm('L', 'U', 'N', n, n, from.data(), n, out.data(), n);
    });
  return to_numpy(std::move(out), {p, p}, 'F');
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
  m.def("student_tails", &student_tails, nb::arg("df"), nb::arg("t"),
        "(k,) P(|T| > |t|) for degrees of freedom (k,), which may be infinite; NaN unless they are positive.");
  m.def("triangle_inverse", &triangle_inverse, nb::arg("R"), "(p, p) of an upper triangle (p, p).");
  m.def("derivatives", &derivatives, nb::arg("evaluator"), "At the theta of the last value().");
  m.def("kenward_roger_sums", &kenward_roger_sums, nb::arg("evaluator"), "At the theta of the last value().");
  m.def(
      "kenward_roger_workspace",
      [](Products& products, std::size_t m) {
        return in_core([&] { return mm::kenward_roger_workspace(products.A(), products.graph(), m); });
      },
      nb::arg("products"), nb::arg("m"), "Numbers that kenward_roger_sums() needs room for.");
  m.def(
      "kenward_roger_flops",
      [](Products& products) {
        return in_core([&] { return mm::kenward_roger_flops(products.A(), products.graph()); });
      },
      nb::arg("products"), "Floating-point operations of kenward_roger_sums(), about.");
}
