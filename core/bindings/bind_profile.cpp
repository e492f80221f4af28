// Bindings of profile.hpp. A curve holds (through keep_alive) the analysis it was made from.
#include "after/profile.hpp"
#include "model.hpp"

namespace {

mm::Held held(const std::string& kind) {
  if (kind == "sigma") return mm::Held::sigma;
  if (kind == "sd") return mm::Held::sd;
  if (kind == "cor") return mm::Held::correlation;
  if (kind == "beta") return mm::Held::coefficient;
  throw nb::value_error("a parameter is sigma, sd, cor or beta");
}

nb::tuple to_tuple(mm::ProfilePoint p) {
  return nb::make_tuple(p.at, p.deviance, p.slope, to_numpy(std::move(p.theta)), p.sigma, to_numpy(std::move(p.beta)),
                        p.converged);
}

struct ProfileCurve {
  mm::ProfileCurve core;

  ProfileCurve(const Analysis& analysis, const std::vector<std::vector<int>>& terms, const std::string& kind,
               const std::vector<int>& place, Dense theta, int threads)
      : core(make(analysis, terms, {held(kind), place.at(0), place.at(1), place.at(2)}, theta, threads)) {}

  static mm::ProfileCurve make(const Analysis& analysis, const std::vector<std::vector<int>>& terms,
                               mm::ProfileParameter parameter, Dense theta, int threads) {
    std::vector<mm::ProfileTerm> converted;
    for (const auto& t : terms) converted.push_back({t.at(0), t.at(1), t.at(2)});
    const std::vector<double> at(theta.data(), theta.data() + theta.size());
    const CoreCall call;
    const Products& made = analysis.products;
    return {made.rows, made.basis, made.A, analysis.symbolic, std::move(converted), parameter, at, threads};
  }

  nb::tuple solve(double at, bool thorough) {
    mm::ProfilePoint found;
    {
      const CoreCall call;
      found = core.solve(at, thorough);
    }
    return to_tuple(std::move(found));
  }
};

}  // namespace

void bind_profile(nb::module_& m) {
  nb::class_<ProfileCurve>(
      m, "ProfileCurve",
      "The ML deviance minimised over all parameters but one. Arguments: the analysis; per term (factor, first\n"
      "column in the factor's template, size); the kind of parameter: 'sigma', 'sd', 'cor' or 'beta'; its place:\n"
      "(term, effect, other effect) or (0, position among the kept coefficients, 0); theta (m,) at the optimum.")
      .def(nb::init<const Analysis&, const std::vector<std::vector<int>>&, const std::string&, const std::vector<int>&,
                    Dense, int>(),
           nb::arg("analysis"), nb::arg("terms"), nb::arg("kind"), nb::arg("place"), nb::arg("theta"),
           nb::arg("threads") = 1, nb::keep_alive<1, 2>())
      .def("solve", &ProfileCurve::solve, nb::arg("at"), nb::arg("thorough") = false,
           "The point with the parameter held at log sigma, the sd, the angle whose sine is the correlation, or the\n"
           "coefficient: (at, deviance, its derivative by at, theta, sigma, beta of the kept columns, converged). "
           "Thorough: the\n"
           "lowest of searches from several places.")
      .def_prop_ro(
          "optimum", [](const ProfileCurve& s) { return to_tuple(s.core.optimum()); }, "Likewise, of the optimum.",
          nb::rv_policy::automatic)
      .def_prop_ro(
          "curvature", [](const ProfileCurve& s) { return s.core.curvature(); },
          "Second derivative of the deviance by what is held, at the optimum.")
      .def_prop_ro("n_value", [](const ProfileCurve& s) { return s.core.n_value(); });
}
