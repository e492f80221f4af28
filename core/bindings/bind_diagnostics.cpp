// Bindings of leverage.hpp and deletion.hpp.
#include <algorithm>

#include "after/deletion.hpp"
#include "after/leverage.hpp"
#include "model.hpp"

namespace {

// At the theta of the last value().
nb::dict row_values(Evaluator& evaluator, bool directions) {
  const Products& products = evaluator.analysis.products;
  mm::RowValues r;
  {
    const CoreCall call;
    r = mm::row_values(products.rows, products.basis, products.A, evaluator.analysis.symbolic, evaluator.core.pls(),
                       directions);
  }
  nb::dict out;
  out["random"] = to_numpy(std::move(r.random));
  out["fixed"] = to_numpy(std::move(r.fixed));
  out["prior"] = to_numpy(std::move(r.prior));
  out["residual"] = in_unit(products.A, std::move(r.residual));
  const std::size_t p = directions ? static_cast<std::size_t>(products.A.p) : 0;
  out["direction"] = to_numpy(std::move(r.direction), {static_cast<std::size_t>(products.rows.n), p});
  return out;
}

mm::ForwardStep forward_step(const std::vector<int>& sizes, Dense turns, std::size_t m) {
  std::size_t squares = 0, entries = 0;
  for (int s : sizes) {
    if (s < 1 || s > 1 << 15) throw nb::value_error("a term has no size");
    squares += static_cast<std::size_t>(s) * s;
    entries += static_cast<std::size_t>(s) * (s + 1) / 2;
  }
  if (squares != turns.size() || entries != m) throw nb::value_error("sizes, turns and theta are not of one model");
  return {sizes, {turns.data(), turns.data() + turns.size()}};
}

nb::object advance(Dense theta, nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu> steps,
                   const std::vector<int>& sizes, Dense turns) {
  const std::size_t m = theta.size(), count = steps.shape(0);
  if (steps.shape(1) != m) throw nb::value_error("steps are not of the length of theta");
  const mm::ForwardStep forward = forward_step(sizes, turns, m);
  std::vector<double> out(count * m);
  {
    const CoreCall call;
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(theta.data(), m, out.data() + i * m);
      forward.advance(out.data() + i * m, steps.data() + i * m);
    }
  }
  return nb::cast(to_numpy(std::move(out), {count, m}));
}

nb::dict fit_without(const Evaluator& evaluator, Integers start, Integers rows, Dense theta, bool reml, int max_values,
                     double decrement, double zero,
                     std::optional<nb::ndarray<const double, nb::ndim<2>, nb::f_contig, nb::device::cpu>> newton,
                     const std::vector<int>& sizes, Dense turns, int threads) {
  const Products& products = evaluator.analysis.products;
  mm::RowSets sets{{start.data(), start.data() + start.size()}, {rows.data(), rows.data() + rows.size()}};
  if (sets.start.empty() || sets.start.front() != 0 || sets.start.back() != static_cast<std::int64_t>(rows.size()) ||
      !std::is_sorted(sets.start.begin(), sets.start.end()))
    throw nb::value_error("the starts of the sets do not divide the rows");
  std::vector<std::int32_t> left_out_by(static_cast<std::size_t>(products.rows.n), -1);
  for (std::int32_t set = 0; set < sets.count(); ++set)
    for (std::int64_t i = sets.start[set]; i < sets.start[set + 1]; ++i) {
      const std::int64_t row = sets.rows[i];
      if (row < 0 || row >= products.rows.n) throw nb::value_error("a row to leave out is not there");
      if (std::exchange(left_out_by[row], set) == set) throw nb::value_error("a row is left out twice");
    }
  const std::vector<double> from(evaluator.checked(theta), theta.data() + theta.size());
  std::optional<mm::NewtonStep> step;
  if (newton) {
    if (newton->shape(0) != from.size() || newton->shape(1) != from.size())
      throw nb::value_error("newton is not m x m");
    step = {{newton->data(), newton->data() + newton->size()}, forward_step(sizes, turns, from.size())};
  }
  const mm::RefitModel model{products.rows, products.basis, products.A, evaluator.analysis.symbolic,
                             evaluator.core.entries()};
  mm::Deletions r;
  {
    const CoreCall call;
    r = mm::fit_without(model, sets, from, likelihood(reml), {max_values, decrement, zero}, step ? &*step : nullptr,
                        threads);
  }
  const auto count = static_cast<std::size_t>(sets.count()), p = static_cast<std::size_t>(products.A.p);
  nb::dict out;
  out["theta"] = to_numpy(std::move(r.theta), {count, from.size()});
  out["beta"] = to_numpy(std::move(r.beta), {count, p});
  out["std_error"] = to_numpy(std::move(r.std_error), {count, p});
  out["sigma"] = to_numpy(std::move(r.sigma));
  out["objective"] = to_numpy(std::move(r.objective));
  out["decrement"] = to_numpy(std::move(r.decrement));
  out["n"] = to_numpy(std::move(r.n));
  out["levels"] = to_numpy(std::move(r.levels), {count, products.A.factors.size()});
  out["rebuilt"] = to_numpy(std::move(r.rebuilt));
  return out;
}

}  // namespace

void bind_diagnostics(nb::module_& m) {
  m.def(
      "row_values", &row_values, nb::arg("evaluator"), nb::arg("directions"),
      "Of every row at the theta of the last value(): random, fixed (shares of the hat value), prior (variance of the "
      "random part over sigma^2), residual (times sqrt(w)), direction (n, p).");
  m.def("fit_without", &fit_without, nb::arg("evaluator"), nb::arg("start"), nb::arg("rows"), nb::arg("theta"),
        nb::arg("reml"), nb::arg("max_values"), nb::arg("decrement"), nb::arg("zero"), nb::arg("newton").none(),
        nb::arg("sizes"), nb::arg("turns"), nb::arg("threads"),
        "Fits without the rows of each set rows[start[i]:start[i + 1]]: theta, beta, std_error, sigma, objective, "
        "decrement, n, levels, rebuilt. With `newton` (m, m) one step by -newton @ gradient instead of a search, as "
        "`advance` makes it.");
  m.def("advance", &advance, nb::arg("theta"), nb::arg("steps"), nb::arg("sizes"), nb::arg("turns"),
        "(n, m) theta after each of the steps (n, m), made along the forward axes of the terms: sizes of the terms, "
        "turns from the core's axes, column-major squares one after the other.");
}
