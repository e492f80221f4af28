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

// One component at a time: its T, and what it adds to the sums.
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
  }

  void add(const std::vector<int>& nodes) {
    locate(nodes);
    gather();
    form_T();
    add_traces();
    if (p_ > 0) add_products();
  }

  KenwardRogerSums sums;

 private:
  // The levels of one factor in this component: local rows [first, first + levels * width).
  struct Part {
    std::vector<std::int32_t> levels;
    int first = 0, width = 0;
    int rows() const { return static_cast<int>(levels.size()) * width; }
  };

  double& at(std::vector<double>& matrix, int r, int c) const { return matrix[r + static_cast<std::size_t>(c) * q_]; }

  void locate(const std::vector<int>& nodes) {
    parts_.assign(A_.factors.size(), {});
    q_ = 0;
    std::size_t next = 0;
    for (std::size_t f = 0; f < A_.factors.size(); ++f) {
      const FactorBlock& block = A_.factors[f];
      Part& part = parts_[f];
      part.first = q_;
      part.width = block.width;
      for (; next < nodes.size() && nodes[next] < block.first_node + block.levels; ++next) {
        part.levels.push_back(static_cast<std::int32_t>(nodes[next] - block.first_node));
        place_[nodes[next]] = q_;
        q_ += block.width;
      }
    }
  }

  // Z'WZ of the component.
  void gather() {
    T_.assign(static_cast<std::size_t>(q_) * q_, 0.0);
    for (std::size_t f = 0; f < parts_.size(); ++f) {
      const int s = parts_[f].width;
      for (std::int32_t l : parts_[f].levels) {
        const double* d = A_.factors[f].diagonal.data() + std::int64_t{l} * s * s;
        const int first = place_[A_.factors[f].first_node + l];
        for (int c = 0; c < s; ++c)
          for (int r = 0; r < s; ++r) at(T_, first + r, first + c) = d[r + c * s];
      }
    }
    for (const PairBlock& pair : A_.pairs) {
      const int sa = A_.factors[pair.a].width, sb = A_.factors[pair.b].width;
      for (std::int32_t l : parts_[pair.a].levels)
        for (std::int64_t e = pair.start[l]; e < pair.start[l + 1]; ++e) {
          const double* v = pair.values.data() + e * sa * sb;
          const int col = place_[A_.factors[pair.a].first_node + l],
                    row = place_[A_.factors[pair.b].first_node + pair.level_b[e]];
          for (int c = 0; c < sa; ++c)
            for (int r = 0; r < sb; ++r) at(T_, row + r, col + c) = at(T_, col + c, row + r) = v[r + c * sb];
        }
    }
  }

  // T = Z'WZ - U'U with U = L^-1 Lambda'Z'WZ.
  void form_T() {
    U_.assign(T_.size(), 0.0);
    M_.assign(T_.size(), 0.0);
    for (int c = 0; c < q_; ++c) multiply_rows(T_.data() + static_cast<std::size_t>(c) * q_, &at(U_, 0, c));
    for (std::size_t f = 0; f < parts_.size(); ++f) {  // M = U Lambda + I
      const int s = parts_[f].width;
      for (int first = parts_[f].first; first < parts_[f].first + parts_[f].rows(); first += s)
        for (int c = 0; c < s; ++c)
          for (int i = c; i < s; ++i) {
            const double factor = lam_[f][i + c * s];
            for (int r = 0; r < q_; ++r) at(M_, r, first + c) += at(U_, r, first + i) * factor;
          }
    }
    for (int i = 0; i < q_; ++i) at(M_, i, i) += 1;
    blas::potrf('L', q_, M_.data(), q_);
    blas::trsm('L', 'L', 'N', q_, q_, M_.data(), q_, U_.data(), q_);
    blas::syrk('L', 'T', q_, q_, -1.0, U_.data(), q_, 1.0, T_.data(), q_);
    for (int c = 0; c < q_; ++c)
      for (int r = c + 1; r < q_; ++r) at(T_, c, r) = at(T_, r, c);
  }

  // out = Lambda'in.
  void multiply_rows(const double* in, double* out) const {
    for (std::size_t f = 0; f < parts_.size(); ++f) {
      const int s = parts_[f].width;
      for (int first = parts_[f].first; first < parts_[f].first + parts_[f].rows(); first += s)
        for (int r = 0; r < s; ++r)
          for (int i = r; i < s; ++i) out[first + r] += lam_[f][i + r * s] * in[first + i];
    }
  }

  void add_traces() {
    const std::size_t m = entries_.size();
    for (std::size_t e = 0; e < m; ++e) {
      const Part& own = parts_[entries_[e].factor];
      const int a = entries_[e].row, b = entries_[e].column;
      double sum = 0;
      for (int x = own.first; x < own.first + own.rows(); x += own.width) sum += at(T_, x + a, x + b);
      sums.trace[e] += a == b ? sum : 2 * sum;
      for (std::size_t f = 0; f <= e; ++f) {
        const double both = sum_of_pairs(entries_[e], entries_[f]);
        sums.traces[e + f * m] += both;
        if (e != f) sums.traces[f + e * m] += both;
      }
    }
  }

  // tr(E_e T E_f T): the products of the four corners that two levels' effects a, b and c, d make.
  double sum_of_pairs(const ThetaEntry& e, const ThetaEntry& f) {
    const Part &one = parts_[e.factor], &other = parts_[f.factor];
    const int a = e.row, b = e.column, c = f.row, d = f.column;
    double sum = 0;
    for (int y = other.first; y < other.first + other.rows(); y += other.width) {
      const double *of_c = &at(T_, 0, y + c), *of_d = &at(T_, 0, y + d);
      for (int x = one.first; x < one.first + one.rows(); x += one.width)
        sum += of_c[x + a] * of_d[x + b] + of_d[x + a] * of_c[x + b];
    }
    return 0.5 * sum * (a == b ? 1 : 2) * (c == d ? 1 : 2);
  }

  void add_products() {
    const std::size_t m = entries_.size(), size = static_cast<std::size_t>(p_) * p_, block = std::size_t(p_) * q_;
    Hc_.resize(block);
    EH_.assign(m * block, 0.0);
    TEH_.resize(m * block);
    for (std::size_t f = 0; f < parts_.size(); ++f) {
      const FactorBlock& from = A_.factors[f];
      for (std::int32_t l : parts_[f].levels)
        std::copy_n(H_.data() + (from.offset + std::int64_t{l} * from.width) * p_, std::size_t(from.width) * p_,
                    Hc_.data() + static_cast<std::size_t>(place_[from.first_node + l]) * p_);
    }
    for (std::size_t e = 0; e < m; ++e) {
      const Part& own = parts_[entries_[e].factor];
      const int a = entries_[e].row, b = entries_[e].column, rows = own.rows();
      const std::size_t first = static_cast<std::size_t>(own.first) * p_;
      double* EH = EH_.data() + e * block;
      for (int x = own.first; x < own.first + rows; x += own.width) {
        std::copy_n(Hc_.data() + std::size_t(x + b) * p_, p_, EH + std::size_t(x + a) * p_);
        std::copy_n(Hc_.data() + std::size_t(x + a) * p_, p_, EH + std::size_t(x + b) * p_);
      }
      blas::gemm('N', 'T', p_, p_, rows, 1.0, EH + first, p_, Hc_.data() + first, p_, 1.0, sums.P.data() + e * size,
                 p_);
      // A part without rows adds nothing; BLAS would still set the product to zero.
      blas::gemm('N', 'N', p_, q_, rows, 1.0, EH + first, p_, T_.data() + own.first, q_, 0.0, TEH_.data() + e * block,
                 p_);
    }
    for (std::size_t e = 0; e < m; ++e) {
      const Part& own = parts_[entries_[e].factor];
      const std::size_t first = static_cast<std::size_t>(own.first) * p_;
      for (std::size_t f = 0; f < m; ++f)
        blas::gemm('N', 'T', p_, p_, own.rows(), 1.0, EH_.data() + e * block + first, p_,
                   TEH_.data() + f * block + first, p_, 1.0, sums.Q.data() + (e * m + f) * size, p_);
    }
  }

  const CrossProducts& A_;
  const std::vector<ThetaEntry>& entries_;
  const Templates& lam_;
  const std::vector<double>& H_;
  int p_, q_ = 0;
  std::vector<int> place_;  // node -> its first local row
  std::vector<Part> parts_;
  std::vector<double> T_, U_, M_;
  std::vector<double> Hc_, EH_, TEH_;  // p numbers per random effect of the component
};

}  // namespace

KenwardRogerSums kenward_roger_sums(const CrossProducts& A, const LevelGraph& graph,
                                    const std::vector<ThetaEntry>& entries, const Templates& lam,
                                    const std::vector<double>& ZtViX) {
  Accumulator accumulator(A, entries, lam, ZtViX);
  for (const std::vector<int>& nodes : components(graph)) accumulator.add(nodes);
  return std::move(accumulator.sums);
}

std::int64_t largest_component(const LevelGraph& graph) {
  std::int64_t largest = 0;
  for (const std::vector<int>& nodes : components(graph)) {
    std::int64_t q = 0;
    for (int node : nodes) q += graph.weight[node];
    largest = std::max(largest, q);
  }
  return largest;
}

}  // namespace mixedmodels
