// Bindings of profile.hpp. A curve holds (through keep_alive) the analysis it was made from.
#include "after/profile.hpp"
#include "model.hpp"
#include "results.hpp"

namespace {

mm::Held held(const std::string& kind) {
  if (kind == "sigma") return mm::Held::sigma;
  if (kind == "sd") return mm::Held::sd;
  if (kind == "cor") return mm::Held::correlation;
  if (kind == "beta") return mm::Held::coefficient;
  throw nb::value_error("a parameter is sigma, sd, cor or beta");
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
    return in_core([&] { return mm::ProfileCurve(analysis.model, converted, parameter, at, threads); });
  }

  mm::ProfilePoint solve(double at, bool thorough) {
    return in_core([&] { return core.solve(at, thorough); });
  }
};

}  // namespace

void bind_profile(nb::module_& m) {
  Result<mm::ProfilePoint>(m, "ProfilePoint", "The lowest deviance with one parameter held.")
      .value("at", &mm::ProfilePoint::at,
             "What is held: log sigma, the sd, the angle whose sine is the correlation, or\n"
             "the coefficient.")
      .value("deviance", &mm::ProfilePoint::deviance)
      .value("slope", &mm::ProfilePoint::slope, "Derivative of the deviance by `at`.")
      .value("sigma", &mm::ProfilePoint::sigma)
      .value("converged", &mm::ProfilePoint::converged)
      .def_prop_ro(
          "theta", [](const mm::ProfilePoint& s) { return to_numpy(std::vector<double>(s.theta)); },
          "(m,) of the caller's columns of Z.", nb::rv_policy::automatic)
      .def_prop_ro(
          "beta", [](const mm::ProfilePoint& s) { return to_numpy(std::vector<double>(s.beta)); },
          "(p,) of the kept columns.", nb::rv_policy::automatic);
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
           "The point with the parameter held. Thorough: the lowest of searches from several places.")
      .def_prop_ro(
          "optimum", [](const ProfileCurve& s) { return s.core.optimum(); }, "The point where nothing is held.",
          nb::rv_policy::move)
      .def_prop_ro(
          "curvature", [](const ProfileCurve& s) { return s.core.curvature(); },
          "Second derivative of the deviance by what is held, at the optimum.")
      .def_prop_ro("n_value", [](const ProfileCurve& s) { return s.core.n_value(); });
}
