// Bindings of prediction.hpp and error_sums.hpp.
#include "after/error_sums.hpp"
#include "after/prediction.hpp"
#include "generalized.hpp"
#include "kernels/memory.hpp"
#include "model.hpp"
#include "results.hpp"

namespace {

struct RowPredictions {
  Array<double> random, variance;
};

// Rows as Python gives them; the codes are kept here.
struct GivenRows {
  mm::PredictionRows rows;
  std::vector<Codes> codes;
};

GivenRows given_rows(const mm::CrossProducts& A, const std::vector<nb::object>& given, const std::vector<Table>& z,
                     Table x) {
  const std::size_t n = x.shape(0);
  GivenRows out;
  mm::PredictionRows& rows = out.rows;
  rows.n = static_cast<std::int64_t>(n);
  rows.x = x.data();
  if (given.size() != A.factors.size() || z.size() != given.size() || static_cast<int>(x.shape(1)) != A.p)
    throw nb::value_error("the rows are not those of this model");
  std::vector<Codes>& codes = out.codes;
  for (std::size_t f = 0; f < given.size(); ++f) {
    const mm::FactorBlock& block = A.factors[f];
    codes.push_back(checked_codes(given[f], block.levels, -1));
    if (codes[f].size() != n || z[f].shape(0) != n || static_cast<int>(z[f].shape(1)) != block.width)
      throw nb::value_error("codes, z and x differ in length or width");
    rows.codes.push_back(codes[f].data());
    rows.z.push_back(z[f].data());
  }
  return out;
}

RowPredictions predict_rows(Evaluator& evaluator, const std::vector<nb::object>& given, const std::vector<Table>& z,
                            Table x) {
  const GivenRows rows = given_rows(evaluator.A(), given, z, x);
  std::vector<double> random(x.shape(0)), variance(x.shape(0));
  in_core([&] {
    mm::ProfiledDeviance& pls = evaluator.core.pls();
    mm::predict_rows(pls, pls.b().data(), rows.rows, random.data(), variance.data());
  });
  return {in_unit(evaluator.A(), std::move(random)), to_numpy(std::move(variance))};
}

RowPredictions predict_generalized_rows(GeneralizedEvaluator& evaluator, const std::vector<nb::object>& given,
                                        const std::vector<Table>& z, Table x) {
  const GivenRows rows = given_rows(evaluator.A(), given, z, x);
  std::vector<double> random(x.shape(0)), variance(x.shape(0));
  in_core([&] {
    const std::vector<double> b = evaluator.core.modes();
    evaluator.core.with_determinant(
        true, [&](mm::Pls& pls) { mm::predict_rows(pls, b.data(), rows.rows, random.data(), variance.data()); });
  });
  const double unit = evaluator.model.unit.predictor;
  for (double& value : random) value /= unit;
  for (double& value : variance) value /= unit * unit;
  return {to_numpy(std::move(random)), to_numpy(std::move(variance))};
}

struct ErrorSums {
  mm::Model model;
  mm::ErrorSums core;

  ErrorSums(const Analysis& analysis, Entries entries, int threads)
      : model(with_entries(analysis.model, entries)), core(in_core([&] {
          mm::require_memory("Responses without rows",
                             {{"the factor", mm::WorkspaceBytes(*model.A, *model.symbolic, 1).factor}});
          return mm::ErrorSums(model, threads);
        })) {}
};

Array<double> draw(const ErrorSums& s, Dense theta, Table u, Table x, Dense rest) {
  const auto q = static_cast<std::size_t>(s.model.A->q), p = static_cast<std::size_t>(s.model.A->p);
  const std::size_t count = x.shape(0), length = q + p + 1;
  if (theta.size() != s.model.entries.size() || u.shape(0) != count || u.shape(1) != q || x.shape(1) != q + p ||
      rest.size() != count)
    throw nb::value_error("the numbers to draw from have another shape");
  const std::vector<double> at(theta.data(), theta.data() + theta.size());
  std::vector<double> out(count * length);
  in_core([&] {
    for (std::size_t i = 0; i < count; ++i)
      s.core.draw(at, u.data() + i * q, x.data() + i * (q + p), rest.data()[i], out.data() + i * length);
  });
  return to_numpy(std::move(out), {count, length});
}

}  // namespace

void bind_prediction(nb::module_& m) {
  nb::class_<ErrorSums>(m, "ErrorSums",
                        "Sums over rows of responses Z b + e, drawn without rows: e of unit variance over the weights.")
      .def(nb::init<const Analysis&, Entries, int>(), nb::arg("analysis"), nb::arg("entries"), nb::arg("threads") = 1)
      .def_prop_ro(
          "rank", [](const ErrorSums& s) { return s.core.rank(); }, "Of [Z X].")
      .def("draw", &draw, nb::arg("theta"), nb::arg("u"), nb::arg("x"), nb::arg("rest"),
           "Of every response Z'W r, the coefficients of the basis and r'W r of what X leaves, r: (count, q + p + 1).\n"
           "theta: along the axes; u (count, q), core order, for b = Lambda u; x (count, q + p) standard normal; rest\n"
           "(count,) chi-squared with n - rank degrees of freedom.");
  Result<RowPredictions>(m, "RowPredictions", "Predictions and their variances at rows.")
      .array("random", &RowPredictions::random, "(n,) z'b, nothing for unknown levels.")
      .array("variance", &RowPredictions::variance, "(n,) of the error of x'beta + z'b, over sigma^2.");
  m.def(
      "predict_rows", &predict_rows, nb::arg("evaluator"), nb::arg("codes"), nb::arg("z"), nb::arg("x"),
      "At the theta of the last value(). Per factor codes (n,), -1 for an unknown level, and z (n, s) along the axes;\n"
      "x (n, p) in coordinates of the basis.");
  m.def("predict_rows", &predict_generalized_rows, nb::arg("evaluator"), nb::arg("codes"), nb::arg("z"), nb::arg("x"),
        "The same of a generalized model at the parameters of the last value(), by the curvatures at its modes.");
}
