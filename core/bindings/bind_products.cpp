// Bindings of crossprod.hpp and symbolic.hpp: the stages that do not depend on theta.
#include "model.hpp"
#include "results.hpp"
#include "search/search.hpp"

namespace {

struct PairProducts {
  int a, b;
  Array<std::int64_t> start;
  Array<std::int32_t> level_b;
  Array<double> values;
};

std::vector<PairProducts> pairs(const Products& s) {
  std::vector<PairProducts> out;
  for (const mm::PairBlock& b : s.A().pairs) {
    const auto wa = static_cast<std::size_t>(s.A().factors[b.a].width),
               wb = static_cast<std::size_t>(s.A().factors[b.b].width);
    out.push_back({b.a, b.b, to_numpy(std::vector<std::int64_t>(b.start.begin(), b.start.end())),
                   to_numpy(std::vector<std::int32_t>(b.level_b.begin(), b.level_b.end())),
                   to_numpy(std::vector<double>(b.values), {b.level_b.size(), wa, wb})});
  }
  return out;
}

mm::Fill fill(Products& s, const std::variant<std::string, std::vector<int>>& order) {
  return in_core([&] {
    const mm::LevelGraph& graph = s.graph();
    if (const auto* factors = std::get_if<std::vector<int>>(&order))
      return mm::eliminate(graph, checked_order(s.A(), *factors), "factors").fill;
    return mm::eliminate(graph, mm::minimum_degree(graph), "minimum degree").fill;
  });
}

void bind_products(nb::module_& m) {
  Result<PairProducts>(m, "PairProducts", "Z_b'WZ_a of two factors a < b.")
      .value("a", &PairProducts::a)
      .value("b", &PairProducts::b)
      .array("start", &PairProducts::start, "(levels of a + 1,) where the pairs of each of its levels begin.")
      .array("level_b", &PairProducts::level_b, "(pairs,).")
      .array("values", &PairProducts::values, "(pairs, s_a, s_b).");
  Result<mm::Fill>(m, "Fill", "What an order of elimination costs.")
      .value("nnz", &mm::Fill::nnz, "Nonzeros of L.")
      .value("flops", &mm::Fill::flops, "Of a factorization.");
  nb::class_<Products>(
      m, "Products",
      "Cross-products of a design. Arguments: codes (one int32 array of length n per grouping factor),\n"
      "levels (their numbers), z (per factor a list of n x s matrices, any strides), X (n x p), y (n, or None for a\n"
      "model that takes its response later),\n"
      "weights and offset (n or None). The arrays must not change while the object lives.")
      .def(nb::init<std::vector<nb::object>, std::vector<std::int32_t>, std::vector<std::vector<Matrix>>, Matrix,
                    std::optional<Vector>, std::optional<Vector>, std::optional<Vector>, int>(),
           nb::arg("codes"), nb::arg("levels"), nb::arg("z"), nb::arg("X"), nb::arg("y").none(),
           nb::arg("weights").none() = nb::none(), nb::arg("offset").none() = nb::none(), nb::arg("threads") = 1)
      .def_prop_ro("n", [](const Products& s) { return s.model.rows.n; })
      .def_prop_ro(
          "has_rows", [](const Products& s) { return s.model.rows.present(); },
          "False for products made from sums over rows: what needs the rows raises ValueError then.")
      .def_prop_ro(
          "p", [](const Products& s) { return s.model.basis.p(); }, "Rank of X.")
      .def_prop_ro("q", [](const Products& s) { return s.A().q; })
      .def_prop_ro(
          "kept",
          [](const Products& s) {
            return to_numpy(std::vector<std::int32_t>(s.model.basis.kept.begin(), s.model.basis.kept.end()));
          },
          "Columns of X kept (p,); of a dependent set the first ones stay.", nb::rv_policy::automatic)
      .def_prop_ro(
          "R",
          [](const Products& s) {
            const auto p = static_cast<std::size_t>(s.model.basis.p());
            return to_numpy(std::vector<double>(s.model.basis.R), {p, p}, 'F');
          },
          "Triangle (p, p) with sqrt(W) X = Q R.", nb::rv_policy::automatic)
      .def_prop_ro("nbytes", [](const Products& s) { return s.A().bytes(); })
      .def_prop_ro(
          "few_rows", [](const Products& s) { return mm::few_rows(s.A()); },
          "Whether rows are so few that one start may not find the lowest optimum.")
      .def_prop_ro("fits_exactly", [](const Products& s) { return s.model.basis.fits_exactly; })
      .def_prop_ro(
          "all_columns",
          [](const Products& s) {
            const auto p = static_cast<std::size_t>(s.model.basis.p());
            const std::size_t all = p == 0 ? 0 : s.model.basis.all.size() / p;
            return to_numpy(std::vector<double>(s.model.basis.all), {p, all}, 'F');
          },
          "Q' sqrt(W) X (p, p_all): every column of X in the basis; no columns where p is 0.", nb::rv_policy::automatic)
      .def_prop_ro(
          "response_norm", [](const Products& s) { return s.model.basis.unit * s.model.basis.response_norm; },
          "Of sqrt(W) (y - offset), whatever X is.")
      .def(
          "within",
          [](const Products& s, double least, double most) {
            const auto inside = [&](double size) { return least < size && size < most; };
            bool all = inside(s.A().unit);
            for (int j = 0; j < s.model.basis.p(); ++j)
              all = all && inside(s.A().unit * std::sqrt(static_cast<double>(s.model.rows.n)) /
                                  s.model.basis.R[j * (s.model.basis.p() + 1)]);
            for (const mm::FactorBlock& f : s.A().factors)
              for (int c = 0; c < f.width && !f.T.empty(); ++c) all = all && inside(f.T[c * (f.width + 1)]);
            return all;
          },
          nb::arg("least"), nb::arg("most"),
          "Whether sigma, the coefficients and theta are of sizes between these, by the units of their columns.")
      .def(
          "axes",
          [](const Products& s, int f) -> std::optional<Array<double>> {
            const mm::FactorBlock& b = s.A().factors.at(f);
            const auto w = static_cast<std::size_t>(b.width);
            if (b.T.empty()) return {};
            return to_numpy(std::vector<double>(b.T), {w, w}, 'F');
          },
          nb::arg("factor"), "T (s, s) of one factor, lower triangular, None for the identity: Z stands for Z T here.")
      .def_prop_ro(
          "unit", [](const Products& s) { return s.A().unit; }, "Unit of the response, a power of two.")
      .def_prop_ro("sum_log_weights", [](const Products& s) { return s.A().sum_log_weights; })
      .def_prop_ro(
          "ZtX",
          [](const Products& s) {
            return to_numpy(std::vector<double>(s.A().ZtX),
                            {static_cast<std::size_t>(s.A().q), static_cast<std::size_t>(s.A().k())});
          },
          "Z'W [Q, y - X beta_ls] (q, p + 1), core order; the response in units of `unit`.", nb::rv_policy::automatic)
      .def_prop_ro(
          "XtX",
          [](const Products& s) {
            const auto k = static_cast<std::size_t>(s.A().k());
            return to_numpy(std::vector<double>(s.A().XtX), {k, k});
          },
          nb::rv_policy::automatic)
      .def(
          "diagonal",
          [](const Products& s, int f) {
            const mm::FactorBlock& b = s.A().factors.at(f);
            const auto w = static_cast<std::size_t>(b.width);
            return to_numpy(std::vector<double>(b.diagonal), {static_cast<std::size_t>(b.levels), w, w});
          },
          nb::arg("factor"), "Z'WZ of one factor: (levels, s, s).")
      .def("pairs", &pairs, "Of every two factors.")
      .def(
          "multiply",
          [](const Products& s, Dense v) {
            if (static_cast<std::int64_t>(v.size()) != s.A().q) throw nb::value_error("a vector of q numbers");
            std::vector<double> out(v.size());
            in_core([&] { mm::multiply_products(s.A(), v.data(), out.data(), 1); });
            return to_numpy(std::move(out));
          },
          nb::arg("v"), "Z'WZ v (q,), core order.")
      .def(
          "with_response",
          [](const Products& s, Dense sums) {
            if (s.model.rows.present()) throw nb::value_error("products of rows take their response from rows");
            if (static_cast<std::int64_t>(sums.size()) != mm::response_sums(s.A()))
              throw nb::value_error("the sums of a response have another length");
            return new Products(in_core([&] { return s.with_response(sums.data()); }));
          },
          nb::arg("sums"), nb::rv_policy::take_ownership,
          "Products without rows, with another response of which the sums (q + p + 1) are known; see ErrorSums.")
      .def("fill", &fill, nb::arg("order"), "For an order of the factors or 'minimum degree'.");
}

void bind_analysis(nb::module_& m) {
  nb::class_<Analysis>(m, "Analysis",
                       "Order and pattern of the factor: 'cheapest', 'minimum degree' or a list of factors.")
      .def(nb::init<Products&, std::variant<std::string, std::vector<int>>>(), nb::arg("products"),
           nb::arg("order") = std::string("cheapest"), nb::keep_alive<1, 2>())
      .def(
          "of_products",
          [](const Analysis& s, const Products& products) {
            if (products.A().pattern != s.A().pattern) throw nb::value_error("the products have another pattern");
            Analysis out(s);
            out.model = products.model;
            out.model.graph = s.model.graph;
            out.model.symbolic = s.model.symbolic;
            return out;
          },
          nb::arg("products"), nb::keep_alive<0, 2>(), "The same for products that differ in their numbers alone.")
      .def_prop_ro("order", [](const Analysis& s) { return s.symbolic().elimination.name; })
      .def_prop_ro("nnz", [](const Analysis& s) { return s.symbolic().elimination.fill.nnz; })
      .def_prop_ro("flops", [](const Analysis& s) { return s.symbolic().elimination.fill.flops; })
      .def_prop_ro("supernodes", [](const Analysis& s) { return s.symbolic().supernodes.size(); })
      .def_prop_ro(
          "largest",
          [](const Analysis& s) {
            int largest = 0;
            for (const mm::Supernode& node : s.symbolic().supernodes) largest = std::max(largest, node.width);
            return largest;
          },
          "Width of the widest supernode.")
      .def_prop_ro(
          "stored", [](const Analysis& s) { return s.symbolic().panel_size; }, "Numbers stored for L.")
      .def_prop_ro(
          "workspace", [](const Analysis& s) { return mm::WorkspaceBytes(s.A(), s.symbolic(), 1).total(); },
          "Bytes that an evaluator takes: factor, inverse, products.")
      .def_prop_ro(
          "permutation", [](const Analysis& s) { return to_numpy(s.permutation()); },
          "Core position (q,) of every position in the permuted order.", nb::rv_policy::automatic);
}

}  // namespace

void bind_stages(nb::module_& m) {
  bind_products(m);
  bind_analysis(m);
}
