#include "criterion/hessian.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "criterion/pair_sums.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/small_dense.hpp"

namespace mixedmodels {

namespace {

// Costs in flops of a dense factorization, from measurements: of a component, of its dense part and of a number that
// is gathered; of an evaluation, and of a level or a pair of levels in it.
constexpr double kComponent = 1.5e4, kElimination = 4e4, kGather = 3;
constexpr double kEvaluation = 1e5, kLevel = 1.5e3;
// Numbers in the panels of two threads; most copies of the sums, and most numbers in all copies (see pair_sums.cpp).
constexpr double kPanels = 8e6, kCopies = 32, kMostCopied = 2e7;

// What components add.
struct HessianSums {
  PairSums levels;
  std::vector<double> quadratic;  // m x m: (S_i v)'T (S_j v)
  std::vector<double> means;      // p x m: Y S_i v
  std::vector<double> fixed;      // p x p for every i: Y S_i Y'
  std::vector<double> within;     // m x m: <Y S_i Y', Y S_j Y'>, component by component

  HessianSums(const CrossProducts& A, std::size_t m, std::size_t p)
      : levels(A), quadratic(m * m), means(p * m), fixed(p * p * m), within(m * m) {}

  std::size_t numbers() const { return levels.numbers() + 2 * quadratic.size() + means.size() + fixed.size(); }

  void add(const HessianSums& other) {
    levels.add(other.levels);
    const auto plus = [](const std::vector<double>& from, std::vector<double>& to) {
      for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
    };
    plus(other.quadratic, quadratic);
    plus(other.means, means);
    plus(other.fixed, fixed);
    plus(other.within, within);
  }
};

// The column of Lambda that an entry is in.
const double* column_of(const CrossProducts& A, const ProfiledDeviance& pls, const ThetaEntry& entry) {
  return pls.lam()[entry.factor].data() + static_cast<std::ptrdiff_t>(entry.column) * A.factors[entry.factor].width;
}

// Adds components to sums, one at a time; Y is p x q with Y'Y = Z'V^-1X (X'V^-1X)^-1 X'V^-1Z.
class HessianAdder {
 public:
  HessianAdder(ProfiledDeviance& pls, const std::vector<double>& Y, Likelihood likelihood, bool alone)
      : A_(*pls.model().A),
        entries_(pls.model().entries),
        pls_(pls),
        Y_(Y),
        reml_(likelihood == Likelihood::reml),
        T_(pls, alone) {}

  void add(const std::vector<int>& nodes, Workers& workers, HessianSums& sums) {
    T_.renew(nodes, workers);
    const int q = T_.layout().q(), p = A_.p, m = static_cast<int>(entries_.size());
    y_.resize(static_cast<std::size_t>(p) * q);
    if (p > 0) T_.gather(p, Y_.data(), y_.data());
    add_level_sums(T_, reml_ ? p : 0, y_.data(), workers, space_, sums.levels);
    moved();
    TSv_.resize(Sv_.size());
    T_.multiply(m, Sv_.data(), TSv_.data());
    blas::gemm('N', 'T', m, m, q, 1.0, Sv_.data(), m, TSv_.data(), m, 1.0, sums.quadratic.data(), m);
    blas::gemm('N', 'T', p, m, q, 1.0, y_.data(), p, Sv_.data(), m, 1.0, sums.means.data(), p);
    if (reml_ && p > 0 && q < A_.q) add_fixed(sums);
  }

 private:
  // S_i v = dLambda_i u + Lambda dLambda_i'v, m numbers per random effect.
  void moved() {
    const Layout& layout = T_.layout();
    const std::size_t m = entries_.size();
    Sv_.assign(m * static_cast<std::size_t>(layout.q()), 0.0);
    for (std::size_t e = 0; e < m; ++e) {
      const auto [f, row, column] = entries_[e];
      const Layout::Part& part = layout.parts[f];
      const double* lam = column_of(A_, pls_, entries_[e]);
      double* to = Sv_.data() + static_cast<std::size_t>(part.first) * m + e;
      for (std::int32_t l : part.levels) {
        const std::int64_t at = Layout::effect(A_.factors[f], l);
        for (int r = column; r < part.width; ++r) to[r * m] = lam[r] * pls_.ZtWe()[at + row];
        to[row * m] += pls_.u()[at + column];
        to += part.width * m;
      }
    }
  }

  // REML's Z'PZ is not block-diagonal over components; what their pairs share has rank p.
  void add_fixed(HessianSums& sums) {
    const int p = A_.p;
    const std::size_t m = entries_.size(), size = static_cast<std::size_t>(p) * p;
    fixed_.assign(m * size, 0.0);
    turned_.resize(y_.size());
    for (std::size_t e = 0; e < m; ++e) {
      const auto [f, row, column] = entries_[e];
      const Layout::Part& part = T_.layout().parts[f];
      const double* lam = column_of(A_, pls_, entries_[e]);
      double* out = fixed_.data() + e * size;
      for (int at = part.first; at < part.first + part.rows(); at += part.width) {
        check_interrupt(4.0 * p * (p + part.width));
        const double *y = y_.data() + static_cast<std::size_t>(at) * p, *own = y + static_cast<std::size_t>(row) * p;
        std::fill_n(turned_.data(), p, 0.0);
        for (int r = column; r < part.width; ++r)
          small::axpy(p, lam[r], y + static_cast<std::size_t>(r) * p, turned_.data());
        for (int c = 0; c < p; ++c)
          for (int r = 0; r < p; ++r) out[r + c * p] += own[r] * turned_[c] + turned_[r] * own[c];
      }
    }
    const int count = static_cast<int>(m), numbers = static_cast<int>(size);
    blas::gemm('T', 'N', count, count, numbers, 1.0, fixed_.data(), numbers, fixed_.data(), numbers, 1.0,
               sums.within.data(), count);
    for (std::size_t i = 0; i < fixed_.size(); ++i) sums.fixed[i] += fixed_[i];
  }

  const CrossProducts& A_;
  const std::vector<ThetaEntry>& entries_;
  const ProfiledDeviance& pls_;
  const std::vector<double>& Y_;
  bool reml_;
  ZtViZ T_;
  PanelSpace space_;
  std::vector<double> y_, Sv_, TSv_, fixed_, turned_;
};

// Y = L^-1 X'V^-1Z with L L' = X'V^-1X.
std::vector<double> fixed_part(ProfiledDeviance& pls) {
  const CrossProducts& A = *pls.model().A;
  std::vector<double> out = pls.renew_ZtViX();
  out.resize(static_cast<std::size_t>(A.q) * A.p);
  if (A.p > 0) blas::trsm('L', 'L', 'N', A.p, static_cast<int>(A.q), pls.RX().data(), A.k(), out.data(), A.p);
  return out;
}

HessianSums add_up(ProfiledDeviance& pls, Likelihood likelihood) {
  const Model& model = pls.model();
  const std::vector<double> Y = fixed_part(pls);
  HessianSums sums(*model.A, model.entries.size(), model.A->p);
  over_components(
      components(*model.graph), pls.factor().workers(),
      [&](bool alone) { return std::make_unique<HessianAdder>(pls, Y, likelihood, alone); }, sums);
  return sums;
}

}  // namespace

std::vector<double> hessian(Criterion& f) {
  const CrossProducts& A = *f.model().A;
  const std::vector<ThetaEntry>& entries = f.model().entries;
  const std::size_t m = entries.size(), p = A.p;
  if (f.structures()) return {};
  std::vector<double> out(m * m, std::numeric_limits<double>::quiet_NaN());
  ProfiledDeviance& pls = f.pls();
  if (!std::isfinite(pls.criterion(f.likelihood()))) return out;
  if (!keeps_digits(A, pls.lam())) return {};
  const HessianSums sums = add_up(pls, f.likelihood());
  std::vector<double> slope(m);
  pls.pwrss_gradient(slope.data());
  const double scale = pls.scale_df(f.likelihood()) / pls.pwrss();
  for (std::size_t j = 0; j < m; ++j)
    for (std::size_t i = 0; i <= j; ++i) {
      const ThetaEntry &one = entries[i], &other = entries[j];
      double trace = -sums.levels.trace(one.factor, one.row, column_of(A, pls, one), other.factor, other.row,
                                        column_of(A, pls, other));
      if (f.likelihood() == Likelihood::reml)
        trace += sums.within[i + j * m] -
                 small::dot(static_cast<int>(p * p), sums.fixed.data() + i * p * p, sums.fixed.data() + j * p * p);
      double bend = sums.quadratic[i + j * m] -
                    small::dot(static_cast<int>(p), sums.means.data() + i * p, sums.means.data() + j * p);
      if (one.factor == other.factor && one.column == other.column) {  // S_ij = e_r e_s' + e_s e_r'
        const FactorBlock& block = A.factors[one.factor];
        trace += 2 * sums.levels.own[one.factor][one.row + other.row * block.width];
        for (std::int32_t l = 0; l < block.levels; ++l) {
          const std::int64_t at = Layout::effect(block, l);
          bend -= pls.ZtWe()[at + one.row] * pls.ZtWe()[at + other.row];
        }
      }
      out[i + j * m] = out[j + i * m] = trace + scale * (2 * bend - slope[i] * slope[j] / pls.pwrss());
    }
  return out;
}

HessianCost hessian_cost(const Model& model) {
  const CrossProducts& A = *model.A;
  const LevelGraph& graph = *model.graph;
  const Symbolic& symbolic = *model.symbolic;
  const double m = model.m(), p = A.p, nodes = graph.nodes;
  HessianCost out;
  std::vector<std::vector<int>> parts;
  if (graph.connected_pairs()) parts = components(graph);
  Layout layout(A, {});
  const double widest = A.widest();
  for (const FactorBlock& block : A.factors) {
    const double s = block.width;
    if (!graph.connected_pairs())  // every level by itself
      out.exact += block.levels * (kComponent + 3 * m * p * p * (m + 2) + m * s * (m + 2 * p) + 6 * s * s * s * s);
  }
  for (const std::vector<int>& component : parts) {
    layout.assign(A, component);
    const FactorBlock& lead = A.factors[layout.lead];
    const double q = layout.q(), rest = layout.rest, own = layout.own, s = lead.width;
    double links = 0;  // numbers of E
    for (int node : component)
      if (node >= lead.first_node && node < lead.first_node + lead.levels)
        for (std::int64_t i = graph.start[node]; i < graph.start[node + 1]; ++i)
          links += s * graph.weight[graph.neighbour[i]];
    const LeadCost pairs = lead_cost(layout, links, A.p);
    out.exact += kComponent + (rest > 0 ? kElimination : 0) + rest * rest * rest + kGather * links * 2 * rest +
                 std::min(pairs.pairs, pairs.products) + 2 * rest * q * widest * widest + p * rest * q +
                 m * q * (4 * rest + m + 2 * p);
    if (static_cast<double>(A.q) > q) out.exact += 3 * m * p * p * (m + 2 * static_cast<double>(component.size()));
    out.numbers = std::max(out.numbers, 3 * rest * rest + links + (2 * m + p) * q + kPanels +
                                            (pairs.by_products() ? s * s * (rest + p) * (rest + p) : own * rest));
  }
  const double sums = static_cast<double>(PairSums(A).numbers()) + 2 * m * (m + p * p);
  out.numbers += std::max(2 * sums, std::min(kCopies * sums, kMostCopied));
  const double met = static_cast<double>(graph.neighbour.size());
  out.differences = 2 * m *
                    (kEvaluation + 3 * symbolic.elimination.fill.flops + 30 * static_cast<double>(symbolic.panel_size) +
                     kLevel * (nodes + met) + static_cast<double>(A.q) * p * p);
  return out;
}

namespace {

// Right-hand sides of one solve.
constexpr int kBatch = 64;

// out (count x count) += C_ll - B'B for the levels from l on whose columns C = Z'WZ and B = L^-1 Lambda'C are given,
// rows of k numbers: T_ll of the effects `first` on.
void add_levels(const FactorBlock& block, std::int32_t l, int first, int count, int k, const std::vector<double>& C,
                const std::vector<double>& B, std::vector<double>& out) {
  for (int column = 0; column < k; column += count, ++l) {
    const double* own = C.data() + (Layout::effect(block, l) + first) * k + column;
    for (int j = 0; j < count; ++j)
      for (int i = 0; i < count; ++i) out[i + j * count] += own[std::int64_t{i} * k + j];
    for (std::size_t at = column; at < B.size(); at += k)
      for (int j = 0; j < count; ++j) small::axpy(count, -B[at + j], B.data() + at, out.data() + j * count);
  }
}

// C = Z'WZ E, rows of k numbers, for the unit vectors E of `count` effects, `first` on, of the levels l .. last - 1.
void columns_of_levels(const CrossProducts& A, int factor, std::int32_t l, std::int32_t last, int first, int count,
                       int k, std::vector<double>& C) {
  const FactorBlock& block = A.factors[factor];
  const int s = block.width;
  std::fill(C.begin(), C.end(), 0.0);
  for (std::int32_t m = l; m < last; ++m)
    for (int c = 0; c < count; ++c)
      for (int r = 0; r < s; ++r)
        C[(Layout::effect(block, m) + r) * k + (m - l) * count + c] =
            block.diagonal[(std::int64_t{m} * s + first + c) * s + r];
  for (const PairBlock& pair : A.pairs) {
    const FactorBlock &a = A.factors[pair.a], &b = A.factors[pair.b];
    for (std::int32_t m = l; pair.a == factor && m < last; ++m)
      for (std::int64_t t = pair.start[m]; t < pair.start[m + 1]; ++t)
        for (int c = 0; c < count; ++c)
          for (int r = 0; r < b.width; ++r)
            C[(Layout::effect(b, pair.level_b[t]) + r) * k + (m - l) * count + c] =
                pair.values[(t * s + first + c) * b.width + r];
    if (pair.b != factor) continue;
    InterruptMeter meter;
    for (std::int32_t m = 0; m < a.levels; ++m) {
      meter.count(pair.start[m + 1] - pair.start[m]);
      for (std::int64_t t = pair.start[m]; t < pair.start[m + 1]; ++t)
        if (const std::int32_t own = pair.level_b[t]; own >= l && own < last)
          for (int r = 0; r < a.width; ++r)
            for (int c = 0; c < count; ++c)
              C[(Layout::effect(a, m) + r) * k + (own - l) * count + c] =
                  pair.values[(t * a.width + r) * s + first + c];
    }
  }
}

// B = Lambda'C in the permuted order, rows of k numbers.
void turn(const CrossProducts& A, const ProfiledDeviance& pls, const std::vector<double>& C, int k,
          std::vector<double>& B) {
  const std::vector<int>& permuted = pls.factor().symbolic().permuted;
  std::fill(B.begin(), B.end(), 0.0);
  for (std::size_t f = 0; f < A.factors.size(); ++f) {
    const FactorBlock& block = A.factors[f];
    const double* lam = pls.lam()[f].data();
    for (std::int32_t l = 0; l < block.levels; ++l) {
      const std::int64_t at = Layout::effect(block, l);
      for (int c = 0; c < block.width; ++c)
        for (int r = c; r < block.width; ++r)
          if (const double entry = lam[r + c * block.width]; entry != 0)
            small::axpy(k, entry, C.data() + (at + r) * k, B.data() + std::int64_t{permuted[at + c]} * k);
    }
  }
}

}  // namespace

std::vector<double> covariance_derivative(Criterion& f, int factor, int first, int count) {
  const CrossProducts& A = *f.model().A;
  const FactorBlock& block = A.factors[factor];
  ProfiledDeviance& pls = f.pls();
  std::vector<double> out(static_cast<std::size_t>(count) * count), C, B;
  const int together = std::max(1, kBatch / count);
  for (std::int32_t l = 0; l < block.levels; l += together) {
    const std::int32_t last = std::min(l + together, block.levels);
    const int k = count * (last - l);
    check_interrupt(2.0 * k * static_cast<double>(A.q));
    for (auto* v : {&C, &B}) v->resize(static_cast<std::size_t>(A.q) * k);
    columns_of_levels(A, factor, l, last, first, count, k, C);
    turn(A, pls, C, k, B);
    pls.factor().solve_L(B.data(), k);
    add_levels(block, l, first, count, k, C, B, out);
  }
  const double scale = pls.scale_df(f.likelihood()) / pls.pwrss();
  const bool reml = f.likelihood() == Likelihood::reml && A.p > 0;
  const std::vector<double> Y = reml ? fixed_part(pls) : std::vector<double>();
  for (std::int32_t l = 0; l < block.levels; ++l) {
    const std::int64_t at = Layout::effect(block, l) + first;
    const double *e = pls.ZtWe().data() + at, *y = Y.data() + (reml ? at * A.p : 0);
    for (int j = 0; j < count; ++j)
      for (int i = 0; i < count; ++i) {
        out[i + j * count] -= scale * e[i] * e[j];
        if (reml) out[i + j * count] -= small::dot(A.p, y + std::int64_t{i} * A.p, y + std::int64_t{j} * A.p);
      }
  }
  return out;
}

double covariance_derivative_cost(const Criterion& f, int factor, int count) {
  const CrossProducts& A = *f.model().A;
  double numbers = 2 * static_cast<double>(f.pls().factor().symbolic().panel_size + A.q);
  for (const PairBlock& pair : A.pairs) numbers += static_cast<double>(pair.level_b.size()) / kBatch;
  return numbers * count * A.factors[factor].levels;
}

double gradient_cost(const Criterion& f) {
  const Symbolic& S = f.pls().factor().symbolic();
  return kEvaluation + 3 * S.elimination.fill.flops + 30 * static_cast<double>(S.panel_size);
}

}  // namespace mixedmodels
