// Bindings of prediction.hpp.
#include "after/prediction.hpp"
#include "model.hpp"
#include "results.hpp"

namespace {

struct RowPredictions {
  Array<double> random, variance;
};

RowPredictions predict_rows(Evaluator& evaluator, const std::vector<nb::object>& given, const std::vector<Table>& z,
                            Table x) {
  const mm::CrossProducts& A = evaluator.A();
  const std::size_t n = x.shape(0);
  mm::PredictionRows rows;
  rows.n = static_cast<std::int64_t>(n);
  rows.x = x.data();
  if (given.size() != A.factors.size() || z.size() != given.size() || static_cast<int>(x.shape(1)) != A.p)
    throw nb::value_error("the rows are not those of this model");
  std::vector<Codes> codes;
  for (std::size_t f = 0; f < given.size(); ++f) {
    const mm::FactorBlock& block = A.factors[f];
    codes.push_back(checked_codes(given[f], block.levels, -1));
    if (codes[f].size() != n || z[f].shape(0) != n || static_cast<int>(z[f].shape(1)) != block.width)
      throw nb::value_error("codes, z and x differ in length or width");
    rows.codes.push_back(codes[f].data());
    rows.z.push_back(z[f].data());
  }
  std::vector<double> random(n), variance(n);
  in_core([&] { mm::predict_rows(evaluator.core.pls(), rows, random.data(), variance.data()); });
  return {in_unit(A, std::move(random)), to_numpy(std::move(variance))};
}

}  // namespace

void bind_prediction(nb::module_& m) {
  Result<RowPredictions>(m, "RowPredictions", "Predictions and their variances at rows.")
      .array("random", &RowPredictions::random, "(n,) z'b, nothing for unknown levels.")
      .array("variance", &RowPredictions::variance, "(n,) of the error of x'beta + z'b, over sigma^2.");
  m.def(
      "predict_rows", &predict_rows, nb::arg("evaluator"), nb::arg("codes"), nb::arg("z"), nb::arg("x"),
      "At the theta of the last value(). Per factor codes (n,), -1 for an unknown level, and z (n, s) along the axes;\n"
      "x (n, p) in coordinates of the basis.");
}
