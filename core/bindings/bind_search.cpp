// Bindings of search.hpp: a fit from start to judged optimum in one call.
#include <chrono>
#include <utility>

#include "generalized.hpp"
#include "model.hpp"
#include "search/search.hpp"

namespace {

using Mask = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// What a search is asked for and how it reports.
struct SearchOptions {
  bool reml = true, restart = true;
  mm::SearchSettings search;
  double gtol = 1e-6, every = 0;
  std::optional<nb::callable> progress;
  std::optional<Mask> dead;
  std::optional<nb::callable> settled;

  mm::FitSettings settings() const { return {search, gtol, restart}; }
};

struct Found {
  mm::Fit core;
  std::vector<double> start;  // of the caller's columns of Z
  int n_value, n_gradient;
};

std::vector<double> of_numpy(nb::handle given) {
  const auto values = nb::cast<Dense>(given);
  return {values.data(), values.data() + values.size()};
}

// What is searched, of either kind of model.
struct Target {
  mm::Objective& f;
  std::function<std::vector<std::vector<double>>()> starts;
  std::function<void(double*)> to_user;  // parameters, from those of the search
  double constant = 0;                   // of the criterion, which the search leaves out
};

Target target(Evaluator& evaluator, bool reml) {
  const mm::ThetaAxes axes(evaluator.A(), evaluator.core.entries());
  return {evaluator.of(reml), [&] { return evaluator.core.starts(); }, [axes](double* par) { axes.from_axes(par); }};
}

Target target(GeneralizedEvaluator& evaluator, bool) {
  return {evaluator.core, [&] { return evaluator.core.starts(); }, [&](double* par) { evaluator.to_user(par); },
          evaluator.constant()};
}

class Run {
 public:
  Run(Target target, const SearchOptions& options)
      : target_(std::move(target)), options_(options), settings_(options.settings()), told_(Clock::now()) {
    if (!options.dead || !options.settled) return;
    if (options.dead->size() != target_.f.entries().size()) throw nb::value_error("dead has the wrong length");
    idle_.emplace();
    idle_->dead.assign(options.dead->data(), options.dead->data() + options.dead->size());
    idle_->settled = [this](std::vector<double> theta) {
      nb::gil_scoped_acquire acquire;
      return of_numpy((*options_.settled)(to_numpy(std::move(theta))));
    };
  }

  Found fit(std::vector<std::vector<double>> starts, bool moments) {
    target_.f.reset_counts();
    return handed_out(in_core([&] {
      settings_.opposite = moments && target_.f.more() == 0;
      if (moments)
        for (std::vector<double>& start : target_.starts()) starts.push_back(std::move(start));
      return mm::fit(target_.f, std::move(starts), settings_, idle(), progress());
    }));
  }

  Found settle(const std::vector<double>& par, bool spent) {
    target_.f.reset_counts();
    return handed_out(in_core([&] { return mm::settle(target_.f, par, spent, settings_, idle(), progress()); }));
  }

 private:
  using Clock = std::chrono::steady_clock;

  const mm::Idle* idle() const { return idle_ ? &*idle_ : nullptr; }

  mm::Progress progress() {
    if (!options_.progress) return {};
    return [this](int iteration, double value, const std::vector<double>& at) {
      const auto now = Clock::now();
      if (std::chrono::duration<double>(now - told_).count() < options_.every) return true;
      told_ = now;
      std::vector<double> par(at);
      target_.to_user(par.data());
      nb::gil_scoped_acquire acquire;
      (*options_.progress)(iteration, value + target_.constant, to_numpy(std::move(par)));
      return true;
    };
  }

  Found handed_out(mm::Fit found) const {
    Found out{std::move(found), {}, target_.f.n_value(), target_.f.n_gradient()};
    out.start = out.core.start;
    target_.to_user(out.start.data());
    const auto m = static_cast<std::size_t>(target_.f.size());
    for (std::size_t at = 0; at < out.core.thetas.size(); at += m) target_.to_user(out.core.thetas.data() + at);
    for (double& value : out.core.values) value += target_.constant;
    out.core.optimality.value += target_.constant;
    return out;
  }

  Target target_;
  const SearchOptions& options_;
  mm::FitSettings settings_;
  std::optional<mm::Idle> idle_;
  Clock::time_point told_;
};

// The functions fit and settle for one kind of evaluator.
template <typename AnyEvaluator>
void bind_runs(nb::module_& m) {
  m.def(
      "fit",
      [](AnyEvaluator& evaluator, const SearchOptions& options, std::optional<Dense> start, bool moments) {
        std::vector<std::vector<double>> starts;
        if (start) starts.emplace_back(evaluator.checked(*start), start->data() + start->size());
        if (!start && !moments) throw nb::value_error("a fit needs a start");
        return Run(target(evaluator, options.reml), options).fit(std::move(starts), moments);
      },
      nb::arg("evaluator"), nb::arg("options"), nb::arg("start").none(), nb::arg("moments"),
      "The optimum, searched from a start along the axes, from starts by moments, or from both.");
  m.def(
      "settle",
      [](AnyEvaluator& evaluator, const SearchOptions& options, Dense par, bool spent) {
        return Run(target(evaluator, options.reml), options)
            .settle({evaluator.checked(par), par.data() + par.size()}, spent);
      },
      nb::arg("evaluator"), nb::arg("options"), nb::arg("theta"), nb::arg("spent"),
      "The end of a search by another method, judged; left where it is a saddle or not an optimum yet.");
}

const char* name_of(mm::SearchStatus status) {
  static const char* names[] = {"converged", "stalled", "max_evaluations", "not_finite", "interrupted",
                                "stalled",   "lost"};
  return names[static_cast<int>(status)];
}

mm::Without without_one(const std::string& name) {
  static constexpr std::pair<const char*, bool mm::Without::*> all[] = {
      {"second start", &mm::Without::second_start},
      {"scoring", &mm::Without::scoring},
      {"updates", &mm::Without::updates},
      {"distance", &mm::Without::distance},
      {"rotations", &mm::Without::rotations},
      {"step limit", &mm::Without::step_limit},
      {"zeros", &mm::Without::zeros},
      {"confirmed", &mm::Without::confirmed},
      {"saddles", &mm::Without::saddles},
      {"foreseen updates", &mm::Without::foreseen_updates},
      {"second phase", &mm::Without::second_phase},
      {"smaller starts", &mm::Without::smaller_starts}};
  mm::Without out;
  for (const auto& [known, member] : all)
    if (name == known) out.*member = true;
  return out;
}

void bind_found(nb::module_& m) {
  nb::class_<Found>(m, "Found", "The end of a search, judged.")
      .def_prop_ro(
          "par", [](const Found& s) { return to_numpy(std::vector<double>(s.core.theta)); },
          "(m,) theta along the axes of the terms, and the parameters beside it.", nb::rv_policy::automatic)
      .def_prop_ro(
          "start", [](const Found& s) { return to_numpy(std::vector<double>(s.start)); },
          "(m,) where the search that counts began, of the caller's columns.", nb::rv_policy::automatic)
      .def_prop_ro(
          "ended", [](const Found& s) { return name_of(s.core.ended); },
          "How the last search ended: converged, stalled, max_evaluations, not_finite, interrupted or lost.")
      .def_prop_ro(
          "predicted", [](const Found& s) { return s.core.predicted; },
          "Decrease of the criterion that the model of the search predicts there.")
      .def_prop_ro(
          "value", [](const Found& s) { return s.core.optimality.value; }, "The criterion.")
      .def_prop_ro(
          "decrement", [](const Found& s) { return s.core.optimality.decrement; },
          "Decrease of the criterion that gradient and Hessian predict there.")
      .def_prop_ro(
          "max_gradient", [](const Found& s) { return s.core.optimality.max_gradient; },
          "Largest absolute gradient over the entries that may move.")
      .def_prop_ro(
          "saddle", [](const Found& s) { return !s.core.optimality.downhill.empty(); },
          "Whether a direction of negative curvature is left.")
      .def_prop_ro(
          "values", [](const Found& s) { return to_numpy(std::vector<double>(s.core.values)); },
          "(k,) the criterion at every iteration; those of the search that counts come last.", nb::rv_policy::automatic)
      .def_prop_ro(
          "trace",
          [](const Found& s) {
            return to_numpy(std::vector<double>(s.core.thetas), {s.core.values.size(), s.start.size()});
          },
          "(k, m) theta there, of the caller's columns.", nb::rv_policy::automatic)
      .def_ro("n_value", &Found::n_value, "Evaluations of the criterion.")
      .def_ro("n_gradient", &Found::n_gradient, "Evaluations of its gradient.");
}

}  // namespace

void bind_search(nb::module_& m) {
  const mm::SearchSettings usual;
  nb::class_<mm::SearchSettings>(m, "SearchSettings", "When a search stops, and what it tries at zero.")
      .def(
          "__init__",
          [](mm::SearchSettings* self, int max_values, double decrement, double zero, const std::string& without,
             int remembered, bool forget_stiff) {
            new (self)
                mm::SearchSettings{max_values, decrement, zero, true, without_one(without), remembered, forget_stiff};
          },
          nb::arg("max_values"), nb::arg("decrement") = usual.decrement, nb::arg("zero") = usual.zero,
          nb::arg("without") = "", nb::arg("remembered") = usual.remembered,
          nb::arg("forget_stiff") = usual.forget_stiff,
          "without: a heuristic to leave out, for benchmarks. remembered: steps kept for updates.\n"
          "forget_stiff: steps from far away are dropped also where the criterion fell by more than predicted.")
      .def_ro("decrement", &mm::SearchSettings::decrement,
              "Predicted decrease at which a search stops, in units of the criterion.")
      .def_ro("zero", &mm::SearchSettings::zero,
              "Diagonal entries below this, in their natural units, are tried at zero.");
  nb::class_<SearchOptions>(m, "SearchOptions", "How to search, judge and report.")
      .def(
          "__init__",
          [](SearchOptions* self, bool reml, const mm::SearchSettings& search, double gtol, bool restart,
             std::optional<nb::callable> progress, double every, std::optional<Mask> dead,
             std::optional<nb::callable> settled) {
            new (self) SearchOptions{
                reml, restart, search, gtol, every, std::move(progress), std::move(dead), std::move(settled)};
          },
          nb::arg("reml"), nb::arg("search"), nb::arg("gtol"), nb::arg("restart"), nb::arg("progress").none(),
          nb::arg("every"), nb::arg("dead").none(), nb::arg("settled").none(),
          "progress(iteration, criterion, theta) is called when `every` seconds have passed since it was last. dead\n"
          "(m,) are entries without influence on the criterion, settled(theta) a theta with zero there.");
  bind_found(m);
  bind_runs<Evaluator>(m);
  bind_runs<GeneralizedEvaluator>(m);
}
