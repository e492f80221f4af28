// Bindings of prediction.hpp.
#include "after/prediction.hpp"
#include "model.hpp"

namespace {

nb::tuple predict_rows(Evaluator& evaluator, const std::vector<nb::object>& given, const std::vector<Table>& z,
                       Table x) {
  const Products& products = evaluator.analysis.products;
  const std::size_t n = x.shape(0);
  mm::PredictionRows rows;
  rows.n = static_cast<std::int64_t>(n);
  rows.x = x.data();
  if (given.size() != products.A.factors.size() || z.size() != given.size() ||
      static_cast<int>(x.shape(1)) != products.A.p)
    throw nb::value_error("the rows are not those of this model");
  std::vector<Codes> codes;
  for (std::size_t f = 0; f < given.size(); ++f) {
    const mm::FactorBlock& block = products.A.factors[f];
    codes.push_back(checked_codes(given[f], block.levels, -1));
    if (codes[f].size() != n || z[f].shape(0) != n || static_cast<int>(z[f].shape(1)) != block.width)
      throw nb::value_error("codes, z and x differ in length or width");
    rows.codes.push_back(codes[f].data());
    rows.z.push_back(z[f].data());
  }
  std::vector<double> random(n), variance(n);
  {
    const CoreCall call;
    mm::predict_rows(evaluator.core.pls(), products.A, evaluator.analysis.symbolic, rows, random.data(),
                     variance.data());
  }
  return nb::make_tuple(in_unit(products.A, std::move(random)), to_numpy(std::move(variance)));
}

}  // namespace

void bind_prediction(nb::module_& m) {
  m.def("predict_rows", &predict_rows, nb::arg("evaluator"), nb::arg("codes"), nb::arg("z"), nb::arg("x"),
        "z'b (n,), and the variance (n,) of x'beta + z'b over sigma^2, at the theta of the last value(). Per factor "
        "codes (n,), -1 for an unknown level, and z (n, s) along the axes; x (n, p) in coordinates of the basis.");
}
