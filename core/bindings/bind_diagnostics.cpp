// Bindings of leverage.hpp and deletion.hpp.
#include <algorithm>

#include "after/deletion.hpp"
#include "after/leverage.hpp"
#include "model.hpp"
#include "results.hpp"

namespace {

struct RowValues {
  Array<double> random, fixed, prior, residual, direction;
};

// At the theta of the last value().
RowValues row_values(Evaluator& evaluator, bool directions) {
  mm::RowValues found = in_core([&] { return mm::row_values(evaluator.core.pls(), directions); });
  const auto n = static_cast<std::size_t>(evaluator.model.rows.n);
  const std::size_t p = directions ? static_cast<std::size_t>(evaluator.A().p) : 0;
  return {to_numpy(std::move(found.random)), to_numpy(std::move(found.fixed)), to_numpy(std::move(found.prior)),
          in_unit(evaluator.A(), std::move(found.residual)), to_numpy(std::move(found.direction), {n, p})};
}

mm::ForwardStep forward_step(const std::vector<int>& sizes, Dense turns, std::size_t m) {
  std::size_t squares = 0, entries = 0;
  for (int s : sizes) {
    if (s < 1 || s > 1 << 15) throw nb::value_error("a term has no size");
    squares += static_cast<std::size_t>(s) * s;
    entries += static_cast<std::size_t>(mm::entries_of_term(s));
  }
  if (squares != turns.size() || entries != m) throw nb::value_error("sizes, turns and theta are not of one model");
  return {sizes, {turns.data(), turns.data() + turns.size()}};
}

Array<double> advance(Dense theta, Table steps, const std::vector<int>& sizes, Dense turns) {
  const std::size_t m = theta.size(), count = steps.shape(0);
  if (steps.shape(1) != m) throw nb::value_error("steps are not of the length of theta");
  const mm::ForwardStep forward = forward_step(sizes, turns, m);
  std::vector<double> out(count * m);
  in_core([&] {
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(theta.data(), m, out.data() + i * m);
      forward.advance(out.data() + i * m, steps.data() + i * m);
    }
  });
  return to_numpy(std::move(out), {count, m});
}

struct Deletions {
  Array<double> theta, beta, std_error, sigma, objective, decrement;
  Array<std::int64_t> n;
  Array<std::int32_t> levels, rebuilt;
};

using ColumnMajor = nb::ndarray<const double, nb::ndim<2>, nb::f_contig, nb::device::cpu>;

// The sets rows[start[i]:start[i + 1]], each row of the model at most once in a set.
mm::RowSets checked_sets(const Integers& start, const Integers& rows, std::int64_t n) {
  mm::RowSets sets{{start.data(), start.data() + start.size()}, {rows.data(), rows.data() + rows.size()}};
  if (sets.start.empty() || sets.start.front() != 0 || sets.start.back() != static_cast<std::int64_t>(rows.size()) ||
      !std::is_sorted(sets.start.begin(), sets.start.end()))
    throw nb::value_error("the starts of the sets do not divide the rows");
  std::vector<std::int32_t> left_out_by(static_cast<std::size_t>(n), -1);
  for (std::int32_t set = 0; set < sets.count(); ++set)
    for (std::int64_t i = sets.start[set]; i < sets.start[set + 1]; ++i) {
      const std::int64_t row = sets.rows[i];
      if (row < 0 || row >= n) throw nb::value_error("a row to leave out is not there");
      if (std::exchange(left_out_by[row], set) == set) throw nb::value_error("a row is left out twice");
    }
  return sets;
}

// What every way of leaving out rows takes besides the rows.
struct Leaving {
  const Evaluator& evaluator;
  Integers start, rows;
  Dense theta;
  bool reml;
  const mm::SearchSettings& settings;
  std::optional<ColumnMajor> newton;
  const std::vector<int>& sizes;
  Dense turns;
  int threads;

  Deletions without(std::int64_t n, const mm::RowsElsewhere* elsewhere) const {
    const mm::Model& model = evaluator.model;
    const mm::RowSets sets = checked_sets(start, rows, n);
    const std::vector<double> from(evaluator.checked(theta), theta.data() + theta.size());
    std::optional<mm::NewtonStep> step;
    if (newton) {
      if (newton->shape(0) != from.size() || newton->shape(1) != from.size())
        throw nb::value_error("newton is not m x m");
      step = {{newton->data(), newton->data() + newton->size()}, forward_step(sizes, turns, from.size())};
    }
    mm::Deletions found = in_core([&] {
      return mm::fit_without(model, sets, from, likelihood(reml), settings, step ? &*step : nullptr, threads,
                             elsewhere);
    });
    const auto count = static_cast<std::size_t>(sets.count()), p = static_cast<std::size_t>(model.A->p);
    return {to_numpy(std::move(found.theta), {count, from.size()}),
            to_numpy(std::move(found.beta), {count, p}),
            to_numpy(std::move(found.std_error), {count, p}),
            to_numpy(std::move(found.sigma)),
            to_numpy(std::move(found.objective)),
            to_numpy(std::move(found.decrement)),
            to_numpy(std::move(found.n)),
            to_numpy(std::move(found.levels), {count, model.A->factors.size()}),
            to_numpy(std::move(found.rebuilt))};
  }
};

Deletions fit_without(const Evaluator& evaluator, Integers start, Integers rows, Dense theta, bool reml,
                      const mm::SearchSettings& settings, std::optional<ColumnMajor> newton,
                      const std::vector<int>& sizes, Dense turns, int threads) {
  const Leaving leaving{evaluator, start, rows, theta, reml, settings, newton, sizes, turns, threads};
  return leaving.without(evaluator.model.rows.n, nullptr);
}

Deletions fit_without_rows(const Evaluator& evaluator, std::vector<nb::object> codes,
                           std::vector<std::vector<Matrix>> z, Matrix X, Vector y, std::optional<Vector> w,
                           std::optional<Vector> offset, Integers of_levels, Integers start, Integers rows, Dense theta,
                           bool reml, const mm::SearchSettings& settings, std::optional<ColumnMajor> newton,
                           const std::vector<int>& sizes, Dense turns, int threads) {
  std::vector<std::int32_t> levels;
  for (const mm::FactorBlock& factor : evaluator.A().factors) levels.push_back(factor.levels);
  const GivenRows given(std::move(codes), levels, std::move(z), X, y, w, offset);
  const std::vector<int>& kept = evaluator.model.basis.kept;
  if (!kept.empty() && kept.back() >= given.rows.p()) throw nb::value_error("X does not have the columns of the model");
  for (std::size_t f = 0; f < levels.size(); ++f)
    if (given.rows.factors[f].width() != evaluator.A().factors[f].width)
      throw nb::value_error("z does not have the columns of the model");
  if (of_levels.size() != static_cast<std::size_t>(evaluator.A().nodes))
    throw nb::value_error("the rows of levels are not of as many levels");
  const mm::RowsElsewhere elsewhere(evaluator.model, given.rows, given.widths,
                                    {of_levels.data(), of_levels.data() + of_levels.size()});
  const Leaving leaving{evaluator, start, rows, theta, reml, settings, newton, sizes, turns, threads};
  return leaving.without(given.rows.n, &elsewhere);
}

}  // namespace

void bind_diagnostics(nb::module_& m) {
  Result<RowValues>(m, "RowValues", "What every row weighs at one theta.")
      .array("random", &RowValues::random, "(n,) share of the hat value that the random effects take.")
      .array("fixed", &RowValues::fixed, "(n,) share that the fixed effects take of the rest.")
      .array("prior", &RowValues::prior, "(n,) variance of the random part over sigma^2.")
      .array("residual", &RowValues::residual, "(n,) times sqrt(w).")
      .array("direction", &RowValues::direction, "(n, p), or (n, 0) unless asked for.");
  Result<Deletions>(m, "Deletions", "Fits without sets of rows; NaN where nothing can be computed.")
      .array("theta", &Deletions::theta, "(sets, m) along the axes of the terms.")
      .array("beta", &Deletions::beta, "(sets, p); NaN for columns that depend on others in the rows left.")
      .array("std_error", &Deletions::std_error, "(sets, p).")
      .array("sigma", &Deletions::sigma, "(sets,).")
      .array("objective", &Deletions::objective, "(sets,) the criterion.")
      .array("decrement", &Deletions::decrement, "(sets,) what the criterion may still fall; NaN after one step.")
      .array("n", &Deletions::n, "(sets,) rows left.")
      .array("levels", &Deletions::levels, "(sets, factors) levels left.")
      .array("rebuilt", &Deletions::rebuilt, "(sets,) whether the products were formed anew.");
  m.def("row_values", &row_values, nb::arg("evaluator"), nb::arg("directions"),
        "Of every row at the theta of the last value().");
  m.def("fit_without", &fit_without, nb::arg("evaluator"), nb::arg("start"), nb::arg("rows"), nb::arg("theta"),
        nb::arg("reml"), nb::arg("settings"), nb::arg("newton").none(), nb::arg("sizes"), nb::arg("turns"),
        nb::arg("threads"),
        "Fits without the rows of each set rows[start[i]:start[i + 1]]. With `newton` (m, m) one step by\n"
        "-newton @ gradient instead of a search, as `advance` makes it.");
  m.def("fit_without_rows", &fit_without_rows, nb::arg("evaluator"), nb::arg("codes"), nb::arg("z"), nb::arg("X"),
        nb::arg("y"), nb::arg("w").none(), nb::arg("offset").none(), nb::arg("of_levels"), nb::arg("start"),
        nb::arg("rows"), nb::arg("theta"), nb::arg("reml"), nb::arg("settings"), nb::arg("newton").none(),
        nb::arg("sizes"), nb::arg("turns"), nb::arg("threads"),
        "The same of a model without rows: sets are of the rows given, in the caller's columns. `of_levels` has the\n"
        "rows of each level of every factor in the whole model. NaN where products would have to be formed anew.");
  m.def("advance", &advance, nb::arg("theta"), nb::arg("steps"), nb::arg("sizes"), nb::arg("turns"),
        "(n, m) theta after each of the steps (n, m), made along the forward axes of the terms: sizes of the terms, "
        "turns from the core's axes, column-major squares one after the other.");
}
