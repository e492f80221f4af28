// Passes over the rows of a generalized model, against loops over the rows as they came; the same to the last digit for
// any number of threads.
#include "check.hpp"
#include "generalized/weighted_rows.hpp"
#include "structures.hpp"

namespace {

using Vector = std::vector<double>;

// A structure with weights and scores of its rows, in the order of the rows that are tested.
struct Made {
  Structure structure;
  Stages stages;
  mm::WeightedRows rows;
  Vector w, s, sorted_w, sorted_s, b, beta;

  Made(std::uint64_t seed, Structure made)
      : structure(std::move(made)), stages(structure), rows(stages.model, mm::Column{}) {
    Random random(seed);
    w = random.normals(structure.n), s = random.normals(structure.n);
    sorted_w = rows.sorted({w.data(), 1}), sorted_s = rows.sorted({s.data(), 1});
    b = random.normals(structure.q()), beta = random.normals(A().p);
  }

  const mm::CrossProducts& A() const { return *stages.model.A; }
  double z(int f, int c, int i) const { return structure.z(f, c, i); }
  // Where the effects of a row's level begin.
  std::int64_t at(int f, int i) const {
    return A().factors[f].offset + std::int64_t{structure.factors[f].codes[i]} * structure.factors[f].width();
  }
  // The row i of X in the basis.
  Vector x(int i, const std::vector<std::int64_t>& place) const {
    Vector out;
    for (int j = 0; j < A().p; ++j) out.push_back(rows.x(place[i], j));
    return out;
  }
  // Where the rows that came are among those that are tested.
  std::vector<std::int64_t> places() const {
    Vector number(structure.n);
    for (int i = 0; i < structure.n; ++i) number[i] = i;
    const Vector at = rows.sorted({number.data(), 1});
    std::vector<std::int64_t> out(structure.n);
    for (int i = 0; i < structure.n; ++i) out[static_cast<std::size_t>(at[i])] = i;
    return out;
  }
};

// All that passes give, one after the other.
Vector everything(const Made& made, int threads) {
  mm::Workers workers(threads);
  const mm::WeightedRows& rows = made.rows;
  mm::CrossProducts A(made.A());
  const int k = A.k();
  Vector out(made.structure.n), more(made.structure.q());
  rows.predict(workers, made.b.data(), made.beta.data(), false, out.data());
  out = rows.unsorted(out);
  const auto add = [&](const Vector& values) { out.insert(out.end(), values.begin(), values.end()); };
  rows.sum_random(workers, made.sorted_s.data(), more.data());
  add(more);
  more.resize(A.p);
  rows.sum_fixed(workers, made.sorted_s.data(), more.data());
  add(more);
  rows.renew_random(workers, made.sorted_w.data(), A);
  for (const mm::FactorBlock& f : A.factors) add(f.diagonal);
  for (const mm::PairBlock& pair : A.pairs) add(pair.values);
  std::vector<Vector> levels, pairs;
  for (const mm::FactorBlock& f : A.factors) levels.push_back(f.diagonal);
  for (const mm::PairBlock& pair : A.pairs) pairs.push_back(pair.values);
  more.assign(made.structure.n, 0.0);
  rows.quadratic(workers, levels, pairs, more.data());
  add(rows.unsorted(more));
  rows.renew_fixed(workers, made.sorted_w.data(), A);
  for (std::int64_t i = 0; i < A.q; ++i) out.insert(out.end(), A.ZtX.begin() + i * k, A.ZtX.begin() + i * k + A.p);
  for (int c = 0; c < A.p; ++c) out.insert(out.end(), A.XtX.begin() + c * k, A.XtX.begin() + c * k + A.p);
  std::fill(A.XtX.begin(), A.XtX.end(), 0.0);
  rows.renew_fixed_squares(workers, made.sorted_w.data(), A);
  for (int c = 0; c < A.p; ++c) out.insert(out.end(), A.XtX.begin() + c * k, A.XtX.begin() + c * k + A.p);
  return out;
}

// The same by loops.
Vector by_loops(const Made& made) {
  const Structure& structure = made.structure;
  const mm::CrossProducts& A = made.A();
  const int n = structure.n, p = A.p, factors = static_cast<int>(structure.factors.size());
  const std::vector<std::int64_t> place = made.places();
  Vector eta(n), Zts(A.q), Xts(p), ZtX(A.q * p), XtX(static_cast<std::size_t>(p) * p), quadratic(n);
  std::vector<Vector> diagonals, values;
  for (const mm::FactorBlock& f : A.factors) diagonals.emplace_back(f.diagonal.size());
  for (const mm::PairBlock& pair : A.pairs) values.emplace_back(pair.values.size());
  const auto cell = [&](const mm::PairBlock& pair, int i) {
    const std::int32_t a = structure.factors[pair.a].codes[i], b = structure.factors[pair.b].codes[i];
    std::int64_t at = pair.start[a];
    while (pair.level_b[at] != b) ++at;
    return at;
  };
  const auto each_cell = [&](int i, auto&& visit) {  // the numbers of a row's levels, and the products of its columns
    for (int f = 0; f < factors; ++f) {
      const int s = structure.factors[f].width();
      double* own = diagonals[f].data() + std::int64_t{structure.factors[f].codes[i]} * s * s;
      for (int c = 0; c < s; ++c)
        for (int r = 0; r < s; ++r) visit(own[r + c * s], made.z(f, r, i) * made.z(f, c, i), 1);
    }
    for (std::size_t t = 0; t < A.pairs.size(); ++t) {
      const mm::PairBlock& pair = A.pairs[t];
      const int sa = structure.factors[pair.a].width(), sb = structure.factors[pair.b].width();
      double* own = values[t].data() + cell(pair, i) * sa * sb;
      for (int c = 0; c < sa; ++c)
        for (int r = 0; r < sb; ++r) visit(own[r + c * sb], made.z(pair.b, r, i) * made.z(pair.a, c, i), 2);
    }
  };
  for (int i = 0; i < n; ++i) {
    const Vector x = made.x(i, place);
    for (int j = 0; j < p; ++j) {
      eta[i] += x[j] * made.beta[j];
      Xts[j] += x[j] * made.s[i];
      for (int l = 0; l < p; ++l) XtX[l + j * p] += made.w[i] * x[l] * x[j];
    }
    for (int f = 0; f < factors; ++f)
      for (int c = 0; c < structure.factors[f].width(); ++c) {
        const std::int64_t at = made.at(f, i) + c;
        eta[i] += made.z(f, c, i) * made.b[at];
        Zts[at] += made.z(f, c, i) * made.s[i];
        for (int j = 0; j < p; ++j) ZtX[at * p + j] += made.w[i] * made.z(f, c, i) * x[j];
      }
    each_cell(i, [&](double& number, double product, int) { number += made.w[i] * product; });
  }
  for (int i = 0; i < n; ++i)
    each_cell(i, [&](double& number, double product, int times) { quadratic[i] += times * product * number; });
  Vector out(eta);
  const auto add = [&](const Vector& more) { out.insert(out.end(), more.begin(), more.end()); };
  add(Zts), add(Xts);
  for (const Vector& numbers : diagonals) add(numbers);
  for (const Vector& numbers : values) add(numbers);
  add(quadratic), add(ZtX), add(XtX), add(XtX);
  return out;
}

void check_passes(std::uint64_t seed, Structure structure) {
  structure.w.clear();
  structure.offset.clear();
  check::at(structure.kind + ", " + std::to_string(structure.n) + " rows, seed " + std::to_string(seed));
  const Made made(seed, std::move(structure));
  const Vector expected = by_loops(made), one = everything(made, 1);
  CHECK(one.size() == expected.size());
  double largest = 1, error = 0;
  for (double value : expected) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < one.size(); ++i) error = std::max(error, std::abs(one[i] - expected[i]));
  CHECK_ERROR("passes", error / largest, 1e-13);
  for (int threads : {2, 5}) CHECK(everything(made, threads) == one);
}

}  // namespace

TEST(passes_over_few_rows) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) check_passes(seed, structures::random(seed));
}

TEST(passes_over_many_rows) {
  constexpr int kPart = mm::WeightedRows::kRowsOfPart;
  for (int n : {kPart - 1, kPart, kPart + 1, 3 * kPart, 5 * kPart + 77}) {
    check_passes(1, structures::crossed(1, n, {{300, {1}}, {7, {1}}}, 3));
    check_passes(2, structures::crossed(2, n, {{20, {2}}, {150, {1, 2}}}, 2));
    check_passes(3, structures::nested(3, n, {{n / 2, {1}}, {40, {2}}}, 4));
    check_passes(4, structures::crossed(4, n, {{2, {3}}}, 1));  // levels longer than parts
    check_passes(5, structures::crossed(5, n, {{50, {1}}, {60, {1}}, {40, {1}}}, 0));
  }
}
