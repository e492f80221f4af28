#include "mixedmodels/kenward_roger.hpp"

#include <algorithm>

#include "mixedmodels/blas.hpp"

namespace mixedmodels {

namespace {

// Nodes of every connected component, ascending, so that the levels of a factor stand together.
std::vector<std::vector<int>> components(const LevelGraph& graph) {
  std::vector<std::vector<int>> out;
  std::vector<bool> seen(graph.nodes, false);
  for (int root = 0; root < graph.nodes; ++root) {
    if (seen[root]) continue;
    seen[root] = true;
    std::vector<int> nodes{root};
    for (std::size_t at = 0; at < nodes.size(); ++at)
      for (std::int64_t i = graph.start[nodes[at]]; i < graph.start[nodes[at] + 1]; ++i) {
        const int next = graph.neighbour[i];
        if (seen[next]) continue;
        seen[next] = true;
        nodes.push_back(next);
      }
    std::sort(nodes.begin(), nodes.end());
    out.push_back(std::move(nodes));
  }
  return out;
}

// Local rows of a component: first those of the factor that has most of them, the lead, then the rest.
struct Layout {
  // The levels of one factor: local rows first .. first + levels * width.
  struct Part {
    std::vector<std::int32_t> levels;
    int first = 0, width = 0;
    int rows() const { return static_cast<int>(levels.size()) * width; }
  };
  std::vector<Part> parts;
  int lead = 0, own = 0, rest = 0;  // the lead factor, its rows, all other rows
  int q() const { return own + rest; }

  Layout(const CrossProducts& A, const std::vector<int>& nodes) : parts(A.factors.size()) {
    std::size_t next = 0;
    for (std::size_t f = 0; f < parts.size(); ++f) {
      const FactorBlock& block = A.factors[f];
      parts[f].width = block.width;
      for (; next < nodes.size() && nodes[next] < block.first_node + block.levels; ++next)
        parts[f].levels.push_back(static_cast<std::int32_t>(nodes[next] - block.first_node));
      if (parts[f].rows() > parts[lead].rows()) lead = static_cast<int>(f);
    }
    own = parts[lead].rows();
    int at = own;
    for (std::size_t f = 0; f < parts.size(); ++f) {
      if (static_cast<int>(f) == lead) continue;
      parts[f].first = at;
      at += parts[f].rows();
    }
    rest = at - own;
  }
};

// One component at a time: its T, and what it adds to the sums.
// The lead's levels do not meet each other, so its part of T is block-diagonal but for a term of rank `rest`,
// T_11 = B - W_1'W_1, and is never formed.
class Accumulator {
 public:
  Accumulator(const CrossProducts& A, const std::vector<ThetaEntry>& entries, const Templates& lam,
              const std::vector<double>& H)
      : A_(A), entries_(entries), lam_(lam), H_(H), p_(A.p), place_(static_cast<std::size_t>(A.nodes)) {
    const std::size_t m = entries.size(), size = static_cast<std::size_t>(p_) * p_;
    sums.trace.resize(m);
    sums.traces.resize(m * m);
    sums.P.resize(m * size);
    sums.Q.resize(m * m * size);
    N_.resize(m);
  }

  void add(const std::vector<int>& nodes) {
    layout_ = Layout(A_, nodes);
    gather();
    eliminate_lead();
    eliminate_rest();
    add_traces();
    if (p_ > 0) add_products();
  }

  KenwardRogerSums sums;

 private:
  double* column(std::vector<double>& matrix, int c) const {
    return matrix.data() + static_cast<std::size_t>(c) * layout_.rest;
  }

  // T_ <- rows of Z'WZ that are not the lead's (rest x q).
  void gather() {
    for (std::size_t f = 0; f < layout_.parts.size(); ++f) {
      const Layout::Part& part = layout_.parts[f];
      for (std::size_t i = 0; i < part.levels.size(); ++i)
        place_[A_.factors[f].first_node + part.levels[i]] = part.first + static_cast<int>(i) * part.width;
    }
    T_.assign(static_cast<std::size_t>(layout_.rest) * layout_.q(), 0.0);
    auto set = [&](int r, int c, double value) {
      if (r >= layout_.own) column(T_, c)[r - layout_.own] = value;
    };
    for (std::size_t f = 0; f < layout_.parts.size(); ++f) {
      const int s = layout_.parts[f].width;
      for (std::int32_t l : layout_.parts[f].levels) {
        const double* d = A_.factors[f].diagonal.data() + std::int64_t{l} * s * s;
        const int first = place_[A_.factors[f].first_node + l];
        for (int c = 0; c < s; ++c)
          for (int r = 0; r < s; ++r) set(first + r, first + c, d[r + c * s]);
      }
    }
    for (const PairBlock& pair : A_.pairs) {
      const int sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
      for (std::int32_t l : layout_.parts[pair.a].levels)
        for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
          const double* v = pair.values.data() + e * sa * sb;
          const int col = place_[A_.factors[pair.a].first_node + l],
                    row = place_[A_.factors[pair.b].first_node + pair.level_b[e]];
          for (int c = 0; c < sa; ++c)
            for (int r = 0; r < sb; ++r) {
              set(row + r, col + c, v[r + c * sb]);
              set(col + c, row + r, v[r + c * sb]);
            }
        }
    }
  }

  // Level by level with K = lam (lam'A lam + I)^-1 lam' = J J': B = A - A K A, and of the rest's rows
  // T_21 <- A_21 (I - K A), T_22 <- A_22 - A_21 J J'A_12.
  void eliminate_lead() {
    const Layout::Part& part = layout_.parts[layout_.lead];
    const int s = part.width, size = s * s, rest = layout_.rest;
    const double* lam = lam_[layout_.lead].data();
    B_.resize(part.levels.size() * size);
    W_.assign(static_cast<std::size_t>(rest) * layout_.own, 0.0);  // A_21 J
    std::vector<double> M(size), J(size), AJ(size), rows(static_cast<std::size_t>(rest) * s);
    for (std::size_t i = 0; i < part.levels.size(); ++i) {
      const double* A = A_.factors[layout_.lead].diagonal.data() + std::int64_t{part.levels[i]} * size;
      double* B = B_.data() + i * size;
      blas::gemm('N', 'N', s, s, s, 1.0, A, s, lam, s, 0.0, AJ.data(), s);
      blas::gemm('T', 'N', s, s, s, 1.0, lam, s, AJ.data(), s, 0.0, M.data(), s);
      for (int r = 0; r < s; ++r) M[r * (s + 1)] += 1;
      blas::potrf('L', s, M.data(), s);
      std::copy_n(lam, size, J.data());
      blas::trsm('R', 'L', 'T', s, s, M.data(), s, J.data(), s);
      blas::trsm('R', 'L', 'T', s, s, M.data(), s, AJ.data(), s);
      std::copy_n(A, size, B);
      blas::gemm('N', 'T', s, s, s, -1.0, AJ.data(), s, AJ.data(), s, 1.0, B, s);
      if (rest == 0) continue;
      double *of_rest = column(T_, static_cast<int>(i) * s), *PJ = column(W_, static_cast<int>(i) * s);
      blas::gemm('N', 'N', rest, s, s, 1.0, of_rest, rest, J.data(), s, 0.0, PJ, rest);
      blas::gemm('N', 'T', rest, s, s, -1.0, PJ, rest, AJ.data(), s, 1.0, of_rest, rest);
    }
    if (rest == 0) return;
    double* T22 = column(T_, layout_.own);
    blas::syrk('L', 'N', rest, layout_.own, -1.0, W_.data(), rest, 1.0, T22, rest);
    for (int c = 0; c < rest; ++c)
      for (int r = c + 1; r < rest; ++r) column(T_, layout_.own + r)[c] = column(T_, layout_.own + c)[r];
  }

  // W = L^-1 Lambda'T_2 with L L' = Lambda'T_22 Lambda + I; T_2 <- T_2 - W_2'W.
  void eliminate_rest() {
    const int rest = layout_.rest, q = layout_.q();
    if (rest == 0) return;
    W_.assign(static_cast<std::size_t>(rest) * q, 0.0);
    for (int c = 0; c < q; ++c) multiply_transposed(column(T_, c), column(W_, c));
    M_.assign(static_cast<std::size_t>(rest) * rest, 0.0);
    for_each_level([&](const double* lam, int s, int first) {  // M = W_2 Lambda + I
      for (int c = 0; c < s; ++c)
        for (int i = c; i < s; ++i) {
          const double* from = column(W_, layout_.own + first + i);
          double* to = column(M_, first + c);
          for (int r = 0; r < rest; ++r) to[r] += from[r] * lam[i + c * s];
        }
    });
    for (int i = 0; i < rest; ++i) column(M_, i)[i] += 1;
    blas::potrf('L', rest, M_.data(), rest);
    blas::trsm('L', 'L', 'N', rest, q, M_.data(), rest, W_.data(), rest);
    blas::gemm('T', 'N', rest, q, rest, -1.0, column(W_, layout_.own), rest, W_.data(), rest, 1.0, T_.data(), rest);
  }

  // Template, width and first row (counted from the lead's end) of every level of the other factors.
  template <typename Visit>
  void for_each_level(const Visit& visit) {
    for (std::size_t f = 0; f < layout_.parts.size(); ++f) {
      const Layout::Part& part = layout_.parts[f];
      if (static_cast<int>(f) == layout_.lead) continue;
      for (int first = part.first; first < part.first + part.rows(); first += part.width)
        visit(lam_[f].data(), part.width, first - layout_.own);
    }
  }

  // out = Lambda'in over the rest's rows.
  void multiply_transposed(const double* in, double* out) {
    for_each_level([&](const double* lam, int s, int first) {
      for (int r = 0; r < s; ++r)
        for (int i = r; i < s; ++i) out[first + r] += lam[i + r * s] * in[first + i];
    });
  }

  bool of_lead(const ThetaEntry& e) const { return e.factor == layout_.lead; }

  void add_traces() {
    const std::size_t m = entries_.size();
    prepare_lead();
    for (std::size_t e = 0; e < m; ++e) {
      const int a = entries_[e].row, b = entries_[e].column;
      double sum = 0;
      if (of_lead(entries_[e])) {
        const int s = layout_.parts[layout_.lead].width;
        for (std::size_t at = 0; at < B_.size(); at += static_cast<std::size_t>(s) * s)
          sum += B_[at + a + b * s] - w_[at + a + b * s];
      } else {
        const Layout::Part& part = layout_.parts[entries_[e].factor];
        for (int x = part.first; x < part.first + part.rows(); x += part.width)
          sum += column(T_, x + b)[x + a - layout_.own];
      }
      sums.trace[e] += a == b ? sum : 2 * sum;
      for (std::size_t f = 0; f <= e; ++f) {
        const double both = trace_of_two(e, f);
        sums.traces[e + f * m] += both;
        if (e != f) sums.traces[f + e * m] += both;
      }
    }
  }

  // w, the diagonal blocks of W_1'W_1, and N_ab = sum over the levels of W_a W_b' for the lead's entries.
  void prepare_lead() {
    const Layout::Part& part = layout_.parts[layout_.lead];
    const int s = part.width, rest = layout_.rest, levels = static_cast<int>(part.levels.size());
    w_.assign(B_.size(), 0.0);
    if (rest == 0) return;
    for (int l = 0; l < levels; ++l)
      blas::gemm('T', 'N', s, s, rest, 1.0, column(W_, l * s), rest, column(W_, l * s), rest, 0.0,
                 w_.data() + static_cast<std::size_t>(l) * s * s, s);
    for (std::size_t e = 0; e < entries_.size(); ++e) {
      if (!of_lead(entries_[e])) continue;
      N_[e].resize(static_cast<std::size_t>(rest) * rest);
      blas::gemm('N', 'T', rest, rest, levels, 1.0, column(W_, entries_[e].row), s * rest,
                 column(W_, entries_[e].column), s * rest, 0.0, N_[e].data(), rest);
    }
  }

  // tr(E_e T E_f T): over two levels, the products of the four corners that effects a, b and c, d make.
  double trace_of_two(std::size_t e, std::size_t f) {
    const ThetaEntry *one = &entries_[e], *other = &entries_[f];
    double sum = 0;
    if (of_lead(*one) && of_lead(*other)) {
      sum = sum_in_lead(e, f);
    } else {
      if (of_lead(*other)) std::swap(one, other);  // rows of T_2 are the other's
      sum = sum_of_pairs(*other, *one);
    }
    return 0.5 * sum * (one->row == one->column ? 1 : 2) * (other->row == other->column ? 1 : 2);
  }

  double sum_of_pairs(const ThetaEntry& e, const ThetaEntry& f) {
    const Layout::Part &one = layout_.parts[e.factor], &other = layout_.parts[f.factor];
    double sum = 0;
    for (int y = other.first; y < other.first + other.rows(); y += other.width) {
      const double *c = column(T_, y + f.row) - layout_.own, *d = column(T_, y + f.column) - layout_.own;
      for (int x = one.first; x < one.first + one.rows(); x += one.width)
        sum += c[x + e.row] * d[x + e.column] + d[x + e.row] * c[x + e.column];
    }
    return sum;
  }

  // With T_11 = B - W_1'W_1.
  double sum_in_lead(std::size_t e, std::size_t f) {
    const int s = layout_.parts[layout_.lead].width, rest = layout_.rest;
    const int a = entries_[e].row, b = entries_[e].column, c = entries_[f].row, d = entries_[f].column;
    double sum = 0;
    for (std::size_t at = 0; at < B_.size(); at += static_cast<std::size_t>(s) * s) {
      const double *B = B_.data() + at, *w = w_.data() + at;
      auto corners = [&](int i, int j) {
        return B[a + i * s] * (B[b + j * s] - w[b + j * s]) - w[a + i * s] * B[b + j * s];
      };
      sum += corners(c, d) + corners(d, c);
    }
    for (int j = 0; j < rest; ++j)
      for (int i = 0; i < rest; ++i) sum += column(N_[e], j)[i] * (column(N_[f], j)[i] + column(N_[f], i)[j]);
    return sum;
  }

  void add_products() {
    const std::size_t m = entries_.size(), size = static_cast<std::size_t>(p_) * p_,
                      block = static_cast<std::size_t>(p_) * layout_.q();
    Hc_.resize(block);
    F_.assign(m * block, 0.0);
    TF_.assign(m * block, 0.0);
    for (std::size_t f = 0; f < layout_.parts.size(); ++f) {
      const FactorBlock& from = A_.factors[f];
      for (std::int32_t l : layout_.parts[f].levels)
        std::copy_n(H_.data() + (from.offset + std::int64_t{l} * from.width) * p_,
                    static_cast<std::size_t>(from.width) * p_, of_row(Hc_.data(), place_[from.first_node + l]));
    }
    for (std::size_t e = 0; e < m; ++e) {
      const Layout::Part& part = layout_.parts[entries_[e].factor];
      double *F = F_.data() + e * block, *TF = TF_.data() + e * block;
      for (int x = part.first; x < part.first + part.rows(); x += part.width) {
        std::copy_n(of_row(Hc_.data(), x + entries_[e].column), p_, of_row(F, x + entries_[e].row));
        std::copy_n(of_row(Hc_.data(), x + entries_[e].row), p_, of_row(F, x + entries_[e].column));
      }
      blas::gemm('N', 'T', p_, p_, part.rows(), 1.0, of_row(F, part.first), p_, of_row(Hc_.data(), part.first), p_, 1.0,
                 sums.P.data() + e * size, p_);
      if (of_lead(entries_[e]))
        multiply_lead(F, TF);
      else if (part.rows() > 0)
        blas::gemm('N', 'N', p_, layout_.q(), part.rows(), 1.0, of_row(F, part.first), p_,
                   T_.data() + part.first - layout_.own, layout_.rest, 0.0, TF, p_);
    }
    for (std::size_t e = 0; e < m; ++e) {
      const Layout::Part& part = layout_.parts[entries_[e].factor];
      for (std::size_t f = 0; f < m; ++f)
        blas::gemm('N', 'T', p_, p_, part.rows(), 1.0, of_row(F_.data() + e * block, part.first), p_,
                   of_row(TF_.data() + f * block, part.first), p_, 1.0, sums.Q.data() + (e * m + f) * size, p_);
    }
  }

  double* of_row(double* matrix, int r) const { return matrix + static_cast<std::size_t>(r) * p_; }

  // out (p x q) = in [T_11 T_12], `in` being p x own.
  void multiply_lead(double* in, double* out) {
    const int s = layout_.parts[layout_.lead].width, rest = layout_.rest, own = layout_.own;
    for (int x = 0; x < own; x += s)
      blas::gemm('N', 'N', p_, s, s, 1.0, of_row(in, x), p_, B_.data() + static_cast<std::size_t>(x) * s, s, 0.0,
                 of_row(out, x), p_);
    if (rest == 0) return;
    std::vector<double> half(static_cast<std::size_t>(p_) * rest);
    blas::gemm('N', 'T', p_, rest, own, 1.0, in, p_, W_.data(), rest, 0.0, half.data(), p_);
    blas::gemm('N', 'N', p_, own, rest, -1.0, half.data(), p_, W_.data(), rest, 1.0, out, p_);
    blas::gemm('N', 'T', p_, rest, own, 1.0, in, p_, T_.data(), rest, 0.0, of_row(out, own), p_);
  }

  const CrossProducts& A_;
  const std::vector<ThetaEntry>& entries_;
  const Templates& lam_;
  const std::vector<double>& H_;
  int p_;
  std::vector<int> place_;  // node -> its first local row
  Layout layout_{A_, {}};
  std::vector<double> T_, W_, M_;       // rest x q, rest x q, rest x rest
  std::vector<double> B_, w_;           // a block per level of the lead
  std::vector<std::vector<double>> N_;  // rest x rest for every entry of the lead
  std::vector<double> Hc_, F_, TF_;     // H, E_e H, T E_e H: p numbers per random effect
};

}  // namespace

KenwardRogerSums kenward_roger_sums(const CrossProducts& A, const LevelGraph& graph,
                                    const std::vector<ThetaEntry>& entries, const Templates& lam,
                                    const std::vector<double>& ZtViX) {
  Accumulator accumulator(A, entries, lam, ZtViX);
  for (const std::vector<int>& nodes : components(graph)) accumulator.add(nodes);
  return std::move(accumulator.sums);
}

double workspace(const CrossProducts& A, const LevelGraph& graph, std::size_t m) {
  double largest = 0;
  for (const std::vector<int>& nodes : components(graph)) {
    const Layout layout(A, nodes);
    const double rest = layout.rest, q = layout.q(), entries = static_cast<double>(m);
    largest = std::max(largest, 2 * rest * q + (1 + entries) * rest * rest + (2 * entries + 1) * A.p * q);
  }
  return largest + static_cast<double>(m) * static_cast<double>(m + 1) * A.p * A.p;
}

}  // namespace mixedmodels
