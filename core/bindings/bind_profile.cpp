// Bindings of profile.hpp. A curve holds (through keep_alive) the analysis or the evaluator it was made from.
#include "after/held.hpp"
#include "after/held_laplace.hpp"
#include "after/profile.hpp"
#include "generalized.hpp"
#include "results.hpp"

namespace {

mm::Held held(const std::string& kind) {
  if (kind == "sigma") return mm::Held::sigma;
  if (kind == "sd") return mm::Held::sd;
  if (kind == "cor") return mm::Held::correlation;
  if (kind == "beta") return mm::Held::coefficient;
  if (kind == "own") return mm::Held::own;
  throw nb::value_error("a parameter is sigma, sd, cor, beta or own");
}

using Terms = std::vector<std::vector<int>>;

std::vector<mm::ProfileTerm> converted(const Terms& terms) {
  std::vector<mm::ProfileTerm> out;
  for (const auto& t : terms) out.push_back({t.at(0), t.at(1), t.at(2)});
  return out;
}

std::vector<double> copied(const Dense& values) { return {values.data(), values.data() + values.size()}; }

struct ProfileCurve {
  mm::ProfileCurve core;

  ProfileCurve(const Analysis& analysis, const Terms& terms, const std::string& kind, const std::vector<int>& place,
               const Dense& theta, int threads)
      : core(make(analysis, terms, {held(kind), place.at(0), place.at(1), place.at(2)}, copied(theta), threads)) {}
  ProfileCurve(const GeneralizedEvaluator& of, const Terms& terms, const std::string& kind,
               const std::vector<int>& place, const Dense& h, double offset, const std::vector<int>& gaps,
               const Dense& par, const Table& hessian)
      : core(make(of, terms, {held(kind), place.at(0), place.at(1), place.at(2)}, {copied(h), offset, gaps},
                  copied(par), {hessian.data(), hessian.data() + hessian.size()})) {}

  static mm::ProfileCurve make(const Analysis& analysis, const Terms& terms, mm::ProfileParameter parameter,
                               const std::vector<double>& theta, int threads) {
    return in_core([&] {
      return mm::ProfileCurve(
          std::make_unique<mm::HeldDeviance>(analysis.model, converted(terms), parameter, theta, threads));
    });
  }
  static mm::ProfileCurve make(const GeneralizedEvaluator& of, const Terms& terms, mm::ProfileParameter parameter,
                               const mm::HeldNumber& number, const std::vector<double>& par,
                               const std::vector<double>& hessian) {
    if (par.size() != static_cast<std::size_t>(of.core.size()) || number.h.size() != par.size() - of.m() ||
        !(hessian.empty() || hessian.size() == par.size() * par.size()))
      throw nb::value_error("the parameters have the wrong number");
    return in_core([&] {
      return mm::ProfileCurve(std::make_unique<mm::HeldLaplace>(of.model, of.approximation, converted(terms), parameter,
                                                                number, par, hessian, of.constant(), 1));
    });
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
      .value("fell", &mm::ProfilePoint::fell, "Whether a search for it was given up far below the optimum.")
      .def_prop_ro(
          "theta", [](const mm::ProfilePoint& s) { return to_numpy(std::vector<double>(s.theta)); },
          "(m,) of the caller's columns of Z.", nb::rv_policy::automatic)
      .def_prop_ro(
          "start", [](const mm::ProfilePoint& s) { return to_numpy(std::vector<double>(s.theta)); },
          "Where a search without anything held would begin.", nb::rv_policy::automatic)
      .def_prop_ro(
          "beta", [](const mm::ProfilePoint& s) { return to_numpy(std::vector<double>(s.beta)); },
          "(p,) of the kept columns.", nb::rv_policy::automatic)
      .def_prop_ro(
          "others", [](const mm::ProfilePoint& s) { return to_numpy(std::vector<double>(s.others)); },
          "Of generalized models: coefficients of the basis and the family's own.", nb::rv_policy::automatic);
  nb::class_<ProfileCurve>(
      m, "ProfileCurve",
      "The ML deviance minimised over all parameters but one. Arguments: the analysis; per term (factor, first\n"
      "column in the factor's template, size); the kind of parameter: 'sigma', 'sd', 'cor' or 'beta'; its place:\n"
      "(term, effect, other effect) or (0, position among the kept coefficients, 0); theta (m,) at the optimum.")
      .def(nb::init<const Analysis&, const Terms&, const std::string&, const std::vector<int>&, const Dense&, int>(),
           nb::arg("analysis"), nb::arg("terms"), nb::arg("kind"), nb::arg("place"), nb::arg("theta"),
           nb::arg("threads") = 1, nb::keep_alive<1, 2>())
      .def(nb::init<const GeneralizedEvaluator&, const Terms&, const std::string&, const std::vector<int>&,
                    const Dense&, double, const std::vector<int>&, const Dense&, const Table&>(),
           nb::arg("evaluator"), nb::arg("terms"), nb::arg("kind"), nb::arg("place"), nb::arg("h"), nb::arg("offset"),
           nb::arg("gaps"), nb::arg("par"), nb::arg("hessian"), nb::keep_alive<1, 2>(),
           "Of a generalized model. 'beta' and 'own' are h'x + offset + the sum of exp(x) over `gaps`, x the\n"
           "coefficients of the basis and the family's own parameters.")
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
