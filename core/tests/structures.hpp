// Purpose: designs to test on, small random ones of every kind and larger ones made to order, and the core's stages
// run on them. A structure owns its arrays; the `Rows` it gives point into it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "criterion/criterion.hpp"
#include "dense.hpp"
#include "random.hpp"

namespace mm = mixedmodels;

struct Structure {
  struct Factor {
    std::vector<std::int32_t> codes;
    std::int32_t levels = 0;
    std::vector<int> term_widths;        // terms on this factor; their templates are blocks of one
    std::vector<std::vector<double>> z;  // column by column; an empty column is constant one
    int width() const { return static_cast<int>(z.size()); }
  };

  std::string kind;
  int n = 0;
  std::vector<Factor> factors;
  std::vector<std::vector<double>> x;
  std::vector<double> y, w, offset;  // w, offset: empty when there are none

  double z(int f, int column, int row) const {
    const std::vector<double>& values = factors[f].z[column];
    return values.empty() ? 1.0 : values[row];
  }
  double weight(int row) const { return w.empty() ? 1.0 : w[row]; }
  double response(int row) const { return offset.empty() ? y[row] : y[row] - offset[row]; }

  int q() const {
    int sum = 0;
    for (const Factor& f : factors) sum += f.levels * f.width();
    return sum;
  }

  mm::Rows rows() const {
    static constexpr double one = 1.0;
    mm::Rows out;
    out.n = n;
    for (const Factor& f : factors) {
      mm::FactorRows rows_f{f.codes.data(), f.levels, {}};
      for (const auto& column : f.z)
        rows_f.z.push_back(column.empty() ? mm::Column{&one, 0} : mm::Column{column.data(), 1});
      out.factors.push_back(std::move(rows_f));
    }
    for (const auto& column : x) out.x.push_back({column.data(), 1});
    out.y = {y.data(), 1};
    if (!w.empty()) out.weight = {w.data(), 1};
    if (!offset.empty()) out.offset = {offset.data(), 1};
    return out;
  }

  // Lower triangles of the terms' templates by columns, term by term.
  std::vector<mm::ThetaEntry> entries() const {
    std::vector<mm::ThetaEntry> out;
    for (int f = 0; f < static_cast<int>(factors.size()); ++f) {
      int first = 0;
      for (int width : factors[f].term_widths) {
        for (int c = 0; c < width; ++c)
          for (int r = c; r < width; ++r) out.push_back({f, first + r, first + c});
        first += width;
      }
    }
    return out;
  }

  // Z (n x q) in the order of the cross-products.
  template <typename T>
  dense::Matrix<T> Z() const {
    dense::Matrix<T> out(n, q());
    int first = 0;
    for (int f = 0; f < static_cast<int>(factors.size()); ++f) {
      const int s = factors[f].width();
      for (int i = 0; i < n; ++i)
        for (int c = 0; c < s; ++c) out(i, first + factors[f].codes[i] * s + c) = T(z(f, c, i));
      first += factors[f].levels * s;
    }
    return out;
  }

  // Templates (one per factor) and Lambda (q x q) at theta.
  template <typename T>
  std::vector<dense::Matrix<T>> templates(const std::vector<T>& theta) const {
    std::vector<dense::Matrix<T>> out;
    for (const Factor& f : factors) out.emplace_back(f.width(), f.width());
    const std::vector<mm::ThetaEntry> at = entries();
    for (std::size_t e = 0; e < at.size(); ++e) out[at[e].factor](at[e].row, at[e].column) = theta[e];
    return out;
  }

  template <typename T>
  dense::Matrix<T> Lambda(const std::vector<T>& theta) const {
    dense::Matrix<T> out(q(), q());
    const auto lam = templates(theta);
    int first = 0;
    for (std::size_t f = 0; f < factors.size(); ++f)
      for (int l = 0; l < factors[f].levels; ++l, first += lam[f].rows)
        for (int c = 0; c < lam[f].cols; ++c)
          for (int r = c; r < lam[f].rows; ++r) out(first + r, first + c) = lam[f](r, c);
    return out;
  }
};

namespace structures {

// Levels drawn with unequal chances, so that some are frequent, some rare, and some may not occur.
inline std::vector<std::int32_t> unbalanced(Random& random, int n, int levels) {
  std::vector<double> upto(levels);
  double sum = 0;
  for (double& u : upto) u = sum += random.uniform(0.1, 1.0);
  std::vector<std::int32_t> out(n);
  for (auto& code : out) {
    const double draw = random.uniform(0, sum);
    code = static_cast<std::int32_t>(std::upper_bound(upto.begin(), upto.end() - 1, draw) - upto.begin());
  }
  return out;
}

// A factor whose level is determined by that of a finer one.
inline std::vector<std::int32_t> coarser(Random& random, const std::vector<std::int32_t>& fine, int fine_levels,
                                         int levels) {
  std::vector<std::int32_t> map(fine_levels), out;
  for (auto& level : map) level = random.integer(0, levels - 1);
  for (std::int32_t code : fine) out.push_back(map[code]);
  return out;
}

inline void add_terms(Random& random, Structure& s, Structure::Factor factor, const std::vector<int>& widths) {
  for (int width : widths)
    for (int c = 0; c < width; ++c)
      factor.z.push_back(c == 0 && factor.z.empty() ? std::vector<double>{} : random.normals(s.n));
  factor.term_widths = widths;
  s.factors.push_back(std::move(factor));
}

// X with an intercept and p - 1 covariates, and a response with effects of everything.
inline void add_fixed(Random& random, Structure& s, int p) {
  for (int j = 0; j < p; ++j) s.x.push_back(j == 0 ? std::vector<double>(s.n, 1.0) : random.normals(s.n));
  s.y = random.normals(s.n);
  for (auto& column : s.x) {
    const double beta = random.normal();
    for (int i = 0; i < s.n; ++i) s.y[i] += beta * column[i];
  }
  for (int f = 0; f < static_cast<int>(s.factors.size()); ++f)
    for (int c = 0; c < s.factors[f].width(); ++c) {
      const std::vector<double> b = random.normals(s.factors[f].levels);
      for (int i = 0; i < s.n; ++i) s.y[i] += 0.7 * b[s.factors[f].codes[i]] * s.z(f, c, i);
    }
}

// 1 to 4 terms of 1 to 5 columns on crossed, nested, partially nested or disconnected factors.
inline Structure random(std::uint64_t seed) {
  Random draw(seed);
  Structure s;
  s.n = draw.integer(25, 60);
  const int terms = draw.integer(1, 4);
  const bool disconnected = draw.chance(0.25);
  std::vector<std::vector<int>> widths;  // per factor
  for (int t = 0; t < terms; ++t) {
    const int width = draw.chance(0.4) ? 1 : draw.integer(1, terms > 2 ? 3 : 5);
    if (!widths.empty() && draw.chance(0.25))
      widths[draw.integer(0, static_cast<int>(widths.size()) - 1)].push_back(width);
    else
      widths.push_back({width});
  }
  for (std::size_t f = 0; f < widths.size(); ++f) {
    Structure::Factor factor;
    factor.levels = draw.integer(2, f == 0 ? 9 : 6);
    if (f > 0 && draw.chance(0.35)) {
      factor.codes = coarser(draw, s.factors[f - 1].codes, s.factors[f - 1].levels, factor.levels);
      s.kind += " nested";
    } else if (disconnected) {  // the second half of the rows has levels of its own
      factor.codes = unbalanced(draw, s.n, factor.levels);
      for (int i = s.n / 2; i < s.n; ++i) factor.codes[i] += factor.levels;
      factor.levels *= 2;
      s.kind += " disconnected";
    } else {
      factor.codes = unbalanced(draw, s.n, factor.levels);
      s.kind += " crossed";
    }
    add_terms(draw, s, std::move(factor), widths[f]);
  }
  add_fixed(draw, s, draw.integer(0, 4));
  if (draw.chance(0.4))
    for (int i = 0; i < s.n; ++i) s.w.push_back(draw.uniform(0.2, 3.0));
  if (draw.chance(0.3)) s.offset = draw.normals(s.n);
  return s;
}

// Crossed factors with every pair of levels drawn at random: the factor ends in a wide dense supernode.
inline Structure crossed(std::uint64_t seed, int n, std::vector<std::pair<int, std::vector<int>>> shapes, int p = 2) {
  Random draw(seed);
  Structure s;
  s.kind = "crossed";
  s.n = n;
  for (const auto& [levels, widths] : shapes) {
    Structure::Factor factor;
    factor.levels = levels;
    factor.codes = unbalanced(draw, n, levels);
    add_terms(draw, s, std::move(factor), widths);
  }
  add_fixed(draw, s, p);
  return s;
}

// Every factor nested in the next.
inline Structure nested(std::uint64_t seed, int n, std::vector<std::pair<int, std::vector<int>>> shapes, int p = 2) {
  Random draw(seed);
  Structure s;
  s.kind = "nested";
  s.n = n;
  for (const auto& [levels, widths] : shapes) {
    Structure::Factor factor;
    factor.levels = levels;
    factor.codes = s.factors.empty() ? unbalanced(draw, n, levels)
                                     : coarser(draw, s.factors.back().codes, s.factors.back().levels, levels);
    add_terms(draw, s, std::move(factor), widths);
  }
  add_fixed(draw, s, p);
  return s;
}

// Like pupils who move between neighbouring schools over the years: a band of pairs that occur, and the years crossed.
inline Structure partially_crossed(std::uint64_t seed, int pupils, int schools, int years, int width, int p = 2) {
  Random draw(seed);
  Structure s;
  s.kind = "partially crossed";
  Structure::Factor pupil, school, year;
  for (int i = 0; i < pupils; ++i) {
    int at = static_cast<int>(static_cast<std::int64_t>(i) * schools / pupils);
    for (int t = 0; t < years; ++t) {
      if (draw.chance(0.1)) continue;
      if (draw.chance(0.3)) at = std::clamp(at + draw.integer(-2, 2), 0, schools - 1);
      pupil.codes.push_back(i);
      school.codes.push_back(at);
      year.codes.push_back(t);
    }
  }
  s.n = static_cast<int>(pupil.codes.size());
  pupil.levels = pupils;
  school.levels = schools;
  year.levels = years;
  add_terms(draw, s, std::move(pupil), {1});
  add_terms(draw, s, std::move(school), {width});
  add_terms(draw, s, std::move(year), {1});
  add_fixed(draw, s, p);
  return s;
}

// Two crossed pairs of factors that meet in a third factor only.
inline Structure halves(std::uint64_t seed, int n, int levels, int common) {
  Structure s = crossed(seed, n, {{levels, {1}}, {levels / 2, {2}}, {common, {1}}});
  s.kind = "two halves";
  for (int f = 0; f < 2; ++f) {
    for (int i = 0; i < n / 2; ++i) s.factors[f].codes[i] += s.factors[f].levels;
    s.factors[f].levels *= 2;
  }
  return s;
}

// Designs whose supernodes are wide and whose updates are large.
inline std::vector<Structure> large() {
  std::vector<Structure> out{
      crossed(1, 900, {{60, {2}}, {50, {2}}}),    crossed(2, 500, {{60, {1, 1}}, {40, {2}}, {30, {1}}}),
      crossed(3, 700, {{25, {5}}, {20, {4, 1}}}), crossed(4, 1500, {{15, {5}}, {170, {1}}}),
      partially_crossed(5, 120, 40, 4, 3),        halves(6, 900, 40, 40)};
  for (Structure& s : out) s.kind += " of " + std::to_string(s.q());
  return out;
}

enum class Point { interior, zero_diagonal, zero_column, zero_template, origin };
inline constexpr Point kPoints[] = {Point::interior, Point::zero_diagonal, Point::zero_column, Point::zero_template,
                                    Point::origin};

// A theta, singular in the way asked for in one term or (at the origin) in all.
inline std::vector<double> theta(Random& random, const Structure& s, Point point) {
  const std::vector<mm::ThetaEntry> at = s.entries();
  std::vector<double> out;
  for (const mm::ThetaEntry& e : at)
    out.push_back(e.row == e.column ? random.uniform(0.2, 1.5) : 0.6 * random.normal());
  if (point == Point::interior) return out;
  std::vector<std::size_t> diagonals;
  for (std::size_t e = 0; e < at.size(); ++e)
    if (at[e].row == at[e].column) diagonals.push_back(e);
  const std::size_t chosen = diagonals[random.integer(0, static_cast<int>(diagonals.size()) - 1)];
  for (std::size_t e = 0; e < at.size(); ++e) {
    const bool same_factor = at[e].factor == at[chosen].factor;
    const bool same_column = same_factor && at[e].column == at[chosen].column;
    if (point == Point::origin || e == chosen || (point == Point::zero_column && same_column) ||
        (point == Point::zero_template && same_factor))
      out[e] = 0;
  }
  return out;
}

}  // namespace structures

// The stages of the core on a structure, up to the analysis. Stays where it was made: later stages point to earlier.
struct Stages {
  const Structure& structure;
  mm::Model model;
  std::shared_ptr<mm::Symbolic> analysis;  // that of the model
  const mm::Rows& rows;
  const mm::OrthogonalBasis& basis;
  const mm::CrossProducts& A;
  const mm::LevelGraph& graph;
  const mm::Symbolic& symbolic;

  explicit Stages(const Structure& s)
      : structure(s),
        model(model_of(s)),
        analysis(std::make_shared<mm::Symbolic>()),
        rows(model.rows),
        basis(model.basis),
        A(*model.A),
        graph(*model.graph),
        symbolic(*analysis) {
    *analysis = mm::analyze(*A.pattern, graph, mm::cheapest_elimination(*A.pattern, graph));
    model.symbolic = analysis;
  }
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;

  void reanalyze(std::vector<int> order) {
    *analysis = mm::analyze(*A.pattern, graph, mm::eliminate(graph, std::move(order), "given"));
  }

  // The cheapest order, the levels as they come, and an order that fills more.
  template <typename Visit>
  void each_order(Visit&& visit) {
    visit("cheapest order");
    std::vector<int> order(graph.nodes);
    std::iota(order.begin(), order.end(), 0);
    reanalyze(order);
    visit("levels as they come");
    Random random(2);
    reanalyze(random.permutation(graph.nodes));
    visit("random order");
  }

  static mm::Model model_of(const Structure& s) {
    mm::Model out;
    out.rows = s.rows();
    out.basis = mm::orthogonalize(out.rows);
    out.A = std::make_shared<mm::CrossProducts>(mm::cross_products(out.rows, out.basis));
    out.graph = std::make_shared<mm::LevelGraph>(mm::level_graph(*out.A->pattern));
    out.entries = s.entries();
    return out;
  }

  // Templates as the core takes them.
  std::vector<std::vector<double>> lam(const std::vector<double>& theta) const {
    std::vector<std::vector<double>> out;
    for (const auto& block : structure.templates(theta)) out.push_back(block.a);
    return out;
  }
};

// Which ways through the factor's kernels an analysis takes: a supernode wider than the plain loops are for, an update
// large enough for BLAS with its rows side by side in the target, and one with its rows apart.
struct Paths {
  bool wide = false, contiguous = false, scattered = false;

  void add(const mm::Symbolic& S) {
    for (const mm::Supernode& node : S.supernodes) {
      wide = wide || node.width > 12;
      for (std::int64_t t = node.update_begin; t < node.update_end; ++t) {
        const mm::Update& u = S.updates[t];
        const double size = static_cast<double>(node.below - u.begin) * (u.end - u.begin) * node.width;
        if (size > 16384 && node.width > 3) (u.contiguous ? contiguous : scattered) = true;
      }
    }
  }
};
