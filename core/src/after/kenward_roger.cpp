#include "after/kenward_roger.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "criterion/pair_sums.hpp"
#include "kernels/blas.hpp"
#include "kernels/interrupt.hpp"
#include "kernels/memory.hpp"

namespace mixedmodels {

namespace {

struct KenwardRogerPairs {
  PairSums levels;
  std::vector<double> P, Q;

  KenwardRogerPairs(const CrossProducts& A, std::size_t m)
      : levels(A), P(m * static_cast<std::size_t>(A.p) * A.p), Q(m * m * static_cast<std::size_t>(A.p) * A.p) {}

  std::size_t numbers() const { return levels.numbers() + P.size() + Q.size(); }

  void add(const KenwardRogerPairs& other) {
    levels.add(other.levels);
    for (std::size_t i = 0; i < P.size(); ++i) P[i] += other.P[i];
    for (std::size_t i = 0; i < Q.size(); ++i) Q[i] += other.Q[i];
  }
};

// Adds components to sums, one at a time.
class KenwardRogerAdder {
 public:
  KenwardRogerAdder(ProfiledDeviance& pls, const double* H, bool alone)
      : A_(*pls.model().A), entries_(pls.model().entries), H_(H), T_(pls, alone) {}

  void add(const std::vector<int>& nodes, Workers& workers, KenwardRogerPairs& sums) {
    T_.renew(nodes, workers);
    add_level_sums(T_, 0, nullptr, workers, space_, sums.levels);
    if (A_.p > 0) add_products(sums);
  }

 private:
  // E_e H and T E_e H, p numbers per random effect.
  void add_products(KenwardRogerPairs& sums) {
    const Layout& layout = T_.layout();
    const int p = A_.p;
    const std::size_t m = entries_.size(), size = static_cast<std::size_t>(p) * p,
                      block = static_cast<std::size_t>(p) * layout.q();
    for (auto* v : {&EH_, &TEH_}) v->assign(m * block, 0.0);
    of_component_.resize(block);
    T_.gather(p, H_, of_component_.data());
    for (std::size_t e = 0; e < m; ++e) {
      check_interrupt(static_cast<double>(block));
      const Layout::Part& part = layout.parts[entries_[e].factor];
      double* EH = EH_.data() + e * block;
      for (int at = part.first; at < part.first + part.rows(); at += part.width) {
        std::copy_n(row(of_component_.data(), at + entries_[e].column), p, row(EH, at + entries_[e].row));
        std::copy_n(row(of_component_.data(), at + entries_[e].row), p, row(EH, at + entries_[e].column));
      }
      add_transposed_product(part, EH, of_component_.data(), sums.P.data() + e * size);
      T_.multiply(p, EH, TEH_.data() + e * block);
    }
    for (std::size_t e = 0; e < m; ++e)
      for (std::size_t f = 0; f < m; ++f)
        add_transposed_product(layout.parts[entries_[e].factor], EH_.data() + e * block, TEH_.data() + f * block,
                               sums.Q.data() + (e * m + f) * size);
  }

  // out += a b' over the random effects of a factor.
  void add_transposed_product(const Layout::Part& part, double* a, double* b, double* out) const {
    blas::gemm('N', 'T', A_.p, A_.p, part.rows(), 1.0, row(a, part.first), A_.p, row(b, part.first), A_.p, 1.0, out,
               A_.p);
  }

  double* row(double* matrix, int r) const { return matrix + static_cast<std::size_t>(r) * A_.p; }

  const CrossProducts& A_;
  const std::vector<ThetaEntry>& entries_;
  const double* H_;
  ZtViZ T_;
  PanelSpace space_;
  std::vector<double> of_component_, EH_, TEH_;
};

}  // namespace

KenwardRogerSums kenward_roger_sums(ProfiledDeviance& pls) {
  const CrossProducts& A = *pls.model().A;
  const LevelGraph& graph = *pls.model().graph;
  const std::vector<ThetaEntry>& entries = pls.model().entries;
  require_independent_levels(A, "The method of Kenward and Roger");
  const std::size_t m = entries.size();
  require_triangles(pls.model().structures.get(), "Kenward-Roger");
  require_memory("Kenward-Roger",
                 {{"sums over the random effects", bytes_of_numbers(kenward_roger_workspace(A, graph, m))}});
  const std::vector<double>& H = pls.renew_ZtViX();
  KenwardRogerPairs sums(A, m);
  over_components(
      components(graph), pls.factor().workers(),
      [&](bool alone) { return std::make_unique<KenwardRogerAdder>(pls, H.data(), alone); }, sums);
  KenwardRogerSums out;
  out.trace.resize(m);
  out.traces.resize(m * m);
  // E = (e_a e_b' + e_b e_a') / 2 on the diagonal, without the half elsewhere.
  const auto weight = [&](const ThetaEntry& e) { return on_diagonal(e) ? 0.5 : 1.0; };
  const auto unit = [&](const ThetaEntry& e) {
    std::vector<double> column(A.factors[e.factor].width, 0.0);
    column[e.column] = 1;
    return column;
  };
  for (std::size_t e = 0; e < m; ++e) {
    const ThetaEntry& one = entries[e];
    out.trace[e] = 2 * weight(one) * sums.levels.own[one.factor][one.row + one.column * A.factors[one.factor].width];
    for (std::size_t f = 0; f <= e; ++f) {
      const ThetaEntry& other = entries[f];
      out.traces[e + f * m] = out.traces[f + e * m] =
          weight(one) * weight(other) *
          sums.levels.trace(one.factor, one.row, unit(one).data(), other.factor, other.row, unit(other).data());
    }
  }
  out.P = std::move(sums.P);
  out.Q = std::move(sums.Q);
  return out;
}

double kenward_roger_workspace(const CrossProducts& A, const LevelGraph& graph, std::size_t m) {
  double largest = 0;
  Layout layout(A, {});
  for (const std::vector<int>& nodes : components(graph)) {
    layout.assign(A, nodes);
    const double rest = layout.rest, q = layout.q(), entries = static_cast<double>(m);
    largest = std::max(largest, 2 * rest * (q + rest) + (2 * entries + 1) * A.p * q);
  }
  const double sums =
      static_cast<double>(PairSums(A).numbers()) + static_cast<double>(m) * static_cast<double>(m + 1) * A.p * A.p;
  return largest + 2 * sums;
}

double kenward_roger_flops(const CrossProducts& A, const LevelGraph& graph) {
  double flops = 0;
  Layout layout(A, {});
  for (const std::vector<int>& nodes : components(graph)) {
    layout.assign(A, nodes);
    const double rest = layout.rest, q = layout.q();
    flops += rest * rest * (q + rest);
  }
  return flops;
}

}  // namespace mixedmodels
